#pragma once

#include <memory>

#include "mutirao/base/result.h"

namespace mutirao::sim {

/// One incarnation of a host, shared by all that its World gave out.
struct Life {
  bool over = false;
};
using LifeRef = std::shared_ptr<Life const>;

[[nodiscard]] inline std::unexpected<Error> crashed_host() {
  return fail(Fault::cancelled, "the host has crashed");
}

}  // namespace mutirao::sim
