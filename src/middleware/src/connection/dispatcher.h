#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/middleware/object_adapter.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/park.h"
#include "mutirao/threads/scope.h"

#include "connection/job.h"

namespace mutirao::middleware {

/// First come, first served.
struct JobLine {
  Job* first = nullptr;
  Job* last = nullptr;
  void add(Job& job) noexcept {
    job.next = nullptr;
    (last != nullptr ? last->next : first) = &job;
    last = &job;
  }
  void append(JobLine& other) noexcept {
    if (other.first == nullptr) return;
    (last != nullptr ? last->next : first) = other.first;
    last = other.last;
    other = {};
  }
  Job* take() noexcept {
    auto* const job = first;
    if (job == nullptr) return nullptr;
    first = job->next;
    if (first == nullptr) last = nullptr;
    return job;
  }
};

/// Runs calls, each on a thread that nobody else uses meanwhile, so that a servant may block.
///
/// A thread made for each call would cost more than most calls. So threads stay: one that finishes
/// a call takes the next from the line without a switch. At most one thread at a time is on its way
/// to the line, and it calls the next one only if something is left: calls that do not park are run
/// one after the other by one thread for each processor, and as soon as one parks, the next thread
/// is there.
class Dispatcher {
 public:
  struct Options {
    std::size_t threads_max = 10'000;
    Duration rest_max = std::chrono::seconds{10};  ///< a thread that nobody needed for so long ends
  };
  Dispatcher(ObjectAdapter& adapter, Options options);
  ~Dispatcher();  ///< stop()
  /// Takes back what is under way, and waits for it. What arrives later is left lying.
  void stop();

  /// Called for each message that arrives; any thread.
  [[nodiscard]] Job& make_job();
  void submit(JobLine& jobs);
  void recycle(Job& job) noexcept;

 private:
  struct Idle {
    threads::park_token token;
    Idle* next = nullptr;
    bool called = false;
  };

  void call_a_thread(std::unique_lock<threads::mutex>& lock);
  void work();
  void run(Job& job);
  Reply execute(Call& call, Job const& job, TimePoint now);

  ObjectAdapter& adapter_;
  Options options_;
  threads::mutex mutex_;
  JobLine line_;
  Idle* idle_ = nullptr;  // the last to come is the first to be called: its stack is warm
  bool coming_ = false;   // somebody was called and has not taken a job yet
  bool closed_ = false;
  std::size_t threads_ = 0;
  std::vector<std::unique_ptr<Job>> spare_;
  threads::scope scope_;
};

}  // namespace mutirao::middleware
