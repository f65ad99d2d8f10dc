// Sockets: a bulk stream and small echoes through the real World, beside the bare system calls.
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "measure.h"

namespace bench {

namespace {
using mutirao::Deadline;
using mutirao::world::Endpoint;
using mutirao::world::IpAddress;
using mutirao::world::World;

constexpr std::size_t kBulk = 2u << 30;
constexpr std::size_t kPart = 256u << 10;
constexpr int kConnections = 64;
constexpr int kEchoes = 2000;
constexpr std::size_t kMessage = 64;

void with_world(unsigned processors, std::function<void(World&)> const& work) {
  mutirao::threads::runtime runtime{{.processors = processors}};
  runtime.run([&] {
    mutirao::base::SilentLog log;
    auto const world = mutirao::world::make_real_world(log);
    work(*world);
  });
}

double ours_bulk() {
  double result = 0;
  with_world(2, [&](World& world) {
    auto const listener = *world.network().listen({IpAddress::loopback(), 0});
    auto const near = *world.network().connect(listener->local(), {}, Deadline::never());
    auto const far = *listener->accept(Deadline::never());
    result =
        ns_each(
            kBulk >> 20,
            [&] {
              mutirao::threads::scope scope;
              scope.spawn("sender", [&] {
                std::vector<std::uint8_t> part(kPart);
                for (std::size_t sent = 0; sent < kBulk; sent += kPart)
                  static_cast<void>(near->write_all(mutirao::ByteView{part}, Deadline::never()));
                near->close();
              });
              std::vector<std::uint8_t> part(kPart);
              for (;;) {
                auto const got = far->read_some(mutirao::MutableBytes{part}, Deadline::never());
                if (!got || *got == 0) break;
              }
              static_cast<void>(scope.join());
            }) /
        1000;
  });
  return result;
}

/// A listening socket on a free port of the loopback, and its address.
int listen_bare(sockaddr_in& at) {
  int const listener = ::socket(AF_INET, SOCK_STREAM, 0);
  at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::listen(listener, 1024) != 0)
    std::abort();
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size);
  return listener;
}

int connect_bare(sockaddr_in const& to) {
  int const stream = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(stream, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) std::abort();
  int const on = 1;
  ::setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return stream;
}

double bare_bulk() {
  sockaddr_in at;
  int const listener = listen_bare(at);
  int const near = connect_bare(at);
  int const far = ::accept(listener, nullptr, nullptr);
  double const cost = ns_each(kBulk >> 20, [&] {
    std::thread sender{[&] {
      std::vector<std::uint8_t> part(kPart);
      for (std::size_t sent = 0; sent < kBulk; sent += kPart) {
        for (std::size_t at_byte = 0; at_byte < kPart;) {
          auto const put = ::send(near, part.data() + at_byte, kPart - at_byte, MSG_NOSIGNAL);
          if (put <= 0) std::abort();
          at_byte += static_cast<std::size_t>(put);
        }
      }
      ::shutdown(near, SHUT_RDWR);
    }};
    std::vector<std::uint8_t> part(kPart);
    while (::recv(far, part.data(), part.size(), 0) > 0) {
    }
    sender.join();
  });
  for (int const each : {listener, near, far}) ::close(each);
  return cost / 1000;
}

/// Keeps one message under way on each connection, in a kernel thread of its own; its CPU seconds.
double generate_load(sockaddr_in const& to) {
  int const epoll = ::epoll_create1(0);
  std::array<int, kConnections> left;
  std::array<char, kMessage> message{};
  left.fill(kEchoes);
  std::array<int, kConnections> streams;
  for (int i = 0; i < kConnections; ++i) {
    streams[static_cast<std::size_t>(i)] = connect_bare(to);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<std::uint32_t>(i);
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, streams[static_cast<std::size_t>(i)], &event);
    if (::send(streams[static_cast<std::size_t>(i)], message.data(), kMessage, 0) != kMessage)
      std::abort();
  }
  for (int open = kConnections; open > 0;) {
    std::array<epoll_event, kConnections> events;
    int const count = ::epoll_wait(epoll, events.data(), kConnections, -1);
    for (int k = 0; k < count; ++k) {
      auto const i = events[static_cast<std::size_t>(k)].data.u32;
      if (::recv(streams[i], message.data(), kMessage, 0) != kMessage) std::abort();
      if (--left[i] > 0) {
        if (::send(streams[i], message.data(), kMessage, 0) != kMessage) std::abort();
      } else {
        ::close(streams[i]);
        --open;
      }
    }
  }
  ::close(epoll);
  timespec cpu{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
  return static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9;
}

/// CPU of the server alone, in microseconds a request.
double server_us(sockaddr_in const& at, std::function<void()> const& serve) {
  double generator_s = 0;
  double const before = process_cpu_s();
  std::thread generator{[&] { generator_s = generate_load(at); }};
  serve();
  generator.join();
  return (process_cpu_s() - before - generator_s) * 1e6 / (kConnections * kEchoes);
}

double ours_echo() {
  double result = 0;
  with_world(1, [&](World& world) {
    auto const listener = *world.network().listen({IpAddress::loopback(), 0});
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(listener->local().port);
    result = server_us(at, [&] {
      mutirao::threads::scope scope;
      for (int i = 0; i < kConnections; ++i) {
        scope.spawn("server", [stream = *listener->accept(Deadline::never())] {
          std::array<std::uint8_t, kMessage> message;
          for (;;) {
            auto const got = stream->read_some(mutirao::MutableBytes{message}, Deadline::never());
            if (!got || *got == 0) return;
            static_cast<void>(
                stream->write_all(mutirao::ByteView{message}.first(*got), Deadline::never()));
          }
        });
      }
      static_cast<void>(scope.join());
    });
  });
  return result;
}

double bare_echo() {
  sockaddr_in at;
  int const listener = listen_bare(at);
  double const cost = server_us(at, [&] {
    int const epoll = ::epoll_create1(0);
    for (int i = 0; i < kConnections; ++i) {
      int const stream = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = stream;
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, stream, &event);
    }
    std::array<char, kMessage> message;
    for (int open = kConnections; open > 0;) {
      std::array<epoll_event, 128> events;
      int const count = ::epoll_wait(epoll, events.data(), 128, -1);
      for (int k = 0; k < count; ++k) {
        int const stream = events[static_cast<std::size_t>(k)].data.fd;
        auto const got = ::recv(stream, message.data(), kMessage, 0);
        if (got > 0) {
          if (::send(stream, message.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
            std::abort();
        } else {
          ::close(stream);
          --open;
        }
      }
    }
    ::close(epoll);
  });
  ::close(listener);
  return cost;
}
Contribution const io_rows{[] {
  return std::vector<Row>{
      {.name = "bulk TCP stream, 2 processors",
       .peer = "send and recv",
       .unit = "us/MiB",
       .ours = ours_bulk,
       .theirs = bare_bulk,
       .gate = 1.3,
       .aim = 1.1},
      {.name = "echo of 64 bytes, 64 connections",
       .peer = "epoll loop",
       .unit = "us",
       .ours = ours_echo,
       .theirs = bare_echo,
       .gate = 1.4,
       .aim = 1.15},
  };
}};
}  // namespace

}  // namespace bench
