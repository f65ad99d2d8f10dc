#pragma once

#include <functional>
#include <utility>

#include "mutirao/threads/runtime.h"

namespace mutirao::threads {

/// Runs `body` as the first thread of a real runtime with that many processors.
inline void run_real(unsigned processors, std::move_only_function<void()> body) {
  runtime real{{.processors = processors}};
  real.run(std::move(body));
}

/// The same with every thread moved to another processor whenever it waits.
inline void run_migrating(unsigned processors, std::move_only_function<void()> body) {
  runtime real{{.processors = processors, .migrate_always = true}};
  real.run(std::move(body));
}

/// The same under a simulated schedule.
inline void run_simulated(std::uint64_t seed, std::move_only_function<void()> body) {
  runtime simulated{{.simulated = simulated_schedule{seed}}};
  simulated.run(std::move(body));
}

}  // namespace mutirao::threads
