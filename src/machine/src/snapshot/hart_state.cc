#include "snapshot/hart_state.h"

#include <algorithm>

namespace mutirao::machine {
namespace {

/// Calls `each` with every field, in the order of the layout; until it gives false.
bool for_each_field(Hart& h, auto const& each) {
  auto const all = [&](auto&... fields) { return (each(fields) && ...); };
  auto const array = [&](auto& fields) { return std::ranges::all_of(fields, each); };
  return array(h.x) && array(h.f) &&
         all(h.pc, h.frm, h.fflags, h.waiting, h.timer_reached, h.mstatus, h.medeleg, h.mideleg,
             h.mie, h.mip_written, h.mtvec, h.mscratch, h.mepc, h.mcause, h.mtval, h.menvcfg,
             h.mcounteren, h.mcountinhibit) &&
         array(h.pmpcfg) && array(h.pmpaddr) &&
         all(h.stvec, h.sscratch, h.sepc, h.scause, h.stval, h.satp, h.senvcfg, h.stimecmp,
             h.scounteren, h.steps, h.steps_trapped, h.mcycle_offset, h.minstret_offset,
             h.reservation.address, h.reservation.value, h.reservation.size);
}

/// What the rules of the CSRs keep out (csr.cc), as far as anything else relies on it.
bool could_be(Hart const& h, std::uint8_t privilege) {
  auto const mode = h.satp >> 60;
  return privilege != 2 && privilege <= 3 && h.x[0] == 0 && (h.pc & 1) == 0 && h.frm <= 7 &&
         h.fflags <= 31 && (mode == 0 || mode == 8 || mode == 9) &&
         (h.mstatus >> status::kMppShift & 3) != 2 && (h.mstatus >> 32 & 15) == 10 &&
         (h.reservation.size & ~12u) == 0 && h.steps >= h.steps_trapped;
}

}  // namespace

Result<void> SavedHart::save(StateWriter& to) const {
  static_cast<void>(for_each_field(hart_, [&](auto const& field) {
    to.put(field);
    return true;
  }));
  to.put(hart_.privilege);
  to.put(hart_.lines.load());
  to.put(hart_.attention.load());
  return {};
}

bool SavedHart::restore(StateReader& from) {
  std::uint8_t privilege = 0;
  std::uint64_t lines = 0;
  bool attention = false;
  bool const there = for_each_field(hart_, [&](auto& field) { return from.get(field); }) &&
                     from.get(privilege) && from.get(lines) && from.get(attention);
  if (!there || !could_be(hart_, privilege)) return false;
  hart_.privilege = static_cast<Privilege>(privilege);
  hart_.lines = lines;
  hart_.attention = attention;
  return true;
}

}  // namespace mutirao::machine
