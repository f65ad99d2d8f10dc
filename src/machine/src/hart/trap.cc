#include "hart/trap.h"

#include <array>

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kInterruptFlag = 1ull << 63;

/// Direct, or vectored for interrupts (Priv. 3.1.7).
std::uint64_t handler(std::uint64_t vector, std::uint64_t cause) {
  std::uint64_t const base = vector & ~std::uint64_t{3};
  bool const vectored = (vector & 1) != 0 && (cause & kInterruptFlag) != 0;
  return vectored ? base + 4 * (cause & ~kInterruptFlag) : base;
}

void enter_supervisor(Core& core, std::uint64_t cause, std::uint64_t value) {
  Hart& hart = core.hart;
  hart.sepc = hart.pc;
  hart.scause = cause;
  hart.stval = value;
  std::uint64_t next = hart.mstatus & ~(status::kSpp | status::kSpie | status::kSie);
  if (hart.privilege == Privilege::supervisor) next |= status::kSpp;
  if ((hart.mstatus & status::kSie) != 0) next |= status::kSpie;
  hart.mstatus = next;
  hart.privilege = Privilege::supervisor;
  hart.pc = handler(hart.stvec, cause);
  core.mmu.context_changed();
}

void enter_machine(Core& core, std::uint64_t cause, std::uint64_t value) {
  Hart& hart = core.hart;
  hart.mepc = hart.pc;
  hart.mcause = cause;
  hart.mtval = value;
  std::uint64_t next = hart.mstatus & ~(status::kMpp | status::kMpie | status::kMie);
  next |= static_cast<std::uint64_t>(hart.privilege) << status::kMppShift;
  if ((hart.mstatus & status::kMie) != 0) next |= status::kMpie;
  hart.mstatus = next;
  hart.privilege = Privilege::machine;
  hart.pc = handler(hart.mtvec, cause);
  core.mmu.context_changed();
}

void enter(Core& core, std::uint64_t cause, std::uint64_t value, bool delegated) {
  if (delegated && core.hart.privilege != Privilege::machine)
    enter_supervisor(core, cause, value);
  else
    enter_machine(core, cause, value);
}

}  // namespace

void take_exception(Core& core, Exception exception) {
  auto const cause = static_cast<std::uint64_t>(exception.cause);
  enter(core, cause, exception.value, (core.hart.medeleg >> cause & 1) != 0);
}

bool take_interrupt(Core& core) {
  Hart const& hart = core.hart;
  std::uint64_t const pending = pending_interrupts(core) & hart.mie;
  if (pending == 0) return false;
  bool const machine_open =
      hart.privilege != Privilege::machine || (hart.mstatus & status::kMie) != 0;
  bool const supervisor_open =
      hart.privilege == Privilege::user ||
      (hart.privilege == Privilege::supervisor && (hart.mstatus & status::kSie) != 0);
  // Those that stay in machine mode come first, each in the order of Priv. 3.1.9.
  std::uint64_t const open = machine_open && (pending & ~hart.mideleg) != 0
                                 ? pending & ~hart.mideleg
                             : supervisor_open ? pending & hart.mideleg
                                               : 0;
  for (unsigned const number : {interrupt::kMachineExternal, interrupt::kMachineSoftware,
                                interrupt::kMachineTimer, interrupt::kSupervisorExternal,
                                interrupt::kSupervisorSoftware, interrupt::kSupervisorTimer}) {
    if ((open >> number & 1) == 0) continue;
    enter(core, kInterruptFlag | number, 0, (hart.mideleg >> number & 1) != 0);
    return true;
  }
  return false;
}

bool wakes(Core const& core) noexcept { return (pending_interrupts(core) & core.hart.mie) != 0; }

bool return_from_machine(Core& core) {
  Hart& hart = core.hart;
  if (hart.privilege != Privilege::machine) return false;
  auto const mode = static_cast<Privilege>(hart.mstatus >> status::kMppShift & 3);
  std::uint64_t next = hart.mstatus & ~(status::kMie | status::kMpp);
  if ((hart.mstatus & status::kMpie) != 0) next |= status::kMie;
  next |= status::kMpie;
  if (mode != Privilege::machine) next &= ~status::kMprv;
  hart.mstatus = next;
  hart.privilege = mode;
  hart.pc = hart.mepc;
  core.mmu.context_changed();
  return true;
}

bool return_from_supervisor(Core& core) {
  Hart& hart = core.hart;
  if (hart.privilege == Privilege::user) return false;
  if (hart.privilege == Privilege::supervisor && (hart.mstatus & status::kTsr) != 0) return false;
  bool const to_supervisor = (hart.mstatus & status::kSpp) != 0;
  std::uint64_t next = hart.mstatus & ~(status::kSie | status::kSpp | status::kMprv);
  if ((hart.mstatus & status::kSpie) != 0) next |= status::kSie;
  next |= status::kSpie;
  hart.mstatus = next;
  hart.privilege = to_supervisor ? Privilege::supervisor : Privilege::user;
  hart.pc = hart.sepc;
  core.mmu.context_changed();
  return true;
}

}  // namespace mutirao::machine
