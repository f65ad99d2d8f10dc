#include "store/store_map.h"

#include <numeric>

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

constexpr std::uint64_t kLifetime = 7;

MapKey key_of(std::uint64_t blocks, std::uint32_t files) {
  MapKey key;
  std::iota(key.torrent.begin(), key.torrent.end(), std::uint8_t{1});
  key.piece_length = 262144;
  key.blocks = blocks;
  key.files = files;
  return key;
}

FileRecord some_file(std::uint64_t n) {
  return {FileRecord::State::settled, 1000 + n, -5 + static_cast<std::int64_t>(n), 77 * n};
}

/// Many pages of each kind, with a pattern of claims.
StoreMap some_map(MapKey const& key) {
  StoreMap map{key};
  map.begin_generations(41);
  for (std::uint64_t block = 0; block < key.blocks; block += 3)
    map.apply(MapRecord::claim(block, 1 + block % 2));
  for (std::uint32_t i = 0; i < key.files; ++i) map.apply(MapRecord::of_file(i, some_file(i)));
  map.apply(MapRecord::mark(123456789));
  return map;
}

std::vector<MapRecord> const kRecords{MapRecord::claim(7, 5), MapRecord::unclaim(0, 4),
                                      MapRecord::of_file(1, some_file(9)),
                                      MapRecord::mark(987654321), MapRecord::claim(90, 10)};

Bytes journal_of(StoreMap const& map, std::vector<MapRecord> const& records) {
  Bytes journal = map.encode_journal_header(kLifetime);
  std::uint64_t sequence = 0;
  for (MapRecord const& record : records) map.encode_record(journal, record, sequence++);
  return journal;
}

void expect_same(StoreMap const& a, StoreMap const& b) {
  EXPECT_EQ(a.blocks(), b.blocks());
  EXPECT_TRUE(std::ranges::equal(a.files(), b.files()));
  EXPECT_EQ(a.marked_at_ns(), b.marked_at_ns());
  EXPECT_EQ(a.generation(), b.generation());
}

TEST(StoreMap, survives_the_disk_with_its_journal) {
  for (auto const& key : {key_of(100, 2), key_of(100'000, 300), key_of(32736, 127), key_of(0, 0)}) {
    StoreMap map = some_map(key);
    Bytes const bytes = map.encode_map();
    EXPECT_EQ(bytes.size(), StoreMap::map_bytes(key));
    Bytes journal = map.encode_journal_header(kLifetime);
    std::uint64_t sequence = 0;
    for (MapRecord const& record : kRecords)
      if (map.apply(record)) map.encode_record(journal, record, sequence++);
    auto const read = StoreMap::decode(key, bytes, journal, kLifetime);
    EXPECT_TRUE(read.found);
    EXPECT_TRUE(read.lost.empty());
    EXPECT_EQ(read.journal_records, sequence);
    expect_same(read.map, map);
  }
}

TEST(StoreMap, takes_of_a_journal_that_was_cut_every_whole_record_and_nothing_else) {
  MapKey const key = key_of(100, 2);
  StoreMap const map = some_map(key);
  Bytes const bytes = map.encode_map();
  Bytes const journal = journal_of(map, kRecords);
  for (std::size_t length = 0; length <= journal.size(); ++length) {
    auto const read = StoreMap::decode(key, bytes, ByteView{journal}.first(length), kLifetime);
    std::size_t const whole = length < 64 ? 0 : (length - 64) / StoreMap::kRecordBytes;
    StoreMap expected = map;
    for (std::size_t i = 0; i < whole; ++i) expected.apply(kRecords[i]);
    EXPECT_EQ(read.journal_records, whole) << length;
    expect_same(read.map, expected);
  }
}

TEST(StoreMap, ends_a_journal_at_its_first_broken_byte) {
  MapKey const key = key_of(100, 2);
  StoreMap const map = some_map(key);
  Bytes const bytes = map.encode_map();
  Bytes const journal = journal_of(map, kRecords);
  for (std::size_t at = 0; at < journal.size(); ++at) {
    Bytes broken = journal;
    broken[at] ^= 0x20;
    auto const read = StoreMap::decode(key, bytes, broken, kLifetime);
    EXPECT_EQ(read.journal_records, at < 64 ? 0 : (at - 64) / StoreMap::kRecordBytes) << at;
  }
}

TEST(StoreMap, believes_no_journal_of_another_map) {
  MapKey const key = key_of(100, 2);
  StoreMap map = some_map(key);
  Bytes const journal = journal_of(map, kRecords);
  map.next_generation();
  EXPECT_EQ(StoreMap::decode(key, map.encode_map(), journal, kLifetime).journal_records, 0u);

  // Nor what an older and longer journal left behind the end of this one.
  Bytes mixed = journal_of(map, {kRecords[0]});
  mixed.insert(mixed.end(), journal.begin() + static_cast<std::ptrdiff_t>(mixed.size()),
               journal.end());
  EXPECT_EQ(StoreMap::decode(key, map.encode_map(), mixed, kLifetime).journal_records, 1u);
}

TEST(StoreMap, loses_of_a_rotten_page_only_what_is_on_it_and_claims_nothing_more) {
  MapKey const key = key_of(100'000, 300);
  StoreMap const map = some_map(key);
  Bytes const bytes = map.encode_map();
  std::size_t const pages = bytes.size() / StoreMap::kPageBytes;
  ASSERT_EQ(pages, 1u + 3 + 4);
  for (std::size_t page = 0; page < pages; ++page) {
    Bytes rotten = bytes;
    rotten[page * StoreMap::kPageBytes + 1000] ^= 1;
    auto const read = StoreMap::decode(key, rotten, {}, kLifetime);
    EXPECT_EQ(read.found, page != 0);
    for (std::size_t block = 0; block < key.blocks; ++block) {
      bool const on_page = page == 0 || (page >= 4 && block / 32736 == page - 4);
      ASSERT_EQ(read.map.blocks().test(block), !on_page && map.blocks().test(block));
    }
    ASSERT_EQ(read.lost.size(), page >= 4 ? 1u : 0u);
    if (page >= 4) {
      EXPECT_EQ(read.lost[0].first, (page - 4) * 32736);
    }
    if (page == 2) {
      EXPECT_EQ(read.map.files()[126], some_file(126));
      EXPECT_EQ(read.map.files()[127], FileRecord{});
      EXPECT_EQ(read.map.files()[254], some_file(254));
    }
  }
}

TEST(StoreMap, does_not_take_a_page_for_another) {
  MapKey const key = key_of(100'000, 2);
  Bytes bytes = some_map(key).encode_map();
  std::swap_ranges(bytes.begin() + 2 * 4096, bytes.begin() + 3 * 4096, bytes.begin() + 3 * 4096);
  EXPECT_EQ(StoreMap::decode(key, bytes, {}, kLifetime).lost.size(), 2u);
}

TEST(StoreMap, is_no_map_for_another_torrent_or_layout) {
  MapKey const key = key_of(100, 2);
  Bytes const bytes = some_map(key).encode_map();
  auto const found = [&](auto change) {
    MapKey other = key;
    change(other);
    return StoreMap::decode(other, bytes, {}, kLifetime).found;
  };
  EXPECT_TRUE(found([](MapKey&) {}));
  EXPECT_FALSE(found([](MapKey& other) { other.torrent[31] ^= 1; }));
  EXPECT_FALSE(found([](MapKey& other) { other.piece_length *= 2; }));
  EXPECT_FALSE(found([](MapKey& other) { other.blocks = 101; }));
  EXPECT_FALSE(found([](MapKey& other) { other.blocks = 1'000'000; }));
  EXPECT_FALSE(found([](MapKey& other) { other.files = 3; }));
  EXPECT_FALSE(StoreMap::decode(key, {}, {}, kLifetime).found);
  EXPECT_FALSE(StoreMap::decode(key, ByteView{bytes}.first(bytes.size() - 1), {}, kLifetime).found);
}

TEST(StoreMap, claims_in_another_lifetime_only_what_was_synced) {
  MapKey const key = key_of(100, 2);
  StoreMap const map{key};
  Bytes const journal =
      journal_of(map, {MapRecord::claim(7, 5), MapRecord::claim(20, 2), MapRecord::synced(1),
                       MapRecord::claim(30, 1), MapRecord::synced(1)});
  Bytes const bytes = map.encode_map();
  using Runs = std::vector<StoreMap::Recovered::Run>;

  auto const same = StoreMap::decode(key, bytes, journal, kLifetime);
  EXPECT_EQ(same.map.blocks().count(), 8u);
  EXPECT_EQ(same.unsynced, (Runs{{20, 2}, {30, 1}}));
  EXPECT_TRUE(same.lost.empty());

  for (std::uint64_t const other : {kLifetime + 1, std::uint64_t{0}}) {
    auto const read = StoreMap::decode(key, bytes, journal, other);
    EXPECT_EQ(read.map.blocks().count(), 5u);
    EXPECT_TRUE(read.unsynced.empty());
    EXPECT_EQ(read.lost, (Runs{{20, 2}, {30, 1}}));
    EXPECT_EQ(read.journal_records, 5u);
  }
}

TEST(StoreMap, refuses_records_beyond_its_key) {
  StoreMap map{key_of(100, 2)};
  EXPECT_TRUE(map.apply(MapRecord::claim(0, 100)));
  EXPECT_FALSE(map.apply(MapRecord::claim(1, 100)));
  EXPECT_FALSE(map.apply(MapRecord::claim(101, 0)));
  EXPECT_FALSE(map.apply(MapRecord::unclaim(50, UINT64_MAX)));
  EXPECT_FALSE(map.apply(MapRecord::unclaim(UINT64_MAX, 2)));
  EXPECT_FALSE(map.apply(MapRecord::of_file(2, {})));
  EXPECT_TRUE(map.blocks().all());
}

}  // namespace
}  // namespace mutirao::swarm
