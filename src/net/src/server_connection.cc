#include "server_connection.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/threads/this_thread.h"

#include "body_reader.h"
#include "responder.h"

namespace mutirao::net {
namespace {

constexpr std::size_t kRequestReadBytes = 16 << 10;
constexpr std::uint64_t kBodyBytesPerSecondLeast = 16 << 10;
constexpr Duration kLinger = std::chrono::seconds{1};
constexpr std::size_t kLingerBytesMax = 256 << 10;

std::string text_of(Error const& error) {
  return error.mend.empty() ? error.what + "\n" : fmt::format("{}\n{}\n", error.what, error.mend);
}

/// The status of a head or a framing that the codec refused.
int status_of(Error const& error) {
  switch (error.fault) {
    case Fault::exhausted:
      return 431;
    case Fault::unsupported:
      return 501;
    case Fault::timed_out:
      return 408;
    default:
      return 400;
  }
}

std::string refusal_text(Error const& error) {
  return error.fault == Fault::timed_out ? "the request did not arrive in time\n" : text_of(error);
}

bool is_gone(Error const& error) {
  return error.fault != Fault::corrupt && error.fault != Fault::exhausted &&
         error.fault != Fault::timed_out;
}

wire::HttpFields plain_text() {
  wire::HttpFields fields;
  fields.add("Content-Type", "text/plain; charset=utf-8");
  return fields;
}

}  // namespace

void ServerConnection::serve() {
  while (true) {
    auto request = read_request();
    if (!request) return refuse(request.error());
    if (!*request || !answer(**std::move(request))) return;
  }
}

void ServerConnection::end_soon() noexcept {
  if (phase_.exchange(Phase::ending) == Phase::idle) stream_.stream().close();
}

bool ServerConnection::wait_for_request() {
  auto const patience =
      std::exchange(first_, false) ? options_.head_timeout : options_.idle_timeout;
  if (!stream_.buffered().empty()) return true;
  auto expected = Phase::busy;
  if (!phase_.compare_exchange_strong(expected, Phase::idle)) return false;
  auto const filled = stream_.fill(threads::within(patience));
  expected = Phase::idle;
  return phase_.compare_exchange_strong(expected, Phase::busy) && filled && *filled > 0;
}

ServerConnection::OrRefusal<std::optional<HttpServerRequest>> ServerConnection::read_request() {
  if (!wait_for_request()) return std::nullopt;
  wire::HttpLimits const limits;
  auto const size = stream_.read_head(limits, threads::within(options_.head_timeout));
  if (!size && is_gone(size.error())) return std::nullopt;
  if (!size) return std::unexpected{Refusal{status_of(size.error()), refusal_text(size.error())}};
  if (!*size) return std::nullopt;
  auto head = wire::parse_http_request(stream_.buffered().first(**size), limits);
  if (!head) {
    bool const version = head.error().fault == Fault::unsupported;
    return std::unexpected{
        Refusal{version ? 505 : status_of(head.error()), refusal_text(head.error())}};
  }
  stream_.consume(**size);
  auto target = wire::HttpTarget::parse(head->target);
  if (!target) return std::unexpected{Refusal{400, refusal_text(target.error())}};
  auto body = read_body(*head);
  if (!body) return std::unexpected{std::move(body).error()};
  return HttpServerRequest{.head = *std::move(head),
                           .target = *std::move(target),
                           .body = *std::move(body),
                           .remote = stream_.stream().remote()};
}

ServerConnection::OrRefusal<std::string> ServerConnection::read_body(
    wire::HttpRequestHead const& head) {
  auto const framing = wire::http_request_framing(head);
  if (!framing)
    return std::unexpected{Refusal{status_of(framing.error()), refusal_text(framing.error())}};
  auto const too_large = [&] {
    return std::unexpected{Refusal{413, fmt::format("the body is more than {}\n",
                                                    base::format_bytes(options_.body_bytes_max))}};
  };
  if (framing->length > options_.body_bytes_max) return too_large();
  BodyReader reader{*framing};
  auto const expect = head.fields.find("Expect");
  if (expect && head.minor_version > 0) {
    if (!head.fields.contains_token("Expect", "100-continue"))
      return std::unexpected{Refusal{417, "only 100-continue may be expected\n"}};
    if (!reader.finished() && stream_.buffered().empty())
      (void)stream_.stream().write_all("HTTP/1.1 100 Continue\r\n\r\n",
                                       threads::within(options_.write_timeout));
  }
  // As a total, not for each read: a body byte by byte would hold the connection for days.
  auto const most =
      framing->kind == wire::HttpFraming::Kind::length ? framing->length : options_.body_bytes_max;
  auto const deadline = threads::within(options_.head_timeout +
                                        std::chrono::seconds{most / kBodyBytesPerSecondLeast});
  std::string body;
  if (reader.finished()) return body;
  Bytes buffer(kRequestReadBytes);
  while (!reader.finished()) {
    auto const count = reader.read_some(stream_, buffer, deadline);
    if (!count)
      return std::unexpected{Refusal{status_of(count.error()), refusal_text(count.error())}};
    if (body.size() + *count > options_.body_bytes_max) return too_large();
    body += base::text_of(ByteView{buffer}.first(*count));
  }
  return body;
}

bool ServerConnection::answer(HttpServerRequest request) {
  bool const http10 = request.head.minor_version == 0;
  auto const& fields = request.head.fields;
  bool const keep = !fields.contains_token("Connection", "close") &&
                    (!http10 || fields.contains_token("Connection", "keep-alive"));
  Responder responder{stream_,
                      world_.clock(),
                      options_.write_timeout,
                      {.head_only = request.head.method == "HEAD",
                       .http10 = http10,
                       .keep_alive = keep && phase_ != Phase::ending}};
  if (request.head.method == "HEAD") request.head.method = "GET";
  auto const handled = handler_(request, responder);
  if (!responder.head_sent()) {
    auto const text =
        handled ? std::string{"the server had no answer\n"} : text_of(handled.error());
    if (!responder.send(500, plain_text(), text)) return false;
  } else if (!handled && !responder.complete()) {
    // Cut off: only so can the client tell.
    return false;
  }
  return responder.finish();
}

void ServerConnection::refuse() { refuse({503, "too many connections\n"}); }

void ServerConnection::refuse(Refusal const& refusal) {
  Responder responder{stream_,
                      world_.clock(),
                      std::min<Duration>(options_.write_timeout, kLinger),
                      {.keep_alive = false}};
  if (responder.send(refusal.status, plain_text(), refusal.text)) linger();
}

void ServerConnection::linger() {
  stream_.stream().finish_writing();
  auto const deadline = threads::within(kLinger);
  Bytes buffer(kRequestReadBytes);
  for (std::size_t read = 0; read < kLingerBytesMax;) {
    auto const count = stream_.read_some(buffer, deadline);
    if (!count || *count == 0) return;
    read += *count;
  }
}

}  // namespace mutirao::net
