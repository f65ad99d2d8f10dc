#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "mutirao/codegen/assembler.h"

#include "translator/block.h"
#include "translator/block_arena.h"
#include "translator/block_scratch.h"
#include "translator/frame.h"
#include "translator/registers.h"
#include "translator/thunks.h"

namespace mutirao::machine {

/// Translates the instructions of one block or region: for each a few of the host, in place, and
/// what is seldom needed behind the last of them.
///
/// Exact: before each instruction that can fail, or that others must see executed, all registers of
/// the guest are where they belong, so that nothing has to be undone.
class BlockWriter {
 public:
  /// Writes at the end of what `to` has; `base` is where that begins in the code memory. The sites
  /// of the block are there.
  BlockWriter(codegen::Assembler& to, std::size_t base, Thunks const& thunks, Block& block,
              BlockArena& arena, BlockScratch& scratch, RegisterMap const& map) noexcept
      : to_{to},
        base_{base},
        thunks_{thunks},
        block_{block},
        arena_{arena},
        scratch_{scratch},
        map_{map} {
    scratch_.clear();
  }

  /// Whether the instruction can stand in a block at all; others are for the interpreter.
  [[nodiscard]] static bool translates(Op op) noexcept;
  /// Whether a block ends with it.
  [[nodiscard]] static bool ends_block(Instruction const& instruction) noexcept;
  /// Whether translated code is left with it, always.
  [[nodiscard]] static bool leaves(Instruction const& instruction) noexcept;

  /// The first is where it is entered. Jumps between them stay inside.
  void write(std::span<Run const> runs);

 private:
  using Reg = codegen::Reg;
  using Width = codegen::Width;
  using Mem = codegen::Mem;

  // Operands
  [[nodiscard]] bool pinned(unsigned x) const noexcept { return map_.x[x].has_value(); }
  [[nodiscard]] Reg pin(unsigned x) const noexcept { return *map_.x[x]; }
  Reg read(unsigned x, Reg scratch);
  void read_into(Reg to, unsigned x);
  [[nodiscard]] Reg target_of(unsigned rd, Reg scratch) const noexcept;
  void written(unsigned rd, Reg value);
  void alu_with(codegen::Alu op, Width width, Reg to, unsigned x);

  // Instructions; those that compute are in integer_writer.cc
  void instruction(Site& site);
  bool integer(Site const& site);
  void constant(unsigned rd, std::uint64_t value);
  void copy(unsigned rd, unsigned from);
  void commutative(Instruction const& i, codegen::Alu op, Width width);
  void subtract(Instruction const& i, Width width);
  void with_immediate(Instruction const& i, codegen::Alu op);
  void add_immediate(Instruction const& i, Width width);
  void shift_by(Instruction const& i, codegen::Shift op, Width width);
  void shift_immediate(Instruction const& i, codegen::Shift op, Width width);
  [[nodiscard]] Site const* follower(Site const& site) noexcept;
  [[nodiscard]] Site const* sum_onto(Site const& site, unsigned x) noexcept;
  unsigned scaled(Site const& site);
  void set_if(Instruction const& i, codegen::Cond cond, bool immediate);
  void multiply(Instruction const& i, Width width);
  void multiply_high(Instruction const& i);
  void divide(Site const& site, Width width, bool is_signed, bool remainder);
  [[nodiscard]] static Op other_half(Op op) noexcept;
  [[nodiscard]] static Site const* other_half_of(Site const& site) noexcept;
  void shifted_add(Instruction const& i, std::uint8_t scale, bool unsigned_word);
  void choose(Instruction const& i, codegen::Cond cond);
  /// Moves the value to or from where it is, and leaves rcx alone.
  using Transfer = void (BlockWriter::*)(Site const& site, Mem there);
  void access(Site& site, std::int32_t size, bool is_store, Transfer transfer);
  void access_of_region(Site& site, bool is_store, Transfer transfer);
  void check_page(Site& site, bool is_store);
  void ask_tlb(Site& site, bool is_store);
  void load_from(Site const& site, Mem there);
  void store_to(Site const& site, Mem there);
  void load(Site& site);
  void store(Site& site);
  void call_out(Site& site);
  void atomic(Site& site);  // atomics_writer.cc
  void atomic_at(Site const& site, Op op, Width width);
  void zero_cache_block(Site& site);  // cache_block_writer.cc
  void fence(Instruction const& i);
  void fence_instructions(Site& site);
  void branch(Site& site);

  // Floating point: floating_point_writer.cc
  using Label = codegen::Label;
  using Xmm = codegen::Xmm;
  using Precision = codegen::Precision;
  void floating_point(Site& site);
  void check_floating_point(Site const& site);
  void check_unit_at_entry();
  void mark_floating_point_dirty();
  void check_boxed(unsigned f, Label& otherwise);
  Xmm read_f(unsigned f, Precision precision, Xmm scratch);
  void read_f_into(Xmm to, unsigned f, Precision precision);
  void read_bits(Reg to, unsigned f);
  void write_bits(unsigned f, Reg from);
  void write_f(unsigned f, Precision precision, Xmm value);
  void box(unsigned f, Precision precision);
  void load_f(Site& site);
  void load_f_from(Site const& site, Mem there);
  void store_f(Site& site);
  void store_f_to(Site const& site, Mem there);
  void otherwise_call_out(Site& site, Label* from, Label* back);
  void call_out_f(Site& site);
  void arithmetic(Site& site, Op op, Precision precision);
  void multiply_add(Site& site, Op op, Precision precision);
  void inject_sign(Site& site, Op op, Precision precision);
  void compare(Site& site, Op op, Precision precision);
  void to_integer(Site& site, Op op, Precision precision);
  void from_integer(Site& site, Op op, Precision precision);
  void change_format(Site& site);

  // Ways out
  void call(std::size_t thunk) { to_.call_to(distance_to(thunk)); }
  void jump(std::size_t thunk) { to_.jump_to(distance_to(thunk)); }
  [[nodiscard]] Thunks::OfPages const& of_pages() const noexcept {
    return thunks_.pages[page_set_of(block_.privilege)];
  }
  /// In the code memory.
  [[nodiscard]] std::uint32_t place_of(std::size_t written) const noexcept {
    return static_cast<std::uint32_t>(base_ + written);
  }
  [[nodiscard]] std::uint32_t here() const noexcept { return place_of(to_.size()); }
  [[nodiscard]] std::ptrdiff_t distance_to(std::size_t thunk) const noexcept {
    return static_cast<std::ptrdiff_t>(thunk) - static_cast<std::ptrdiff_t>(base_);
  }
  void return_unused(std::uint32_t count);
  void leave_at(Site const& site);
  void count_down(std::int32_t value);

  // Jumps: jump_writer.cc
  enum class Way : std::uint8_t { jump, call };
  void jump_known(Site const& site, std::uint64_t target);
  void jump_register(Site const& site);
  void return_from_call();
  [[nodiscard]] std::optional<std::uint64_t> known_target(Site const& site) noexcept;
  void open_call(std::uint64_t back);
  void land(std::uint64_t back);
  void go_to(std::uint64_t target, std::uint32_t unused);
  void lead_to(std::uint64_t target, Way way);
  void lead_across(std::uint64_t target, Way way);
  void link_to(std::uint64_t target, bool to_plain);
  Link& new_link(std::uint64_t target);
  void leave_by(Link const& link);
  void leave_for_target();
  void leave_to_plain(Site const& site);
  void look_up_target(Way way);
  void go_by(Mem code, Way way);
  [[nodiscard]] Label* head_of(std::uint64_t pc) noexcept;

  // What is seldom
  void load_addend(Walk const& walk);
  void count_rounds(Walk const& walk);
  void set_out(std::uint32_t count);
  void take_in();
  void put_back();

  codegen::Assembler& to_;
  std::size_t base_;
  Thunks const& thunks_;
  Block& block_;
  BlockArena& arena_;  // for its links
  BlockScratch& scratch_;
  RegisterMap const& map_;
  std::span<Run const> runs_;
  std::span<codegen::Label> heads_;  // of the runs
  Link* last_link_ = nullptr;
  unsigned written_ahead_ = 0;              // so many of the next, with the one before them
  Site const* other_half_known_ = nullptr;  // of a division, in the frame
  bool floating_point_checked_ = false;
  bool floating_point_dirty_ = false;
  std::uint32_t boxed_ = 0;  // registers that surely hold a single, boxed as it should be
};

}  // namespace mutirao::machine
