#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/codegen/code_memory.h"

#include "hart/interpreter.h"
#include "translator/block.h"
#include "translator/block_arena.h"
#include "translator/block_scratch.h"
#include "translator/block_table.h"
#include "translator/frame.h"
#include "translator/page_links.h"
#include "translator/thunks.h"

namespace mutirao::machine {

struct RegisterMap;

/// Runs a hart by translating its instructions to those of the host, block by block, as they are
/// reached; the blocks are led to each other and stay until their instructions change.
///
/// To be told from the Interpreter by nothing but time: the same budgets give the same state after
/// each of them, instruction for instruction. What is seldom or hard, it gives to the Interpreter.
class Translator final : public HartEngine, private CodeWatcher, private MappingWatcher {
 public:
  static constexpr std::size_t kCodeBytes = 64 << 20;
  /// How often a block has to be found about to run, when the hart is looked at, before a region is
  /// made of it.
  static constexpr std::uint32_t kSamplesOfHot = 3;

  /// All outlive this. Fails with unsupported on a host without AVX2, BMI2, FMA and LZCNT, else as
  /// CodeMemory.
  [[nodiscard]] static Result<std::unique_ptr<Translator>> make(
      HartFrame& frame, Bus& bus, HartHost& host, std::size_t code_bytes = kCodeBytes,
      std::uint32_t samples_of_hot = kSamplesOfHot);
  ~Translator() override;

  Stop run(std::uint64_t budget) override { return run(budget, 0); }
  /// Up to the last block that its budget lasts for.
  Stop run_about(std::uint64_t budget) override;

  struct Counts {
    std::uint64_t blocks = 0;        ///< translated, of all times
    std::uint64_t regions = 0;       ///< made of them
    std::uint64_t walks = 0;         ///< in regions
    std::uint64_t instructions = 0;  ///< in them
    std::uint64_t code_bytes = 0;    ///< that they became
    std::uint64_t invalidated = 0;   ///< blocks
    std::uint64_t flushes = 0;       ///< of all blocks
    std::uint64_t interpreted = 0;   ///< instructions that were not translated, and executed
    std::uint64_t left = 0;          ///< times that translated code was left
  };
  [[nodiscard]] Counts const& counts() const noexcept { return counts_; }
  [[nodiscard]] Core& core() noexcept override { return interpreter_.core(); }

 private:
  using Key = BlockTable::Key;

  Translator(HartFrame& frame, Bus& bus, HartHost& host, codegen::CodeMemory code, BlockArena arena,
             std::uint32_t samples_of_hot);

  // Blocks
  [[nodiscard]] Block* find_block(bool plain);
  [[nodiscard]] Block* translate(Key key);
  [[nodiscard]] GuestAddress second_page(Key const& key);
  void write(Block& block, std::span<Run const> runs, RegisterMap const& map);
  void add(Block& block);
  Block& make_region(Block& block);
  [[nodiscard]] Block* sample();
  void make_anew(Block& region, Site const& hopped);
  Stop run(std::uint64_t budget, std::uint64_t slack);
  void fill(Block& block, GuestAddress physical);
  void invalidate(Block& block);
  [[nodiscard]] bool has_room() const noexcept;
  void flush();
  void lead_on(Link& link, Block& to, std::uint32_t context);
  void take_away(Link& link);
  void forget_targets() noexcept;
  [[nodiscard]] std::uint8_t const* code_of(Block const& block) const noexcept {
    return code_.executable() + block.begin;
  }

  // Running
  void enter(Block& block);
  void use_rounding_mode() noexcept;
  void take_flags() noexcept;
  void take_pending();
  [[nodiscard]] Next access(std::uint64_t address, Site const& site);
  [[nodiscard]] Next call_out(Site const& site);
  [[nodiscard]] Next fence_page(Site const& site);
  void show(Site const& site) noexcept;
  void stop_at(Site const& site, bool after) noexcept;
  [[nodiscard]] Next raise(Site const& site, Exception exception) noexcept;
  [[nodiscard]] Next executed(Site const& site) noexcept;
  [[nodiscard]] Next admitted(Site const& site);
  static Next access_from_code(HartFrame* frame, std::uint64_t address, Site const* site);
  static Next call_out_from_code(HartFrame* frame, Site const* site);

  void page_became_code(GuestAddress) override {}
  void code_was_written(GuestAddress address, std::uint64_t size) override;
  void context_changed() noexcept override;
  void data_mappings_changed(std::uint64_t const* address) noexcept override;
  void code_mappings_changed(std::uint64_t const* address) noexcept override;
  void take_contexts() noexcept;

  HartFrame& frame_;
  Hart& hart_;
  Interpreter interpreter_;
  Core& core_;
  GuestMemory& memory_;

  codegen::CodeMemory code_;
  BlockArena arena_;
  Thunks thunks_;
  std::uint32_t samples_of_hot_;
  std::size_t thunk_bytes_ = 0;
  std::size_t used_ = 0;  // of the code memory
  std::size_t prepared_ = 0;

  BlockTable blocks_;
  BlockScratch scratch_;
  PageLinks page_links_;
  std::unordered_map<GuestAddress, std::vector<Block*>> blocks_of_page_;
  std::array<Block*, TranslationState::kTargets> target_blocks_{};  // of the targets in the frame
  std::unordered_set<std::uint64_t> pages_with_code_;               // virtual
  /// In which what the frame knows of pages is known.
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};  // nothing is
  std::array<std::uint64_t, TranslationState::kPageSets> contexts_of_pages_{kNever, kNever, kNever};
  /// All that was executed in supervisor mode is mapped the same in all spaces, as a kernel is:
  /// then its targets are known in all of them.
  bool kernel_is_global_ = true;

  /// Instructions of the hart when the patience in the frame began.
  std::array<std::uint64_t, TranslationState::kPatiences> patience_since_{};
  std::uint64_t steps_at_end_ = 0;  // of what is being run
  std::optional<Exception> exception_;
  bool code_written_ = false;
  bool code_moved_ = false;  // where it is may be another place than before
  bool admit_ = false;       // an interrupt may be due
  Counts counts_;
};

}  // namespace mutirao::machine
