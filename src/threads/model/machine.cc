#include "machine.h"

#include "execute.h"
#include "kernel.h"

namespace mutirao::model {

namespace {
threads::runtime_options options_for(unsigned processors) {
  reset_kernel();
  return {.processors = processors, .use_io_uring = false};
}
}  // namespace

machine::machine(unsigned processors)
    : state{options_for(processors)},
      lwps_{threads::lwp{state}, threads::lwp{state}, threads::lwp{state}, threads::lwp{state}} {
  for (unsigned i = 0; i < processors; ++i) {
    lwps_[i].own = state.processors[i].get();
    // Timers and the poller are looked at when there is nothing else; never because it is time.
    lwps_[i].own->attend_at = ~0ull;
  }
  threads::monitor_access::prepare(state.watch);
}

threads::thread_control& machine::prepare(std::string name, std::move_only_function<void()> body) {
  auto* const made = state.make_thread(threads::stack_size::standard);
  state.roots.fetch_add(1, std::memory_order_relaxed);
  made->name = std::move(name);
  made->body = [body = std::move(body)]() mutable -> Result<void> {
    body();
    return {};
  };
  return *made;
}

void machine::start(unsigned processor, std::string name, std::move_only_function<void()> body) {
  auto& made = prepare(std::move(name), std::move(body));
  state.processors[processor]->queue.push(&made);
}

void machine::work(unsigned processor) {
  lwps_[processor].adopt_kernel_thread();
  work(lwps_[processor]);
}

void machine::work(threads::lwp& self) {
  while (self.own != nullptr) {
    auto* const next = self.own->queue.pop();
    if (next == nullptr) return;
    state.execute(self, *next);
  }
}

void machine::serve(threads::lwp& self) {
  self.adopt_kernel_thread();
  state.serve(self);
}

void machine::rest() {
  auto& spare = lwps_.back();
  spare.adopt_kernel_thread();
  spare.own = state.lwps.rest(spare);
  work(spare);
}

void machine::drain() {
  auto& last = lwps_.front();
  last.own = state.processors.front().get();
  last.adopt_kernel_thread();
  threads::thread_control* next = nullptr;
  while (state.shared.pop_some({&next, 1}) == 1) state.execute(last, *next);
  work(last);
}

}  // namespace mutirao::model
