#include "mutirao/machine/block_qcow2.h"

#include <gtest/gtest.h>

#include "mutirao/base/units.h"
#include "mutirao/sim/testing.h"

#include "testing/qcow2_image.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kCluster = 4096;

Bytes patterned(std::uint8_t seed) {
  Bytes bytes(kCluster);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(seed + i / 16);
  return bytes;
}

/// Opens an image that lies on the disk of a simulated host.
void with_qcow2(Bytes const& image,
                std::function<void(Result<std::unique_ptr<BlockSource>>)> const& body) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    auto const folder = host.world().disk().open_directory("/images", true);
    auto file = (*folder)->open("image", {.writable = true, .create = true});
    ASSERT_TRUE((*file)->write_at(0, image));
    body(open_block_image(std::move(*file), true));
  });
}

Bytes read_from(BlockSource& disk, std::uint64_t offset, std::size_t size) {
  Bytes bytes(size, 0xAA);
  auto const done = disk.read(offset, bytes, BlockPriority::guest, Deadline::never());
  EXPECT_TRUE(done) << done.error().what;
  return bytes;
}

TEST(BlockQcow2, reads_clusters_of_every_kind) {
  for (bool const zstd : {false, true}) {
    Qcow2Image image{5 * kCluster, 12, zstd};
    image.put_plain(0, patterned(1));
    image.put_compressed(1, patterned(2));
    image.put_zero(2);
    image.put_compressed(4, patterned(3), 300);
    with_qcow2(image.bytes(), [](auto disk) {
      ASSERT_TRUE(disk) << disk.error().what;
      EXPECT_EQ((*disk)->size(), 5 * kCluster);
      EXPECT_FALSE((*disk)->writable());
      Bytes wanted;
      for (Bytes const& part :
           {patterned(1), patterned(2), Bytes(kCluster), Bytes(kCluster), patterned(3)})
        wanted.insert(wanted.end(), part.begin(), part.end());
      EXPECT_EQ(read_from(**disk, 0, wanted.size()), wanted);
      // Across the borders of clusters, and once more from what is kept.
      for (std::uint64_t const offset : {512, 4000, 8000, 4000, 16000})
        EXPECT_EQ(read_from(**disk, offset, 1000),
                  Bytes(wanted.begin() + static_cast<std::ptrdiff_t>(offset),
                        wanted.begin() + static_cast<std::ptrdiff_t>(offset) + 1000));
    });
  }
}

TEST(BlockQcow2, finds_clusters_by_several_tables) {
  constexpr std::uint64_t kOfOneTable = kCluster / 8;
  Qcow2Image image{1_GiB};
  image.put_plain(kOfOneTable - 1, patterned(1));
  image.put_plain(5 * kOfOneTable, patterned(2));
  with_qcow2(image.bytes(), [](auto disk) {
    ASSERT_TRUE(disk) << disk.error().what;
    EXPECT_EQ(read_from(**disk, (kOfOneTable - 1) * kCluster, kCluster), patterned(1));
    EXPECT_EQ(read_from(**disk, 5 * kOfOneTable * kCluster, kCluster), patterned(2));
    EXPECT_EQ(read_from(**disk, 1_GiB - kCluster, kCluster), Bytes(kCluster));
  });
}

TEST(BlockQcow2, is_only_read_and_within_its_size) {
  Qcow2Image image{kCluster};
  with_qcow2(image.bytes(), [](auto disk) {
    ASSERT_TRUE(disk);
    Bytes bytes(512);
    auto const never = Deadline::never();
    EXPECT_EQ((*disk)->write(0, bytes, never).error().fault, Fault::refused);
    for (std::uint64_t const offset : {kCluster, kCluster - 511, ~0ul, ~0ul - 100})
      EXPECT_EQ((*disk)->read(offset, bytes, BlockPriority::guest, never).error().fault,
                Fault::invalid);
  });
}

TEST(BlockQcow2, refuses_what_it_cannot_read_and_says_how_to_convert_it) {
  auto const changed = [](std::size_t at, auto value) {
    Qcow2Image image{kCluster};
    image.put(at, value);
    return image.bytes();
  };
  struct {
    Bytes image;
    Fault fault;
  } const cases[] = {
      {changed(4, std::uint32_t{4}), Fault::unsupported},    // its version
      {changed(8, std::uint64_t{512}), Fault::unsupported},  // another image below
      {changed(32, std::uint32_t{1}), Fault::unsupported},   // encrypted
      {changed(72, std::uint64_t{4}), Fault::unsupported},   // data elsewhere
      {changed(72, std::uint64_t{16}), Fault::unsupported},  // subclusters
      {changed(72, std::uint64_t{1} << 40), Fault::unsupported},
      {changed(72, std::uint64_t{2}), Fault::corrupt},  // as it says itself
      {changed(20, std::uint32_t{8}), Fault::corrupt},
      {changed(20, std::uint32_t{22}), Fault::corrupt},
      {changed(24, std::uint64_t{0}), Fault::corrupt},
      {changed(24, std::uint64_t{513}), Fault::corrupt},
      {changed(24, ~std::uint64_t{511}), Fault::corrupt},
      {changed(24, std::uint64_t{1} << 45), Fault::corrupt},  // more than its table has
      {changed(36, std::uint32_t{0}), Fault::corrupt},
      {changed(40, std::uint64_t{100}), Fault::corrupt},
      {changed(40, std::uint64_t{1} << 30), Fault::corrupt},  // beyond its end
  };
  for (auto const& bad : cases)
    with_qcow2(bad.image, [&](auto disk) {
      ASSERT_FALSE(disk);
      EXPECT_EQ(disk.error().fault, bad.fault) << disk.error().what;
      EXPECT_EQ(disk.error().mend.contains("qemu-img convert"), bad.fault == Fault::unsupported);
    });
}

TEST(BlockQcow2, says_so_when_a_cluster_is_broken) {
  Qcow2Image image{4 * kCluster};
  image.put_entry(0, 1ull << 40);                 // beyond the end
  image.put_entry(1, 4096 + 512);                 // between two
  image.put_entry(2, 1ull << 62 | (1ull << 30));  // compressed, beyond the end
  image.put_entry(3, 1ull << 62 | 4ull);          // compressed, and no such thing
  with_qcow2(image.bytes(), [](auto disk) {
    ASSERT_TRUE(disk);
    Bytes bytes(512);
    for (std::uint64_t cluster = 0; cluster < 4; ++cluster)
      EXPECT_EQ((*disk)
                    ->read(cluster * kCluster, bytes, BlockPriority::guest, Deadline::never())
                    .error()
                    .fault,
                Fault::corrupt)
          << cluster;
  });
}

}  // namespace
}  // namespace mutirao::machine
