#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/interface.h"

/// What the process that runs a machine offers on its control socket, and what is written about a
/// machine in its folder. Other programs may speak it as they do with a node.
namespace mutirao::cli {

/// A disk of a machine.
struct DiskInfo {
  std::string image;
  std::string written_to;  ///< the image, or the overlay; empty where it is not kept
  bool kept = true;        ///< or what is written is gone when the machine ends
};

/// A machine, as people see it.
struct MachineInfo {
  std::string name;
  std::string state;  ///< "running"; "ended", by the guest or a person; "killed"
  std::int64_t process_id = 0;
  std::uint32_t cpus = 0;
  std::uint64_t memory_bytes = 0;
  std::string image;  ///< what it was started from: the path of an image, a kernel or firmware
  std::string engine;
  std::string isolation;        ///< what stands between the guest and this computer
  std::int64_t started_ms = 0;  ///< since 1970
  double uptime_s = 0;          ///< of one that ended: how long it ran
  std::uint64_t instructions = 0;
  std::string end;  ///< why it ended; empty while it runs
  std::vector<DiskInfo> disks;
  std::string vsock;  ///< the socket that leads to the guest's virtio sockets; empty: there is none
  std::string restored_from{};  ///< the snapshot with which it went on; empty for one that booted
};

/// Why a machine ended.
struct MachineEnd {
  /// "powered_off", "reset", "left", "saved", "diverged", "violated", "killed"
  std::string ended;
  std::uint32_t code = 0;
  std::uint64_t instructions = 0;
  double seconds = 0;
  std::string what{};  ///< of one that did not go well; of one that was saved: where
};

/// Somebody who looks at a console.
struct ConsoleRequest {
  std::uint64_t client = 0;  ///< a number that the client drew, by which `type` knows it
  bool types = false;        ///< it wants the keyboard, which one client has at a time
};

/// What a snapshot is made for.
struct SnapshotRequest {
  std::string file;   ///< where it goes, for people
  bool ends = false;  ///< the machine is not to go on
};

/// Some of a snapshot's file: bytes at their place, between which are zeros; or nothing.
struct SnapshotPiece {
  std::uint64_t offset = 0;
  Bytes bytes{};
  bool last = false;  ///< all of it came
};

/// "machine": the machine that the process runs.
struct MachineObject {
  static constexpr std::string_view kType = "Machine";
  static constexpr std::string_view kName = "machine";

  middleware::Method<"status", MachineInfo(), middleware::Reads> status;
  /// An empty piece, then what was on the console last, as far as it is kept, and then what comes,
  /// until the machine ends. With the first piece the keyboard is the client's, as long as it
  /// looks.
  middleware::Method<"console", middleware::Yields<Bytes>(ConsoleRequest), middleware::Reads>
      console;
  /// What is typed by the client that has the keyboard; gives how many bytes there was room for.
  middleware::Method<"type", std::uint64_t(std::uint64_t, Bytes)> type;
  /// Asks the guest to end, and ends it when it has not after so many seconds. Returns at once.
  middleware::Method<"stop", void(std::uint32_t), middleware::Idempotent> stop;
  /// Lets the machine rest and yields all of its snapshot. One that shall end then rests until
  /// `stop` is called, once the snapshot is safe; without that it goes on when nobody takes what is
  /// yielded any more.
  middleware::Method<"snapshot", middleware::Yields<SnapshotPiece>(SnapshotRequest)> snapshot;
};

}  // namespace mutirao::cli

namespace mutirao::middleware {

template <>
inline constexpr auto record_of<cli::DiskInfo> = record(
    "DiskInfo", field(1, "image", &cli::DiskInfo::image),
    field(2, "written_to", &cli::DiskInfo::written_to), field(3, "kept", &cli::DiskInfo::kept));

template <>
inline constexpr auto record_of<cli::MachineInfo> = record(
    "MachineInfo", field(1, "name", &cli::MachineInfo::name),
    field(2, "state", &cli::MachineInfo::state),
    field(3, "process_id", &cli::MachineInfo::process_id),
    field(4, "cpus", &cli::MachineInfo::cpus),
    field(5, "memory_bytes", &cli::MachineInfo::memory_bytes),
    field(6, "image", &cli::MachineInfo::image), field(7, "engine", &cli::MachineInfo::engine),
    field(8, "isolation", &cli::MachineInfo::isolation),
    field(9, "started_ms", &cli::MachineInfo::started_ms),
    field(10, "uptime_s", &cli::MachineInfo::uptime_s),
    field(11, "instructions", &cli::MachineInfo::instructions),
    field(12, "end", &cli::MachineInfo::end), field(13, "disks", &cli::MachineInfo::disks),
    field(14, "vsock", &cli::MachineInfo::vsock),
    field(15, "restored_from", &cli::MachineInfo::restored_from));

template <>
inline constexpr auto record_of<cli::MachineEnd> = record(
    "MachineEnd", field(1, "ended", &cli::MachineEnd::ended),
    field(2, "code", &cli::MachineEnd::code),
    field(3, "instructions", &cli::MachineEnd::instructions),
    field(4, "seconds", &cli::MachineEnd::seconds), field(5, "what", &cli::MachineEnd::what));

template <>
inline constexpr auto record_of<cli::ConsoleRequest> =
    record("ConsoleRequest", field(1, "client", &cli::ConsoleRequest::client),
           field(2, "types", &cli::ConsoleRequest::types));

template <>
inline constexpr auto record_of<cli::SnapshotRequest> =
    record("SnapshotRequest", field(1, "file", &cli::SnapshotRequest::file),
           field(2, "ends", &cli::SnapshotRequest::ends));

template <>
inline constexpr auto record_of<cli::SnapshotPiece> = record(
    "SnapshotPiece", field(1, "offset", &cli::SnapshotPiece::offset),
    field(2, "bytes", &cli::SnapshotPiece::bytes), field(3, "last", &cli::SnapshotPiece::last));

}  // namespace mutirao::middleware
