#include <string>

#include <gtest/gtest.h>

#include "mutirao/wire/http.h"

namespace mutirao::wire {
namespace {

using base::view_of;

Result<HttpRequestHead> request(std::string_view text, HttpLimits const& limits = {}) {
  return parse_http_request(view_of(text), limits);
}
Result<HttpResponseHead> response(std::string_view text) {
  return parse_http_response(view_of(text));
}

Fault request_fault(std::string_view text, HttpLimits const& limits = {}) {
  auto const parsed = request(text, limits);
  EXPECT_FALSE(parsed) << text.substr(0, 80);
  return parsed ? Fault::cancelled : parsed.error().fault;
}

std::string get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string{fields} + "\r\n";
}

TEST(HttpHeadSize, finds_the_end_at_every_way_of_arriving) {
  std::string const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t size = 0; size < head.size(); ++size) {
    auto const found = http_head_size(view_of(head).first(size));
    ASSERT_TRUE(found) << size;
    EXPECT_FALSE(*found) << size;
  }
  EXPECT_EQ(**http_head_size(view_of(head + "body\nwith\rall")), head.size());
}

TEST(HttpHeadSize, refuses_bare_line_ends_at_once) {
  for (std::string_view const text :
       {"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n", "GET / HTTP/1.1\rHost: a",
        "GET / HTTP/1.1\r\r\n", "\n", "\r\nGET", "\r\n\r\n"})
    EXPECT_EQ(http_head_size(view_of(text)).error().fault, Fault::corrupt) << text;
}

TEST(HttpHeadSize, a_head_without_end_stops_at_the_limit) {
  HttpLimits const limits{.head_bytes_max = 100};
  EXPECT_TRUE(http_head_size(view_of(std::string(99, 'a')), limits));
  EXPECT_EQ(http_head_size(view_of(std::string(100, 'a')), limits).error().fault, Fault::exhausted);
  EXPECT_EQ(http_head_size(view_of(std::string(99, 'a') + "\r\n\r\n"), limits).error().fault,
            Fault::exhausted);
  EXPECT_TRUE(*http_head_size(view_of(std::string(96, 'a') + "\r\n\r\n"), limits));
}

TEST(HttpRequest, reads_what_curl_sends) {
  auto const head = request(
      "GET /a%20b?x=1 HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: "
      "*/*\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/a%20b?x=1");
  EXPECT_EQ(head->minor_version, 1);
  EXPECT_EQ(head->fields.find("host"), "example.com:8080");
  EXPECT_EQ(head->fields.size(), 3u);
}

TEST(HttpRequest, trims_white_space_around_a_value_and_keeps_that_inside) {
  EXPECT_EQ(request(get("A: \t b  c \t\r\n"))->fields.find("A"), "b  c");
  EXPECT_EQ(request(get("A:\r\n"))->fields.find("A"), "");
  EXPECT_EQ(request(get("A:b\r\n"))->fields.find("a"), "b");
}

TEST(HttpRequest, refuses_broken_request_lines) {
  for (std::string_view const line :
       {"GET", "GET /", "GET  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET  / HTTP/1.1",
        "GET / a HTTP/1.1", "GET\t/ HTTP/1.1", "G(T / HTTP/1.1", "GET /\x01 HTTP/1.1",
        "GET /\x7f HTTP/1.1", "GET /\xc3\xa9 HTTP/1.1", "GET /#x HTTP/1.1", "GET / http/1.1",
        "GET / HTTP/1", "GET / HTTP/1.1x", "GET / HTTP/11", "GET / HTTP/+1.1", "GET / HTP/1.1"})
    EXPECT_EQ(request_fault(std::string{line} + "\r\nHost: a\r\n\r\n"), Fault::corrupt) << line;
}

TEST(HttpRequest, other_versions_are_named_as_such) {
  EXPECT_EQ(request_fault("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Fault::unsupported);
  EXPECT_EQ(request_fault("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), Fault::unsupported);
}

TEST(HttpRequest, refuses_fields_that_two_readers_could_read_in_two_ways) {
  for (std::string_view const fields :
       {"A : b\r\n", "A\t: b\r\n", " A: b\r\n", "A: b\r\n folded\r\n", "A: b\r\n\tfolded\r\n",
        "A\r\n", ": b\r\n", "A(: b\r\n", "\x01: b\r\n", "A: b\x01\r\n", "A: b\x7f\r\n",
        "A\xe9: b\r\n", "A\x0b: b\r\n", "A: b\x0c\r\n"})
    EXPECT_EQ(request_fault(get(fields)), Fault::corrupt) << fields;
  using namespace std::string_view_literals;
  EXPECT_EQ(request_fault(get("A: b\0c\r\n"sv)), Fault::corrupt);
  EXPECT_EQ(request_fault(get("A\0: b\r\n"sv)), Fault::corrupt);
  EXPECT_EQ(request_fault("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n"sv), Fault::corrupt);
}

TEST(HttpRequest, needs_exactly_one_host) {
  EXPECT_EQ(request_fault("GET / HTTP/1.1\r\n\r\n"), Fault::corrupt);
  EXPECT_EQ(request_fault("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), Fault::corrupt);
  EXPECT_TRUE(request("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(request_fault("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), Fault::corrupt);
}

TEST(HttpRequest, stops_at_the_limits_of_fields_and_target) {
  std::string fields;
  for (int i = 0; i < 127; ++i) fields += "a: b\r\n";
  EXPECT_TRUE(request(get(fields)));
  EXPECT_EQ(request_fault(get(fields + "a: b\r\n")), Fault::exhausted);
  auto const long_target = "GET /" + std::string(8191, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_TRUE(request(long_target));
  EXPECT_EQ(request_fault("GET /" + std::string(8192, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
            Fault::exhausted);
}

TEST(HttpRequest, refuses_what_is_not_exactly_one_head) {
  EXPECT_EQ(request_fault(get("") + "GET / HTTP/1.1\r\n"), Fault::corrupt);
  EXPECT_EQ(request_fault("GET / HTTP/1.1\r\nHost: a\r\n"), Fault::corrupt);
  EXPECT_EQ(request_fault(""), Fault::corrupt);
}

TEST(HttpResponse, reads_status_lines_with_and_without_a_reason) {
  EXPECT_EQ(response("HTTP/1.1 404 Not Found\r\n\r\n")->reason, "Not Found");
  EXPECT_EQ(response("HTTP/1.1 200 \r\n\r\n")->reason, "");
  EXPECT_EQ(response("HTTP/1.0 200\r\n\r\n")->status, 200);
  EXPECT_EQ(response("HTTP/1.0 200\r\n\r\n")->minor_version, 0);
}

TEST(HttpResponse, refuses_broken_status_lines) {
  for (std::string_view const line :
       {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/1.1 20x OK",
        "HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1 +20 OK", "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK", "ICY 200 OK again", "HTTP/1.1 200 \x01", "HTTP/1.1 200OK"})
    EXPECT_FALSE(response(std::string{line} + "\r\n\r\n")) << line;
}

TEST(HttpFields, compare_without_case_and_find_tokens_in_lists) {
  HttpFields fields;
  fields.add("Connection", "keep-alive,  Close ");
  fields.add("connection", "upgrade");
  EXPECT_TRUE(fields.contains_token("CONNECTION", "close"));
  EXPECT_TRUE(fields.contains_token("Connection", "Upgrade"));
  EXPECT_FALSE(fields.contains_token("Connection", "keep"));
  fields.set("CONNECTION", "x");
  EXPECT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields.find("connection"), "x");
}

TEST(HttpWriter, what_is_written_reads_back_the_same) {
  HttpRequestHead head{.method = "PUT", .target = "/x?y=%20", .fields = {}};
  head.fields.add("Host", "a");
  head.fields.add("X-Text", "caf\xc3\xa9 \t ok");
  auto const text = write_http_request(head);
  EXPECT_EQ(*text, "PUT /x?y=%20 HTTP/1.1\r\nHost: a\r\nX-Text: caf\xc3\xa9 \t ok\r\n\r\n");
  EXPECT_EQ(request(*text)->fields.find("x-text"), head.fields.find("X-Text"));
  EXPECT_EQ(write_http_response({.status = 404, .reason = "Not Found", .fields = {}}),
            "HTTP/1.1 404 Not Found\r\n\r\n");
}

TEST(HttpWriter, stops_header_injection) {
  using namespace std::string_literals;
  for (auto const& value : {"a\r\nSet-Cookie: x=1"s, "a\nb"s, "a\rb"s, "a\0b"s, "a\x1b[31m"s}) {
    HttpResponseHead head;
    head.fields.add("Location", value);
    EXPECT_EQ(write_http_response(head).error().fault, Fault::invalid);
    EXPECT_FALSE(write_http_response({.status = 200, .reason = value, .fields = {}}));
    EXPECT_FALSE(write_http_request({.target = "/" + value, .fields = {}}));
  }
  for (auto const& name : {""s, "A B"s, "A:"s, "A\r\n"s}) {
    HttpRequestHead head{.method = "GET", .target = "/", .fields = {}};
    head.fields.add(name, "x");
    EXPECT_EQ(write_http_request(head).error().fault, Fault::invalid);
  }
  EXPECT_FALSE(write_http_request({.method = "GET", .target = "/a b", .fields = {}}));
  EXPECT_FALSE(write_http_request({.method = "GET", .target = "", .fields = {}}));
  EXPECT_FALSE(write_http_request({.method = "GET /x", .target = "/", .fields = {}}));
}

TEST(HttpErrors, show_what_came_from_outside_without_its_control_characters) {
  auto const error = request("GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n").error();
  EXPECT_EQ(error.what.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace mutirao::wire
