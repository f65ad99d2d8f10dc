// URLs and references: what is accepted must be stable when it is written and read again, and must
// go on the wire as a request without change.
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/wire/http.h"

namespace {

using namespace mutirao;

void check(wire::Url const& url) {
  auto const again = wire::Url::parse(url.to_string());
  // Encoding can make a URL longer than the limit; everything else must survive.
  if (url.to_string().size() <= 8192) MUT_ASSERT(again && *again == url);
  wire::HttpRequestHead head{.method = "GET", .target = url.target};
  head.fields.add("Host", url.host);
  MUT_ASSERT(wire::write_http_request(head));
  MUT_ASSERT(url.target.starts_with('/') && url.port != 0 && !url.host.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const text = base::text_of({data, size});
  if (auto const url = wire::Url::parse(text)) check(*url);
  auto const base = wire::Url::parse("https://[2001:db8::1]:8443/a/b/c;d?e=f");
  MUT_ASSERT(base);
  if (auto const url = base->resolve(text)) check(*url);
  if (auto const target = wire::HttpTarget::parse(text)) MUT_ASSERT(!target->path.contains('\0'));
  return 0;
}
