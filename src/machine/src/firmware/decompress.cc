#include "firmware/decompress.h"

#include <algorithm>
#include <memory>
#include <zlib.h>
#include <zstd.h>

#include <fmt/format.h>

#include "mutirao/base/units.h"

namespace mutirao::machine {
namespace {

constexpr std::size_t kStep = 1 << 20;
constexpr int kGzipFrame = 15 + 16;  // the largest window, and gzip's frame

bool begins_with(ByteView file, std::initializer_list<std::uint8_t> magic) {
  return file.size() >= magic.size() && std::equal(magic.begin(), magic.end(), file.begin());
}

std::unexpected<Error> too_large(std::uint64_t size_max) {
  return fail(Fault::exhausted,
              fmt::format("more than {} when decompressed", base::format_bytes(size_max)),
              "give the machine more memory");
}

Result<Bytes> from_gzip(ByteView file, std::uint64_t size_max) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipFrame) != Z_OK)
    return fail(Fault::exhausted, "no memory for gzip");
  std::unique_ptr<z_stream, int (*)(z_stream*)> const ends{&stream, inflateEnd};
  Bytes out;
  std::size_t used = 0;
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    std::size_t const before = out.size();
    out.resize(before + kStep);
    std::size_t const input = std::min(file.size() - used, kStep);
    stream.next_in = const_cast<Bytef*>(file.data() + used);
    stream.avail_in = static_cast<uInt>(input);
    stream.next_out = out.data() + before;
    stream.avail_out = kStep;
    result = inflate(&stream, Z_NO_FLUSH);
    used += input - stream.avail_in;
    out.resize(before + kStep - stream.avail_out);
    if (out.size() > size_max) return too_large(size_max);
    bool const stuck = out.size() == before && stream.avail_in == input;
    if ((result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) ||
        (stuck && result != Z_STREAM_END))
      return fail(Fault::corrupt, "broken gzip data");
  }
  return out;
}

Result<Bytes> from_zstd(ByteView file, std::uint64_t size_max) {
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> const context{ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx};
  if (context == nullptr) return fail(Fault::exhausted, "no memory for zstd");
  ZSTD_inBuffer input{file.data(), file.size(), 0};
  Bytes out;
  for (;;) {
    std::size_t const before = out.size();
    out.resize(before + kStep);
    ZSTD_outBuffer output{out.data() + before, kStep, 0};
    std::size_t const consumed = input.pos;
    std::size_t const result = ZSTD_decompressStream(context.get(), &output, &input);
    out.resize(before + output.pos);
    if (out.size() > size_max) return too_large(size_max);
    if (ZSTD_isError(result) != 0)
      return fail(Fault::corrupt, fmt::format("broken zstd data: {}", ZSTD_getErrorName(result)));
    if (result == 0) return out;  // the end of a frame
    if (output.pos == 0 && input.pos == consumed)
      return fail(Fault::corrupt, "zstd data that end in the middle");
  }
}

}  // namespace

Result<Bytes> decompressed(Bytes file, std::uint64_t size_max) {
  if (begins_with(file, {0x1F, 0x8B})) return from_gzip(file, size_max);
  if (begins_with(file, {0x28, 0xB5, 0x2F, 0xFD})) return from_zstd(file, size_max);
  return file;
}

}  // namespace mutirao::machine
