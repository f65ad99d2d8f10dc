#include <map>
#include <string>
#include <zlib.h>
#include <zstd.h>

#include <gtest/gtest.h>

#include "board/description.h"
#include "firmware/decompress.h"
#include "firmware/device_tree.h"
#include "firmware/elf.h"
#include "firmware/loader.h"
#include "testing/files.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kRamBase = 0x80000000;
constexpr std::uint64_t kRamSize = 8 << 20;

Bytes gzip_of(ByteView bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(bytes.size() + 1024);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes zstd_of(ByteView bytes) {
  Bytes out(ZSTD_compressBound(bytes.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

TEST(Loader, puts_an_image_where_its_header_says_and_frees_nothing_of_its_bss) {
  auto const memory = *GuestMemory::create(kRamBase, kRamSize);
  auto const loaded = load_kernel(*memory, kRamBase, image_of({0x13, 0x73}, 0x200000, 0x300000));
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_EQ(loaded->entry, kRamBase + 0x200000);
  EXPECT_EQ(loaded->end, kRamBase + 0x500000);
  EXPECT_EQ(memory->load<std::uint32_t>(kRamBase + 0x200044), 0x73u);
}

TEST(Loader, takes_the_same_kernel_compressed) {
  Bytes const image = image_of(std::vector<std::uint32_t>(50'000, 0x13));
  for (Bytes const& file : {gzip_of(image), zstd_of(image)}) {
    EXPECT_LT(file.size(), image.size() / 4);
    auto const memory = *GuestMemory::create(kRamBase, kRamSize);
    auto const loaded = load_kernel(*memory, kRamBase, file);
    ASSERT_TRUE(loaded) << loaded.error().what;
    EXPECT_EQ(memory->load<std::uint32_t>(kRamBase + 0x200000 + 64 + 4 * 49'999), 0x13u);
    // Cut anywhere, it is broken and not half a kernel.
    Bytes const half{file.begin(), file.begin() + static_cast<std::ptrdiff_t>(file.size() / 2)};
    EXPECT_EQ(load_kernel(*memory, kRamBase, half).error().fault, Fault::corrupt);
  }
}

TEST(Loader, stops_at_files_that_would_grow_beyond_memory) {
  Bytes const zeros(32 << 20);
  for (Bytes const& bomb : {gzip_of(zeros), zstd_of(zeros)})
    EXPECT_EQ(decompressed(bomb, 1 << 20).error().fault, Fault::exhausted);
}

TEST(Loader, refuses_what_is_no_kernel_or_does_not_fit) {
  auto const memory = *GuestMemory::create(kRamBase, kRamSize);
  EXPECT_EQ(load_kernel(*memory, kRamBase, Bytes(100)).error().fault, Fault::unsupported);
  EXPECT_EQ(load_kernel(*memory, kRamBase, {}).error().fault, Fault::unsupported);
  EXPECT_EQ(load_kernel(*memory, kRamBase, image_of({}, 0x200000, 7 << 20)).error().fault,
            Fault::exhausted);
  EXPECT_EQ(load_kernel(*memory, kRamBase, image_of({}, ~0ull, 64)).error().fault,
            Fault::exhausted);
  EXPECT_EQ(load_kernel(*memory, kRamBase, image_of({}, 0, ~0ull)).error().fault, Fault::exhausted);
  EXPECT_EQ(load_kernel(*memory, kRamBase, elf_of(kRamBase - 8, {1, 2, 3})).error().fault,
            Fault::exhausted);
  EXPECT_EQ(load_bytes(*memory, kRamBase + kRamSize - 8, 8, Bytes(9), "it").error().fault,
            Fault::exhausted);
}

TEST(Loader, loads_the_segments_of_an_elf_file_and_finds_its_symbols) {
  auto const memory = *GuestMemory::create(kRamBase, kRamSize);
  Bytes const file = elf_of(kRamBase + 0x1000, {0x11, 0x22}, "tohost");
  auto const loaded = load_kernel(*memory, kRamBase, file);
  ASSERT_TRUE(loaded) << loaded.error().what;
  EXPECT_EQ(loaded->entry, kRamBase + 0x1000);
  EXPECT_EQ(loaded->end, kRamBase + 0x1000 + 8 + 4096);
  EXPECT_EQ(memory->load<std::uint64_t>(kRamBase + 0x1000), 0x22'00000011u);
  auto const elf = ElfFile::parse(file);
  ASSERT_TRUE(elf);
  EXPECT_EQ(elf->symbol("tohost"), kRamBase + 0x1000);
  EXPECT_FALSE(elf->symbol("tohos"));
  EXPECT_FALSE(elf->symbol("fromhost"));
}

TEST(Loader, refuses_elf_files_of_others_and_tables_that_point_outside) {
  Bytes const good = elf_of(kRamBase, {1});
  auto const with = [&](std::size_t offset, auto value) {
    Bytes bad = good;
    put_field(bad, offset, value);
    return ElfFile::parse(bad).error().fault;
  };
  EXPECT_EQ(with(18, std::uint16_t{62}), Fault::unsupported);
  EXPECT_EQ(with(4, std::uint8_t{1}), Fault::unsupported);
  EXPECT_EQ(with(32, ~std::uint64_t{0}), Fault::corrupt);
  EXPECT_EQ(with(56, std::uint16_t{0xFFFF}), Fault::corrupt);
  EXPECT_EQ(with(64 + 8, ~std::uint64_t{0} - 2), Fault::corrupt);
  EXPECT_EQ(with(64 + 32, ~std::uint64_t{0}), Fault::corrupt);
  EXPECT_EQ(with(64 + 40, std::uint64_t{0}), Fault::corrupt);
  // A broken symbol table is none.
  Bytes bad = good;
  put_field(bad, 256 + 24, ~std::uint64_t{0});
  EXPECT_FALSE(ElfFile::parse(bad)->symbol("start"));
}

/// Reads a tree as a kernel does: full paths of properties to their bytes.
std::map<std::string, Bytes> properties_of(ByteView tree) {
  auto const word = [&](std::size_t offset) {
    return base::load_be<std::uint32_t>(tree.subspan(offset));
  };
  std::map<std::string, Bytes> found;
  EXPECT_EQ(word(0), 0xD00DFEEDu);
  EXPECT_EQ(word(4), tree.size());
  std::size_t at = word(8);
  std::size_t const names = word(12);
  std::vector<std::string> path;
  for (;;) {
    std::uint32_t const token = word(at);
    at += 4;
    if (token == 9) break;
    if (token == 1) {
      std::string const name{reinterpret_cast<char const*>(tree.data() + at)};
      at += (name.size() + 4) & ~std::size_t{3};
      path.push_back(path.empty() ? "" : path.back() + "/" + name);
    } else if (token == 2) {
      path.pop_back();
    } else {
      EXPECT_EQ(token, 3u);
      std::size_t const size = word(at);
      std::string const name{reinterpret_cast<char const*>(tree.data() + names + word(at + 4))};
      found[path.back() + "/" + name] = Bytes{tree.begin() + at + 8, tree.begin() + at + 8 + size};
      at += 8 + ((size + 3) & ~std::size_t{3});
    }
  }
  EXPECT_TRUE(path.empty());
  EXPECT_EQ(at, word(8) + word(36));
  return found;
}

std::string text_in(Bytes const& bytes) { return std::string{base::text_of(bytes)}; }

TEST(DeviceTree, can_be_read_back) {
  DeviceTreeWriter writer;
  writer.begin_node("").text("model", "a").cells("reg", {1, 2});
  writer.begin_node("child")
      .flag("on")
      .texts("names", {"x", "yz"})
      .wide_cells("wide", {1ull << 32})
      .end_node();
  writer.begin_node("other").text("odel", "b").end_node().end_node();
  auto found = properties_of(std::move(writer).finish());
  EXPECT_EQ(found.size(), 6u);
  EXPECT_EQ(text_in(found["/model"]), std::string("a\0", 2));
  EXPECT_EQ(found["/reg"], (Bytes{0, 0, 0, 1, 0, 0, 0, 2}));
  EXPECT_EQ(found["/child/on"], Bytes{});
  EXPECT_EQ(text_in(found["/child/names"]), std::string("x\0yz\0", 5));
  EXPECT_EQ(found["/child/wide"], (Bytes{0, 0, 0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(text_in(found["/other/odel"]), std::string("b\0", 2));
}

// U-Boot adds properties to the tree where it lies.
TEST(DeviceTree, has_room_of_its_own_for_what_a_boot_loader_adds) {
  Bytes const tree = describe_board({.memory_bytes = 1 << 30, .cpus = 1, .append = ""});
  auto const word = [&](std::size_t offset) {
    return base::load_be<std::uint32_t>(ByteView{tree}.subspan(offset));
  };
  EXPECT_EQ(word(4), tree.size());
  EXPECT_GE(tree.size() - word(12) - word(32), 4096u);
}

TEST(DeviceTree, describes_the_board_in_both_ways_that_kernels_know) {
  Bytes const seed(64, 7);
  auto found = properties_of(describe_board({.memory_bytes = 1 << 30,
                                             .cpus = 2,
                                             .append = "console=ttyS0",
                                             .initrd_begin = 0x81000000,
                                             .initrd_end = 0x81234567,
                                             .rng_seed = seed}));
  EXPECT_EQ(text_in(found["/chosen/bootargs"]), std::string("console=ttyS0\0", 14));
  EXPECT_EQ(found["/chosen/rng-seed"], seed);
  EXPECT_EQ(found["/chosen/linux,initrd-end"], (Bytes{0, 0, 0, 0, 0x81, 0x23, 0x45, 0x67}));
  EXPECT_EQ(text_in(found["/cpus/cpu@1/riscv,isa"]).substr(0, 12), "rv64imafdc_z");
  EXPECT_EQ(text_in(found["/cpus/cpu@1/riscv,isa-extensions"]).substr(0, 4),
            std::string("i\0m\0", 4));
  EXPECT_EQ(found["/soc/plic@c000000/interrupts-extended"].size(), 2u * 2 * 2 * 4);
  EXPECT_EQ(found["/memory@80000000/reg"],
            (Bytes{0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0}));
  auto bare = properties_of(describe_board({.memory_bytes = 1 << 30, .cpus = 1, .append = ""}));
  EXPECT_EQ(bare.count("/chosen/linux,initrd-start"), 0u);
  EXPECT_EQ(bare.count("/chosen/rng-seed"), 0u);
}

}  // namespace
}  // namespace mutirao::machine
