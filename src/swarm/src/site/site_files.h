#pragma once

#include <optional>
#include <string_view>

#include "mutirao/net/http_server.h"

#include "site/site_item.h"
#include "site/site_text.h"

namespace mutirao::swarm {

/// What a path below /files/ names: a file, or a folder of files of one torrent.
struct SitePlace {
  TorrentId id;
  std::shared_ptr<Metainfo const> metainfo;
  std::string prefix;             ///< of addresses: "/files/" or "/files/ID/"
  std::optional<FileIndex> file;  ///< absent: a folder
  std::string folder;             ///< "name/sub", without slash at the end
};
/// `path` is decoded and lies below /files/: "NAME/PATH", or "ID/NAME/PATH" where names are not
/// unique.
[[nodiscard]] std::optional<SitePlace> find_site_place(SiteSource const& source,
                                                       std::string_view path);

/// Sends a file or the part asked for, each byte verified before it goes out.
[[nodiscard]] Result<void> send_site_file(world::World& world, SiteSource& source,
                                          SitePlace const& place,
                                          net::HttpServerRequest const& request,
                                          net::HttpResponder& responder);

/// A folder as a plain page of at most 1000 entries.
[[nodiscard]] std::string site_folder_page(SitePlace const& place, std::size_t page,
                                           SiteText const& text);

}  // namespace mutirao::swarm
