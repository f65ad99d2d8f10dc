#include "mutirao/net/http_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/threads/this_thread.h"

#include "body_reader.h"
#include "connect.h"
#include "connection_pool.h"
#include "exchange.h"
#include "gunzip.h"
#include "tls_trust.h"

namespace mutirao::net {
namespace {

using Lease = ConnectionPool::Lease;

constexpr std::size_t kReadBytes = 32 << 10;
/// A short body before a redirect is cheaper to read than a connection to make.
constexpr std::size_t kSkipBytesMax = 64 << 10;
constexpr Duration kSkipPatience = std::chrono::seconds{1};

bool is_repeatable(std::string_view method) {
  constexpr std::array<std::string_view, 6> kMethods{"GET",    "HEAD",    "PUT",
                                                     "DELETE", "OPTIONS", "TRACE"};
  return std::ranges::find(kMethods, method) != kMethods.end();
}

std::string origin_of(wire::Url const& url) {
  return fmt::format("{}://{}:{}", url.scheme, url.host, url.port);
}

/// A body on a leased connection, which goes back when the body was read to its end.
class LeasedBody final : public HttpBody {
 public:
  LeasedBody(Lease lease, Answer const& answer)
      : lease_{std::move(lease)}, reader_{answer.framing}, keep_{answer.keep_alive} {
    give_back_at_end();
  }
  Result<std::size_t> read_some(MutableBytes into, Deadline deadline) override {
    if (failed_) return fail(Fault::closed, "the body has failed before");
    if (reader_.finished()) return 0;
    auto count = reader_.read_some(*lease_.stream, into, deadline);
    if (count) {
      give_back_at_end();
    } else if (count.error().fault != Fault::timed_out && count.error().fault != Fault::cancelled) {
      failed_ = true;
      lease_.release();
    }
    return count;
  }

 private:
  void give_back_at_end() {
    if (!reader_.finished()) return;
    if (keep_) lease_.keep();
    lease_.release();
  }

  Lease lease_;
  BodyReader reader_;
  bool keep_;
  bool failed_ = false;
};

/// Reads a short body to its end, so that its connection is free again; leaves a long or slow one.
void skip_body(HttpBody& body, Deadline deadline) {
  deadline = earlier(deadline, threads::within(kSkipPatience));
  Bytes buffer(kReadBytes);
  for (std::size_t skipped = 0; skipped < kSkipBytesMax;) {
    auto const count = body.read_some(buffer, deadline);
    if (!count || *count == 0) return;
    skipped += *count;
  }
}

bool is_redirect(wire::HttpResponseHead const& head) {
  constexpr std::array kStatuses{301, 302, 303, 307, 308};
  return std::ranges::find(kStatuses, head.status) != kStatuses.end() &&
         head.fields.find("Location").has_value();
}

/// RFC 9110 §15.4: what the next request looks like after this status.
void redirect(HttpRequest& request, int status, wire::Url to) {
  bool const becomes_get = (status == 303 && request.method != "HEAD") ||
                           ((status == 301 || status == 302) && request.method == "POST");
  if (becomes_get) {
    request.method = "GET";
    request.body.clear();
    for (auto const* const name :
         {"Content-Type", "Content-Encoding", "Content-Language", "Expect"})
      request.fields.remove(name);
  }
  if (origin_of(to) != origin_of(request.url))
    for (auto const* const name : {"Authorization", "Cookie", "Host"}) request.fields.remove(name);
  request.url = std::move(to);
}

Error too_large(std::uint64_t most) {
  return {Fault::exhausted, fmt::format("the body is more than {}", base::format_bytes(most)),
          "ask for a part of it, or raise the limit"};
}

/// Reads all of `body`, through `gunzip` when there is one.
Result<std::string> collect(HttpBody& body, Gunzip* gunzip, std::uint64_t bytes_max,
                            Deadline deadline) {
  std::string out;
  Bytes buffer(kReadBytes);
  while (auto const count = MUT_TRY(body.read_some(buffer, deadline))) {
    auto const part = ByteView{buffer}.first(count);
    if (gunzip != nullptr) {
      MUT_TRY(gunzip->feed(part, out));
    } else {
      if (part.size() > bytes_max - out.size()) return std::unexpected{too_large(bytes_max)};
      out += base::text_of(part);
    }
  }
  if (gunzip != nullptr) MUT_TRY(gunzip->finish());
  return out;
}

}  // namespace

struct HttpClient::State {
  world::World& world;
  HttpClientOptions options;
  std::shared_ptr<ConnectionPool> pool;
  TlsTrust trust;

  State(world::World& w, HttpClientOptions o)
      : world{w},
        options{std::move(o)},
        pool{std::make_shared<ConnectionPool>(ConnectionPool::Limits{
            .per_origin_max = std::max<std::size_t>(options.connections_per_host_max, 1),
            .idle_max = options.idle_max})},
        trust{options.ca_file} {}

  Result<std::unique_ptr<BufferedStream>> connect(wire::Url const& url, bool public_only,
                                                  Deadline deadline) {
    auto stream = MUT_TRY(connect_to(world, url, public_only, options.from, deadline));
    if (url.scheme == "https")
      stream = MUT_TRY(trust.connect(std::move(stream), url.host, deadline));
    return std::make_unique<BufferedStream>(std::move(stream));
  }

  struct Hop {
    Lease lease;
    Answer answer;
    bool internal;  // the server's address is
  };

  /// One request without its redirects.
  Result<Hop> hop(HttpRequest const& request, bool public_only, Deadline deadline) {
    auto const head = MUT_TRY(request_head(request, options.user_agent));
    auto const usable = [&](world::Stream& stream) {
      return !public_only || !stream.remote().address.is_internal();
    };
    for (bool fresh = !is_repeatable(request.method);; fresh = true) {
      auto lease = MUT_TRY(pool->lease(origin_of(request.url), fresh, usable, deadline));
      bool const kept = lease.stream != nullptr;
      if (!kept) lease.stream = MUT_TRY(connect(request.url, public_only, deadline));
      auto answer = exchange(*lease.stream, head, request.body, deadline);
      if (answer) {
        bool const internal = lease.stream->stream().remote().address.is_internal();
        return Hop{.lease = std::move(lease), .answer = *std::move(answer), .internal = internal};
      }
      auto const fault = answer.error().fault;
      bool const stale = kept && lease.stream->buffered().empty() &&
                         (fault == Fault::closed || fault == Fault::io);
      if (!stale) return std::unexpected{std::move(answer).error()};
    }
  }

  Result<HttpStreamedResponse> open(HttpRequest request, Deadline deadline) {
    bool public_only = options.reach == Reach::public_only;
    for (unsigned redirects = 0;; ++redirects) {
      auto const where = fmt::format("{} {}", request.method, request.url.to_string());
      auto hopped = hop(request, public_only, deadline);
      if (!hopped) return std::unexpected{std::move(hopped).error().during(where)};
      auto& [lease, answer, internal] = *hopped;
      auto body = std::make_unique<LeasedBody>(std::move(lease), answer);
      if (!is_redirect(answer.head) || options.redirects_max == 0)
        return HttpStreamedResponse{
            .head = std::move(answer.head), .url = std::move(request.url), .body = std::move(body)};
      if (redirects == options.redirects_max)
        return fail(Fault::refused,
                    fmt::format("{}: more than {} redirects", where, options.redirects_max));
      auto to = request.url.resolve(*answer.head.fields.find("Location"));
      if (!to) return std::unexpected{std::move(to).error().during(where + ": redirect")};
      if (request.url.scheme == "https" && to->scheme == "http")
        return fail(Fault::refused,
                    fmt::format("{}: redirect from https to {}", where, to->to_string()),
                    "open that address yourself if you trust it");
      public_only = public_only || (!internal && options.reach != Reach::unrestricted);
      skip_body(*body, deadline);
      redirect(request, answer.head.status, *std::move(to));
    }
  }
};

HttpClient::HttpClient(world::World& world, HttpClientOptions options)
    : state_{std::make_shared<State>(world, std::move(options))} {}
HttpClient::~HttpClient() = default;

Result<HttpStreamedResponse> HttpClient::open(HttpRequest request, Deadline deadline) {
  return state_->open(std::move(request), deadline);
}

Result<HttpResponse> HttpClient::fetch(HttpRequest request, Deadline deadline) {
  auto const bytes_max = state_->options.body_bytes_max;
  bool const undo = !request.fields.find("Accept-Encoding") && !request.fields.find("Range");
  if (undo) request.fields.add("Accept-Encoding", "gzip");
  bool const head_only = request.method == "HEAD";
  auto response = MUT_TRY(state_->open(std::move(request), deadline));
  auto const coding = response.head.fields.find("Content-Encoding");
  bool const gzip = undo && !head_only && coding && (*coding == "gzip" || *coding == "x-gzip");
  auto const where = response.url.to_string();
  if (undo && !head_only && coding && !gzip && *coding != "identity")
    return fail(Fault::unsupported,
                fmt::format("{}: content coding {} that nobody asked for", where, *coding));
  auto const framing = wire::http_response_framing(response.head, head_only ? "HEAD" : "GET");
  if (framing && framing->kind == wire::HttpFraming::Kind::length && framing->length > bytes_max)
    return std::unexpected{too_large(bytes_max).during(where)};
  std::optional<Gunzip> gunzip;
  if (gzip) gunzip.emplace(bytes_max);
  auto body = collect(*response.body, gzip ? &*gunzip : nullptr, bytes_max, deadline);
  if (!body) return std::unexpected{std::move(body).error().during(where)};
  if (gzip) {
    response.head.fields.remove("Content-Encoding");
    response.head.fields.remove("Content-Length");
  }
  return HttpResponse{
      .head = std::move(response.head), .body = *std::move(body), .url = std::move(response.url)};
}

Result<HttpStreamedResponse> http_over(std::unique_ptr<world::Stream> stream, HttpRequest request,
                                       Deadline deadline) {
  if (request.url.host.empty()) request.url.host = "localhost";
  if (request.url.scheme.empty()) request.url.scheme = "http";
  if (request.url.target.empty()) request.url.target = "/";
  auto const head = MUT_TRY(request_head(request, {}));
  Lease own;
  own.stream = std::make_unique<BufferedStream>(std::move(stream));
  auto answer = MUT_TRY(exchange(*own.stream, head, request.body, deadline));
  auto response_head = answer.head;
  auto body = std::make_unique<LeasedBody>(std::move(own), answer);
  return HttpStreamedResponse{
      .head = std::move(response_head), .url = std::move(request.url), .body = std::move(body)};
}

}  // namespace mutirao::net
