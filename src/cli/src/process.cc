#include "process.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "mutirao/node/json.h"

namespace mutirao::cli {
namespace {

constexpr int kReadyDescriptor = 3;
constexpr std::chrono::milliseconds kReapPoll{10};
constexpr char kReady[] = "ready\n";

/// Between fork and exec only calls that are safe there: other threads may have held locks.
[[noreturn]] void become(std::vector<char*> const& argv, int log, int ready, bool detached,
                         pid_t parent) noexcept {
  if (detached) {
    setsid();
  } else {
    setpgid(0, 0);
    die_with(parent);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int const null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(log >= 0 ? log : null, STDOUT_FILENO);
  dup2(log >= 0 ? log : null, STDERR_FILENO);
  if (ready == kReadyDescriptor)
    fcntl(ready, F_SETFD, 0);
  else
    dup2(ready, kReadyDescriptor);
  execv("/proc/self/exe", argv.data());
  _exit(127);
}

}  // namespace

Result<Process> Process::start(Options options) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0)
    return std::unexpected{base::system_error(errno, "starting a node")};
  int const log = options.log_file.empty() ? -1
                                           : open(options.log_file.c_str(),
                                                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::vector<std::string> words{"mutirao"};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  if (options.tells_ready)
    words.insert(words.end(), {"--ready-fd", std::to_string(kReadyDescriptor)});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t const parent = getpid();
  pid_t const id = fork();
  if (id == 0) become(argv, log, ready[1], options.detached, parent);
  int const failure = errno;
  close(ready[1]);
  if (log >= 0) close(log);
  if (id < 0) {
    close(ready[0]);
    return std::unexpected{base::system_error(failure, "starting a node")};
  }
  return Process{id, ready[0], std::move(options)};
}

Result<Process> Process::copy(std::move_only_function<int()> body) {
  pid_t const parent = getpid();
  std::fflush(nullptr);  // or the copy would write once more what waits
  pid_t const id = fork();
  if (id < 0) return std::unexpected{base::system_error(errno, "starting a process")};
  if (id > 0) return Process{id, -1, {}};
  setpgid(0, 0);
  die_with(parent);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int const null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  close(null);
  _exit(body());
}

Process::Process(Process&& other) noexcept
    : id_{std::exchange(other.id_, -1)},
      ready_{std::exchange(other.ready_, -1)},
      options_{std::move(other.options_)},
      ended_{other.ended_} {}

Process::~Process() {
  if (ready_ >= 0) close(ready_);
  if (id_ < 0 || options_.detached || ended_) return;
  kill();
  (void)wait(std::chrono::milliseconds{5000});
}

Result<void> Process::wait_ready(std::chrono::milliseconds at_most) {
  std::string told;
  auto const end = std::chrono::steady_clock::now() + at_most;
  while (true) {
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          end - std::chrono::steady_clock::now())
                          .count();
    pollfd waiting{.fd = ready_, .events = POLLIN, .revents = 0};
    int const got = left <= 0 ? 0 : poll(&waiting, 1, static_cast<int>(left));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return fail(Fault::timed_out, "the new node does not answer yet",
                  "read its log: " + options_.log_file);
    char buffer[4096];
    auto const size = read(ready_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    told.append(buffer, static_cast<std::size_t>(size));
    if (told == kReady) return {};
  }
  if (!told.empty()) return std::unexpected{node::error_from_json(told)};
  return fail(Fault::closed, "the new node ended before it answered",
              "read its log: " + options_.log_file);
}

void Process::interrupt() noexcept {
  if (id_ > 0 && !ended_) ::kill(id_, SIGTERM);
}

void Process::kill() noexcept {
  if (id_ > 0 && !ended_) ::kill(id_, SIGKILL);
}

std::optional<int> Process::wait(std::chrono::milliseconds at_most) {
  auto const end = std::chrono::steady_clock::now() + at_most;
  while (!ended_) {
    int status = 0;
    pid_t const got = waitpid(id_, &status, WNOHANG);
    if (got == id_)
      ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    else if (got < 0 && errno != EINTR)
      ended_ = 127;
    else if (std::chrono::steady_clock::now() >= end)
      break;
    else
      std::this_thread::sleep_for(kReapPoll);
  }
  return ended_;
}

void Process::pause(std::chrono::milliseconds time) noexcept { std::this_thread::sleep_for(time); }

void close_inherited(int except) noexcept {
  unsigned first = STDERR_FILENO + 1;
  if (except > STDERR_FILENO) {
    if (first < static_cast<unsigned>(except))
      close_range(first, static_cast<unsigned>(except) - 1, 0);
    first = static_cast<unsigned>(except) + 1;
  }
  close_range(first, ~0u, 0);
}

void die_with(std::int64_t parent) noexcept {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);  // it ended before the kernel was told
}

void tell_ready(int descriptor, Error const* error) noexcept {
  if (descriptor < 0) return;
  auto const text = error == nullptr ? std::string{kReady} : node::to_json(*error);
  [[maybe_unused]] auto const written = write(descriptor, text.data(), text.size());
  close(descriptor);
}

OpenFileLimit raise_open_file_limit() noexcept {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return {limit.rlim_cur, limit.rlim_max};
}

}  // namespace mutirao::cli
