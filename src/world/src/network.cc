#include "mutirao/world/network.h"

namespace mutirao::world {

Result<void> Stream::read_exactly(MutableBytes into, Deadline deadline) {
  while (!into.empty()) {
    auto const count = MUT_TRY(read_some(into, deadline));
    if (count == 0) return fail(Fault::closed, "the other side ended the connection");
    into = into.subspan(count);
  }
  return {};
}

Result<void> Stream::write_all(std::string_view text, Deadline deadline) {
  return write_all(base::view_of(text), deadline);
}

}  // namespace mutirao::world
