// System calls about signals.
#include <cerrno>
#include <csignal>

#include "user/kernel.h"
#include "user/signal_frame.h"

namespace mutirao::machine::user {
namespace {

constexpr std::uint64_t kMaskBytes = 8;
constexpr std::uint64_t kNeverBlocked = bit_of(SIGKILL) | bit_of(SIGSTOP);

bool is_signal(std::uint64_t number) { return number >= 1 && number <= kSignals; }

std::int64_t call_sigaction(SystemCall& call) {
  auto const [number, at_new, at_old, bytes, unused, none] = call.a;
  if (!is_signal(number) || bytes != kMaskBytes) return -EINVAL;
  auto& action = (*call.task.actions)[number];
  auto const old = action;
  if (at_new != 0) {
    if (number == SIGKILL || number == SIGSTOP) return -EINVAL;
    auto const wanted = call.memory().load<SignalAction>(at_new);
    if (!wanted) return -EFAULT;
    action = *wanted;
  }
  if (at_old != 0 && !call.memory().store(at_old, old)) return -EFAULT;
  return 0;
}

std::int64_t call_sigprocmask(SystemCall& call) {
  auto const [how, at_new, at_old, bytes, unused, none] = call.a;
  if (bytes != kMaskBytes) return -EINVAL;
  auto& blocked = call.task.blocked;
  auto const old = blocked;
  if (at_new != 0) {
    auto const set = call.memory().load<std::uint64_t>(at_new);
    if (!set) return -EFAULT;
    if (how > SIG_SETMASK) return -EINVAL;
    blocked = how == SIG_BLOCK ? old | *set : how == SIG_UNBLOCK ? old & ~*set : *set;
    blocked &= ~kNeverBlocked;
  }
  if (at_old != 0 && !call.memory().store(at_old, old)) return -EFAULT;
  return 0;
}

std::int64_t call_sigpending(SystemCall& call) {
  return call.memory().store(call.a[0], call.task.pending & call.task.blocked) ? 0 : -EFAULT;
}

std::int64_t call_sigsuspend(SystemCall& call) {
  auto const set = call.memory().load<std::uint64_t>(call.a[0]);
  if (!set) return -EFAULT;
  call.task.blocked_before_suspend = call.task.blocked;
  call.task.blocked = *set & ~kNeverBlocked;
  call.task.waiting = Waiting{.what = Waiting::For::signal};
  return kWaits;
}

std::int64_t call_sigreturn(SystemCall& call) {
  call.task.registers.x[2] = call.kernel.hart().x[2];
  if (!leave_handler(call.task))
    call.kernel.end_process(call.task, SIGSEGV);
  else
    call.task.replaced = true;
  return kLeaveRegisters;
}

/// stack_t
struct SignalStack {
  std::uint64_t begin;
  std::int32_t flags;
  std::int32_t pad;
  std::uint64_t size;
};

std::int64_t call_sigaltstack(SystemCall& call) {
  constexpr std::int32_t kDisabled = 2;
  auto& stack = call.task.signal_stack;
  SignalStack const old{stack.begin, stack.size == 0 ? kDisabled : 0, 0, stack.size};
  if (call.a[0] != 0) {
    auto const wanted = call.memory().load<SignalStack>(call.a[0]);
    if (!wanted) return -EFAULT;
    bool const none = (wanted->flags & kDisabled) != 0;
    stack = {none ? 0 : wanted->begin, none ? 0 : wanted->size};
  }
  if (call.a[1] != 0 && !call.memory().store(call.a[1], old)) return -EFAULT;
  return 0;
}

std::int64_t send(SystemCall& call, std::uint64_t to, std::uint64_t signal) {
  if (signal != 0 && !is_signal(signal)) return -EINVAL;
  auto const id = static_cast<int>(to);
  // Nobody outside is told anything: a process group is the process itself.
  int const whom = id == 0 ? call.task.process : id < 0 ? -id : id;
  return call.kernel.send_signal(whom, static_cast<int>(signal)) ? 0 : -ESRCH;
}

std::int64_t call_kill(SystemCall& call) { return send(call, call.a[0], call.a[1]); }
std::int64_t call_tgkill(SystemCall& call) { return send(call, call.a[1], call.a[2]); }

}  // namespace

std::vector<Entry> signal_calls() {
  return {
      {129, call_kill},        {130, call_kill},       {131, call_tgkill},  // 130: tkill
      {132, call_sigaltstack}, {133, call_sigsuspend}, {134, call_sigaction},
      {135, call_sigprocmask}, {136, call_sigpending}, {139, call_sigreturn},
  };
}

}  // namespace mutirao::machine::user
