#include "mutirao/node/control_client.h"

#include "mutirao/base/check.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/node/objects.h"
#include "mutirao/node/remote.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::node {
namespace {

constexpr Duration kStopPoll = 50ms;

constexpr Duration kLook = 10s;

/// A node that is busy refuses calls that waited in line, and says when to come back. Five seconds
/// of that on average are more than any burst lasts, and less than a person gives up after.
middleware::RetryOptions const kPatience{.tries_max = 11,
                                         .pause_first = 100ms,
                                         .pause_max = 1s,
                                         .budget = {.share = 0.1, .reserve = 20},
                                         .only_when_asked = true};

Error told_of_a_busy_one(middleware::Failure failure) {
  return Error{failure.fault, "the node stays busy: " + failure.what,
               "try again in a moment; mutirao thread list shows what it does"};
}

Error told_of_a_neighbour(middleware::Failure failure) {
  if (failure.fault == Fault::unreachable && failure.executed == middleware::Executed::no)
    return {Fault::unreachable, fmt::format("no node runs here: {}", failure.what),
            "mutirao up --detach"};
  // In the middle of an answer: it was killed, or it stopped.
  if (failure.fault == Fault::closed && failure.executed == middleware::Executed::maybe)
    return {Fault::closed, "the node went away", "mutirao up --detach"};
  return failure;
}

}  // namespace

struct ControlClient::State {
  world::World& world;
  ControlPlace place;
  /// Of a node elsewhere: who we are, and whom we know there.
  Result<net::TlsIdentity> identity;
  Result<std::optional<net::PublicKey>> known;
  middleware::Broker broker;

  State(world::World& w, ControlPlace p)
      : world{w},
        place{std::move(p)},
        identity{place.at.empty() ? fail(Fault::invalid, "nowhere else")
                                  : own_identity(w, place.state_folder)},
        known{place.at.empty() ? std::nullopt : known_node(w, place.state_folder, place.at)},
        broker{
            w,
            {.name = "command", .identity = identity ? std::optional{*identity} : std::nullopt}} {
    auto patient = middleware::Chain::make(
        {{.name = "retry",
          .phase = middleware::RetryCalls::kPhase,
          .interceptor = std::make_shared<middleware::RetryCalls>(world, kPatience)}},
        broker.last());
    MUT_ASSERT(patient);
    auto const replaced = broker.chain().replace(*std::move(patient), broker.chain().version());
    MUT_ASSERT(replaced);
  }

  [[nodiscard]] Result<std::string> address() const {
    if (place.at.empty()) return place.socket;
    MUT_TRY(Result<net::TlsIdentity>{identity});
    auto const its = MUT_TRY(Result<std::optional<net::PublicKey>>{known});
    if (its) return fmt::format("tls://{}@{}", its->fingerprint(), place.at);
    auto const shown = shown_key(world, place.at, threads::within(kLook));
    if (!shown)
      return std::unexpected{Error{Fault::unreachable,
                                   fmt::format("cannot reach {}: {}", place.at, shown.error().what),
                                   "see that it runs there: mutirao up --control-port PORT"}};
    return fail(
        Fault::refused,
        fmt::format("the node at {} is not known here; it shows the key {}", place.at,
                    shown->fingerprint()),
        fmt::format("compare that with what mutirao key show prints there, and if it is the "
                    "same: mutirao key trust {} {}",
                    place.at, shown->fingerprint()));
  }
  [[nodiscard]] Error told_of_one_elsewhere(middleware::Failure failure) const {
    auto const ours = identity ? identity->public_key().fingerprint() : "";
    // Said by TLS, before anything of ours was looked at.
    if (failure.fault == Fault::refused && failure.origin.empty() && failure.what.contains(ours))
      return {Fault::refused, fmt::format("{} does not know this key: {}", place.at, ours),
              fmt::format("run on that node: mutirao key allow {} --role viewer", ours)};
    bool const other_key =
        known && *known && failure.what.contains("and not " + (*known)->fingerprint());
    if (other_key)
      return std::move(failure).with_mend(fmt::format(
          "somebody is in its place, unless it was set up anew; then, with the key that "
          "mutirao key show prints there: mutirao key trust {} KEY",
          place.at));
    if (failure.fault == Fault::unreachable && failure.executed == middleware::Executed::no)
      return std::move(failure).with_mend("see that it runs there: mutirao up --control-port PORT");
    if (failure.fault == Fault::closed && failure.executed == middleware::Executed::maybe)
      return {Fault::closed, fmt::format("the node at {} went away", place.at), failure.mend};
    return failure;
  }

  [[nodiscard]] Result<middleware::Target> target(std::string_view object) {
    return broker.find_target(fmt::format("{}@{}", object, MUT_TRY(address())));
  }
  template <class Object>
  [[nodiscard]] Result<middleware::Ref<Object>> object() {
    auto found = MUT_TRY(target(Object::kName));
    found.type = Object::kType;
    return middleware::Ref<Object>{std::move(found)};
  }
};

ControlClient::ControlClient(world::World& world, ControlPlace place)
    : state_{std::make_unique<State>(world, std::move(place))} {}
ControlClient::~ControlClient() = default;

Result<middleware::Target> ControlClient::object(std::string_view name) {
  return state_->target(name);
}

Error ControlClient::told(middleware::Failure failure) const {
  if (failure.retry == middleware::Retry::later) return told_of_a_busy_one(std::move(failure));
  return state_->place.at.empty() ? told_of_a_neighbour(std::move(failure))
                                  : state_->told_of_one_elsewhere(std::move(failure));
}

template <class T>
Result<T> ControlClient::result_of(middleware::Outcome<T> outcome) const {
  if (!outcome) return std::unexpected{told(std::move(outcome).error())};
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(outcome);
}

/// Follows the sharing to its end.
Result<Shared> ControlClient::last_of(middleware::Stream<ShareStep> steps,
                                      std::function<bool(swarm::MakeProgress)> const& progress,
                                      Deadline deadline) const {
  for (;;) {
    auto step = MUT_TRY(result_of(steps.next(deadline)));
    if (!step)
      return fail(Fault::closed, "the node went away while it hashed",
                  "see its log: mutirao doctor names the file");
    if (step->shared) return *std::move(step->shared);
    if (step->hashing && progress && !progress(*step->hashing))
      return fail(Fault::cancelled, "sharing was given up");
  }
}

Result<NodeStatus> ControlClient::status(Deadline deadline) {
  auto const node = MUT_TRY(state_->object<NodeObject>());
  return result_of(node.status.with({.deadline = deadline})());
}

Result<std::vector<ConfigEntry>> ControlClient::config(Deadline deadline) {
  auto const node = MUT_TRY(state_->object<NodeObject>());
  return result_of(node.config.with({.deadline = deadline})());
}

Result<threads::runtime_report> ControlClient::thread_report(Deadline deadline) {
  auto const threads = MUT_TRY(state_->object<ThreadsObject>());
  return result_of(threads.report.with({.deadline = deadline})());
}

// The node closes its socket last: when nobody listens any more, its state folder is free.
Result<void> ControlClient::stop(Deadline deadline) {
  auto const node = MUT_TRY(state_->object<NodeObject>());
  auto const asked = node.stop.with({.deadline = deadline})();
  // It may be quicker to end than to answer.
  if (!asked && asked.error().fault != Fault::closed) return std::unexpected{told(asked.error())};
  if (!state_->place.at.empty()) return {};
  auto& network = state_->world.network();
  while (network.connect_local(state_->place.socket, earlier(deadline, threads::within(1s)))) {
    if (deadline.passed(threads::now()))
      return fail(Fault::timed_out, "the node was asked to stop and is still busy");
    MUT_TRY(threads::sleep_for(kStopPoll));
  }
  return {};
}

Result<std::vector<middleware::ObjectInfo>> ControlClient::objects(Deadline deadline) {
  auto const meta = MUT_TRY(state_->object<middleware::Meta>());
  return result_of(meta.list.with({.deadline = deadline})());
}

Result<middleware::ObjectDetail> ControlClient::object(std::string_view name, Deadline deadline) {
  auto const meta = MUT_TRY(state_->object<middleware::Meta>());
  return result_of(meta.show.with({.deadline = deadline})(std::string{name}));
}

Result<std::string> ControlClient::call(std::string_view object, std::string_view method,
                                        std::string_view arguments, std::uint32_t items_max,
                                        std::string_view capability, Deadline deadline) {
  auto const meta = MUT_TRY(state_->object<middleware::Meta>());
  return result_of(meta.call.with({.deadline = deadline})(std::string{object}, std::string{method},
                                                          std::string{arguments}, items_max,
                                                          std::string{capability}));
}

Result<std::vector<middleware::SpanInfo>> ControlClient::spans(std::uint32_t count,
                                                               Deadline deadline) {
  auto const meta = MUT_TRY(state_->object<middleware::Meta>());
  return result_of(meta.spans.with({.deadline = deadline})(count));
}

Result<Shared> ControlClient::share(ShareRequest request,
                                    std::function<bool(swarm::MakeProgress)> progress,
                                    Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return last_of(library.share.with({.deadline = deadline})(request), progress, deadline);
}

Result<Shared> ControlClient::put(std::string name, ShareRequest request,
                                  middleware::Attachment const& content,
                                  std::function<bool(swarm::MakeProgress)> progress,
                                  Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return last_of(library.put.with({.deadline = deadline})(name, request, content), progress,
                 deadline);
}

Result<Started> ControlClient::get(GetRequest request, Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.get.with({.deadline = deadline})(request));
}

Result<std::vector<Transfer>> ControlClient::list(Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.list.with({.deadline = deadline})());
}

Result<Transfer> ControlClient::show(std::string_view name, Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.show.with({.deadline = deadline})(std::string{name}));
}

Result<Transfer> ControlClient::pause(std::string_view name, Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.pause.with({.deadline = deadline})(std::string{name}));
}

Result<Transfer> ControlClient::resume(std::string_view name, Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.resume.with({.deadline = deadline})(std::string{name}));
}

Result<Transfer> ControlClient::verify(std::string_view name, Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.verify.with({.deadline = deadline})(std::string{name}));
}

Result<Transfer> ControlClient::remove(std::string_view name, bool content, Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  return result_of(library.remove.with({.deadline = deadline})(std::string{name}, content));
}

Result<void> ControlClient::watch(std::string_view name, Duration interval,
                                  std::function<bool(std::vector<Transfer> const&)> see,
                                  Deadline deadline) {
  auto const library = MUT_TRY(state_->object<LibraryObject>());
  auto looks = library.watch.with({.deadline = deadline})(
      std::string{name}, std::chrono::duration_cast<std::chrono::milliseconds>(interval));
  for (;;) {
    auto const look = MUT_TRY(result_of(looks.next(deadline)));
    if (!look) return fail(Fault::closed, "the node went away", "mutirao up --detach");
    if (!see(*look)) return {};
  }
}

}  // namespace mutirao::node
