#include "hart/atomics.h"

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <utility>

namespace mutirao::machine {
namespace {

constexpr std::uint32_t kRelease = 1u << 25;  // the bit rl (Unpriv. 13.1)

template <class T>
std::uint64_t extended(T value) {
  return static_cast<std::uint64_t>(std::int64_t{static_cast<std::make_signed_t<T>>(value)});
}

template <class T>
std::atomic_ref<T> cell(Mmu::Place place) {
  return std::atomic_ref<T>{*reinterpret_cast<T*>(place.host)};
}

void set_register(Hart& hart, unsigned reg, std::uint64_t value) {
  if (reg != 0) hart.x[reg] = value;
}

template <class T>
std::expected<void, Exception> load_reserved(Core& core, Instruction const& i) {
  Hart& hart = core.hart;
  auto const place = core.mmu.atomic_place(hart.x[i.rs1], sizeof(T), Access::load);
  if (!place) return std::unexpected{place.error()};
  // With rl it comes behind stores too, which is more than a load of the host does.
  if ((i.bits & kRelease) != 0) std::atomic_thread_fence(std::memory_order_seq_cst);
  T const value = cell<T>(*place).load();
  hart.reservation = {place->physical, value, sizeof(T)};
  set_register(hart, i.rd, extended(value));
  return {};
}

template <class T>
std::expected<void, Exception> store_conditional(Core& core, Instruction const& i) {
  Hart& hart = core.hart;
  auto const place = core.mmu.atomic_place(hart.x[i.rs1], sizeof(T), Access::store);
  if (!place) return std::unexpected{place.error()};
  Hart::Reservation const reservation = std::exchange(hart.reservation, {});
  bool stored = false;
  if (reservation.size == sizeof(T) && reservation.address == place->physical) {
    auto expected = static_cast<T>(reservation.value);
    stored = cell<T>(*place).compare_exchange_strong(expected, static_cast<T>(hart.x[i.rs2]));
  }
  if (stored) core.mmu.bus().memory().wrote(place->physical, sizeof(T));
  set_register(hart, i.rd, stored ? 0 : 1);
  return {};
}

/// Reads, changes and writes back in one; `change` may be called several times.
template <class T, class Change>
std::expected<void, Exception> read_modify_write(Core& core, Instruction const& i, Change change) {
  Hart& hart = core.hart;
  auto const place = core.mmu.atomic_place(hart.x[i.rs1], sizeof(T), Access::store);
  if (!place) return std::unexpected{place.error()};
  auto const operand = static_cast<T>(hart.x[i.rs2]);
  auto memory = cell<T>(*place);
  T before = memory.load();
  while (!memory.compare_exchange_weak(before, change(before, operand))) {
  }
  core.mmu.bus().memory().wrote(place->physical, sizeof(T));
  set_register(hart, i.rd, extended(before));
  return {};
}

template <class T>
std::expected<void, Exception> compare_and_swap(Core& core, Instruction const& i) {
  auto const wanted = static_cast<T>(core.hart.x[i.rd]);
  return read_modify_write<T>(
      core, i, [&](T before, T operand) { return before == wanted ? operand : before; });
}

/// Register pairs; that of x0 is zero in both halves.
std::expected<void, Exception> compare_and_swap_pair(Core& core, Instruction const& i) {
  Hart& hart = core.hart;
  auto const place = core.mmu.atomic_place(hart.x[i.rs1], 16, Access::store);
  if (!place) return std::unexpected{place.error()};
  auto const high_of = [&](unsigned reg) { return reg == 0 ? 0 : hart.x[reg + 1]; };
  std::uint64_t low = hart.x[i.rd];
  std::uint64_t high = high_of(i.rd);
  bool swapped;
  asm volatile("lock cmpxchg16b %[cell]"
               : [cell] "+m"(*reinterpret_cast<std::uint64_t(*)[2]>(place->host)), "+a"(low),
                 "+d"(high), "=@ccz"(swapped)
               : "b"(hart.x[i.rs2]), "c"(high_of(i.rs2))
               : "memory");
  if (swapped) core.mmu.bus().memory().wrote(place->physical, 16);
  if (i.rd != 0) {
    hart.x[i.rd] = low;
    hart.x[i.rd + 1] = high;
  }
  return {};
}

// `op` is given as that for words.
template <class T>
std::expected<void, Exception> execute_width(Core& core, Instruction const& i, Op op) {
  using Signed = std::make_signed_t<T>;
  auto const as_signed = [](T value) { return static_cast<Signed>(value); };
  switch (op) {
    case Op::lr_w:
      return load_reserved<T>(core, i);
    case Op::sc_w:
      return store_conditional<T>(core, i);
    case Op::amoswap_w:
      return read_modify_write<T>(core, i, [](T, T b) { return b; });
    case Op::amoadd_w:
      return read_modify_write<T>(core, i, [](T a, T b) { return static_cast<T>(a + b); });
    case Op::amoxor_w:
      return read_modify_write<T>(core, i, [](T a, T b) { return a ^ b; });
    case Op::amoand_w:
      return read_modify_write<T>(core, i, [](T a, T b) { return a & b; });
    case Op::amoor_w:
      return read_modify_write<T>(core, i, [](T a, T b) { return a | b; });
    case Op::amomin_w:
      return read_modify_write<T>(core, i,
                                  [&](T a, T b) { return as_signed(a) < as_signed(b) ? a : b; });
    case Op::amomax_w:
      return read_modify_write<T>(core, i,
                                  [&](T a, T b) { return as_signed(a) > as_signed(b) ? a : b; });
    case Op::amominu_w:
      return read_modify_write<T>(core, i, [](T a, T b) { return std::min(a, b); });
    case Op::amomaxu_w:
      return read_modify_write<T>(core, i, [](T a, T b) { return std::max(a, b); });
    default:
      return compare_and_swap<T>(core, i);
  }
}

}  // namespace

// By value: what is stored may be the instruction, and its slot be cleared.
std::expected<void, Exception> execute_atomic(Core& core, Instruction i) noexcept {
  if (i.op == Op::amocas_q) return compare_and_swap_pair(core, i);
  if (i.op < Op::lr_d) return execute_width<std::uint32_t>(core, i, i.op);
  constexpr int by = static_cast<int>(Op::lr_d) - static_cast<int>(Op::lr_w);
  return execute_width<std::uint64_t>(core, i, static_cast<Op>(static_cast<int>(i.op) - by));
}

}  // namespace mutirao::machine
