// Connected stream sockets.
#include <algorithm>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"

#include "real_socket.h"
#include "socket_address.h"

namespace mutirao::world {

namespace {
constexpr std::size_t kStreamBuffersMax =
    130;  // handed to the kernel at a time: 64 blocks with their headers

void set_no_delay(int socket) noexcept {
  int const on = 1;
  // Fails for a Unix socket, which delays nothing anyway.
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

class RealStream final : public Stream {
 public:
  RealStream(Descriptor socket, std::string name, Endpoint remote)
      : socket_{std::move(socket), std::move(name)},
        local_{local_endpoint(socket_.descriptor())},
        remote_{remote} {}

  /// Waits for the end of a connect() that is under way.
  Result<void> finish_connect(Deadline deadline);

  using Stream::read_some;
  using Stream::write_all;
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) override;
  Result<void> write_all(std::span<ByteView const> from, Deadline deadline) override;
  void finish_writing() noexcept override { ::shutdown(socket_.descriptor(), SHUT_WR); }
  void close() noexcept override { socket_.close(); }
  [[nodiscard]] Endpoint local() const override { return local_; }
  [[nodiscard]] Endpoint remote() const override { return remote_; }

 private:
  // Their room for the kernel's description of many buffers would make the stack of each thread
  // that waits for a single one take a page more.
  [[gnu::noinline]] Result<std::size_t> read_into_many(std::span<MutableBytes const> into,
                                                       Deadline deadline);
  [[gnu::noinline]] Result<void> write_from_many(std::span<ByteView const> from, Deadline deadline);
  [[nodiscard]] Result<std::size_t> outcome_of_read(long got) const;
  [[nodiscard]] std::unexpected<Error> failed_write(long put) const;

  RealSocket socket_;
  Endpoint local_;
  Endpoint remote_;
};

Result<void> RealStream::finish_connect(Deadline deadline) {
  for (SocketAddress peer; ::getpeername(socket_.descriptor(), peer.get(), &peer.size) != 0;) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return system_failure(error, fmt::format("connect to {}", socket_.name()));
    MUT_TRY(socket_.wait_writable("connect to", deadline));
  }
  local_ = local_endpoint(socket_.descriptor());
  return {};
}

Result<std::size_t> RealStream::read_some(std::span<MutableBytes const> into, Deadline deadline) {
  if (into.size() != 1) return read_into_many(into, deadline);
  MutableBytes const only = into.front();
  MUT_ASSERT(
      !only.empty());  // no room to read into: the answer would look like the end of the stream
  return outcome_of_read(MUT_TRY(socket_.receive("read from", deadline, [&]() -> long {
    return ::recv(socket_.descriptor(), only.data(), only.size(), 0);
  })));
}

Result<std::size_t> RealStream::read_into_many(std::span<MutableBytes const> into,
                                               Deadline deadline) {
  std::array<iovec, kStreamBuffersMax> buffers;
  std::size_t count = 0;
  for (auto const& each : into.first(std::min(into.size(), kStreamBuffersMax))) {
    if (!each.empty()) buffers[count++] = {each.data(), each.size()};
  }
  MUT_ASSERT(count > 0);
  return outcome_of_read(MUT_TRY(socket_.receive("read from", deadline, [&]() -> long {
    return ::readv(socket_.descriptor(), buffers.data(), static_cast<int>(count));
  })));
}

Result<std::size_t> RealStream::outcome_of_read(long got) const {
  if (got == 0 && socket_.closed()) return socket_.closed_error("read from");
  if (got < 0)
    return system_failure(static_cast<int>(-got), fmt::format("read from {}", socket_.name()));
  return static_cast<std::size_t>(got);
}

Result<void> RealStream::write_all(std::span<ByteView const> from, Deadline deadline) {
  if (from.size() != 1) return write_from_many(from, deadline);
  ByteView left = from.front();
  while (!left.empty()) {
    long const put = MUT_TRY(socket_.transmit("write to", deadline, [&]() -> long {
      return ::send(socket_.descriptor(), left.data(), left.size(), MSG_NOSIGNAL);
    }));
    if (put < 0) return failed_write(put);
    left = left.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> RealStream::write_from_many(std::span<ByteView const> from, Deadline deadline) {
  std::array<iovec, kStreamBuffersMax> buffers;
  std::size_t skipped = 0;  // of from.front()
  while (!from.empty()) {
    std::size_t count = 0;
    for (auto const& each : from.first(std::min(from.size(), kStreamBuffersMax))) {
      auto const rest = each.subspan(count == 0 ? skipped : 0);
      buffers[count++] = {const_cast<std::uint8_t*>(rest.data()), rest.size()};
    }
    msghdr message{};
    message.msg_iov = buffers.data();
    message.msg_iovlen = count;
    long const put = MUT_TRY(socket_.transmit("write to", deadline, [&]() -> long {
      return ::sendmsg(socket_.descriptor(), &message, MSG_NOSIGNAL);
    }));
    if (put < 0) return failed_write(put);
    skipped += static_cast<std::size_t>(put);
    while (!from.empty() && skipped >= from.front().size()) {
      skipped -= from.front().size();
      from = from.subspan(1);
    }
  }
  return {};
}

std::unexpected<Error> RealStream::failed_write(long put) const {
  if (socket_.closed()) return socket_.closed_error("write to");
  return system_failure(static_cast<int>(-put), fmt::format("write to {}", socket_.name()));
}
}  // namespace

std::unique_ptr<Stream> make_real_stream(Descriptor socket, std::string name, Endpoint remote) {
  set_no_delay(socket.get());
  return std::make_unique<RealStream>(std::move(socket), std::move(name), remote);
}

Result<std::unique_ptr<Stream>> finish_connect(Descriptor socket, std::string name, Endpoint remote,
                                               Deadline deadline) {
  set_no_delay(socket.get());
  auto stream = std::make_unique<RealStream>(std::move(socket), std::move(name), remote);
  MUT_TRY(stream->finish_connect(deadline));
  return stream;
}

}  // namespace mutirao::world
