// Finds what is to be shared, and where it goes in the torrent's space.
#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/swarm/safe_path.h"

#include "metainfo/make_layout.h"

namespace mutirao::swarm {
namespace {

using world::FileKind;

struct SplitPath {
  std::string folder;
  std::string name;
};

Result<SplitPath> split(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::size_t const slash = path.rfind('/');
  SplitPath parts;
  parts.name = path.substr(slash == path.npos ? 0 : slash + 1);
  parts.folder = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (parts.name.empty() || parts.name == "." || parts.name == "..")
    return fail(Fault::invalid, fmt::format("{} has no name of its own", base::quoted(path)),
                "name the file or folder itself");
  return parts;
}

Result<std::string> storable(std::vector<std::string_view> const& names) {
  auto path = safe_path(names);
  if (path) return path;
  return std::unexpected{
      std::move(path).error().with_mend("rename it: not every machine can store that name")};
}

std::vector<std::string_view> names_of(std::string_view first, std::string_view path) {
  std::vector<std::string_view> names{first};
  while (!path.empty()) {
    std::size_t const slash = std::min(path.find('/'), path.size());
    names.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return names;
}

/// All below the folder, without recursion.
Result<void> walk(Source& source) {
  std::vector<std::string> folders{""};
  while (!folders.empty()) {
    std::string const folder = std::move(folders.back());
    folders.pop_back();
    for (world::DirectoryEntry& entry : MUT_TRY(source.folder->list(folder))) {
      std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
      if (entry.info.kind == FileKind::directory) {
        MUT_TRY(storable(names_of(source.name, path)));
        folders.push_back(std::move(path));
        continue;
      }
      if (entry.info.kind != FileKind::regular) {
        source.skipped.push_back(std::move(path));
        continue;
      }
      MUT_TRY(storable(names_of(source.name, path)));
      if (source.files.size() == Metainfo::kFilesMax)
        return fail(Fault::exhausted,
                    fmt::format("{} holds more than {} files", base::quoted(source.name),
                                Metainfo::kFilesMax),
                    "share its folders one by one");
      source.files.push_back({std::move(path), entry.info});
    }
  }
  return {};
}

/// A file tree sorts name by name; whole paths do the same once '/' is the lowest character.
bool tree_order(SourceFile const& a, SourceFile const& b) {
  return std::ranges::lexicographical_compare(a.path, b.path, [](unsigned char x, unsigned char y) {
    return (x == '/' ? 0 : x) < (y == '/' ? 0 : y);
  });
}

}  // namespace

Result<Source> find_source(world::World& world, std::string const& path) {
  auto const parts = MUT_TRY(split(path));
  Source source;
  source.name = MUT_TRY(storable({parts.name}));
  source.folder = MUT_TRY(world.disk().open_directory(parts.folder, false));
  auto const looked = source.folder->info(parts.name);
  if (!looked && looked.error().fault == Fault::not_found)
    return fail(Fault::not_found, fmt::format("there is no file or folder {}", base::quoted(path)),
                looked.error().mend);
  auto const info = MUT_TRY(looked);
  if (info.kind == FileKind::regular) {
    source.single = true;
    source.files.push_back({parts.name, info});
  } else if (info.kind == FileKind::directory || info.kind == FileKind::symlink) {
    source.folder = MUT_TRY(world.disk().open_directory(path, false));
    MUT_TRY(walk(source));
  } else {
    return fail(Fault::unsupported,
                fmt::format("{} is neither a file nor a folder", base::quoted(path)),
                "name a file or a folder");
  }
  std::vector<std::string> paths;
  for (SourceFile const& file : source.files) paths.push_back(file.path);
  if (auto distinct = check_collisions(paths); !distinct)
    return std::unexpected{std::move(distinct).error().with_mend(
        "rename one of them: not every machine can store both")};
  std::ranges::sort(source.files, tree_order);
  std::ranges::sort(source.skipped);
  for (SourceFile const& file : source.files) source.total_size += file.info.size;
  if (source.total_size == 0)
    return fail(Fault::invalid, fmt::format("{} holds no bytes to share", base::quoted(path)),
                "share it when something is in it");
  return source;
}

Result<void> check_unchanged(Source const& source) {
  for (SourceFile const& file : source.files) {
    auto const now = source.folder->info(file.path);
    bool const same = now && now->kind == FileKind::regular && now->size == file.info.size &&
                      now->modified_ns == file.info.modified_ns && now->inode == file.info.inode;
    if (!same)
      return fail(Fault::corrupt,
                  fmt::format("{} changed while it was read", base::quoted(file.path)),
                  "try again when nothing writes to it");
  }
  return {};
}

std::uint32_t choose_piece_length(Source const& source) {
  constexpr std::uint64_t kPiecesAimed = 2048;
  std::uint64_t const by_size = std::bit_ceil(source.total_size / kPiecesAimed + 1);
  std::uint64_t const mean = std::bit_ceil(source.total_size / source.files.size() + 1);
  std::uint64_t const least = std::clamp<std::uint64_t>(mean, kBlockBytes, 256 * 1024);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(by_size, least, 16 << 20));
}

Layout lay_out(Source const& source, TorrentFormat format, std::uint32_t piece_length) {
  Layout layout;
  layout.piece_length = piece_length;
  for (std::size_t i = 0; i < source.files.size(); ++i) {
    std::uint64_t const length = source.files[i].info.size;
    std::uint64_t const gap = (piece_length - layout.end % piece_length) % piece_length;
    if (format != TorrentFormat::v1 && length > 0 && gap > 0) {
      if (format == TorrentFormat::hybrid)
        layout.entries.push_back({.file = 0, .offset = layout.end, .length = gap, .pad = true});
      layout.end += gap;
    }
    layout.entries.push_back({.file = i, .offset = layout.end, .length = length});
    layout.end += length;
  }
  return layout;
}

}  // namespace mutirao::swarm
