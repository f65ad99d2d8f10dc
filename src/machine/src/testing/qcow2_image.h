#pragma once

#include <map>
#include <zlib.h>
#include <zstd.h>

#include "mutirao/base/bytes.h"

#include "block/qcow2_layout.h"

namespace mutirao::machine {

/// Writes small qcow2 images, of version 3 unless told otherwise.
class Qcow2Image {
 public:
  explicit Qcow2Image(std::uint64_t disk_bytes, unsigned cluster_bits = 12, bool zstd = false)
      : cluster_{1ull << cluster_bits}, zstd_{zstd}, file_(2 * cluster_) {
    put<std::uint32_t>(0, Qcow2Layout::kMagic);
    put<std::uint32_t>(4, 3);
    put<std::uint32_t>(20, cluster_bits);
    put<std::uint64_t>(24, disk_bytes);
    std::uint64_t const of_one = cluster_ * (cluster_ / 8);
    put<std::uint32_t>(36, static_cast<std::uint32_t>((disk_bytes + of_one - 1) / of_one));
    put<std::uint64_t>(40, cluster_);
    put<std::uint64_t>(72, zstd ? 8 : 0);
    put<std::uint32_t>(100, 112);
    file_[104] = zstd ? 1 : 0;
  }

  template <class T>
  void put(std::uint64_t at, T value) {
    base::store_be<T>(MutableBytes{file_}.subspan(at), value);
  }
  /// Of the second table; makes that table where there is none.
  void put_entry(std::uint64_t cluster, std::uint64_t entry) {
    std::uint64_t const table = cluster / (cluster_ / 8);
    auto const [found, added] = tables_.try_emplace(table, 0);
    if (added) {
      found->second = append(Bytes(cluster_));
      put<std::uint64_t>(cluster_ + table * 8, found->second | 1ull << 63);
    }
    put<std::uint64_t>(found->second + cluster % (cluster_ / 8) * 8, entry);
  }
  void put_plain(std::uint64_t cluster, Bytes const& content) {
    put_entry(cluster, append(content) | 1ull << 63);
  }
  void put_zero(std::uint64_t cluster) { put_entry(cluster, 1); }
  /// `shift` bytes behind the start of a sector.
  void put_compressed(std::uint64_t cluster, Bytes const& content, std::size_t shift = 0) {
    Bytes packed = zstd_ ? by_zstd(content) : by_deflate(content);
    std::size_t const size = packed.size();
    packed.insert(packed.begin(), shift, 0xEE);
    std::uint64_t const at = append(packed) + shift;
    unsigned const sectors_at = 62 - (static_cast<unsigned>(std::countr_zero(cluster_)) - 8);
    std::uint64_t const more = (at + size - 1) / 512 - at / 512;
    put_entry(cluster, 1ull << 62 | more << sectors_at | at);
  }
  [[nodiscard]] Bytes& bytes() { return file_; }

 private:
  std::uint64_t append(Bytes const& content) {
    std::uint64_t const at = file_.size();
    file_.insert(file_.end(), content.begin(), content.end());
    file_.resize((file_.size() + cluster_ - 1) / cluster_ * cluster_);
    return at;
  }
  static Bytes by_zstd(Bytes const& content) {
    Bytes out(ZSTD_compressBound(content.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), content.data(), content.size(), 3));
    return out;
  }
  static Bytes by_deflate(Bytes const& content) {
    z_stream stream{};
    deflateInit2(&stream, 6, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY);
    Bytes out(deflateBound(&stream, content.size()));
    stream.next_in = const_cast<Bytef*>(content.data());
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
  }

  std::uint64_t const cluster_;
  bool const zstd_;
  Bytes file_;
  std::map<std::uint64_t, std::uint64_t> tables_;  // where they lie
};

}  // namespace mutirao::machine
