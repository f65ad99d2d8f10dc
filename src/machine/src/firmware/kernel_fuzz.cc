// Loads any bytes as a kernel and as firmware: what is refused leaves an error, what is taken lies
// in memory.
#include <cstdint>

#include "mutirao/base/check.h"

#include "firmware/elf.h"
#include "firmware/loader.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kFuzzedBase = 0x80000000;
constexpr std::uint64_t kFuzzedSize = 4 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  Bytes const file{data, data + size};
  auto const memory = *GuestMemory::create(kFuzzedBase, kFuzzedSize);
  for (auto* const load : {&load_kernel, &load_firmware, &load_boot_loader}) {
    auto const loaded = load(*memory, kFuzzedBase, file);
    if (!loaded) {
      MUT_ASSERT(!loaded.error().what.empty());
      continue;
    }
    MUT_ASSERT(loaded->end >= kFuzzedBase && loaded->end <= kFuzzedBase + kFuzzedSize);
  }
  if (auto const elf = ElfFile::parse(file)) static_cast<void>(elf->symbol("tohost"));
  return 0;
}
