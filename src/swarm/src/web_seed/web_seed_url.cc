#include "web_seed/web_seed_url.h"

#include <algorithm>

#include "mutirao/base/bytes.h"

namespace mutirao::swarm {

std::string percent_encode_path(std::string_view path) {
  std::string out;
  for (;;) {
    auto const slash = path.find('/');
    out += base::percent_encode(base::view_of(path.substr(0, slash)));
    if (slash == std::string_view::npos) return out;
    out += '/';
    path = path.substr(slash + 1);
  }
}

bool is_single_file(Metainfo const& metainfo) {
  auto const files = metainfo.files();
  return std::ranges::count(files, false, &TorrentFile::pad) == 1 && !files.empty() &&
         files[0].path == metainfo.name();
}

std::string web_seed_url(std::string_view seed_url, Metainfo const& metainfo,
                         TorrentFile const& file) {
  std::string url{seed_url};
  if (is_single_file(metainfo)) {
    if (url.ends_with('/')) url += percent_encode_path(file.path);
    return url;
  }
  if (!url.ends_with('/')) url += '/';
  return url + percent_encode_path(file.path);
}

}  // namespace mutirao::swarm
