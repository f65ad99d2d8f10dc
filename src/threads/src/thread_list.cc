// Who there is and what each is doing: a walk down the tree of scopes.
#include "thread_list.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/threads/diagnostics.h"

#include "mutex_access.h"
#include "runtime_state.h"
#include "scope_state.h"
#include "ticks.h"

namespace mutirao::threads {

namespace {
/// Locks are taken downwards, as a stop request does on the same way; the whole way stays locked,
/// so that no thread and no scope on it can end meanwhile.
void list_from(thread_control& thread, unsigned depth, std::vector<listed_thread>& into) {
  listed_thread each;
  each.id = thread.id;
  each.name = thread.name;
  each.depth = depth;
  each.state = thread.phase.load(std::memory_order_relaxed);
  each.kind = thread.wait_for.load(std::memory_order_relaxed);
  each.object = thread.wait_object.load(std::memory_order_relaxed);
  each.detail = thread.wait_detail.load(std::memory_order_relaxed);
  each.since = thread.since.load(std::memory_order_relaxed);
  each.born = thread.born;
  each.stop_requested = thread.stop.load(std::memory_order_relaxed);
  each.stack_low = reinterpret_cast<std::uintptr_t>(thread.stack.low);
  each.stack_end = each.stack_low + thread.stack.size;
  into.push_back(std::move(each));
  spin_guard const own{thread.stop_lock};
  for (auto* made = thread.scopes; made != nullptr; made = made->next_made) {
    spin_guard const inner{made->lock};
    for (auto* child = made->first; child != nullptr; child = child->next_sibling)
      list_from(*child, depth + 1, into);
  }
}

/// Names the thread whose stack an address lies on.
class stack_finder {
 public:
  explicit stack_finder(std::vector<listed_thread> const& threads) {
    for (auto const& each : threads) by_stack_.push_back(&each);
    std::ranges::sort(by_stack_, {}, &listed_thread::stack_low);
  }
  [[nodiscard]] listed_thread const* owner(std::uintptr_t address) const noexcept {
    auto const above = std::ranges::upper_bound(by_stack_, address, {}, &listed_thread::stack_low);
    if (above == by_stack_.begin()) return nullptr;
    auto const* const found = *std::prev(above);
    return address < found->stack_end ? found : nullptr;
  }

 private:
  std::vector<listed_thread const*> by_stack_;
};

std::string holder_text(stack_finder const& stacks, std::uintptr_t address) {
  if (address == 0) return {};
  auto const* const holder = stacks.owner(address);
  if (holder == nullptr) return ", held by an LWP outside the runtime";
  return fmt::format(", held by {} (thread {})", holder->name, holder->id);
}

std::string wait_text(listed_thread const& thread, stack_finder const& stacks) {
  switch (thread.kind) {
    case wait_kind::mutex:
    case wait_kind::shared_mutex:
      return fmt::format("{} {}{}", to_string(thread.kind), thread.object,
                         holder_text(stacks, thread.detail));
    case wait_kind::readable:
      return thread.object == nullptr ? fmt::format("reading descriptor {}", thread.detail)
                                      : std::string{"something to read"};
    case wait_kind::writable:
      return thread.object == nullptr ? fmt::format("writing descriptor {}", thread.detail)
                                      : std::string{"room to write"};
    case wait_kind::join:
      return "the threads of its scope";
    case wait_kind::file:
      return "a file operation";
    case wait_kind::timer:
      return "a timer";
    case wait_kind::blocking_call:
      return "a blocking call";
    case wait_kind::other:
    case wait_kind::condition:
    case wait_kind::semaphore:
    case wait_kind::latch:
    case wait_kind::channel:
    case wait_kind::select:
      break;
  }
  return thread.object != nullptr ? fmt::format("{} {}", to_string(thread.kind), thread.object)
                                  : std::string{to_string(thread.kind)};
}
}  // namespace

std::vector<listed_thread> list_threads(runtime::state& state) {
  std::vector<listed_thread> all;
  // What is copied under the locks should not have to wait for memory.
  all.reserve(state.threads_alive() + 64);
  state.with_main([&](thread_control& first) { list_from(first, 0, all); });
  return all;
}

std::vector<thread_info> describe(runtime::state const& state,
                                  std::vector<listed_thread> const& listed) {
  stack_finder const stacks{listed};
  std::uint64_t const now = state.stamp();
  std::vector<std::string> path;  // of the threads above the next one
  std::vector<thread_info> threads;
  threads.reserve(listed.size());
  for (auto const& each : listed) {
    path.resize(each.depth);
    bool const waits = each.state == thread_state::parked || each.state == thread_state::blocked;
    threads.push_back({.id = each.id,
                       .name = each.name,
                       .scope = fmt::format("{}", fmt::join(path, " > ")),
                       .depth = each.depth,
                       .state = each.state,
                       .waits_for = each.kind,
                       .wait = waits ? wait_text(each, stacks) : std::string{},
                       .since = state.between(each.since, now),
                       .age = state.between(each.born, now),
                       .stop_requested = each.stop_requested});
    path.push_back(each.name);
  }
  return threads;
}

void look_up_holders(std::vector<listed_thread>& listed) noexcept {
  for (auto& each : listed) {
    if (each.state != thread_state::parked) continue;
    if (each.kind == wait_kind::mutex)
      each.detail = mutex_access::holder(*static_cast<mutex const*>(each.object));
    if (each.kind == wait_kind::shared_mutex)
      each.detail = mutex_access::holder(*static_cast<shared_mutex const*>(each.object));
  }
}

}  // namespace mutirao::threads
