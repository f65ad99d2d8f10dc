#include "machine/boot_disks.h"

#include <fmt/format.h>

#include "mutirao/machine/block_overlay.h"
#include "mutirao/machine/block_qcow2.h"

namespace mutirao::cli {
namespace {

using world::FileLock;

constexpr std::string_view kOverlayWord = ",overlay=";

struct FilePlace {
  std::unique_ptr<world::Directory> folder;
  std::string name;
};

Result<FilePlace> place_of_file(world::World& world, std::string const& path) {
  auto const slash = path.rfind('/');
  auto folder =
      MUT_TRY(world.disk().open_directory(slash == 0 ? "/" : path.substr(0, slash), false));
  return FilePlace{std::move(folder), path.substr(slash + 1)};
}

Result<bool> is_there(world::World& world, std::string const& path) {
  auto const place = MUT_TRY(place_of_file(world, path));
  auto const info = place.folder->info(place.name);
  if (!info && info.error().fault != Fault::not_found) return std::unexpected{info.error()};
  return info.has_value();
}

/// An overlay that is missing is made with it: none comes in between.
Result<FileLock> lock(std::string const& path, FileLock::Kind kind) {
  auto taken = FileLock::take(path, kind, kind == FileLock::Kind::alone);
  if (taken || taken.error().fault != Fault::refused) return taken;
  return std::unexpected{std::move(taken).error().with_mend(
      "mutirao machine list; or lay another file over it: --disk IMAGE,overlay=FILE; or "
      "--snapshot")};
}

Result<OpenedDisk> open_in_place(FilePlace const& image, std::string const& path) {
  auto taken = MUT_TRY(lock(path, FileLock::Kind::alone));
  auto file = MUT_TRY(image.folder->open(image.name, {.writable = true}));
  auto source = MUT_TRY(machine::open_block_image(std::move(file), true));
  OpenedDisk opened{std::move(source), {.image = path, .written_to = path, .kept = true}};
  opened.locks.push_back(std::move(taken));
  return opened;
}

Result<std::unique_ptr<machine::BlockSource>> lay_over(world::World& world,
                                                       std::unique_ptr<machine::BlockSource> below,
                                                       std::string const& path,
                                                       std::int64_t modified_ns) {
  auto const place = MUT_TRY(place_of_file(world, path));
  auto opened =
      machine::open_block_overlay(std::move(below), *place.folder, place.name, modified_ns);
  if (!opened) return std::unexpected{std::move(opened).error().during("overlay " + path)};
  return opened;
}

}  // namespace

std::string default_overlay(std::string const& image) { return image + ".overlay"; }

Result<DiskText> parse_disk(std::string_view text) {
  auto const word = text.rfind(kOverlayWord);
  DiskText disk{std::string{text.substr(0, word)}};
  if (word != text.npos) disk.overlay = text.substr(word + kOverlayWord.size());
  if (disk.image.empty() || (word != text.npos && disk.overlay.empty()))
    return fail(Fault::invalid, fmt::format("\"{}\" is no disk", text),
                "give IMAGE, or IMAGE,overlay=FILE");
  return disk;
}

Result<OpenedDisk> open_disk(world::World& world, DiskText const& disk,
                             std::string const& temporary) {
  auto const image = MUT_TRY(place_of_file(world, disk.image));
  auto file = MUT_TRY(image.folder->open(image.name, {}));
  bool const only_read = MUT_TRY(machine::is_qcow2(*file));
  bool const kept = temporary.empty();
  auto const overlay = !disk.overlay.empty() ? disk.overlay
                       : only_read           ? default_overlay(disk.image)
                                             : std::string{};
  if (kept && overlay.empty()) return open_in_place(image, disk.image);
  OpenedDisk opened{nullptr,
                    {.image = disk.image, .written_to = kept ? overlay : "", .kept = kept}};
  opened.locks.push_back(MUT_TRY(lock(disk.image, FileLock::Kind::shared)));
  auto const modified_ns = MUT_TRY(file->info()).modified_ns;
  opened.source = MUT_TRY(machine::open_block_image(std::move(file), false));
  // What is to stay as it is, is not made either.
  if (!overlay.empty() && (kept || MUT_TRY(is_there(world, overlay)))) {
    opened.locks.push_back(
        MUT_TRY(lock(overlay, kept ? FileLock::Kind::alone : FileLock::Kind::shared)));
    opened.source = MUT_TRY(lay_over(world, std::move(opened.source), overlay, modified_ns));
  }
  if (!kept) opened.source = MUT_TRY(lay_over(world, std::move(opened.source), temporary, 0));
  return opened;
}

}  // namespace mutirao::cli
