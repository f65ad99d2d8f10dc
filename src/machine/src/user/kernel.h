#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "mutirao/machine/user_program.h"

#include "hart/hart_engine.h"
#include "translator/frame.h"
#include "user/program_loader.h"
#include "user/task.h"

namespace mutirao::machine::user {

class Kernel;

/// One system call under way.
struct SystemCall {
  Kernel& kernel;
  Task& task;
  std::array<std::uint64_t, 6> a;

  [[nodiscard]] AddressSpace& memory() const noexcept { return *task.space; }
  [[nodiscard]] Files& files() const noexcept { return *task.files; }
  /// A descriptor of the program as one of the host; -1 for none: the host says EBADF itself.
  [[nodiscard]] int host(std::uint64_t descriptor) const noexcept;
  /// The same where AT_FDCWD may stand: the working folder.
  [[nodiscard]] int host_folder(std::uint64_t descriptor) const noexcept;
};

/// Gives a value or a negative error number, or one of those below.
using Handler = std::int64_t (*)(SystemCall&);
struct Entry {
  unsigned number;
  Handler handler;
};
/// It has to wait: `task.waiting` says for what, and the call is made again then.
inline constexpr std::int64_t kWaits = -1000;
/// Its registers were set already, or it is no more.
inline constexpr std::int64_t kLeaveRegisters = -1001;

// The tables of the files calls_*.cc: numbers are those of all new architectures of Linux
// (include/uapi/asm-generic/unistd.h).
[[nodiscard]] std::vector<Entry> memory_calls();
[[nodiscard]] std::vector<Entry> file_calls();
[[nodiscard]] std::vector<Entry> process_calls();
[[nodiscard]] std::vector<Entry> signal_calls();
[[nodiscard]] std::vector<Entry> time_calls();

/// Those with which a program begins.
[[nodiscard]] Registers new_registers(ProgramStart start);

/// What a program takes for Linux: its processes and threads, which run in turns on one hart, what
/// becomes of their traps, and their system calls.
///
/// How a trap gets here: a program runs in user mode, and each of its exceptions leads the hart, in
/// supervisor mode, to a page of ours, the gate, with two instructions: ecall, which calls
/// supervisor_call(), and sret, which goes back. So neither engine has to know of programs.
class Kernel final : public HartHost {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Kernel>> make(UserProgram program);
  [[nodiscard]] UserProgramEnd run();

  // For system calls.
  [[nodiscard]] std::unique_ptr<AddressSpace> new_space() {
    return AddressSpace::make(*pages_, gate_, park_);
  }
  /// Whether anybody else could go on while a task waits.
  [[nodiscard]] bool alone() const noexcept { return tasks_.size() == 1; }
  /// Whether there may be one more; those count that ended and that nobody asked for.
  [[nodiscard]] bool has_room() const noexcept { return tasks_.size() + ended_.size() < kTasksMax; }
  void add_task(Task task) { tasks_.push_back(std::move(task)); }
  /// A number for the address space of a new process.
  [[nodiscard]] std::uint16_t new_asid();
  [[nodiscard]] int new_id() noexcept { return ++last_id_; }
  [[nodiscard]] std::list<Task>& tasks() noexcept { return tasks_; }
  [[nodiscard]] std::map<int, Ended>& ended() noexcept { return ended_; }
  /// The thread ends; the process too when it was its last.
  void end_thread(Task& task, int status);
  /// All threads of its process end; `status` is that of wait4.
  void end_process(Task& of, int status);
  [[nodiscard]] std::uint64_t wake(AddressSpace const& space, UserAddress futex,
                                   std::uint64_t count, std::uint32_t bits);
  /// For a task or, with `id` a process, for one of its threads. False when there is none.
  bool send_signal(int id, int signal);
  [[nodiscard]] static std::int64_t now_ns() noexcept;
  /// The registers of the task whose system call it is.
  [[nodiscard]] Hart& hart() noexcept { return frame_->hart; }

 private:
  static constexpr std::size_t kTasksMax = 4096;

  explicit Kernel(UserProgram program) : program_{std::move(program)} {}
  Result<void> begin();

  // HartHost
  std::uint64_t time() override;
  bool supervisor_call(Hart& hart) override;

  void load(Task& task);
  void store(Task& task);
  void trapped(Task& task);
  void make_call(Task& task);
  void leave_hart();
  void forget_mappings(Task const& task);
  void force_signal(Task& task, int signal, UserAddress address);
  void finish_process(int process, int parent, int status);
  void deliver_signals(Task& task);
  void interrupt_wait(Task& task, SignalAction const& action);
  [[nodiscard]] bool is_ready(Task& task, std::int64_t now);
  [[nodiscard]] Task* next_to_run();
  void wait_for_somebody();

  UserProgram program_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<PagePool> pages_;
  std::unique_ptr<Bus> bus_;
  std::unique_ptr<HartFrame> frame_;
  std::unique_ptr<HartEngine> engine_;
  GuestAddress gate_ = 0, park_ = 0;
  std::array<Handler, 512> handlers_{};
  std::list<Task> tasks_;
  std::map<int, Ended> ended_;  // by process
  Task* current_ = nullptr;     // whose registers the hart has
  int first_ = 0;               // the process for which all is done
  std::optional<int> first_status_;
  int last_id_ = 0;
  std::uint16_t last_asid_ = 0;
};

}  // namespace mutirao::machine::user
