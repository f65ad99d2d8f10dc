#pragma once

#include <string>
#include <string_view>

#include "mutirao/swarm/metainfo.h"

namespace mutirao::swarm {

/// Where a web seed has a file (BEP 19). A torrent of one file: the URL itself, or with the name
/// behind it when it ends in '/'. A torrent with folders: the URL is the folder that the torrent's
/// own folder lies in, and path segments are percent-encoded one by one.
[[nodiscard]] std::string web_seed_url(std::string_view seed_url, Metainfo const& metainfo,
                                       TorrentFile const& file);

/// True when the torrent is one file that lies in no folder of the torrent's name.
[[nodiscard]] bool is_single_file(Metainfo const& metainfo);

/// A path with every segment percent-encoded and the '/' between them kept.
[[nodiscard]] std::string percent_encode_path(std::string_view path);

}  // namespace mutirao::swarm
