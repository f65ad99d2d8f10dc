#include "snapshot/snapshot_file.h"

#include <algorithm>
#include <cstring>
#include <zlib.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"

#include "snapshot/state.h"

namespace mutirao::machine {
namespace {

constexpr std::string_view kSnapshotMagic = "MUTISNAP";
constexpr std::uint32_t kSnapshotVersion = 1;
constexpr std::size_t kSnapshotVersionAt = 8, kMemoryChecksumAt = 12, kMemoryBytesAt = 16,
                      kStateBytesAt = 24, kHeaderChecksumAt = 32;
constexpr std::uint64_t kMemoryBytesMax = std::uint64_t{1} << 40;
constexpr std::uint64_t kPieceBytesMax = 1 << 20;  // written at a time

template <class T>
T snapshot_field(ByteView bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
std::uint32_t checksum(std::uint32_t before, ByteView bytes) {
  return static_cast<std::uint32_t>(crc32_z(before, bytes.data(), bytes.size()));
}
bool all_zeros(ByteView page) {
  return page[0] == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

/// Calls `each` with the offset and the bytes of every run of pages that are not zeros; until it
/// fails.
Result<void> for_each_run(ByteView memory, auto const& each) {
  for (std::uint64_t at = 0; at < memory.size();) {
    auto end = at;
    while (end < memory.size() && end - at < kPieceBytesMax &&
           !all_zeros(memory.subspan(end, kPageSize)))
      end += kPageSize;
    if (end > at) MUT_TRY(each(at, memory.subspan(at, end - at)));
    at = end > at ? end : at + kPageSize;
  }
  return {};
}

ByteView all_of(GuestMemory const& memory) { return *memory.view(memory.base(), memory.size()); }

std::unexpected<Error> no_snapshot(std::string what) {
  return fail(Fault::corrupt, std::move(what), "restore another one, or start the machine anew");
}

}  // namespace

Bytes write_snapshot_header(SnapshotLayout const& layout) {
  Bytes bytes(SnapshotLayout::kHeaderBytes);
  auto const put = [&](std::size_t at, auto value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  };
  std::ranges::copy(kSnapshotMagic, bytes.begin());
  put(kSnapshotVersionAt, kSnapshotVersion);
  put(kMemoryChecksumAt, layout.memory_checksum);
  put(kMemoryBytesAt, layout.memory_bytes);
  put(kStateBytesAt, layout.state_bytes);
  put(kHeaderChecksumAt, checksum(0, ByteView{bytes}.first(kHeaderChecksumAt)));
  return bytes;
}

Result<SnapshotLayout> read_snapshot_header(ByteView bytes) {
  if (bytes.size() < SnapshotLayout::kHeaderBytes ||
      base::text_of(bytes.first(kSnapshotMagic.size())) != kSnapshotMagic)
    return no_snapshot("the file is no snapshot of a machine");
  auto const version = snapshot_field<std::uint32_t>(bytes, kSnapshotVersionAt);
  if (version != kSnapshotVersion)
    return fail(Fault::unsupported, fmt::format("a snapshot of version {}", version),
                "use the release that made it");
  if (snapshot_field<std::uint32_t>(bytes, kHeaderChecksumAt) !=
      checksum(0, bytes.first(kHeaderChecksumAt)))
    return no_snapshot("the header of the snapshot does not match its checksum");
  SnapshotLayout const layout{
      .memory_bytes = snapshot_field<std::uint64_t>(bytes, kMemoryBytesAt),
      .state_bytes = snapshot_field<std::uint64_t>(bytes, kStateBytesAt),
      .memory_checksum = snapshot_field<std::uint32_t>(bytes, kMemoryChecksumAt)};
  if (layout.memory_bytes == 0 || layout.memory_bytes % kPageSize != 0 ||
      layout.memory_bytes > kMemoryBytesMax || layout.state_bytes > kStateBytesMax)
    return no_snapshot(fmt::format("a snapshot of {} bytes of memory and {} of state",
                                   layout.memory_bytes, layout.state_bytes));
  return layout;
}

Result<void> write_snapshot(world::Directory& folder, std::string_view name,
                            GuestMemory const& memory, ByteView state) {
  auto const unfinished = fmt::format("{}.unfinished", name);
  auto const file = MUT_TRY(folder.open(
      unfinished, {.writable = true, .create = true, .truncate = true, .owner_only = true}));
  SnapshotLayout layout{.memory_bytes = memory.size(), .state_bytes = state.size()};
  auto const written = [&]() -> Result<void> {
    MUT_TRY(for_each_run(all_of(memory), [&](std::uint64_t at, ByteView run) -> Result<void> {
      layout.memory_checksum = checksum(layout.memory_checksum, run);
      return file->write_at(SnapshotLayout::kMemoryAt + at, run);
    }));
    MUT_TRY(file->write_at(layout.state_at(), state));
    MUT_TRY(file->write_at(0, write_snapshot_header(layout)));
    MUT_TRY(file->sync());
    MUT_TRY(folder.rename(unfinished, name));
    return folder.sync();
  }();
  if (!written) static_cast<void>(folder.remove(unfinished));
  return written;
}

Result<Snapshot> open_snapshot(world::Directory& folder, std::string_view name) {
  Snapshot snapshot;
  snapshot.file = MUT_TRY(folder.open(name, {}));
  Bytes header(SnapshotLayout::kHeaderBytes);
  header.resize(MUT_TRY(snapshot.file->read_at(0, header)));
  snapshot.layout = MUT_TRY(read_snapshot_header(header));
  auto const size = MUT_TRY(snapshot.file->info()).size;
  if (size != snapshot.layout.file_bytes())
    return no_snapshot(fmt::format("the snapshot has {} bytes where {} should be", size,
                                   snapshot.layout.file_bytes()));
  snapshot.state.resize(snapshot.layout.state_bytes);
  MUT_TRY(snapshot.file->read_exactly(snapshot.layout.state_at(), snapshot.state));
  return snapshot;
}

Result<void> Snapshot::fill(GuestMemory& memory, bool check) const {
  MUT_ASSERT(memory.size() == layout.memory_bytes);
  MUT_TRY(
      file->map_copy(SnapshotLayout::kMemoryAt, *memory.writable(memory.base(), memory.size())));
  if (!check) return {};
  std::uint32_t found = 0;
  MUT_TRY(for_each_run(all_of(memory), [&](std::uint64_t, ByteView run) -> Result<void> {
    found = checksum(found, run);
    return {};
  }));
  if (found != layout.memory_checksum)
    return no_snapshot("the memory in the snapshot does not match its checksum");
  return {};
}

}  // namespace mutirao::machine
