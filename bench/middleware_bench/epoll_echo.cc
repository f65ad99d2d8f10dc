// The floor: an echo on bare epoll. What comes in one read goes out in one write, on both sides.
// A frame is [length of the rest u32][id u64][bytes], in the machine's order.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netinet/tcp.h>
#include <optional>
#include <span>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "load.h"

namespace {
using bench::Clock;

constexpr std::size_t kHeadBytes = 12;
constexpr std::size_t kFrameBytesMax = 1 << 19;
constexpr std::size_t kReadBytes = 1 << 18;  // a turn; more does not help, and leaves the cache

[[noreturn]] void fail(std::string const& what) { bench::fail(what + ": " + std::strerror(errno)); }

struct Head {
  std::uint32_t rest;  // bytes
  std::uint64_t id;

  [[nodiscard]] std::size_t frame_bytes() const { return sizeof rest + rest; }
};

/// The head of the first frame; the frame is whole where `bytes` has as many as it says.
bool find_head(std::span<char const> bytes, Head& head) {
  if (bytes.size() < kHeadBytes) return false;
  std::memcpy(&head.rest, bytes.data(), sizeof head.rest);
  std::memcpy(&head.id, bytes.data() + sizeof head.rest, sizeof head.id);
  if (head.rest < sizeof head.id || head.frame_bytes() > kFrameBytesMax)
    bench::fail("a frame of a length that nobody sends");
  return head.frame_bytes() <= bytes.size();
}

/// What was read and is not used yet.
class Received {
 public:
  /// Reads once. False: the other side has closed.
  bool read_from(int stream) {
    auto const got = ::recv(stream, bytes_.get() + size_, kReadBytes, 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return false;
    if (got < 0 && errno != EAGAIN) fail("recv");
    if (got > 0) size_ += static_cast<std::size_t>(got);
    return true;
  }
  [[nodiscard]] std::span<char const> bytes() const { return {bytes_.get(), size_}; }
  void drop(std::size_t count) {
    size_ -= count;
    std::memmove(bytes_.get(), bytes_.get() + count, size_);  // less than a frame
  }

 private:
  std::unique_ptr<char[]> bytes_ =
      std::make_unique_for_overwrite<char[]>(kFrameBytesMax + kReadBytes);
  std::size_t size_ = 0;
};

/// Writes once, and returns how much went out; nullopt where the other side is gone.
std::optional<std::size_t> send_once(int stream, std::span<char const> bytes) {
  auto const sent = ::send(stream, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EPIPE || errno == ECONNRESET) return std::nullopt;
  if (errno != EAGAIN) fail("send");
  return 0;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  at.sin_port = ::htons(port);
  return at;
}

void send_at_once(int stream) {
  int const on = 1;
  if (::setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("TCP_NODELAY");
}

/// What epoll waits for at a stream; `data` comes back with the event.
void wait_for(int epoll, int operation, int stream, std::uint32_t events, void* data) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = data;
  if (::epoll_ctl(epoll, operation, stream, &event) != 0) fail("epoll_ctl");
}

/// A connection of the server. A reply is its request's frame, sent from where it was read to.
class Served {
 public:
  Served(int epoll, int stream) : epoll_{epoll}, stream_{stream} {
    wait_for(epoll_, EPOLL_CTL_ADD, stream_, EPOLLIN, this);
  }
  ~Served() { ::close(stream_); }
  Served(Served const&) = delete;
  Served& operator=(Served const&) = delete;

  /// One read and one write. False: the client is gone.
  bool turn() {
    if (to_send_ == 0) {
      if (!received_.read_from(stream_)) return false;
      Head head;
      while (find_head(received_.bytes().subspan(to_send_), head)) to_send_ += head.frame_bytes();
    }
    if (to_send_ == 0) return true;  // half a frame
    auto const sent = send_once(stream_, received_.bytes().subspan(sent_, to_send_ - sent_));
    if (!sent) return false;
    sent_ += *sent;
    if (sent_ == to_send_) {
      received_.drop(to_send_);
      sent_ = to_send_ = 0;
    }
    // While the client does not read, nothing more is read from it.
    bool const stuck = to_send_ > 0;
    if (stuck != stuck_) wait_for(epoll_, EPOLL_CTL_MOD, stream_, stuck ? EPOLLOUT : EPOLLIN, this);
    stuck_ = stuck;
    return true;
  }

 private:
  int epoll_;
  int stream_;
  Received received_;
  std::size_t to_send_ = 0;  // bytes of whole frames at the front
  std::size_t sent_ = 0;     // of these
  bool stuck_ = false;
};

void serve(bench::Orders const& orders) {
  int const listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int const on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto const at = loopback(orders.port);
  if (::bind(listener, reinterpret_cast<sockaddr const*>(&at), sizeof at) != 0) fail("bind");
  if (::listen(listener, 16) != 0) fail("listen");
  int const epoll = ::epoll_create1(0);
  wait_for(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, nullptr);
  bench::say_ready();
  std::array<epoll_event, 16> events;
  for (;;) {
    int const count = ::epoll_wait(epoll, events.data(), events.size(), -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
      auto* const served = static_cast<Served*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (served != nullptr) {
        if (!served->turn()) delete served;
        continue;
      }
      int const stream = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (stream < 0) continue;
      send_at_once(stream);
      new Served{epoll, stream};  // until its client goes
    }
  }
}

class Client {
 public:
  Client(bench::Orders const& orders, int stream)
      : orders_{orders},
        stream_{stream},
        begun_(orders.slots()),
        payload_(std::max(orders.bytes, bench::Orders::kSmallBytes), 'x'),
        meter_{orders} {
    wait_for(epoll_, EPOLL_CTL_ADD, stream_, EPOLLIN, nullptr);
  }

  void drive() {
    auto now = Clock::now();
    for (std::size_t slot = 0; slot < orders_.slots(); ++slot) call(slot, now);
    send();
    while (!meter_.over(now)) {
      epoll_event event{};
      if (::epoll_wait(epoll_, &event, 1, -1) < 0 && errno != EINTR) fail("epoll_wait");
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 &&
          !received_.read_from(stream_))
        bench::fail("the server closed the connection");
      now = Clock::now();
      take_replies(now);
      send();
    }
    meter_.tell();
  }

 private:
  void call(std::size_t slot, Clock::time_point now) {
    begun_[slot] = now;
    auto const bytes = orders_.bytes_of(slot);
    auto const rest = static_cast<std::uint32_t>(sizeof(Head::id) + bytes);
    std::uint64_t const id = slot;
    auto const at = to_send_.size();
    to_send_.resize(at + kHeadBytes + bytes);
    std::memcpy(to_send_.data() + at, &rest, sizeof rest);
    std::memcpy(to_send_.data() + at + sizeof rest, &id, sizeof id);
    std::memcpy(to_send_.data() + at + kHeadBytes, payload_.data(), bytes);
  }

  void take_replies(Clock::time_point now) {
    std::size_t used = 0;
    Head head;
    while (find_head(received_.bytes().subspan(used), head)) {
      if (head.id >= orders_.slots() ||
          head.frame_bytes() != kHeadBytes + orders_.bytes_of(head.id))
        bench::fail("a reply to no call");
      used += head.frame_bytes();
      meter_.completed(head.id, begun_[head.id], now);
      call(head.id, now);
    }
    received_.drop(used);
  }

  void send() {
    if (to_send_.empty()) return;
    auto const sent = send_once(stream_, std::span{to_send_}.subspan(sent_));
    if (!sent) bench::fail("the server closed the connection");
    sent_ += *sent;
    if (sent_ * 2 >= to_send_.size()) {
      to_send_.erase(to_send_.begin(), to_send_.begin() + static_cast<std::ptrdiff_t>(sent_));
      sent_ = 0;
    }
    bool const stuck = !to_send_.empty();
    if (stuck != stuck_)
      wait_for(epoll_, EPOLL_CTL_MOD, stream_, stuck ? EPOLLIN | EPOLLOUT : EPOLLIN, nullptr);
    stuck_ = stuck;
  }

  bench::Orders const& orders_;
  int stream_;
  int epoll_ = ::epoll_create1(0);
  std::vector<Clock::time_point> begun_;  // by slot
  std::vector<char> payload_;
  Received received_;
  std::vector<char> to_send_;
  std::size_t sent_ = 0;
  bool stuck_ = false;
  bench::Meter meter_;
};

void drive(bench::Orders const& orders) {
  int const stream = ::socket(AF_INET, SOCK_STREAM, 0);
  auto const to = loopback(orders.port);
  if (::connect(stream, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) fail("connect");
  send_at_once(stream);
  if (::fcntl(stream, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  Client{orders, stream}.drive();
}
}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, serve, drive); }
