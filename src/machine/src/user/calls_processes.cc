// System calls about processes and threads.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>

#include "mutirao/world/system_call.h"

#include "user/kernel.h"
#include "user/program_loader.h"

namespace mutirao::machine::user {
namespace {

using world::argument_of;
using world::system_call;

// include/uapi/linux/sched.h
constexpr std::uint64_t kShareMemory = 0x100, kShareFiles = 0x400, kShareActions = 0x800,
                        kUntilExec = 0x4000, kThread = 0x10000, kSetTls = 0x80000,
                        kTellParent = 0x100000, kClearId = 0x200000, kTellChild = 0x1000000;
constexpr std::size_t kWordsMax = 16384;
constexpr std::int64_t kNanoPerSecond = 1'000'000'000;

std::int64_t call_exit(SystemCall& call) {
  call.kernel.end_thread(call.task, static_cast<int>(call.a[0] & 0xFF) << 8);
  return kLeaveRegisters;
}

std::int64_t call_exit_group(SystemCall& call) {
  call.kernel.end_process(call.task, static_cast<int>(call.a[0] & 0xFF) << 8);
  return kLeaveRegisters;
}

/// A copy of what the hart has, behind the call: the child's.
Registers registers_of_child(Hart const& hart, std::uint64_t stack, bool set_tls,
                             std::uint64_t tls) {
  Registers registers;
  std::ranges::copy(hart.x, registers.x.begin());
  std::ranges::copy(hart.f, registers.f.begin());
  registers.pc = hart.sepc + 4;
  registers.mstatus = hart.mstatus;
  registers.frm = hart.frm;
  registers.fflags = hart.fflags;
  registers.x[10] = 0;
  if (stack != 0) registers.x[2] = stack;
  if (set_tls) registers.x[4] = tls;
  return registers;
}

/// A thread, or a process with a copy of the memory: also for vfork, whose parent does not see what
/// the child does.
std::int64_t call_clone(SystemCall& call) {
  auto const [flags, stack, at_parent, tls, at_child, none] = call.a;
  bool const thread = (flags & kThread) != 0;
  if (thread != ((flags & (kShareMemory | kUntilExec)) == kShareMemory)) return -EINVAL;
  if (!call.kernel.has_room()) return -EAGAIN;
  auto& parent = call.task;
  Task child;
  child.id = call.kernel.new_id();
  child.process = thread ? parent.process : child.id;
  child.parent = thread ? parent.parent : parent.process;
  child.registers = registers_of_child(call.kernel.hart(), stack, (flags & kSetTls) != 0, tls);
  child.space = thread ? parent.space : std::shared_ptr{parent.space->copy()};
  if (child.space == nullptr) return -ENOMEM;
  child.asid = thread ? parent.asid : call.kernel.new_asid();
  child.files = (flags & kShareFiles) != 0 ? parent.files : std::make_shared<Files>(*parent.files);
  child.actions = (flags & kShareActions) != 0 && thread
                      ? parent.actions
                      : std::make_shared<SignalActions>(*parent.actions);
  child.blocked = parent.blocked;
  child.path = parent.path;
  if (!thread) child.signal_stack = parent.signal_stack;
  if ((flags & kClearId) != 0) child.clear_id = at_child;
  if ((flags & kTellChild) != 0)
    static_cast<void>(child.space->store(at_child, static_cast<std::uint32_t>(child.id)));
  if ((flags & kTellParent) != 0)
    static_cast<void>(parent.space->store(at_parent, static_cast<std::uint32_t>(child.id)));
  auto const id = child.id;
  call.kernel.add_task(std::move(child));
  return id;
}

std::optional<std::vector<std::string>> words_at(AddressSpace& memory, UserAddress at) {
  std::vector<std::string> words;
  for (; at != 0 && words.size() < kWordsMax; at += 8) {
    auto const each = memory.load<std::uint64_t>(at);
    if (!each) return std::nullopt;
    if (*each == 0) return words;
    auto text = memory.text(*each, 128 << 10);
    if (!text) return std::nullopt;
    words.push_back(*std::move(text));
  }
  return words;
}

std::int64_t call_execve(SystemCall& call) {
  auto& task = call.task;
  auto path = call.memory().text(call.a[0]);
  auto const arguments = words_at(call.memory(), call.a[1]);
  auto const environment = words_at(call.memory(), call.a[2]);
  if (!path || !arguments || !environment) return -EFAULT;
  if (*path == "/proc/self/exe") *path = task.path;
  auto const folder = call.files().folder->descriptor();
  if (auto const may = system_call(SYS_faccessat, folder, argument_of(path->c_str()), 1); may < 0)
    return may;
  auto const file = read_program(folder, *path);
  if (!file) return -EACCES;
  auto space = call.kernel.new_space();
  if (space == nullptr) return -ENOMEM;
  auto const start = load_program(*space, file->bytes, {*path, *arguments, *environment});
  if (!start) return start.error().fault == Fault::exhausted ? -E2BIG : -ENOEXEC;
  // From here on there is no way back.
  for (auto& each : call.kernel.tasks())
    if (each.process == task.process && &each != &task) each.dead = true;
  task.space = std::move(space);
  task.asid = call.kernel.new_asid();
  task.files = std::make_shared<Files>(*task.files);
  std::erase_if(task.files->open, [](auto const& each) { return each.second.close_on_exec; });
  auto actions = std::make_shared<SignalActions>(*task.actions);
  for (auto& each : *actions)
    if (each.handler != kIgnore) each = {};
  task.actions = std::move(actions);
  task.id = task.process;
  task.clear_id = 0;
  task.signal_stack = {};
  task.path = file->path;
  task.registers = new_registers(*start);
  task.replaced = true;
  return kLeaveRegisters;
}

std::int64_t call_wait4(SystemCall& call) {
  constexpr std::uint64_t kNoHang = 1;
  auto const [whom, at_status, options, at_usage, unused, none] = call.a;
  auto const id = static_cast<int>(whom);
  auto& ended = call.kernel.ended();
  auto const process = call.task.process;
  auto const is_meant = [&](int child) { return id <= 0 || child == id; };
  auto const found = std::ranges::find_if(ended, [&](auto const& each) {
    return each.second.parent == process && is_meant(each.first);
  });
  if (found != ended.end()) {
    auto const status = static_cast<std::uint32_t>(found->second.status);
    if (at_status != 0 && !call.memory().store(at_status, status)) return -EFAULT;
    constexpr std::array<std::uint8_t, 144> kNoUsage{};
    if (at_usage != 0 && !call.memory().write(at_usage, kNoUsage)) return -EFAULT;
    auto const child = found->first;
    ended.erase(found);
    return child;
  }
  bool const any = std::ranges::any_of(call.kernel.tasks(), [&](Task const& each) {
    return each.parent == process && !each.dead && is_meant(each.process);
  });
  if (!any) return -ECHILD;
  if ((options & kNoHang) != 0) return 0;
  call.task.waiting = Waiting{.what = Waiting::For::child};
  return kWaits;
}

// include/uapi/linux/futex.h
enum FutexOperation : std::uint64_t {
  kFutexWait = 0,
  kFutexWake = 1,
  kFutexWaitBits = 9,
  kFutexWakeBits = 10,
  kFutexPrivate = 128,
  kFutexRealTime = 256,
};

/// When a wait of a futex ends by itself.
std::expected<std::optional<std::int64_t>, std::int64_t> futex_end(SystemCall& call, bool absolute,
                                                                   bool real_time) {
  if (call.a[3] == 0) return std::nullopt;
  auto const time = call.memory().load<std::array<std::int64_t, 2>>(call.a[3]);
  if (!time) return std::unexpected{std::int64_t{-EFAULT}};
  auto const [seconds, nanoseconds] = *time;
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= kNanoPerSecond)
    return std::unexpected{std::int64_t{-EINVAL}};
  auto end = std::min<std::int64_t>(seconds, 1'000'000'000) * kNanoPerSecond + nanoseconds;
  if (!absolute) return end + Kernel::now_ns();
  if (real_time) {
    std::array<std::int64_t, 2> now{};
    static_cast<void>(system_call(SYS_clock_gettime, CLOCK_REALTIME, argument_of(now.data())));
    end += Kernel::now_ns() - (now[0] * kNanoPerSecond + now[1]);
  }
  return end;
}

std::int64_t call_futex(SystemCall& call) {
  auto& task = call.task;
  auto const at = call.a[0];
  auto const operation = call.a[1] & ~std::uint64_t{kFutexPrivate | kFutexRealTime};
  bool const bits_given = operation == kFutexWaitBits || operation == kFutexWakeBits;
  auto const bits = bits_given ? static_cast<std::uint32_t>(call.a[5]) : ~0u;
  if ((at & 3) != 0) return -EINVAL;
  if (operation == kFutexWake || operation == kFutexWakeBits)
    return static_cast<std::int64_t>(
        call.kernel.wake(call.memory(), at, static_cast<std::uint32_t>(call.a[2]), bits));
  if (operation != kFutexWait && operation != kFutexWaitBits) return -ENOSYS;
  if (task.woken) return 0;
  if (task.timed_out) return -ETIMEDOUT;
  auto const value = call.memory().load<std::uint32_t>(at);
  if (!value) return -EFAULT;
  if (*value != static_cast<std::uint32_t>(call.a[2])) return -EAGAIN;
  auto const end = futex_end(call, bits_given, (call.a[1] & kFutexRealTime) != 0);
  if (!end) return end.error();
  task.waiting =
      Waiting{.what = Waiting::For::futex, .address = at, .bits = bits, .until_ns = *end};
  return kWaits;
}

std::int64_t call_set_tid_address(SystemCall& call) {
  call.task.clear_id = call.a[0];
  return call.task.id;
}

std::int64_t call_uname(SystemCall& call) {
  struct Names {
    char system[65] = {}, node[65] = {}, release[65] = {}, version[65] = {}, machine[65] = {},
         domain[65] = {};
  } names;
  if (auto const got = system_call(SYS_uname, argument_of(&names)); got < 0) return got;
  std::strcpy(names.machine, "riscv64");
  return call.memory().store(call.a[0], names) ? 0 : -EFAULT;
}

std::int64_t call_prlimit(SystemCall& call) {
  std::array<std::uint64_t, 2> limit{};
  if (call.a[2] != 0) return -EPERM;  // those of this program are not its own to change
  auto const got = system_call(SYS_prlimit64, 0, static_cast<std::int64_t>(call.a[1]), 0,
                               argument_of(limit.data()));
  if (got < 0) return got;
  constexpr std::uint64_t kStack = 3;
  if (call.a[1] == kStack) limit = {8 << 20, 8 << 20};
  return call.a[3] == 0 || call.memory().store(call.a[3], limit) ? 0 : -EFAULT;
}

std::int64_t call_getaffinity(SystemCall& call) {
  if (call.a[1] < 8) return -EINVAL;
  return call.memory().store(call.a[2], std::uint64_t{1}) ? 8 : -EFAULT;
}

/// What a probe of the hardware finds (Documentation/arch/riscv/hwprobe.rst).
std::int64_t call_hwprobe(SystemCall& call) {
  constexpr std::uint64_t kBaseBehavior = 3, kExtensions = 4, kBaseIma = 1,
                          kExtensionsHere = 1 | 2 | 8 | 16 | 32;  // FD, C, Zba, Zbb, Zbs
  auto const [at, pairs, cpus, at_cpus, flags, none] = call.a;
  if (flags != 0 || pairs > 64) return -EINVAL;
  for (std::uint64_t i = 0; i < pairs; ++i) {
    auto pair = call.memory().load<std::array<std::uint64_t, 2>>(at + 16 * i);
    if (!pair) return -EFAULT;
    auto& [key, value] = *pair;
    value = key == kBaseBehavior ? kBaseIma : key == kExtensions ? kExtensionsHere : 0;
    if (key > kExtensions) key = ~std::uint64_t{0};
    if (!call.memory().store(at + 16 * i, *pair)) return -EFAULT;
  }
  return 0;
}

std::int64_t call_sysinfo(SystemCall& call) {
  std::array<std::uint8_t, 112> info;  // the same on both
  if (auto const got = system_call(SYS_sysinfo, argument_of(info.data())); got < 0) return got;
  return call.memory().write(call.a[0], info) ? 0 : -EFAULT;
}

template <long kNumber>
std::int64_t call_of_host(SystemCall& call) {
  return system_call(kNumber, static_cast<std::int64_t>(call.a[0]));
}
std::int64_t call_getpid(SystemCall& call) { return call.task.process; }
std::int64_t call_gettid(SystemCall& call) { return call.task.id; }
std::int64_t call_getppid(SystemCall& call) { return call.task.parent; }
std::int64_t call_no_news(SystemCall&) { return 0; }
/// What a C library tries first and can do without.
std::int64_t call_not_there(SystemCall&) { return -ENOSYS; }

}  // namespace

std::vector<Entry> process_calls() {
  return {
      {93, call_exit},
      {94, call_exit_group},
      {96, call_set_tid_address},
      {98, call_futex},
      {99, call_no_news},   // set_robust_list
      {122, call_no_news},  // sched_setaffinity: there is one processor
      {123, call_getaffinity},
      {124, call_no_news},  // sched_yield
      {154, call_no_news},  // setpgid
      {155, call_getpid},   // getpgid
      {156, call_getpid},   // getsid
      {157, call_getpid},   // setsid
      {160, call_uname},
      {166, call_of_host<SYS_umask>},
      {167, call_no_news},  // prctl
      {172, call_getpid},
      {173, call_getppid},
      {174, call_of_host<SYS_getuid>},
      {175, call_of_host<SYS_geteuid>},
      {176, call_of_host<SYS_getgid>},
      {177, call_of_host<SYS_getegid>},
      {178, call_gettid},
      {179, call_sysinfo},
      {220, call_clone},
      {221, call_execve},
      {258, call_hwprobe},
      {260, call_wait4},
      {261, call_prlimit},
      {293, call_not_there},  // rseq
      {435, call_not_there},  // clone3
  };
}

}  // namespace mutirao::machine::user
