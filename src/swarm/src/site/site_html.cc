#include "site/site_html.h"

#include <fmt/format.h>

#include "mutirao/base/bytes.h"
#include "mutirao/base/check.h"

#include "site/site_assets.h"

namespace mutirao::swarm {
namespace {

std::string asset_url(std::string_view name) {
  auto const* const asset = find_site_asset(name);
  MUT_ASSERT(asset != nullptr);
  return fmt::format("/assets/{}?v={}", asset->name, asset->version);
}

/// U+202A to U+202E and U+2066 to U+2069: they can make `gnp.exe` look like `exe.png`.
bool turns_direction(std::string_view text) {
  if (text.size() < 3 || text[0] != '\xe2') return false;
  return (text[1] == '\x80' && text[2] >= '\xaa' && text[2] <= '\xae') ||
         (text[1] == '\x81' && text[2] >= '\xa6' && text[2] <= '\xa9');
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (turns_direction(text.substr(i))) {
      out += "\xef\xbf\xbd";  // U+FFFD
      i += 2;
      continue;
    }
    char const c = text[i];
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

wire::HttpFields site_fields(std::string_view content_type) {
  wire::HttpFields fields;
  fields.add("Content-Type", std::string{content_type});
  fields.add("Content-Security-Policy",
             "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src "
             "'self'; "
             "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  fields.add("X-Content-Type-Options", "nosniff");
  fields.add("Referrer-Policy", "no-referrer");
  return fields;
}

std::string content_disposition(std::string_view kind, std::string_view file_name) {
  std::string plain;
  for (char const c : file_name.substr(0, 200)) {
    auto const byte = static_cast<unsigned char>(c);
    plain += byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\' || c == '%' || c == '/' ? '_' : c;
  }
  return fmt::format("{}; filename=\"{}\"; filename*=UTF-8''{}", kind, plain,
                     base::percent_encode(base::view_of(file_name)));
}

std::string site_page_frame(SiteText const& text, SiteFrame const& frame) {
  return fmt::format(
      R"(<!doctype html>
<html lang="{tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Mutirão</title>
<link rel="icon" href="{icon}" type="image/svg+xml">
<link rel="stylesheet" href="{style}">
{script}</head>
<body>
<a class="skip" href="#main">{skip}</a>
<header class="top"><div class="wrap">
<a class="brand" href="/" aria-label="Mutirão: {home}"><img src="{icon}" width="32" height="32" alt=""><span>Mutirão</span></a>
<a class="language" href="{here}?lang={other}" hreflang="{other}" lang="{other}">{other_name}</a>
</div></header>
<main id="main" class="wrap" tabindex="-1">
{main}
</main>
<footer class="wrap"><p>{footer}</p></footer>
</body>
</html>
)",
      fmt::arg("tag", text.tag), fmt::arg("title", escape_html(frame.title)),
      fmt::arg("icon", escape_html(asset_url("icon.svg"))),
      fmt::arg("style", escape_html(asset_url("site.css"))),
      fmt::arg("script", frame.live ? fmt::format("<script src=\"{}\" defer></script>\n",
                                                  escape_html(asset_url("live.js")))
                                    : ""),
      fmt::arg("skip", text.skip), fmt::arg("home", text.home),
      fmt::arg("here", escape_html(frame.here)), fmt::arg("other", text.other_tag),
      fmt::arg("other_name", text.other_name), fmt::arg("main", frame.main),
      fmt::arg("footer", text.footer));
}

}  // namespace mutirao::swarm
