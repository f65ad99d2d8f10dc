#include "block/qcow2_layout.h"

#include <memory>
#include <zlib.h>
#include <zstd.h>

#include <fmt/format.h>

#include "mutirao/base/units.h"

namespace mutirao::machine {
namespace {

// Bits of the incompatible features; a dirty image has wrong counts of references, which nobody
// reads here.
constexpr std::uint64_t kDirty = 1, kCorrupt = 2, kExternalData = 4, kOtherCompression = 8,
                        kSubclusters = 16;
constexpr unsigned kClusterBitsMin = 9, kClusterBitsMax = 21;
constexpr std::uint64_t kDiskBytesMax = 64ull << 40;
constexpr std::uint64_t kOffsetMask = 0x00FFFFFFFFFFFE00;
constexpr std::uint64_t kCompressedFlag = 1ull << 62, kZeroFlag = 1;
constexpr std::size_t kHeaderBytesV2 = 72, kHeaderBytesV3 = 104;
constexpr std::uint64_t kImageSector = 512;

std::unexpected<Error> not_taken(std::string what) {
  return fail(Fault::unsupported, "a qcow2 image " + std::move(what),
              "convert it: qemu-img convert -O qcow2 IMAGE NEW");
}
std::unexpected<Error> broken(std::string what) {
  return fail(Fault::corrupt, "a broken qcow2 image: " + std::move(what), "qemu-img check IMAGE");
}

}  // namespace

Result<Qcow2Layout> read_qcow2_header(ByteView header) {
  auto const u32 = [&](std::size_t at) { return base::load_be<std::uint32_t>(header.subspan(at)); };
  auto const u64 = [&](std::size_t at) { return base::load_be<std::uint64_t>(header.subspan(at)); };
  if (header.size() < kHeaderBytesV2 || u32(0) != Qcow2Layout::kMagic)
    return fail(Fault::corrupt, "no qcow2 image");
  std::uint32_t const version = u32(4);
  if (version != 2 && version != 3) return not_taken(fmt::format("of version {}", version));
  if (u64(8) != 0) return not_taken("that needs another below it");
  if (u32(32) != 0) return not_taken("that is encrypted");

  Qcow2Layout layout;
  if (version == 3) {
    if (header.size() < kHeaderBytesV3) return broken("it ends in its header");
    std::uint64_t const features = u64(72);
    if ((features & kCorrupt) != 0) return broken("it says so itself");
    if ((features & kExternalData) != 0) return not_taken("whose data are in another file");
    if ((features & kSubclusters) != 0) return not_taken("with subclusters");
    if ((features & ~(kDirty | kOtherCompression)) != 0)
      return not_taken(fmt::format("with features that are not known: {:#x}", features));
    layout.zero_clusters = true;
    if ((features & kOtherCompression) != 0) {
      // The header's length says whether it has the field.
      if (u32(100) <= kHeaderBytesV3 || header.size() <= kHeaderBytesV3)
        return broken("it does not say how it is compressed");
      if (header[kHeaderBytesV3] > 1) return not_taken("compressed in a way that is not known");
      if (header[kHeaderBytesV3] == 1) layout.compression = Qcow2Layout::Compression::zstd;
    }
  }
  layout.cluster_bits = u32(20);
  if (layout.cluster_bits < kClusterBitsMin || layout.cluster_bits > kClusterBitsMax)
    return broken(fmt::format("clusters of 2^{} bytes", layout.cluster_bits));
  layout.disk_bytes = u64(24);
  if (layout.disk_bytes == 0 || layout.disk_bytes % kImageSector != 0 ||
      layout.disk_bytes > kDiskBytesMax)
    return broken(fmt::format("a disk of {} bytes", layout.disk_bytes));
  std::uint64_t const of_one = layout.cluster_bytes() * layout.l2_entries();
  std::uint64_t const needed = (layout.disk_bytes + of_one - 1) / of_one;
  if (needed * 8 > Qcow2Layout::kL1BytesMax) return broken("its first table is too large");
  if (u32(36) < needed) return broken("its first table is too small");
  layout.l1_entries = static_cast<std::uint32_t>(needed);
  layout.l1_at = u64(40);
  if (layout.l1_at % layout.cluster_bytes() != 0 || layout.l1_at > kDiskBytesMax)
    return broken("its first table lies nowhere");
  return layout;
}

Result<Qcow2Cluster> read_qcow2_entry(Qcow2Layout const& layout, std::uint64_t entry) {
  using Kind = Qcow2Cluster::Kind;
  if ((entry & kCompressedFlag) != 0) {
    unsigned const sectors_at = 62 - (layout.cluster_bits - 8);
    std::uint64_t const at = entry & ((1ull << sectors_at) - 1);
    std::uint64_t const more = (entry & (kCompressedFlag - 1)) >> sectors_at;
    return Qcow2Cluster{Kind::compressed, at, (more + 1) * kImageSector - at % kImageSector};
  }
  if (layout.zero_clusters && (entry & kZeroFlag) != 0) return Qcow2Cluster{Kind::zero};
  std::uint64_t const at = entry & kOffsetMask;
  if (at % layout.cluster_bytes() != 0) return broken("a cluster lies between two");
  if (at == 0) return Qcow2Cluster{};
  return Qcow2Cluster{Kind::plain, at};
}

Result<Bytes> decompressed_cluster(Qcow2Layout const& layout, ByteView compressed) {
  Bytes out(layout.cluster_bytes());
  if (layout.compression == Qcow2Layout::Compression::zstd) {
    std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> const context{ZSTD_createDCtx(),
                                                                          ZSTD_freeDCtx};
    if (context == nullptr) return fail(Fault::exhausted, "no memory for zstd");
    ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    while (output.pos < output.size) {
      auto const before = std::pair{input.pos, output.pos};
      std::size_t const result = ZSTD_decompressStream(context.get(), &output, &input);
      if (ZSTD_isError(result) != 0 || before == std::pair{input.pos, output.pos})
        return broken("a cluster cannot be decompressed");
    }
    return out;
  }
  z_stream stream{};
  constexpr int kRawWindow = -12;  // no header, and a window of 4 KiB
  if (inflateInit2(&stream, kRawWindow) != Z_OK)
    return fail(Fault::exhausted, "no memory for deflate");
  std::unique_ptr<z_stream, int (*)(z_stream*)> const ends{&stream, inflateEnd};
  stream.next_in = const_cast<Bytef*>(compressed.data());
  stream.avail_in = static_cast<uInt>(compressed.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  int const result = inflate(&stream, Z_FINISH);
  // Some writers do not end the stream where the cluster is full.
  if ((result != Z_STREAM_END && result != Z_BUF_ERROR) || stream.avail_out != 0)
    return broken("a cluster cannot be decompressed");
  return out;
}

}  // namespace mutirao::machine
