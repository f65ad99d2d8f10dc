#pragma once

#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/world.h"

#include "nat/byte_ring.h"
#include "nat/frame_link.h"
#include "vsock/packet.h"

namespace mutirao::machine::vsock {

/// The host's end of a guest's virtio sockets: programs of the host and of the guest talk without a
/// network, over Unix sockets that only the owner of this process may use.
///
/// A guest that connects to port P of the host reaches whoever listens at "PATH_P". A program that
/// connects to PATH and writes "CONNECT P\n" reaches port P of the guest, and reads "OK Q\n" first,
/// or the end. (So other monitors have it.) Bytes are held back at their source: each side knows
/// how much room the other has, and nothing is lost or sent twice.
class Ports {
 public:
  static constexpr std::size_t kConnectionsMax = 128;
  static constexpr std::uint32_t kBufferBytes = 128 << 10;  ///< of each, toward the host
  static constexpr Duration kPatience = 5s;                 ///< until a connection stands

  /// `link` and `world` outlive this. Fails when nothing can listen at `path`. Goes on the thread
  /// that made it.
  [[nodiscard]] static Result<std::unique_ptr<Ports>> create(std::string path, nat::FrameLink& link,
                                                             world::World& world);
  ~Ports();
  Ports(Ports const&) = delete;
  Ports& operator=(Ports const&) = delete;

  /// For tests.
  [[nodiscard]] std::size_t count();

 private:
  struct Key {
    std::uint32_t guest_port, host_port;
    friend auto operator<=>(Key, Key) = default;
  };
  struct Connection {
    explicit Connection(Key which) : key{which} {}
    Key const key;
    std::unique_ptr<world::Stream> stream{};
    nat::ByteRing to_host{kBufferBytes};
    bool stands = false;
    bool dead = false;
    bool guest_sends_no_more = false, guest_takes_no_more = false;
    bool host_finished = false;
    std::uint32_t taken = 0, taken_told = 0;                  // of what the guest sent
    std::uint32_t sent = 0, guest_room = 0, guest_taken = 0;  // of what it gets
    threads::condition_variable changed{};

    [[nodiscard]] std::uint32_t credit() const noexcept {
      auto const under_way = sent - guest_taken;
      return under_way < guest_room ? guest_room - under_way : 0;
    }
  };
  using ConnectionPointer = std::shared_ptr<Connection>;
  using Lock = std::unique_lock<threads::mutex>;

  Ports(std::string path, nat::FrameLink& link, world::World& world)
      : path_{std::move(path)}, link_{link}, world_{world} {}

  void route();
  void receive(Packet const& packet);
  void receive(ConnectionPointer const& connection, Packet const& packet);
  void open(Packet const& packet);
  void connect(ConnectionPointer const& connection);
  void accept(world::Listener& listener);
  void call(std::unique_ptr<world::Stream> stream);
  [[nodiscard]] Result<std::uint32_t> read_wish(world::Stream& stream);
  void carry_to_guest(ConnectionPointer const& connection);
  void carry_to_host(ConnectionPointer const& connection);
  /// False when the thread was asked to stop. Gives the lock up meanwhile.
  [[nodiscard]] bool wait_for_room(Lock& lock);
  void send(Connection& connection, std::uint16_t operation, std::uint32_t flags = 0,
            ByteView payload = {});
  void refuse(Packet const& packet);
  /// The guest is told, unless it told us.
  void end(ConnectionPointer const& connection, bool tell);
  void end_if_over(ConnectionPointer const& connection);

  std::string const path_;
  nat::FrameLink& link_;
  world::World& world_;
  threads::mutex mutex_;
  std::map<Key, ConnectionPointer> connections_;
  std::uint32_t next_port_ = 1u << 30;  // of the host's, for those who call
  threads::scope threads_;
};

}  // namespace mutirao::machine::vsock
