#include "block/overlay_layout.h"

#include <algorithm>
#include <cstring>
#include <zlib.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/machine/block_overlay.h"

namespace mutirao::machine {
namespace {

constexpr std::string_view kOverlayMagic = "MUTIOVER";
constexpr std::uint32_t kOverlayVersion = 2;
constexpr std::size_t kVersionAt = 8, kBlockBytesAt = 12, kDiskBytesAt = 16, kBaseModifiedAt = 24,
                      kChecksumAt = 32;

template <class T>
T overlay_field(ByteView bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint32_t header_checksum(ByteView bytes) {
  return static_cast<std::uint32_t>(crc32(0, bytes.data(), kChecksumAt));
}

}  // namespace

Bytes write_overlay_header(OverlayLayout const& layout) {
  Bytes bytes(OverlayLayout::kHeaderBytes);
  auto const put = [&](std::size_t at, auto value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  };
  std::ranges::copy(kOverlayMagic, bytes.begin());
  put(kVersionAt, kOverlayVersion);
  put(kBlockBytesAt, static_cast<std::uint32_t>(OverlayLayout::kBlock));
  put(kDiskBytesAt, layout.disk_bytes);
  put(kBaseModifiedAt, layout.base_modified_ns);
  put(kChecksumAt, header_checksum(bytes));
  return bytes;
}

Result<std::optional<OverlayLayout>> read_overlay_header(ByteView bytes) {
  MUT_ASSERT(bytes.size() >= OverlayLayout::kHeaderBytes);
  bytes = bytes.first(OverlayLayout::kHeaderBytes);
  if (std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; })) return std::nullopt;
  if (base::text_of(bytes.first(kOverlayMagic.size())) != kOverlayMagic)
    return fail(Fault::corrupt, "the file is no overlay of a disk",
                "name one that is not there yet, to have it made");
  // A newer version may have another header behind its number.
  auto const version = overlay_field<std::uint32_t>(bytes, kVersionAt);
  if (version != kOverlayVersion)
    return fail(Fault::unsupported, fmt::format("an overlay of version {}", version),
                "use the release that made it");
  if (overlay_field<std::uint32_t>(bytes, kChecksumAt) != header_checksum(bytes))
    return fail(Fault::corrupt, "the header of the overlay does not match its checksum");
  auto const block = overlay_field<std::uint32_t>(bytes, kBlockBytesAt);
  if (block != OverlayLayout::kBlock)
    return fail(Fault::unsupported, fmt::format("an overlay with blocks of {} bytes", block));
  OverlayLayout const layout{overlay_field<std::uint64_t>(bytes, kDiskBytesAt),
                             overlay_field<std::int64_t>(bytes, kBaseModifiedAt)};
  if (layout.disk_bytes == 0 || layout.disk_bytes > kOverlaySizeMax)
    return fail(Fault::corrupt, fmt::format("an overlay of a disk of {} bytes", layout.disk_bytes));
  return layout;
}

}  // namespace mutirao::machine
