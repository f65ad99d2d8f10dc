#include "control_api.h"

#include <algorithm>
#include <charconv>

#include "mutirao/node/json.h"
#include "mutirao/threads/diagnostics.h"

namespace mutirao::node {
namespace {

constexpr std::string_view kPrefix = "/api/v1/";
constexpr std::int64_t kIntervalMinMs = 50;
constexpr std::int64_t kIntervalMaxMs = 60'000;

int status_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::not_found:
      return 404;
    case Fault::invalid:
      return 400;
    case Fault::refused:
      return 403;
    case Fault::timed_out:
      return 504;
    case Fault::unreachable:
    case Fault::closed:
      return 502;
    case Fault::exhausted:
      return 507;
    case Fault::unsupported:
      return 501;
    case Fault::corrupt:
      return 422;
    case Fault::cancelled:
      return 503;
    case Fault::io:
      break;
  }
  return 500;
}

wire::HttpFields json_fields(std::string type = "application/json") {
  wire::HttpFields fields;
  fields.add("Content-Type", std::move(type));
  return fields;
}

Result<void> send_json(net::HttpResponder& responder, int status, std::string_view body) {
  return responder.send(status, json_fields(), body);
}

Result<void> send_error(net::HttpResponder& responder, Error const& error) {
  return send_json(responder, status_of(error.fault), to_json(error));
}

template <class T>
Result<void> send_result(net::HttpResponder& responder, Result<T> const& result) {
  return result ? send_json(responder, 200, to_json(*result))
                : send_error(responder, result.error());
}

Result<void> send_line(net::HttpResponder& responder, std::string line) {
  line += '\n';
  return responder.write(base::view_of(line));
}

}  // namespace

ControlApi::ControlApi(Library& library, std::function<NodeStatus()> status,
                       std::function<void()> stop)
    : library_{library}, status_{std::move(status)}, stop_{std::move(stop)} {}

Result<void> ControlApi::handle(net::HttpServerRequest const& request,
                                net::HttpResponder& responder) {
  std::string_view path = request.target.path;
  std::string_view const method = request.head.method;
  if (path.starts_with(kPrefix)) {
    path.remove_prefix(kPrefix.size());
    bool const reads = method == "GET" || method == "HEAD";
    if (path == "status" && reads) return send_json(responder, 200, to_json(status_()));
    if (path == "threads" && reads)
      return send_json(responder, 200, to_json(threads::this_runtime_report()));
    if (path == "stop" && method == "POST") {
      auto sent = send_json(responder, 200, "{}");
      stop_();
      return sent;
    }
    if (path == "events" && reads) return answer_events(request, responder);
    if (path == "torrents") return answer_torrents(request, responder);
    if (path.starts_with("torrents/")) return answer_torrent(path.substr(9), request, responder);
  }
  return send_error(
      responder, {Fault::not_found,
                  fmt::format("{} {} is not part of this interface", method, request.target.path),
                  {}});
}

Result<void> ControlApi::answer_torrents(net::HttpServerRequest const& request,
                                         net::HttpResponder& responder) {
  if (request.head.method != "POST")
    return send_result(responder, library_.list(Deadline::never()));
  auto const kind = json_kind(request.body);
  if (kind == "share") {
    auto share = share_request_from_json(request.body);
    return share ? answer_share(*std::move(share), responder)
                 : send_error(responder, share.error());
  }
  auto get = get_request_from_json(request.body);
  if (!get) return send_error(responder, get.error());
  return send_result(responder, library_.get(*std::move(get), Deadline::never()));
}

Result<void> ControlApi::answer_share(ShareRequest request, net::HttpResponder& responder) {
  MUT_TRY(responder.begin_chunked(200, json_fields("application/x-ndjson")));
  auto const shared = library_.share(
      std::move(request),
      [&](swarm::MakeProgress progress) {
        return !responder.client_gone() && send_line(responder, to_json(progress)).has_value();
      },
      Deadline::never());
  return send_line(responder, shared ? to_json(*shared) : to_json(shared.error()));
}

Result<void> ControlApi::answer_torrent(std::string_view rest,
                                        net::HttpServerRequest const& request,
                                        net::HttpResponder& responder) {
  std::string_view const method = request.head.method;
  auto const slash = rest.rfind('/');
  std::string_view const name = rest.substr(0, slash);
  std::string_view const verb =
      slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  auto const never = Deadline::never();
  if (verb.empty() && (method == "GET" || method == "HEAD"))
    return send_result(responder, library_.show(name, never));
  if (verb.empty() && method == "DELETE")
    return send_result(responder,
                       library_.remove(name, request.target.find("content") == "1", never));
  if (method == "POST" && verb == "pause")
    return send_result(responder, library_.pause(name, never));
  if (method == "POST" && verb == "resume")
    return send_result(responder, library_.resume(name, never));
  if (method == "POST" && verb == "verify")
    return send_result(responder, library_.verify(name, never));
  return send_error(
      responder, {Fault::not_found,
                  fmt::format("{} {} is not part of this interface", method, request.target.path),
                  {}});
}

Result<void> ControlApi::answer_events(net::HttpServerRequest const& request,
                                       net::HttpResponder& responder) {
  std::int64_t interval_ms = 500;
  if (auto const text = request.target.find("interval_ms"))
    std::from_chars(text->data(), text->data() + text->size(), interval_ms);
  interval_ms = std::clamp(interval_ms, kIntervalMinMs, kIntervalMaxMs);
  bool begun = false;
  auto watched = library_.watch(
      request.target.find("torrent").value_or(""), std::chrono::milliseconds{interval_ms},
      [&](std::vector<Transfer> const& transfers) {
        // The head waits for the first look, so that an unknown name is answered with 404.
        if (!begun && !responder.begin_chunked(200, json_fields("application/x-ndjson")))
          return false;
        begun = true;
        return !responder.client_gone() && send_line(responder, to_json(transfers)).has_value();
      },
      Deadline::never());
  if (watched) return {};
  return begun ? send_line(responder, to_json(watched.error()))
               : send_error(responder, watched.error());
}

}  // namespace mutirao::node
