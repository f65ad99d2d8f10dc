// Echo with 1,000 connections on one LWP: straight on the poller and through the World, beside a
// bare epoll loop and Boost.Asio.
#include "echo.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdlib>
#include <netinet/tcp.h>
#include <sched.h>
#include <span>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "mutirao/threads/io.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "measure.h"

namespace bench {

namespace {
using Clock = std::chrono::steady_clock;
using mutirao::Deadline;
namespace threads = mutirao::threads;

constexpr int kConnections = 1000;
constexpr std::chrono::milliseconds kWarmUp{300};
constexpr std::chrono::milliseconds kMeasured{1500};

void pin_to(unsigned cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  static_cast<void>(::sched_setaffinity(0, sizeof one, &one));  // with one CPU there is no choice
}

sockaddr_in loopback(unsigned short port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

int connect_to(unsigned short port) {
  int const stream = ::socket(AF_INET, SOCK_STREAM, 0);
  auto const to = loopback(port);
  if (::connect(stream, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) std::abort();
  int const on = 1;
  ::setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return stream;
}

/// A listening socket, and its port told.
int listen_bare(int connections, std::function<void(unsigned short)> const& listening) {
  int const listener = ::socket(AF_INET, SOCK_STREAM, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::listen(listener, connections) != 0)
    std::abort();
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  listening(ntohs(at.sin_port));
  return listener;
}

int accept_bare(int listener) {
  int const stream = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  int const on = 1;
  ::setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return stream;
}

/// The generator may be gone by now; the next read tells.
void answer(int stream, std::span<char const> message) {
  ::send(stream, message.data(), message.size(), MSG_NOSIGNAL);
}

void serve_bare(int connections, std::function<void(unsigned short)> listening) {
  int const listener = listen_bare(connections, listening);
  int const epoll = ::epoll_create1(0);
  for (int i = 0; i < connections; ++i) {
    int const stream = accept_bare(listener);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = stream;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, stream, &event);
  }
  std::array<char, kEchoBytes> message;
  std::array<epoll_event, 128> events;
  for (int open = connections; open > 0;) {
    int const count = ::epoll_wait(epoll, events.data(), events.size(), -1);
    for (int k = 0; k < count; ++k) {
      int const stream = events[static_cast<std::size_t>(k)].data.fd;
      auto const got = ::recv(stream, message.data(), message.size(), 0);
      if (got > 0) {
        answer(stream, {message.data(), static_cast<std::size_t>(got)});
      } else {
        ::close(stream);
        --open;
      }
    }
  }
}

void echo_on_poller(threads::pollable& stream) {
  std::array<char, kEchoBytes> message;
  for (;;) {
    auto const got = ::recv(stream.descriptor(), message.data(), message.size(), 0);
    if (got > 0) {
      answer(stream.descriptor(), {message.data(), static_cast<std::size_t>(got)});
      if (!threads::io_checkpoint()) return;
    } else if (got == 0 || threads::last_error_number() != EAGAIN ||
               !stream.wait_readable(Deadline::never())) {
      return;
    }
  }
}

void serve_on_poller(int connections, std::function<void(unsigned short)> listening) {
  int const listener = listen_bare(connections, listening);
  threads::runtime one{{.processors = 1}};
  one.run([&] {
    threads::scope all;
    for (int i = 0; i < connections; ++i) {
      all.spawn("server", [stream = threads::pollable{accept_bare(listener)}]() mutable {
        echo_on_poller(stream);
      });
    }
    static_cast<void>(all.join());
  });
}

void serve_through_world(int connections, std::function<void(unsigned short)> listening) {
  threads::runtime one{{.processors = 1}};
  one.run([&] {
    mutirao::base::SilentLog log;
    auto const world = mutirao::world::make_real_world(log);
    auto const listener = *world->network().listen({mutirao::world::IpAddress::loopback(), 0});
    listening(listener->local().port);
    threads::scope all;
    for (int i = 0; i < connections; ++i) {
      all.spawn("server", [stream = *listener->accept(Deadline::never())] {
        std::array<std::uint8_t, kEchoBytes> message;
        for (;;) {
          auto const got = stream->read_some(mutirao::MutableBytes{message}, Deadline::never());
          if (!got || *got == 0) return;
          static_cast<void>(
              stream->write_all(mutirao::ByteView{message}.first(*got), Deadline::never()));
        }
      });
    }
    static_cast<void>(all.join());
  });
}

/// One message under way on each stream; the latencies in nanoseconds of what was answered in the
/// measured time.
class Generator {
 public:
  explicit Generator(unsigned short port) : epoll_{::epoll_create1(0)}, sent_(kConnections) {
    for (int i = 0; i < kConnections; ++i) {
      streams_.push_back(connect_to(port));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<std::uint32_t>(i);
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, streams_.back(), &event);
    }
    for (std::uint32_t i = 0; i < kConnections; ++i) send(i);
  }
  ~Generator() {
    for (int const stream : streams_) ::close(stream);
    ::close(epoll_);
  }

  /// How many answers came; their latencies go to `into` when there is one.
  long run(Clock::duration time, std::vector<long>* into) {
    auto const until = Clock::now() + time;
    long answered = 0;
    std::array<epoll_event, 128> events;
    while (Clock::now() < until) {
      int const count = ::epoll_wait(epoll_, events.data(), events.size(), 1000);
      for (int k = 0; k < count; ++k) {
        auto const i = events[static_cast<std::size_t>(k)].data.u32;
        if (::recv(streams_[i], message_.data(), kEchoBytes, 0) != kEchoBytes) std::abort();
        if (into != nullptr) into->push_back((Clock::now() - sent_[i]).count());
        ++answered;
        send(i);
      }
    }
    return answered;
  }

 private:
  void send(std::uint32_t i) {
    sent_[i] = Clock::now();
    if (::send(streams_[i], message_.data(), kEchoBytes, 0) != kEchoBytes) std::abort();
  }

  int epoll_;
  std::vector<int> streams_;
  std::vector<Clock::time_point> sent_;
  std::array<char, kEchoBytes> message_{};
};

double at_quantile(std::vector<long>& values, double quantile) {
  auto const at = static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * quantile);
  std::ranges::nth_element(values, values.begin() + at);
  return static_cast<double>(values[static_cast<std::size_t>(at)]);
}

double seconds(timeval const& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

std::vector<Row> rows() {
  auto const rate = [](EchoServer serve) {
    return [serve] { return measure_echo(serve).requests_per_s; };
  };
  auto const cpu = [](EchoServer serve) {
    return [serve] { return measure_echo(serve).server_us_each; };
  };
  return {
      {.name = "echo, 1,000 connections, one LWP",
       .peer = "epoll loop",
       .unit = "requests/s, elapsed",
       .ours = rate(serve_on_poller),
       .theirs = rate(serve_bare),
       .judge = Judge::ratio_at_least,
       .gate = 0.8,
       .aim = 0.9,
       .rounds_least = 9},
      {.name = "echo, 1,000 connections, p99 / p50",
       .peer = "epoll loop",
       .unit = "ratio of latencies",
       .ours = [] { return measure_echo(serve_on_poller).p99_to_p50; },
       .theirs = [] { return measure_echo(serve_bare).p99_to_p50; },
       .judge = Judge::ours_at_most,
       .gate = 2,
       .aim = 1.3},
      {.name = "echo, 1,000 connections, one LWP",
       .peer = "Boost.Asio",
       .unit = "requests/s, elapsed",
       .ours = rate(serve_on_poller),
       .theirs = rate(serve_with_asio),
       .judge = Judge::inform},
      {.name = "echo through the World",
       .peer = "ours on the poller",
       .unit = "us of server CPU",
       .ours = cpu(serve_through_world),
       .theirs = cpu(serve_on_poller),
       .judge = Judge::ratio_at_most,
       .gate = 1.03,
       .aim = 1.01,
       .rounds_least = 15},
  };
}
Contribution const contributed{rows};
}  // namespace

EchoFigures measure_echo(EchoServer const& serve) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  pid_t const child = ::fork();
  if (child < 0) std::abort();
  if (child == 0) {
    pin_to(0);
    serve(kConnections, [&](unsigned short port) {
      if (::write(ends[1], &port, sizeof port) != sizeof port) std::abort();
    });
    ::_exit(0);
  }
  unsigned short port = 0;
  if (::read(ends[0], &port, sizeof port) != sizeof port) std::abort();
  cpu_set_t before;
  ::sched_getaffinity(0, sizeof before, &before);
  pin_to(1);
  EchoFigures figures;
  long requests = 0;
  {
    Generator load{port};
    requests = load.run(kWarmUp, nullptr);
    std::vector<long> latencies;
    latencies.reserve(1 << 20);
    auto const begun = Clock::now();
    auto const answered = load.run(kMeasured, &latencies);
    std::chrono::duration<double> const passed = Clock::now() - begun;
    requests += answered;
    figures.requests_per_s = static_cast<double>(answered) / passed.count();
    figures.p99_to_p50 = at_quantile(latencies, 0.99) / at_quantile(latencies, 0.5);
  }
  ::sched_setaffinity(0, sizeof before, &before);
  rusage used{};
  int status = 0;
  ::wait4(child, &status, 0, &used);
  if (status != 0) std::abort();
  figures.server_us_each =
      (seconds(used.ru_utime) + seconds(used.ru_stime)) * 1e6 / static_cast<double>(requests);
  for (int const end : ends) ::close(end);
  return figures;
}

}  // namespace bench
