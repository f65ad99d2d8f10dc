#include "site/site_assets.h"

#include <algorithm>

namespace mutirao::swarm {

SiteAsset const* find_site_asset(std::string_view name) noexcept {
  auto const assets = site_assets();
  auto const found = std::ranges::find(assets, name, &SiteAsset::name);
  return found == assets.end() ? nullptr : &*found;
}

}  // namespace mutirao::swarm
