#include "interrupts.h"

#include <cstdlib>

#include "report.h"

namespace mutirao::cli {

Interrupts::Interrupts(threads::signal_set& signals) {
  watcher_.spawn("signals",
                 [this, &signals] {
                   while (signals.wait()) {
                     if (interrupted_.exchange(true)) std::_Exit(kInterrupted);
                     work_.request_stop();
                   }
                 },
                 {.isolated = true});
}

Result<void> Interrupts::run(std::function<Result<void>()> work) {
  work_.spawn("work", std::move(work), {.stack = threads::stack_size::large});
  return work_.join();
}

}  // namespace mutirao::cli
