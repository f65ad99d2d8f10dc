// Nothing can ever happen again: who waits for whom, and the end.
#include <algorithm>
#include <cstdio>
#include <dirent.h>
#include <string>
#include <unistd.h>

#include <fmt/format.h>

#include "runtime_state.h"
#include "thread_list.h"

namespace mutirao::threads {

namespace {
constexpr int kDeadlocked = 2;

bool is_kernel_worker(std::string const& task) {
  std::string name(16, '\0');
  std::FILE* const file = std::fopen(("/proc/self/task/" + task + "/comm").c_str(), "re");
  if (file == nullptr) return true;  // gone
  name.resize(std::fread(name.data(), 1, name.size(), file));
  std::fclose(file);
  return name.starts_with("iou-");  // of io_uring
}

/// The kernel threads of this process that run code of it.
unsigned kernel_threads() {
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return ~0u;
  unsigned count = 0;
  while (dirent const* const each = readdir(tasks)) {
    if (each->d_name[0] != '.' && !is_kernel_worker(each->d_name)) ++count;
  }
  closedir(tasks);
  return count;
}

/// Waits that only another thread of the runtime can end.
bool forsaken(listed_thread const& thread) noexcept {
  if (thread.state != thread_state::parked) return false;
  switch (thread.kind) {
    case wait_kind::timer:
    case wait_kind::readable:
    case wait_kind::writable:
    case wait_kind::file:
    case wait_kind::blocking_call:
      return false;
    default:
      return true;
  }
}

[[noreturn]] void tell_deadlock(runtime::state const& state, std::vector<listed_thread>& threads) {
  look_up_holders(threads);
  auto text = state.simulated
                  ? fmt::format(
                        "mutirao: deadlock in the simulated runtime with seed {}: no "
                        "thread is ready and no timer is set; each of these waits for "
                        "another:\n",
                        state.options.simulated->seed)
                  : std::string{
                        "mutirao: deadlock: no thread is ready, no timer is set and nothing from "
                        "outside can wake one; each of these waits for another:\n"};
  for (auto const& each : describe(state, threads)) text += "  " + thread_line(each) + "\n";
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
  _exit(kDeadlocked);  // nobody is left to take anything down
}
}  // namespace

void runtime::state::report_deadlock() {
  auto threads = list_threads(*this);
  tell_deadlock(*this, threads);
}

void runtime::state::look_for_deadlock() {
  if (!options.report_deadlock) return;
  auto const quiet = [&] {
    return idle.load(std::memory_order_seq_cst) >= processors.size() && !work_queued() &&
           lent.load(std::memory_order_seq_cst) == 0 &&
           std::ranges::all_of(processors, [](auto const& each) {
             return each->timers.earliest() == TimePoint::max();
           });
  };
  auto const picks = [&] {
    std::uint64_t sum = 0;
    for (auto const& each : processors) sum += each->picks.load(std::memory_order_seq_cst);
    return sum;
  };
  if (!quiet()) return;
  auto const before = picks();
  auto threads = list_threads(*this);
  if (threads.empty() || !std::ranges::all_of(threads, forsaken)) return;
  // Another kernel thread of the program may wake one of them some day.
  if (kernel_threads() > own_kernel_threads()) return;
  if (quiet() && picks() == before && !ending.load() && !stop_asked.load())
    tell_deadlock(*this, threads);
}

}  // namespace mutirao::threads
