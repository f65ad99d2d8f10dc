#pragma once

#include <cstring>
#include <string_view>

#include "mutirao/base/bytes.h"

namespace mutirao::machine {

template <class T>
void put_field(Bytes& bytes, std::size_t offset, T value) {
  if (bytes.size() < offset + sizeof value) bytes.resize(offset + sizeof value);
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// A kernel Image that starts with `code`.
inline Bytes image_of(std::vector<std::uint32_t> const& code, std::uint64_t offset = 0x200000,
                      std::uint64_t size = 0) {
  Bytes image(64);
  put_field<std::uint32_t>(image, 0, 0x0400006F);  // j +64
  put_field<std::uint64_t>(image, 8, offset);
  put_field<std::uint64_t>(image, 16, size);
  put_field<std::uint32_t>(image, 56, 0x05435352);
  for (std::uint32_t const word : code) put_field(image, image.size(), word);
  return image;
}

/// An ELF file with one segment of `code` at `address`, which is its entry, and a symbol for it.
inline Bytes elf_of(std::uint64_t address, std::vector<std::uint32_t> const& code,
                    std::string_view symbol = "start") {
  Bytes elf;
  std::memcpy((elf.resize(16), elf.data()),
              "\x7f"
              "ELF\2\1\1",
              7);
  put_field<std::uint16_t>(elf, 16, 2);
  put_field<std::uint16_t>(elf, 18, 243);
  put_field<std::uint64_t>(elf, 24, address);
  put_field<std::uint64_t>(elf, 32, 64);   // program header
  put_field<std::uint64_t>(elf, 40, 256);  // sections
  put_field<std::uint16_t>(elf, 52, 64);
  put_field<std::uint16_t>(elf, 54, 56);
  put_field<std::uint16_t>(elf, 56, 1);
  put_field<std::uint16_t>(elf, 58, 64);
  put_field<std::uint16_t>(elf, 60, 2);
  std::uint64_t const code_at = 512, symbols_at = 384, names_at = 448;
  put_field<std::uint32_t>(elf, 64, 1);
  put_field<std::uint64_t>(elf, 64 + 8, code_at);
  put_field<std::uint64_t>(elf, 64 + 24, address);
  put_field<std::uint64_t>(elf, 64 + 32, code.size() * 4);
  put_field<std::uint64_t>(elf, 64 + 40, code.size() * 4 + 4096);
  put_field<std::uint32_t>(elf, 256 + 4, 2);  // the symbol table, whose names are in section 1
  put_field<std::uint64_t>(elf, 256 + 24, symbols_at);
  put_field<std::uint64_t>(elf, 256 + 32, std::uint64_t{48});
  put_field<std::uint32_t>(elf, 256 + 40, 1);
  put_field<std::uint64_t>(elf, 320 + 24, names_at);
  put_field<std::uint64_t>(elf, 320 + 32, std::uint64_t{symbol.size() + 2});
  put_field<std::uint32_t>(elf, symbols_at + 24, 1);
  put_field<std::uint64_t>(elf, symbols_at + 32, address);
  elf.resize(code_at);
  std::memcpy(elf.data() + names_at + 1, symbol.data(), symbol.size());
  for (std::uint32_t const word : code) put_field(elf, elf.size(), word);
  return elf;
}

}  // namespace mutirao::machine
