#include "firmware/loader.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/base/units.h"

#include "firmware/decompress.h"
#include "firmware/elf.h"

namespace mutirao::machine {
namespace {

// Fields of the header of an Image.
constexpr std::size_t kImageHeaderSize = 64, kTextOffset = 8, kImageSize = 16, kImageMagic2 = 56;
constexpr std::uint32_t kImageMagic = 0x05435352;  // "RSC\5"

std::unexpected<Error> does_not_fit(std::string_view what, std::uint64_t size,
                                    GuestMemory const& memory) {
  return fail(Fault::exhausted,
              fmt::format("{} of {} does not fit into {} of memory", what, base::format_bytes(size),
                          base::format_bytes(memory.size())),
              "give the machine more memory");
}

template <class T>
T image_field(ByteView bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

Result<Loaded> load_elf(GuestMemory& memory, ByteView file, std::string_view what) {
  ElfFile const elf = MUT_TRY(ElfFile::parse(file));
  Loaded loaded{elf.entry(), memory.base()};
  for (ElfFile::Segment const& segment : elf.segments()) {
    if (segment.memory_size == 0) continue;
    // Memory starts as zeros: only what the file has is written.
    if (!memory.contains(segment.physical_address, segment.memory_size) ||
        !memory.write(segment.physical_address, segment.bytes))
      return does_not_fit(what, segment.memory_size, memory);
    loaded.end = std::max(loaded.end, segment.physical_address + segment.memory_size);
  }
  if (!memory.contains(loaded.entry, 2))
    return fail(Fault::corrupt, fmt::format("{} starts outside of memory", what));
  return loaded;
}

Result<Loaded> load_program(GuestMemory& memory, GuestAddress base, Bytes file,
                            std::string_view what) {
  Bytes const program = MUT_TRY(decompressed(std::move(file), memory.size()));
  if (ElfFile::has_magic(program)) return load_elf(memory, program, what);
  return load_bytes(memory, base, 1, program, what);
}

}  // namespace

Result<Loaded> load_bytes(GuestMemory& memory, GuestAddress from, std::uint64_t alignment,
                          ByteView bytes, std::string_view what) {
  GuestAddress const at = (from + alignment - 1) & ~(alignment - 1);
  if (bytes.empty()) return Loaded{at, at};
  if (!memory.write(at, bytes)) return does_not_fit(what, bytes.size(), memory);
  return Loaded{at, at + bytes.size()};
}

Result<Loaded> load_kernel(GuestMemory& memory, GuestAddress base, Bytes file) {
  Bytes const kernel = MUT_TRY(decompressed(std::move(file), memory.size()));
  if (ElfFile::has_magic(kernel)) return load_elf(memory, kernel, "the kernel");
  if (kernel.size() < kImageHeaderSize ||
      image_field<std::uint32_t>(kernel, kImageMagic2) != kImageMagic)
    return fail(Fault::unsupported, "the kernel is no RISC-V Image and no ELF file",
                "give the vmlinuz or Image of a riscv64 kernel");
  auto const offset = image_field<std::uint64_t>(kernel, kTextOffset);
  // The whole of it, bss included; old ones do not say.
  auto const size =
      std::max<std::uint64_t>(image_field<std::uint64_t>(kernel, kImageSize), kernel.size());
  if (offset >= memory.size() || !memory.contains(base + offset, size))
    return does_not_fit("the kernel", size, memory);
  Loaded loaded = MUT_TRY(load_bytes(memory, base + offset, 1, kernel, "the kernel"));
  loaded.end = loaded.entry + size;
  return loaded;
}

Result<Loaded> load_firmware(GuestMemory& memory, GuestAddress base, Bytes file) {
  return load_program(memory, base, std::move(file), "the firmware");
}

Result<Loaded> load_boot_loader(GuestMemory& memory, GuestAddress base, Bytes file) {
  return load_program(memory, base, std::move(file), "the boot loader");
}

}  // namespace mutirao::machine
