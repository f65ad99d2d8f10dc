#include "store/store_map.h"

#include <algorithm>
#include <deque>

#include "mutirao/base/check.h"

#include "hash/crc32c.h"

namespace mutirao::swarm {
namespace {

using base::load_be;
using base::store_be;

constexpr std::string_view kMapMagic = "MUTIMAP\x01";
constexpr std::string_view kJournalMagic = "MUTIJRN\x02";
constexpr std::size_t kPayloadBytes = StoreMap::kPageBytes - 4;  // of a page; its CRC comes last
constexpr std::size_t kFileBytes = 32;
constexpr std::size_t kLifetimeAt = 48;  // in the header of a journal
constexpr std::size_t kFilesPerPage = kPayloadBytes / kFileBytes;
constexpr std::uint64_t kBlocksPerPage = kPayloadBytes * 8;

std::uint64_t file_pages(MapKey const& key) {
  return (key.files + kFilesPerPage - 1) / kFilesPerPage;
}
std::uint64_t bit_pages(MapKey const& key) {
  return (key.blocks + kBlocksPerPage - 1) / kBlocksPerPage;
}

/// A page is good only in its place and in its generation: one that an old map left is not.
std::uint32_t page_seed(std::uint64_t generation, std::uint64_t page) {
  return static_cast<std::uint32_t>(generation * 0x9e3779b9u + page);
}

void seal_page(MutableBytes page, std::uint32_t seed) {
  store_be<std::uint32_t>(page.subspan(kPayloadBytes), crc32c(page.first(kPayloadBytes), seed));
}

/// The payload of a page, or nothing when it is broken.
ByteView open_page(ByteView map, std::uint64_t page, std::uint64_t generation) {
  ByteView const bytes = map.subspan(page * StoreMap::kPageBytes, StoreMap::kPageBytes);
  ByteView const payload = bytes.first(kPayloadBytes);
  bool const good = load_be<std::uint32_t>(bytes.subspan(kPayloadBytes)) ==
                    crc32c(payload, page_seed(generation, page));
  return good ? payload : ByteView{};
}

void put_file(MutableBytes into, FileRecord const& file) {
  store_be<std::uint64_t>(into, file.size);
  store_be<std::uint64_t>(into.subspan(8), static_cast<std::uint64_t>(file.modified_ns));
  store_be<std::uint64_t>(into.subspan(16), file.inode);
  store_be<std::uint32_t>(into.subspan(24), static_cast<std::uint32_t>(file.state));
}

bool get_file(ByteView from, FileRecord& file) {
  auto const state = load_be<std::uint32_t>(from.subspan(24));
  if (state > static_cast<std::uint32_t>(FileRecord::State::writing)) return false;
  file.state = static_cast<FileRecord::State>(state);
  file.size = load_be<std::uint64_t>(from);
  file.modified_ns = static_cast<std::int64_t>(load_be<std::uint64_t>(from.subspan(8)));
  file.inode = load_be<std::uint64_t>(from.subspan(16));
  return true;
}

}  // namespace

StoreMap::StoreMap(MapKey const& key) : key_{key}, blocks_{key.blocks}, files_(key.files) {}

std::uint64_t StoreMap::map_bytes(MapKey const& key) noexcept {
  return (1 + file_pages(key) + bit_pages(key)) * kPageBytes;
}

bool StoreMap::apply(MapRecord const& record) {
  switch (record.kind) {
    case MapRecord::Kind::claim:
    case MapRecord::Kind::unclaim:
      if (record.first > key_.blocks || record.count > key_.blocks - record.first) return false;
      for (std::uint64_t block = record.first; block < record.first + record.count; ++block)
        record.kind == MapRecord::Kind::claim ? blocks_.set(block) : blocks_.reset(block);
      return true;
    case MapRecord::Kind::synced:
      return true;
    case MapRecord::Kind::file:
      if (record.file_index >= key_.files) return false;
      files_[record.file_index] = record.file;
      return true;
    case MapRecord::Kind::mark:
      marked_at_ns_ = record.at_ns;
      return true;
  }
  return false;
}

// ------------------------------------------------------------------------------------------- map

Bytes StoreMap::encode_map() const {
  Bytes map(map_bytes(key_));
  MutableBytes const all{map};
  std::uint64_t page = 0;
  auto const next_page = [&] { return all.subspan(page++ * kPageBytes, kPageBytes); };

  MutableBytes const head = next_page();
  std::ranges::copy(base::view_of(kMapMagic), head.begin());
  store_be<std::uint64_t>(head.subspan(8), generation_);
  std::ranges::copy(key_.torrent, head.begin() + 16);
  store_be<std::uint32_t>(head.subspan(48), key_.piece_length);
  store_be<std::uint32_t>(head.subspan(52), key_.files);
  store_be<std::uint64_t>(head.subspan(56), key_.blocks);
  store_be<std::uint64_t>(head.subspan(64), static_cast<std::uint64_t>(marked_at_ns_));

  for (std::size_t first = 0; first < files_.size(); first += kFilesPerPage) {
    MutableBytes const into = next_page();
    for (std::size_t i = 0; i < std::min(kFilesPerPage, files_.size() - first); ++i)
      put_file(into.subspan(i * kFileBytes, kFileBytes), files_[first + i]);
  }

  Bytes const bits = blocks_.to_wire();
  for (std::size_t first = 0; first < bits.size(); first += kPayloadBytes)
    std::ranges::copy(ByteView{bits}.subspan(first, std::min(kPayloadBytes, bits.size() - first)),
                      next_page().begin());

  MUT_ASSERT(page * kPageBytes == map.size());
  for (std::uint64_t i = 0; i < page; ++i)
    seal_page(all.subspan(i * kPageBytes, kPageBytes), page_seed(generation_, i));
  return map;
}

bool StoreMap::decode_header(ByteView map) {
  if (map.size() != map_bytes(key_) || base::text_of(map.first(8)) != kMapMagic) return false;
  generation_ = load_be<std::uint64_t>(map.subspan(8));
  ByteView const head = open_page(map, 0, generation_);
  if (head.empty()) return false;
  marked_at_ns_ = static_cast<std::int64_t>(load_be<std::uint64_t>(head.subspan(64)));
  return std::ranges::equal(head.subspan(16, 32), key_.torrent) &&
         load_be<std::uint32_t>(head.subspan(48)) == key_.piece_length &&
         load_be<std::uint32_t>(head.subspan(52)) == key_.files &&
         load_be<std::uint64_t>(head.subspan(56)) == key_.blocks;
}

void StoreMap::decode_files(ByteView map) {
  for (std::size_t first = 0; first < files_.size(); first += kFilesPerPage) {
    ByteView const page = open_page(map, 1 + first / kFilesPerPage, generation_);
    if (page.empty()) continue;
    for (std::size_t i = 0; i < std::min(kFilesPerPage, files_.size() - first); ++i)
      if (!get_file(page.subspan(i * kFileBytes, kFileBytes), files_[first + i]))
        files_[first + i] = {};
  }
}

void StoreMap::decode_bits(ByteView map, Recovered& recovered) {
  std::uint64_t const first_page = 1 + file_pages(key_);
  for (std::uint64_t page = 0; page < bit_pages(key_); ++page) {
    ByteView const bits = open_page(map, first_page + page, generation_);
    std::uint64_t const first = page * kBlocksPerPage;
    std::uint64_t const count = std::min(kBlocksPerPage, key_.blocks - first);
    if (bits.empty()) {
      recovered.lost.emplace_back(first, count);
      continue;
    }
    for (std::uint64_t i = 0; i < count; ++i)
      if (bits[i / 8] >> (7 - i % 8) & 1) blocks_.set(first + i);
  }
}

// --------------------------------------------------------------------------------------- journal

Bytes StoreMap::encode_journal_header(std::uint64_t lifetime) const {
  Bytes header(kJournalHeaderBytes);
  std::ranges::copy(base::view_of(kJournalMagic), header.begin());
  store_be<std::uint64_t>(MutableBytes{header}.subspan(8), generation_);
  std::ranges::copy(key_.torrent, header.begin() + 16);
  store_be<std::uint64_t>(MutableBytes{header}.subspan(kLifetimeAt), lifetime);
  MutableBytes const crc = MutableBytes{header}.last(4);
  store_be<std::uint32_t>(crc, crc32c(ByteView{header}.first(kJournalHeaderBytes - 4)));
  return header;
}

void StoreMap::encode_record(Bytes& out, MapRecord const& record, std::uint64_t sequence) const {
  std::array<std::uint8_t, kRecordBytes> bytes{};
  MutableBytes const all{bytes};
  bytes[0] = static_cast<std::uint8_t>(record.kind);
  store_be<std::uint32_t>(all.subspan(4), record.file_index);
  switch (record.kind) {
    case MapRecord::Kind::claim:
    case MapRecord::Kind::unclaim:
    case MapRecord::Kind::synced:
      store_be<std::uint64_t>(all.subspan(8), record.first);
      store_be<std::uint64_t>(all.subspan(16), record.count);
      break;
    case MapRecord::Kind::file:
      put_file(all.subspan(8, kFileBytes - 4), record.file);
      break;
    case MapRecord::Kind::mark:
      store_be<std::uint64_t>(all.subspan(8), static_cast<std::uint64_t>(record.at_ns));
      break;
  }
  store_be<std::uint64_t>(all.subspan(36), sequence);
  store_be<std::uint32_t>(
      all.subspan(44), crc32c(ByteView{bytes}.first(44), static_cast<std::uint32_t>(generation_)));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void StoreMap::decode_journal(ByteView journal, std::uint64_t lifetime, Recovered& recovered) {
  if (journal.size() < kJournalHeaderBytes) return;
  auto const written_in = load_be<std::uint64_t>(journal.subspan(kLifetimeAt));
  if (!std::ranges::equal(journal.first(kJournalHeaderBytes), encode_journal_header(written_in)))
    return;
  journal = journal.subspan(kJournalHeaderBytes);
  std::deque<std::pair<std::uint64_t, Recovered::Run>> unconfirmed;  // with their sequence
  while (journal.size() >= kRecordBytes) {
    ByteView const bytes = journal.first(kRecordBytes);
    if (load_be<std::uint32_t>(bytes.subspan(44)) !=
        crc32c(bytes.first(44), static_cast<std::uint32_t>(generation_)))
      break;
    if (load_be<std::uint64_t>(bytes.subspan(36)) != recovered.journal_records) break;
    MapRecord record;
    record.kind = static_cast<MapRecord::Kind>(bytes[0]);
    record.file_index = load_be<std::uint32_t>(bytes.subspan(4));
    record.first = load_be<std::uint64_t>(bytes.subspan(8));
    record.count = load_be<std::uint64_t>(bytes.subspan(16));
    record.at_ns = static_cast<std::int64_t>(record.first);
    if (record.kind == MapRecord::Kind::file &&
        !get_file(bytes.subspan(8, kFileBytes - 4), record.file))
      break;
    if (!apply(record)) break;
    if (record.kind == MapRecord::Kind::claim)
      unconfirmed.push_back({recovered.journal_records, {record.first, record.count}});
    if (record.kind == MapRecord::Kind::synced)
      while (!unconfirmed.empty() && unconfirmed.front().first < record.first)
        unconfirmed.pop_front();
    ++recovered.journal_records;
    journal = journal.subspan(kRecordBytes);
  }
  bool const all_there = lifetime != 0 && written_in == lifetime;
  for (auto const& [sequence, run] : unconfirmed) {
    if (!all_there) apply(MapRecord::unclaim(run.first, run.second));
    (all_there ? recovered.unsynced : recovered.lost).push_back(run);
  }
}

StoreMap::Recovered StoreMap::decode(MapKey const& key, ByteView map, ByteView journal,
                                     std::uint64_t lifetime) {
  Recovered recovered{.map = StoreMap{key}, .lost = {}, .unsynced = {}};
  StoreMap& read = recovered.map;
  if (!read.decode_header(map)) {
    recovered.map = StoreMap{key};
    return recovered;
  }
  recovered.found = true;
  read.decode_files(map);
  read.decode_bits(map, recovered);
  read.decode_journal(journal, lifetime, recovered);
  return recovered;
}

}  // namespace mutirao::swarm
