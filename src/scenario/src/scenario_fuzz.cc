// Any text: what is accepted fits the limits, and is written so that it reads again to the same.
#include <cstdint>
#include <string_view>

#include "mutirao/base/check.h"
#include "mutirao/scenario/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace mutirao::scenario;
  std::string_view const text{reinterpret_cast<char const*>(data), size};
  auto const scenario = parse_scenario(text, "fuzz.toml");
  if (!scenario) {
    MUT_ASSERT(!scenario.error().what.empty() && !scenario.error().mend.empty());
    return 0;
  }
  for (auto const& written : {to_toml(*scenario), to_commented_toml(*scenario)}) {
    auto const again = parse_scenario(written, "again.toml");
    MUT_ASSERT(again.has_value() && *again == *scenario);
  }
  auto set = *scenario;
  static_cast<void>(set_key(set, text.substr(0, 200)));
  return 0;
}
