#include "mutirao/threads/signals.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/io.h"

namespace mutirao::threads {

struct signal_set::state {
  sigset_t numbers;
  sigset_t before;
  int descriptor = -1;
};

signal_set::signal_set(std::initializer_list<int> numbers) : state_{std::make_unique<state>()} {
  sigemptyset(&state_->numbers);
  for (int const number : numbers) sigaddset(&state_->numbers, number);
  pthread_sigmask(SIG_BLOCK, &state_->numbers, &state_->before);
  state_->descriptor = signalfd(-1, &state_->numbers, SFD_NONBLOCK | SFD_CLOEXEC);
  MUT_ASSERT(state_->descriptor >= 0);
}

signal_set::~signal_set() {
  close(state_->descriptor);
  pthread_sigmask(SIG_SETMASK, &state_->before, nullptr);
}

Result<int> signal_set::wait(Deadline deadline) {
  // The set is older than the runtime and its poller; so it joins the poller for one wait only.
  std::optional<pollable> watched;
  for (;;) {
    signalfd_siginfo arrived;
    auto const size = read(state_->descriptor, &arrived, sizeof arrived);
    if (size == sizeof arrived) return static_cast<int>(arrived.ssi_signo);
    int const failed = last_error_number();
    if (failed != EAGAIN && failed != EINTR)
      return std::unexpected{base::system_error(failed, "waiting for a signal")};
    if (!watched) {
      int const duplicate = fcntl(state_->descriptor, F_DUPFD_CLOEXEC, 0);
      if (duplicate < 0)
        return std::unexpected{base::system_error(last_error_number(), "waiting for a signal")};
      watched.emplace(duplicate);
    }
    if (auto ready = watched->wait_readable(deadline); !ready)
      return std::unexpected{std::move(ready).error()};
  }
}

}  // namespace mutirao::threads
