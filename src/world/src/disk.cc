#include "mutirao/world/disk.h"

#include <array>

namespace mutirao::world {

Result<void> File::write_at(std::uint64_t offset, ByteView from) {
  std::array const buffers{from};
  return write_at(offset, std::span<ByteView const>{buffers});
}

Result<void> File::read_exactly(std::uint64_t offset, MutableBytes into) {
  auto const count = MUT_TRY(read_at(offset, into));
  if (count != into.size()) return fail(Fault::corrupt, "the file ends too early");
  return {};
}

}  // namespace mutirao::world
