#include "config_entries.h"

#include <fmt/format.h>

namespace mutirao::node {
namespace {

constexpr std::string_view kNone = "none";

std::string limit(std::uint64_t bytes_per_s) {
  return bytes_per_s == 0 ? std::string{kNone} : std::to_string(bytes_per_s);
}

/// A password may stand in front of the host (RFC 3986 3.2.1).
std::string without_password(std::string url) {
  auto const scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  auto const host = scheme + 3;
  auto const end = std::min(url.find_first_of("/?#", host), url.size());
  auto const at = url.rfind('@', end);
  if (at != std::string::npos && at >= host) url.replace(host, at - host, "***");
  return url;
}

}  // namespace

std::vector<ConfigEntry> config_entries(NodeConfig const& config, world::Endpoint listens,
                                        std::optional<world::Endpoint> control) {
  std::vector<ConfigEntry> all;
  auto const add = [&](std::string key, std::string value, std::string about,
                       std::string otherwise = "default") {
    auto const found = config.from.find(key);
    auto from = found == config.from.end() ? std::move(otherwise) : found->second;
    if (value.empty()) value = kNone;
    all.push_back({std::move(key), std::move(value), std::move(from), std::move(about)});
  };
  // A port that was chosen stays the same from run to run.
  bool const usual = listens.port == kDefaultPort;
  add("state", config.state_folder, "folder of the database, the log and what is verified");
  add("socket", config.control_socket, "where commands of this machine reach the node");
  add("listen", listens.to_string(), "for peers, page and tracker",
      usual ? "default" : "chosen by the node");
  add("control-port", control ? control->to_string() : "",
      "where commands of other machines reach the node");
  add("url", without_password(config.base_url),
      "how others reach the node, when it is not by its own addresses");
  add("folder", config.download_folder, "where downloads go when a request names no folder");
  add("allow-internal", config.reach == net::Reach::unrestricted ? "yes" : "no",
      "whether torrents may lead to trackers and web seeds at internal addresses");
  add("upload-limit", limit(config.upload_rate_max), "most bytes a second that the node sends");
  add("download-limit", limit(config.download_rate_max),
      "most bytes a second that the node receives");
  add("log", config.log_level, "what is worth a line of the log");
  return all;
}

}  // namespace mutirao::node
