#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "hart/csr.h"
#include "hart/hart_engine.h"
#include "isa/instruction.h"

namespace mutirao::machine {

/// Executes a hart's instructions one by one: the reference that the translator is held against.
///
/// Instructions are decoded once, into slots that stand for the halfwords of a page of RAM, and
/// stay until something writes to them. A write is seen by the very next instruction: stronger than
/// the standard, which asks for a fence.i, and simpler.
///
/// Deterministic: the same state, devices and budgets give the same run.
class Interpreter final : public HartEngine, private CodeWatcher {
 public:
  /// All outlive this.
  Interpreter(Hart& hart, Bus& bus, HartHost& host);
  ~Interpreter() override;

  Stop run(std::uint64_t budget) override {
    keeps_ = true;
    return run_from(true, budget);
  }

  /// The same for a few, but no interrupt is looked for at the begin: goes on with a run that was
  /// left. What is decoded is not kept: others do the most of the work.
  Stop go_on(std::uint64_t budget) {
    keeps_ = false;
    return run_from(false, budget);
  }

  /// One instruction that changes more than registers and memory: Zicsr, returns, fences, wfi and
  /// cache blocks. pc is behind it then; whether an interrupt may come now is for the caller.
  [[nodiscard]] std::expected<void, Exception> execute_system(Instruction const& instruction);
  /// One of Zicsr alone; pc stays, and whether an interrupt may come now is for the caller.
  [[nodiscard]] std::expected<void, Exception> execute_csr(Instruction const& instruction);

  [[nodiscard]] Core& core() noexcept override { return core_; }

 private:
  static constexpr std::size_t kSlots = kPageSize / 2;
  struct DecodedPage {
    // One more than halfwords: what follows the last instruction is nothing, and is looked for.
    Instruction slots[kSlots + 1];
  };

  Stop run_from(bool admit_first, std::uint64_t budget);
  /// The slot of the instruction at hart.pc, decoded.
  [[nodiscard]] std::expected<Instruction const*, Exception> locate();
  [[nodiscard]] DecodedPage& decoded_page(GuestAddress page);
  [[nodiscard]] std::expected<Instruction const*, Exception> locate_across(GuestAddress first);
  [[nodiscard]] bool is_decoded(GuestAddress page) const noexcept {
    return pages_[(page - memory_.base()) / kPageSize] != nullptr;
  }

  [[nodiscard]] std::expected<void, Exception> execute_cache_block(Instruction const& instruction);

  void page_became_code(GuestAddress) override {}
  void code_was_written(GuestAddress address, std::uint64_t size) override;

  Hart& hart_;
  Mmu mmu_;
  Core core_;
  GuestMemory& memory_;
  std::vector<std::unique_ptr<DecodedPage>> pages_;  // by number of the page in RAM
  std::vector<std::size_t> decoded_;                 // those of them that are there
  DecodedPage* page_ = nullptr;  // of the slot that locate() gave; none: it was not kept
  bool keeps_ = true;
  Instruction alone_[3];  // one that is not kept, and the nothing behind it
};

}  // namespace mutirao::machine
