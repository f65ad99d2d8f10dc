#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/audit.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/component.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

namespace mutirao::middleware {

/// One thing to be changed.
struct Edit {
  std::string what{};  ///< "interceptor.add", "interceptor.remove" or "component.swap"
  /// Of an interceptor: "client" (calls of this node), "server" (of others), or "message" (what
  /// goes over connections, whatever it says).
  std::string side{};
  std::string name{};
  std::string kind{};  ///< of what is added or takes over; empty: the name is the kind
  std::map<std::string, std::string> settings{};  ///< of an interceptor
};
template <>
inline constexpr auto record_of<Edit> =
    record("Edit", field(1, "what", &Edit::what), field(2, "side", &Edit::side),
           field(3, "name", &Edit::name), field(4, "kind", &Edit::kind),
           field(5, "settings", &Edit::settings));

/// What a change would do.
struct Plan {
  std::uint64_t revision = 0;  ///< that it was made for
  std::vector<std::string> steps{};
  std::vector<std::string> client{};  ///< the interceptors afterwards, in order
  std::vector<std::string> server{};
  std::vector<std::string> conflicts{};  ///< why it can't be; empty: it can
  std::vector<std::string> message{};    ///< as client and server
};
template <>
inline constexpr auto record_of<Plan> =
    record("Plan", field(1, "revision", &Plan::revision), field(2, "steps", &Plan::steps),
           field(3, "client", &Plan::client), field(4, "server", &Plan::server),
           field(5, "conflicts", &Plan::conflicts), field(6, "message", &Plan::message));

/// How a change is applied.
struct ApplyOptions {
  std::uint64_t expected = 0;  ///< the revision that it was decided on
  std::string who{};
  std::string reason{};
  /// It is taken back unless confirm() comes within that time; zero: it stays.
  std::chrono::milliseconds confirm_within{};
  /// Chains are tried on 1 % of the calls, then on 10 %, for so long each; one that fails calls or
  /// slows them is taken back. Zero: at once. Not of messages: connections have one chain.
  std::chrono::milliseconds trial{};
};
template <>
inline constexpr auto record_of<ApplyOptions> =
    record("ApplyOptions", field(1, "expected", &ApplyOptions::expected),
           field(2, "who", &ApplyOptions::who), field(3, "reason", &ApplyOptions::reason),
           field(4, "confirm_within", &ApplyOptions::confirm_within),
           field(5, "trial", &ApplyOptions::trial));

/// An interceptor in a chain, as data.
struct InterceptorStatus {
  std::string side{};
  std::string name{};
  std::string kind{};
  std::string phase{};  ///< of messages: the stage
  std::string about{};
  std::map<std::string, std::string> settings{};   ///< without secrets
  std::map<std::string, std::uint64_t> figures{};  ///< what it has counted
};
template <>
inline constexpr auto record_of<InterceptorStatus> = record(
    "InterceptorStatus", field(1, "side", &InterceptorStatus::side),
    field(2, "name", &InterceptorStatus::name), field(3, "kind", &InterceptorStatus::kind),
    field(4, "phase", &InterceptorStatus::phase), field(5, "about", &InterceptorStatus::about),
    field(6, "settings", &InterceptorStatus::settings),
    field(7, "figures", &InterceptorStatus::figures));

using InterceptorSettings = std::map<std::string, std::string>;

/// A way to make an interceptor.
struct InterceptorKind {
  std::string name{};
  std::string about{};
  Phase phase = Phase::trace;
  bool client = true;  ///< the sides where it makes sense
  bool server = true;
  std::vector<std::string> after{};
  /// Refuses settings that it does not know, or that make no sense.
  std::function<Result<std::shared_ptr<Interceptor>>(InterceptorSettings const&)> make{};
};

/// A way to make one of messages.
struct MessageInterceptorKind {
  std::string name{};
  std::string about{};
  MessageStage stage = MessageStage::observe;
  /// As above. What it leaves in the settings is shown and written down: a secret is taken out, and
  /// something put there by which people can tell it from another.
  std::function<Result<std::shared_ptr<MessageInterceptor>>(InterceptorSettings&)> make{};
};

/// How a running node is changed: by people and by control loops the same way, one change after the
/// other, each planned, decided on what is there, given a reason, and written down: before it is in
/// force, so that nothing is without a trace. What came of it is written after; when that fails the
/// change stands, and the next one waits until the log can be written again.
class Adaptation {
 public:
  /// `assembly` may be absent. All outlive this.
  Adaptation(Broker& broker, Assembly* assembly, AuditLog& log);
  ~Adaptation();

  void add_kind(InterceptorKind kind);
  void add_kind(MessageInterceptorKind kind);
  /// What the chains begin with: kinds by name. Messages pass nothing at first.
  Result<void> begin(std::vector<std::string> client, std::vector<std::string> server);

  [[nodiscard]] std::uint64_t revision() const;
  [[nodiscard]] std::vector<InterceptorStatus> interceptors() const;
  [[nodiscard]] std::vector<InterceptorStatus> kinds() const;
  [[nodiscard]] Plan plan(std::vector<Edit> const& edits) const;
  /// The chains change together or not at all; components are replaced before, and stay replaced.
  /// Gives the new revision. With a trial, parks until that is decided. Refused while an earlier
  /// change waits to be confirmed.
  Result<std::uint64_t> apply(std::vector<Edit> const& edits, ApplyOptions const& options);
  Result<void> confirm(std::uint64_t revision, std::string who);
  /// Back to what a revision was, as a new one. Components stay as they are.
  Result<std::uint64_t> rollback(std::uint64_t to, std::string who, std::string reason);
  [[nodiscard]] std::vector<AuditEntry> history(std::size_t count) const;

 private:
  struct Place {
    InterceptorStatus status;
    Placed placed{};
    std::shared_ptr<MessageInterceptor> of_messages{};  // instead of `placed`
  };
  struct Revision {
    std::uint64_t number = 0;
    std::vector<Place> client{};
    std::vector<Place> server{};
    std::vector<Place> message{};
    [[nodiscard]] std::vector<Place>* side(std::string_view name);
  };
  struct Draft {
    Revision next;
    Plan plan;
    std::vector<Edit const*> swaps;
  };
  [[nodiscard]] Draft draft(std::vector<Edit> const& edits) const;
  [[nodiscard]] Result<Place> make(Edit const& edit) const;
  [[nodiscard]] Result<Place> make_of_messages(Edit const& edit) const;
  [[nodiscard]] Result<void> edit_side(Draft& draft, Edit const& edit, std::string& told) const;
  [[nodiscard]] Result<void> sort(std::vector<Place>& calls) const;
  Result<void> put_in_force(Revision const& next, std::chrono::milliseconds trial);
  Result<void> try_out(LiveChain& live, std::unique_ptr<Chain> next,
                       std::chrono::milliseconds trial);
  void keep(Revision next, std::uint64_t unconfirmed);
  [[nodiscard]] Result<Revision> known(std::uint64_t number) const;
  Result<std::uint64_t> go_back(std::uint64_t to);
  void revert_unless_confirmed(std::uint64_t revision, std::chrono::milliseconds within);

  Broker& broker_;
  Assembly* assembly_;
  AuditLog& log_;
  threads::mutex changing_;  // one change at a time
  mutable threads::mutex mutex_;
  std::map<std::string, InterceptorKind, std::less<>> kinds_;
  std::map<std::string, MessageInterceptorKind, std::less<>> message_kinds_;
  std::vector<Revision> revisions_;  // the last is in force
  std::uint64_t unconfirmed_ = 0;
  threads::condition_variable confirmed_;
  threads::scope scope_;
};

/// The interceptors that come with Mutirão, by kind: trace, deadline, admission, rate-limit, cache,
/// deduplicate, retry, hedge, replicate.
[[nodiscard]] std::vector<InterceptorKind> shipped_kinds(world::World& world,
                                                         std::shared_ptr<Interceptor> trace);
/// Those of messages: zstd, chacha20-poly1305, pace, count.
[[nodiscard]] std::vector<MessageInterceptorKind> shipped_message_kinds(world::World& world);

}  // namespace mutirao::middleware
