#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

#include "hart/hart.h"
#include "user/user_memory.h"

namespace mutirao::machine::user {

/// What a hart has of a program that is not running on it.
struct Registers {
  std::array<std::uint64_t, 32> x{};
  std::array<std::uint64_t, 32> f{};
  std::uint64_t pc = 0;
  std::uint64_t mstatus = 0;
  std::uint64_t sepc = 0, scause = 0, stval = 0;
  Privilege privilege = Privilege::user;
  std::uint8_t frm = 0, fflags = 0;
};

/// The open files of a process and its place in the file system.
struct Files {
  struct Open {
    std::shared_ptr<HostFile> file;
    bool close_on_exec = false;
  };
  static constexpr int kMax = 1024;
  std::map<int, Open> open;
  std::shared_ptr<HostFile> folder;  ///< its working folder
};

inline constexpr int kSignals = 64;
inline constexpr std::uint64_t kDefaultHandler = 0, kIgnore = 1;

/// What a process does with signals: the kernel's sigaction of RISC-V, which has no restorer.
struct SignalAction {
  std::uint64_t handler = kDefaultHandler;
  std::uint64_t flags = 0;
  std::uint64_t mask = 0;
};
using SignalActions = std::array<SignalAction, kSignals + 1>;

constexpr std::uint64_t bit_of(int signal) noexcept { return std::uint64_t{1} << (signal - 1); }

/// Why a task does not run.
struct Waiting {
  enum class For : std::uint8_t { files, futex, child, time, signal } what;
  std::vector<pollfd> files{};             ///< of the host; any of them
  UserAddress address = 0;                 ///< of a futex
  std::uint32_t bits = ~0u;                ///< of a futex
  std::optional<std::int64_t> until_ns{};  ///< CLOCK_MONOTONIC
};

/// A thread of a program, as Linux counts them: a process is those that share `process`.
struct Task {
  int id = 0;
  int process = 0;
  int parent = 0;
  Registers registers;
  std::shared_ptr<AddressSpace> space;
  std::shared_ptr<Files> files;
  std::shared_ptr<SignalActions> actions;
  std::uint16_t asid = 0;
  std::uint64_t blocked = 0;       ///< signals
  std::uint64_t pending = 0;       ///< signals
  UserAddress signal_address = 0;  ///< of a signal for what it did itself
  std::optional<std::uint64_t> blocked_before_suspend{};
  UserAddress clear_id = 0;  ///< set_tid_address
  struct {
    UserAddress begin = 0;
    std::uint64_t size = 0;
  } signal_stack;
  std::optional<Waiting> waiting{};
  bool woken = false;      ///< what it waited for came, before it looked again
  bool timed_out = false;  ///< or its time is over
  bool dead = false;
  bool replaced = false;  ///< its registers are those of another program, or of before a signal
  std::string path;       ///< of its program
};

/// How a process ended that its parent has not asked for.
struct Ended {
  int parent = 0;
  int status = 0;  ///< as wait4 gives it
};

}  // namespace mutirao::machine::user
