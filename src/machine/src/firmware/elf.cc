#include "firmware/elf.h"

#include <concepts>
#include <cstring>

namespace mutirao::machine {
namespace {

// Sizes and offsets of the structures of 64-bit ELF.
constexpr std::size_t kElfHeaderSize = 64, kElfSegmentSize = 56, kElfSectionSize = 64,
                      kElfSymbolSize = 24;
constexpr std::uint16_t kMachineRiscv = 243;
constexpr std::uint32_t kLoadable = 1, kInterpreter = 3, kSymbolTable = 2;
constexpr std::uint16_t kSharedObject = 3;
constexpr std::size_t kSegmentsMax = 64, kSectionsMax = 4096;

template <std::unsigned_integral T>
T elf_field(ByteView bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);  // little-endian, as the hosts are
  return value;
}

std::optional<ByteView> elf_range(ByteView file, std::uint64_t offset, std::uint64_t size) {
  if (offset > file.size() || size > file.size() - offset) return std::nullopt;
  return file.subspan(offset, size);
}

}  // namespace

bool ElfFile::has_magic(ByteView file) noexcept {
  return file.size() >= 4 && std::memcmp(file.data(),
                                         "\x7f"
                                         "ELF",
                                         4) == 0;
}

Result<ElfFile> ElfFile::parse(ByteView file) {
  if (!has_magic(file) || file.size() < kElfHeaderSize)
    return fail(Fault::corrupt, "not an ELF file");
  constexpr std::uint8_t k64Bits = 2, kLittleEndian = 1;
  if (file[4] != k64Bits || file[5] != kLittleEndian ||
      elf_field<std::uint16_t>(file, 18) != kMachineRiscv)
    return fail(Fault::unsupported, "an ELF file, but not of 64-bit RISC-V");

  ElfFile elf;
  elf.file_ = file;
  elf.entry_ = elf_field<std::uint64_t>(file, 24);
  elf.moves_ = elf_field<std::uint16_t>(file, 16) == kSharedObject;
  elf.headers_offset_ = elf_field<std::uint64_t>(file, 32);
  std::size_t const segments = elf.headers_ = elf_field<std::uint16_t>(file, 56);
  if (elf_field<std::uint16_t>(file, 54) != kElfSegmentSize || segments > kSegmentsMax)
    return fail(Fault::corrupt, "an ELF file with a program header of another size");
  auto const segment_table = elf_range(file, elf.headers_offset_, segments * kElfSegmentSize);
  if (!segment_table) return fail(Fault::corrupt, "an ELF file whose program header is cut off");
  for (std::size_t i = 0; i < segments; ++i) {
    ByteView const entry = segment_table->subspan(i * kElfSegmentSize, kElfSegmentSize);
    auto const kind = elf_field<std::uint32_t>(entry, 0);
    elf.is_dynamic_ = elf.is_dynamic_ || kind == kInterpreter;
    if (kind != kLoadable) continue;
    auto const bytes =
        elf_range(file, elf_field<std::uint64_t>(entry, 8), elf_field<std::uint64_t>(entry, 32));
    std::uint64_t const memory_size = elf_field<std::uint64_t>(entry, 40);
    if (!bytes || memory_size < bytes->size())
      return fail(Fault::corrupt, "an ELF file with a segment outside the file");
    auto const flags = elf_field<std::uint32_t>(entry, 4);
    elf.segments_.push_back({.physical_address = elf_field<std::uint64_t>(entry, 24),
                             .bytes = *bytes,
                             .memory_size = memory_size,
                             .virtual_address = elf_field<std::uint64_t>(entry, 16),
                             .readable = (flags & 4) != 0,
                             .writable = (flags & 2) != 0,
                             .executable = (flags & 1) != 0});
  }

  // Symbols are a help, not a need: a file without them, or with a broken table, has none.
  std::size_t const sections = elf_field<std::uint16_t>(file, 60);
  auto const section_table =
      elf_range(file, elf_field<std::uint64_t>(file, 40), sections * kElfSectionSize);
  if (elf_field<std::uint16_t>(file, 58) != kElfSectionSize || sections > kSectionsMax ||
      !section_table)
    return elf;
  auto const section = [&](std::size_t i) {
    return section_table->subspan(i * kElfSectionSize, kElfSectionSize);
  };
  auto const content = [&](ByteView header) {
    return elf_range(file, elf_field<std::uint64_t>(header, 24),
                     elf_field<std::uint64_t>(header, 32));
  };
  for (std::size_t i = 0; i < sections; ++i) {
    if (elf_field<std::uint32_t>(section(i), 4) != kSymbolTable) continue;
    std::size_t const names = elf_field<std::uint32_t>(section(i), 40);
    if (names >= sections) break;
    auto const symbol_bytes = content(section(i));
    auto const name_bytes = content(section(names));
    if (symbol_bytes && name_bytes) {
      elf.symbols_ = *symbol_bytes;
      elf.names_ = *name_bytes;
    }
    break;
  }
  return elf;
}

std::optional<std::uint64_t> ElfFile::symbol(std::string_view name) const {
  for (std::size_t at = 0; symbols_.size() - at >= kElfSymbolSize; at += kElfSymbolSize) {
    std::size_t const start = elf_field<std::uint32_t>(symbols_, at);
    if (start >= names_.size() || names_.size() - start <= name.size()) continue;
    ByteView const candidate = names_.subspan(start, name.size() + 1);
    if (base::text_of(candidate.first(name.size())) == name && candidate.back() == 0)
      return elf_field<std::uint64_t>(symbols_, at + 8);
  }
  return std::nullopt;
}

}  // namespace mutirao::machine
