#include "translator/region.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <span>

#include "hart/atomics.h"
#include "hart/floating_point.h"
#include "translator/block_writer.h"
#include "translator/frame.h"
#include "translator/operands.h"

namespace mutirao::machine {
namespace {

constexpr std::size_t kBlocksMax = 24;
constexpr std::size_t kRegionInstructionsMax = 320;

bool holds(std::vector<Block*> const& blocks, Block const* block) {
  return std::ranges::find(blocks, block) != blocks.end();
}

Block& plain(Block& block) { return block.is_region ? *block.plain : block; }

/// The blocks that `block` has led to, in its page; not where a call returns to, for what was
/// called has the registers where they are between regions.
std::vector<Block*> successors(Block const& block) {
  std::vector<Block*> found;
  for (auto const* link = block.links; link != nullptr; link = link->next)
    if (link->to != nullptr && link->guard == 0 && !link->returned_to && link->to->count > 0)
      found.push_back(&plain(*link->to));
  return found;
}

/// A way from a block back to itself, and all others that cross it.
struct Loop {
  std::vector<Block*> blocks;    // the first is the one that was asked for
  std::vector<Block*> shortest;  // those on the shortest way round
};

Loop loop_around(Block& entry) {
  std::vector<Block*> reached{&entry};
  std::vector<std::size_t> from{0};
  Loop loop{.blocks = {&entry}, .shortest = {&entry}};
  bool closed = false;
  for (std::size_t n = 0; n < reached.size() && reached.size() < 4 * kBlocksMax; ++n)
    for (auto* next : successors(*reached[n])) {
      if (next == &entry && !closed) {
        closed = true;
        for (auto at = n; at != 0; at = from[at]) loop.shortest.push_back(reached[at]);
      }
      if (holds(reached, next)) continue;
      reached.push_back(next);
      from.push_back(n);
    }
  if (!closed) return loop;
  // Backwards from the entry, until nothing is added.
  for (bool added = true; added;) {
    added = false;
    for (auto* block : reached) {
      if (holds(loop.blocks, block)) continue;
      auto const next = successors(*block);
      if (std::ranges::none_of(next, [&](auto* to) { return holds(loop.blocks, to); })) continue;
      loop.blocks.push_back(block);
      added = true;
    }
  }
  std::size_t instructions = 0;
  for (auto const* block : loop.blocks) instructions += block->count;
  if (loop.blocks.size() > kBlocksMax || instructions > kRegionInstructionsMax)
    loop.blocks = loop.shortest;
  if (loop.blocks.size() > kBlocksMax) loop.blocks = {&entry};
  return loop;
}

/// What is executed by a function, which may change what is known of pages.
bool calls_out(Op op) {
  return is_csr(op) || is_atomic(op) || is_cache_block(op) || changes_context(op);
}

// --- Registers -----------------------------------------------------------------------------------

/// How often registers are used, and which of the unit never hold a single.
struct Uses {
  std::array<unsigned, 32> x{};
  std::array<unsigned, 32> f{};
  std::array<bool, 32> single{};

  void count(Instruction const& i, unsigned weight) {
    bool const unit = is_floating_point(i.op);
    auto const use_f = [&](unsigned n) {
      f[n] += weight;
      if (is_single(i.op)) single[n] = true;
    };
    if (reads_x(i)) x[i.rs1] += weight;
    if (writes_x(i)) x[i.rd] += weight;
    if (!unit) {
      x[i.rs2] += weight;
      return;
    }
    if (!reads_x(i)) use_f(i.rs1);
    if (!writes_x(i) && !is_store_access(i.op)) use_f(i.rd);
    if (!reads_x(i) || is_store_access(i.op)) use_f(i.rs2);
    use_f(i.rs3);
  }
};

/// The registers that are used most get those of the host. What keeps its place costs nothing to
/// take in, so another has to be worth its way.
RegisterMap map_for(Uses const& uses) {
  constexpr unsigned kWorth = 6;
  RegisterMap map = kCommonMap;
  while (true) {
    unsigned best = 0;
    for (unsigned n = 1; n < 32; ++n)
      if (!map.x[n] && uses.x[n] > (best == 0 ? 0 : uses.x[best])) best = n;
    if (best == 0) break;
    unsigned worst = 0;
    for (unsigned n = 1; n < 32; ++n)
      if (map.x[n] && (worst == 0 || uses.x[n] < uses.x[worst])) worst = n;
    if (uses.x[best] < uses.x[worst] + kWorth) break;
    map.x[best] = map.x[worst];
    map.x[worst].reset();
  }
  // What no instruction uses can count instructions.
  for (unsigned n = 1; n < 32 && !map.budget; ++n)
    if (map.x[n] && uses.x[n] == 0) std::swap(map.budget, map.x[n]);
  constexpr unsigned kFirst = 3;  // those before are for intermediate results
  constexpr unsigned kCount = 13;
  for (unsigned taken = 0; taken < kCount; ++taken) {
    int best = -1;
    for (int n = 0; n < 32; ++n)
      if (!map.f[n] && !uses.single[n] && uses.f[n] > kWorth &&
          (best < 0 || uses.f[n] > uses.f[best]))
        best = n;
    if (best < 0) break;
    map.f[best] = static_cast<codegen::Xmm>(kFirst + taken);
  }
  return map;
}

// --- Pages ---------------------------------------------------------------------------------------

/// (An immediate of a load or store has twelve bits.)
PageCheck alone(Instruction const& i, bool hops) {
  return {PageCheck::By::itself, hops, static_cast<std::int16_t>(i.imm),
          static_cast<std::int16_t>(size_of_access(i.op))};
}

/// Accesses with the same base look once where its page is.
void share_checks(std::span<Site> sites) {
  struct Leaders {
    Site* load = nullptr;
    Site* store = nullptr;
  };
  std::array<Leaders, 32> leaders{};
  Site const* branch = nullptr;  // the last
  std::vector<std::pair<Site*, Site*>> followers;
  auto const joined = [](Site* leader, Site const& site) {
    if (leader == nullptr) return false;
    auto& check = leader->check;
    auto const low = std::min<std::int32_t>(check.low, site.instruction.imm);
    auto const end = std::max(check.low + check.span,
                              site.instruction.imm + size_of_access(site.instruction.op));
    if (end - low > TranslationState::kSpans.back()) return false;
    if (check.by == PageCheck::By::itself) check.by = PageCheck::By::leader;
    check.hops = check.hops || site.check.hops;
    check.low = static_cast<std::int16_t>(low);
    check.span = static_cast<std::int16_t>(end - low);
    return true;
  };
  for (auto& site : sites) {
    auto const& i = site.instruction;
    if (is_memory_access(i.op)) {
      auto& own = leaders[i.rs1];
      bool const is_store = is_store_access(i.op);
      // What is loaded, changed and stored: nothing between can lead elsewhere.
      if (is_store && own.store == nullptr && own.load > branch && joined(own.load, site)) {
        own.load->check.by = PageCheck::By::store_leader;
        own.store = own.load;
      }
      if (joined(own.store, site)) {
        site.check.by = PageCheck::By::other_store;
        followers.emplace_back(&site, own.store);
      } else if (!is_store && joined(own.load, site)) {
        site.check.by = PageCheck::By::other_load;
        followers.emplace_back(&site, own.load);
      } else {
        site.check = alone(i, site.check.hops);
        (is_store ? own.store : own.load) = &site;
      }
    }
    if (i.op >= Op::beq && i.op <= Op::bgeu) branch = &site;
    if (calls_out(i.op)) leaders = {};
    if (writes_x(i)) leaders[i.rd] = {};
  }
  for (auto const& [site, leader] : followers) {
    site->check.hops = leader->check.hops;
    if (leader->check.by == PageCheck::By::store_leader)
      site->check.by = PageCheck::By::other_store;
  }
}

[[nodiscard]] bool jumps_to_itself(Block const& block) {
  return std::ranges::any_of(block.sites, [&](Site const& site) {
    auto const& i = site.instruction;
    bool const direct = i.op == Op::jal || (i.op >= Op::beq && i.op <= Op::bgeu);
    return direct && site.pc + immediate(i) == block.pc;
  });
}

/// Whether the unit is used, its registers are written, and no CSR changes between.
bool checks_unit_once(RegionPlan const& plan) {
  bool used = false;
  for (auto const& run : plan.runs)
    for (auto const& site : run.sites) {
      auto const& i = site.instruction;
      if (is_csr(i.op)) return false;
      used = used || (is_floating_point(i.op) && !is_store_access(i.op) && !writes_x(i));
    }
  return used;
}

/// How a register changes in one round of a run.
struct Way {
  bool regular = true;  // by constants alone, all in one direction
  std::int32_t step = 0;
};

std::array<Way, 32> ways_of(std::span<Site const> sites) {
  std::array<Way, 32> ways{};
  for (auto const& site : sites) {
    auto const& i = site.instruction;
    if (!writes_x(i) || i.rd == 0) continue;
    auto& way = ways[i.rd];
    bool const adds = i.op == Op::addi && i.rs1 == i.rd;
    bool const turns = std::int64_t{way.step} * i.imm < 0;
    way.regular = way.regular && adds && !turns;
    if (way.regular) way.step += i.imm;
  }
  for (auto& way : ways)
    way.regular =
        way.regular && std::has_single_bit(static_cast<unsigned>(std::max(1, std::abs(way.step))));
  return ways;
}

/// What of a loop can do without checks of its own, and the registers that this takes.
void plan_walks(RegionPlan& plan, Uses const& uses) {
  auto const sites = plan.runs.front().sites;
  auto const calls = [](Site const& site) {
    return calls_out(site.instruction.op) || is_call(site.instruction);
  };
  if (plan.runs.size() != 1 || !plan.map.budget || std::ranges::any_of(sites, calls)) return;
  auto const ways = ways_of(sites);
  std::array<std::int32_t, 32> moved{};  // since the round began
  for (auto& site : sites) {
    auto const& i = site.instruction;
    if (is_memory_access(i.op) && i.rs1 != 0 && ways[i.rs1].regular && !site.check.hops) {
      bool const stores = is_store_access(i.op);
      auto const low = moved[i.rs1] + i.imm;
      auto const end = low + size_of_access(i.op);
      auto found = std::ranges::find_if(plan.walks, [&](Walk const& walk) {
        return walk.base == i.rs1 && walk.stores == stores;
      });
      if (found == plan.walks.end())
        found = plan.walks.insert(found, {i.rs1, stores, low, end - low, ways[i.rs1].step});
      auto const from = std::min(found->low, low);
      auto const to = std::max(found->low + found->span, end);
      if (to - from <= TranslationState::kSpans.back()) {
        found->low = from;
        found->span = to - from;
        site.check.by = PageCheck::By::walk;
      } else {
        site.check = alone(i, false);
      }
    }
    if (i.op == Op::addi && i.rd == i.rs1 && i.rd != 0) moved[i.rd] += i.imm;
  }
  for (auto const& walk : plan.walks) {
    auto& addends = walk.stores ? plan.map.store_addends : plan.map.load_addends;
    for (unsigned n = 1; n < 32 && !addends[walk.base]; ++n)
      if (plan.map.x[n] && uses.x[n] == 0) std::swap(addends[walk.base], plan.map.x[n]);
  }
}

}  // namespace

RegionPlan plan_region(Block& entry, BlockArena& arena) {
  auto const loop = loop_around(entry);
  std::size_t count = 0;
  for (auto const* block : loop.blocks) count += block->count;

  RegionPlan plan;
  plan.count = entry.count;
  for (auto const* block : loop.shortest) plan.round += block->count;
  plan.sites = arena.take<Site>(count);
  auto left = plan.sites;
  Uses uses;
  for (auto const* block : loop.blocks) {
    auto const sites = left.first(block->count);
    left = left.subspan(block->count);
    std::ranges::copy(block->sites, sites.begin());
    share_checks(sites);
    bool const inner = holds(loop.shortest, block);
    for (auto const& site : sites) uses.count(site.instruction, inner ? 8 : 1);
    auto const& last = sites.back();
    plan.runs.push_back({block->pc, sites, last.pc + last.instruction.length});
    plan.lines |= block->lines;
  }
  bool const is_loop = loop.blocks.size() > 1 || jumps_to_itself(entry);
  plan.map = is_loop ? map_for(uses) : kCommonMap;
  if (is_loop) plan_walks(plan, uses);
  if (checks_unit_once(plan)) plan.unit = Block::Unit::checked_at_entry;
  return plan;
}

}  // namespace mutirao::machine
