#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/swarm/bitfield.h"

/// The bytes of a store's map and journal, without the files that hold them.
///
/// The *map* is a whole picture: a header, a table of the torrent's files as they were when it was
/// written, and a bit for each block, in pages of 4 KiB that each carry a CRC-32C. A rotten page
/// loses what is on it and nothing else. It is replaced as a whole by a rename. The *journal* holds
/// what changed since, in records of one size, each with its CRC; it belongs to the one map whose
/// generation it names, and its first broken record is its end: an append that a crash cut is as if
/// it had never begun. Both come from a disk that others can write to, so nothing in them is
/// believed beyond its limits.
///
/// Data survives the death of the process as soon as it is written, but that of the machine only
/// once it is synced, which takes long. So a claim in the journal holds as long as the disk is in
/// the lifetime that the journal names (see world::Directory::lifetime), and for good once a later
/// record says that its data was synced. A map claims nothing that is not synced.
namespace mutirao::swarm {

/// A file of the torrent as it was seen after it was last synced.
struct FileRecord {
  enum class State : std::uint8_t {
    unknown = 0,  ///< nothing of it was ever claimed, or the record was lost
    settled = 1,  ///< nobody writes to it: any other size, date or inode means that it was changed
    writing = 2,  ///< we do: its date moves on until shortly after the last mark
  };
  State state = State::unknown;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  friend bool operator==(FileRecord const&, FileRecord const&) = default;
};

/// One change of the map.
struct MapRecord {
  enum class Kind : std::uint8_t {
    claim = 1,    ///< verified and written
    unclaim = 2,  ///< wrong on disk
    file = 3,
    mark = 4,
    synced = 5,  ///< so is the data of every claim whose sequence is below `first`
  };
  Kind kind = Kind::mark;
  std::uint64_t first = 0;       ///< claim, unclaim: block; synced: sequence
  std::uint64_t count = 0;       ///< claim, unclaim: blocks
  std::uint32_t file_index = 0;  ///< file
  FileRecord file;               ///< file
  std::int64_t at_ns = 0;        ///< mark: civil time of a flush

  static MapRecord claim(std::uint64_t first, std::uint64_t count) {
    return {.kind = Kind::claim, .first = first, .count = count, .file = {}};
  }
  static MapRecord unclaim(std::uint64_t first, std::uint64_t count) {
    return {.kind = Kind::unclaim, .first = first, .count = count, .file = {}};
  }
  static MapRecord synced(std::uint64_t before) {
    return {.kind = Kind::synced, .first = before, .file = {}};
  }
  static MapRecord of_file(std::uint32_t index, FileRecord const& file) {
    return {.kind = Kind::file, .file_index = index, .file = file};
  }
  static MapRecord mark(std::int64_t at_ns) {
    return {.kind = Kind::mark, .file = {}, .at_ns = at_ns};
  }
  friend bool operator==(MapRecord const&, MapRecord const&) = default;
};

/// Which torrent a map is about: a map with another key is no map.
struct MapKey {
  std::array<std::uint8_t, 32> torrent{};
  std::uint32_t piece_length = 0;
  std::uint64_t blocks = 0;
  std::uint32_t files = 0;
  friend bool operator==(MapKey const&, MapKey const&) = default;
};

/// What the disk knows, or will know when it is written: a value.
class StoreMap {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kJournalHeaderBytes = 64;
  static constexpr std::size_t kRecordBytes = 48;

  explicit StoreMap(MapKey const& key);

  [[nodiscard]] MapKey const& key() const noexcept { return key_; }
  [[nodiscard]] Bitfield const& blocks() const noexcept { return blocks_; }
  [[nodiscard]] std::span<FileRecord const> files() const noexcept { return files_; }
  [[nodiscard]] std::int64_t marked_at_ns() const noexcept { return marked_at_ns_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  /// False, and nothing changed, for a record that does not fit the key.
  bool apply(MapRecord const& record);
  /// Before each encode_map(): the journal so far belongs to the map before it.
  void next_generation() noexcept { ++generation_; }
  /// Where there was no map: any number that no journal left behind is likely to name.
  void begin_generations(std::uint64_t at) noexcept { generation_ = at; }

  [[nodiscard]] Bytes encode_map() const;
  [[nodiscard]] Bytes encode_journal_header(std::uint64_t lifetime) const;
  /// `sequence` counts the records of a journal from 0.
  void encode_record(Bytes& out, MapRecord const& record, std::uint64_t sequence) const;

  struct Recovered;
  /// What a map and its journal say in this lifetime of the disk. Never fails: what can't be read
  /// is not claimed.
  [[nodiscard]] static Recovered decode(MapKey const& key, ByteView map, ByteView journal,
                                        std::uint64_t lifetime);
  /// Bytes of every map with this key.
  [[nodiscard]] static std::uint64_t map_bytes(MapKey const& key) noexcept;

 private:
  [[nodiscard]] bool decode_header(ByteView map);
  void decode_files(ByteView map);
  void decode_bits(ByteView map, Recovered& recovered);
  void decode_journal(ByteView journal, std::uint64_t lifetime, Recovered& recovered);

  MapKey key_;
  Bitfield blocks_;
  std::vector<FileRecord> files_;
  std::int64_t marked_at_ns_ = 0;
  std::uint64_t generation_ = 0;
};

struct StoreMap::Recovered {
  StoreMap map;
  bool found = false;                                   ///< there was a map for this key
  std::uint64_t journal_records = 0;                    ///< that were whole
  using Run = std::pair<std::uint64_t, std::uint64_t>;  ///< first block, count
  /// On pages that could not be read, or written and not synced when the machine went down: not
  /// claimed, though they may be right.
  std::vector<Run> lost;
  /// Claimed, but their data is still to be synced.
  std::vector<Run> unsynced;
};

}  // namespace mutirao::swarm
