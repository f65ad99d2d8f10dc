#pragma once

#include <string>
#include <vector>

#include "site/site_item.h"
#include "site/site_text.h"
#include "site/site_torrent.h"

namespace mutirao::swarm {

/// The page that lists what is shared: complete without its script, which only refreshes figures in
/// elements marked with data-figure.
[[nodiscard]] std::string site_list_page(std::vector<SiteItem> const& items,
                                         SiteOrigin const& origin, SiteText const& text);

}  // namespace mutirao::swarm
