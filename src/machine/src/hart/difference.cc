#include "hart/difference.h"

#include <fmt/format.h>

namespace mutirao::machine {

std::string difference(Hart const& one, Hart const& other) {
  for (int n = 0; n < 32; ++n) {
    if (one.x[n] != other.x[n]) return fmt::format("x{}: {:x} {:x}", n, one.x[n], other.x[n]);
    if (one.f[n] != other.f[n]) return fmt::format("f{}: {:x} {:x}", n, one.f[n], other.f[n]);
  }
#define MUT_SAME(member)                                                              \
  if (one.member != other.member)                                                     \
    return fmt::format(#member ": {:x} {:x}", static_cast<std::uint64_t>(one.member), \
                       static_cast<std::uint64_t>(other.member));
  MUT_SAME(pc)
  MUT_SAME(steps)
  MUT_SAME(steps_trapped)
  MUT_SAME(privilege)
  MUT_SAME(waiting)
  MUT_SAME(fflags)
  MUT_SAME(frm)
  MUT_SAME(mstatus)
  MUT_SAME(mie)
  MUT_SAME(mip_written)
  MUT_SAME(mcause)
  MUT_SAME(mepc)
  MUT_SAME(mtval)
  MUT_SAME(mscratch)
  MUT_SAME(scause)
  MUT_SAME(sepc)
  MUT_SAME(stval)
  MUT_SAME(sscratch)
  MUT_SAME(satp)
  MUT_SAME(stvec)
  MUT_SAME(stimecmp)
  MUT_SAME(lines)
#undef MUT_SAME
  return {};
}

}  // namespace mutirao::machine
