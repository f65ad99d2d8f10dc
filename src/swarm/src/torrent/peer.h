#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/world/network.h"

#include "protocol/extension.h"
#include "protocol/message.h"
#include "protocol/outbox.h"
#include "protocol/receiver.h"
#include "protocol/request_window.h"
#include "torrent/choker.h"
#include "torrent/picker.h"

namespace mutirao::swarm {

class Torrent;
struct Engine;

/// Ids that we give to extensions in our handshake.
inline constexpr std::uint8_t kOurMetadataId = 1;
inline constexpr std::uint8_t kOurNetworkId = 2;
inline constexpr std::string_view kMetadataName = "ut_metadata";  // BEP 9

inline constexpr auto kHandshakeMax = std::chrono::seconds{10};
/// A peer that said nothing for so long is gone (BEP 3: a keep-alive every 2 minutes).
inline constexpr auto kSilenceMax = std::chrono::minutes{3};

struct ArrivedBlock {
  BlockRange range;
  BlockBuffer buffer;
};

/// Bytes a second, averaged over a few seconds. Owner: whoever ticks it.
class RateMeter {
 public:
  void tick(std::uint64_t total, double seconds) noexcept {
    auto const now = static_cast<double>(total - last_) / seconds;
    last_ = total;
    rate_ = rate_ == 0 ? now : 0.7 * rate_ + 0.3 * now;
    if (rate_ < 1) rate_ = 0;
  }
  /// Nothing flows until the next tick.
  void rest() noexcept { rate_ = 0; }
  [[nodiscard]] double bytes_per_s() const noexcept { return rate_; }

 private:
  std::uint64_t last_ = 0;
  double rate_ = 0;
};

/// Room for the blocks of one send. Not zeroed: the disk fills what is used.
class UploadBuffer {
 public:
  [[nodiscard]] MutableBytes at_least(std::size_t size) {
    if (size_ < size) {
      bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(size);
      size_ = size;
    }
    return {bytes_.get(), size_};
  }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
};

/// One connection to a peer, after the handshake.
///
/// Two user threads: the reader carries each block from the socket to the hash to the file and
/// deals with every other message; the writer sends what was posted to the outbox and the blocks
/// that the peer asked for. What both sides have agreed on lies in `shared` and is guarded by the
/// torrent's mutex.
class Peer final : public std::enable_shared_from_this<Peer>, private ReceiveHandler {
 public:
  Peer(Engine& engine, std::shared_ptr<Torrent> torrent, std::unique_ptr<world::Stream> stream,
       Handshake theirs, bool incoming, world::Endpoint endpoint, ConnectionId id);
  ~Peer() override;

  /// Serves the connection until it is over; why it ended.
  Error run(ByteView read_ahead);
  /// Ends it, from any thread; `reason` is what run() will say.
  void close(std::string reason);

  struct Request {
    BlockRange range;
    TimePoint at;
  };
  /// Guarded by the torrent's mutex.
  struct Shared {
    PeerSlot slot = 0;
    bool in_picker = false;
    bool we_choke = true;
    bool they_choke = true;
    bool we_interested = false;
    bool they_interested = false;
    bool own_network = false;
    bool snubbed = false;
    bool upload_only = false;
    bool suspect = false;
    std::deque<Request> in_flight;
    RequestWindow window;
    std::vector<PieceIndex> allowed_fast;   // it gives us these, a few, while choking
    std::vector<PieceIndex> we_allow_fast;  // and we give it these
    std::uint32_t requests_max = 250;       // of its `reqq`; BEP 10 names that default
    std::uint32_t rejects = 0;              // since the last block
    TimePoint last_block;                   // received, or when it began to owe us one
    TimePoint connected_at;
    TimePoint metadata_asked;
    std::uint32_t layers_failed =
        0;  // requests for piece layers rejected or not answered, in a row
    TimePoint layers_failed_at;
    ExtensionHandshake extensions;
    // What it said before we knew the metadata.
    bool early_all = false;
    Bytes early_bitfield;
    std::vector<PieceIndex> early_haves;
    RateMeter down_rate;
    RateMeter up_rate;
    std::uint32_t wrong_pieces = 0;
  };
  Shared shared;
  Outbox outbox;
  std::atomic<std::uint64_t> downloaded{0};  // payload
  std::atomic<std::uint64_t> uploaded{0};
  std::atomic<std::int64_t> last_message_ns{0};

  [[nodiscard]] world::Endpoint endpoint() const noexcept { return endpoint_; }
  /// Where it listens, as far as we know: what it may be dialled at.
  [[nodiscard]] std::optional<world::Endpoint> listens_at() const;
  [[nodiscard]] bool incoming() const noexcept { return incoming_; }
  [[nodiscard]] Handshake const& handshake() const noexcept { return theirs_; }
  [[nodiscard]] ConnectionId id() const noexcept { return id_; }
  [[nodiscard]] std::string client() const;
  [[nodiscard]] bool fast() const noexcept { return theirs_.fast; }

  // With the torrent's mutex held:
  void say_hello();
  void post(MessageType type);
  void post_piece(MessageType type, PieceIndex piece);
  void post_block(MessageType type, BlockRange const& range);
  void post_extended(std::uint8_t extended_id, ByteView payload);
  void post_hashes(MessageType type, HashRequest const& request);
  void choke();
  void unchoke();
  /// Takes a request out of in_flight; false when it is not there.
  bool forget_request(BlockRange const& range, TimePoint* asked_at = nullptr);

 private:
  Result<void> on_message(MessageHeader const& header, ByteView payload) override;
  Result<void> on_block(BlockRange range, BlockBuffer buffer) override;
  Result<void> on_pressure() override;
  Result<void> flush_batch();

  Result<void> read_loop(ByteView read_ahead);
  Result<void> write_loop();
  Result<void> send(Bytes const& control, std::vector<BlockRange> const& blocks,
                    UploadBuffer& buffer);

  Result<void> on_request(BlockRange const& range);
  Result<void> on_reject(BlockRange const& range);
  Result<void> on_bitfield(ByteView payload);
  Result<void> on_extended(std::uint8_t id, ByteView payload);
  Result<void> on_extension_handshake(ByteView payload);
  Result<void> on_metadata(ByteView payload);
  Result<void> on_network_proof(ByteView payload);
  void on_choke();

  Engine& engine_;
  std::shared_ptr<Torrent> torrent_;
  std::unique_ptr<world::Stream> stream_;
  Handshake theirs_;
  bool incoming_;
  world::Endpoint endpoint_;
  ConnectionId id_;
  Receiver receiver_;
  std::vector<ArrivedBlock> batch_;
  std::array<std::uint8_t, 32> challenge_{};  // what the peer must answer to prove our network
  bool heard_pieces_ = false;                 // bitfield, have all or have none came
  std::atomic<bool> closed_{false};
  threads::mutex reason_mutex_;
  std::string reason_;
};

}  // namespace mutirao::swarm
