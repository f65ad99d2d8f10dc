#include "hart/interpreter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "hart/atomics.h"
#include "hart/floating_point.h"
#include "hart/integer.h"
#include "hart/trap.h"
#include "isa/decode.h"

namespace mutirao::machine {
namespace {

constexpr std::size_t kDecodedPagesMax = 2048;  // 64 MiB of slots

std::unexpected<Exception> illegal(Instruction const& instruction) {
  return std::unexpected{Exception{Cause::illegal_instruction, instruction.bits}};
}

}  // namespace

Interpreter::Interpreter(Hart& hart, Bus& bus, HartHost& host)
    : hart_{hart},
      mmu_{hart, bus},
      core_{hart, mmu_, host},
      memory_{bus.memory()},
      pages_(memory_.size() / kPageSize) {
  memory_.watch(*this, static_cast<unsigned>(hart.id));
}

Interpreter::~Interpreter() { memory_.unwatch(*this); }

void Interpreter::code_was_written(GuestAddress address, std::uint64_t size) {
  std::uint64_t const offset = address - memory_.base();
  DecodedPage* const page = pages_[offset / kPageSize].get();
  if (page == nullptr) return;
  std::size_t first = (offset & kPageMask) / 2;
  std::size_t const end = first + size / 2;
  // An instruction of four bytes may begin before the line and end in it.
  if (first > 0 && page->slots[first - 1].length == 4) --first;
  std::fill(page->slots + first, page->slots + end, Instruction{});
}

Interpreter::DecodedPage& Interpreter::decoded_page(GuestAddress page) {
  std::size_t const number = (page - memory_.base()) / kPageSize;
  if (pages_[number] == nullptr) {
    if (decoded_.size() == kDecodedPagesMax) {
      for (std::size_t const old : decoded_) pages_[old].reset();
      decoded_.clear();
    }
    pages_[number] = std::make_unique<DecodedPage>();
    decoded_.push_back(number);
  }
  return *pages_[number];
}

std::expected<Instruction const*, Exception> Interpreter::locate() {
  for (;;) {
    auto const physical = mmu_.fetchable(hart_.pc);
    if (!physical) return std::unexpected{physical.error()};
    auto const low = memory_.load<std::uint16_t>(*physical);
    if (!low) return std::unexpected{Exception{Cause::instruction_access, hart_.pc}};
    auto const page = *physical & ~kPageMask;
    bool const kept = keeps_ || is_decoded(page);
    page_ = kept ? &decoded_page(page) : nullptr;
    Instruction& slot = kept ? page_->slots[(*physical & kPageMask) / 2] : alone_[0] = {};
    if (slot.length != 0) return &slot;
    Instruction found;
    if (is_compressed(*low)) {
      found = decode(*low);
    } else {
      if ((*physical & kPageMask) == kPageSize - 2) return locate_across(*physical);
      found = decode(*memory_.load<std::uint32_t>(*physical));
    }
    if (kept && !memory_.mark_code(*physical, found.length, static_cast<unsigned>(hart_.id)))
      continue;
    slot = found;
    return &slot;
  }
}

/// An instruction of which the second half lies in another page is not kept: what that page is may
/// change without a write to either.
std::expected<Instruction const*, Exception> Interpreter::locate_across(GuestAddress first) {
  auto const second = mmu_.fetchable(hart_.pc + 2);
  if (!second) return std::unexpected{second.error()};
  auto const low = memory_.load<std::uint16_t>(first);
  auto const high = memory_.load<std::uint16_t>(*second);
  if (!high) return std::unexpected{Exception{Cause::instruction_access, hart_.pc + 2}};
  alone_[0] = decode(static_cast<std::uint32_t>(*high) << 16 | *low);
  return &alone_[0];
}

std::expected<void, Exception> Interpreter::execute_csr(Instruction const& i) {
  auto const number = static_cast<unsigned>(i.imm);
  bool const immediate_form = i.op == Op::csrrwi || i.op == Op::csrrsi || i.op == Op::csrrci;
  std::uint64_t const operand = immediate_form ? i.rs1 : hart_.x[i.rs1];
  bool const swap = i.op == Op::csrrw || i.op == Op::csrrwi;
  bool const set = i.op == Op::csrrs || i.op == Op::csrrsi;
  // csrrw into x0 does not read; setting and clearing nothing does not write (Unpriv. 7.1).
  std::uint64_t before = 0;
  if (!swap || i.rd != 0) {
    auto const value = read_csr(core_, number);
    if (!value) return illegal(i);
    before = *value;
  }
  if (swap || i.rs1 != 0) {
    // What devices raise in mip is shown, and not written back (Priv. 3.1.9).
    std::uint64_t const base =
        number == csr::kMip ? before & (hart_.mip_written | interrupt::kSsip) : before;
    std::uint64_t const after = swap ? operand : set ? base | operand : base & ~operand;
    if (!write_csr(core_, number, after, swap ? ~std::uint64_t{0} : operand)) return illegal(i);
  }
  if (i.rd != 0) hart_.x[i.rd] = before;
  return {};
}

std::expected<void, Exception> Interpreter::execute_cache_block(Instruction const& i) {
  // Who may is in menvcfg and senvcfg (Unpriv. 19.5); that there is nothing to clean is our affair.
  std::uint64_t const field = i.op == Op::cbo_zero    ? envcfg::kCbze
                              : i.op == Op::cbo_inval ? envcfg::kCbie
                                                      : envcfg::kCbcfe;
  bool const by_machine = hart_.privilege == Privilege::machine || (hart_.menvcfg & field) != 0;
  bool const by_supervisor = hart_.privilege != Privilege::user || (hart_.senvcfg & field) != 0;
  if (!by_machine || !by_supervisor) return illegal(i);

  std::uint64_t const address = hart_.x[i.rs1];
  std::uint64_t const block = address & ~(kCacheBlock - 1);
  if (i.op != Op::cbo_zero) {
    // Permitted where a load or a store is; what fails is reported as a store.
    if (mmu_.translate(address, 1, Access::load)) return {};
    auto const stored = mmu_.translate(address, 1, Access::store);
    if (!stored) return std::unexpected{stored.error()};
    return {};
  }
  auto const physical = mmu_.translate(block, kCacheBlock, Access::store);
  if (!physical) return std::unexpected{Exception{physical.error().cause, address}};
  constexpr std::uint8_t zeros[kCacheBlock] = {};
  if (!memory_.write(*physical, zeros))
    return std::unexpected{Exception{Cause::store_access, address}};
  return {};
}

std::expected<void, Exception> Interpreter::execute_system(Instruction const& i) {
  std::uint64_t const next = hart_.pc + i.length;
  bool const in_supervisor = hart_.privilege == Privilege::supervisor;
  switch (i.op) {
    case Op::ecall:
      if (in_supervisor && core_.host.supervisor_call(hart_)) break;
      return std::unexpected{Exception{hart_.privilege == Privilege::user ? Cause::ecall_user
                                       : in_supervisor                    ? Cause::ecall_supervisor
                                                                          : Cause::ecall_machine,
                                       0}};
    case Op::ebreak:
      return std::unexpected{Exception{Cause::breakpoint, hart_.pc}};
    case Op::mret:
      if (!return_from_machine(core_)) return illegal(i);
      return {};
    case Op::sret:
      if (!return_from_supervisor(core_)) return illegal(i);
      return {};
    case Op::wfi:
      // Below machine mode with TW, and in user mode always, waiting is not theirs (Priv. 3.3.3).
      if (hart_.privilege == Privilege::user ||
          (in_supervisor && (hart_.mstatus & status::kTw) != 0))
        return illegal(i);
      hart_.waiting = true;
      break;
    case Op::sfence_vma: {
      if (hart_.privilege == Privilege::user ||
          (in_supervisor && (hart_.mstatus & status::kTvm) != 0))
        return illegal(i);
      mmu_.fence(i.rs1 == 0 ? nullptr : &hart_.x[i.rs1], i.rs2 == 0 ? nullptr : &hart_.x[i.rs2]);
      break;
    }
    case Op::cbo_inval:
    case Op::cbo_clean:
    case Op::cbo_flush:
    case Op::cbo_zero:
      if (auto const done = execute_cache_block(i); !done) return done;
      break;
    default:
      if (auto const done = execute_csr(i); !done) return done;
      break;
  }
  hart_.pc = next;
  return {};
}

Interpreter::Stop Interpreter::run_from(bool admit_first, std::uint64_t budget) {
  using namespace integer;
  auto& x = hart_.x;
  auto& f = hart_.f;
  std::uint64_t left = budget;
  std::uint64_t pc = 0;
  Instruction const* at = nullptr;
  Exception exception{};

  std::uint64_t const steps_at_end = hart_.steps + budget;
  // What looks at the hart from outside, or at its counters, finds the present instruction begun.
  auto const show = [&] {
    hart_.pc = pc;
    hart_.steps = steps_at_end - left + 1;
  };

  if (!admit_first) goto relocate;
  look_at_timer(core_);

admit:  // hart_.pc is right, and an interrupt may be due
  hart_.steps = steps_at_end - left;
  if (hart_.waiting) {
    if (!wakes(core_)) return Stop::waiting;
    hart_.waiting = false;
  }
  take_interrupt(core_);

relocate:  // hart_.pc is right
  hart_.steps = steps_at_end - left;
  if (left == 0) return Stop::budget;
  if (hart_.attention.load(std::memory_order_relaxed) && hart_.attention.exchange(false))
    return Stop::attention;
  if (auto const found = locate()) {
    at = *found;
    pc = hart_.pc;
  } else {
    exception = found.error();
    goto raise;
  }

  for (;;) {
    Instruction const& i = *at;
    unsigned const length = i.length;  // a store may clear the slot that it came from
    std::uint64_t target;
    switch (i.op) {
#define MUT_RD x[i.rd]
#define MUT_A x[i.rs1]
#define MUT_B x[i.rs2]
#define MUT_IMM immediate(i)
#define MUT_COMPUTE(name, value) \
  case Op::name:                 \
    MUT_RD = (value);            \
    break;
      MUT_COMPUTE(lui, MUT_IMM)
      MUT_COMPUTE(auipc, pc + MUT_IMM)
      MUT_COMPUTE(addi, MUT_A + MUT_IMM)
      MUT_COMPUTE(slti, as_signed(MUT_A) < as_signed(MUT_IMM))
      MUT_COMPUTE(sltiu, MUT_A < MUT_IMM)
      MUT_COMPUTE(xori, MUT_A ^ MUT_IMM)
      MUT_COMPUTE(ori, MUT_A | MUT_IMM)
      MUT_COMPUTE(andi, MUT_A & MUT_IMM)
      MUT_COMPUTE(slli, MUT_A << i.imm)
      MUT_COMPUTE(srli, MUT_A >> i.imm)
      MUT_COMPUTE(srai, static_cast<std::uint64_t>(as_signed(MUT_A) >> i.imm))
      MUT_COMPUTE(add, MUT_A + MUT_B)
      MUT_COMPUTE(sub, MUT_A - MUT_B)
      MUT_COMPUTE(sll, MUT_A << (MUT_B & 63))
      MUT_COMPUTE(slt, as_signed(MUT_A) < as_signed(MUT_B))
      MUT_COMPUTE(sltu, MUT_A < MUT_B)
      MUT_COMPUTE(xor_, MUT_A ^ MUT_B)
      MUT_COMPUTE(srl, MUT_A >> (MUT_B & 63))
      MUT_COMPUTE(sra, static_cast<std::uint64_t>(as_signed(MUT_A) >> (MUT_B & 63)))
      MUT_COMPUTE(or_, MUT_A | MUT_B)
      MUT_COMPUTE(and_, MUT_A & MUT_B)
      MUT_COMPUTE(addiw, word(MUT_A + MUT_IMM))
      MUT_COMPUTE(slliw, word(MUT_A << i.imm))
      MUT_COMPUTE(srliw, word(static_cast<std::uint32_t>(MUT_A) >> i.imm))
      MUT_COMPUTE(sraiw, word(static_cast<std::uint64_t>(as_signed(word(MUT_A)) >> i.imm)))
      MUT_COMPUTE(addw, word(MUT_A + MUT_B))
      MUT_COMPUTE(subw, word(MUT_A - MUT_B))
      MUT_COMPUTE(sllw, word(MUT_A << (MUT_B & 31)))
      MUT_COMPUTE(srlw, word(static_cast<std::uint32_t>(MUT_A) >> (MUT_B & 31)))
      MUT_COMPUTE(sraw, word(static_cast<std::uint64_t>(as_signed(word(MUT_A)) >> (MUT_B & 31))))

      MUT_COMPUTE(mul, MUT_A * MUT_B)
      MUT_COMPUTE(mulh, integer::mulh(MUT_A, MUT_B))
      MUT_COMPUTE(mulhsu, integer::mulhsu(MUT_A, MUT_B))
      MUT_COMPUTE(mulhu, integer::mulhu(MUT_A, MUT_B))
      MUT_COMPUTE(div, static_cast<std::uint64_t>(quotient(as_signed(MUT_A), as_signed(MUT_B))))
      MUT_COMPUTE(divu, quotient(MUT_A, MUT_B))
      MUT_COMPUTE(rem, static_cast<std::uint64_t>(remainder(as_signed(MUT_A), as_signed(MUT_B))))
      MUT_COMPUTE(remu, remainder(MUT_A, MUT_B))
#define MUT_32(type, value) static_cast<type>(value)
#define MUT_EXTEND32(value) word(static_cast<std::uint64_t>(value))
      MUT_COMPUTE(mulw, word(MUT_A * MUT_B))
      MUT_COMPUTE(divw,
                  MUT_EXTEND32(quotient(MUT_32(std::int32_t, MUT_A), MUT_32(std::int32_t, MUT_B))))
      MUT_COMPUTE(
          divuw, MUT_EXTEND32(quotient(MUT_32(std::uint32_t, MUT_A), MUT_32(std::uint32_t, MUT_B))))
      MUT_COMPUTE(remw,
                  MUT_EXTEND32(remainder(MUT_32(std::int32_t, MUT_A), MUT_32(std::int32_t, MUT_B))))
      MUT_COMPUTE(remuw, MUT_EXTEND32(
                             remainder(MUT_32(std::uint32_t, MUT_A), MUT_32(std::uint32_t, MUT_B))))

      MUT_COMPUTE(add_uw, MUT_B + MUT_32(std::uint32_t, MUT_A))
      MUT_COMPUTE(sh1add, MUT_B + (MUT_A << 1))
      MUT_COMPUTE(sh2add, MUT_B + (MUT_A << 2))
      MUT_COMPUTE(sh3add, MUT_B + (MUT_A << 3))
      MUT_COMPUTE(sh1add_uw, MUT_B + (std::uint64_t{MUT_32(std::uint32_t, MUT_A)} << 1))
      MUT_COMPUTE(sh2add_uw, MUT_B + (std::uint64_t{MUT_32(std::uint32_t, MUT_A)} << 2))
      MUT_COMPUTE(sh3add_uw, MUT_B + (std::uint64_t{MUT_32(std::uint32_t, MUT_A)} << 3))
      MUT_COMPUTE(slli_uw, std::uint64_t{MUT_32(std::uint32_t, MUT_A)} << i.imm)
      MUT_COMPUTE(andn, MUT_A & ~MUT_B)
      MUT_COMPUTE(orn, MUT_A | ~MUT_B)
      MUT_COMPUTE(xnor, ~(MUT_A ^ MUT_B))
      MUT_COMPUTE(clz, static_cast<std::uint64_t>(std::countl_zero(MUT_A)))
      MUT_COMPUTE(ctz, static_cast<std::uint64_t>(std::countr_zero(MUT_A)))
      MUT_COMPUTE(cpop, static_cast<std::uint64_t>(std::popcount(MUT_A)))
      MUT_COMPUTE(clzw, static_cast<std::uint64_t>(std::countl_zero(MUT_32(std::uint32_t, MUT_A))))
      MUT_COMPUTE(ctzw, static_cast<std::uint64_t>(std::countr_zero(MUT_32(std::uint32_t, MUT_A))))
      MUT_COMPUTE(cpopw, static_cast<std::uint64_t>(std::popcount(MUT_32(std::uint32_t, MUT_A))))
      MUT_COMPUTE(max, as_signed(MUT_A) > as_signed(MUT_B) ? MUT_A : MUT_B)
      MUT_COMPUTE(maxu, std::max(MUT_A, MUT_B))
      MUT_COMPUTE(min, as_signed(MUT_A) < as_signed(MUT_B) ? MUT_A : MUT_B)
      MUT_COMPUTE(minu, std::min(MUT_A, MUT_B))
      MUT_COMPUTE(sext_b, static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(MUT_A)}))
      MUT_COMPUTE(sext_h,
                  static_cast<std::uint64_t>(std::int64_t{static_cast<std::int16_t>(MUT_A)}))
      MUT_COMPUTE(zext_h, MUT_A & 0xFFFF)
      MUT_COMPUTE(rol, std::rotl(MUT_A, static_cast<int>(MUT_B & 63)))
      MUT_COMPUTE(ror, std::rotr(MUT_A, static_cast<int>(MUT_B & 63)))
      MUT_COMPUTE(rori, std::rotr(MUT_A, i.imm))
      MUT_COMPUTE(rolw, word(std::rotl(MUT_32(std::uint32_t, MUT_A), static_cast<int>(MUT_B & 31))))
      MUT_COMPUTE(rorw, word(std::rotr(MUT_32(std::uint32_t, MUT_A), static_cast<int>(MUT_B & 31))))
      MUT_COMPUTE(roriw, word(std::rotr(MUT_32(std::uint32_t, MUT_A), i.imm)))
      MUT_COMPUTE(orc_b, integer::orc_b(MUT_A))
      MUT_COMPUTE(rev8, std::byteswap(MUT_A))
      MUT_COMPUTE(clmul, static_cast<std::uint64_t>(carryless(MUT_A, MUT_B)))
      MUT_COMPUTE(clmulh, static_cast<std::uint64_t>(carryless(MUT_A, MUT_B) >> 64))
      MUT_COMPUTE(clmulr, static_cast<std::uint64_t>(carryless(MUT_A, MUT_B) >> 63))
      MUT_COMPUTE(bclr, MUT_A & ~(std::uint64_t{1} << (MUT_B & 63)))
      MUT_COMPUTE(bclri, MUT_A & ~(std::uint64_t{1} << i.imm))
      MUT_COMPUTE(bext, MUT_A >> (MUT_B & 63) & 1)
      MUT_COMPUTE(bexti, MUT_A >> i.imm & 1)
      MUT_COMPUTE(binv, MUT_A ^ std::uint64_t{1} << (MUT_B & 63))
      MUT_COMPUTE(binvi, MUT_A ^ std::uint64_t{1} << i.imm)
      MUT_COMPUTE(bset, MUT_A | std::uint64_t{1} << (MUT_B & 63))
      MUT_COMPUTE(bseti, MUT_A | std::uint64_t{1} << i.imm)

#define MUT_BRANCH(name, condition) \
  case Op::name:                    \
    if (!(condition)) break;        \
    target = pc + MUT_IMM;          \
    goto jump;
      MUT_BRANCH(beq, MUT_A == MUT_B)
      MUT_BRANCH(bne, MUT_A != MUT_B)
      MUT_BRANCH(blt, as_signed(MUT_A) < as_signed(MUT_B))
      MUT_BRANCH(bge, as_signed(MUT_A) >= as_signed(MUT_B))
      MUT_BRANCH(bltu, MUT_A < MUT_B)
      MUT_BRANCH(bgeu, MUT_A >= MUT_B)
      case Op::jal:
        target = pc + MUT_IMM;
        MUT_RD = pc + length;
        goto jump;
      case Op::jalr:
        target = (MUT_A + MUT_IMM) & ~std::uint64_t{1};
        MUT_RD = pc + length;
        goto jump;

#define MUT_NO_GUARD
#define MUT_FP_GUARD                                     \
  if ((hart_.mstatus & status::kFs) == 0) [[unlikely]] { \
    show();                                              \
    exception = illegal(i).error();                      \
    goto raise;                                          \
  }
// In `result`, `raw` has the bits of the access, extended as the type is.
#define MUT_LOAD(name, type, guard, result)                                 \
  case Op::name: {                                                          \
    guard std::uint64_t const address = MUT_A + MUT_IMM;                    \
    std::uint64_t raw;                                                      \
    if (auto const* const host = mmu_.loadable<type>(address)) [[likely]] { \
      raw = static_cast<std::uint64_t>(load_shared<type>(host));            \
    } else {                                                                \
      show();                                                               \
      auto const loaded = mmu_.load(address, sizeof(type));                 \
      if (!loaded) {                                                        \
        exception = loaded.error();                                         \
        goto raise;                                                         \
      }                                                                     \
      raw = static_cast<std::uint64_t>(static_cast<type>(*loaded));         \
    }                                                                       \
    result;                                                                 \
    break;                                                                  \
  }
#define MUT_FP_LOADED(value)      \
  {                               \
    f[i.rd] = (value);            \
    hart_.mstatus |= status::kFs; \
  }
        MUT_LOAD(lb, std::int8_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(lh, std::int16_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(lw, std::int32_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(ld, std::uint64_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(lbu, std::uint8_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(lhu, std::uint16_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(lwu, std::uint32_t, MUT_NO_GUARD, MUT_RD = raw)
        MUT_LOAD(flw, std::uint32_t, MUT_FP_GUARD,
                 MUT_FP_LOADED(boxed(static_cast<std::uint32_t>(raw))))
        MUT_LOAD(fld, std::uint64_t, MUT_FP_GUARD, MUT_FP_LOADED(raw))

#define MUT_STORE(name, type, guard, source)                          \
  case Op::name: {                                                    \
    guard std::uint64_t const address = MUT_A + MUT_IMM;              \
    auto const value = static_cast<type>(source);                     \
    if (auto* const host = mmu_.storable<type>(address)) [[likely]] { \
      store_shared(host, value);                                      \
    } else {                                                          \
      show();                                                         \
      auto const stored = mmu_.store(address, sizeof(type), value);   \
      if (!stored) {                                                  \
        exception = stored.error();                                   \
        goto raise;                                                   \
      }                                                               \
      /* A device may have had enough of us: at once. */              \
      if (hart_.attention.load(std::memory_order_relaxed)) {          \
        --left;                                                       \
        hart_.pc = pc + length;                                       \
        goto relocate;                                                \
      }                                                               \
    }                                                                 \
    break;                                                            \
  }
        MUT_STORE(sb, std::uint8_t, MUT_NO_GUARD, MUT_B)
        MUT_STORE(sh, std::uint16_t, MUT_NO_GUARD, MUT_B)
        MUT_STORE(sw, std::uint32_t, MUT_NO_GUARD, MUT_B)
        MUT_STORE(sd, std::uint64_t, MUT_NO_GUARD, MUT_B)
        MUT_STORE(fsw, std::uint32_t, MUT_FP_GUARD, f[i.rs2])
        MUT_STORE(fsd, std::uint64_t, MUT_FP_GUARD, f[i.rs2])

      case Op::fence:
        std::atomic_thread_fence(std::memory_order_seq_cst);
        break;
      case Op::fence_i:  // slots follow every write of this hart; those of others are asked for
        if (hart_.attention.load()) {
          --left;
          hart_.pc = pc + length;
          goto relocate;
        }
        break;
      case Op::pause:
      case Op::wrs_nto:  // may go on at any time (Unpriv. 14)
      case Op::wrs_sto:
        break;

      case Op::illegal:
        if (length == 0) {  // nothing was decoded here yet, or the page has ended
          hart_.pc = pc;
          goto relocate;
        }
        show();
        exception = illegal(i).error();
        goto raise;

      default:
        show();
        if (is_atomic(i.op)) {
          auto const done = execute_atomic(core_, i);
          if (!done) {
            exception = done.error();
            goto raise;
          }
        } else if (is_floating_point(i.op)) {
          if (!execute_floating_point(hart_, i)) {
            exception = illegal(i).error();
            goto raise;
          }
        } else {
          auto const done = execute_system(i);
          if (!done) {
            exception = done.error();
            goto raise;
          }
          --left;
          goto admit;
        }
        break;
    }
    x[0] = 0;
    pc += length;
    at += length / 2;
    if (--left != 0) [[likely]]
      continue;
    hart_.pc = pc;
    goto relocate;

  jump:
    x[0] = 0;
    --left;
    if (left != 0 && page_ != nullptr && ((target ^ pc) & ~kPageMask) == 0 &&
        !hart_.attention.load(std::memory_order_relaxed)) [[likely]] {
      pc = target;
      at = &page_->slots[(target & kPageMask) / 2];
      continue;
    }
    hart_.pc = target;
    goto relocate;
  }

raise:  // hart_.pc is that of the instruction, which does not retire
  --left;
  ++hart_.steps_trapped;
  take_exception(core_, exception);
  goto admit;
}

}  // namespace mutirao::machine
