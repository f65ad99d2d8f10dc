// Listening and datagram sockets.
#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

#include "real_socket.h"
#include "socket_address.h"

namespace mutirao::world {

namespace {
// How long a listener that can't accept for want of descriptors waits for somebody to close one.
constexpr std::chrono::milliseconds kExhaustedPause{50};

bool out_of_resources(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// Errors of the connection that was about to be accepted, not of the listener (accept(2)).
bool lost_in_the_queue(int error) noexcept {
  return error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == EHOSTDOWN ||
         error == EHOSTUNREACH || error == ENETUNREACH || error == ENONET || error == ENOPROTOOPT ||
         error == EOPNOTSUPP || error == EPERM;
}

class RealListener final : public Listener {
 public:
  RealListener(Descriptor socket, std::string name, std::string unlink_path)
      : local_{local_endpoint(socket.get())},
        unlink_path_{std::move(unlink_path)},
        socket_{std::move(socket), std::move(name)} {
    struct stat info{};
    if (!unlink_path_.empty() && ::lstat(unlink_path_.c_str(), &info) == 0) inode_ = info.st_ino;
  }
  ~RealListener() override { remove_file(); }

  Result<std::unique_ptr<Stream>> accept(Deadline deadline) override;
  void close() noexcept override {
    remove_file();
    socket_.close();
  }
  [[nodiscard]] Endpoint local() const override { return local_; }

 private:
  /// Unless another has taken the place meanwhile.
  void remove_file() noexcept {
    struct stat info{};
    if (unlink_path_.empty() || removed_.exchange(true)) return;
    if (::lstat(unlink_path_.c_str(), &info) == 0 && info.st_ino == inode_)
      ::unlink(unlink_path_.c_str());
  }

  Endpoint local_;
  std::string unlink_path_;
  std::uint64_t inode_ = 0;
  std::atomic<bool> removed_{false};
  RealSocket socket_;
};

Result<std::unique_ptr<Stream>> RealListener::accept(Deadline deadline) {
  for (;;) {
    SocketAddress peer;
    long const accepted = MUT_TRY(socket_.receive("accept on", deadline, [&]() -> long {
      peer.size = sizeof peer.storage;
      return ::accept4(socket_.descriptor(), peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }));
    if (accepted >= 0) {
      bool const local = peer.family() == AF_UNIX;
      auto const remote = peer.endpoint();
      return make_real_stream(Descriptor{static_cast<int>(accepted)},
                              local ? socket_.name() : remote.to_string(), remote);
    }
    if (socket_.closed()) return socket_.closed_error("accept on");
    int const error = static_cast<int>(-accepted);
    if (lost_in_the_queue(error)) continue;
    if (!out_of_resources(error))
      return system_failure(error, fmt::format("accept on {}", socket_.name()));
    auto const pause = std::min(threads::within(kExhaustedPause), deadline);
    if (auto paused = threads::sleep_until(pause.when()); !paused)
      return std::unexpected{std::move(paused).error()};
    if (deadline.passed(threads::now()))
      return system_failure(error, fmt::format("accept on {}", socket_.name()));
  }
}

class RealDatagramSocket final : public DatagramSocket {
 public:
  RealDatagramSocket(Descriptor socket, std::string name)
      : local_{local_endpoint(socket.get())}, socket_{std::move(socket), std::move(name)} {}

  Result<void> send_to(ByteView datagram, Endpoint to, Deadline deadline) override {
    SocketAddress const address{to};
    long const sent = MUT_TRY(socket_.transmit("send from", deadline, [&]() -> long {
      return ::sendto(socket_.descriptor(), datagram.data(), datagram.size(), MSG_NOSIGNAL,
                      address.get(), address.size);
    }));
    if (sent >= 0) return {};
    if (socket_.closed()) return socket_.closed_error("send from");
    if (sent == -EMSGSIZE) {
      return fail(Fault::invalid, fmt::format("send to {}: a datagram of {} bytes is too long",
                                              to.to_string(), datagram.size()));
    }
    return system_failure(static_cast<int>(-sent), fmt::format("send to {}", to.to_string()));
  }

  Result<Received> receive(MutableBytes into, Deadline deadline) override {
    SocketAddress from;
    long const got = MUT_TRY(socket_.receive("receive on", deadline, [&]() -> long {
      from.size = sizeof from.storage;
      return ::recvfrom(socket_.descriptor(), into.data(), into.size(), 0, from.get(), &from.size);
    }));
    if (socket_.closed()) return socket_.closed_error("receive on");
    if (got < 0)
      return system_failure(static_cast<int>(-got), fmt::format("receive on {}", socket_.name()));
    return Received{static_cast<std::size_t>(got), from.endpoint()};
  }

  void close() noexcept override { socket_.close(); }
  [[nodiscard]] Endpoint local() const override { return local_; }

 private:
  Endpoint local_;
  RealSocket socket_;
};
}  // namespace

std::unique_ptr<Listener> make_real_listener(Descriptor socket, std::string name,
                                             std::string unlink_path) {
  return std::make_unique<RealListener>(std::move(socket), std::move(name), std::move(unlink_path));
}

std::unique_ptr<DatagramSocket> make_real_datagram_socket(Descriptor socket, std::string name) {
  return std::make_unique<RealDatagramSocket>(std::move(socket), std::move(name));
}

}  // namespace mutirao::world
