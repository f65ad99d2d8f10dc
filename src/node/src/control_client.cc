#include "mutirao/node/control_client.h"

#include <array>

#include "mutirao/base/bytes.h"
#include "mutirao/net/http_client.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::node {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 << 20;
constexpr Duration kStopPoll = 50ms;

std::string torrent_target(std::string_view name, std::string_view verb = {}) {
  auto target = "/api/v1/torrents/" + base::percent_encode(base::view_of(name));
  return verb.empty() ? target : target + "/" + std::string{verb};
}

/// In the middle of an answer: it was killed, or it stopped.
std::unexpected<Error> went_away() {
  return fail(Fault::closed, "the node went away", "mutirao up --detach");
}

Result<std::string> collect(net::HttpBody& body, Deadline deadline) {
  std::string text;
  std::array<std::uint8_t, 16 << 10> buffer;
  while (std::size_t const got = MUT_TRY(body.read_some(buffer, deadline))) {
    text.append(base::text_of(ByteView{buffer}.first(got)));
    if (text.size() > kAnswerBytesMax)
      return fail(Fault::exhausted, "the node's answer is too long");
  }
  return text;
}

}  // namespace

ControlClient::ControlClient(world::World& world, std::string socket_path)
    : world_{world}, socket_path_{std::move(socket_path)} {}

Result<void> ControlClient::stream(std::string method, std::string target, std::string body,
                                   std::function<Result<bool>(std::string_view)> take,
                                   Deadline deadline) {
  auto connection = world_.network().connect_local(socket_path_, deadline);
  if (!connection)
    return fail(Fault::unreachable, fmt::format("no node runs here: {}", connection.error().what),
                "mutirao up --detach");
  net::HttpRequest request{
      .method = std::move(method),
      .url = {.scheme = "http", .host = "node", .port = 80, .target = std::move(target)},
      .fields = {},
      .body = std::move(body)};
  if (!request.body.empty()) request.fields.add("Content-Type", "application/json");
  auto answer = MUT_TRY(net::http_over(*std::move(connection), std::move(request), deadline));
  if (answer.head.status != 200)
    return std::unexpected{error_from_json(MUT_TRY(collect(*answer.body, deadline)))};

  std::string pending;
  std::array<std::uint8_t, 16 << 10> buffer;
  while (true) {
    auto const got = answer.body->read_some(buffer, deadline);
    if (!got && got.error().fault == Fault::closed) return went_away();
    if (MUT_TRY(got) == 0) break;
    pending.append(base::text_of(ByteView{buffer}.first(*got)));
    if (pending.size() > kAnswerBytesMax)
      return fail(Fault::exhausted, "the node's answer is too long");
    std::size_t begin = 0;
    for (auto end = pending.find('\n'); end != std::string::npos;
         begin = end + 1, end = pending.find('\n', begin))
      if (!MUT_TRY(take(std::string_view{pending}.substr(begin, end - begin)))) return {};
    pending.erase(0, begin);
  }
  if (!pending.empty()) MUT_TRY(take(pending));
  return {};
}

Result<std::string> ControlClient::call(std::string method, std::string target, std::string body,
                                        Deadline deadline) {
  std::string text;
  MUT_TRY(stream(
      std::move(method), std::move(target), std::move(body),
      [&](std::string_view line) -> Result<bool> {
        text.append(line);
        return true;
      },
      deadline));
  return text;
}

Result<NodeStatus> ControlClient::status(Deadline deadline) {
  return node_status_from_json(MUT_TRY(call("GET", "/api/v1/status", "", deadline)));
}

Result<threads::runtime_report> ControlClient::thread_report(Deadline deadline) {
  return thread_report_from_json(MUT_TRY(call("GET", "/api/v1/threads", "", deadline)));
}

// The node closes its socket last: when nobody listens any more, its state folder is free.
Result<void> ControlClient::stop(Deadline deadline) {
  MUT_TRY(call("POST", "/api/v1/stop", "", deadline));
  while (world_.network().connect_local(socket_path_, earlier(deadline, threads::within(1s)))) {
    if (deadline.passed(threads::now()))
      return fail(Fault::timed_out, "the node was asked to stop and is still busy");
    MUT_TRY(threads::sleep_for(kStopPoll));
  }
  return {};
}

Result<Shared> ControlClient::share(ShareRequest request,
                                    std::function<bool(swarm::MakeProgress)> progress,
                                    Deadline deadline) {
  std::optional<Shared> shared;
  MUT_TRY(stream(
      "POST", "/api/v1/torrents", to_json(request),
      [&](std::string_view line) -> Result<bool> {
        auto const kind = json_kind(line);
        if (kind == "error") return std::unexpected{error_from_json(line)};
        if (kind == "shared") shared = MUT_TRY(shared_from_json(line));
        if (kind == "hashing" && progress && !progress(MUT_TRY(hashing_from_json(line))))
          return fail(Fault::cancelled, "sharing was given up");
        return !shared;
      },
      deadline));
  if (!shared)
    return fail(Fault::closed, "the node went away while it hashed",
                "see its log: mutirao doctor names the file");
  return *std::move(shared);
}

Result<Started> ControlClient::get(GetRequest request, Deadline deadline) {
  return started_from_json(MUT_TRY(call("POST", "/api/v1/torrents", to_json(request), deadline)));
}

Result<std::vector<Transfer>> ControlClient::list(Deadline deadline) {
  return transfers_from_json(MUT_TRY(call("GET", "/api/v1/torrents", "", deadline)));
}

Result<Transfer> ControlClient::show(std::string_view name, Deadline deadline) {
  return transfer_from_json(MUT_TRY(call("GET", torrent_target(name), "", deadline)));
}

Result<Transfer> ControlClient::pause(std::string_view name, Deadline deadline) {
  return transfer_from_json(MUT_TRY(call("POST", torrent_target(name, "pause"), "", deadline)));
}

Result<Transfer> ControlClient::resume(std::string_view name, Deadline deadline) {
  return transfer_from_json(MUT_TRY(call("POST", torrent_target(name, "resume"), "", deadline)));
}

Result<Transfer> ControlClient::verify(std::string_view name, Deadline deadline) {
  return transfer_from_json(MUT_TRY(call("POST", torrent_target(name, "verify"), "", deadline)));
}

Result<Transfer> ControlClient::remove(std::string_view name, bool content, Deadline deadline) {
  return transfer_from_json(
      MUT_TRY(call("DELETE", torrent_target(name) + (content ? "?content=1" : ""), "", deadline)));
}

Result<void> ControlClient::watch(std::string_view name, Duration interval,
                                  std::function<bool(std::vector<Transfer> const&)> see,
                                  Deadline deadline) {
  auto const ms = std::chrono::duration_cast<std::chrono::milliseconds>(interval).count();
  bool left = false;
  MUT_TRY(stream(
      "GET",
      fmt::format("/api/v1/events?torrent={}&interval_ms={}",
                  base::percent_encode(base::view_of(name)), ms),
      "",
      [&](std::string_view line) -> Result<bool> {
        if (json_kind(line) == "error") return std::unexpected{error_from_json(line)};
        left = !see(MUT_TRY(transfers_from_json(line)));
        return !left;
      },
      deadline));
  if (!left) return went_away();
  return {};
}

}  // namespace mutirao::node
