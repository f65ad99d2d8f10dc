#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "protocol/message.h"

// Feeds the input as the stream of a peer: whatever it says, each step is bounded, moves forward,
// and what was understood is written again as it came.

using namespace mutirao;
using namespace mutirao::swarm;

namespace {

void demand(bool condition) {
  if (!condition) std::abort();
}

/// The same header, written by us. False for the kinds that we never write.
bool write_again(MessageWriter& writer, MessageHeader const& header) {
  switch (header.type) {
    case MessageType::keep_alive:
      return writer.keep_alive();
    case MessageType::choke:
    case MessageType::unchoke:
    case MessageType::interested:
    case MessageType::not_interested:
    case MessageType::have_all:
    case MessageType::have_none:
      return writer.plain(header.type);
    case MessageType::have:
    case MessageType::suggest:
    case MessageType::allowed_fast:
      return writer.about_piece(header.type, header.piece);
    case MessageType::request:
    case MessageType::cancel:
    case MessageType::reject:
      return writer.about_block(header.type, header.block);
    case MessageType::piece:
      return writer.piece_header(header.block);
    case MessageType::port:
      return writer.port(header.port);
    case MessageType::extended:
      return writer.extended_header(header.extended_id, header.payload_bytes);
    case MessageType::hash_request:
    case MessageType::hash_reject:
      return writer.about_hashes(header.type, header.hashes);
    case MessageType::hashes:
      return writer.hashes_header(header.hashes, header.payload_bytes / 32);
    case MessageType::bitfield:
      return false;  // its payload goes along
    case MessageType::unknown:
      return false;
  }
  return false;
}

void follow(ByteView stream, MessageLimits const& limits) {
  std::array<std::uint8_t, 256> buffer;
  while (true) {
    auto const parsed = parse_message_header(stream, limits);
    if (!parsed || !*parsed) {
      demand(parsed || !parsed.error().what.empty());
      demand(!parsed || stream.size() < kMessageHeaderBytesMax);
      return;
    }
    MessageHeader const& header = **parsed;
    demand(header.header_bytes >= 4 && header.header_bytes <= kMessageHeaderBytesMax);
    demand(header.header_bytes <= stream.size());
    demand(header.payload_bytes <= 2 * 1024 * 1024);
    if (header.type == MessageType::piece) demand(header.payload_bytes <= limits.block_bytes_max);
    ByteView const payload = stream.subspan(
        header.header_bytes,
        std::min<std::size_t>(header.payload_bytes, stream.size() - header.header_bytes));
    MessageWriter writer{buffer};
    if (write_again(writer, header))
      demand(std::equal(writer.written().begin(), writer.written().end(), stream.begin(),
                        stream.begin() + header.header_bytes));
    if (payload.size() < header.payload_bytes) return;
    stream = stream.subspan(header.header_bytes + header.payload_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  follow(input, {});
  follow(input, {.piece_count = 1000});
  if (size >= kHandshakeBytes) {
    auto const bytes = input.first<kHandshakeBytes>();
    if (auto const handshake = parse_handshake(bytes)) {
      std::array<std::uint8_t, kHandshakeBytes> again;
      write_handshake(again, *handshake);
      demand(parse_handshake(again) == *handshake);
    }
  }
  return 0;
}
