#include "machine/snapshot_note.h"

#include <utility>

#include <fmt/format.h>

#include "mutirao/middleware/json_values.h"

#include "environment.h"
#include "machine/boot_disks.h"
#include "machine/machine_client.h"

namespace mutirao::cli {

namespace {

std::string text_of(DiskNote const& disk) {
  return disk.overlay.path.empty() ? disk.image.path
                                   : disk.image.path + ",overlay=" + disk.overlay.path;
}

}  // namespace

SnapshotNote note_of(Options const& options, std::string const& working_folder) {
  auto const whole = [&](std::string const& path) {
    return path.empty() ? path : absolute_path(path, working_folder);
  };
  SnapshotNote note{.name = options.name,
                    .kernel = whole(options.kernel),
                    .initrd = whole(options.initrd),
                    .firmware = whole(options.firmware),
                    .loader = whole(options.loader),
                    .append = options.append,
                    .engine = options.engine,
                    .isolation = options.isolation,
                    .disks = {},
                    .boots_from_disk = !options.image.empty(),
                    .shares = {},
                    .network = options.network,
                    .allowed = options.allowed,
                    .published = options.published,
                    .vsock = options.vsock,
                    .deterministic = options.deterministic,
                    .seed = options.seed,
                    .cpus = options.cpus,
                    .memory_mb = options.memory_mb};
  for (auto const& share : options.shares) note.shares.push_back(whole(share));
  return note;
}

Options options_of(SnapshotNote const& note, Options given) {
  auto const keep = [](auto& now, auto const& then) {
    if (now.empty()) now = then;
  };
  keep(given.name, note.name);
  given.kernel = note.kernel;
  given.initrd = note.initrd;
  given.firmware = note.firmware;
  given.loader = note.loader;
  given.append = note.append;
  given.engine = given.engine_now.empty() ? note.engine : given.engine_now;
  if (note.isolation == "required") given.isolation = note.isolation;
  if (given.disks.empty())
    for (auto const& disk : note.disks) given.disks.push_back(text_of(disk));
  if (note.boots_from_disk && !given.disks.empty()) {
    given.image = given.disks.front();
    given.disks.erase(given.disks.begin());
  }
  keep(given.shares, note.shares);
  given.network = given.network_now.empty() ? note.network : given.network_now;
  keep(given.allowed, note.allowed);
  keep(given.published, note.published);
  given.vsock = note.vsock;
  given.deterministic = note.deterministic;
  given.seed = note.seed;
  given.cpus = note.cpus;
  given.memory_mb = note.memory_mb;
  return given;
}

Result<DiskNote> files_of_disk(std::string_view text, DiskNote const& then) {
  auto disk = MUT_TRY(parse_disk(text));
  DiskNote now;
  auto const beside = default_overlay(disk.image);
  if (disk.overlay.empty() && then.overlay.path == default_overlay(then.image.path))
    disk.overlay = beside;
  now.image.path = std::move(disk.image);
  now.overlay.path = std::move(disk.overlay);
  return now;
}

Result<void> check_file(FileNote const& then, FileNote const& now) {
  if (then.size == now.size && then.modified_ns == now.modified_ns) return {};
  return fail(Fault::refused, fmt::format("{} was written since the snapshot was made", now.path),
              "put back the disk of that time (cp --preserve=timestamps keeps one), or start the "
              "machine anew: mutirao boot");
}

std::string to_text(SnapshotNote const& note) { return middleware::json_of(note); }

Result<SnapshotNote> parse_snapshot_note(std::string_view text) {
  if (text.empty())
    return fail(Fault::unsupported, "the snapshot does not say what its machine was started with",
                "it was not made by mutirao machine snapshot");
  auto note = record_from_json<SnapshotNote>(text);
  if (!note)
    return fail(Fault::corrupt, "what the snapshot says of its machine makes no sense",
                "restore another one, or start the machine anew");
  if (note->version > SnapshotNote::kVersion)
    return fail(Fault::unsupported,
                fmt::format("the snapshot tells of its machine in version {}", note->version),
                "use the release that made it");
  return note;
}

}  // namespace mutirao::cli
