#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/interceptor.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::middleware {

/// Interceptors in order, and at their end whatever executes calls. Never changes.
class Chain {
 public:
  /// Sorts by phase, and inside a phase by the constraints; otherwise in the order given. Refuses
  /// two of one name, a constraint on somebody of another phase, and a circle, which it names.
  [[nodiscard]] static Result<std::unique_ptr<Chain>> make(std::vector<Placed> placed,
                                                           std::shared_ptr<Interceptor> last);

  Reply operator()(Call& call) const { return Next{order_.data()}(call); }
  [[nodiscard]] std::vector<Placed> const& placed() const noexcept { return placed_; }
  [[nodiscard]] std::shared_ptr<Interceptor> const& last() const noexcept { return last_; }

 private:
  Chain() = default;
  std::vector<Placed> placed_;
  std::shared_ptr<Interceptor> last_;
  std::vector<Next::Link> order_;
};

/// How the calls through one chain went, while two are compared.
struct ChainFigures {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  Duration p99{};  ///< to an eighth
};

/// How much worse than the old one a chain on trial may be.
struct CanaryBand {
  std::uint64_t calls_min = 200;  ///< fewer say nothing
  double failures_more = 0.01;    ///< share of all calls
  double p99_ratio = 1.5;
  Duration p99_more = std::chrono::milliseconds{1};  ///< besides that ratio
};
/// Why a chain on trial has to go; nothing while it is as good as the old one. Pure.
[[nodiscard]] std::optional<std::string> left_band(ChainFigures const& old,
                                                   ChainFigures const& next,
                                                   CanaryBand const& band);

/// The chain in force, which can be replaced while calls pass.
///
/// A call pins the chain that it entered for as long as it lasts, be it seconds; the next call
/// enters the new one. Nobody waits: not the calls for the change, not the change for the calls. An
/// old chain goes away when its last call has left it.
class LiveChain {
  struct Version;

 public:
  explicit LiveChain(std::unique_ptr<Chain> first);
  ~LiveChain();  ///< no call is inside
  LiveChain(LiveChain const&) = delete;
  LiveChain& operator=(LiveChain const&) = delete;

  /// Keeps a chain alive. Moves with its call between LWPs.
  class Pin {
   public:
    ~Pin() {
      if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_release);
    }
    Pin(Pin const&) = delete;
    Pin& operator=(Pin const&) = delete;
    Chain const& operator*() const noexcept { return *chain_; }
    Chain const* operator->() const noexcept { return chain_; }
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
    explicit operator bool() const noexcept { return chain_ != nullptr; }

   private:
    friend LiveChain;
    Pin(std::atomic<std::uint32_t>* count, Chain const* chain, std::uint64_t version) noexcept
        : count_{count}, chain_{chain}, version_{version} {}
    std::atomic<std::uint32_t>* count_;
    Chain const* chain_;
    std::uint64_t version_;
  };

  /// Passes a call through the chain in force, or when one is on trial, perhaps through that.
  Reply operator()(Call& call) const {
    if (trial_.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
      return compare(call);
    auto const pinned = pin();
    return (*pinned)(call);
  }

  [[nodiscard]] Pin pin() const noexcept { return pin(current_); }

 private:
  [[nodiscard]] static Pin pin(std::atomic<Version*> const& in_force) noexcept {
    // Spread by the caller's stack, so that threads on different processors do not share a line.
    auto const shard =
        (reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) >> 16) % kShards;
    for (;;) {
      auto* const version = in_force.load(std::memory_order_acquire);
      if (version == nullptr) return Pin{nullptr, nullptr, 0};
      auto& count = version->pinned[shard].calls;
      count.fetch_add(1, std::memory_order_seq_cst);
      // A version that is no longer in force may be empty or about to be: its chain is not touched.
      if (in_force.load(std::memory_order_seq_cst) == version) [[likely]]
        return Pin{&count, version->chain.get(), version->number};
      count.fetch_sub(1, std::memory_order_release);
    }
  }

 public:
  /// Puts `next` in force when `expected` still is (compare-and-set), and says its number.
  [[nodiscard]] Result<std::uint64_t> replace(std::unique_ptr<Chain> next, std::uint64_t expected);
  [[nodiscard]] std::uint64_t version() const noexcept { return pin().version(); }

  // A trial: some of the calls pass another chain, and both are watched.
  [[nodiscard]] Result<void> begin_trial(std::unique_ptr<Chain> next, std::uint64_t expected,
                                         unsigned per_mille);
  void set_trial_share(unsigned per_mille) noexcept;
  /// The old one, and the one on trial.
  [[nodiscard]] std::pair<ChainFigures, ChainFigures> trial_figures() const;
  /// Puts the one on trial in force, or lets it go. Returns the version in force.
  std::uint64_t end_trial(bool keep);
  /// Chains that calls are still inside of, besides the one in force.
  [[nodiscard]] std::size_t draining() const;

 private:
  static constexpr std::size_t kShards = 8;
  struct alignas(64) Shard {
    std::atomic<std::uint32_t> calls{0};
  };
  /// Never freed before the LiveChain, and used again for another chain: who is late may count
  /// itself in and out of one at any time.
  struct Version {
    std::array<Shard, kShards> pinned;
    std::unique_ptr<Chain> chain;
    std::uint64_t number = 0;
    [[nodiscard]] bool unused() const noexcept;
  };

  /// Counts by the logarithm of how long calls took, eight for each power of two.
  struct Watch {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> failures{0};
    std::array<std::atomic<std::uint32_t>, 512> took{};
    [[nodiscard]] ChainFigures figures() const;
  };
  struct Trial {
    Watch old;
    Watch next;
  };

  Reply compare(Call& call) const;
  Version& place_for(std::unique_ptr<Chain> chain, std::vector<std::unique_ptr<Chain>>& left);
  [[nodiscard]] Result<Version*> in_force(std::uint64_t expected) const;

  std::atomic<Version*> current_;
  std::atomic<Version*> trial_{nullptr};
  std::atomic<unsigned> trial_share_{0};  // per mille
  mutable std::atomic<std::uint64_t> trial_turn_{0};
  mutable std::unique_ptr<Trial> watched_;  // made once, never freed while calls pass
  mutable threads::mutex mutex_;            // of those who replace
  std::vector<std::unique_ptr<Version>> versions_;
  std::uint64_t last_number_ = 0;
};

}  // namespace mutirao::middleware
