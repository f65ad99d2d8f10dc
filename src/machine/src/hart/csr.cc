#include "hart/csr.h"

#include <bit>

namespace mutirao::machine {
namespace {

namespace st = status;

constexpr std::uint64_t kStatusWritable = st::kSie | st::kMie | st::kSpie | st::kMpie | st::kSpp |
                                          st::kFs | st::kMprv | st::kSum | st::kMxr | st::kTvm |
                                          st::kTw | st::kTsr;
constexpr std::uint64_t kSstatusWritable =
    st::kSie | st::kSpie | st::kSpp | st::kFs | st::kSum | st::kMxr;
constexpr std::uint64_t kSstatusVisible = kSstatusWritable | st::kUxl | st::kSd;
constexpr std::uint64_t kInterrupts = interrupt::kSupervisor | interrupt::kMachine;
// Everything that there is but calls from machine mode, which has nobody to delegate to.
constexpr std::uint64_t kDelegable = 0xB3FF;
constexpr std::uint64_t kSenvcfgWritable =
    envcfg::kFiom | envcfg::kCbie | envcfg::kCbcfe | envcfg::kCbze;
constexpr std::uint64_t kMenvcfgWritable =
    kSenvcfgWritable | envcfg::kAdue | envcfg::kPbmte | envcfg::kStce;
constexpr std::uint32_t kInhibitCycle = 1, kInhibitInstret = 4;

constexpr std::uint64_t letters(char const* extensions) {
  std::uint64_t bits = 0;
  for (; *extensions != 0; ++extensions) bits |= std::uint64_t{1} << (*extensions - 'A');
  return bits;
}
constexpr std::uint64_t kMisaValue = 2ull << 62 | letters("ACDFIMSU");

std::uint64_t status_of(Hart const& hart) {
  return hart.mstatus | ((hart.mstatus & st::kFs) == st::kFs ? st::kSd : std::uint64_t{0});
}

void write_status(Core& core, std::uint64_t value, std::uint64_t writable) {
  Hart& hart = core.hart;
  std::uint64_t next = (hart.mstatus & ~writable) | (value & writable);
  // MPP holds a mode that exists, or stays what it was.
  if ((writable & st::kMprv) != 0 && (value & st::kMpp) != 2ull << st::kMppShift)
    next = (next & ~st::kMpp) | (value & st::kMpp);
  hart.mstatus = next;
  core.mmu.context_changed();
}

/// A counter that runs from `offset`, before the instruction that reads it.
std::uint64_t counter(std::uint64_t count, std::uint64_t offset, bool inhibited) {
  return inhibited ? offset : offset + count - 1;
}
std::uint64_t retired(Hart const& hart) { return hart.steps - hart.steps_trapped; }
std::uint64_t cycle_of(Hart const& hart) {
  return counter(hart.steps, hart.mcycle_offset, (hart.mcountinhibit & kInhibitCycle) != 0);
}
std::uint64_t instret_of(Hart const& hart) {
  return counter(retired(hart), hart.minstret_offset, (hart.mcountinhibit & kInhibitInstret) != 0);
}
// The written value is what the next instruction reads (Priv. 3.1.10).
void set_cycle(Hart& hart, std::uint64_t value) {
  hart.mcycle_offset = (hart.mcountinhibit & kInhibitCycle) != 0 ? value : value - hart.steps;
}
void set_instret(Hart& hart, std::uint64_t value) {
  hart.minstret_offset =
      (hart.mcountinhibit & kInhibitInstret) != 0 ? value : value - retired(hart);
}

/// cycle, time, instret and hpmcounters are shown to a mode by those above it (Priv. 3.1.11).
bool counter_enabled(Hart const& hart, unsigned index) {
  if (hart.privilege == Privilege::machine) return true;
  if ((hart.mcounteren >> index & 1) == 0) return false;
  return hart.privilege == Privilege::supervisor || (hart.scounteren >> index & 1) != 0;
}

bool timer_enabled(Hart const& hart) {
  if (hart.privilege == Privilege::machine) return true;
  return (hart.mcounteren >> 1 & 1) != 0 && (hart.menvcfg & envcfg::kStce) != 0;
}

bool floating_point_on(Hart const& hart) { return (hart.mstatus & st::kFs) != 0; }

/// Privilege and existence by number alone (Priv. 2.1), and what particular registers add.
bool accessible(Hart const& hart, unsigned number, bool write) {
  if (static_cast<unsigned>(hart.privilege) < (number >> 8 & 3)) return false;
  if (write && (number >> 10 & 3) == 3) return false;
  if (number >= csr::kCycle && number < csr::kCycle + 32)
    return counter_enabled(hart, number - csr::kCycle);
  switch (number) {
    case csr::kFflags:
    case csr::kFrm:
    case csr::kFcsr:
      return floating_point_on(hart);
    case csr::kStimecmp:
      return timer_enabled(hart);
    case csr::kSatp:
      return hart.privilege != Privilege::supervisor || (hart.mstatus & st::kTvm) == 0;
    default:
      return true;
  }
}

std::uint64_t read_pmpcfg(Hart const& hart, unsigned first) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{hart.pmpcfg[first + i]} << 8 * i;
  return value;
}

void write_pmpcfg(Core& core, unsigned first, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) {
    std::uint8_t& config = core.hart.pmpcfg[first + i];
    auto next = static_cast<std::uint8_t>(value >> 8 * i & 0x9F);
    if ((config & 0x80) != 0) continue;             // locked until reset
    if ((next & 3) == 2) next &= ~std::uint8_t{3};  // writable and not readable is reserved
    config = next;
  }
  core.mmu.rules_changed();
}

void write_pmpaddr(Core& core, unsigned index, std::uint64_t value) {
  Hart& hart = core.hart;
  bool const locked = (hart.pmpcfg[index] & 0x80) != 0;
  // The base of a locked range that ends at the next entry is locked with it.
  bool const base_of_locked = index + 1 < kPmpEntries && (hart.pmpcfg[index + 1] & 0x98) == 0x88;
  if (locked || base_of_locked) return;
  hart.pmpaddr[index] = value & ((1ull << 54) - 1);
  core.mmu.rules_changed();
}

void write_satp(Core& core, std::uint64_t value) {
  std::uint64_t const mode = value >> 60;
  if (mode != 0 && mode != 8 && mode != 9) return;  // no effect at all (Priv. 10.1.11)
  core.hart.satp = mode == 0 ? 0 : value;
  core.mmu.context_changed();
}

void write_menvcfg(Core& core, std::uint64_t value) {
  std::uint64_t& menvcfg = core.hart.menvcfg;
  std::uint64_t next = value & kMenvcfgWritable;
  // CBIE 2 is reserved.
  if ((next & envcfg::kCbie) == 2u << 4) next = (next & ~envcfg::kCbie) | (menvcfg & envcfg::kCbie);
  bool const tables_differ = ((menvcfg ^ next) & (envcfg::kAdue | envcfg::kPbmte)) != 0;
  menvcfg = next;
  if (tables_differ) core.mmu.rules_changed();
  look_at_timer(core);
}

void write_countinhibit(Hart& hart, std::uint64_t value) {
  std::uint64_t const cycle = cycle_of(hart) + 1;
  std::uint64_t const instret = instret_of(hart) + 1;
  bool const had_cycle = (hart.mcountinhibit & kInhibitCycle) != 0;
  bool const had_instret = (hart.mcountinhibit & kInhibitInstret) != 0;
  hart.mcountinhibit = static_cast<std::uint32_t>(value) & (kInhibitCycle | kInhibitInstret);
  set_cycle(hart, had_cycle ? cycle - 1 : cycle);
  set_instret(hart, had_instret ? instret - 1 : instret);
}

}  // namespace

std::uint64_t pending_interrupts(Core const& core) noexcept {
  Hart const& hart = core.hart;
  std::uint64_t pending = hart.mip_written | hart.lines.load(std::memory_order_relaxed);
  if ((hart.menvcfg & envcfg::kStce) != 0)
    pending =
        (pending & ~interrupt::kStip) | (hart.timer_reached ? interrupt::kStip : std::uint64_t{0});
  return pending;
}

void look_at_timer(Core& core) {
  Hart& hart = core.hart;
  hart.timer_reached = hart.stimecmp != ~std::uint64_t{0} && core.host.time() >= hart.stimecmp;
}

std::optional<std::uint64_t> read_csr(Core& core, unsigned number) {
  Hart const& hart = core.hart;
  if (!accessible(hart, number, false)) return std::nullopt;
  switch (number) {
    case csr::kFflags:
      return hart.fflags;
    case csr::kFrm:
      return hart.frm;
    case csr::kFcsr:
      return hart.fflags | hart.frm << 5;

    case csr::kCycle:
    case csr::kMcycle:
      return cycle_of(hart);
    case csr::kTime:
      return core.host.time();
    case csr::kInstret:
    case csr::kMinstret:
      return instret_of(hart);

    case csr::kSstatus:
      return status_of(hart) & kSstatusVisible;
    case csr::kSie:
      return hart.mie & hart.mideleg;
    case csr::kStvec:
      return hart.stvec;
    case csr::kScounteren:
      return hart.scounteren;
    case csr::kSenvcfg:
      return hart.senvcfg;
    case csr::kSscratch:
      return hart.sscratch;
    case csr::kSepc:
      return hart.sepc;
    case csr::kScause:
      return hart.scause;
    case csr::kStval:
      return hart.stval;
    case csr::kSip:
      look_at_timer(core);
      return pending_interrupts(core) & hart.mideleg;
    case csr::kStimecmp:
      return hart.stimecmp;
    case csr::kSatp:
      return hart.satp;

    case csr::kMstatus:
      return status_of(hart);
    case csr::kMisa:
      return kMisaValue;
    case csr::kMedeleg:
      return hart.medeleg;
    case csr::kMideleg:
      return hart.mideleg;
    case csr::kMie:
      return hart.mie;
    case csr::kMtvec:
      return hart.mtvec;
    case csr::kMcounteren:
      return hart.mcounteren;
    case csr::kMenvcfg:
      return hart.menvcfg;
    case csr::kMcountinhibit:
      return hart.mcountinhibit;
    case csr::kMscratch:
      return hart.mscratch;
    case csr::kMepc:
      return hart.mepc;
    case csr::kMcause:
      return hart.mcause;
    case csr::kMtval:
      return hart.mtval;
    case csr::kMip:
      look_at_timer(core);
      return pending_interrupts(core);
    case csr::kPmpcfg0:
    case csr::kPmpcfg0 + 2:
      return read_pmpcfg(hart, (number - csr::kPmpcfg0) * 4);
    case csr::kMhartid:
      return hart.id;
    case csr::kMvendorid:
    case csr::kMarchid:
    case csr::kMimpid:
    case csr::kMconfigptr:
      return 0;
    default:
      break;
  }
  if (number >= csr::kPmpaddr0 && number < csr::kPmpaddr0 + kPmpEntries)
    return hart.pmpaddr[number - csr::kPmpaddr0];
  // Event counters that count nothing, and triggers of which there are none.
  bool const nothing = (number >= csr::kCycle + 3 && number < csr::kCycle + 32) ||
                       (number >= csr::kMhpmcounter3 && number < csr::kMcycle + 32) ||
                       (number >= csr::kMhpmevent3 && number < csr::kMcountinhibit + 32) ||
                       (number >= csr::kTselect && number <= csr::kTdata3);
  if (nothing) return 0;
  return std::nullopt;
}

bool write_csr(Core& core, unsigned number, std::uint64_t value, std::uint64_t named) {
  Hart& hart = core.hart;
  if (!accessible(hart, number, true)) return false;
  switch (number) {
    case csr::kFflags:
      hart.fflags = value & 31;
      hart.mstatus |= st::kFs;
      return true;
    case csr::kFrm:
      hart.frm = value & 7;
      hart.mstatus |= st::kFs;
      return true;
    case csr::kFcsr:
      hart.fflags = value & 31;
      hart.frm = value >> 5 & 7;
      hart.mstatus |= st::kFs;
      return true;

    case csr::kMcycle:
      set_cycle(hart, value);
      return true;
    case csr::kMinstret:
      set_instret(hart, value);
      return true;

    case csr::kSstatus:
      write_status(core, value, kSstatusWritable);
      return true;
    case csr::kSie:
      hart.mie = (hart.mie & ~hart.mideleg) | (value & hart.mideleg);
      return true;
    case csr::kStvec:
      hart.stvec = value & ~std::uint64_t{2};
      return true;
    case csr::kScounteren:
      hart.scounteren = static_cast<std::uint32_t>(value);
      return true;
    case csr::kSenvcfg:
      if ((value & envcfg::kCbie) == 2u << 4)
        value = (value & ~envcfg::kCbie) | (hart.senvcfg & envcfg::kCbie);
      hart.senvcfg = value & kSenvcfgWritable;
      return true;
    case csr::kSscratch:
      hart.sscratch = value;
      return true;
    case csr::kSepc:
      hart.sepc = value & ~std::uint64_t{1};
      return true;
    case csr::kScause:
      hart.scause = value;
      return true;
    case csr::kStval:
      hart.stval = value;
      return true;
    case csr::kSip: {
      std::uint64_t const writable = interrupt::kSsip & hart.mideleg;
      hart.mip_written = (hart.mip_written & ~writable) | (value & writable);
      // What another hart's call raised is taken back by the same write.
      if ((writable & named & ~value) != 0) hart.lines.fetch_and(~interrupt::kSsip);
      return true;
    }
    case csr::kStimecmp:
      hart.stimecmp = value;
      look_at_timer(core);
      core.host.timer_changed(hart);
      return true;
    case csr::kSatp:
      write_satp(core, value);
      return true;

    case csr::kMstatus:
      write_status(core, value, kStatusWritable);
      return true;
    case csr::kMisa:
      return true;
    case csr::kMedeleg:
      hart.medeleg = value & kDelegable;
      return true;
    case csr::kMideleg:
      hart.mideleg = value & interrupt::kSupervisor;
      return true;
    case csr::kMie:
      hart.mie = value & kInterrupts;
      return true;
    case csr::kMtvec:
      hart.mtvec = value & ~std::uint64_t{2};
      return true;
    case csr::kMcounteren:
      hart.mcounteren = static_cast<std::uint32_t>(value);
      return true;
    case csr::kMenvcfg:
      write_menvcfg(core, value);
      return true;
    case csr::kMcountinhibit:
      write_countinhibit(hart, value);
      return true;
    case csr::kMscratch:
      hart.mscratch = value;
      return true;
    case csr::kMepc:
      hart.mepc = value & ~std::uint64_t{1};
      return true;
    case csr::kMcause:
      hart.mcause = value;
      return true;
    case csr::kMtval:
      hart.mtval = value;
      return true;
    case csr::kMip:
      hart.mip_written = value & interrupt::kSupervisor;
      if ((interrupt::kSsip & named & ~value) != 0) hart.lines.fetch_and(~interrupt::kSsip);
      return true;
    case csr::kPmpcfg0:
    case csr::kPmpcfg0 + 2:
      write_pmpcfg(core, (number - csr::kPmpcfg0) * 4, value);
      return true;
    default:
      break;
  }
  if (number >= csr::kPmpaddr0 && number < csr::kPmpaddr0 + kPmpEntries) {
    write_pmpaddr(core, number - csr::kPmpaddr0, value);
    return true;
  }
  return read_csr(core, number).has_value();  // there, and takes no value
}

}  // namespace mutirao::machine
