#include "mutirao/swarm/ids.h"

#include <algorithm>

namespace mutirao::swarm {

std::optional<Sha1Digest> InfoHash::v2_truncated() const noexcept {
  if (!v2) return std::nullopt;
  Sha1Digest truncated;
  std::copy_n(v2->begin(), truncated.size(), truncated.begin());
  return truncated;
}

bool InfoHash::matches(Sha1Digest const& wire) const noexcept {
  return v1 == wire || v2_truncated() == wire;
}

std::string InfoHash::id() const {
  if (v2) return base::to_hex(*v2);
  return v1 ? base::to_hex(*v1) : std::string{};
}

}  // namespace mutirao::swarm
