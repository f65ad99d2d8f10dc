#pragma once

#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/net/http_client.h"
#include "mutirao/wire/http.h"

#include "body_reader.h"
#include "buffered_stream.h"

namespace mutirao::net {

/// The start of an answer: its body follows on the same stream.
struct Answer {
  wire::HttpResponseHead head;
  wire::HttpFraming framing;
  bool keep_alive;  ///< after the body, the connection may serve another request
};

/// The head that goes out for `request`: Host, User-Agent and Content-Length are ours to say.
Result<wire::HttpRequestHead> request_head(HttpRequest const& request, std::string_view user_agent);

/// Sends one request and reads the head of its answer; interim answers (1xx) are skipped.
Result<Answer> exchange(BufferedStream& stream, wire::HttpRequestHead const& head,
                        std::string_view body, Deadline deadline);

}  // namespace mutirao::net
