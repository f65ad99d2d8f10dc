#pragma once

#include <cstdint>
#include <functional>

#include <gtest/gtest.h>

#include "testing.h"

namespace mutirao::threads {

/// Real with 1, 2 and 4 processors, moved about at every wait, and 20 simulated orders.
inline void everywhere(std::function<void()> const& body) {
  for (unsigned const processors : {1u, 2u, 4u}) {
    SCOPED_TRACE(testing::Message() << processors << " processors");
    run_real(processors, body);
  }
  for (unsigned const processors : {2u, 3u}) {
    SCOPED_TRACE(testing::Message() << processors << " processors, migrating");
    run_migrating(processors, body);
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    run_simulated(seed, body);
  }
}

}  // namespace mutirao::threads
