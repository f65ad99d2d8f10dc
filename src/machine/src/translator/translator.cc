#include "translator/translator.h"

#include <algorithm>
#include <cstring>

#include "hart/atomics.h"
#include "hart/floating_point.h"
#include "hart/trap.h"
#include "isa/decode.h"
#include "translator/block_writer.h"
#include "translator/operands.h"
#include "translator/region.h"

namespace mutirao::machine {
namespace {

constexpr std::uint32_t kInstructionsMax = 64;    // of a block
constexpr std::size_t kBlockBytesMax = 64 << 10;  // far more than the largest
constexpr std::size_t kArenaRoom = 512 << 10;     // likewise
constexpr std::size_t kPreparedAhead = 16 << 10, kPrepareBytes = 256 << 10;
constexpr std::uint64_t kModeMask = 7;  // of a context of the Tlb

/// A run's budget in one piece: how long a request for attention may go unseen.
constexpr std::uint64_t kSliceMax = 50'000;

/// Of a slice, at its end: code left with less than that was left because the next block is longer.
constexpr std::uint64_t kSampleRoom = kInstructionsMax;
/// Rounds between two misses of a page by the same base, for which asking each time costs more.
constexpr std::uint64_t kSeldom = 16;
/// In the context of a block in whose place there is a region.
constexpr std::uint64_t kPlainMode = 8;

template <class T>
std::uint64_t extended(std::uint64_t value) noexcept {
  return static_cast<std::uint64_t>(std::int64_t{static_cast<T>(value)});
}

constexpr std::size_t aligned(std::size_t bytes) noexcept { return (bytes + 15) / 16 * 16; }

}  // namespace

Result<std::unique_ptr<Translator>> Translator::make(HartFrame& frame, Bus& bus, HartHost& host,
                                                     std::size_t code_bytes,
                                                     std::uint32_t samples_of_hot) {
  if (__builtin_cpu_supports("bmi") == 0 || __builtin_cpu_supports("bmi2") == 0 ||
      __builtin_cpu_supports("avx2") == 0 || __builtin_cpu_supports("lzcnt") == 0 ||
      __builtin_cpu_supports("fma") == 0 || __builtin_cpu_supports("popcnt") == 0)
    return fail(Fault::unsupported,
                "this processor has no AVX2, BMI2, FMA and LZCNT, which translation needs",
                "use the interpreter: --engine interp");
  auto code = MUT_TRY(codegen::CodeMemory::make(code_bytes));
  auto arena = MUT_TRY(BlockArena::make(code_bytes / 4 * 7));
  return std::unique_ptr<Translator>{
      new Translator{frame, bus, host, std::move(code), std::move(arena), samples_of_hot}};
}

Translator::Translator(HartFrame& frame, Bus& bus, HartHost& host, codegen::CodeMemory code,
                       BlockArena arena, std::uint32_t samples_of_hot)
    : frame_{frame},
      hart_{frame.hart},
      interpreter_{frame.hart, bus, host},
      core_{interpreter_.core()},
      memory_{bus.memory()},
      code_{std::move(code)},
      arena_{std::move(arena)},
      samples_of_hot_{samples_of_hot} {
  codegen::Assembler assembler{code_.writable()};
  thunks_ = write_thunks(assembler, &access_from_code, &call_out_from_code);
  MUT_ASSERT(!assembler.full());
  thunk_bytes_ = used_ = aligned(assembler.size());

  auto& state = frame_.translation;
  state.translator = this;
  std::ranges::fill(state.patience, TranslationState::kPatience);
  auto const& tlb = core_.mmu.tlb();
  state.loads = tlb.load.entries.data();
  state.stores = tlb.store.entries.data();
  state.host_to_physical =
      memory_.base() - reinterpret_cast<std::uint64_t>(memory_.host_page(memory_.base()));
  memory_.watch(*this, static_cast<unsigned>(hart_.id));
  core_.mmu.watch(*this);
  context_changed();
}

Translator::~Translator() { memory_.unwatch(*this); }

// --- What changes around blocks ----------------------------------------------------------------

void Translator::take_contexts() noexcept {
  auto& state = frame_.translation;
  state.data_context = core_.mmu.data_context();
  auto context = core_.mmu.fetch_context();
  if (kernel_is_global_ && hart_.privilege == Privilege::supervisor) context &= kModeMask;
  state.set_context(context);
}

/// Each privilege has pages of its own: what the others do meanwhile leaves them alone.
void Translator::context_changed() noexcept {
  take_contexts();
  auto& state = frame_.translation;
  auto const set = page_set_of(hart_.privilege);
  auto& known = contexts_of_pages_[set];
  auto const now = state.data_context;
  if (known == now) return;
  bool const of_space_alone = ((known ^ now) & kModeMask) == 0 &&
                              set == TranslationState::kSupervisorPages &&
                              !Mmu::may_touch_user_pages(now) && core_.mmu.supervisor_is_global();
  for (auto* const pages : {&state.pages[set].loads, &state.pages[set].stores}) {
    if (Mmu::only_adds_user_pages(known, now) || of_space_alone) continue;
    // User pages that were found while they may be touched are no longer known.
    if (Mmu::only_adds_user_pages(now, known) && core_.mmu.user_pages_are_low())
      pages->forget_lower_half();
    else
      pages->forget();
  }
  known = now;
}

void Translator::data_mappings_changed(std::uint64_t const* address) noexcept {
  for (unsigned set = 0; set < TranslationState::kPageSets; ++set) {
    if (contexts_of_pages_[set] == kNever) continue;
    auto& pages = frame_.translation.pages[set];
    for (auto* const each : {&pages.loads, &pages.stores})
      if (address != nullptr)
        each->forget(*address & ~kPageMask);
      else
        each->forget();
  }
}

void Translator::code_mappings_changed(std::uint64_t const* address) noexcept {
  if (address != nullptr && !pages_with_code_.contains(*address / kPageSize)) return;
  code_moved_ = true;
  if (address != nullptr) {
    frame_.translation.forget_targets(*address);
    while (auto* const link = page_links_.any_into(*address)) take_away(*link);
    return;
  }
  kernel_is_global_ = true;
  take_contexts();
  forget_targets();
}

void Translator::code_was_written(GuestAddress address, std::uint64_t size) {
  auto const found = blocks_of_page_.find(address & ~kPageMask);
  if (found == blocks_of_page_.end()) return;
  std::uint64_t lines = 0;
  for (auto at = address; at < address + size; at += kCodeLine)
    lines |= std::uint64_t{1} << (at & kPageMask) / kCodeLine;
  std::vector<Block*> touched;
  for (auto* block : found->second) {
    bool const in_second = block->second == (address & ~kPageMask);
    if (((in_second ? 1 : block->lines) & lines) != 0) touched.push_back(block);
  }
  for (auto* block : touched) invalidate(*block);
  code_written_ = code_written_ || !touched.empty();
}

// --- Blocks ------------------------------------------------------------------------------------

void Translator::lead_on(Link& link, Block& to, std::uint32_t context) {
  MUT_ASSERT(link.to == nullptr);
  auto* const code = code_.writable().data();
  codegen::patch_jump(code + link.displacement, code_.executable() + link.displacement,
                      code_of(to));
  link.to = &to;
  link.before_incoming = nullptr;
  link.next_incoming = std::exchange(to.incoming, &link);
  if (link.next_incoming != nullptr) link.next_incoming->before_incoming = &link;
  if (link.guard == 0) return;
  link.context = context;
  std::memcpy(code + link.guard, &context, sizeof context);
  page_links_.add(link);
}

void Translator::take_away(Link& link) {
  auto* const before = link.before_incoming;
  (before == nullptr ? link.to->incoming : before->next_incoming) = link.next_incoming;
  if (link.next_incoming != nullptr) link.next_incoming->before_incoming = before;
  auto* const code = code_.writable().data();
  codegen::patch_jump(code + link.displacement, code_.executable() + link.displacement,
                      code_.executable() + link.stub);
  link.to = nullptr;
  if (link.guard == 0) return;
  std::memcpy(code + link.guard, &TranslationState::kNoContext, sizeof link.context);
  page_links_.take(link);
}

/// Whatever led from page to page.
void Translator::forget_targets() noexcept {
  frame_.translation.forget_targets();
  while (auto* const link = page_links_.any()) take_away(*link);
}

/// Nobody comes into it any more; who is inside goes on to its end.
void Translator::invalidate(Block& block) {
  ++counts_.invalidated;
  while (block.incoming != nullptr) take_away(*block.incoming);
  for (auto* link = block.links; link != nullptr; link = link->next)
    if (link->to != nullptr) take_away(*link);
  auto& target = frame_.translation.targets[TranslationState::target_slot(block.pc)];
  if (target.code == code_of(block)) target = {};
  for (auto const physical : {block.physical & ~kPageMask, block.second}) {
    auto const page = blocks_of_page_.find(physical);
    if (page == blocks_of_page_.end()) continue;
    std::erase(page->second, &block);
    if (page->second.empty()) blocks_of_page_.erase(page);
  }
  blocks_.take(block);
}

/// For one more.
bool Translator::has_room() const noexcept {
  return used_ + kBlockBytesMax <= code_.size() && arena_.left() >= kArenaRoom;
}

/// All of them; not while one runs.
void Translator::flush() {
  ++counts_.flushes;
  frame_.translation.forget_targets();
  blocks_of_page_.clear();
  page_links_.clear();
  blocks_.clear();
  arena_.clear();
  pages_with_code_.clear();
  used_ = thunk_bytes_;
}

/// The instructions of a block: up to one that ends it, that it can't hold, or the page's end.
void Translator::fill(Block& block, GuestAddress physical) {
  std::array<Instruction, kInstructionsMax> found;
  auto const page = physical & ~kPageMask;
  std::uint64_t offset = physical & kPageMask;
  std::uint32_t count = 0;
  while (count < kInstructionsMax && offset < kPageSize) {
    auto const low = *memory_.load<std::uint16_t>(page + offset);
    bool const crosses = !is_compressed(low) && offset == kPageSize - 2;
    if (crosses && (count > 0 || block.second == 0)) break;
    auto const bits = crosses ? low | *memory_.load<std::uint16_t>(block.second) << 16u
                              : *memory_.load<std::uint32_t>(page + offset);
    auto const instruction = is_compressed(low) ? decode(low) : decode(bits);
    if (!BlockWriter::translates(instruction.op)) break;
    found[count++] = instruction;
    offset += instruction.length;
    if (BlockWriter::ends_block(instruction)) break;
  }
  block.count = count;
  if (count == 0) offset += 4;  // what is there may become another
  block.sites = arena_.take<Site>(count);
  auto pc = block.pc;
  for (std::uint32_t n = 0; n < count; ++n) {
    block.sites[n] = {
        .instruction = found[n], .pc = pc, .rest = static_cast<std::uint16_t>(count - n)};
    pc += found[n].length;
  }
  auto const end = page + std::min(offset, kPageSize);
  for (auto at = physical & ~(kCodeLine - 1); at < end; at += kCodeLine)
    block.lines |= std::uint64_t{1} << (at & kPageMask) / kCodeLine;
}

/// Where the second half of the instruction lies that begins in the last two bytes of a page and
/// goes on in the next; 0 when it does not, or there is no such page.
GuestAddress Translator::second_page(Key const& key) {
  if ((key.physical & kPageMask) != kPageSize - 2) return 0;
  if (is_compressed(*memory_.load<std::uint16_t>(key.physical))) return 0;
  auto const second = core_.mmu.fetchable(key.pc + 2);
  if (!second || !memory_.contains(*second, kPageSize)) return 0;
  pages_with_code_.insert((key.pc + 2) / kPageSize);
  return *second;
}

/// Nothing when the bytes may have changed meanwhile, or where they are.
Block* Translator::translate(Key key) {
  if (!has_room()) flush();
  auto& block = arena_.make<Block>();
  block.pc = key.pc;
  block.physical = key.physical;
  block.context = key.mode;
  block.privilege = hart_.privilege;
  block.second = second_page(key);
  fill(block, key.physical);
  auto end = key.pc;
  if (block.count > 0) {
    auto const& last = block.sites.back();
    end = last.pc + last.instruction.length;
  }
  pages_with_code_.insert(key.pc / kPageSize);
  auto const room = kPageSize - (key.physical & kPageMask);
  auto const hart = static_cast<unsigned>(hart_.id);
  bool settled = memory_.mark_code(key.physical,
                                   std::min(std::max<std::uint64_t>(end - key.pc, 4), room), hart);
  if (block.second != 0) settled = memory_.mark_code(block.second, 2, hart) && settled;
  if (!settled) return nullptr;

  Run const run{key.pc, block.sites, end};
  write(block, {&run, 1}, kCommonMap);
  ++counts_.blocks;
  add(block);
  return &block;
}

void Translator::write(Block& block, std::span<Run const> runs, RegisterMap const& map) {
  if (used_ + kPreparedAhead > prepared_ && prepared_ < code_.size()) {
    auto const bytes = std::min(kPrepareBytes, code_.size() - prepared_);
    code_.prepare(prepared_, bytes);
    prepared_ += bytes;
  }
  block.begin = static_cast<std::uint32_t>(used_);
  codegen::Assembler assembler{code_.writable().subspan(used_)};
  BlockWriter{assembler, used_, thunks_, block, arena_, scratch_, map}.write(runs);
  MUT_ASSERT(!assembler.full());
  block.bytes = static_cast<std::uint32_t>(assembler.size());
  used_ += aligned(assembler.size());
  counts_.instructions += block.count;
  counts_.code_bytes += block.bytes;
}

void Translator::add(Block& block) {
  blocks_of_page_[block.physical & ~kPageMask].push_back(&block);
  if (block.second != 0) blocks_of_page_[block.second].push_back(&block);
  blocks_.add(block);
}

/// In the place of `block`, which is found only by those who ask for a plain one from now on.
Block& Translator::make_region(Block& block) {
  if (auto* const before = blocks_.find({block.physical, block.pc, block.context | kPlainMode}))
    invalidate(*before);
  MUT_ASSERT(block.second == 0);  // a region lies in one page
  auto plan = plan_region(block, arena_);
  auto& region = arena_.make<Block>();
  region.pc = block.pc;
  region.physical = block.physical;
  region.context = block.context;
  region.privilege = block.privilege;
  region.count = plan.count;
  region.lines = plan.lines;
  region.round = plan.round;
  region.unit = plan.unit;
  auto const walks = arena_.take<Walk>(plan.walks.size());
  std::ranges::copy(plan.walks, walks.begin());
  region.walks = walks;
  region.is_region = true;
  region.plain = &block;
  region.sites = plan.sites;
  write(region, plan.runs, plan.map);
  ++counts_.regions;
  counts_.walks += walks.size();

  blocks_.take(block);
  block.context |= kPlainMode;
  blocks_.add(block);
  add(region);
  while (auto* const link = block.incoming) {
    auto const context = link->context;
    take_away(*link);
    lead_on(*link, region, context);
  }
  auto const slot = TranslationState::target_slot(block.pc);
  auto& target = frame_.translation.targets[slot];
  if (target.code == code_of(block)) {
    target.code = code_of(region);
    target_blocks_[slot] = &region;
  }
  return region;
}

/// The block at hart.pc. Nothing when there is no such place.
Block* Translator::find_block(bool plain) {
  auto& state = frame_.translation;
  auto const slot = TranslationState::target_slot(hart_.pc);
  if (state.targets[slot].key == (hart_.pc ^ state.context_key) && !plain)
    return target_blocks_[slot];
  Block* block = nullptr;
  while (block == nullptr) {
    auto const physical = core_.mmu.fetchable(hart_.pc);
    if (!physical || !memory_.contains(*physical & ~kPageMask, kPageSize)) return nullptr;
    auto const mode = core_.mmu.fetch_context() & kModeMask;
    Key const key{*physical, hart_.pc, plain ? mode | kPlainMode : mode};
    block = blocks_.find(key);
    if (block != nullptr && block->second != 0 && block->second != second_page(key)) {
      invalidate(*block);
      block = nullptr;
    }
    if (block == nullptr) block = translate(key);
  }
  if (kernel_is_global_ && hart_.privilege == Privilege::supervisor &&
      !core_.mmu.tlb().global(core_.mmu.tlb().fetch, hart_.pc)) {
    kernel_is_global_ = false;
    forget_targets();
    take_contexts();
  }
  if (plain) return block;
  state.targets[slot] = {hart_.pc ^ state.context_key, code_of(*block)};
  target_blocks_[slot] = block;
  return block;
}

// --- Running -----------------------------------------------------------------------------------

/// What looks at the hart from outside, or at its counters, finds the instruction begun.
void Translator::show(Site const& site) noexcept {
  auto const left = frame_.translation.left() + site.rest;
  hart_.pc = site.pc;
  hart_.steps = steps_at_end_ - left + 1;
}

/// Code is left before or after the instruction: those behind it in the block were not begun.
void Translator::stop_at(Site const& site, bool after) noexcept {
  frame_.translation.give_back(site.rest - (after ? 1 : 0));
  hart_.pc = site.pc + (after ? site.instruction.length : 0);
}

Next Translator::raise(Site const& site, Exception exception) noexcept {
  stop_at(site, false);
  exception_ = exception;
  return Next::leave;
}

/// Goes on behind it, unless it wrote where code is, which may have been this very block, or a
/// device wants the machine to look.
Next Translator::executed(Site const& site) noexcept {
  if (!code_written_ && !hart_.attention.load(std::memory_order_relaxed)) return Next::go_on;
  stop_at(site, true);
  return Next::leave;
}

/// After an instruction that may let an interrupt in, or ask the machine for something.
Next Translator::admitted(Site const& site) {
  hart_.pc = site.pc + site.instruction.length;
  bool const trapped = take_interrupt(core_);
  if (!trapped && !hart_.attention.load(std::memory_order_relaxed)) return Next::go_on;
  auto const pc = hart_.pc;
  stop_at(site, true);
  hart_.pc = pc;
  return Next::leave;
}

Next Translator::access(std::uint64_t address, Site const& site) {
  auto const& i = site.instruction;
  show(site);
  auto const size = static_cast<unsigned>(size_of_access(i.op));
  bool const of_f = is_floating_point(i.op);
  if (is_store_access(i.op)) {
    auto const stored = core_.mmu.store(address, size, of_f ? hart_.f[i.rs2] : hart_.x[i.rs2]);
    if (!stored) return raise(site, stored.error());
    return executed(site);
  }
  auto const loaded = core_.mmu.load(address, size);
  if (!loaded) return raise(site, loaded.error());
  if (of_f) {
    hart_.mstatus |= status::kFs;
    hart_.f[i.rd] = i.op == Op::flw ? boxed(static_cast<std::uint32_t>(*loaded)) : *loaded;
    return executed(site);
  }
  auto value = *loaded;
  if (i.op == Op::lb) value = extended<std::int8_t>(value);
  if (i.op == Op::lh) value = extended<std::int16_t>(value);
  if (i.op == Op::lw) value = extended<std::int32_t>(value);
  if (i.rd != 0) hart_.x[i.rd] = value;
  return executed(site);
}

/// What runs goes on, unless it may be somewhere else now.
Next Translator::fence_page(Site const& site) {
  code_moved_ = false;
  auto const done = interpreter_.execute_system(site.instruction);
  if (!done) return raise(site, done.error());
  if (!code_moved_) return admitted(site);
  stop_at(site, true);
  admit_ = true;
  return Next::leave;
}

Next Translator::call_out(Site const& site) {
  auto const& i = site.instruction;
  show(site);
  if (i.op == Op::sfence_vma && !BlockWriter::leaves(i)) return fence_page(site);
  if (is_csr(i.op)) take_flags();
  if (BlockWriter::leaves(i)) {
    auto const done = interpreter_.execute_system(i);
    if (!done) return raise(site, done.error());
    auto const pc = hart_.pc;
    stop_at(site, true);
    hart_.pc = pc;
    admit_ = true;
    return Next::leave;
  }
  if (is_csr(i.op)) {
    auto const done = interpreter_.execute_csr(i);
    use_rounding_mode();
    if (!done) return raise(site, done.error());
    return admitted(site);
  }
  if (is_cache_block(i.op)) {
    auto const done = interpreter_.execute_system(i);
    if (!done) return raise(site, done.error());
    if (!code_written_) return admitted(site);
    admit_ = true;
    return executed(site);
  }
  if (i.op == Op::fence_i) return executed(site);  // what others wrote is asked for
  if (is_atomic(i.op)) {
    auto const done = execute_atomic(core_, i);
    if (!done) return raise(site, done.error());
  } else if (!execute_floating_point(hart_, i)) {
    return raise(site, {Cause::illegal_instruction, i.bits});
  }
  hart_.x[0] = 0;
  return executed(site);
}

Next Translator::access_from_code(HartFrame* frame, std::uint64_t address, Site const* site) {
  return frame->translation.translator->access(address, *site);
}
Next Translator::call_out_from_code(HartFrame* frame, Site const* site) {
  return frame->translation.translator->call_out(*site);
}

/// MXCSR rounds as frm says, where it can.
void Translator::use_rounding_mode() noexcept {
  constexpr std::array<std::uint32_t, 4> kModes{0, 3, 1, 2};  // RNE, RTZ, RDN, RUP
  constexpr std::uint32_t kMasked = 0x1f80;
  frame_.translation.guest_mxcsr = kMasked | kModes[hart_.frm & 3] << 13;
}

/// What was raised since becomes fflags: NX, UF, OF, DZ, NV.
void Translator::take_flags() noexcept {
  auto const raised = frame_.translation.guest_mxcsr;
  frame_.translation.guest_mxcsr &= ~0x3fu;
  auto const flags = (raised >> 5 & 1) | (raised >> 4 & 1) << 1 | (raised >> 3 & 1) << 2 |
                     (raised >> 2 & 1) << 3 | (raised & 1) << 4;
  if (flags == 0) return;
  hart_.fflags |= static_cast<std::uint8_t>(flags);
  hart_.mstatus |= status::kFs;
}

#if defined(__clang__)
__attribute__((no_sanitize("function")))  // what is called was not compiled: it has no type before
                                          // it
#endif
                                          void
                                          Translator::enter(Block& block) {
  auto& state = frame_.translation;
  auto const left = steps_at_end_ - hart_.steps;
  state.set_left(left);
  state.link = nullptr;
  state.interpret = 0;
  state.in_region = 0;
  use_rounding_mode();
  ++counts_.left;
  auto const enter = reinterpret_cast<EnterFunction>(
      reinterpret_cast<std::uintptr_t>(code_.executable() + thunks_.enter));
  enter(&frame_, code_of(block));
  take_flags();
  hart_.steps = steps_at_end_ - state.left();
}

/// The region was left because of `hopped`: bases that did not keep to their pages are known now.
void Translator::make_anew(Block& region, Site const& hopped) {
  // Whoever walks through memory leaves a page behind now and then.
  auto const slot = TranslationState::patience_slot(hopped.pc);
  auto& patience = frame_.translation.patience;
  patience[slot] = TranslationState::kPatience;
  auto const since = std::exchange(patience_since_[slot], hart_.steps);
  auto const seldom = kSeldom * region.round;
  if (hart_.steps - since > TranslationState::kPatience * seldom) return;
  if (blocks_.find({region.physical, region.pc, region.context}) != &region) return;  // it is stale
  auto const hops = [&](Site const& site) {
    auto const other = TranslationState::patience_slot(site.pc);
    auto const misses = static_cast<std::uint64_t>(TranslationState::kPatience - patience[other]);
    return other == slot || (misses > TranslationState::kPatience / 4 &&
                             hart_.steps - patience_since_[other] < misses * seldom);
  };
  auto const& beside = blocks_of_page_.find(region.physical & ~kPageMask)->second;
  for (auto const& site : region.sites) {
    if (!hops(site)) continue;
    for (auto* block : beside)
      for (auto& same : block->sites)
        if (same.pc == site.pc) same.check.hops = true;
  }
  auto& plain = *region.plain;
  invalidate(region);
  blocks_.take(plain);
  plain.context &= ~kPlainMode;
  blocks_.add(plain);
  if (has_room()) make_region(plain);
}

/// The slice is over: the block that would have gone on is likely one of those that run most.
Block* Translator::sample() {
  auto* const block = find_block(false);
  if (block == nullptr || block->count == 0 || block->is_region || block->second != 0 ||
      ++block->samples < samples_of_hot_)
    return block;
  if (!has_room()) return block;
  return &make_region(*block);
}

Translator::Stop Translator::run_about(std::uint64_t budget) {
  return run(budget, budget > kInstructionsMax ? kInstructionsMax : 0);
}

/// `slack` is as many instructions as need not be executed.
Translator::Stop Translator::run(std::uint64_t budget, std::uint64_t slack) {
  auto const steps_at_end = hart_.steps + budget;
  look_at_timer(core_);
  admit_ = true;
  Block* next = nullptr;  // where the hart is, if that is known
  while (true) {
    if (std::exchange(admit_, false)) {
      if (hart_.waiting) {
        if (!wakes(core_)) return Stop::waiting;
        hart_.waiting = false;
      }
      take_interrupt(core_);
    }
    if (hart_.steps == steps_at_end) return Stop::budget;
    if (hart_.attention.load(std::memory_order_relaxed) && hart_.attention.exchange(false))
      return Stop::attention;

    code_written_ = false;
    steps_at_end_ = std::min(steps_at_end, hart_.steps + kSliceMax);
    auto* const block = next != nullptr ? next : find_block(false);
    next = nullptr;
    bool const hard = std::exchange(frame_.translation.interpret, 0) != 0;
    if (block == nullptr || block->count == 0 || hard) {
      ++counts_.interpreted;
      auto const stop = interpreter_.go_on(1);
      if (stop != Stop::budget) return stop;
      continue;
    }
    if (auto const left = steps_at_end - hart_.steps; block->count > left)
      return left <= slack ? Stop::budget : interpreter_.go_on(left);
    if (block->count > steps_at_end_ - hart_.steps) continue;
    enter(*block);
    if (auto const* const hopped = std::exchange(frame_.translation.hopped, nullptr)) {
      make_anew(*frame_.translation.left_region, *hopped);
    } else if (exception_) {
      ++hart_.steps;
      ++hart_.steps_trapped;
      take_exception(core_, *std::exchange(exception_, std::nullopt));
      admit_ = true;
    } else if (auto* const link = frame_.translation.link; link != nullptr && !code_written_) {
      auto const flushes = counts_.flushes;
      next = find_block(link->to_plain);
      // Room for the next block may have been made by throwing all away, this jump too; and while
      // other harts were waited for, its block may have become stale.
      // And what crosses into another page is looked up each time.
      if (next != nullptr && flushes == counts_.flushes && !code_written_ && next->second == 0) {
        if (link->to != nullptr) take_away(*link);  // it was for another context
        lead_on(*link, *next, frame_.translation.link_context());
      }
    } else if (hart_.steps + kSampleRoom > steps_at_end_ && frame_.translation.in_region == 0 &&
               !code_written_ && !admit_) {  // an interrupt may lead it elsewhere first
      next = sample();
    }
  }
}

}  // namespace mutirao::machine
