#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
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
    ~Pin() { count_->fetch_sub(1, std::memory_order_release); }
    Pin(Pin const&) = delete;
    Pin& operator=(Pin const&) = delete;
    Chain const& operator*() const noexcept { return *chain_; }
    Chain const* operator->() const noexcept { return chain_; }
    [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

   private:
    friend LiveChain;
    Pin(std::atomic<std::uint32_t>* count, Chain const* chain, std::uint64_t version) noexcept
        : count_{count}, chain_{chain}, version_{version} {}
    std::atomic<std::uint32_t>* count_;
    Chain const* chain_;
    std::uint64_t version_;
  };

  [[nodiscard]] Pin pin() const noexcept {
    // Spread by the caller's stack, so that threads on different processors do not share a line.
    auto const shard =
        (reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) >> 16) % kShards;
    for (;;) {
      auto& version = *current_.load(std::memory_order_acquire);
      auto& count = version.pinned[shard].calls;
      count.fetch_add(1, std::memory_order_seq_cst);
      // A version that is no longer in force may be empty or about to be: its chain is not touched.
      if (current_.load(std::memory_order_seq_cst) == &version) [[likely]]
        return Pin{&count, version.chain.get(), version.number};
      count.fetch_sub(1, std::memory_order_release);
    }
  }

  /// Puts `next` in force when `expected` still is (compare-and-set), and says its number.
  [[nodiscard]] Result<std::uint64_t> replace(std::unique_ptr<Chain> next, std::uint64_t expected);
  [[nodiscard]] std::uint64_t version() const noexcept { return pin().version(); }
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

  std::atomic<Version*> current_;
  mutable threads::mutex mutex_;  // of those who replace
  std::vector<std::unique_ptr<Version>> versions_;
  std::uint64_t last_number_ = 0;
};

}  // namespace mutirao::middleware
