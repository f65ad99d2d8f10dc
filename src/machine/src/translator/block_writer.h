#pragma once

#include <cstdint>

#include "mutirao/codegen/assembler.h"

#include "translator/block.h"
#include "translator/block_scratch.h"
#include "translator/frame.h"
#include "translator/registers.h"

namespace mutirao::machine {

/// Translates the instructions of one block: for each a few of the host, in place, and what is
/// seldom needed behind the last of them.
///
/// Exact: before each instruction that can fail, or that others must see executed, all registers of
/// the guest are where they belong, so that nothing has to be undone.
class BlockWriter {
 public:
  /// Writes at the end of what `to` has; `base` is where that begins in the code memory. The sites
  /// of the block are there.
  BlockWriter(codegen::Assembler& to, std::size_t base, Block& block,
              BlockScratch& scratch) noexcept
      : to_{to}, base_{base}, block_{block}, scratch_{scratch} {
    scratch_.clear();
  }

  /// Whether the instruction can stand in a block at all; others are for the interpreter.
  [[nodiscard]] static bool translates(Op op) noexcept;
  /// Whether a block ends with it.
  [[nodiscard]] static bool ends_block(Instruction const& instruction) noexcept;
  /// Whether translated code is left with it, always.
  [[nodiscard]] static bool leaves(Instruction const& instruction) noexcept;

  /// `next_pc` is what comes after the last instruction, unless that jumps away.
  void write(std::uint64_t next_pc);

 private:
  using Reg = codegen::Reg;
  using Width = codegen::Width;
  using Mem = codegen::Mem;

  // Operands
  [[nodiscard]] static bool pinned(unsigned x) noexcept { return kPinOf[x].has_value(); }
  Reg read(unsigned x, Reg scratch);
  void read_into(Reg to, unsigned x);
  [[nodiscard]] static Reg target_of(unsigned rd, Reg scratch) noexcept;
  void written(unsigned rd, Reg value);
  void alu_with(codegen::Alu op, Width width, Reg to, unsigned x);

  // Instructions; those that compute are in integer_writer.cc
  void instruction(Site& site);
  bool integer(Instruction const& i, std::uint64_t pc);
  void constant(unsigned rd, std::uint64_t value);
  void commutative(Instruction const& i, codegen::Alu op, Width width);
  void subtract(Instruction const& i, Width width);
  void with_immediate(Instruction const& i, codegen::Alu op);
  void add_immediate(Instruction const& i, Width width);
  void shift_by(Instruction const& i, codegen::Shift op, Width width);
  void shift_immediate(Instruction const& i, codegen::Shift op, Width width);
  void set_if(Instruction const& i, codegen::Cond cond, bool immediate);
  void multiply(Instruction const& i, Width width);
  void multiply_high(Instruction const& i);
  void divide(Instruction const& i, Width width, bool is_signed, bool remainder);
  void shifted_add(Instruction const& i, std::uint8_t scale, bool unsigned_word);
  void choose(Instruction const& i, codegen::Cond cond);
  /// Moves the value to or from where it is, and leaves rcx alone.
  using Transfer = void (BlockWriter::*)(Site const& site, Mem there);
  void access(Site& site, std::int32_t size, bool is_store, Transfer transfer);
  void load_from(Site const& site, Mem there);
  void store_to(Site const& site, Mem there);
  void load(Site& site);
  void store(Site& site);
  void call_out(Site& site);
  void fence(Instruction const& i);
  void branch(Site& site);
  void jump_register(Site& site);

  // Floating point: floating_point_writer.cc
  using Label = codegen::Label;
  using Xmm = codegen::Xmm;
  using Precision = codegen::Precision;
  void floating_point(Site& site);
  void check_floating_point(Site const& site);
  void mark_floating_point_dirty();
  void check_boxed(unsigned f, Label& otherwise);
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
  void leave_at(std::uint64_t pc, std::int32_t unused);
  void go_to(std::uint64_t target);
  void look_up_target();

  codegen::Assembler& to_;
  std::size_t base_;
  Block& block_;
  BlockScratch& scratch_;
  codegen::Label head_;
  bool floating_point_checked_ = false;
  bool floating_point_dirty_ = false;
  std::uint32_t boxed_ = 0;  // registers that surely hold a single, boxed as it should be
};

}  // namespace mutirao::machine
