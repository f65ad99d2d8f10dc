#pragma once

#include <span>
#include <string_view>

namespace mutirao::swarm {

/// A file of src/swarm/web, built into the program.
struct SiteAsset {
  std::string_view name;  ///< "site.css"
  std::string_view content_type;
  std::string_view content;
  std::string_view
      version;  ///< changes with the content: part of its address, so that it may be kept for ever
};
[[nodiscard]] std::span<SiteAsset const> site_assets() noexcept;
[[nodiscard]] SiteAsset const* find_site_asset(std::string_view name) noexcept;

}  // namespace mutirao::swarm
