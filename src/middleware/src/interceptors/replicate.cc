#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "child_call.h"

namespace mutirao::middleware {

namespace {

/// The calls on all replicas, each on a thread of its own.
class Replicas {
 public:
  Replicas(Call& call, Next next) : call_{call} {
    auto const count = call.target->replicas.size() + 1;
    for (std::size_t i = 0; i < count; ++i)
      children_.push_back(std::make_unique<ChildCall>(call, at_place(*call.target, i)));
    replies_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      scope_.spawn("replicated call",
                   [this, next, i] {
                     auto const reply = passed_on(*children_[i], next);
                     {
                       std::lock_guard const lock{mutex_};
                       replies_[i] = reply;
                     }
                     changed_.notify_all();
                   },
                   {.isolated = true});
    }
  }

  Reply conclude(Replicate::Policy policy) {
    std::unique_lock lock{mutex_};
    // Each ends by the call's own deadline.
    auto const waited = changed_.wait(lock, [&] { return decided(policy); });
    lock.unlock();
    scope_.request_stop();
    static_cast<void>(scope_.join());
    if (auto const one = winner(policy)) return call_.take(*replies_[*one]);
    if (!waited) return call_.fail(Failure{waited.error(), Executed::maybe, Retry::never, {}, {}});
    return call_.fail(disagreement());
  }

 private:
  [[nodiscard]] std::size_t ended() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(replies_, [](auto const& each) { return each.has_value(); }));
  }
  /// How many gave the same as `reply`.
  [[nodiscard]] std::size_t agreeing(Reply reply) const {
    return static_cast<std::size_t>(std::ranges::count_if(replies_, [&](auto const& each) {
      return each && !each->failed() && std::ranges::equal(each->body(), reply.body());
    }));
  }
  [[nodiscard]] std::size_t wanted(Replicate::Policy policy) const {
    switch (policy) {
      case Replicate::Policy::all:
        return replies_.size();
      case Replicate::Policy::quorum:
        return replies_.size() / 2 + 1;
      case Replicate::Policy::first:
        return 1;
    }
    return replies_.size();
  }
  /// The first, in their order, whose answer enough of them gave.
  [[nodiscard]] std::optional<std::size_t> winner(Replicate::Policy policy) const {
    for (std::size_t i = 0; i < replies_.size(); ++i)
      if (replies_[i] && !replies_[i]->failed() && agreeing(*replies_[i]) >= wanted(policy))
        return i;
    return std::nullopt;
  }
  [[nodiscard]] bool decided(Replicate::Policy policy) const {
    return ended() == replies_.size() || winner(policy).has_value();
  }
  [[nodiscard]] Failure disagreement() const {
    std::string told;
    auto executed = Executed::no;
    for (std::size_t i = 0; i < replies_.size(); ++i) {
      auto const& reply = replies_[i];
      told += told.empty() ? "" : "; ";
      told += children_[i]->target.route->where() + ": ";
      if (!reply) {
        told += "no answer";
        executed = Executed::maybe;
      } else if (reply->failed()) {
        told += reply->failure().what;
        executed = std::max(executed, reply->failure().executed);
      } else {
        told += fmt::format("an answer that {} of {} gave", agreeing(*reply), replies_.size());
        executed = Executed::yes;
      }
    }
    Failure failure{Error{Fault::io, "the replicas do not agree: " + told,
                          "look at those that differ: mutirao object show"},
                    executed,
                    Retry::never,
                    {},
                    "replication"};
    return failure;
  }

  Call& call_;
  std::vector<std::unique_ptr<ChildCall>> children_;
  threads::mutex mutex_;
  threads::condition_variable changed_;
  std::vector<std::optional<Reply>> replies_;
  threads::scope scope_;  // ended first
};

}  // namespace

Reply Replicate::intercept(Call& call, Next next) {
  auto const& target = *call.target;
  if (!target.replicated || target.replicas.empty()) return next(call);
  if (call.items != nullptr)
    return call.fail(not_executed(Fault::unsupported, "a replicated object yields no streams",
                                  "call one of its replicas"));
  if (call.attachment != nullptr)
    return call.fail(not_executed(Fault::unsupported, "an attachment goes to one place",
                                  "call each of the replicas"));
  if (call.method != nullptr && !call.method->idempotent && !call.method->commutative)
    return call.fail(not_executed(
        Fault::refused,
        fmt::format("{}.{} may not be replicated: the replicas would come apart when calls reach "
                    "them in another order",
                    target.object, call.method_name),
        "declare the method Idempotent or Commutative, when it is"));
  return Replicas{call, next}.conclude(policy_);
}

}  // namespace mutirao::middleware
