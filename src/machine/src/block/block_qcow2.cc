#include "mutirao/machine/block_qcow2.h"

#include <algorithm>
#include <array>
#include <list>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "mutirao/threads/mutex.h"

#include "block/qcow2_layout.h"

namespace mutirao::machine {
namespace {

// What was used last is kept: tables of which each says where a whole run of clusters is, and
// clusters that were decompressed.
constexpr std::size_t kKeptBytes = 4 << 20;

/// The last few of something, by where they lie in the file.
class RecentlyUsed {
 public:
  explicit RecentlyUsed(std::size_t count) : count_{count} {}

  [[nodiscard]] std::shared_ptr<Bytes const> find(std::uint64_t at) {
    auto const found = std::ranges::find(kept_, at, &Kept::at);
    if (found == kept_.end()) return nullptr;
    kept_.splice(kept_.begin(), kept_, found);
    return found->bytes;
  }
  void add(std::uint64_t at, std::shared_ptr<Bytes const> bytes) {
    if (kept_.size() == count_) kept_.pop_back();
    kept_.push_front({at, std::move(bytes)});
  }

 private:
  struct Kept {
    std::uint64_t at;
    std::shared_ptr<Bytes const> bytes;
  };
  std::size_t const count_;
  std::list<Kept> kept_;
};

class BlockQcow2 final : public BlockSource {
 public:
  BlockQcow2(std::unique_ptr<world::File> file, Qcow2Layout layout, Bytes l1)
      : file_{std::move(file)},
        layout_{layout},
        l1_{std::move(l1)},
        tables_{std::max<std::size_t>(kKeptBytes / layout.cluster_bytes(), 2)},
        clusters_{std::max<std::size_t>(kKeptBytes / layout.cluster_bytes(), 2)} {}

  std::uint64_t size() const override { return layout_.disk_bytes; }
  bool writable() const override { return false; }

  Result<void> read(std::uint64_t offset, MutableBytes into, BlockPriority, Deadline) override {
    if (offset > size() || into.size() > size() - offset)
      return fail(Fault::invalid,
                  fmt::format("{} bytes at {} of a disk of {}", into.size(), offset, size()));
    while (!into.empty()) {
      std::uint64_t const within = offset % layout_.cluster_bytes();
      std::size_t const piece =
          std::min<std::uint64_t>(into.size(), layout_.cluster_bytes() - within);
      MUT_TRY(read_within(offset, into.first(piece)));
      offset += piece;
      into = into.subspan(piece);
    }
    return {};
  }
  Result<void> write(std::uint64_t, ByteView, Deadline) override {
    return fail(Fault::refused, "a qcow2 image is only read", "lay an overlay over it");
  }
  Result<void> flush(Deadline) override { return {}; }

 private:
  /// Of one cluster.
  Result<void> read_within(std::uint64_t offset, MutableBytes into) {
    using Kind = Qcow2Cluster::Kind;
    std::uint64_t const within = offset % layout_.cluster_bytes();
    auto const cluster = MUT_TRY(find(offset / layout_.cluster_bytes()));
    switch (cluster.kind) {
      case Kind::absent:
      case Kind::zero:
        std::ranges::fill(into, 0);
        return {};
      case Kind::plain:
        return file_->read_exactly(cluster.at + within, into);
      case Kind::compressed: {
        auto const whole = MUT_TRY(kept(clusters_, cluster.at, [&]() -> Result<Bytes> {
          // The last one may end before its last sector does.
          Bytes bytes(cluster.bytes);
          bytes.resize(MUT_TRY(file_->read_at(cluster.at, bytes)));
          return decompressed_cluster(layout_, bytes);
        }));
        std::copy_n(whole->begin() + static_cast<std::ptrdiff_t>(within), into.size(),
                    into.begin());
        return {};
      }
    }
    return {};
  }

  Result<Qcow2Cluster> find(std::uint64_t cluster) {
    constexpr std::uint64_t kTableMask = 0x00FFFFFFFFFFFE00;
    std::uint64_t const at = entry_of(l1_, cluster / layout_.l2_entries()) & kTableMask;
    if (at == 0) return Qcow2Cluster{};
    if (at % layout_.cluster_bytes() != 0)
      return fail(Fault::corrupt, "a broken qcow2 image: a table lies between two clusters",
                  "qemu-img check IMAGE");
    auto const table = MUT_TRY(kept(tables_, at, [&]() -> Result<Bytes> {
      Bytes bytes(layout_.cluster_bytes());
      MUT_TRY(file_->read_exactly(at, bytes));
      return bytes;
    }));
    return read_qcow2_entry(layout_, entry_of(*table, cluster % layout_.l2_entries()));
  }

  /// What is kept for `at`, else what `make` gives, which then is. Two may make the same at once.
  template <class Make>
  Result<std::shared_ptr<Bytes const>> kept(RecentlyUsed& cache, std::uint64_t at, Make make) {
    {
      std::lock_guard const lock{mutex_};
      if (auto found = cache.find(at)) return found;
    }
    auto made = std::make_shared<Bytes const>(MUT_TRY(make()));
    std::lock_guard const lock{mutex_};
    if (auto found = cache.find(at)) return found;
    cache.add(at, made);
    return made;
  }
  static std::uint64_t entry_of(Bytes const& table, std::uint64_t number) {
    return base::load_be<std::uint64_t>(ByteView{table}.subspan(number * 8));
  }

  std::unique_ptr<world::File> file_;
  Qcow2Layout const layout_;
  Bytes const l1_;
  threads::mutex mutex_;
  RecentlyUsed tables_;
  RecentlyUsed clusters_;
};

Result<Bytes> read_begin(world::File& file) {
  Bytes header(Qcow2Layout::kHeaderBytes);
  header.resize(MUT_TRY(file.read_at(0, header)));
  return header;
}

}  // namespace

Result<std::unique_ptr<BlockSource>> open_block_qcow2(std::unique_ptr<world::File> file) {
  auto const layout = MUT_TRY(read_qcow2_header(MUT_TRY(read_begin(*file))));
  Bytes l1(std::size_t{layout.l1_entries} * 8);
  MUT_TRY(file->read_exactly(layout.l1_at, l1));
  return std::make_unique<BlockQcow2>(std::move(file), layout, std::move(l1));
}

Result<bool> is_qcow2(world::File& file) {
  auto const header = MUT_TRY(read_begin(file));
  return header.size() >= 4 && base::load_be<std::uint32_t>(header) == Qcow2Layout::kMagic;
}

Result<std::unique_ptr<BlockSource>> open_block_image(std::unique_ptr<world::File> file,
                                                      bool writable) {
  if (MUT_TRY(is_qcow2(*file))) return open_block_qcow2(std::move(file));
  return open_block_file(std::move(file), writable);
}

}  // namespace mutirao::machine
