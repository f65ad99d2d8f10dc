// System calls about memory.
#include <cerrno>

#include "user/kernel.h"

namespace mutirao::machine::user {
namespace {

// asm-generic/mman-common.h
constexpr std::uint64_t kMapShared = 1, kMapKindMask = 0xF, kMapFixed = 0x10, kMapAnonymous = 0x20,
                        kMapFixedNoReplace = 0x100000;
constexpr std::uint64_t kRemapMayMove = 1, kRemapFixed = 2;
constexpr std::uint64_t kAdviceDontNeed = 4;

std::int64_t call_brk(SystemCall& call) {
  auto& memory = call.memory();
  auto const wanted = call.a[0];
  auto const page_end = [](UserAddress at) { return (at + kPageMask) & ~kPageMask; };
  if (wanted < memory.heap_begin || wanted >= kMapEnd)
    return static_cast<std::int64_t>(memory.heap_end);
  auto const had = page_end(memory.heap_end);
  auto const wants = page_end(wanted);
  if (wants > had) {
    bool const grown =
        memory.is_free(had, wants - had) &&
        memory.map(had, wants - had, {.protection = {.read = true, .write = true}}) >= 0;
    if (!grown) return static_cast<std::int64_t>(memory.heap_end);
  } else if (wants < had) {
    static_cast<void>(memory.unmap(wants, had - wants));
  }
  memory.heap_end = wanted;
  return static_cast<std::int64_t>(wanted);
}

std::int64_t call_mmap(SystemCall& call) {
  auto const [wanted, size, protection, flags, descriptor, offset] = call.a;
  auto& memory = call.memory();
  if (size == 0 || (offset & kPageMask) != 0) return -EINVAL;
  AddressSpace::Mapping mapping{.protection = Protection::of(protection),
                                .shared = (flags & kMapKindMask & kMapShared) != 0,
                                .offset = offset};
  if ((flags & kMapAnonymous) == 0) {
    auto const open = call.files().open.find(static_cast<int>(descriptor));
    if (open == call.files().open.end()) return -EBADF;
    // What it writes would have to reach the file.
    if (mapping.shared && mapping.protection.write) return -ENODEV;
    mapping.file = open->second.file;
    mapping.shared = false;
  }
  auto at = std::optional{wanted};
  if ((flags & (kMapFixed | kMapFixedNoReplace)) == 0) {
    bool const may = wanted != 0 && (wanted & kPageMask) == 0 && memory.is_free(wanted, size);
    if (!may) at = memory.free_range(size);
  } else if ((wanted & kPageMask) != 0) {
    return -EINVAL;
  } else if ((flags & kMapFixedNoReplace) != 0 && !memory.is_free(wanted, size)) {
    return -EEXIST;
  }
  if (!at) return -ENOMEM;
  return memory.map(*at, size, std::move(mapping));
}

std::int64_t call_munmap(SystemCall& call) { return call.memory().unmap(call.a[0], call.a[1]); }

std::int64_t call_mprotect(SystemCall& call) {
  return call.memory().protect(call.a[0], call.a[1], Protection::of(call.a[2]));
}

std::int64_t call_mremap(SystemCall& call) {
  auto const flags = call.a[3];
  if ((flags & kRemapFixed) != 0) return -EINVAL;
  return call.memory().remap(call.a[0], call.a[1], call.a[2], (flags & kRemapMayMove) != 0);
}

std::int64_t call_madvise(SystemCall& call) {
  if (call.a[2] == kAdviceDontNeed) return call.memory().forget(call.a[0], call.a[1]);
  return 0;  // the others are hints
}

std::int64_t call_nothing(SystemCall&) { return 0; }

}  // namespace

std::vector<Entry> memory_calls() {
  return {
      {214, call_brk},      {215, call_munmap},  {216, call_mremap},  {222, call_mmap},
      {226, call_mprotect}, {227, call_nothing}, {233, call_madvise},  // 227: msync
      {259, call_nothing},  // riscv_flush_icache: the hart sees each store
  };
}

}  // namespace mutirao::machine::user
