#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/world/address.h"

namespace mutirao::world {

/// A connected byte stream: TCP, a Unix socket, later a session.
///
/// One thread may read and one may write at the same time. Every call parks only the calling
/// thread.
class Stream {
 public:
  virtual ~Stream() = default;  ///< closes both directions

  /// Reads at least one byte into the buffers, in order, and returns how many; 0 is the orderly end
  /// of the stream.
  virtual Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) = 0;
  /// Writes all of it, in order.
  virtual Result<void> write_all(std::span<ByteView const> from, Deadline deadline) = 0;

  /// Tells the other side that nothing follows; reading goes on.
  virtual void finish_writing() noexcept = 0;
  /// Ends the stream for both sides; parked calls return Fault::closed. From any thread.
  virtual void close() noexcept = 0;

  [[nodiscard]] virtual Endpoint local() const = 0;
  [[nodiscard]] virtual Endpoint remote() const = 0;

  Result<std::size_t> read_some(MutableBytes into, Deadline deadline) {
    return read_some(std::span{&into, 1}, deadline);
  }
  /// Fails with closed when the stream ends before `into` is full.
  Result<void> read_exactly(MutableBytes into, Deadline deadline);
  Result<void> write_all(ByteView from, Deadline deadline) {
    return write_all(std::span{&from, 1}, deadline);
  }
  Result<void> write_all(std::string_view text, Deadline deadline);
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// The next connection. Out of descriptors is not an error: it waits until there is one.
  virtual Result<std::unique_ptr<Stream>> accept(Deadline deadline) = 0;
  virtual void close() noexcept = 0;
  [[nodiscard]] virtual Endpoint local() const = 0;
};

class DatagramSocket {
 public:
  struct Received {
    std::size_t size;
    Endpoint from;
  };
  virtual ~DatagramSocket() = default;
  virtual Result<void> send_to(ByteView datagram, Endpoint to, Deadline deadline) = 0;
  /// Longer datagrams are cut to the buffer.
  virtual Result<Received> receive(MutableBytes into, Deadline deadline) = 0;
  virtual void close() noexcept = 0;
  [[nodiscard]] virtual Endpoint local() const = 0;
};

struct ConnectOptions {
  std::optional<IpAddress> from{};  ///< source address; the system chooses when absent
  /// Source port; 0: the system chooses. One port may have connections to several peers, which is
  /// how a host behind a NAT keeps the mapping that others were told of; a listener has its port
  /// alone.
  std::uint16_t from_port = 0;
};

/// TCP streams have TCP_NODELAY set: a small request must not wait for a delayed acknowledgement.
class Network {
 public:
  virtual ~Network() = default;
  virtual Result<std::unique_ptr<Stream>> connect(Endpoint to, ConnectOptions options,
                                                  Deadline deadline) = 0;
  /// Port 0: the system chooses. An address in use fails with refused and says so.
  virtual Result<std::unique_ptr<Listener>> listen(Endpoint at) = 0;
  virtual Result<std::unique_ptr<DatagramSocket>> bind_datagram(Endpoint at) = 0;
  /// Every address of a host name, as the system orders them.
  virtual Result<std::vector<IpAddress>> resolve(std::string_view host, Deadline deadline) = 0;
  /// Addresses of this host, loopback included.
  virtual Result<std::vector<IpAddress>> local_addresses() = 0;

  /// Unix sockets: the socket file is made with mode 0600 and removed with the listener. A
  /// left-over file that nobody listens on is replaced.
  virtual Result<std::unique_ptr<Stream>> connect_local(std::string_view path,
                                                        Deadline deadline) = 0;
  virtual Result<std::unique_ptr<Listener>> listen_local(std::string_view path) = 0;
};

}  // namespace mutirao::world
