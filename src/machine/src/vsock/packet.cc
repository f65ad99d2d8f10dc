#include "vsock/packet.h"

#include <array>
#include <cstring>

namespace mutirao::machine::vsock {
namespace {

/// As it stands in memory; RISC-V and x86-64 agree on the order of bytes.
struct [[gnu::packed]] Header {
  std::uint64_t source_cid, destination_cid;
  std::uint32_t source_port, destination_port, size;
  std::uint16_t type, operation;
  std::uint32_t flags, room, taken;
};
static_assert(sizeof(Header) == kHeaderBytes);

}  // namespace

std::optional<Packet> parse_packet(ByteView bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  auto const payload = bytes.subspan(kHeaderBytes);
  if (header.size > payload.size()) return std::nullopt;
  return Packet{.source_cid = header.source_cid,
                .destination_cid = header.destination_cid,
                .source_port = header.source_port,
                .destination_port = header.destination_port,
                .type = header.type,
                .operation = header.operation,
                .flags = header.flags,
                .room = header.room,
                .taken = header.taken,
                .payload = payload.first(header.size)};
}

Bytes to_bytes(Packet const& packet) {
  Header const header{.source_cid = packet.source_cid,
                      .destination_cid = packet.destination_cid,
                      .source_port = packet.source_port,
                      .destination_port = packet.destination_port,
                      .size = static_cast<std::uint32_t>(packet.payload.size()),
                      .type = packet.type,
                      .operation = packet.operation,
                      .flags = packet.flags,
                      .room = packet.room,
                      .taken = packet.taken};
  std::array<std::uint8_t, kHeaderBytes> encoded;
  std::memcpy(encoded.data(), &header, sizeof header);
  Bytes bytes;
  bytes.reserve(kHeaderBytes + packet.payload.size());
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  bytes.insert(bytes.end(), packet.payload.begin(), packet.payload.end());
  return bytes;
}

}  // namespace mutirao::machine::vsock
