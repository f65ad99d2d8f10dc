#include <cstdint>
#include <cstdlib>

#include "protocol/extension.h"

// The payload of any extended message: bounded, and what was understood survives being written and
// read again.

using namespace mutirao;
using namespace mutirao::swarm;

namespace {
void demand(bool condition) {
  if (!condition) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  if (auto handshake = parse_extension_handshake(input)) {
    demand(handshake->extensions.size() <= ExtensionHandshake::kNamesMax);
    demand(handshake->client.size() <= ExtensionHandshake::kClientBytesMax);
    demand(!handshake->metadata_size || *handshake->metadata_size <= kMetadataBytesMax);
    auto const first = parse_extension_handshake(to_payload(*handshake));
    demand(first.has_value());
    auto const second = parse_extension_handshake(to_payload(*first));
    demand(second.has_value() && *second == *first);
    ExtensionHandshake merged = *handshake;
    merged.apply(*std::move(handshake));
    demand(merged.extensions.size() <= ExtensionHandshake::kNamesMax);
  }
  if (auto const message = parse_metadata_message(input); message && *message) {
    demand((*message)->data.size() <= kBlockBytes);
    auto const again = parse_metadata_message(to_payload(**message));
    demand(again && *again && (*again)->piece == (*message)->piece &&
           (*again)->total_size == (*message)->total_size);
  }
  return 0;
}
