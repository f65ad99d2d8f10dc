// The file tree of BEP 52.
#include <algorithm>
#include <ranges>

#include "mutirao/base/utf8.h"
#include "mutirao/swarm/safe_path.h"

#include "metainfo/metainfo_fields.h"

namespace mutirao::swarm {
namespace {

using wire::BencodeValue;

constexpr std::size_t kTreeDepthMax = 64;  // as safe_path; asked before a folder is entered

/// Walks the tree without recursion: its depth is a stranger's choice, our stacks are small.
class TreeReader {
 public:
  TreeReader(std::string const& name, std::uint32_t piece_length)
      : name_{name}, piece_length_{piece_length} {}

  Result<FileList> read(BencodeValue tree) {
    if (tree.find("")) return corrupt("'file tree' is itself a file");
    if (tree.size() == 0) return corrupt("'file tree' is empty");
    single_ = is_single_file(tree);
    enter(tree, {});
    while (!open_.empty()) {
      Folder& folder = open_.back();
      if (folder.next == folder.end) {
        open_.pop_back();
        continue;
      }
      auto const [key, node] = *folder.next;
      ++folder.next;
      MUT_TRY(read_node(key, node));
    }
    return std::move(list_);
  }

 private:
  struct Folder {
    BencodeValue::Iterator next;
    BencodeValue::Iterator end;
    std::string_view name;
  };

  /// One file at the root that has the torrent's own name lies in no folder.
  bool is_single_file(BencodeValue tree) const {
    if (tree.size() != 1) return false;
    auto const [key, node] = *tree.begin();
    return key == name_ && node.is_dictionary() && node.find("");
  }

  void enter(BencodeValue folder, std::string_view name) {
    open_.push_back({folder.begin(), folder.end(), name});
  }

  Result<void> read_node(std::string_view key, BencodeValue node) {
    std::string const label = fmt::format("file tree: {}", base::quoted(key));
    if (!node.is_dictionary()) return corrupt("{} is not a dictionary", label);
    auto const properties = node.find("");
    if (!properties) {
      if (node.size() == 0) return corrupt("{} is neither a file nor a folder with files", label);
      if (open_.size() > kTreeDepthMax)
        return too_large("{} is more than {} folders deep", label, kTreeDepthMax);
      enter(node, key);
      return {};
    }
    if (!properties->is_dictionary())
      return corrupt("{}: the properties are not a dictionary", label);
    if (node.size() != 1) return corrupt("{} is both a file and a folder", label);
    return add_file(key, *properties, label);
  }

  Result<void> add_file(std::string_view key, BencodeValue properties, std::string const& label) {
    if (list_.files.size() == Metainfo::kFilesMax)
      return too_large("'file tree' has more than {} files", Metainfo::kFilesMax);
    Attributes const attributes =
        MUT_TRY(read_attributes(properties, fmt::format("{}.attr", label)));
    if (attributes.pad) return corrupt("{} is padding, which a file tree never holds", label);
    TorrentFile file;
    file.path = MUT_TRY(path_of(key));
    file.executable = attributes.executable;
    file.symlink = attributes.symlink;
    if (!file.symlink || properties.find("length"))
      file.length = MUT_TRY(read_length(properties, fmt::format("{}.length", label)));
    if (file.symlink && file.length != 0)
      return corrupt("'{}.length' is {}; a symbolic link has none", label, file.length);
    file.offset = list_.end;
    if (file.length > 0) {
      file.pieces_root = MUT_TRY(read_root(properties, label));
      file.offset = (list_.end + piece_length_ - 1) / piece_length_ * piece_length_;
      list_.end = file.offset + file.length;
      if (list_.end > kSpaceBytesMax)
        return too_large("the files add up to more than {} bytes", kSpaceBytesMax);
    }
    list_.files.push_back(std::move(file));
    return {};
  }

  Result<std::string> path_of(std::string_view key) const {
    std::vector<std::string_view> components;
    if (!single_) components.push_back(name_);
    for (Folder const& folder : open_ | std::views::drop(1)) components.push_back(folder.name);
    components.push_back(key);
    auto path = safe_path(components);
    if (!path) return std::unexpected{std::move(path).error().during("file tree")};
    return path;
  }

  static Result<Sha256Digest> read_root(BencodeValue properties, std::string const& label) {
    std::string_view const root =
        MUT_TRY(read_string(properties, "pieces root", fmt::format("{}.pieces root", label)));
    Sha256Digest digest;
    if (root.size() != digest.size())
      return corrupt("'{}.pieces root' has {} bytes instead of {}", label, root.size(),
                     digest.size());
    std::ranges::copy(base::view_of(root), digest.begin());
    return digest;
  }

  std::string const& name_;
  std::uint32_t piece_length_;
  bool single_ = false;
  std::vector<Folder> open_;
  FileList list_;
};

}  // namespace

Result<FileList> read_v2_files(BencodeValue info, std::string const& name,
                               std::uint32_t piece_length) {
  auto const tree = info.find("file tree");
  if (!tree) return corrupt("'file tree' is missing");
  if (!tree->is_dictionary()) return corrupt("'file tree' is not a dictionary");
  return TreeReader{name, piece_length}.read(*tree);
}

}  // namespace mutirao::swarm
