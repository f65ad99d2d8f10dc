#include "exchange.h"

#include <array>

#include <fmt/format.h>

namespace mutirao::net {
namespace {

constexpr int kInterimMax = 8;

std::string host_field(wire::Url const& url) {
  bool const usual = url.port == (url.scheme == "https" ? 443 : 80);
  auto const host = url.host.contains(':') ? fmt::format("[{}]", url.host) : url.host;
  return usual ? host : fmt::format("{}:{}", host, url.port);
}

bool stays_open(wire::HttpResponseHead const& head, wire::HttpFraming framing) {
  if (framing.kind == wire::HttpFraming::Kind::until_close ||
      head.fields.contains_token("Connection", "close"))
    return false;
  return head.minor_version > 0 || head.fields.contains_token("Connection", "keep-alive");
}

Result<wire::HttpResponseHead> read_answer_head(BufferedStream& stream, Deadline deadline) {
  auto const size = MUT_TRY(stream.read_head({}, deadline));
  if (!size) return fail(Fault::closed, "the server ended the connection without an answer");
  auto head = wire::parse_http_response(stream.buffered().first(*size));
  stream.consume(*size);
  return head;
}

}  // namespace

Result<wire::HttpRequestHead> request_head(HttpRequest const& request,
                                           std::string_view user_agent) {
  for (auto const* const ours : {"Content-Length", "Transfer-Encoding"})
    if (request.fields.find(ours))
      return fail(Fault::invalid, fmt::format("{} is not the caller's to set", ours));
  wire::HttpRequestHead head{.method = request.method, .target = request.url.target};
  if (!request.fields.find("Host")) head.fields.add("Host", host_field(request.url));
  if (!request.fields.find("User-Agent") && !user_agent.empty())
    head.fields.add("User-Agent", std::string{user_agent});
  for (auto const& [name, value] : request.fields) head.fields.add(name, value);
  bool const carries =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (carries || !request.body.empty())
    head.fields.add("Content-Length", std::to_string(request.body.size()));
  return head;
}

Result<Answer> exchange(BufferedStream& stream, wire::HttpRequestHead const& request,
                        std::string_view body, Deadline deadline) {
  auto const text = MUT_TRY(wire::write_http_request(request));
  std::array const parts{base::view_of(text), base::view_of(body)};
  auto const sent =
      stream.stream().write_all(std::span{parts}.first(body.empty() ? 1 : 2), deadline);
  // A server that refuses a large body answers and closes before it has read all: hear it out.
  if (!sent && sent.error().fault != Fault::closed) return std::unexpected{sent.error()};
  for (int interim = 0; interim <= kInterimMax; ++interim) {
    auto head = read_answer_head(stream, deadline);
    if (!head) return std::unexpected{sent ? std::move(head).error() : sent.error()};
    if (head->status == 101)
      return fail(Fault::unsupported, "the server switched to another protocol unasked");
    if (head->status < 200) continue;
    auto const framing = MUT_TRY(wire::http_response_framing(*head, request.method));
    bool const keep = sent.has_value() && stays_open(*head, framing) &&
                      !request.fields.contains_token("Connection", "close");
    return Answer{.head = *std::move(head), .framing = framing, .keep_alive = keep};
  }
  return fail(Fault::corrupt, fmt::format("more than {} interim answers", kInterimMax));
}

}  // namespace mutirao::net
