#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/world/world.h"

#include "environment.h"
#include "machine/machine_object.h"
#include "machine/snapshot_note.h"

namespace mutirao::cli {

/// Where a machine keeps what is written about it: STATE/machines/NAME.
///
///   control.sock   its monitor listens there while it runs
///   started.json   MachineInfo, as it was started
///   booted.json    SnapshotNote: all that it was started with
///   ended.json     MachineEnd, once it has ended
///   log            what a machine in the background said besides its console
///   diskN.overlay  while it runs: what it wrote to disk N, when that is not kept
///   vsock/socket   while it runs: leads to its virtio sockets; beside it others listen for it
///
/// A machine whose monitor was killed leaves a socket on which nobody answers and no ended.json.
class MachineFolder {
 public:
  static constexpr std::size_t kNameMax = 40;

  /// Of the machine of that name, whether it exists or not. Fails when it is no name: letters,
  /// digits, '-', '_' and '.', the first one no '.'.
  [[nodiscard]] static Result<MachineFolder> of(NodePlace const& place, std::string_view name);
  /// For a machine that nobody will ask for by name.
  explicit MachineFolder(std::string path) : path_{std::move(path)} {}

  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] std::string name() const { return path_.substr(path_.rfind('/') + 1); }
  [[nodiscard]] std::string socket() const { return path_ + "/control.sock"; }
  [[nodiscard]] std::string log_file() const { return path_ + "/log"; }
  [[nodiscard]] std::string disk_overlay(std::size_t number) const;
  [[nodiscard]] std::string vsock_folder() const { return path_ + "/vsock"; }
  [[nodiscard]] std::string vsock() const { return vsock_folder() + "/socket"; }

  /// As it was started; nothing when there is no such machine.
  [[nodiscard]] std::optional<MachineInfo> started(world::World& world) const;
  [[nodiscard]] std::optional<MachineEnd> ended(world::World& world) const;
  [[nodiscard]] std::optional<SnapshotNote> booted(world::World& world) const;
  /// Makes the folder when it is missing, for its owner alone.
  [[nodiscard]] Result<void> make() const;
  /// The same for that of its virtio sockets, without a socket that one before left.
  [[nodiscard]] Result<void> make_vsock_folder() const;
  /// Removes what a machine, also one that was killed, wrote to disks that are not kept.
  void remove_disk_overlays() const;
  /// Writes down that the machine begins, and forgets how the one of that name ended before.
  [[nodiscard]] Result<void> begin(world::World& world, MachineInfo const& info,
                                   SnapshotNote const& note) const;
  [[nodiscard]] Result<void> write_end(world::World& world, MachineEnd const& end) const;
  [[nodiscard]] Result<void> remove() const;

 private:
  std::string path_;
};

/// The names of all machines of that place, sorted.
[[nodiscard]] std::vector<std::string> machine_names(NodePlace const& place);

/// What a machine is now: from its monitor, or if that does not answer, from its folder. Fails with
/// not_found when there is no machine of that name.
[[nodiscard]] Result<MachineInfo> look_at_machine(world::World& world, NodePlace const& place,
                                                  std::string_view name);

}  // namespace mutirao::cli
