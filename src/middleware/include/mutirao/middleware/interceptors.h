#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/interceptor.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/world.h"

/// The request-level interceptors that come with Mutirão. Each is one concern, can be taken out of
/// a running node, and leaves the others doing theirs.
namespace mutirao::middleware {

/// Follows a request through all nodes that take part (W3C Trace Context): gives each call a span,
/// and remembers those that ended last. A call that a servant makes belongs to the call that it
/// serves. On both sides; phase trace.
class Trace final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::trace;
  struct Span {
    std::array<std::uint8_t, 16> trace{};
    std::uint64_t id = 0;
    std::uint64_t parent = 0;  ///< 0: the first of its trace
    bool incoming = false;     ///< seen by the side of the object
    std::string object;
    std::string method;
    TimePoint started;
    Duration took{};
    std::string failure;  ///< empty: it went well
  };
  Trace(world::World& world, std::size_t spans_kept = 512);
  Reply intercept(Call& call, Next next) override;
  /// The oldest first.
  [[nodiscard]] std::vector<Span> spans() const;

 private:
  [[nodiscard]] std::uint64_t new_id() noexcept;
  void remember(Call const& call, TraceContext const& own, std::uint64_t parent, TimePoint started,
                Reply reply);

  std::uint64_t const seed_;
  std::atomic<std::uint64_t> counter_{0};
  mutable threads::mutex mutex_;
  std::vector<Span> ring_;
  std::size_t next_ = 0;
  std::size_t const kept_;
};

/// W3C Trace Context, the header `traceparent`: "00-<trace>-<span>-<flags>".
[[nodiscard]] std::string to_traceparent(TraceContext const& trace);
[[nodiscard]] std::optional<TraceContext> trace_from(std::string_view traceparent);

/// Call::caller of the programs of this machine that come by a Unix socket, which only its owner
/// may use. Who comes by TLS is known by the fingerprint of its key, others by their address.
inline constexpr std::string_view kLocalCaller = "a program of this machine";

/// Lets only those calls through that a policy allows. On the side of the object; phase auth.
class Auth final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::auth;
  /// Fails when the call is not allowed, with what to do about it. Any number of threads.
  using Policy = std::function<Result<void>(Call const&)>;
  explicit Auth(Policy policy) : policy_{std::move(policy)} {}
  Reply intercept(Call& call, Next next) override;

 private:
  Policy policy_;
};

/// No call without an end unless that was asked for: gives it a deadline, at most that of the call
/// that is being served on this thread. On both sides; phase deadline.
class DefaultDeadline final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::deadline;
  explicit DefaultDeadline(Duration length = std::chrono::seconds{10}) noexcept : length_{length} {}
  Reply intercept(Call& call, Next next) override;

 private:
  Duration length_;
};

/// When calls wait too long in line, which of them to refuse: controlled delay, as in "Fail at
/// Scale" (Maurer, ACM Queue 13(8), 2015) after CoDel (Nichols and Jacobson, 2012).
///
/// A line that was short within the last `interval` is a burst: whoever waited less than `interval`
/// is served. One that was not is overload: only who waited less than `target` is. So a node that
/// is asked for twice what it can do does all that it can, for callers who still want the answer.
///
/// Pure policy; any number of threads.
class QueueDelayLimit {
 public:
  struct Options {
    Duration target = std::chrono::milliseconds{5};
    Duration interval = std::chrono::milliseconds{100};
  };
  explicit QueueDelayLimit(Options options) noexcept : options_{options} {}
  [[nodiscard]] bool admits(Duration waited, TimePoint now) noexcept;
  [[nodiscard]] Options const& options() const noexcept { return options_; }

 private:
  Options options_;
  std::atomic<std::int64_t> last_short_{0};  // when somebody had hardly waited, in ns
};

/// Refuses calls that waited too long in line. On the side of the object; phase admission.
class Admission final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::admission;
  explicit Admission(QueueDelayLimit::Options options = {}) noexcept : limit_{options} {}
  Reply intercept(Call& call, Next next) override;
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.load(); }

 private:
  QueueDelayLimit limit_;
  std::atomic<std::uint64_t> refused_{0};
};

/// At most so many calls of one caller a second, with bursts. Phase admission.
class RateLimit final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::admission;
  RateLimit(double calls_per_s, double burst) noexcept : rate_{calls_per_s}, burst_{burst} {}
  Reply intercept(Call& call, Next next) override;

 private:
  struct Bucket {
    double tokens = 0;
    TimePoint filled;
  };
  static constexpr std::size_t kCallersMax = 4096;
  double rate_;
  double burst_;
  threads::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
};

/// Answers again what was answered a moment ago, for methods that say how long an answer is good.
/// Calls for the same thing at the same time become one. Phase cache, on either side.
class Cache final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::cache;
  explicit Cache(std::size_t bytes_max = 8 << 20) noexcept : bytes_max_{bytes_max} {}
  Reply intercept(Call& call, Next next) override;
  [[nodiscard]] std::uint64_t hits() const noexcept { return hits_.load(); }

 private:
  struct Entry;
  using Entries = std::list<std::shared_ptr<Entry>>;
  void store(std::shared_ptr<Entry> const& entry, Reply reply, Duration good_for);
  void abandon(Entry& entry);
  void drop(Entries::iterator entry);

  std::size_t bytes_max_;
  std::atomic<std::uint64_t> hits_{0};
  threads::mutex mutex_;
  threads::condition_variable filled_;
  Entries by_use_;  // the last used first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;
  std::size_t bytes_ = 0;
};

/// Executes a call with an idempotency key once, and answers all that carry the same key the same:
/// also those that come while the first is under way. On the side of the object; phase cache.
///
/// What it keeps is bounded. Of more answers than `bytes_max` the oldest go, and their keys stay:
/// who asks again is told that the call was executed. Keys go by age and number, never while their
/// call is under way.
class Deduplicate final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::cache;
  struct Options {
    std::size_t keys_max = 10'000;       ///< of calls that ended
    std::size_t bytes_max = 16'000'000;  ///< of their answers
    Duration kept = std::chrono::minutes{5};
  };
  explicit Deduplicate(Options options) noexcept : options_{options} {}
  Reply intercept(Call& call, Next next) override;

 private:
  struct Known;
  void settle(IdempotencyKey key, Known& known);
  void forget_old(TimePoint now);
  Options options_;
  threads::mutex mutex_;
  threads::condition_variable answered_;
  std::map<IdempotencyKey, std::shared_ptr<Known>> known_;
  struct Answered {
    TimePoint at;
    IdempotencyKey key;
  };
  std::deque<Answered> by_age_;     // the oldest first
  std::size_t without_answer_ = 0;  // so many of the oldest have their keys alone
  std::size_t bytes_ = 0;           // of the answers of the others
};

/// How many calls may be made again: a share of those that are made, so that retries never turn a
/// node that is slow into one that is drowned. Pure policy; any number of threads.
class RetryBudget {
 public:
  struct Options {
    double share = 0.1;
    double reserve = 10;  ///< retries that may be made at once after a quiet time
  };
  explicit RetryBudget(Options options) noexcept;
  void first_try() noexcept;
  [[nodiscard]] bool take() noexcept;

 private:
  std::int64_t const share_;
  std::int64_t const reserve_;
  std::atomic<std::int64_t> tokens_;  // thousandths of a retry
};

struct RetryOptions {
  unsigned tries_max = 3;
  Duration pause_first = std::chrono::milliseconds{10};  ///< doubled each time, drawn from [0, it]
  Duration pause_max = std::chrono::seconds{1};
  RetryBudget::Options budget{};
  /// Only calls that were refused for the moment, never those that did not get where they should.
  bool only_when_asked = false;
};

/// Makes a call again that failed, where that is safe: it surely was not executed, or the method is
/// idempotent, or the call has a key by which the server knows it again. Within the deadline of the
/// whole, within a budget, and elsewhere when the object has other places. Phase retry, on the side
/// of the caller.
class RetryCalls final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::retry;
  RetryCalls(world::World& world, RetryOptions options = {});
  Reply intercept(Call& call, Next next) override;
  [[nodiscard]] std::uint64_t retries() const noexcept { return retries_.load(); }

 private:
  [[nodiscard]] static bool safe(Call const& call, Failure const& failure) noexcept;
  world::World& world_;
  RetryOptions options_;
  RetryBudget budget_;
  std::atomic<std::uint64_t> retries_{0};
};

/// Asks another place as well when an answer takes longer than nineteen of twenty do; the first
/// that comes counts, the other is taken back. Idempotent methods of objects with other places;
/// within a budget. Phase retry, on the side of the caller.
class Hedge final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::retry;
  explicit Hedge(Duration first_guess = std::chrono::milliseconds{50},
                 RetryBudget::Options budget = {}) noexcept;
  Reply intercept(Call& call, Next next) override;
  [[nodiscard]] std::uint64_t hedged() const noexcept { return hedged_.load(); }

 private:
  void learn(Duration took) noexcept;
  std::atomic<std::int64_t> usual_;  // ns: the quantile, followed in small steps
  RetryBudget budget_;
  std::atomic<std::uint64_t> hedged_{0};
};

/// A call on a replicated object becomes calls on all its replicas, at the same time and under one
/// deadline. Phase replicate, on the side of the caller.
///
/// Replicas stay alike only when the order of calls does not matter: a method that is neither
/// idempotent nor commutative is refused.
class Replicate final : public Interceptor {
 public:
  static constexpr Phase kPhase = Phase::replicate;
  enum class Policy : std::uint8_t {
    all,     ///< every replica answers, and the same
    quorum,  ///< more than half of them answer the same
    first,   ///< the first that does well; the others are taken back
  };
  explicit Replicate(Policy policy) noexcept : policy_{policy} {}
  Reply intercept(Call& call, Next next) override;

 private:
  Policy policy_;
};

/// What the chains of a node begin with.
[[nodiscard]] std::vector<Placed> default_client_chain(world::World& world,
                                                       std::shared_ptr<Trace> trace);
[[nodiscard]] std::vector<Placed> default_server_chain(std::shared_ptr<Trace> trace);

}  // namespace mutirao::middleware
