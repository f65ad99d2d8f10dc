#include "mutirao/middleware/object_adapter.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/base/spelling.h"
#include "mutirao/threads/task.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

struct ObjectAdapter::Object {
  // Under the adapter's mutex:
  std::shared_ptr<Servant> servant;
  bool paused = false;
  bool removed = false;
  ObjectOptions options;
  std::atomic<std::uint32_t> running{0};
  std::atomic<std::uint64_t> calls{0};
  std::atomic<bool> awaited{false};  // somebody waits for running to become 0

  [[nodiscard]] Listed listed(std::string_view name) const {
    return {.name = std::string{name},
            .interface = &servant->interface(),
            .about = options.about,
            .guarded = !options.capability.empty(),
            .epoch = options.epoch,
            .calls = calls.load(std::memory_order_relaxed),
            .running = running.load(std::memory_order_relaxed)};
  }
};

/// A call inside an object.
class ObjectAdapter::Running {
 public:
  Running(ObjectAdapter& adapter, std::shared_ptr<Object> object, std::shared_ptr<Servant> servant,
          std::size_t method) noexcept
      : adapter_{&adapter},
        object_{std::move(object)},
        servant_{std::move(servant)},
        method_{method} {}
  Running(Running&&) noexcept = default;
  Running& operator=(Running&&) = delete;
  ~Running() {
    if (object_ == nullptr) return;
    servant_.reset();
    if (object_->running.fetch_sub(1, std::memory_order_seq_cst) != 1 ||
        !object_->awaited.load(std::memory_order_seq_cst))
      return;
    {
      std::lock_guard const lock{adapter_->mutex_};
    }
    adapter_->changed_.notify_all();
  }
  Reply execute(Call& call) { return servant_->execute(method_, call); }

 private:
  ObjectAdapter* adapter_;
  std::shared_ptr<Object> object_;
  std::shared_ptr<Servant> servant_;
  std::size_t method_;
};

/// The end of the chain.
class ObjectAdapter::Execute final : public Interceptor {
 public:
  explicit Execute(ObjectAdapter& adapter) noexcept : adapter_{adapter} {}
  Reply intercept(Call& call, Next /*nobody*/) override {
    auto running = adapter_.enter(call);
    if (!running) return call.fail(std::move(running).error());
    try {
      return running->execute(call);
    } catch (std::bad_alloc const&) {
      return call.fail(thrown(Fault::exhausted, "out of memory"));
    } catch (std::exception const& escaped) {
      return call.fail(thrown(Fault::io, escaped.what()));
    } catch (...) {
      return call.fail(thrown(Fault::io, "something that is no std::exception"));
    }
  }

 private:
  static Failure thrown(Fault fault, std::string_view what) {
    return Failure{Error{fault, fmt::format("the object threw: {}", what), {}},
                   Executed::maybe,
                   Retry::never,
                   {},
                   {}};
  }
  ObjectAdapter& adapter_;
};

ObjectAdapter::ObjectAdapter()
    : last_{std::make_shared<Execute>(*this)}, chain_{*Chain::make({}, last_)} {}
ObjectAdapter::~ObjectAdapter() = default;

Result<void> ObjectAdapter::add(std::string name, std::shared_ptr<Servant> servant,
                                ObjectOptions options) {
  auto object = std::make_shared<Object>();
  object->servant = std::move(servant);
  object->options = std::move(options);
  std::lock_guard const lock{mutex_};
  auto const [place, added] = objects_.try_emplace(std::move(name), std::move(object));
  if (!added)
    return fail(Fault::refused, fmt::format("there is an object called {} already", place->first),
                "remove that one, or choose another name");
  return {};
}

std::shared_ptr<ObjectAdapter::Object> ObjectAdapter::object_of(std::string_view name) const {
  auto const found = objects_.find(name);
  return found == objects_.end() ? nullptr : found->second;
}

Error ObjectAdapter::no_such_object(std::string_view name) const {
  std::vector<std::string> names;
  for (auto const& [known, unused] : objects_) names.push_back(known);
  auto const near = base::nearest(name, names);
  return {Fault::not_found, fmt::format("there is no object called {} here", name),
          near.empty() ? "mutirao object list tells what there is"
                       : fmt::format("do you mean {}?", near)};
}

Outcome<ObjectAdapter::Running> ObjectAdapter::enter(Call& call) {
  auto const& target = *call.target;
  std::unique_lock lock{mutex_};
  auto object = object_of(target.object);
  if (object != nullptr && object->paused) [[unlikely]] {
    auto waited = changed_.wait(lock, [&] { return !object->paused; }, call.deadline);
    if (!waited)
      return std::unexpected{
          Failure{std::move(waited).error().during(target.object + " is being replaced"),
                  Executed::no,
                  Retry::later,
                  {},
                  {}}};
    if (object->removed) object = nullptr;
  }
  if (object == nullptr)
    return std::unexpected{
        Failure{no_such_object(target.object), Executed::no, Retry::elsewhere, {}, {}}};
  if (target.epoch != 0 && target.epoch != object->options.epoch)
    return std::unexpected{
        not_executed(Fault::refused,
                     fmt::format("{} is of epoch {} by now, not {}", target.object,
                                 object->options.epoch, target.epoch),
                     "find the object again")};
  if (!object->options.capability.empty() && target.capability != object->options.capability)
    return std::unexpected{not_executed(
        Fault::refused, fmt::format("{} may only be called with its capability", target.object),
        "ask its owner for a reference")};
  auto const& interface = object->servant->interface();
  auto const* const method = interface.find(call.method_name);
  if (method == nullptr) {
    std::vector<std::string> names;
    for (auto const& each : interface.methods) names.emplace_back(each.name);
    auto const near = base::nearest(call.method_name, names);
    return std::unexpected{
        not_executed(Fault::not_found,
                     fmt::format("{} is a {} and has no method {}", target.object, interface.name,
                                 call.method_name),
                     near.empty() ? fmt::format("it has: {}", fmt::join(names, ", "))
                                  : fmt::format("do you mean {}.{}?", target.object, near))};
  }
  object->running.fetch_add(1, std::memory_order_relaxed);
  object->calls.fetch_add(1, std::memory_order_relaxed);
  auto servant = object->servant;
  return Running{*this, std::move(object), std::move(servant),
                 static_cast<std::size_t>(method - interface.methods.data())};
}

Result<void> ObjectAdapter::replace(std::string_view name, std::shared_ptr<Servant> next,
                                    std::function<Result<void>()> hand_over, Deadline deadline) {
  std::unique_lock lock{mutex_};
  auto const object = object_of(name);
  if (object == nullptr)
    return fail(Fault::not_found, fmt::format("there is no object called {}", name));
  if (object->paused)
    return fail(Fault::refused, fmt::format("{} is being replaced already", name), "wait");
  if (&object->servant->interface() != &next->interface())
    return fail(Fault::invalid,
                fmt::format("{} is a {}, and its successor a {}", name,
                            object->servant->interface().name, next->interface().name));
  object->paused = true;
  object->awaited.store(true, std::memory_order_seq_cst);
  auto done = changed_.wait(
      lock, [&] { return object->running.load(std::memory_order_seq_cst) == 0; }, deadline);
  if (done) {
    // Nobody is inside and nobody comes in: the lock need not be held.
    lock.unlock();
    try {
      if (hand_over) done = hand_over();
    } catch (...) {  // calls wait for the outcome
      done = std::unexpected{threads::detail::escaped_exception()};
    }
    lock.lock();
    if (done) object->servant.swap(next);
  } else {
    done = std::unexpected{std::move(done).error().during(
        fmt::format("{} calls of {} are still under way",
                    object->running.load(std::memory_order_relaxed), name))};
  }
  object->awaited.store(false, std::memory_order_relaxed);
  object->paused = false;
  lock.unlock();
  changed_.notify_all();
  return done;
}

Result<void> ObjectAdapter::remove(std::string_view name, Deadline deadline) {
  std::shared_ptr<Object> object;  // gone after the lock: what it ends may call us
  std::unique_lock lock{mutex_};
  auto const found = objects_.find(name);
  if (found == objects_.end())
    return fail(Fault::not_found, fmt::format("there is no object called {}", name));
  object = found->second;
  object->removed = true;
  objects_.erase(found);
  object->awaited.store(true, std::memory_order_seq_cst);
  return changed_.wait(
      lock, [&] { return object->running.load(std::memory_order_seq_cst) == 0; }, deadline);
}

std::vector<ObjectAdapter::Listed> ObjectAdapter::list() const {
  std::vector<Listed> all;
  {
    std::lock_guard const lock{mutex_};
    for (auto const& [name, object] : objects_) all.push_back(object->listed(name));
  }
  std::ranges::sort(all, {}, &Listed::name);
  return all;
}

Result<ObjectAdapter::Listed> ObjectAdapter::find(std::string_view name) const {
  std::lock_guard const lock{mutex_};
  if (auto const object = object_of(name)) return object->listed(name);
  return std::unexpected{no_such_object(name)};
}

Reply ObjectAdapter::execute(Call& call) {
  bool outside = false;
  std::shared_ptr<Interceptor> guard;
  {
    std::lock_guard const lock{mutex_};
    if (auto const object = object_of(call.target->object)) {
      if (call.method == nullptr) call.method = object->servant->interface().find(call.method_name);
      outside = object->options.outside_chain;
      if (outside) guard = object->options.guard;
    }
  }
  if (guard != nullptr) {
    Next::Link const last{last_.get(), [](Interceptor* self, Call& one, Next rest) {
                            return self->intercept(one, rest);
                          }};
    return guard->intercept(call, Next{&last});
  }
  if (outside) return last_->intercept(call, Next{nullptr});
  return chain_(call);
}

}  // namespace mutirao::middleware
