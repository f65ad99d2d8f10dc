#pragma once

#include <string>
#include <string_view>

#include "mutirao/wire/http.h"

#include "site/site_text.h"

namespace mutirao::swarm {

/// Text as HTML content or as a quoted attribute value: names come from strangers.
[[nodiscard]] std::string escape_html(std::string_view text);

/// Fields of every answer: no sniffing, no framing, no referrer, and nothing that is not ours.
[[nodiscard]] wire::HttpFields site_fields(std::string_view content_type);

/// A value for Content-Disposition that no name can break out of (RFC 6266, RFC 8187).
[[nodiscard]] std::string content_disposition(std::string_view kind, std::string_view file_name);

/// A whole page around `main`, which is HTML already.
struct SiteFrame {
  std::string_view title;  ///< plain text
  std::string_view main;
  bool live = false;      ///< loads the script
  std::string_view here;  ///< path of this page, percent-encoded, for the language link
};
[[nodiscard]] std::string site_page_frame(SiteText const& text, SiteFrame const& frame);

}  // namespace mutirao::swarm
