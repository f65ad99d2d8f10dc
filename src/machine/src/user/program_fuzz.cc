// Loads any bytes as a program: what is refused leaves an error, what is taken begins in the
// program's half, on a stack that it can read.
#include <cstdint>

#include "mutirao/base/check.h"

#include "user/program_loader.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;
using namespace mutirao::machine::user;

constexpr GuestAddress kFuzzedBase = 0x80000000;
constexpr std::uint64_t kFuzzedSize = 4 << 20;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const memory = *GuestMemory::create(kFuzzedBase, kFuzzedSize);
  PagePool pool{*memory};
  auto const gate = *pool.take();
  auto const park = *pool.take();
  auto const space = AddressSpace::make(pool, gate, park);
  auto const start =
      load_program(*space, {data, size}, {"program", {"program", "word"}, {"KEY=value"}});
  if (!start) {
    MUT_ASSERT(!start.error().what.empty());
    return 0;
  }
  MUT_ASSERT(start->stack < kUserEnd && start->stack % 16 == 0);
  MUT_ASSERT(space->load<std::uint64_t>(start->stack) == 2u);
  static_cast<void>(space->fault(start->pc, AddressSpace::Access::execute));
  return 0;
}
