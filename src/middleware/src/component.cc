#include "mutirao/middleware/component.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/cancel_region.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

struct Assembly::Part {
  std::string name;
  ComponentKind const* kind = nullptr;
  std::shared_ptr<Component> component;
  std::shared_ptr<Component> old;  // on its way out, while the new one is on probation
  ComponentKind const* old_kind = nullptr;
  ComponentState state = ComponentState::resolved;
  std::uint32_t swaps = 0;
  std::uint32_t restarts = 0;
  std::vector<TimePoint> recent_restarts;
  std::string why;
  bool on_probation = false;
  bool stopping = false;
  threads::cancel_region* region = nullptr;  // around its run()

  void end_run() noexcept {
    if (region != nullptr) region->request_stop();
  }
};

Result<void> Component::run() { return threads::sleep_until(TimePoint::max()); }

std::string_view to_string(ComponentState state) noexcept {
  switch (state) {
    case ComponentState::resolved:
      return "resolved";
    case ComponentState::started:
      return "started";
    case ComponentState::active:
      return "active";
    case ComponentState::quiescing:
      return "quiescing";
    case ComponentState::stopped:
      return "stopped";
    case ComponentState::failed:
      return "failed";
  }
  return "failed";
}

Assembly::Assembly(Broker& broker, Supervision supervision, std::function<void(Error)> given_up)
    : broker_{broker}, supervision_{supervision}, given_up_{std::move(given_up)} {}

Assembly::~Assembly() {
  {
    std::lock_guard const lock{mutex_};
    for (auto const& [name, part] : parts_) part->stopping = true;
  }
  scope_.request_stop();
  static_cast<void>(scope_.join());
  for (auto name = order_.rbegin(); name != order_.rend(); ++name) {
    auto const& part = parts_.find(*name)->second;
    for (auto const& port : part->kind->provides)
      static_cast<void>(broker_.objects().remove(port.name, Deadline::never()));
    part->component.reset();
    part->old.reset();
  }
}

void Assembly::add_kind(ComponentKind kind) {
  std::lock_guard const lock{mutex_};
  auto name = kind.name;
  kinds_.insert_or_assign(std::move(name), std::move(kind));
}

Result<ComponentKind const*> Assembly::kind_of(std::string_view name) const {
  std::lock_guard const lock{mutex_};
  auto const found = kinds_.find(name);
  if (found != kinds_.end()) return &found->second;
  std::vector<std::string_view> names;
  for (auto const& [each, unused] : kinds_) names.push_back(each);
  return fail(Fault::not_found, fmt::format("there is no kind of component called {}", name),
              fmt::format("one of: {}", fmt::join(names, ", ")));
}

Result<std::vector<std::string>> Assembly::order_of(
    std::map<std::string, ComponentKind const*> const& components) {
  std::map<std::string_view, std::string_view> provider;
  for (auto const& [name, kind] : components)
    for (auto const& port : kind->provides) provider[port.name] = name;
  std::vector<std::string> order;
  std::vector<std::string_view> path;
  // Depth first; who is met again on the path down to it closes a circle.
  auto const visit = [&](auto const& self, std::string_view name) -> Result<void> {
    if (std::ranges::find(order, name) != order.end()) return {};
    if (auto const met = std::ranges::find(path, name); met != path.end()) {
      std::string circle;
      for (auto at = met; at != path.end(); ++at) circle += fmt::format("{} needs ", *at);
      return fail(Fault::invalid, fmt::format("components in a circle: {}{}", circle, name),
                  "what both need has to be a component of its own");
    }
    path.push_back(name);
    for (auto const& need : components.at(std::string{name})->needs) {
      auto const found = provider.find(need.port);
      if (found != provider.end()) MUT_TRY(self(self, found->second));
    }
    path.pop_back();
    order.emplace_back(name);
    return {};
  };
  for (auto const& [name, kind] : components) MUT_TRY(visit(visit, name));
  return order;
}

/// Whether a component of this kind, under that name, fits in.
Result<void> Assembly::check(std::string const& name, ComponentKind const& kind) const {
  std::lock_guard const lock{mutex_};
  std::map<std::string, ComponentKind const*> all;
  for (auto const& [each, part] : parts_) all[each] = part->kind;
  all[name] = &kind;
  std::map<std::string_view, Port const*> ports;
  for (auto const& [each, of] : all) {
    for (auto const& port : of->provides) {
      if (!ports.emplace(port.name, &port).second)
        return fail(Fault::invalid, fmt::format("two components offer the port {}", port.name));
    }
  }
  for (auto const& [each, of] : all) {
    for (auto const& need : of->needs) {
      auto const found = ports.find(need.port);
      if (found == ports.end())
        return fail(Fault::not_found,
                    fmt::format("{} needs the port {}, which nobody offers", each, need.port));
      auto const& port = *found->second;
      if (port.type != need.type)
        return fail(Fault::invalid, fmt::format("{} needs {} to be a {}, and it is a {}", each,
                                                need.port, need.type, port.type));
      if (port.version < need.version_min || port.version > need.version_max)
        return fail(Fault::invalid,
                    fmt::format("{} needs version {} to {} of {}, and that would be {}", each,
                                need.version_min, need.version_max, need.port, port.version),
                    "replace the one that needs it as well");
    }
  }
  MUT_TRY(order_of(all));
  return {};
}

Result<std::unique_ptr<Component>> Assembly::make_started(ComponentKind const& kind) const {
  try {
    auto component = MUT_TRY(kind.make());
    MUT_TRY(component->start());
    MUT_TRY(component->probe());
    return component;
  } catch (...) {
    return std::unexpected{threads::detail::escaped_exception()};
  }
}

Result<void> Assembly::add(std::string name, std::string_view kind_name) {
  std::lock_guard const one{changing_};
  auto const* const kind = MUT_TRY(kind_of(kind_name));
  {
    std::lock_guard const lock{mutex_};
    if (parts_.contains(name))
      return fail(Fault::refused, fmt::format("there is a component called {} already", name));
  }
  MUT_TRY(check(name, *kind));
  auto part = std::make_shared<Part>();
  part->name = name;
  part->kind = kind;
  part->component = MUT_TRY(make_started(*kind));
  std::vector<std::string> offered;
  for (auto const& port : kind->provides) {
    auto const added =
        broker_.objects().add(port.name, part->component->port(port.name), {.about = kind->about});
    if (!added) {
      for (auto const& each : offered)
        static_cast<void>(broker_.objects().remove(each, Deadline::never()));
      return added;
    }
    offered.push_back(port.name);
  }
  part->state = ComponentState::active;
  {
    std::lock_guard const lock{mutex_};
    parts_.emplace(name, part);
    order_.push_back(std::move(name));
  }
  scope_.spawn("component", [this, part] { supervise(part); }, {.isolated = true});
  return {};
}

namespace {
Result<void> run_whole(Component& component) {
  try {
    MUT_TRY(component.run());
  } catch (...) {
    return std::unexpected{threads::detail::escaped_exception()};
  }
  return component.Component::run();  // nothing more to do: until somebody ends it
}
}  // namespace

/// Runs what the component does all the time, and starts it again when that fails.
void Assembly::supervise(std::shared_ptr<Part> part) {
  for (;;) {
    std::shared_ptr<Component> component;
    threads::cancel_region region;
    {
      std::lock_guard const lock{mutex_};
      if (part->stopping) return;
      component = part->component;
      part->region = &region;
    }
    auto const ended = run_whole(*component);
    {
      std::lock_guard const lock{mutex_};
      part->region = nullptr;
      if (part->stopping) return;
      if (part->component != component) continue;  // it was replaced
      part->why = ended.error().what;
    }
    if (auto const again = restart(*part); !again) {
      if (again.error().fault != Fault::cancelled) given_up_(again.error());
      return;
    }
  }
}

Result<void> Assembly::restart(Part& part) {
  for (;;) {
    auto const now = threads::now();
    {
      std::lock_guard const lock{mutex_};
      std::erase_if(part.recent_restarts,
                    [&](auto const when) { return now - when > supervision_.within; });
      if (part.recent_restarts.size() >= supervision_.restarts_max) {
        part.state = ComponentState::failed;
        return fail(
            Fault::exhausted,
            fmt::format("component {} failed {} times within {} s: {}", part.name,
                        part.recent_restarts.size() + 1,
                        std::chrono::floor<std::chrono::seconds>(supervision_.within).count(),
                        part.why),
            "see the log; then start the node again");
      }
      part.recent_restarts.push_back(now);
      ++part.restarts;
    }
    MUT_TRY(threads::sleep_for(supervision_.pause));
    std::lock_guard const one{changing_};
    {
      std::lock_guard const lock{mutex_};
      if (part.stopping) return fail(Fault::cancelled, "it was removed");
    }
    auto fresh = make_started(*part.kind);
    // What it knew may be what it failed of: it begins anew.
    auto done = fresh ? hand_over(part, *part.kind, *std::move(fresh), false, supervision_.within)
                      : Result<void>{std::unexpected{std::move(fresh).error()}};
    if (done) return {};
    std::lock_guard const lock{mutex_};
    part.why = done.error().what;
  }
}

namespace {
/// Puts `component` behind all ports of its kind. All or nothing: they are parts of one thing, so
/// each is held until the last is, and then `between` runs.
Result<void> replace_ports(ObjectAdapter& objects, ComponentKind const& kind, Component& component,
                           std::function<Result<void>()> const& between, Deadline deadline,
                           std::size_t first = 0) {
  if (first == kind.provides.size()) return between();
  auto const& port = kind.provides[first].name;
  return objects.replace(
      port, component.port(port),
      [&] { return replace_ports(objects, kind, component, between, deadline, first + 1); },
      deadline);
}

Result<void> probe_of(Component& component) {
  try {
    return component.probe();
  } catch (...) {
    return std::unexpected{threads::detail::escaped_exception()};
  }
}
}  // namespace

/// Puts `next` in the part's place.
Result<void> Assembly::hand_over(Part& part, ComponentKind const& kind,
                                 std::unique_ptr<Component> next, bool with_state, Duration drain) {
  std::shared_ptr<Component> const fresh = std::move(next);
  {
    std::lock_guard const lock{mutex_};
    part.state = ComponentState::quiescing;
  }
  auto done = replace_ports(
      broker_.objects(), kind, *fresh,
      [&]() -> Result<void> {
        if (!with_state) return {};
        auto const state = MUT_TRY(part.component->export_state());
        return fresh->import_state(state);
      },
      threads::within(drain));
  std::lock_guard const lock{mutex_};
  part.state = ComponentState::active;
  if (done) {
    part.old = with_state ? part.component : nullptr;
    part.old_kind = part.kind;
    part.component = fresh;
    part.kind = &kind;
    part.end_run();
  }
  return done;
}

Result<void> Assembly::swap(std::string_view name, std::string_view kind_name,
                            SwapOptions options) {
  std::lock_guard const one{changing_};
  auto const* const kind = MUT_TRY(kind_of(kind_name));
  std::shared_ptr<Part> part;
  {
    std::lock_guard const lock{mutex_};
    auto const found = parts_.find(name);
    if (found == parts_.end())
      return fail(Fault::not_found, fmt::format("there is no component called {}", name),
                  "mutirao component list tells what there is");
    part = found->second;
    if (part->on_probation)
      return fail(Fault::refused, fmt::format("{} is on probation", name),
                  "wait until that is over");
    auto const same = [](Port const& a, Port const& b) { return a.name == b.name; };
    if (!std::ranges::is_permutation(part->kind->provides, kind->provides, same))
      return fail(Fault::invalid,
                  fmt::format("a {} does not offer the ports of {}", kind_name, name));
  }
  MUT_TRY(check(part->name, *kind));
  auto next = make_started(*kind);
  if (!next)
    return std::unexpected{std::move(next).error().during(
        fmt::format("{} goes on as it was; the new one does not start", name))};
  auto done = hand_over(*part, *kind, *std::move(next), true, options.drain);
  if (!done)
    return std::unexpected{
        std::move(done).error().during(fmt::format("{} goes on as it was", name))};
  {
    std::lock_guard const lock{mutex_};
    ++part->swaps;
    part->on_probation = true;
  }
  scope_.spawn("probation", [this, part, options] { follow_probation(part, options.probation); },
               {.isolated = true});
  return {};
}

/// Returns to the old one when the new one turns out to be unwell.
void Assembly::follow_probation(std::shared_ptr<Part> part, Duration probation) {
  auto const end = threads::now() + probation;
  auto const step = std::max<Duration>(probation / 20, 1ms);
  std::optional<Error> unwell;
  while (!unwell && threads::now() < end) {
    if (!threads::sleep_for(std::min<Duration>(step, end - threads::now()))) break;
    std::shared_ptr<Component> component;
    {
      std::lock_guard const lock{mutex_};
      component = part->component;
    }
    if (auto const well = probe_of(*component); !well) unwell = well.error();
  }
  std::lock_guard const one{changing_};
  std::shared_ptr<Component> old;
  ComponentKind const* old_kind = nullptr;
  {
    std::lock_guard const lock{mutex_};
    part->on_probation = false;
    old = std::exchange(part->old, nullptr);
    old_kind = part->old_kind;
    if (!unwell || old == nullptr) return;
    part->why = unwell->what;
  }
  auto const returned = replace_ports(
      broker_.objects(), *old_kind, *old,
      [&]() -> Result<void> {
        // With what the new one has learnt, if it can still tell.
        if (auto const state = part->component->export_state())
          static_cast<void>(old->import_state(*state));
        return {};
      },
      threads::within(supervision_.within));
  if (!returned) return;
  std::lock_guard const lock{mutex_};
  part->component = std::move(old);
  part->kind = old_kind;
  part->end_run();
}

/// All of them; when one is still being called at the deadline, all are there again.
Result<void> Assembly::remove_ports(Part& part, Deadline deadline) {
  auto& objects = broker_.objects();
  std::vector<std::string> removed;
  Result<void> done;
  for (auto const& port : part.kind->provides) {
    if (!done) break;
    removed.push_back(port.name);
    done = objects.remove(port.name, deadline);
  }
  if (done) return {};
  for (auto const& name : removed)
    MUT_TRY(objects.add(name, part.component->port(name), {.about = part.kind->about}));
  return std::unexpected{std::move(done).error().during(
      fmt::format("{} is still being called, and stays", part.name))};
}

Result<void> Assembly::remove(std::string_view name, Deadline deadline) {
  std::lock_guard const one{changing_};
  std::shared_ptr<Part> part;
  {
    std::lock_guard const lock{mutex_};
    auto const found = parts_.find(name);
    if (found == parts_.end())
      return fail(Fault::not_found, fmt::format("there is no component called {}", name));
    part = found->second;
    for (auto const& [other, of] : parts_) {
      for (auto const& need : of->kind->needs) {
        if (std::ranges::find(part->kind->provides, need.port, &Port::name) !=
            part->kind->provides.end())
          return fail(Fault::refused, fmt::format("{} needs {}", other, name),
                      fmt::format("remove {} first", other));
      }
    }
    part->stopping = true;
  }
  if (auto done = remove_ports(*part, deadline); !done) {
    std::lock_guard const lock{mutex_};
    part->stopping = false;
    return done;
  }
  std::lock_guard const lock{mutex_};
  part->state = ComponentState::stopped;
  part->end_run();
  parts_.erase(part->name);
  std::erase(order_, part->name);
  return {};
}

std::vector<Assembly::Listed> Assembly::list() const {
  std::lock_guard const lock{mutex_};
  std::vector<Listed> all;
  for (auto const& name : order_) {
    auto const& part = *parts_.find(name)->second;
    auto& listed = all.emplace_back();
    listed.name = name;
    listed.kind = part.kind->name;
    listed.about = part.kind->about;
    listed.state = to_string(part.state);
    listed.swaps = part.swaps;
    listed.restarts = part.restarts;
    listed.on_probation = part.on_probation;
    listed.why = part.why;
    for (auto const& port : part.kind->provides) {
      listed.ports.push_back(port.name);
      for (auto const& [other, of] : parts_)
        if (std::ranges::find(of->kind->needs, port.name, &Need::port) != of->kind->needs.end())
          listed.needed_by.push_back(other);
    }
    for (auto const& need : part.kind->needs) listed.needs.push_back(need.port);
  }
  return all;
}

std::vector<std::string> Assembly::kinds_for(std::string_view name) const {
  std::lock_guard const lock{mutex_};
  std::vector<std::string> fitting;
  auto const found = parts_.find(name);
  if (found == parts_.end()) return fitting;
  auto const same = [](Port const& a, Port const& b) { return a.name == b.name; };
  for (auto const& [each, kind] : kinds_)
    if (std::ranges::is_permutation(found->second->kind->provides, kind.provides, same))
      fitting.push_back(each);
  return fitting;
}

}  // namespace mutirao::middleware
