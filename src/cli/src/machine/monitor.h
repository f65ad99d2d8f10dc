#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/machine/machine.h"
#include "mutirao/world/file_lock.h"
#include "mutirao/world/opened_socket.h"

#include "machine/machine_object.h"

namespace mutirao::cli {

/// What the process that runs a machine is given; all that it will ever have open is in it.
struct MonitorParts {
  machine::MachineOptions options;
  std::unique_ptr<world::File> snapshot;  ///< to go on with; none: the machine boots
  MachineInfo info;
  world::OpenedSocket socket;
  std::vector<world::FileLock> locks;  ///< of what the disks are made of
  int report;                          ///< a pipe to the parent
  std::int64_t parent;                 ///< the process without which it shall not go on
  bool must_be_isolated;               ///< or it may run where the system forbids some of the walls
};

/// The life of a machine, in a process of its own with one thread: goes behind the walls of
/// world/jail.h, makes the machine, offers MachineObject, and runs until it ends. Tells its parent,
/// a line each:
///
///   ready              the machine is made, and begins
///   {"error": ...}     it can't be made
///   {"ended": ...}     MachineEnd
///   NUMBER             it was about to make that system call, and was ended (jail::kViolated)
int run_monitor(MonitorParts parts);

}  // namespace mutirao::cli
