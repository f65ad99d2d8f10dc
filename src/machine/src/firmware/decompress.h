#pragma once

#include <cstdint>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::machine {

/// What a file in gzip (RFC 1952) or Zstandard (RFC 8878) holds; a file in neither is given back as
/// it is. Fault::exhausted when that is more than `size_max`, Fault::corrupt when it is broken.
[[nodiscard]] Result<Bytes> decompressed(Bytes file, std::uint64_t size_max);

}  // namespace mutirao::machine
