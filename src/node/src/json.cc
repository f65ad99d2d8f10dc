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
constexpr std::array<std::pair<swarm::TorrentFormat, std::string_view>, 3> kFormats{{
    {swarm::TorrentFormat::v1, "v1"},
    {swarm::TorrentFormat::v2, "v2"},
    {swarm::TorrentFormat::hybrid, "hybrid"},
}};

constexpr std::array kThreadStates{threads::thread_state::running, threads::thread_state::ready,
                                   threads::thread_state::parked, threads::thread_state::blocked};

template <class Names, class Value>
std::string_view name_of(Names const& names, Value value) noexcept {
  for (auto const& [known, name] : names)
    if (known == value) return name;
  return "unknown";
}

template <class Value, class Names>
Value named(Names const& names, std::string_view text) {
  for (auto const& [value, name] : names)
    if (name == text) return value;
  throw std::invalid_argument{fmt::format("\"{}\" is none of the known names", text)};
}

double seconds(Duration duration) { return std::chrono::duration<double>{duration}.count(); }
Duration from_seconds(double count) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>{count});
}

template <class T>
Json nullable(std::optional<T> const& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <class T>
T get_or(Json const& from, char const* key, T otherwise) {
  auto const found = from.find(key);
  return found == from.end() || found->is_null() ? otherwise : found->template get<T>();
}

template <class T>
std::optional<T> get_nullable(Json const& from, char const* key) {
  auto const found = from.find(key);
  if (found == from.end() || found->is_null()) return std::nullopt;
  return found->template get<T>();
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

swarm::PeerStatus decode_peer(Json const& from) {
  swarm::PeerStatus peer;
  peer.endpoint =
      world::Endpoint::parse(from.at("address").get<std::string>()).value_or(world::Endpoint{});
  peer.client = from.at("client").get<std::string>();
  peer.incoming = from.at("incoming").get<bool>();
  peer.own_network = from.at("own_network").get<bool>();
  peer.progress = from.at("progress").get<double>();
  peer.download_rate = from.at("download_rate").get<double>();
  peer.upload_rate = from.at("upload_rate").get<double>();
  peer.downloaded = from.at("downloaded").get<std::uint64_t>();
  peer.uploaded = from.at("uploaded").get<std::uint64_t>();
  peer.we_choke = from.at("we_choke").get<bool>();
  peer.they_choke = from.at("they_choke").get<bool>();
  peer.we_interested = from.at("we_interested").get<bool>();
  peer.they_interested = from.at("they_interested").get<bool>();
  peer.requests_in_flight = from.at("requests_in_flight").get<std::uint32_t>();
  return peer;
}

Json encode(swarm::WebSeedStatus const& seed) {
  return {
      {"url", seed.url}, {"state", seed.state}, {"why", seed.why}, {"downloaded", seed.downloaded}};
}

swarm::WebSeedStatus decode_web_seed(Json const& from) {
  return {.url = from.at("url").get<std::string>(),
          .state = from.at("state").get<std::string>(),
          .why = from.at("why").get<std::string>(),
          .downloaded = from.at("downloaded").get<std::uint64_t>()};
}

Json encode(swarm::TrackerStatus const& tracker) {
  return {{"url", tracker.url},
          {"state", tracker.state},
          {"why", tracker.why},
          {"peers", tracker.peers},
          {"seeds", nullable(tracker.seeds)},
          {"leeches", nullable(tracker.leeches)}};
}

swarm::TrackerStatus decode_tracker(Json const& from) {
  return {.url = from.at("url").get<std::string>(),
          .state = from.at("state").get<std::string>(),
          .why = from.at("why").get<std::string>(),
          .peers = from.at("peers").get<std::uint32_t>(),
          .seeds = get_nullable<std::uint32_t>(from, "seeds"),
          .leeches = get_nullable<std::uint32_t>(from, "leeches")};
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

Transfer decode_transfer(Json const& from) {
  Transfer transfer;
  auto& status = transfer.status;
  status.id = from.at("id").get<std::string>();
  status.name = from.at("name").get<std::string>();
  transfer.origin =
      from.at("origin").get<std::string>() == "shared" ? Origin::shared : Origin::fetched;
  transfer.folder = from.at("folder").get<std::string>();
  transfer.added_s = from.at("added_s").get<std::int64_t>();
  status.phase = named<TorrentPhase>(kPhases, from.at("phase").get<std::string>());
  status.why = from.at("why").get<std::string>();
  status.mend = from.at("mend").get<std::string>();
  status.since = from_seconds(from.at("since_s").get<double>());
  status.bytes_total = from.at("bytes_total").get<std::uint64_t>();
  status.bytes_verified = from.at("bytes_verified").get<std::uint64_t>();
  status.pieces_total = from.at("pieces_total").get<std::uint32_t>();
  status.pieces_verified = from.at("pieces_verified").get<std::uint32_t>();
  transfer.files_total = from.at("files_total").get<std::uint32_t>();
  status.download_rate = from.at("download_rate").get<double>();
  status.upload_rate = from.at("upload_rate").get<double>();
  status.downloaded = from.at("downloaded").get<std::uint64_t>();
  status.uploaded = from.at("uploaded").get<std::uint64_t>();
  status.wasted = from.at("wasted").get<std::uint64_t>();
  status.wrong = get_or<std::uint64_t>(from, "wrong", 0);
  if (auto const left = get_nullable<double>(from, "time_left_s"))
    status.time_left = from_seconds(*left);
  transfer.peers_connected = from.at("peers_connected").get<std::uint32_t>();
  status.connecting = from.at("peers_connecting").get<std::uint32_t>();
  status.known_peers = from.at("peers_known").get<std::uint32_t>();
  transfer.links = {.magnet = from.at("magnet").get<std::string>(),
                    .page = from.at("page_url").get<std::string>(),
                    .torrent = from.at("torrent_url").get<std::string>()};
  for (auto const& peer : from.at("peers")) status.peers.push_back(decode_peer(peer));
  for (auto const& tracker : from.at("trackers"))
    status.trackers.push_back(decode_tracker(tracker));
  for (auto const& seed : from.at("web_seed_states"))
    status.web_seeds.push_back(decode_web_seed(seed));
  for (auto const& file : from.at("files"))
    transfer.files.push_back(
        {file.at("path").get<std::string>(), file.at("bytes").get<std::uint64_t>()});
  transfer.piece_map = from.at("piece_map").get<std::vector<std::uint8_t>>();
  return transfer;
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

threads::thread_info decode_thread(Json const& from) {
  threads::thread_info thread;
  thread.id = from.at("id").get<std::uint64_t>();
  thread.name = from.at("name").get<std::string>();
  thread.scope = from.at("scope").get<std::string>();
  thread.depth = from.at("depth").get<unsigned>();
  auto const state = from.at("state").get<std::string>();
  for (auto const known : kThreadStates)
    if (threads::to_string(known) == state) thread.state = known;
  auto const waits_for = get_or<std::string>(from, "waits_for", "");
  for (auto const known : threads::kWaitKinds)
    if (threads::to_string(known) == waits_for) thread.waits_for = known;
  thread.wait = from.at("wait").get<std::string>();
  thread.since = from_seconds(from.at("since_s").get<double>());
  thread.age = from_seconds(from.at("age_s").get<double>());
  thread.stop_requested = from.at("stop_requested").get<bool>();
  return thread;
}

Json encode(threads::processor_info const& processor) {
  return {{"index", processor.index},
          {"queued", processor.queued},
          {"switches", processor.switches},
          {"steals", processor.steals},
          {"in_blocking_call", processor.in_blocking_call}};
}

threads::processor_info decode_processor(Json const& from) {
  return {.index = from.at("index").get<unsigned>(),
          .queued = from.at("queued").get<std::uint32_t>(),
          .switches = from.at("switches").get<std::uint64_t>(),
          .steals = from.at("steals").get<std::uint64_t>(),
          .in_blocking_call = from.at("in_blocking_call").get<bool>()};
}

std::vector<Transfer> decode_all(Json const& from) {
  std::vector<Transfer> transfers;
  for (auto const& transfer : from) transfers.push_back(decode_transfer(transfer));
  return transfers;
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
std::string to_json(ShareRequest const& request) {
  return dump({{"share",
                {{"path", request.path},
                 {"format", name_of(kFormats, request.format)},
                 {"trackers", request.trackers},
                 {"private", request.is_private},
                 {"comment", request.comment}}}});
}
std::string to_json(GetRequest const& request) {
  return dump({{"get",
                {{"what", request.what},
                 {"folder", request.folder},
                 {"internal_trackers", request.internal_trackers}}}});
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

Result<Transfer> transfer_from_json(std::string_view text) {
  return decoded(text, "transfer", [](Json const& json) { return decode_transfer(json); });
}
Result<std::vector<Transfer>> transfers_from_json(std::string_view text) {
  return decoded(text, "transfers",
                 [](Json const& json) { return decode_all(json.at("transfers")); });
}

Result<NodeStatus> node_status_from_json(std::string_view text) {
  return decoded(text, "node status", [](Json const& json) {
    return NodeStatus{.version = json.at("version").get<std::string>(),
                      .process_id = json.at("process_id").get<std::int64_t>(),
                      .uptime = from_seconds(json.at("uptime_s").get<double>()),
                      .state_folder = json.at("state_folder").get<std::string>(),
                      .listen = json.at("listen").get<std::string>(),
                      .page = json.at("page").get<std::string>(),
                      .tracker = json.at("tracker").get<std::string>(),
                      .udp_tracker = json.at("udp_tracker").get<std::string>(),
                      .download_rate = json.at("download_rate").get<double>(),
                      .upload_rate = json.at("upload_rate").get<double>(),
                      .downloaded = json.at("downloaded").get<std::uint64_t>(),
                      .uploaded = json.at("uploaded").get<std::uint64_t>(),
                      .threads_alive = json.at("threads_alive").get<std::uint64_t>(),
                      .lwps = json.at("lwps").get<std::uint32_t>(),
                      .file_engine = json.at("file_engine").get<std::string>(),
                      .hash_engine = json.at("hash_engine").get<std::string>(),
                      .transfers = decode_all(json.at("transfers"))};
  });
}

Result<threads::runtime_report> thread_report_from_json(std::string_view text) {
  return decoded(text, "thread report", [](Json const& json) {
    threads::runtime_report report;
    auto& info = report.info;
    info.lwps = json.at("lwps").get<unsigned>();
    info.lwps_blocked = json.at("lwps_blocked").get<unsigned>();
    info.lwps_resting = json.at("lwps_resting").get<unsigned>();
    info.lwps_refused = json.at("lwps_refused").get<std::uint64_t>();
    info.stalls = json.at("stalls").get<std::uint64_t>();
    info.switches = json.at("switches").get<std::uint64_t>();
    info.steals = json.at("steals").get<std::uint64_t>();
    info.guard = json.at("stack_guard").get<std::string>();
    info.files = json.at("file_engine").get<std::string>();
    for (auto const& each : json.at("processors"))
      report.processors.push_back(decode_processor(each));
    for (auto const& each : json.at("threads")) report.threads.push_back(decode_thread(each));
    info.processors = static_cast<unsigned>(report.processors.size());
    info.threads_alive = report.threads.size();
    return report;
  });
}

Result<Shared> shared_from_json(std::string_view text) {
  return decoded(text, "answer to share", [](Json const& json) {
    auto const& shared = json.at("shared");
    return Shared{decode_transfer(shared.at("transfer")),
                  shared.at("skipped").get<std::vector<std::string>>()};
  });
}
Result<Started> started_from_json(std::string_view text) {
  return decoded(text, "answer to get", [](Json const& json) {
    auto const& started = json.at("started");
    return Started{decode_transfer(started.at("transfer")), started.at("watched").get<bool>()};
  });
}
Result<ShareRequest> share_request_from_json(std::string_view text) {
  return decoded(text, "request to share", [](Json const& json) {
    auto const& share = json.at("share");
    return ShareRequest{.path = share.at("path").get<std::string>(),
                        .format = named<swarm::TorrentFormat>(
                            kFormats, get_or<std::string>(share, "format", "hybrid")),
                        .trackers = get_or<std::vector<std::string>>(share, "trackers", {}),
                        .is_private = get_or(share, "private", false),
                        .comment = get_or<std::string>(share, "comment", "")};
  });
}
Result<GetRequest> get_request_from_json(std::string_view text) {
  return decoded(text, "request to get", [](Json const& json) {
    auto const& get = json.at("get");
    return GetRequest{.what = get.at("what").get<std::string>(),
                      .folder = get_or<std::string>(get, "folder", ""),
                      .internal_trackers = get_or(get, "internal_trackers", false)};
  });
}
Result<swarm::MakeProgress> hashing_from_json(std::string_view text) {
  return decoded(text, "hashing progress", [](Json const& json) {
    auto const& hashing = json.at("hashing");
    return swarm::MakeProgress{hashing.at("bytes_done").get<std::uint64_t>(),
                               hashing.at("bytes_total").get<std::uint64_t>()};
  });
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

std::string json_kind(std::string_view text) {
  auto kind = decoded(text, "line", [](Json const& json) {
    return json.is_object() && json.size() == 1 ? json.begin().key() : std::string{};
  });
  return kind.value_or(std::string{});
}

std::string json_string(std::string_view text) { return dump(Json(text)); }

std::string pretty_json(std::string_view text) {
  return decoded(text, "value", [](Json const& json) { return dump(json, 2); })
      .value_or(std::string{text});
}

}  // namespace mutirao::node
