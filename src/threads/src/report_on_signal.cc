#include <csignal>
#include <cstring>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/diagnostics.h"

#include "runtime_state.h"

namespace mutirao::threads {

namespace {
void write_all(std::string const& text) noexcept {
  for (std::size_t done = 0; done < text.size();) {
    auto const put = write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (put <= 0) return;
    done += static_cast<std::size_t>(put);
  }
}
}  // namespace

struct report_on_signal::state {
  runtime& subject;
  int number;
  sigset_t waited;
  sigset_t before;
  std::atomic<bool> ending{false};
  std::thread kernel_thread;

  void serve() {
    prctl(PR_SET_NAME, "lwp-reporter", 0, 0, 0);
    for (int arrived = 0;;) {
      if (sigwait(&waited, &arrived) != 0) continue;
      if (ending.load()) return;
      write_all(to_text(subject.report()));
    }
  }
};

report_on_signal::report_on_signal(runtime& subject, int number)
    : state_{new state{
          .subject = subject, .number = number, .waited = {}, .before = {}, .kernel_thread = {}}} {
  sigemptyset(&state_->waited);
  sigaddset(&state_->waited, number);
  int const refused = pthread_sigmask(SIG_BLOCK, &state_->waited, &state_->before);
  MUT_ASSERT(refused == 0);
  subject.count_own_kernel_thread(+1);
  state_->kernel_thread = std::thread{[this] { state_->serve(); }};
}

report_on_signal::~report_on_signal() {
  state_->ending = true;
  pthread_kill(state_->kernel_thread.native_handle(), state_->number);
  state_->kernel_thread.join();
  state_->subject.count_own_kernel_thread(-1);
  pthread_sigmask(SIG_SETMASK, &state_->before, nullptr);
}

}  // namespace mutirao::threads
