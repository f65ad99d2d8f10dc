#include "machine/machine_folder.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "mutirao/base/spelling.h"
#include "mutirao/middleware/json_values.h"

#include "machine/machine_client.h"

namespace mutirao::cli {
namespace {

constexpr char kStarted[] = "started.json";
constexpr char kBooted[] = "booted.json";
constexpr char kEnded[] = "ended.json";
constexpr std::uint64_t kRecordBytesMax = 64 << 10;

std::string machines_of(NodePlace const& place) { return place.state_folder + "/machines"; }

bool may_be_in_a_name(char each) {
  return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
         (each >= '0' && each <= '9') || each == '-' || each == '_' || each == '.';
}

Result<void> make_own_folder(std::string const& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (!failed) std::filesystem::permissions(path, std::filesystem::perms::owner_all, failed);
  if (failed)
    return fail(Fault::refused, fmt::format("{}: {}", path, failed.message()),
                "choose a state folder that you can write: mutirao --state DIR ...");
  return {};
}

template <class T>
std::optional<T> record_in(world::World& world, std::string const& folder, char const* name) {
  auto const read = [&]() -> Result<T> {
    auto const directory = MUT_TRY(world.disk().open_directory(folder, false));
    auto const file = MUT_TRY(directory->open(name, {}));
    auto const size = std::min(MUT_TRY(file->info()).size, kRecordBytesMax);
    std::string text(size, '\0');
    MUT_TRY(file->read_exactly(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
    return record_from_json<T>(text);
  }();
  if (!read) return std::nullopt;
  return *read;
}

template <class T>
Result<void> write_record(world::World& world, std::string const& folder, char const* name,
                          T const& record) {
  auto const directory = MUT_TRY(world.disk().open_directory(folder, true));
  auto const file = MUT_TRY(directory->open(
      name, {.writable = true, .create = true, .truncate = true, .owner_only = true}));
  auto const text = middleware::json_of(record) + "\n";
  return file->write_at(0, {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()});
}

}  // namespace

Result<MachineFolder> MachineFolder::of(NodePlace const& place, std::string_view name) {
  if (name.empty() || name.size() > kNameMax || name.starts_with('.') ||
      !std::ranges::all_of(name, may_be_in_a_name))
    return fail(Fault::invalid, fmt::format("\"{}\" is no name for a machine", name),
                fmt::format("letters, digits, - _ and ., at most {}", kNameMax));
  return MachineFolder{fmt::format("{}/{}", machines_of(place), name)};
}

std::optional<MachineInfo> MachineFolder::started(world::World& world) const {
  return record_in<MachineInfo>(world, path_, kStarted);
}

std::optional<MachineEnd> MachineFolder::ended(world::World& world) const {
  return record_in<MachineEnd>(world, path_, kEnded);
}

std::optional<SnapshotNote> MachineFolder::booted(world::World& world) const {
  return record_in<SnapshotNote>(world, path_, kBooted);
}

std::string MachineFolder::disk_overlay(std::size_t number) const {
  return fmt::format("{}/disk{}.overlay", path_, number);
}

Result<void> MachineFolder::make() const { return make_own_folder(path_); }

Result<void> MachineFolder::make_vsock_folder() const {
  MUT_TRY(make_own_folder(vsock_folder()));
  std::error_code none;
  std::filesystem::remove(vsock(), none);
  return {};
}

void MachineFolder::remove_disk_overlays() const {
  std::error_code none;
  for (std::size_t number = 0; std::filesystem::remove(disk_overlay(number), none);) ++number;
}

Result<void> MachineFolder::begin(world::World& world, MachineInfo const& info,
                                  SnapshotNote const& note) const {
  std::error_code none;
  MUT_TRY(write_record(world, path_, kBooted, note));
  MUT_TRY(write_record(world, path_, kStarted, info));
  std::filesystem::remove(path_ + "/" + kEnded, none);
  return {};
}

Result<void> MachineFolder::write_end(world::World& world, MachineEnd const& end) const {
  return write_record(world, path_, kEnded, end);
}

Result<void> MachineFolder::remove() const {
  std::error_code failed;
  std::filesystem::remove_all(path_, failed);
  if (failed) return fail(Fault::io, fmt::format("{}: {}", path_, failed.message()));
  return {};
}

std::vector<std::string> machine_names(NodePlace const& place) {
  std::vector<std::string> names;
  std::error_code none;
  for (std::filesystem::directory_iterator each{machines_of(place), none}, end; each != end;
       each.increment(none)) {
    auto const name = each->path().filename().string();
    if (MachineFolder::of(place, name)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<MachineInfo> look_at_machine(world::World& world, NodePlace const& place,
                                    std::string_view name) {
  auto const folder = MUT_TRY(MachineFolder::of(place, name));
  auto info = folder.started(world);
  if (!info) {
    auto const near = base::nearest(name, machine_names(place));
    return fail(Fault::not_found, fmt::format("there is no machine called {} here", name),
                near.empty() ? "mutirao machine list" : fmt::format("do you mean {}?", near));
  }
  if (auto now = MachineClient{world, folder.socket()}.status()) return now;
  info->vsock.clear();  // it went with the machine
  if (auto const end = folder.ended(world)) {
    info->state = "ended";
    info->uptime_s = end->seconds;
    info->instructions = end->instructions;
    info->end = end->ended == "powered_off" ? fmt::format("powered off with {}", end->code)
                : end->ended == "saved"     ? "saved to " + end->what
                : end->what.empty()         ? end->ended
                                            : end->what;
    return *std::move(info);
  }
  info->state = "killed";
  info->end = "its monitor ended before it could say why";
  return *std::move(info);
}

}  // namespace mutirao::cli
