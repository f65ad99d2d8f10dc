#include "mutirao/middleware/gateway.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/threads/cancel_region.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/threads/thread.h"

#include "gateways/foreign_call.h"
#include "gateways/openapi.h"

namespace mutirao::middleware {
namespace {

using net::HttpResponder;
using net::HttpServerRequest;
using wire::MsgpackReader;
using wire::MsgpackWriter;

constexpr std::string_view kObjects = "/o";
constexpr std::string_view kOpenApi = "/openapi.json";

wire::HttpFields answer_fields(std::string_view type = "application/json") {
  wire::HttpFields fields;
  fields.add("Content-Type", std::string{type});
  fields.add("Cache-Control", "no-store");
  fields.add("X-Content-Type-Options", "nosniff");
  return fields;
}

int status_of_failure(Fault fault) {
  switch (fault) {
    case Fault::not_found:
      return 404;
    case Fault::timed_out:
      return 504;
    case Fault::refused:
      return 403;
    case Fault::unreachable:
    case Fault::closed:
      return 502;
    case Fault::exhausted:
      return 429;
    case Fault::unsupported:
      return 501;
    case Fault::invalid:
      return 400;
    case Fault::cancelled:
      return 503;
    case Fault::corrupt:
    case Fault::io:
      return 500;
  }
  return 500;
}

std::string failure_json(Failure const& failure) {
  std::string json = R"({"error":{"fault":)";
  append_json_string(json, to_string(failure.fault));
  json += R"(,"what":)";
  append_json_string(json, failure.what);
  json += R"(,"mend":)";
  append_json_string(json, failure.mend);
  json += fmt::format(R"(,"executed":"{}","retry":"{}","retry_after_ms":{},"origin":)",
                      to_string(failure.executed), to_string(failure.retry),
                      failure.retry_after / std::chrono::milliseconds{1});
  append_json_string(json, failure.origin);
  return json + "}}";
}

Result<void> send_failure(HttpResponder& responder, Failure const& failure, int status = 0,
                          std::string_view allow = {}) {
  if (status == 0) status = status_of_failure(failure.fault);
  auto fields = answer_fields();
  if (!allow.empty()) fields.add("Allow", std::string{allow});
  if (status == 429 || failure.retry == Retry::later) {
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(failure.retry_after).count();
    fields.add("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
  }
  return responder.send(status, std::move(fields), failure_json(failure) + "\n");
}

// --- Who may ask -------------------------------------------------------------------------------

/// "http://10.0.0.3:7000" -> "10.0.0.3:7000"; nothing for "null" and what is no origin.
std::string_view authority_of_origin(std::string_view origin) {
  auto const begin = origin.find("://");
  return begin == std::string_view::npos ? std::string_view{} : origin.substr(begin + 3);
}

std::string_view host_of_authority(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.rfind(':'));
}

bool same_without_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

/// A name that nobody on the Internet can make mean our address.
bool is_own_name(std::string_view host, std::vector<std::string> const& allowed) {
  if (world::IpAddress::parse(host)) return true;
  if (!host.contains('.')) return !host.empty();  // localhost, or a name of the local network
  if (host.ends_with(".localhost")) return true;  // RFC 6761 §6.3
  return std::ranges::any_of(allowed,
                             [&](auto const& each) { return same_without_case(each, host); });
}

std::optional<Failure> refuse_browsers(HttpServerRequest const& request,
                                       std::vector<std::string> const& hosts) {
  auto const& fields = request.head.fields;
  auto const refused = [](std::string what, std::string mend) {
    return not_executed(Fault::refused, std::move(what), std::move(mend));
  };
  auto const host = fields.find("Host").value_or("");
  auto const origin = fields.find("Origin");
  if (origin && !same_without_case(authority_of_origin(*origin), host))
    return refused(fmt::format("pages of {} may not call objects here", base::quoted(*origin)),
                   "call from a program, or from a page of this address");
  auto const site = fields.find("Sec-Fetch-Site");
  if (site && *site != "same-origin" && *site != "none")
    return refused("pages of other sites may not call objects here",
                   "call from a program, or from a page of this address");
  if ((origin || site || request.head.method == "GET") &&
      !is_own_name(host_of_authority(host), hosts))
    return refused(fmt::format("{} is no name of this node that it knows", base::quoted(host)),
                   "name it by its address");
  return std::nullopt;
}

std::optional<std::string_view> media_of(HttpServerRequest const& request) {
  auto const type = request.head.fields.find("Content-Type");
  if (!type) return std::nullopt;
  auto media = type->substr(0, type->find(';'));
  while (media.ends_with(' ')) media.remove_suffix(1);
  return media;
}

/// The body is what the call brings along.
bool is_attachment(HttpServerRequest const& request) {
  return same_without_case(media_of(request).value_or(""), "application/octet-stream");
}

/// What programs send as JSON. `curl -d` calls it a form, which costs nothing here: the Origin
/// tells who asks.
bool is_json_body(HttpServerRequest const& request) {
  auto const type = media_of(request);
  if (!type || request.body.empty()) return true;
  auto const media = *type;
  return same_without_case(media, "application/json") ||
         same_without_case(media, "application/x-www-form-urlencoded");
}

// --- What a request says -----------------------------------------------------------------------

template <class T>
std::optional<T> number_of(std::string_view text, int radix = 10) {
  T value{};
  auto const* const end = text.data() + text.size();
  auto const parsed = std::from_chars(text.data(), end, value, radix);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

/// www.w3.org/TR/trace-context, "traceparent": 00-<trace>-<parent>-<flags>. A broken one is none.
TraceContext trace_of(std::string_view text) {
  TraceContext context;
  if (text.size() < 55 || text.starts_with("ff") || text[2] != '-' || text[35] != '-' ||
      text[52] != '-' || (text.size() > 55 && (text.starts_with("00") || text[55] != '-')))
    return {};
  auto const trace = base::from_hex(text.substr(3, 32));
  auto const span = number_of<std::uint64_t>(text.substr(36, 16), 16);
  auto const flags = number_of<std::uint8_t>(text.substr(53, 2), 16);
  if (!trace || !span || *span == 0 || !flags ||
      std::ranges::all_of(*trace, [](auto byte) { return byte == 0; }))
    return {};
  std::ranges::copy(*trace, context.trace.begin());
  context.span = *span;
  context.sampled = (*flags & 1) != 0;
  return context;
}

/// draft-ietf-httpapi-idempotency-key-header: any string, a UUID as a rule. FNV-1a of 128 bits
/// makes a key of it: who wants to be taken for another need not look for collisions, but can send
/// the other's key.
IdempotencyKey key_of(std::string_view text) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kPrime = (Wide{1} << 88) + 0x13b;
  Wide hash = (Wide{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
  for (char const letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * kPrime;
  return {static_cast<std::uint64_t>(hash >> 64), static_cast<std::uint64_t>(hash)};
}

/// How long the caller waits; nothing when it does not say.
Result<std::optional<Duration>> wait_of(wire::HttpFields const& fields) {
  if (auto const text = fields.find("X-Deadline-Ms")) {
    auto const milliseconds = number_of<std::uint32_t>(*text);
    if (!milliseconds)
      return fail(Fault::invalid, fmt::format("X-Deadline-Ms: {} is no number of milliseconds",
                                              base::quoted(*text)));
    return std::chrono::milliseconds{*milliseconds};
  }
  for (auto const& [name, value] : fields) {
    if (!same_without_case(name, "Prefer")) continue;
    for (std::string_view rest = value; !rest.empty();) {
      auto each = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), each.size() + 1));
      while (each.starts_with(' ')) each.remove_prefix(1);
      if (!each.starts_with("wait=")) continue;
      // A preference that is not understood is to be ignored (RFC 7240 §2).
      if (auto const seconds = number_of<std::uint32_t>(each.substr(5)))
        return std::chrono::seconds{*seconds};
    }
  }
  return std::nullopt;
}

std::string_view bearer_of(wire::HttpFields const& fields) {
  constexpr std::string_view kScheme = "Bearer ";
  auto const field = fields.find("Authorization").value_or("");
  if (field.size() < kScheme.size() || !same_without_case(field.substr(0, kScheme.size()), kScheme))
    return {};
  return field.substr(kScheme.size());
}

/// The array of the arguments, from what the caller sent.
Result<void> write_arguments(MsgpackWriter& out, std::string_view json, MethodInfo const* method) {
  auto const begin = json.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) {
    out.array(0);
    return {};
  }
  if (json[begin] == '[') {
    Shape const parameters{
        .kind = ShapeKind::tuple,
        .elements = method != nullptr ? method->parameters : std::span<Shape const* const>{}};
    return msgpack_from_json(out, json, method != nullptr ? &parameters : nullptr, "arguments");
  }
  if (method != nullptr && method->parameters.size() != 1)
    return fail(Fault::invalid,
                fmt::format("{} takes {} arguments: an array is wanted", method->name,
                            method->parameters.size()),
                "such as [1, 2]");
  out.array(1);
  return msgpack_from_json(out, json, method != nullptr ? method->parameters[0] : nullptr,
                           "arguments[0]");
}

// --- Streams -----------------------------------------------------------------------------------

/// Server-sent events (html.spec.whatwg.org, 9.2). The head goes out with the first of them, so
/// that a call that fails before has a status.
class EventSink final : public ItemSink {
 public:
  EventSink(HttpResponder& responder, Shape const* item) noexcept
      : responder_{responder}, item_{item} {}

  Outcome<void> put(ByteView item) override {
    auto const json = json_from(item, item_);
    if (!json) return failed(json.error());
    if (auto sent = send(fmt::format("data: {}\n\n", *json)); !sent) return failed(sent.error());
    return {};
  }
  Result<void> beat() { return send(":\n\n"); }
  Result<void> end(Outcome<void> const& outcome) {
    if (!outcome) {
      if (std::lock_guard const lock{mutex_}; !begun_)
        return send_failure(responder_, outcome.error());
      return send(fmt::format("event: error\ndata: {}\n\n", failure_json(outcome.error())));
    }
    return send("");
  }

 private:
  static Outcome<void> failed(Error const& error) {
    return std::unexpected{Failure{error, Executed::yes, Retry::never, {}, {}}};
  }
  Result<void> send(std::string_view event) {
    std::lock_guard const lock{mutex_};
    if (!std::exchange(begun_, true))
      MUT_TRY(responder_.begin_chunked(200, answer_fields("text/event-stream")));
    if (event.empty()) return {};
    return responder_.write(base::view_of(event));
  }

  HttpResponder& responder_;
  Shape const* item_;
  threads::mutex mutex_;
  bool begun_ = false;
};

/// One request for a method.
class GatewayCall {
 public:
  GatewayCall(ObjectAdapter& adapter, GatewayOptions const& options,
              HttpServerRequest const& request, HttpResponder& responder)
      : adapter_{adapter},
        options_{options},
        request_{request},
        responder_{responder},
        attachment_{Attachment::of(base::view_of(request.body))} {}

  Result<void> run(std::string_view object, std::string_view method) {
    auto const& fields = request_.head.fields;
    call_.object = object;
    call_.method = method;
    // A Unix socket has no address at its other end.
    call_.caller = request_.remote == world::Endpoint{} ? std::string{kLocalCaller}
                                                        : request_.remote.to_string();
    call_.capability = bearer_of(fields);
    if (auto const trace = fields.find("traceparent")) call_.trace = trace_of(*trace);
    if (auto const key = fields.find("Idempotency-Key")) call_.key = key_of(*key);
    info_ = method_of(adapter_, object, method);
    bool const get = request_.head.method == "GET";
    if (get && info_ == nullptr)
      return send_failure(
          responder_,
          not_executed(Fault::not_found, fmt::format("there is no {} of {} here", method, object),
                       "GET /o lists the objects"));
    if (get && info_->cacheable.count() == 0)
      return send_failure(
          responder_,
          not_executed(Fault::unsupported,
                       fmt::format("{} may do something: it is called by POST", info_->name),
                       "curl -d '[]' URL"),
          405, "POST");
    bool const attached = is_attachment(request_);
    std::string_view const json = get || attached ? request_.target.find("arguments").value_or("")
                                                  : std::string_view{request_.body};
    if (attached) call_.attachment = attachment_.source();
    MsgpackWriter arguments;
    if (auto const written = write_arguments(arguments, json, info_); !written)
      return send_failure(
          responder_,
          not_executed(written.error().fault, written.error().what, written.error().mend),
          written.error().fault == Fault::exhausted ? 413 : 400);
    call_.arguments = arguments.written();
    auto const wait = wait_of(fields);
    if (!wait) return send_failure(responder_, not_executed(Fault::invalid, wait.error().what));
    bool const events = info_ != nullptr && info_->yields &&
                        fields.find("Accept").value_or("").contains("text/event-stream");
    if (*wait || !events) call_.deadline = threads::within(wait->value_or(options_.call_timeout));
    return events ? stream() : answer();
  }

 private:
  Result<void> answer() {
    CollectedItems items;
    bool const yields = info_ != nullptr && info_->yields;
    if (yields) call_.items = &items;
    std::string json;
    auto const outcome = execute(adapter_, call_, [&](ByteView value) -> Outcome<void> {
      std::array<Shape const*, 1> const item{info_ != nullptr ? info_->result : nullptr};
      Shape const list{.kind = ShapeKind::list, .elements = item};
      auto text = json_from(yields ? items.all() : value, yields ? &list : item[0]);
      if (!text) return std::unexpected{Failure{text.error(), Executed::yes, Retry::never, {}, {}}};
      json = *std::move(text);
      return {};
    });
    if (!outcome) return send_failure(responder_, outcome.error());
    auto fields = answer_fields();
    if (request_.head.method == "GET")
      fields.set("Cache-Control",
                 fmt::format("private, max-age={}",
                             std::chrono::floor<std::chrono::seconds>(info_->cacheable).count()));
    return responder_.send(200, std::move(fields), json + "\n");
  }

  Result<void> stream() {
    EventSink sink{responder_, info_->result};
    call_.items = &sink;
    auto const outcome = [&] {
      threads::cancel_region client;  // ends when nobody listens any more
      threads::thread const beat{"event beat", [&] {
                                   while (threads::sleep_for(options_.stream_beat)) {
                                     if (sink.beat()) continue;
                                     client.request_stop();
                                     return;
                                   }
                                 }};
      return execute(adapter_, call_, [](ByteView) -> Outcome<void> { return {}; });
    }();
    return sink.end(outcome);
  }

  ObjectAdapter& adapter_;
  GatewayOptions const& options_;
  HttpServerRequest const& request_;
  HttpResponder& responder_;
  MethodInfo const* info_ = nullptr;
  Attachment attachment_;
  ForeignCall call_;
};

// --- Descriptions ------------------------------------------------------------------------------

std::string object_json(ObjectAdapter::Listed const& object, bool with_methods) {
  std::string json = R"({"name":)";
  append_json_string(json, object.name);
  json += R"(,"interface":)";
  append_json_string(json, object.interface->name);
  json += R"(,"about":)";
  append_json_string(json, object.about);
  json += fmt::format(R"(,"guarded":{},"epoch":{},"calls":{},"running":{})", object.guarded,
                      object.epoch, object.calls, object.running);
  if (!with_methods) return json + "}";
  json += R"(,"methods":[)";
  bool first = true;
  for (auto const& method : object.interface->methods) {
    if (!std::exchange(first, false)) json += ',';
    json += R"({"name":)";
    append_json_string(json, method.name);
    json += R"(,"parameters":[)";
    for (auto const* each : method.parameters) {
      if (json.back() != '[') json += ',';
      append_json_string(json, to_string(*each));
    }
    json += R"(],"result":)";
    append_json_string(json, to_string(*method.result));
    json += fmt::format(
        R"(,"yields":{},"idempotent":{},"commutative":{},"cacheable_ms":{},"reads":{}}})",
        method.yields, method.idempotent, method.commutative,
        method.cacheable / std::chrono::milliseconds{1}, method.reads);
  }
  return json + "]}";
}

}  // namespace

Gateway::Gateway(ObjectAdapter& adapter, GatewayOptions options)
    : adapter_{adapter}, options_{std::move(options)} {}

bool Gateway::owns(std::string_view path) noexcept {
  return path == kOpenApi || path == kObjects || path.starts_with("/o/");
}

Result<void> Gateway::handle(HttpServerRequest const& request, HttpResponder& responder) const {
  if (auto const refused = refuse_browsers(request, options_.hosts))
    return send_failure(responder, *refused);
  auto const& method = request.head.method;
  std::string_view path = request.target.path;
  if (!owns(path))
    return send_failure(responder,
                        not_executed(Fault::not_found, fmt::format("there is nothing at {}", path),
                                     "GET /o lists the objects, POST /o/OBJECT/METHOD calls one"));
  if (method != "GET" && method != "POST")
    return send_failure(
        responder,
        not_executed(Fault::unsupported, fmt::format("{} is not for objects", method), "POST"), 405,
        "GET, POST");
  bool const get = method == "GET";
  if (get && path == kOpenApi)
    return responder.send(200, answer_fields(), openapi(options_.name, adapter_.list()) + "\n");
  path.remove_prefix(std::min(path.size(), kObjects.size() + 1));
  if (get && request.target.path != kOpenApi && path.empty()) {
    std::string json = R"({"objects":[)";
    for (auto const& each : adapter_.list()) {
      if (json.back() != '[') json += ',';
      json += object_json(each, false);
    }
    return responder.send(200, answer_fields(), json + "]}\n");
  }
  if (get) {
    if (auto const object = adapter_.find(path))
      return responder.send(200, answer_fields(), object_json(*object, true) + "\n");
  }
  auto const slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size()) {
    if (get) {
      return send_failure(
          responder,
          not_executed(Fault::not_found, fmt::format("there is no object called {} here", path),
                       "GET /o lists the objects"));
    }
    return send_failure(responder,
                        not_executed(Fault::unsupported, "a call names an object and a method",
                                     "POST /o/OBJECT/METHOD"),
                        405, "GET");
  }
  if (!get && !is_attachment(request) && !is_json_body(request))
    return send_failure(
        responder,
        not_executed(Fault::unsupported, "the body is not JSON",
                     "Content-Type: application/json, or application/octet-stream for what is "
                     "attached, with ?arguments=[...]"),
        415);
  return GatewayCall{adapter_, options_, request, responder}.run(path.substr(0, slash),
                                                                 path.substr(slash + 1));
}

}  // namespace mutirao::middleware
