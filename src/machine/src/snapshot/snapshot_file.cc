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

Result<SnapshotLayout> read_layout(world::File& file) {
  Bytes header(SnapshotLayout::kHeaderBytes);
  header.resize(MUT_TRY(file.read_at(0, header)));
  auto const layout = MUT_TRY(read_snapshot_header(header));
  auto const size = MUT_TRY(file.info()).size;
  if (size != layout.file_bytes())
    return no_snapshot(
        fmt::format("the snapshot has {} bytes where {} should be", size, layout.file_bytes()));
  return layout;
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

Result<void> write_snapshot(SnapshotSink const& sink, GuestMemory const& memory, ByteView state) {
  if (state.size() > kStateBytesMax)
    return fail(Fault::exhausted,
                fmt::format("the state of the devices has {} bytes, and a snapshot may have {}",
                            state.size(), kStateBytesMax),
                "let the guest drop what it keeps of its shared folders: "
                "echo 2 >/proc/sys/vm/drop_caches");
  SnapshotLayout layout{.memory_bytes = memory.size(), .state_bytes = state.size()};
  MUT_TRY(for_each_run(all_of(memory), [&](std::uint64_t at, ByteView run) {
    layout.memory_checksum = checksum(layout.memory_checksum, run);
    return sink(SnapshotLayout::kMemoryAt + at, run);
  }));
  for (std::uint64_t at = 0; at < state.size(); at += kPieceBytesMax)
    MUT_TRY(sink(layout.state_at() + at,
                 state.subspan(at, std::min<std::uint64_t>(kPieceBytesMax, state.size() - at))));
  return sink(0, write_snapshot_header(layout));
}

Bytes write_note(std::string_view note) {
  StateWriter to;
  to.put(static_cast<std::uint32_t>(note.size()));
  to.put(checksum(0, base::view_of(note)));
  Bytes bytes = to.bytes();
  bytes.insert(bytes.end(), note.begin(), note.end());
  return bytes;
}

Result<std::string> read_note(ByteView bytes) {
  StateReader from{bytes, 0};
  std::uint32_t size = 0, expected = 0;
  bool const there = from.get(size) && from.get(expected);
  constexpr std::size_t kNoteHeaderBytes = 8;
  if (!there || size > kSnapshotNoteMax || size > bytes.size() - kNoteHeaderBytes)
    return no_snapshot("the note in the snapshot does not end");
  auto const note = bytes.subspan(kNoteHeaderBytes, size);
  if (checksum(0, note) != expected)
    return no_snapshot("the note in the snapshot does not match its checksum");
  return std::string{base::text_of(note)};
}

Result<Snapshot> open_snapshot(std::unique_ptr<world::File> file) {
  auto const layout = MUT_TRY(read_layout(*file));
  Bytes state(layout.state_bytes);
  MUT_TRY(file->read_exactly(layout.state_at(), state));
  return Snapshot{std::move(file), layout, std::move(state)};
}

Result<std::string> read_snapshot_note(world::File& file) {
  MUT_TRY(read_layout(file));
  Bytes bytes(write_note("").size() + kSnapshotNoteMax);
  bytes.resize(MUT_TRY(file.read_at(SnapshotLayout::kNoteAt, bytes)));
  return read_note(bytes);
}

SnapshotWriter::SnapshotWriter(world::Directory& folder, std::string name)
    : folder_{folder}, name_{std::move(name)}, unfinished_{name_ + ".unfinished"} {}

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::create(world::Directory& folder,
                                                               std::string name) {
  std::unique_ptr<SnapshotWriter> writer{new SnapshotWriter{folder, std::move(name)}};
  writer->file_ = MUT_TRY(
      folder.open(writer->unfinished_,
                  {.writable = true, .create = true, .truncate = true, .owner_only = true}));
  return writer;
}

SnapshotWriter::~SnapshotWriter() {
  if (file_ && !finished_) static_cast<void>(folder_.remove(unfinished_));
}

Result<void> SnapshotWriter::write(std::uint64_t offset, ByteView bytes) {
  bool const of_header = offset == 0 && bytes.size() == SnapshotLayout::kHeaderBytes;
  if (!of_header && offset < SnapshotLayout::kMemoryAt)
    return fail(Fault::corrupt, fmt::format("a piece of a snapshot for its byte {}", offset));
  return file_->write_at(offset, bytes);
}

Result<void> SnapshotWriter::finish(std::string_view note) {
  if (note.size() > kSnapshotNoteMax)
    return fail(Fault::exhausted, fmt::format("a note of {} bytes in a snapshot", note.size()));
  MUT_TRY(file_->write_at(SnapshotLayout::kNoteAt, ByteView{write_note(note)}));
  MUT_TRY(file_->sync());
  MUT_TRY(folder_.rename(unfinished_, name_));
  finished_ = true;
  return folder_.sync();
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
