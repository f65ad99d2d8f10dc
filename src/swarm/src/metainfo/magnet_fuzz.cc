#include <cstdint>
#include <cstdlib>

#include "mutirao/swarm/magnet.h"

/// What parses must say the same after it was written and read again.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using mutirao::swarm::Magnet;
  auto const parsed = Magnet::parse(mutirao::base::text_of({data, size}));
  if (!parsed) return 0;
  std::string const written = parsed->to_string();
  auto const again = Magnet::parse(written);
  if (!again) {
    if (again.error().fault == mutirao::Fault::exhausted) return 0;  // longer once escaped
    std::abort();
  }
  if (again->to_string() != written) std::abort();
  return 0;
}
