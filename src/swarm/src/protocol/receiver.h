#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/world/network.h"

#include "protocol/block_pool.h"
#include "protocol/message.h"

namespace mutirao::swarm {

/// What a Receiver hands on, in the order of the stream. A failure ends the connection.
class ReceiveHandler {
 public:
  virtual ~ReceiveHandler() = default;
  /// `payload` is valid during the call.
  virtual Result<void> on_message(MessageHeader const& header, ByteView payload) = 0;
  virtual Result<void> on_block(BlockRange range, BlockBuffer buffer) = 0;
  /// Buffers are needed: give back all that on_block has collected.
  virtual Result<void> on_pressure() = 0;
};

/// Reads messages from a peer, payload straight into its place.
///
/// A block is 13 bytes of header and 16 KiB of payload. Read one after the other they cost two
/// system calls a block; read together into one buffer they cost a copy of every byte. But a peer
/// sends what it was asked for, in that order, so the headers can be foretold: one scatter read
/// takes {payload, header, payload, header, ...} with each payload in a buffer of its own. Then the
/// headers are compared. Where one is not what was foretold (a `have` in between, another order),
/// what follows it in this one read is copied out and parsed as a plain stream.
///
/// One thread.
class Receiver {
 public:
  static constexpr std::size_t kBlocksAtOnceMax = 64;

  explicit Receiver(BlockPool& pool) noexcept : pool_{pool} {}
  void set_limits(MessageLimits const& limits) noexcept { limits_ = limits; }
  /// Bytes that were read from the stream already, by whoever took the handshake.
  Result<void> begin_with(ByteView bytes, ReceiveHandler& handler);

  /// One read. `expected` are the blocks asked for, in the order in which they should come; at most
  /// `blocks_at_once` of them are taken in this call. Fails with closed at the end of the stream.
  Result<void> receive(world::Stream& stream, std::span<BlockRange const> expected,
                       std::size_t blocks_at_once, ReceiveHandler& handler, Deadline deadline);
  /// How many bytes the last read brought, and whether there was likely more to read.
  [[nodiscard]] std::size_t last_read() const noexcept { return last_read_; }
  [[nodiscard]] bool last_read_full() const noexcept { return last_read_full_; }

 private:
  struct Filling {
    BlockRange range;
    BlockBuffer buffer;
    std::uint32_t filled = 0;
  };
  using Head = std::array<std::uint8_t, kPieceHeaderBytes>;

  Result<void> receive_plain(world::Stream& stream, ReceiveHandler& handler, Deadline deadline);
  Result<void> receive_blocks(world::Stream& stream, std::span<BlockRange const> expected,
                              std::size_t blocks_at_once, ReceiveHandler& handler,
                              Deadline deadline);
  Result<void> prepare(std::size_t blocks, Deadline deadline);
  Result<void> take_foretold(std::span<BlockRange const> foretold, std::size_t held,
                             std::size_t bytes, ReceiveHandler& handler);
  Result<void> take_filling(std::size_t& bytes, ReceiveHandler& handler);
  /// `stream` must not lie in carry_.
  Result<void> parse(ByteView stream, ReceiveHandler& handler);
  Result<void> begin_block(BlockRange range, ByteView& stream, ReceiveHandler& handler);

  BlockPool& pool_;
  MessageLimits limits_;
  Bytes carry_;                       // front of a message that is not whole
  std::optional<Filling> filling_;    // a block whose payload is arriving
  std::uint32_t skip_ = 0;            // payload of an unknown message, to be thrown away
  std::vector<BlockBuffer> buffers_;  // for the blocks of the next read
  std::array<Head, kBlocksAtOnceMax> heads_;
  std::size_t plain_bytes_ = 512;
  std::size_t last_read_ = 0;
  bool last_read_full_ = false;
};

}  // namespace mutirao::swarm
