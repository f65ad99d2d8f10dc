#pragma once

#include <cstdint>
#include <cstdlib>

namespace mutirao::machine {

/// A number that a test takes from the environment, so that it can be run for longer.
inline std::uint64_t from_environment(char const* name, std::uint64_t otherwise) {
  auto const* const text = std::getenv(name);  // NOLINT
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace mutirao::machine
