#include "devices/plic.h"

#include <bit>
#include <mutex>

#include "mutirao/base/check.h"

namespace mutirao::machine {
namespace {

// Offsets of PLIC 1.0.0, chapters 4 to 9.
constexpr std::uint64_t kPending = 0x1000, kEnable = 0x2000, kEnableStride = 0x80,
                        kThreshold = 0x200000, kThresholdStride = 0x1000, kClaim = 4;
constexpr std::uint32_t kPriorityMax = 7;

}  // namespace

Plic::Plic(std::vector<Hart*> harts) {
  for (Hart* const hart : harts) {
    contexts_.push_back({hart, interrupt::kMeip});
    contexts_.push_back({hart, interrupt::kSeip});
  }
}

void Plic::set_level(unsigned source, bool raised) {
  MUT_ASSERT(source > 0 && source < kSources);
  std::lock_guard const lock{mutex_};
  std::uint32_t const bit = 1u << source % 32;
  if (raised)
    level_[source / 32] |= bit;
  else
    level_[source / 32] &= ~bit;
  // The gateway forwards one request at a time.
  if (raised && (in_service_[source / 32] & bit) == 0) pending_[source / 32] |= bit;
  if (!raised) pending_[source / 32] &= ~bit;
  update();
}

unsigned Plic::best(Context const& context, std::uint32_t above) const noexcept {
  unsigned found = 0;
  std::uint32_t priority = above;
  for (unsigned word = 0; word < pending_.size(); ++word) {
    for (std::uint32_t bits = pending_[word] & context.enabled[word]; bits != 0; bits &= bits - 1) {
      unsigned const source = word * 32 + static_cast<unsigned>(std::countr_zero(bits));
      if (priority_[source] <= priority) continue;
      priority = priority_[source];
      found = source;
    }
  }
  return found;
}

unsigned Plic::claim(Context const& context) {
  unsigned const source = best(context, 0);
  if (source == 0) return 0;
  pending_[source / 32] &= ~(1u << source % 32);
  in_service_[source / 32] |= 1u << source % 32;
  update();
  return source;
}

void Plic::update() {
  for (Context& context : contexts_) {
    bool const raised = best(context, context.threshold) != 0;
    std::uint64_t const before = raised ? context.hart->lines.fetch_or(context.line)
                                        : context.hart->lines.fetch_and(~context.line);
    if (raised && (before & context.line) == 0) context.hart->call();
  }
}

std::uint64_t Plic::read(std::uint64_t offset, unsigned size) {
  if (size != 4) return 0;
  std::lock_guard const lock{mutex_};
  if (offset < kSources * 4) return priority_[offset / 4];
  if (offset >= kPending && offset < kPending + kSources / 8)
    return pending_[(offset - kPending) / 4];
  if (offset >= kThreshold) {
    std::uint64_t const number = (offset - kThreshold) / kThresholdStride;
    if (number >= contexts_.size()) return 0;
    std::uint64_t const reg = (offset - kThreshold) % kThresholdStride;
    if (reg == 0) return contexts_[number].threshold;
    return reg == kClaim ? claim(contexts_[number]) : 0;
  }
  if (offset >= kEnable) {
    std::uint64_t const number = (offset - kEnable) / kEnableStride;
    std::uint64_t const word = (offset - kEnable) % kEnableStride / 4;
    if (number < contexts_.size() && word < kSources / 32) return contexts_[number].enabled[word];
  }
  return 0;
}

void Plic::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (size != 4) return;
  std::lock_guard const lock{mutex_};
  auto const word_value = static_cast<std::uint32_t>(value);
  if (offset < kSources * 4) {
    if (offset != 0) priority_[offset / 4] = word_value & kPriorityMax;
  } else if (offset >= kThreshold) {
    std::uint64_t const number = (offset - kThreshold) / kThresholdStride;
    if (number >= contexts_.size()) return;
    Context& context = contexts_[number];
    std::uint64_t const reg = (offset - kThreshold) % kThresholdStride;
    if (reg == 0) {
      context.threshold = word_value & kPriorityMax;
    } else if (reg == kClaim && word_value < kSources &&
               (context.enabled[word_value / 32] >> word_value % 32 & 1) != 0) {
      // Done. What is still raised asks again.
      std::uint32_t const bit = 1u << word_value % 32;
      in_service_[word_value / 32] &= ~bit;
      pending_[word_value / 32] |= level_[word_value / 32] & bit;
    }
  } else if (offset >= kEnable) {
    std::uint64_t const number = (offset - kEnable) / kEnableStride;
    std::uint64_t const word = (offset - kEnable) % kEnableStride / 4;
    if (number < contexts_.size() && word < kSources / 32)
      contexts_[number].enabled[word] = word == 0 ? word_value & ~1u : word_value;
  }
  update();
}

}  // namespace mutirao::machine
