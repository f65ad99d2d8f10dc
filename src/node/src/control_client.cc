#include "mutirao/node/control_client.h"

#include "mutirao/middleware/broker.h"
#include "mutirao/node/objects.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::node {
namespace {

constexpr Duration kStopPoll = 50ms;

Error told_to_a_person(middleware::Failure failure) {
  if (failure.fault == Fault::unreachable && failure.executed == middleware::Executed::no)
    return {Fault::unreachable, fmt::format("no node runs here: {}", failure.what),
            "mutirao up --detach"};
  // In the middle of an answer: it was killed, or it stopped.
  if (failure.fault == Fault::closed && failure.executed == middleware::Executed::maybe)
    return {Fault::closed, "the node went away", "mutirao up --detach"};
  return failure;
}

template <class T>
Result<T> result_of(middleware::Outcome<T> outcome) {
  if (!outcome) return std::unexpected{told_to_a_person(std::move(outcome).error())};
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(outcome);
}

/// Follows the sharing to its end.
Result<Shared> last_of(middleware::Stream<ShareStep> steps,
                       std::function<bool(swarm::MakeProgress)> const& progress,
                       Deadline deadline) {
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

}  // namespace

struct ControlClient::State {
  world::World& world;
  std::string socket_path;
  middleware::Broker broker;

  State(world::World& w, std::string path)
      : world{w}, socket_path{std::move(path)}, broker{w, {.name = "command"}} {}

  template <class Object>
  [[nodiscard]] Result<middleware::Ref<Object>> object() {
    return broker.find<Object>(fmt::format("{}@{}", Object::kName, socket_path));
  }
};

ControlClient::ControlClient(world::World& world, std::string socket_path)
    : state_{std::make_unique<State>(world, std::move(socket_path))} {}
ControlClient::~ControlClient() = default;

Result<middleware::Target> ControlClient::object(std::string_view name) {
  return state_->broker.find_target(fmt::format("{}@{}", name, state_->socket_path));
}

Error ControlClient::told(middleware::Failure failure) {
  return told_to_a_person(std::move(failure));
}

Result<NodeStatus> ControlClient::status(Deadline deadline) {
  auto const node = MUT_TRY(state_->object<NodeObject>());
  return result_of(node.status.with({.deadline = deadline})());
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
  if (!asked && asked.error().fault != Fault::closed)
    return std::unexpected{told_to_a_person(asked.error())};
  auto& network = state_->world.network();
  while (network.connect_local(state_->socket_path, earlier(deadline, threads::within(1s)))) {
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
