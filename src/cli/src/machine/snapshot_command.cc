#include "machine/snapshot_command.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/machine/snapshot.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/this_thread.h"

#include "machine/machine_client.h"
#include "machine/machine_folder.h"
#include "machine/snapshot_note.h"
#include "terminal.h"

namespace mutirao::cli {
namespace {

/// Until a machine that was saved has ended, and its end is written down.
constexpr Duration kSavedEndMax = 10s;
constexpr Duration kSavedEndPause = 20ms;

/// A file by its folder, as a person names it.
struct NamedFile {
  std::unique_ptr<world::Directory> folder;
  std::string name;
  std::string path;
};

Result<NamedFile> named_file(world::World& world, Context const& context, std::string const& path) {
  auto whole = absolute_path(path, context.environment.working_folder);
  auto const slash = whole.rfind('/');
  auto folder =
      MUT_TRY(world.disk().open_directory(slash == 0 ? "/" : whole.substr(0, slash), false));
  return NamedFile{std::move(folder), whole.substr(slash + 1), whole};
}

/// Shows how far it is: a machine's memory is looked through from its begin to its end.
class SavingProgress {
 public:
  SavingProgress(Context const& context, MachineInfo const& info)
      : screen_{Screen::mode_for(context.wants_progress())},
        interval_{screen_.mode() == Screen::Mode::plain ? kPlainInterval : kScreenInterval},
        info_{info},
        shown_{threads::now()} {}

  void tell(SnapshotPiece const& piece) {
    bytes_ += piece.bytes.size();
    auto const now = threads::now();
    if (now - shown_ < interval_) return;
    shown_ = now;
    screen_.show({fmt::format("saving {}: {} of {}, {} written", info_.name,
                              base::format_bytes(std::min(piece.offset, info_.memory_bytes)),
                              base::format_bytes(info_.memory_bytes), base::format_bytes(bytes_))});
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  Screen screen_;
  Duration interval_;
  MachineInfo const& info_;
  TimePoint shown_;
  std::uint64_t bytes_ = 0;
};

/// A file as it is now.
Result<FileNote> look_at_file(world::World& world, Context const& context,
                              std::string const& path) {
  if (path.empty()) return FileNote{};
  auto const place = MUT_TRY(named_file(world, context, path));
  auto const file = MUT_TRY(place.folder->open(place.name, {}));
  auto const info = MUT_TRY(file->info());
  return FileNote{.path = place.path, .size = info.size, .modified_ns = info.modified_ns};
}

Result<void> look_at_disks(world::World& world, Context const& context, SnapshotNote& note) {
  for (DiskNote& disk : note.disks)
    for (auto* const file : {&disk.image, &disk.overlay})
      *file = MUT_TRY(look_at_file(world, context, file->path));
  return {};
}

/// What a machine was started with, if it can be saved in this way.
Result<SnapshotNote> note_to_save(world::World& world, MachineFolder const& folder, bool ends) {
  auto note = folder.booted(world);
  auto const started = folder.started(world);
  if (!note || !started)
    return fail(Fault::unsupported, "nothing is known of what the machine was started with",
                "start it anew: mutirao boot");
  if (!std::ranges::all_of(started->disks, &DiskInfo::kept))
    return fail(Fault::refused, "what the machine writes to its disks is not kept",
                "start it without --snapshot, with an overlay: --disk IMAGE,overlay=FILE");
  if (!ends && !started->disks.empty())
    return fail(
        Fault::refused,
        "the machine writes to its disks, and a snapshot is good for them as they are now",
        fmt::format("let it end with it: mutirao machine snapshot --stop {} FILE", folder.name()));
  for (auto const& disk : started->disks) {
    bool const in_place = disk.written_to == disk.image;
    note->disks.push_back(
        {.image = {.path = disk.image}, .overlay = {.path = in_place ? "" : disk.written_to}});
  }
  return *std::move(note);
}

/// Takes the machine's pieces into the file, and lets it end only when that is safe.
Result<std::uint64_t> save_to(NamedFile const& place, Context const& context, world::World& world,
                              MachineInfo const& info) {
  auto const& options = context.options;
  auto const folder = MUT_TRY(MachineFolder::of(context.place, info.name));
  auto note = MUT_TRY(note_to_save(world, folder, options.stop));
  auto const writer = MUT_TRY(machine::SnapshotWriter::create(*place.folder, place.name));
  MachineClient machine{world, folder.socket()};
  SavingProgress progress{context, info};
  bool rests = false;
  MUT_TRY(machine.snapshot({.file = place.path, .ends = options.stop},
                           [&](SnapshotPiece const& piece) -> Result<void> {
                             // Its disks are flushed, and stay as they are until it goes on.
                             if (!std::exchange(rests, true))
                               MUT_TRY(look_at_disks(world, context, note));
                             if (!piece.bytes.empty())
                               MUT_TRY(writer->write(piece.offset, piece.bytes));
                             progress.tell(piece);
                             if (!piece.last) return {};
                             MUT_TRY(writer->finish(to_text(note)));
                             return options.stop ? machine.stop(0) : Result<void>{};
                           }));
  return progress.bytes();
}

Result<void> wait_for_end(world::World& world, Context const& context) {
  auto const end = threads::within(kSavedEndMax);
  for (;;) {
    auto const info = MUT_TRY(look_at_machine(world, context.place, context.options.name));
    if (info.state == "ended") return {};
    if (end.passed(threads::now()))
      return fail(Fault::timed_out, "the machine is saved, and has not ended yet",
                  fmt::format("mutirao machine show {}", info.name));
    MUT_TRY(threads::sleep_for(kSavedEndPause));
  }
}

}  // namespace

Result<void> snapshot_machine(Context const& context, world::World& world) {
  auto const& options = context.options;
  auto const info = MUT_TRY(look_at_machine(world, context.place, options.name));
  if (info.state != "running")
    return fail(Fault::unreachable, fmt::format("machine {} does not run: {}", info.name, info.end),
                fmt::format("mutirao boot --name {} ...", info.name));
  auto const place = MUT_TRY(named_file(world, context, options.file));
  auto const began = threads::now();
  auto const written = MUT_TRY(save_to(place, context, world, info));
  if (options.stop) MUT_TRY(wait_for_end(world, context));
  auto const seconds = std::chrono::duration<double>(threads::now() - began).count();
  if (options.json)
    fmt::print(
        "{{\"saved\":{{\"name\":{},\"file\":{},\"bytes\":{},\"seconds\":{:.3f},\"ended\":{}}}}}\n",
        node::json_string(info.name), node::json_string(place.path), written, seconds,
        options.stop);
  else if (!options.quiet)
    fmt::print("machine {} is saved: {} in {:.1f} s; it {}\nnext: mutirao machine restore {}\n",
               info.name, base::format_bytes(written), seconds, options.stop ? "ended" : "goes on",
               options.file);
  return {};
}

Result<Context> restored_context(Context const& context, world::World& world) {
  auto const place = MUT_TRY(named_file(world, context, context.options.file));
  auto const file = MUT_TRY(place.folder->open(place.name, {}));
  auto const note = MUT_TRY(parse_snapshot_note(MUT_TRY(machine::read_snapshot_note(*file))));
  auto const& given = context.options.disks;
  for (std::size_t i = 0; i < note.disks.size(); ++i) {
    auto const& then = note.disks[i];
    auto const now = i < given.size() ? MUT_TRY(files_of_disk(given[i], then)) : then;
    for (auto const file : {&DiskNote::image, &DiskNote::overlay})
      MUT_TRY(check_file(then.*file, MUT_TRY(look_at_file(world, context, (now.*file).path))));
  }
  Context restored = context;
  restored.options = options_of(note, context.options);
  restored.options.restored_from = place.path;
  return restored;
}

}  // namespace mutirao::cli
