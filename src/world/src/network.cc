#include "mutirao/world/network.h"

#include <array>

namespace mutirao::world {

Result<std::size_t> Stream::read_some(MutableBytes into, Deadline deadline) {
  std::array const buffers{into};
  return read_some(std::span<MutableBytes const>{buffers}, deadline);
}

Result<void> Stream::read_exactly(MutableBytes into, Deadline deadline) {
  while (!into.empty()) {
    auto const count = MUT_TRY(read_some(into, deadline));
    if (count == 0) return fail(Fault::closed, "the other side ended the connection");
    into = into.subspan(count);
  }
  return {};
}

Result<void> Stream::write_all(ByteView from, Deadline deadline) {
  std::array const buffers{from};
  return write_all(std::span<ByteView const>{buffers}, deadline);
}

Result<void> Stream::write_all(std::string_view text, Deadline deadline) {
  return write_all(base::view_of(text), deadline);
}

}  // namespace mutirao::world
