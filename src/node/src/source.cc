#include <algorithm>

#include "mutirao/net/http_client.h"
#include "mutirao/swarm/magnet.h"

#include "local_library.h"

namespace mutirao::node {
namespace {

constexpr char kWhatMend[] = "give a magnet link, a .torrent file, or the URL of a .torrent";

/// Trackers that lie on `host`; every tracker when `host` is empty.
std::vector<std::string> trackers_on(swarm::Metainfo const& metainfo, std::string_view host) {
  std::vector<std::string> urls;
  for (auto const& tier : metainfo.tracker_tiers())
    for (auto const& url : tier) {
      // wire::Url speaks http only; a UDP tracker has the same shape.
      auto const as_http = url.starts_with("udp://") ? "http://" + url.substr(6) : url;
      auto const parsed = wire::Url::parse(as_http);
      if (host.empty() || (parsed && parsed->host == host)) urls.push_back(url);
    }
  return urls;
}

Source from_metainfo(std::shared_ptr<swarm::Metainfo const> metainfo,
                     std::vector<std::string> permitted) {
  Source source;
  source.name = metainfo->name();
  source.info_hash = metainfo->info_hash();
  source.request.what = std::move(metainfo);
  source.request.trackers = std::move(permitted);
  return source;
}

Result<Source> from_magnet(std::string const& text) {
  auto magnet = swarm::Magnet::parse(text);
  if (!magnet)
    return std::unexpected{std::move(magnet).error().with_mend("copy the whole link, in quotes")};
  Source source;
  source.name = magnet->name.empty() ? magnet->info_hash.id().substr(0, 12) : magnet->name;
  source.info_hash = magnet->info_hash;
  // The user typed these addresses: they need no permission to be internal.
  source.request.peers = magnet->peers;
  source.request.trackers = magnet->trackers;
  source.request.what = *std::move(magnet);
  return source;
}

Result<Source> from_url(world::World& world, GetRequest const& request, Deadline deadline) {
  auto const url = MUT_TRY(wire::Url::parse(request.what));
  net::HttpClientOptions options;
  options.body_bytes_max = swarm::Metainfo::kBytesMax;
  net::HttpClient client{world, options};
  net::HttpRequest ask;
  ask.url = url;
  auto answer = client.fetch(std::move(ask), deadline);
  if (!answer) return std::unexpected{std::move(answer).error().during("fetching " + request.what)};
  if (answer->head.status == 404)
    return fail(Fault::not_found, request.what + " does not exist there");
  if (answer->head.status != 200)
    return fail(Fault::refused,
                fmt::format("{} answers with status {}", request.what, answer->head.status));
  auto metainfo = swarm::Metainfo::parse(base::view_of(answer->body));
  if (!metainfo)
    return std::unexpected{std::move(metainfo).error().during(request.what).with_mend(kWhatMend)};
  auto permitted =
      trackers_on(**metainfo, request.internal_trackers ? std::string_view{} : url.host);
  return from_metainfo(*std::move(metainfo), std::move(permitted));
}

/// What is not a file at all may be a misspelt link.
Error not_there(Error error) {
  return error.fault == Fault::not_found ? std::move(error).with_mend(kWhatMend) : error;
}

Result<Source> from_file(world::World& world, GetRequest const& request) {
  auto const slash = request.what.rfind('/');
  if (slash == std::string::npos)
    return fail(
        Fault::invalid,
        fmt::format("\"{}\" is neither a magnet link nor a URL nor an absolute path", request.what),
        kWhatMend);
  auto folder =
      world.disk().open_directory(slash == 0 ? "/" : request.what.substr(0, slash), false);
  if (!folder) return std::unexpected{not_there(std::move(folder).error())};
  auto file = (*folder)->open(request.what.substr(slash + 1), {});
  if (!file) return std::unexpected{not_there(std::move(file).error())};
  auto const info = MUT_TRY((*file)->info());
  if (info.kind != world::FileKind::regular)
    return fail(Fault::invalid, request.what + " is not a file", kWhatMend);
  if (info.size > swarm::Metainfo::kBytesMax)
    return fail(Fault::invalid,
                fmt::format("{} is too large for a .torrent ({} bytes)", request.what, info.size),
                kWhatMend);
  Bytes content(info.size);
  MUT_TRY((*file)->read_exactly(0, content));
  auto metainfo = swarm::Metainfo::parse(content);
  if (!metainfo)
    return std::unexpected{std::move(metainfo).error().during(request.what).with_mend(kWhatMend)};
  auto permitted =
      request.internal_trackers ? trackers_on(**metainfo, {}) : std::vector<std::string>{};
  return from_metainfo(*std::move(metainfo), std::move(permitted));
}

}  // namespace

Result<Source> read_source(world::World& world, GetRequest const& request, Deadline deadline) {
  if (request.what.starts_with("magnet:")) return from_magnet(request.what);
  if (request.what.starts_with("http://") || request.what.starts_with("https://"))
    return from_url(world, request, deadline);
  auto const scheme = request.what.substr(0, request.what.find("://"));
  if (scheme.size() < request.what.size() && !scheme.starts_with('/'))
    return fail(Fault::invalid, fmt::format("{} URLs are not fetched", scheme), kWhatMend);
  return from_file(world, request);
}

}  // namespace mutirao::node
