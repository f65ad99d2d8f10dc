#pragma once

#include <string>
#include <string_view>

#include "mutirao/swarm/swarm.h"

namespace mutirao::swarm {

/// Every word that the site says, in one language. The compiler refuses a language that lacks one.
struct SiteText {
  std::string_view tag;                    ///< BCP 47
  std::string_view other_tag, other_name;  ///< the language to switch to
  char decimal_point;
  std::string_view title, tagline, skip, nothing_shared, nothing_shared_mend;
  std::string_view shared, in_total, peers_now, delivering, delivered;
  std::string_view size, files, file_one, file_many, seeds, leeches, downloading_rate,
      uploading_rate, time_left;
  std::string_view download, browse, magnet, torrent_file, copy, copied;
  std::string_view pieces_of, map_whole, map_part, map_none, verified;
  std::string_view file_list, name, more_files, hashes, format, parent_folder, folder_of, page_of,
      previous, next;
  std::string_view phase_metadata, phase_checking, phase_downloading, phase_seeding, phase_paused,
      phase_failed;
  std::string_view what_to_do, live_on, live_off, no_script, how, how_magnet, how_browser, footer,
      not_found, not_found_mend, home, bad_request;

  [[nodiscard]] std::string_view phase(TorrentPhase phase) const noexcept;
  /// Figures of base/units.h with this language's decimal point.
  [[nodiscard]] std::string figure(std::string text) const;
};

/// The better of our languages for an Accept-Language field (RFC 9110 §12.5.4); `chosen` (the lang
/// parameter of the address) wins.
[[nodiscard]] SiteText const& site_text(std::string_view accept_language,
                                        std::string_view chosen) noexcept;

}  // namespace mutirao::swarm
