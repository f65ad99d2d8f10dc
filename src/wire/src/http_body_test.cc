#include <string>

#include <gtest/gtest.h>

#include "mutirao/wire/http.h"

namespace mutirao::wire {
namespace {

using base::text_of;
using base::view_of;
using Kind = HttpFraming::Kind;

Result<HttpFraming> request_framing(std::string_view fields, std::string_view version = "1.1") {
  auto const head = parse_http_request(view_of("POST / HTTP/" + std::string{version} +
                                               "\r\nHost: a\r\n" + std::string{fields} + "\r\n"));
  EXPECT_TRUE(head);
  return http_request_framing(*head);
}

Result<HttpFraming> response_framing(int status, std::string_view fields,
                                     std::string_view method = "GET") {
  auto const head = parse_http_response(
      view_of("HTTP/1.1 " + std::to_string(status) + " x\r\n" + std::string{fields} + "\r\n"));
  EXPECT_TRUE(head);
  return http_response_framing(*head, method);
}

TEST(HttpFraming, a_request_has_a_body_only_when_it_says_so) {
  EXPECT_EQ(request_framing("")->kind, Kind::none);
  EXPECT_EQ(request_framing("Content-Length: 5\r\n")->length, 5u);
  EXPECT_EQ(request_framing("Transfer-Encoding: Chunked\r\n")->kind, Kind::chunked);
}

TEST(HttpFraming, refuses_each_way_to_smuggle_a_request) {
  for (std::string_view const fields :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",  // CL.TE
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",  // TE.CL
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\ncontent-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: \r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: 1e3\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 00000000000000000000005\r\n"})
    EXPECT_EQ(request_framing(fields).error().fault, Fault::corrupt) << fields;
  for (std::string_view const fields :
       {"Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: \r\n", "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding: chunked,\r\n"})
    EXPECT_EQ(request_framing(fields).error().fault, Fault::unsupported) << fields;
  EXPECT_EQ(request_framing("Transfer-Encoding: chunked\r\n", "1.0").error().fault, Fault::corrupt);
}

TEST(HttpFraming, a_response_follows_the_order_of_rfc_9112) {
  EXPECT_EQ(response_framing(200, "")->kind, Kind::until_close);
  EXPECT_EQ(response_framing(200, "Content-Length: 7\r\n")->length, 7u);
  EXPECT_EQ(response_framing(200, "Content-Length: 7\r\n", "HEAD")->kind, Kind::none);
  EXPECT_EQ(response_framing(200, "Transfer-Encoding: chunked\r\n", "HEAD")->kind, Kind::none);
  EXPECT_EQ(response_framing(304, "Content-Length: 7\r\n")->kind, Kind::none);
  EXPECT_EQ(response_framing(204, "")->kind, Kind::none);
  EXPECT_EQ(response_framing(100, "")->kind, Kind::none);
  EXPECT_FALSE(response_framing(200, "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(response_framing(200, "Content-Length: 7\r\nContent-Length: 8\r\n"));
}

/// The body, when all of `text` is one good chunked body, fed in runs of `run` bytes.
Result<std::string> decoded_body(std::string_view text, std::size_t run = SIZE_MAX) {
  HttpChunkedDecoder decoder;
  std::string body;
  while (!text.empty()) {
    auto part = view_of(text.substr(0, run));
    auto const step = MUT_TRY(decoder.feed(part));
    body += text_of(step.content);
    text.remove_prefix(step.consumed);
    if (step.finished)
      return text.empty() ? Result<std::string>{body} : fail(Fault::invalid, "bytes left over");
  }
  return fail(Fault::closed, "not finished");
}

TEST(HttpChunked, gives_the_body_however_it_arrives) {
  std::string_view const text =
      "4\r\nWiki\r\n5;name=value\r\npedia\r\n0e\r\n in\r\n\r\nchunks.\r\n0\r\nTrailer: "
      "x\r\nB:\r\n\r\n";
  for (std::size_t run = 1; run <= text.size(); ++run)
    EXPECT_EQ(decoded_body(text, run), "Wikipedia in\r\n\r\nchunks.") << run;
}

TEST(HttpChunked, leaves_what_follows_the_body_alone) {
  HttpChunkedDecoder decoder;
  std::string_view const text = "0\r\n\r\nGET / HTTP/1.1\r\n";
  auto const step = decoder.feed(view_of(text));
  EXPECT_TRUE(step->finished);
  EXPECT_EQ(step->consumed, 5u);
  EXPECT_EQ(decoder.feed(view_of(text).subspan(5))->consumed, 0u);
}

TEST(HttpChunked, every_truncation_is_unfinished_and_never_an_end) {
  std::string_view const text = "4\r\nWiki\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(decoded_body(text.substr(0, size)).error().fault, Fault::closed) << size;
}

TEST(HttpChunked, refuses_sizes_that_overflow_or_are_no_hex_digits) {
  for (std::string_view const text :
       {"8000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000000\r\n",
        "00000000000000000\r\n", "\r\n", ";a\r\n", "g\r\n", "0x5\r\n", "+5\r\n", "-5\r\n", " 5\r\n",
        "5 \r\n", "5\t;a\r\n", "5\n", "5\rx", "5\r\r\n", "5;a\nb", "5;a\x01\r\n", "5,\r\n"})
    EXPECT_EQ(decoded_body(text).error().fault, Fault::corrupt) << text;
  EXPECT_EQ(decoded_body("7fffffffffffffff\r\nabc").error().fault, Fault::closed);
}

TEST(HttpChunked, refuses_content_that_is_longer_or_shorter_than_its_size) {
  for (std::string_view const text :
       {"3\r\nWiki\r\n0\r\n\r\n", "5\r\nWiki\r\n0\r\n\r\n", "4\r\nWiki\n0\r\n\r\n", "4\r\nWiki\rx"})
    EXPECT_EQ(decoded_body(text).error().fault, Fault::corrupt) << text;
}

TEST(HttpChunked, refuses_broken_trailers) {
  for (std::string_view const text :
       {"0\r\n\n", "0\r\nA b\r\n\r\n", "0\r\n: x\r\n\r\n", "0\r\nA\r\n\r\n", "0\r\nA: b\n\r\n",
        "0\r\nA: b\r\n folded\r\n\r\n", "0\r\nA: \x01\r\n\r\n", "0\r\n\rX"})
    EXPECT_EQ(decoded_body(text).error().fault, Fault::corrupt) << text;
}

TEST(HttpChunked, stops_endless_extensions_and_trailers) {
  EXPECT_EQ(decoded_body("1;" + std::string(17'000, 'x') + "\r\na\r\n0\r\n\r\n").error().fault,
            Fault::exhausted);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "1;" + std::string(20, 'x') + "\r\na\r\n";
  EXPECT_EQ(decoded_body(many + "0\r\n\r\n").error().fault, Fault::exhausted);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 3000; ++i) trailers += "a: bcd\r\n";
  EXPECT_EQ(decoded_body(trailers + "\r\n").error().fault, Fault::exhausted);
}

TEST(HttpChunked, a_written_chunk_reads_back) {
  EXPECT_EQ(decoded_body(http_chunk_head(11) + "hello world\r\n" + std::string{kHttpLastChunk}),
            "hello world");
}

TEST(HttpRange, gives_the_part_that_rfc_9110_means) {
  auto const expect_part = [](std::string_view field, std::uint64_t offset, std::uint64_t length) {
    auto const answer = parse_http_range(field, 1000);
    EXPECT_EQ(answer.kind, HttpRangeAnswer::Kind::part) << field;
    EXPECT_EQ(answer.range.offset, offset) << field;
    EXPECT_EQ(answer.range.length, length) << field;
  };
  expect_part("bytes=0-499", 0, 500);
  expect_part("bytes=500-", 500, 500);
  expect_part("bytes=-500", 500, 500);
  expect_part("bytes=999-999", 999, 1);
  expect_part("bytes=0-5000", 0, 1000);
  expect_part("bytes=-5000", 0, 1000);
  expect_part("BYTES= 0-0 ", 0, 1);
  expect_part("bytes=1-99999999999999999999999", 1, 999);
  expect_part("bytes=-99999999999999999999999", 0, 1000);
}

TEST(HttpRange, what_is_beyond_the_end_is_unsatisfiable) {
  for (std::string_view const field :
       {"bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999-"})
    EXPECT_EQ(parse_http_range(field, 1000).kind, HttpRangeAnswer::Kind::unsatisfiable) << field;
  EXPECT_EQ(parse_http_range("bytes=0-", 0).kind, HttpRangeAnswer::Kind::unsatisfiable);
}

TEST(HttpRange, what_makes_no_sense_gives_the_whole_body) {
  for (std::string_view const field :
       {"", "bytes", "bytes=", "bytes=-", "bytes=5", "bytes=5-4", "bytes=a-b", "bytes=0-1,5-6",
        "items=0-5", "bytes=--5", "bytes=+1-5", "bytes=1 -5", "bytes=0x1-5", "bytes 0-5"})
    EXPECT_EQ(parse_http_range(field, 1000).kind, HttpRangeAnswer::Kind::whole) << field;
}

TEST(HttpContentRange, reads_what_a_206_says_and_nothing_that_contradicts_itself) {
  auto const good = parse_http_content_range("bytes 0-499/1234");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->range.length, 500u);
  EXPECT_EQ(good->size, 1234u);
  EXPECT_FALSE(parse_http_content_range("bytes 5-5/*")->size);
  for (std::string_view const field :
       {"bytes */1234", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "0-9/10", "bytes 0-9/",
        "bytes -9/10", "bytes 0-/10", "bytes 0-9/10/11", "bytes 0-99999999999999999999/*",
        "bytes=0-9/10", ""})
    EXPECT_FALSE(parse_http_content_range(field)) << field;
}

}  // namespace
}  // namespace mutirao::wire
