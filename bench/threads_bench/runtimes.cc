#include "runtimes.h"

#include <sched.h>
#include <thread>

#include "mutirao/threads/runtime.h"

#include "measure.h"

namespace bench {

double ours_ns(double count, std::function<void()> const& work) {
  double result = 0;
  mutirao::threads::runtime runtime{{.processors = 1}};
  runtime.run([&] { result = ns_each(count, work); });
  return result;
}

double fibers_ns(double count, std::function<void()> const& work) {
  double result = 0;
  std::thread{[&] { result = ns_each(count, work); }}.join();
  return result;
}

void pin_to_cpu_0() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  sched_setaffinity(0, sizeof set, &set);
}

}  // namespace bench
