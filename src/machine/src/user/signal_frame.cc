#include "user/signal_frame.h"

#include <algorithm>
#include <csignal>

namespace mutirao::machine::user {
namespace {

constexpr std::uint64_t kOnStack = 0x08000000, kNoDefer = 0x40000000, kResetHandler = 0x80000000;
constexpr unsigned kReturnRegister = 1, kStackRegister = 2, kFirstArgument = 10;
constexpr std::int32_t kByUser = 0, kNoMapping = 1;  // si_code

/// struct rt_sigframe of 64-bit RISC-V: siginfo, and ucontext with its mcontext aligned to 16.
struct SignalFrame {
  std::int32_t signal = 0, error = 0, code = 0, pad = 0;
  std::uint64_t address = 0;
  std::uint8_t rest_of_info[128 - 24] = {};
  std::uint64_t flags = 0, link = 0;
  std::uint64_t stack = 0;
  std::int32_t stack_flags = 0, stack_pad = 0;
  std::uint64_t stack_size = 0;
  std::uint64_t blocked = 0;
  std::uint8_t more_signals[120] = {};
  std::uint64_t unused = 0;
  std::uint64_t pc = 0;
  std::uint64_t x[31] = {};  // x1 to x31
  std::uint64_t f[32] = {};
  std::uint32_t fcsr = 0;
  std::uint8_t wider_floats[528 - 260] = {};
};
static_assert(offsetof(SignalFrame, flags) == 128 && offsetof(SignalFrame, pc) == 128 + 176 &&
              sizeof(SignalFrame) == 128 + 176 + 256 + 528);

}  // namespace

bool enter_handler(Task& task, int signal) {
  auto& action = (*task.actions)[static_cast<std::size_t>(signal)];
  auto& registers = task.registers;
  auto const& other = task.signal_stack;
  auto const stack = registers.x[kStackRegister];
  bool const on_other = other.size != 0 && stack - other.begin < other.size;
  auto top = stack;
  if ((action.flags & kOnStack) != 0 && other.size != 0 && !on_other)
    top = other.begin + other.size;

  SignalFrame frame;
  frame.signal = signal;
  frame.code = task.signal_address != 0 ? kNoMapping : kByUser;
  frame.address = std::exchange(task.signal_address, 0);
  frame.stack = other.begin;
  frame.stack_size = other.size;
  frame.blocked = task.blocked_before_suspend.value_or(task.blocked);
  task.blocked_before_suspend.reset();
  frame.pc = registers.pc;
  std::copy_n(registers.x.begin() + 1, 31, frame.x);
  std::ranges::copy(registers.f, frame.f);
  frame.fcsr = static_cast<std::uint32_t>(registers.frm << 5 | registers.fflags);
  auto const at = (top - sizeof frame) & ~std::uint64_t{15};
  if (top < sizeof frame || !task.space->store(at, frame)) return false;

  task.blocked |= action.mask;
  if ((action.flags & kNoDefer) == 0) task.blocked |= bit_of(signal);
  registers.pc = action.handler;
  registers.x[kReturnRegister] = kGate + kPageSize + kSignalReturnOffset;
  registers.x[kStackRegister] = at;
  registers.x[kFirstArgument] = static_cast<std::uint64_t>(signal);
  registers.x[kFirstArgument + 1] = at;
  registers.x[kFirstArgument + 2] = at + offsetof(SignalFrame, flags);
  if ((action.flags & kResetHandler) != 0) action.handler = kDefaultHandler;
  return true;
}

bool leave_handler(Task& task) {
  auto& registers = task.registers;
  auto const frame = task.space->load<SignalFrame>(registers.x[kStackRegister]);
  if (!frame) return false;
  registers.pc = frame->pc;
  std::copy_n(frame->x, 31, registers.x.begin() + 1);
  std::ranges::copy(frame->f, registers.f.begin());
  registers.frm = frame->fcsr >> 5 & 7;
  registers.fflags = frame->fcsr & 31;
  task.blocked = frame->blocked & ~(bit_of(SIGKILL) | bit_of(SIGSTOP));
  return true;
}

}  // namespace mutirao::machine::user
