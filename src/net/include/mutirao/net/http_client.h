#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/wire/http.h"
#include "mutirao/world/world.h"

namespace mutirao::net {

/// Which addresses a URL from a stranger (a torrent, a redirect) may lead to. A server on the
/// public net must not be able to make us talk to our own loopback, router or cloud metadata
/// (SSRF).
enum class Reach : std::uint8_t {
  unrestricted,  ///< the user allows internal addresses wherever they are named, redirects included
  anywhere,      ///< the user named this address; where it redirects to is a stranger's word
  public_only,   ///< no internal address (IpAddress::is_internal), also after a redirect or a DNS
                 ///< answer
};

struct HttpClientOptions {
  Reach reach = Reach::anywhere;
  /// Redirects never go from https to http, and never from a public to an internal address unless
  /// `reach` is unrestricted. Beyond the limit the request fails; with 0 a redirect is an answer
  /// like any other.
  unsigned redirects_max = 5;
  std::uint64_t body_bytes_max = 16 << 20;  ///< of a collected body, after decompression
  std::size_t connections_per_host_max = 8;
  Duration idle_max = std::chrono::seconds{30};
  std::optional<world::IpAddress> from{};  ///< source address
  std::string user_agent = "Mutirao/0.1";
  std::string ca_file{};  ///< empty: the system's certificates
};

struct HttpRequest {
  std::string method = "GET";
  wire::Url url;
  wire::HttpFields fields{};
  std::string body{};
};

struct HttpResponse {
  wire::HttpResponseHead head;
  std::string body;
  wire::Url url;  ///< after redirects
};

/// Reads a body as it arrives.
class HttpBody {
 public:
  virtual ~HttpBody() = default;
  /// At least one byte; 0 at the end. A connection that ends early is Fault::closed, never an end.
  virtual Result<std::size_t> read_some(MutableBytes into, Deadline deadline) = 0;
};

struct HttpStreamedResponse {
  wire::HttpResponseHead head;
  wire::Url url;
  std::unique_ptr<HttpBody> body;  ///< returns its connection to the pool when read to the end
};

/// An HTTP/1.1 client that keeps connections alive, follows redirects within limits, and speaks
/// https by the TLS library. Any number of threads may use one.
///
/// A kept connection may die just as a request goes out: requests that may be repeated (RFC 9110
/// §9.2.2) are tried once more on a fresh one, all others always start on a fresh one.
/// Content-Length and Transfer-Encoding are the client's to say. A redirect to another origin takes
/// no Authorization and no Cookie along. An answer of any status is a success here: look at
/// head.status.
class HttpClient {
 public:
  HttpClient(world::World& world, HttpClientOptions options);
  ~HttpClient();

  /// The whole answer in memory; gzip is asked for and undone, within body_bytes_max. Not with a
  /// Range or an Accept-Encoding of the caller's: then the body comes as the server sent it.
  Result<HttpResponse> fetch(HttpRequest request, Deadline deadline);
  /// The body as a stream, never decompressed.
  Result<HttpStreamedResponse> open(HttpRequest request, Deadline deadline);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// A client of a server behind a Unix socket: the same, with the host part of the URL ignored.
Result<HttpStreamedResponse> http_over(std::unique_ptr<world::Stream> stream, HttpRequest request,
                                       Deadline deadline);

}  // namespace mutirao::net
