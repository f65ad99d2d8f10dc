// The file list of BEP 3, with the attributes of BEP 47.
#include "mutirao/swarm/safe_path.h"

#include "metainfo/metainfo_fields.h"

namespace mutirao::swarm {
namespace {

using wire::BencodeValue;

/// A list of names below the torrent's own.
Result<std::string> read_path(BencodeValue list, std::string_view name, std::string_view label) {
  if (!list.is_list()) return corrupt("'{}' is not a list", label);
  if (list.size() == 0) return corrupt("'{}' is empty", label);
  std::vector<std::string_view> components{name};
  for (auto const& [key, value] : list) {
    auto const component = value.string();
    if (!component) return corrupt("'{}' holds something that is not a string", label);
    components.push_back(*component);
  }
  auto path = safe_path(components);
  if (!path) return std::unexpected{std::move(path).error().during(fmt::format("'{}'", label))};
  return path;
}

Result<void> check_symlink(BencodeValue entry, TorrentFile const& file, std::string const& name,
                           std::string const& label) {
  if (file.length != 0)
    return corrupt("'{}.length' is {}; a symbolic link has none", label, file.length);
  auto const target = entry.find("symlink path");
  if (!target) return corrupt("'{}.symlink path' is missing", label);
  MUT_TRY(read_path(*target, name, fmt::format("{}.symlink path", label)));
  return {};
}

Result<TorrentFile> read_entry(BencodeValue entry, std::string const& name,
                               std::string const& label) {
  if (!entry.is_dictionary()) return corrupt("'{}' is not a dictionary", label);
  Attributes const attributes = MUT_TRY(read_attributes(entry, fmt::format("{}.attr", label)));
  TorrentFile file;
  file.pad = attributes.pad;
  file.executable = attributes.executable;
  file.symlink = attributes.symlink;
  if (!file.symlink || entry.find("length"))
    file.length = MUT_TRY(read_length(entry, fmt::format("{}.length", label)));
  if (file.pad) {
    // The path of padding says nothing and may be missing; the usual one stands for it.
    file.path = fmt::format("{}/.pad/{}", name, file.length);
    return file;
  }
  auto path = entry.find("path.utf-8");
  if (!path) path = entry.find("path");
  if (!path) return corrupt("'{}.path' is missing", label);
  file.path = MUT_TRY(read_path(*path, name, fmt::format("{}.path", label)));
  if (file.symlink) MUT_TRY(check_symlink(entry, file, name, label));
  return file;
}

Result<FileList> read_single(BencodeValue info, std::string const& name) {
  Attributes const attributes = MUT_TRY(read_attributes(info, "attr"));
  if (attributes.pad || attributes.symlink)
    return corrupt("'attr' makes the only file {}", attributes.pad ? "padding" : "a symbolic link");
  FileList list;
  TorrentFile& file = list.files.emplace_back();
  file.path = name;
  file.executable = attributes.executable;
  file.length = MUT_TRY(read_length(info, "length"));
  list.end = file.length;
  return list;
}

}  // namespace

Result<FileList> read_v1_files(BencodeValue info, std::string const& name) {
  auto const entries = info.find("files");
  bool const single = info.find("length").has_value();
  if (entries && single) return corrupt("both 'length' and 'files' are present");
  if (single) return read_single(info, name);
  if (!entries) return corrupt("neither 'length' nor 'files' is present");
  if (!entries->is_list()) return corrupt("'files' is not a list");
  if (entries->size() == 0) return corrupt("'files' is empty");
  if (entries->size() > Metainfo::kFilesMax)
    return too_large("'files' lists {} files; at most {} are accepted", entries->size(),
                     Metainfo::kFilesMax);

  FileList list;
  list.files.reserve(entries->size());
  for (auto const& [key, entry] : *entries) {
    TorrentFile file =
        MUT_TRY(read_entry(entry, name, fmt::format("files[{}]", list.files.size())));
    file.offset = list.end;
    list.end += file.length;
    if (list.end > kSpaceBytesMax)
      return too_large("the files add up to more than {} bytes", kSpaceBytesMax);
    list.files.push_back(std::move(file));
  }
  return list;
}

}  // namespace mutirao::swarm
