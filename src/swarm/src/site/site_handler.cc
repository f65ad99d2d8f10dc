#include "site/site_handler.h"

#include <charconv>

#include <fmt/format.h>

#include "site/site_assets.h"
#include "site/site_files.h"
#include "site/site_html.h"
#include "site/site_page.h"

namespace mutirao::swarm {
namespace {

wire::HttpFields page_fields(SiteText const& text) {
  auto fields = site_fields("text/html; charset=utf-8");
  fields.add("Content-Language", std::string{text.tag});
  fields.add("Cache-Control", "no-cache");
  fields.add("Vary", "Accept-Language");
  return fields;
}

Result<void> not_found(SiteText const& text, net::HttpResponder& responder) {
  auto const main =
      fmt::format("<div class=\"intro\"><h1>{}</h1><p>{} <a href=\"/\">{}</a></p></div>",
                  text.not_found, text.not_found_mend, text.home);
  return responder.send(
      404, page_fields(text),
      site_page_frame(text, {.title = text.not_found, .main = main, .here = "/"}));
}

Result<void> bad_request(SiteText const& text, net::HttpResponder& responder) {
  return responder.send(400, site_fields("text/plain; charset=utf-8"),
                        fmt::format("{}\n", text.bad_request));
}

/// From 0; people count from 1.
std::size_t page_number(net::HttpServerRequest const& request) {
  auto const field = request.target.find("page").value_or("1");
  std::size_t number = 1;
  std::from_chars(field.data(), field.data() + field.size(), number);
  return number > 0 ? number - 1 : 0;
}

}  // namespace

SiteHandler::SiteHandler(world::World& world, SiteSource& source, Tracker& tracker,
                         std::string base_url)
    : world_{world},
      source_{source},
      tracker_{tracker},
      base_url_{std::move(base_url)},
      live_{world, source, tracker} {}

Result<SiteOrigin> SiteHandler::origin(net::HttpServerRequest const& request) const {
  return site_origin(base_url_, request.head.fields.find("Host").value_or(""));
}

Result<void> SiteHandler::handle(net::HttpServerRequest const& request,
                                 net::HttpResponder& responder) {
  auto const& text = site_text(request.head.fields.find("Accept-Language").value_or(""),
                               request.target.find("lang").value_or(""));
  if (request.head.method != "GET") {
    auto fields = site_fields("text/plain; charset=utf-8");
    fields.add("Allow", "GET, HEAD");
    return responder.send(405, std::move(fields), "only GET and HEAD\n");
  }
  if (MUT_TRY(tracker_.handle(request, responder))) return {};
  std::string_view const path = request.target.path;
  if (path == "/" || path == "/index.html") return list(text, request, responder);
  if (path == "/live") return live_.send(responder);
  if (path == "/live/events") return live_.stream(responder);
  constexpr std::string_view kTorrents = "/torrents/";
  constexpr std::string_view kFiles = "/files/";
  constexpr std::string_view kAssets = "/assets/";
  if (path.starts_with(kTorrents))
    return torrent(path.substr(kTorrents.size()), text, request, responder);
  if (path.starts_with(kFiles)) return file(path.substr(kFiles.size()), text, request, responder);
  if (path.starts_with(kAssets))
    return asset(path.substr(kAssets.size()), text, request, responder);
  return not_found(text, responder);
}

Result<void> SiteHandler::list(SiteText const& text, net::HttpServerRequest const& request,
                               net::HttpResponder& responder) {
  auto const here = origin(request);
  if (!here) return bad_request(text, responder);
  return responder.send(200, page_fields(text),
                        site_list_page(site_items(source_, tracker_), *here, text));
}

Result<void> SiteHandler::torrent(std::string_view name, SiteText const& text,
                                  net::HttpServerRequest const& request,
                                  net::HttpResponder& responder) {
  constexpr std::string_view kSuffix = ".torrent";
  auto const here = origin(request);
  if (!here) return bad_request(text, responder);
  if (!name.ends_with(kSuffix)) return not_found(text, responder);
  std::string const id{name.substr(0, name.size() - kSuffix.size())};
  auto const metainfo = source_.metainfo(id);
  if (!metainfo) return not_found(text, responder);
  auto const bytes = MUT_TRY(torrent_with_origin(**metainfo, id, *here));
  auto fields = site_fields("application/x-bittorrent");
  fields.add("Content-Disposition",
             content_disposition("attachment", (*metainfo)->name() + std::string{kSuffix}));
  fields.add("Cache-Control", "no-cache");
  return responder.send(200, std::move(fields), base::text_of(bytes));
}

Result<void> SiteHandler::file(std::string_view path, SiteText const& text,
                               net::HttpServerRequest const& request,
                               net::HttpResponder& responder) {
  auto const place = find_site_place(source_, path);
  if (!place) return not_found(text, responder);
  if (place->file) return send_site_file(world_, source_, *place, request, responder);
  return responder.send(200, page_fields(text),
                        site_folder_page(*place, page_number(request), text));
}

Result<void> SiteHandler::asset(std::string_view name, SiteText const& text,
                                net::HttpServerRequest const& request,
                                net::HttpResponder& responder) {
  auto const* const found = find_site_asset(name);
  if (found == nullptr) return not_found(text, responder);
  auto fields = site_fields(found->content_type);
  bool const versioned = request.target.find("v") == found->version;
  fields.add("Cache-Control", versioned ? "public, max-age=31536000, immutable" : "no-cache");
  return responder.send(200, std::move(fields), found->content);
}

}  // namespace mutirao::swarm
