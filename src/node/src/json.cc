#include "mutirao/node/json.h"

#include <array>
#include <chrono>

#include <nlohmann/json.hpp>

namespace mutirao::node {
namespace {

using Json = nlohmann::ordered_json;
using swarm::TorrentPhase;

constexpr std::array<std::pair<TorrentPhase, std::string_view>, 6> kPhases{{
    {TorrentPhase::metadata, "metadata"},
    {TorrentPhase::checking, "checking"},
    {TorrentPhase::downloading, "downloading"},
    {TorrentPhase::seeding, "seeding"},
    {TorrentPhase::paused, "paused"},
    {TorrentPhase::failed, "failed"},
}};
template <class Names, class Value>
std::string_view name_of(Names const& names, Value value) noexcept {
  for (auto const& [known, name] : names)
    if (known == value) return name;
  return "unknown";
}

double seconds(Duration duration) { return std::chrono::duration<double>{duration}.count(); }

template <class T>
Json nullable(std::optional<T> const& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string dump(Json const& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json encode(swarm::PeerStatus const& peer) {
  return {{"address", peer.endpoint.to_string()},
          {"client", peer.client},
          {"incoming", peer.incoming},
          {"own_network", peer.own_network},
          {"progress", peer.progress},
          {"download_rate", peer.download_rate},
          {"upload_rate", peer.upload_rate},
          {"downloaded", peer.downloaded},
          {"uploaded", peer.uploaded},
          {"we_choke", peer.we_choke},
          {"they_choke", peer.they_choke},
          {"we_interested", peer.we_interested},
          {"they_interested", peer.they_interested},
          {"requests_in_flight", peer.requests_in_flight}};
}

Json encode(swarm::WebSeedStatus const& seed) {
  return {
      {"url", seed.url}, {"state", seed.state}, {"why", seed.why}, {"downloaded", seed.downloaded}};
}

Json encode(swarm::TrackerStatus const& tracker) {
  return {{"url", tracker.url},
          {"state", tracker.state},
          {"why", tracker.why},
          {"peers", tracker.peers},
          {"seeds", nullable(tracker.seeds)},
          {"leeches", nullable(tracker.leeches)}};
}

Json encode(Transfer const& transfer) {
  auto const& status = transfer.status;
  Json json = {{"id", status.id},
               {"name", status.name},
               {"origin", to_string(transfer.origin)},
               {"folder", transfer.folder},
               {"added_s", transfer.added_s},
               {"phase", to_string(status.phase)},
               {"why", status.why},
               {"mend", status.mend},
               {"since_s", seconds(status.since)},
               {"bytes_total", status.bytes_total},
               {"bytes_verified", status.bytes_verified},
               {"pieces_total", status.pieces_total},
               {"pieces_verified", status.pieces_verified},
               {"files_total", transfer.files_total},
               {"download_rate", status.download_rate},
               {"upload_rate", status.upload_rate},
               {"downloaded", status.downloaded},
               {"uploaded", status.uploaded},
               {"wasted", status.wasted},
               {"wrong", status.wrong},
               {"time_left_s", status.time_left ? Json(seconds(*status.time_left)) : Json(nullptr)},
               {"peers_connected", transfer.peers_connected},
               {"peers_connecting", status.connecting},
               {"peers_known", status.known_peers},
               {"magnet", transfer.links.magnet},
               {"page_url", transfer.links.page},
               {"torrent_url", transfer.links.torrent}};
  Json& peers = json["peers"] = Json::array();
  for (auto const& peer : status.peers) peers.push_back(encode(peer));
  Json& trackers = json["trackers"] = Json::array();
  for (auto const& tracker : status.trackers) trackers.push_back(encode(tracker));
  Json& urls = json["web_seeds"] = Json::array();
  for (auto const& seed : status.web_seeds) urls.push_back(seed.url);
  Json& web_seeds = json["web_seed_states"] = Json::array();
  for (auto const& seed : status.web_seeds) web_seeds.push_back(encode(seed));
  Json& files = json["files"] = Json::array();
  for (auto const& file : transfer.files)
    files.push_back({{"path", file.path}, {"bytes", file.bytes}});
  json["piece_map"] = transfer.piece_map;
  return json;
}

Json encode_all(std::vector<Transfer> const& transfers) {
  Json list = Json::array();
  for (auto const& transfer : transfers) list.push_back(encode(transfer));
  return list;
}

Json encode(threads::thread_info const& thread) {
  bool const waits = thread.state == threads::thread_state::parked ||
                     thread.state == threads::thread_state::blocked;
  return {{"id", thread.id},
          {"name", thread.name},
          {"scope", thread.scope},
          {"depth", thread.depth},
          {"state", threads::to_string(thread.state)},
          {"waits_for", waits ? Json(threads::to_string(thread.waits_for)) : Json(nullptr)},
          {"wait", thread.wait},
          {"since_s", seconds(thread.since)},
          {"age_s", seconds(thread.age)},
          {"stop_requested", thread.stop_requested}};
}

Json encode(threads::processor_info const& processor) {
  return {{"index", processor.index},
          {"queued", processor.queued},
          {"switches", processor.switches},
          {"steals", processor.steals},
          {"in_blocking_call", processor.in_blocking_call}};
}

/// Runs `decode` on the parsed text; the library's exceptions end here.
template <class Decode>
auto decoded(std::string_view text, std::string_view what, Decode decode)
    -> Result<decltype(decode(std::declval<Json const&>()))> {
  try {
    return decode(Json::parse(text));
  } catch (std::exception const& error) {
    return fail(Fault::invalid, fmt::format("{}: {}", what, error.what()));
  }
}

constexpr std::array kFaults{Fault::not_found,   Fault::timed_out,   Fault::refused,
                             Fault::unreachable, Fault::closed,      Fault::corrupt,
                             Fault::exhausted,   Fault::unsupported, Fault::invalid,
                             Fault::cancelled,   Fault::io};

}  // namespace

std::string_view to_string(TorrentPhase phase) noexcept { return name_of(kPhases, phase); }
std::string_view to_string(Origin origin) noexcept {
  return origin == Origin::shared ? "shared" : "fetched";
}

std::string to_json(Transfer const& transfer) { return dump(encode(transfer)); }
std::string to_json(std::vector<Transfer> const& transfers) {
  return dump({{"transfers", encode_all(transfers)}});
}

std::string to_json(NodeStatus const& status) {
  return dump({{"version", status.version},
               {"process_id", status.process_id},
               {"uptime_s", seconds(status.uptime)},
               {"state_folder", status.state_folder},
               {"listen", status.listen},
               {"page", status.page},
               {"tracker", status.tracker},
               {"udp_tracker", status.udp_tracker},
               {"control", status.control},
               {"key", status.key},
               {"download_rate", status.download_rate},
               {"upload_rate", status.upload_rate},
               {"downloaded", status.downloaded},
               {"uploaded", status.uploaded},
               {"threads_alive", status.threads_alive},
               {"lwps", status.lwps},
               {"file_engine", status.file_engine},
               {"hash_engine", status.hash_engine},
               {"transfers", encode_all(status.transfers)}});
}

std::string to_json(threads::runtime_report const& report) {
  auto const& info = report.info;
  Json json = {{"lwps", info.lwps},
               {"lwps_blocked", info.lwps_blocked},
               {"lwps_resting", info.lwps_resting},
               {"lwps_refused", info.lwps_refused},
               {"stalls", info.stalls},
               {"switches", info.switches},
               {"steals", info.steals},
               {"stack_guard", info.guard},
               {"file_engine", info.files}};
  Json& processors = json["processors"] = Json::array();
  for (auto const& each : report.processors) processors.push_back(encode(each));
  Json& all = json["threads"] = Json::array();
  for (auto const& each : report.threads) all.push_back(encode(each));
  return dump(json);
}

std::string to_json(Shared const& shared) {
  return dump({{"shared", {{"transfer", encode(shared.transfer)}, {"skipped", shared.skipped}}}});
}
std::string to_json(Started const& started) {
  return dump(
      {{"started", {{"transfer", encode(started.transfer)}, {"watched", started.watched}}}});
}
std::string to_json(swarm::MakeProgress const& progress) {
  return dump(
      {{"hashing", {{"bytes_done", progress.bytes_done}, {"bytes_total", progress.bytes_total}}}});
}
std::string to_json(Error const& error) {
  return dump(
      {{"error",
        {{"fault", base::to_string(error.fault)}, {"what", error.what}, {"mend", error.mend}}}});
}

Error error_from_json(std::string_view text) {
  auto error = decoded(text, "answer of the node", [](Json const& json) {
    auto const& from = json.at("error");
    auto const name = from.at("fault").get<std::string>();
    Fault fault = Fault::io;
    for (Fault const known : kFaults)
      if (base::to_string(known) == name) fault = known;
    return Error{fault, from.at("what").get<std::string>(), from.at("mend").get<std::string>()};
  });
  return error ? *std::move(error) : std::move(error).error();
}

std::string json_string(std::string_view text) { return dump(Json(text)); }

bool is_json(std::string_view text) { return Json::accept(text); }

std::string pretty_json(std::string_view text) {
  return decoded(text, "value", [](Json const& json) { return dump(json, 2); })
      .value_or(std::string{text});
}

}  // namespace mutirao::node
