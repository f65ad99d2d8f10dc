#include "mutirao/threads/local.h"

#include <atomic>

#include "mutirao/base/check.h"

#include "lwp.h"
#include "thread_control.h"

namespace mutirao::threads {

namespace {
thread_control& owner_of_locals() noexcept {
  lwp* const here = current_lwp();
  MUT_ASSERT(here != nullptr && here->running != nullptr);  // only user threads have them
  return *here->running;
}
}  // namespace

namespace detail {
// Numbers are never used again: a local that is made where another one was has other values.
std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void* find_local(std::uint64_t key) noexcept {
  for (auto* each = owner_of_locals().locals; each != nullptr; each = each->next)
    if (each->key == key) return each->value;
  return nullptr;
}

void add_local(std::uint64_t key, void* value, void (*destroy)(void*)) {
  auto& first = owner_of_locals().locals;
  first = new local_value{.key = key, .value = value, .destroy = destroy, .next = first};
}
}  // namespace detail

void destroy_locals(thread_control& thread) noexcept {
  // A destructor may use others, and so make new ones.
  while (auto* const last = thread.locals) {
    thread.locals = last->next;
    last->destroy(last->value);
    delete last;
  }
}

}  // namespace mutirao::threads
