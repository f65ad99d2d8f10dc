#include "connection/dispatcher.h"

#include <mutex>

#include "mutirao/threads/this_thread.h"

#include "connection/connection.h"
#include "connection/protocol.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kSpareJobs = 4096;
}  // namespace

Dispatcher::Dispatcher(ObjectAdapter& adapter, Options options)
    : adapter_{adapter}, options_{options} {}

Dispatcher::~Dispatcher() {
  stop();
  while (auto* const job = line_.take()) delete job;
}

void Dispatcher::stop() {
  std::unique_lock lock{mutex_};
  closed_ = true;
  for (auto* each = idle_; each != nullptr;) {
    auto* const next = each->next;
    each->called = true;
    each->token.unpark();
    each = next;
  }
  idle_ = nullptr;
  lock.unlock();
  scope_.request_stop();
  static_cast<void>(scope_.join());
}

Job& Dispatcher::make_job() {
  {
    std::lock_guard const lock{mutex_};
    if (!spare_.empty()) {
      auto& job = *spare_.back().release();
      spare_.pop_back();
      return job;
    }
  }
  return *new Job;
}

void Dispatcher::recycle(Job& job) noexcept {
  std::unique_ptr<Job> mine{&job};
  job.from.reset();
  job.message.trim();
  job.attached.reset();
  job.taken_back.store(false, std::memory_order_relaxed);
  std::lock_guard const lock{mutex_};
  if (spare_.size() < kSpareJobs) spare_.push_back(std::move(mine));
}

void Dispatcher::submit(JobLine& jobs) {
  if (jobs.first == nullptr) return;
  std::unique_lock lock{mutex_};
  line_.append(jobs);
  if (!coming_) call_a_thread(lock);
}

void Dispatcher::call_a_thread(std::unique_lock<threads::mutex>& lock) {
  if (auto* const idle = idle_) {
    idle_ = idle->next;
    idle->called = true;
    coming_ = true;
    lock.unlock();
    idle->token.unpark();
  } else if (threads_ < options_.threads_max && !closed_) {
    ++threads_;
    coming_ = true;
    lock.unlock();
    scope_.spawn("call", [this] { work(); }, {.isolated = true});
  } else {
    lock.unlock();  // all are busy: the first that is done takes it
  }
}

void Dispatcher::work() {
  bool called = true;
  std::unique_lock lock{mutex_};
  for (;;) {
    auto* const job = line_.take();
    if (called) {
      called = false;
      coming_ = false;
    }
    if (job != nullptr) {
      if (line_.first != nullptr && !coming_)
        call_a_thread(lock);
      else
        lock.unlock();
      run(*job);
      threads::checkpoint();
      lock.lock();
      continue;
    }
    if (closed_) break;
    Idle self;
    self.next = idle_;
    idle_ = &self;
    lock.unlock();
    auto const reason = self.token.park(threads::within(options_.rest_max));
    lock.lock();
    if (self.called) {
      if (reason != threads::wake_reason::woken) {
        lock.unlock();
        self.token.until_woken();
        lock.lock();
      }
      called = true;
      continue;
    }
    for (auto** at = &idle_; *at != nullptr; at = &(*at)->next) {
      if (*at != &self) continue;
      *at = self.next;
      break;
    }
    break;
  }
  --threads_;
}

void Dispatcher::run(Job& job) {
  auto& connection = *job.from;
  auto const now = threads::now();
  auto const message = read_call(job.message.view());
  wire::MsgpackWriter scratch;
  Target target;
  if (!message) {
    Call call{target, {}, nullptr, {}};
    auto const& why = message.error();
    connection.answer(job, call.fail(not_executed(Fault::invalid, why.what, why.mend)), scratch);
    recycle(job);
    return;
  }
  target.object = message->object;
  target.epoch = message->epoch;
  target.capability = message->capability;
  Call call{target, message->method, nullptr, Arguments{message->arguments}};
  if (message->time_left) call.deadline = Deadline::at(job.arrived + *message->time_left);
  call.trace = message->trace;
  call.key = message->key;
  call.fields = message->fields;
  call.incoming = true;
  call.waited = now - job.arrived;
  call.caller = connection.caller();
  call.message = job.message.view();
  call.scratch = &scratch;
  ConnectionSink sink{connection, job};
  if (message->wants_items) call.items = &sink;
  ConnectionSource source{connection, job};
  if (message->brings) call.attachment = &source;
  {
    threads::cancel_region region{call.deadline};
    job.region.store(&region, std::memory_order_seq_cst);
    if (job.taken_back.load(std::memory_order_seq_cst)) region.request_stop();
    try {
      connection.answer(job, execute(call, job, now), scratch);  // after which nobody takes it back
    } catch (...) {
      connection.give_up(job, threads::detail::escaped_exception());
    }
    job.region.store(nullptr, std::memory_order_relaxed);
  }
  recycle(job);
}

Reply Dispatcher::execute(Call& call, Job const& job, TimePoint now) {
  if (job.taken_back.load(std::memory_order_relaxed))
    return call.fail(not_executed(Fault::cancelled, "the caller took the call back"));
  if (call.deadline.passed(now))
    return call.fail(not_executed(Fault::timed_out, "the call's time was over before it began"));
  try {
    return adapter_.execute(call);
  } catch (...) {  // an interceptor: what objects throw does not come so far
    return call.fail(
        Failure{threads::detail::escaped_exception(), Executed::maybe, Retry::never, {}, {}});
  }
}

}  // namespace mutirao::middleware
