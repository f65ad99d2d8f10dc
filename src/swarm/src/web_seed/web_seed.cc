#include "mutirao/swarm/web_seed.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "mutirao/base/check.h"

#include "web_seed/web_seed_url.h"

namespace mutirao::swarm {
namespace {

struct WantedRange {
  std::uint64_t offset;
  std::uint64_t length;
  std::uint64_t file_length;
};

std::string retry_mend(wire::HttpResponseHead const& head) {
  auto const after = head.fields.find("Retry-After");
  std::uint32_t seconds = 0;
  if (!after ||
      std::from_chars(after->data(), after->data() + after->size(), seconds).ec != std::errc{})
    return {};
  return fmt::format("the server asks to wait {} s", seconds);
}

/// 206 with exactly our range, or 200 when our range is the whole file. Anything else would put
/// bytes in the wrong place.
Result<void> check_head(wire::HttpResponseHead const& head, WantedRange const& wanted) {
  if (head.status == 404 || head.status == 410)
    return fail(Fault::not_found,
                fmt::format("HTTP status {}: the file is not there", head.status));
  if (head.status == 416)
    return fail(Fault::corrupt, "HTTP status 416: the file on the server is shorter");
  if (head.status != 200 && head.status != 206)
    return fail(Fault::refused, fmt::format("HTTP status {}", head.status), retry_mend(head));
  if (auto const coding = head.fields.find("Content-Encoding"); coding && *coding != "identity")
    return fail(Fault::unsupported, "the server compresses what was asked for by range");
  if (auto const length = head.fields.find("Content-Length")) {
    if (*length != std::to_string(wanted.length))
      return fail(
          head.status == 200 ? Fault::unsupported : Fault::corrupt,
          fmt::format(
              "the server sends a body of other length than the {} bytes that were asked for",
              wanted.length),
          head.status == 200 ? "the server knows no ranges, or its file has another length" : "");
  }
  if (head.status == 200) {
    if (wanted.offset == 0 && wanted.length == wanted.file_length) return {};
    return fail(Fault::unsupported, "the server knows no ranges");
  }
  auto const field = head.fields.find("Content-Range");
  auto const range = field ? wire::parse_http_content_range(*field) : std::nullopt;
  if (!range) return fail(Fault::corrupt, "the server does not say which range it sends");
  if (range->range.offset != wanted.offset || range->range.length != wanted.length)
    return fail(
        Fault::corrupt,
        fmt::format("the server sends the range at {} of {} bytes instead of {} of {}",
                    range->range.offset, range->range.length, wanted.offset, wanted.length));
  if (range->size && *range->size != wanted.file_length)
    return fail(Fault::corrupt, fmt::format("the file on the server has {} bytes instead of {}",
                                            *range->size, wanted.file_length));
  return {};
}

Result<void> read_body(net::HttpBody& body, MutableBytes into, Deadline deadline) {
  for (auto rest = into; !rest.empty();) {
    auto const count = MUT_TRY(body.read_some(rest, deadline));
    if (count == 0)
      return fail(Fault::corrupt, fmt::format("the server's body ends after {} of {} bytes",
                                              into.size() - rest.size(), into.size()));
    rest = rest.subspan(count);
  }
  // Reading the end gives the connection back for the next range.
  std::uint8_t more;
  if (MUT_TRY(body.read_some(MutableBytes{&more, 1}, deadline)) != 0)
    return fail(Fault::corrupt, "the server sends more than was asked for");
  return {};
}

}  // namespace

struct WebSeed::State {
  Result<void> read_file(TorrentFile const& file, std::uint64_t offset, MutableBytes into,
                         Deadline deadline);

  net::HttpClient& client;
  std::string url;
  std::shared_ptr<Metainfo const> metainfo;
};

Result<void> WebSeed::State::read_file(TorrentFile const& file, std::uint64_t offset,
                                       MutableBytes into, Deadline deadline) {
  auto const text = web_seed_url(url, *metainfo, file);
  auto target = wire::Url::parse(text);
  if (!target) return std::unexpected{std::move(target).error().during("web seed")};
  auto const origin =
      fmt::format("web seed {}://{}:{}, {}", target->scheme, target->host, target->port, file.path);
  net::HttpRequest request{.method = "GET", .url = *std::move(target), .fields = {}, .body = {}};
  request.fields.add("Range", fmt::format("bytes={}-{}", offset, offset + into.size() - 1));
  request.fields.add("Accept-Encoding", "identity");
  auto const fetch = [&]() -> Result<void> {
    auto const response = MUT_TRY(client.open(std::move(request), deadline));
    MUT_TRY(check_head(response.head, {offset, into.size(), file.length}));
    return read_body(*response.body, into, deadline);
  };
  auto fetched = fetch();
  if (!fetched) return std::unexpected{std::move(fetched).error().during(origin)};
  return {};
}

WebSeed::WebSeed(net::HttpClient& client, std::string url, std::shared_ptr<Metainfo const> metainfo)
    : state_{std::make_unique<State>(client, std::move(url), std::move(metainfo))} {}

WebSeed::~WebSeed() = default;

std::string const& WebSeed::url() const noexcept { return state_->url; }

Result<void> WebSeed::read(std::uint64_t offset, MutableBytes into, Deadline deadline) {
  auto const& metainfo = *state_->metainfo;
  MUT_ASSERT(offset <= metainfo.space_size() && into.size() <= metainfo.space_size() - offset);
  auto const end = offset + into.size();
  auto at = offset;  // what lies before it in `into` is done
  for (auto const& slice : slices(metainfo, offset, into.size())) {
    auto const& file = metainfo.files()[slice.file.value];
    if (file.pad || slice.length == 0) continue;
    auto const begin = file.offset + slice.offset;
    MUT_ASSERT(begin >= at && slice.length <= end - begin);
    std::memset(into.data() + (at - offset), 0, begin - at);  // padding, listed or not
    MUT_TRY(state_->read_file(file, slice.offset, into.subspan(begin - offset, slice.length),
                              deadline));
    at = begin + slice.length;
  }
  if (at < end) std::memset(into.data() + (at - offset), 0, end - at);
  return {};
}

}  // namespace mutirao::swarm
