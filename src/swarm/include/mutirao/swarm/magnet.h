#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/swarm/ids.h"
#include "mutirao/world/address.h"

namespace mutirao::swarm {

/// magnet:?xt=urn:btih:...&xt=urn:btmh:1220...&dn=...&tr=...&ws=...&x.pe=...&so=... (BEP 9, 52, 53)
struct Magnet {
  InfoHash info_hash;
  std::string name;
  std::vector<std::string>
      trackers;  ///< at most 64, as of the others; what comes after them is left out
  std::vector<std::string> web_seeds;  ///< at most 64
  std::vector<world::Endpoint> peers;  ///< x.pe, numeric addresses only, at most 64
  std::vector<std::pair<std::uint32_t, std::uint32_t>> selected_files;  ///< so: inclusive ranges

  [[nodiscard]] static Result<Magnet> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
};

}  // namespace mutirao::swarm
