#pragma once

#include <cstdint>
#include <string>

#include "mutirao/base/time.h"
#include "mutirao/net/http_server.h"
#include "mutirao/world/world.h"

#include "buffered_stream.h"

namespace mutirao::net {

/// Writes the answer to one request on its connection.
class Responder final : public HttpResponder {
 public:
  struct Request {
    bool head_only = false;  ///< HEAD: no body goes out
    bool http10 = false;     ///< no chunked coding
    bool keep_alive = true;  ///< wanted by the client
  };
  Responder(BufferedStream& stream, world::Clock& clock, Duration write_timeout, Request request)
      : stream_{stream}, clock_{clock}, write_timeout_{write_timeout}, request_{request} {}

  Result<void> send(int status, wire::HttpFields fields, std::string_view body) override;
  Result<void> begin(int status, wire::HttpFields fields, std::uint64_t length) override;
  Result<void> begin_chunked(int status, wire::HttpFields fields) override;
  Result<void> write(ByteView part) override;
  [[nodiscard]] bool client_gone() const override;

  /// Ends the answer after the handler returned. False: the connection can't go on.
  [[nodiscard]] bool finish();
  [[nodiscard]] bool head_sent() const noexcept { return body_ != Body::not_begun; }
  /// Nothing of the answer is missing, whatever the handler says: HEAD, or a body of known length.
  [[nodiscard]] bool complete() const noexcept {
    return bodiless_ || (body_ == Body::length && left_ == 0);
  }

 private:
  enum class Body : std::uint8_t { not_begun, length, chunked, until_close };

  Result<std::string> head(int status, wire::HttpFields fields, Body body, std::uint64_t length);
  Result<void> put(std::span<ByteView const> parts);
  Result<void> put_large(ByteView part);

  BufferedStream& stream_;
  world::Clock& clock_;
  Duration write_timeout_;
  Request request_;
  Body body_ = Body::not_begun;
  std::uint64_t left_ = 0;  // of a body of known length
  bool bodiless_ = false;   // HEAD, 204, 304
  mutable bool gone_ = false;
};

}  // namespace mutirao::net
