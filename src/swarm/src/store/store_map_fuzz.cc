#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "store/store_map.h"

// The input is a map and its journal, as they might lie on a disk that others write to: first the
// length of the map in pages, then both. Whatever is read keeps within its key, and says the same
// when it is written and read again.

using namespace mutirao;
using namespace mutirao::swarm;

namespace {
void demand(bool condition) {
  if (!condition) std::abort();
}

void read(MapKey const& key, ByteView map, ByteView journal, std::uint64_t lifetime) {
  auto const first = StoreMap::decode(key, map, journal, lifetime);
  demand(first.map.blocks().size() == key.blocks && first.map.files().size() == key.files);
  demand(first.found || first.map.blocks().none());
  demand(lifetime != 0 || first.unsynced.empty());
  demand(first.journal_records <= journal.size() / StoreMap::kRecordBytes);
  for (auto const& runs : {first.lost, first.unsynced})
    for (auto const& [at, count] : runs) demand(at <= key.blocks && count <= key.blocks - at);

  Bytes again_journal = first.map.encode_journal_header(lifetime);
  first.map.encode_record(again_journal, MapRecord::mark(5), 0);
  auto const second = StoreMap::decode(key, first.map.encode_map(), again_journal, lifetime);
  demand(second.found && second.lost.empty() && second.journal_records == 1);
  demand(second.map.blocks() == first.map.blocks() && second.map.marked_at_ns() == 5);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView const input = ByteView{data, size}.subspan(1);
  std::size_t const map_bytes = std::min<std::size_t>(data[0] * StoreMap::kPageBytes, input.size());
  for (auto const& [blocks, files] :
       {std::pair<std::uint64_t, std::uint32_t>{100, 2}, {40'000, 130}}) {
    MapKey key;
    key.torrent.fill(0x6d);
    key.piece_length = 262144;
    key.blocks = blocks;
    key.files = files;
    // The lifetime that an all but empty journal names, or none.
    for (std::uint64_t const lifetime : {std::uint64_t{0x2020202020202020}, std::uint64_t{0}})
      read(key, input.first(map_bytes), input.subspan(map_bytes), lifetime);
  }
  return 0;
}
