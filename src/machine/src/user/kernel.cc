#include "user/kernel.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/world/system_call.h"

#include "hart/interpreter.h"
#include "translator/translator.h"
#include "user/program_loader.h"
#include "user/signal_frame.h"

namespace mutirao::machine::user {
namespace {

using world::argument_of;
using world::system_call;

constexpr GuestAddress kPages = 0x80000000;  // where the memory of the hart begins
constexpr UserAddress kPark = kGate + kPageSize;
constexpr std::uint64_t kSv39 = 8ull << 60;
constexpr std::uint32_t kEcall = 0x00000073, kSret = 0x10200073, kJumpToItself = 0x0000006F;
/// What one task computes before another has its turn.
constexpr std::uint64_t kTurn = 500'000, kAlone = 50'000'000;
constexpr std::int64_t kSecond_ns = 1'000'000'000;
constexpr int kFirstProcess = 1000;
/// Signals that end nobody, and those that would stop a process, which does not stop here.
constexpr int kHarmless[] = {SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP,
                             SIGTTIN, SIGTTOU, SIGURG,  SIGWINCH};
constexpr std::uint64_t kRestart = 0x10000000;  // SA_RESTART
constexpr unsigned kResultRegister = 10, kNumberRegister = 17;

}  // namespace

int SystemCall::host(std::uint64_t descriptor) const noexcept {
  auto const found = files().open.find(static_cast<int>(descriptor));
  return found == files().open.end() ? -1 : found->second.file->descriptor();
}

int SystemCall::host_folder(std::uint64_t descriptor) const noexcept {
  return static_cast<int>(descriptor) == AT_FDCWD ? files().folder->descriptor() : host(descriptor);
}

Result<std::unique_ptr<Kernel>> Kernel::make(UserProgram program) {
  if (program.engine == Engine::audit)
    return fail(Fault::unsupported, "programs are not audited", "boot a machine with them");
  std::unique_ptr<Kernel> kernel{new Kernel{std::move(program)}};
  MUT_TRY(kernel->begin());
  return kernel;
}

Result<void> Kernel::begin() {
  memory_ = MUT_TRY(GuestMemory::create(kPages, program_.memory_bytes & ~kPageMask));
  pages_ = std::make_unique<PagePool>(*memory_);
  bus_ = std::make_unique<Bus>(*memory_);
  frame_ = std::make_unique<HartFrame>();
  if (program_.engine == Engine::interpreter)
    engine_ = std::make_unique<Interpreter>(frame_->hart, *bus_, *this);
  else
    engine_ = MUT_TRY(Translator::make(*frame_, *bus_, *this));
  auto const gate = pages_->take();
  auto const park = pages_->take();
  if (!gate || !park) return fail(Fault::exhausted, "no memory for a program");
  gate_ = *gate;
  park_ = *park;
  MUT_ASSERT(memory_->store(gate_, kEcall) && memory_->store(gate_ + 4, kSret));
  MUT_ASSERT(memory_->store(park_, kJumpToItself));
  for (std::size_t i = 0; i < kSignalReturn.size(); ++i)
    MUT_ASSERT(memory_->store(park_ + kSignalReturnOffset + 4 * i, kSignalReturn[i]));

  auto& hart = frame_->hart;
  hart.pmpaddr[0] = ~std::uint64_t{0} >> 10;
  hart.pmpcfg[0] = 0x1F;  // all memory, for all
  hart.medeleg = 0xB1FF;
  hart.stvec = kGate;
  hart.mcounteren = hart.scounteren = 7;  // cycle, time, instret
  hart.menvcfg = envcfg::kCbze | envcfg::kCbcfe;
  hart.senvcfg = envcfg::kCbze | envcfg::kCbcfe;
  engine_->core().mmu.rules_changed();

  for (auto const& table :
       {memory_calls(), file_calls(), process_calls(), signal_calls(), time_calls()})
    for (auto const& [number, handler] : table) handlers_.at(number) = handler;

  auto const folder = system_call(SYS_openat, AT_FDCWD, argument_of("."), O_PATH | O_CLOEXEC);
  if (folder < 0) return fail(Fault::io, "the working folder can't be opened");
  Task task;
  task.files = std::make_shared<Files>();
  task.files->folder = std::make_shared<HostFile>(static_cast<int>(folder));
  for (int each = 0; each < 3; ++each)
    if (auto const open = system_call(SYS_fcntl, each, F_DUPFD_CLOEXEC, 3); open >= 0)
      task.files->open[each] = {std::make_shared<HostFile>(static_cast<int>(open))};
  task.actions = std::make_shared<SignalActions>();
  task.space = new_space();
  if (task.space == nullptr) return fail(Fault::exhausted, "no memory for a program");
  auto const file = MUT_TRY(read_program(AT_FDCWD, program_.path));
  auto const start = MUT_TRY(load_program(
      *task.space, file.bytes, {program_.path, program_.arguments, program_.environment}));
  task.path = file.path;
  task.registers = new_registers(start);
  task.asid = new_asid();
  last_id_ = kFirstProcess - 1;
  first_ = task.id = task.process = new_id();
  task.parent = 1;
  add_task(std::move(task));
  return {};
}

std::uint16_t Kernel::new_asid() {
  // After all numbers were given out what the hart knows under them is of others.
  if (++last_asid_ == 0) {
    last_asid_ = 1;
    engine_->core().mmu.fence(nullptr, nullptr);
  }
  return last_asid_;
}

Registers new_registers(ProgramStart start) {
  Registers registers;
  registers.pc = start.pc;
  registers.x[2] = start.stack;
  registers.mstatus = 2ull << 32 | 2ull << 34 | status::kFs;  // 64 bits; floating point may be used
  return registers;
}

std::int64_t Kernel::now_ns() noexcept {
  timespec now{};
  static_cast<void>(system_call(SYS_clock_gettime, CLOCK_MONOTONIC, argument_of(&now)));
  return now.tv_sec * kSecond_ns + now.tv_nsec;
}

/// Ten million ticks a second, as on the board.
std::uint64_t Kernel::time() { return static_cast<std::uint64_t>(now_ns()) / 100; }

void Kernel::load(Task& task) {
  auto& hart = frame_->hart;
  auto const& from = task.registers;
  std::ranges::copy(from.x, hart.x);
  std::ranges::copy(from.f, hart.f);
  hart.pc = from.pc;
  hart.mstatus = from.mstatus;
  hart.sepc = from.sepc;
  hart.scause = from.scause;
  hart.stval = from.stval;
  hart.privilege = from.privilege;
  hart.frm = from.frm;
  hart.fflags = from.fflags;
  hart.reservation = {};
  hart.satp = kSv39 | std::uint64_t{task.asid} << 44 | task.space->root() / kPageSize;
  hart.attention = false;
  if (task.space->take_stale()) forget_mappings(task);
  engine_->core().mmu.context_changed();
  current_ = &task;
}

void Kernel::store(Task& task) {
  auto const& hart = frame_->hart;
  auto& to = task.registers;
  std::ranges::copy(hart.x, to.x.begin());
  std::ranges::copy(hart.f, to.f.begin());
  to.pc = hart.pc;
  to.mstatus = hart.mstatus;
  to.sepc = hart.sepc;
  to.scause = hart.scause;
  to.stval = hart.stval;
  to.privilege = hart.privilege;
  to.frm = hart.frm;
  to.fflags = hart.fflags;
}

void Kernel::forget_mappings(Task const& task) {
  std::uint64_t const asid = task.asid;
  engine_->core().mmu.fence(nullptr, &asid);
}

/// The hart goes on at the park, where it is called back from; its task is where its trap was.
void Kernel::leave_hart() {
  auto& hart = frame_->hart;
  if (!std::exchange(current_->replaced, false)) {
    store(*current_);
    current_->registers.pc = hart.sepc;
    current_->registers.privilege = Privilege::user;
  }
  current_ = nullptr;
  hart.sepc = kPark;
  hart.attention = true;
}

bool Kernel::supervisor_call(Hart& hart) {
  MUT_ASSERT(current_ != nullptr && &hart == &frame_->hart);
  Task& task = *current_;
  trapped(task);
  if (task.dead || task.waiting || (task.pending & ~task.blocked) != 0 || task.replaced)
    leave_hart();
  else if (task.space->take_stale())
    forget_mappings(task);
  return true;
}

void Kernel::trapped(Task& task) {
  auto const& hart = frame_->hart;
  auto const fault = [&](AddressSpace::Access access) {
    if (!task.space->fault(hart.stval, access)) force_signal(task, SIGSEGV, hart.stval);
  };
  switch (static_cast<Cause>(hart.scause)) {
    case Cause::ecall_user:
      return make_call(task);
    case Cause::instruction_page:
      return fault(AddressSpace::Access::execute);
    case Cause::load_page:
      return fault(AddressSpace::Access::read);
    case Cause::store_page:
      return fault(AddressSpace::Access::write);
    case Cause::illegal_instruction:
      return force_signal(task, SIGILL, hart.sepc);
    case Cause::breakpoint:
      return force_signal(task, SIGTRAP, hart.sepc);
    case Cause::load_misaligned:
    case Cause::store_misaligned:
    case Cause::instruction_misaligned:
      return force_signal(task, SIGBUS, hart.stval);
    default:
      return force_signal(task, SIGSEGV, hart.stval);
  }
}

void Kernel::make_call(Task& task) {
  auto& hart = frame_->hart;
  auto const number = hart.x[kNumberRegister];
  auto const handler = number < handlers_.size() ? handlers_[number] : nullptr;
  SystemCall call{*this, task, {}};
  std::copy_n(hart.x + kResultRegister, call.a.size(), call.a.begin());
  std::int64_t result = -ENOSYS;
  if (handler != nullptr)
    result = handler(call);
  else if (program_.trace)
    program_.trace(fmt::format("system call {} is not there", number));
  if (result == kWaits || result == kLeaveRegisters) return;
  task.woken = task.timed_out = false;
  hart.x[kResultRegister] = static_cast<std::uint64_t>(result);
  hart.sepc += 4;
}

void Kernel::end_thread(Task& task, int status) {
  task.dead = true;
  if (task.clear_id != 0 && task.space->store(task.clear_id, std::uint32_t{0}))
    static_cast<void>(wake(*task.space, task.clear_id, 1, ~0u));
  bool const last = std::ranges::none_of(
      tasks_, [&](Task const& each) { return each.process == task.process && !each.dead; });
  if (last) finish_process(task.process, task.parent, status);
}

void Kernel::end_process(Task& of, int status) {
  for (auto& each : tasks_)
    if (each.process == of.process) each.dead = true;
  finish_process(of.process, of.parent, status);
}

void Kernel::finish_process(int process, int parent, int status) {
  if (process == first_) {
    first_status_ = status;
    return;
  }
  std::erase_if(ended_, [&](auto const& each) { return each.second.parent == process; });
  for (auto& each : tasks_)
    if (each.parent == process) each.parent = first_;
  ended_[process] = {.parent = parent, .status = status};
  static_cast<void>(send_signal(parent, SIGCHLD));
}

std::uint64_t Kernel::wake(AddressSpace const& space, UserAddress futex, std::uint64_t count,
                           std::uint32_t bits) {
  std::uint64_t woken = 0;
  for (auto& task : tasks_) {
    if (woken == count) break;
    auto const& waiting = task.waiting;
    if (!waiting || waiting->what != Waiting::For::futex || waiting->address != futex ||
        task.space.get() != &space || (waiting->bits & bits) == 0 || task.woken)
      continue;
    task.woken = true;
    ++woken;
  }
  return woken;
}

bool Kernel::send_signal(int id, int signal) {
  auto const is_it = [&](Task const& each) { return !each.dead && each.id == id; };
  auto found = std::ranges::find_if(tasks_, is_it);
  if (found == tasks_.end())
    found = std::ranges::find_if(tasks_, [&](Task const& e) { return !e.dead && e.process == id; });
  if (found == tasks_.end()) return false;
  if (signal != 0) found->pending |= bit_of(signal);
  return true;
}

/// For what it did itself: where nobody handles that it can't go on.
void Kernel::force_signal(Task& task, int signal, UserAddress address) {
  auto const handler = (*task.actions)[static_cast<std::size_t>(signal)].handler;
  if (handler == kDefaultHandler || handler == kIgnore || (task.blocked & bit_of(signal)) != 0)
    return end_process(task, signal);
  task.pending |= bit_of(signal);
  task.signal_address = address;
}

void Kernel::deliver_signals(Task& task) {
  for (std::uint64_t due; !task.dead && (due = task.pending & ~task.blocked) != 0;) {
    int const signal = std::countr_zero(due) + 1;
    task.pending &= ~bit_of(signal);
    auto const& action = (*task.actions)[static_cast<std::size_t>(signal)];
    bool const ends = std::ranges::find(kHarmless, signal) == std::end(kHarmless);
    if (action.handler == kDefaultHandler && ends) return end_process(task, signal);
    if (action.handler == kDefaultHandler || action.handler == kIgnore) continue;
    interrupt_wait(task, action);
    if (!enter_handler(task, signal)) return end_process(task, SIGSEGV);
  }
}

/// The call that waits fails, or is made again after the handler.
void Kernel::interrupt_wait(Task& task, SignalAction const& action) {
  if (!task.waiting) return;
  bool const again = (action.flags & kRestart) != 0 && (task.waiting->what == Waiting::For::files ||
                                                        task.waiting->what == Waiting::For::child);
  task.waiting.reset();
  task.woken = task.timed_out = false;
  if (again) return;
  task.registers.x[kResultRegister] = static_cast<std::uint64_t>(-EINTR);
  task.registers.pc += 4;
}

bool Kernel::is_ready(Task& task, std::int64_t now) {
  if (!task.waiting || task.woken) return true;
  auto const& waiting = *task.waiting;
  if (waiting.until_ns && now >= *waiting.until_ns) {
    task.timed_out = true;
    return true;
  }
  if (waiting.what == Waiting::For::child)
    return std::ranges::any_of(ended_,
                               [&](auto const& e) { return e.second.parent == task.process; });
  if (waiting.what != Waiting::For::files) return false;
  auto files = waiting.files;
  timespec const at_once{};
  return system_call(SYS_ppoll, argument_of(files.data()), std::ssize(files), argument_of(&at_once),
                     0) != 0;
}

/// The one that has not run for longest.
Task* Kernel::next_to_run() {
  auto const now = tasks_.size() > 1 || tasks_.front().waiting ? now_ns() : 0;
  for (auto at = tasks_.begin(); at != tasks_.end(); ++at) {
    if (!is_ready(*at, now)) continue;
    tasks_.splice(tasks_.end(), tasks_, at);
    tasks_.back().waiting.reset();
    return &tasks_.back();
  }
  return nullptr;
}

void Kernel::wait_for_somebody() {
  std::vector<pollfd> files;
  std::optional<std::int64_t> until;
  for (auto const& task : tasks_) {
    auto const& waiting = *task.waiting;
    files.insert(files.end(), waiting.files.begin(), waiting.files.end());
    if (waiting.until_ns) until = std::min(until.value_or(INT64_MAX), *waiting.until_ns);
  }
  auto const left = until ? std::max<std::int64_t>(*until - now_ns(), 0) : 0;
  timespec const wait{.tv_sec = left / kSecond_ns, .tv_nsec = left % kSecond_ns};
  static_cast<void>(system_call(SYS_ppoll, argument_of(files.data()),
                                static_cast<std::int64_t>(files.size()),
                                until ? argument_of(&wait) : 0, 0));
}

UserProgramEnd Kernel::run() {
  while (!first_status_) {
    tasks_.remove_if([](Task const& each) { return each.dead; });
    for (auto& each : tasks_)
      if (each.registers.privilege == Privilege::user) deliver_signals(each);
    if (first_status_ || std::ranges::any_of(tasks_, &Task::dead)) continue;
    auto* const task = next_to_run();
    if (task == nullptr) {
      wait_for_somebody();
      continue;
    }
    load(*task);
    engine_->run(alone() ? kAlone : kTurn);
    // Otherwise it was stored when it left.
    if (current_ != nullptr) store(*std::exchange(current_, nullptr));
  }
  int const status = *first_status_;
  return {.code = status >> 8 & 0xFF, .signal = status & 0x7F};
}

}  // namespace mutirao::machine::user

namespace mutirao::machine {

Result<UserProgramEnd> run_user_program(UserProgram program) {
  return MUT_TRY(user::Kernel::make(std::move(program)))->run();
}

}  // namespace mutirao::machine
