#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::machine {

/// An ELF file for 64-bit RISC-V, little-endian: what is to be loaded where, and its symbols.
///
/// Files come from outside. Everything that a header says is checked against the file before it is
/// used; tables have limits. The file outlives this. System V gABI, chapters 4 and 5.
class ElfFile {
 public:
  struct Segment {
    std::uint64_t physical_address;
    ByteView bytes;             ///< what the file has of it
    std::uint64_t memory_size;  ///< at least bytes.size(); the rest is zero
    std::uint64_t virtual_address = 0;
    bool readable = false, writable = false, executable = false;
  };

  /// Fault::unsupported for another machine or kind, Fault::corrupt for tables outside the file.
  [[nodiscard]] static Result<ElfFile> parse(ByteView file);
  [[nodiscard]] static bool has_magic(ByteView file) noexcept;

  [[nodiscard]] std::uint64_t entry() const noexcept { return entry_; }
  /// It runs wherever it is put: its addresses begin at 0.
  [[nodiscard]] bool moves() const noexcept { return moves_; }
  /// It wants another program to load it, and libraries.
  [[nodiscard]] bool is_dynamic() const noexcept { return is_dynamic_; }
  /// Where in the file the headers of segments are, and how many.
  [[nodiscard]] std::uint64_t headers_offset() const noexcept { return headers_offset_; }
  [[nodiscard]] std::size_t headers() const noexcept { return headers_; }
  [[nodiscard]] std::vector<Segment> const& segments() const noexcept { return segments_; }
  /// The value of a symbol, wherever it is defined.
  [[nodiscard]] std::optional<std::uint64_t> symbol(std::string_view name) const;

 private:
  ByteView file_;
  std::uint64_t entry_ = 0;
  std::uint64_t headers_offset_ = 0;
  std::size_t headers_ = 0;
  bool moves_ = false;
  bool is_dynamic_ = false;
  std::vector<Segment> segments_;
  ByteView symbols_;
  ByteView names_;
};

}  // namespace mutirao::machine
