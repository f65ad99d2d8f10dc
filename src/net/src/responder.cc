#include "responder.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

namespace mutirao::net {
namespace {

/// What must get out within one write timeout.
constexpr std::size_t kSendBytes = 128 << 10;

/// IMF-fixdate (RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::chrono::system_clock::time_point when) {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto const day = std::chrono::floor<std::chrono::days>(when);
  std::chrono::year_month_day const date{day};
  std::chrono::hh_mm_ss const time{std::chrono::floor<std::chrono::seconds>(when - day)};
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday{day}.c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), time.hours().count(), time.minutes().count(),
      time.seconds().count());
}

}  // namespace

Result<std::string> Responder::head(int status, wire::HttpFields fields, Body body,
                                    std::uint64_t length) {
  if (head_sent()) return fail(Fault::invalid, "a second answer to one request");
  if (status < 200 || status > 599)
    return fail(Fault::invalid, fmt::format("{} is no status of an answer", status));
  for (auto const* const ours : {"Content-Length", "Transfer-Encoding"})
    if (fields.find(ours))
      return fail(Fault::invalid, fmt::format("{} is not the handler's to set", ours));
  bool const no_content = status == 204 || status == 304;
  if (no_content && body == Body::length && length > 0)
    return fail(Fault::invalid, fmt::format("an answer {} has no body", status));
  bodiless_ = request_.head_only || no_content;
  if (fields.contains_token("Connection", "close") || (body == Body::until_close && !bodiless_))
    request_.keep_alive = false;
  if (!fields.find("Date")) fields.add("Date", http_date(clock_.civil()));
  if (!no_content && body == Body::length) fields.add("Content-Length", std::to_string(length));
  if (!no_content && body == Body::chunked) fields.add("Transfer-Encoding", "chunked");
  if (!request_.keep_alive) {
    fields.set("Connection", "close");
  } else if (request_.http10) {
    fields.set("Connection", "keep-alive");
  }
  return wire::write_http_response({.status = status,
                                    .reason = std::string{wire::http_reason(status)},
                                    .fields = std::move(fields)});
}

Result<void> Responder::send(int status, wire::HttpFields fields, std::string_view body) {
  auto const text = MUT_TRY(head(status, std::move(fields), Body::length, body.size()));
  body_ = Body::length;
  left_ = 0;
  auto const content = bodiless_ ? ByteView{} : base::view_of(body);
  auto const first = content.first(std::min(content.size(), kSendBytes));
  std::array const parts{base::view_of(text), first};
  MUT_TRY(put(std::span{parts}.first(first.empty() ? 1 : 2)));
  return put_large(content.subspan(first.size()));
}

Result<void> Responder::begin(int status, wire::HttpFields fields, std::uint64_t length) {
  auto const text = MUT_TRY(head(status, std::move(fields), Body::length, length));
  body_ = Body::length;
  left_ = bodiless_ ? 0 : length;
  std::array const parts{base::view_of(text)};
  return put(parts);
}

Result<void> Responder::begin_chunked(int status, wire::HttpFields fields) {
  auto const body = request_.http10 ? Body::until_close : Body::chunked;
  auto const text = MUT_TRY(head(status, std::move(fields), body, 0));
  body_ = body;
  std::array const parts{base::view_of(text)};
  return put(parts);
}

Result<void> Responder::write(ByteView part) {
  if (!head_sent()) return fail(Fault::invalid, "a body before its head");
  if (bodiless_) return fail(Fault::closed, "this answer has no body");
  if (part.empty()) return {};
  if (body_ == Body::until_close) return put_large(part);
  if (body_ == Body::length) {
    if (part.size() > left_) return fail(Fault::invalid, "a body longer than announced");
    left_ -= part.size();
    return put_large(part);
  }
  while (!part.empty()) {
    auto const now = part.first(std::min(part.size(), kSendBytes));
    auto const size = wire::http_chunk_head(now.size());
    std::array const parts{base::view_of(size), now, base::view_of("\r\n")};
    MUT_TRY(put(parts));
    part = part.subspan(now.size());
  }
  return {};
}

bool Responder::client_gone() const {
  if (!gone_) gone_ = stream_.ended(threads::now());
  return gone_;
}

bool Responder::finish() {
  if (gone_ || left_ > 0) return false;
  if (body_ == Body::chunked && !bodiless_) {
    std::array const parts{base::view_of(wire::kHttpLastChunk)};
    if (!put(parts)) return false;
  }
  return request_.keep_alive;
}

Result<void> Responder::put_large(ByteView part) {
  while (!part.empty()) {
    std::array const step{part.first(std::min(part.size(), kSendBytes))};
    MUT_TRY(put(step));
    part = part.subspan(step[0].size());
  }
  return {};
}

Result<void> Responder::put(std::span<ByteView const> parts) {
  if (gone_) return fail(Fault::closed, "the client has gone away");
  auto written = stream_.stream().write_all(parts, threads::within(write_timeout_));
  if (!written) gone_ = true;
  return written;
}

}  // namespace mutirao::net
