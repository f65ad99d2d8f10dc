// curl against our server, on the real world.
#include <gtest/gtest.h>

#include "mutirao/net/http_client.h"
#include "mutirao/net/http_server.h"

#include "real_peers.h"

namespace mutirao::net {
namespace {

using test::output_of;
using test::run_real;
using test::TemporaryFolder;

std::string const kText = "0123456789abcdefghijklmnopqrstuvwxyz";

/// A little file server: /text with ranges, /chunked, and /echo for bodies.
Result<void> handle(HttpServerRequest const& request, HttpResponder& responder) {
  if (request.target.path == "/echo")
    return responder.send(200, {}, request.head.method + ' ' + std::to_string(request.body.size()));
  if (request.target.path == "/chunked") {
    MUT_TRY(responder.begin_chunked(200, {}));
    for (int i = 0; i < 100; ++i) MUT_TRY(responder.write(base::view_of(kText)));
    return {};
  }
  if (request.target.path != "/text") return responder.send(404, {}, "nothing here");
  wire::HttpFields fields;
  fields.add("Accept-Ranges", "bytes");
  auto const answer =
      wire::parse_http_range(request.head.fields.find("Range").value_or(""), kText.size());
  if (answer.kind == wire::HttpRangeAnswer::Kind::whole) return responder.send(200, fields, kText);
  if (answer.kind == wire::HttpRangeAnswer::Kind::unsatisfiable) {
    fields.add("Content-Range", "bytes */" + std::to_string(kText.size()));
    return responder.send(416, fields, "");
  }
  auto const [offset, length] = answer.range;
  fields.add("Content-Range", "bytes " + std::to_string(offset) + '-' +
                                  std::to_string(offset + length - 1) + '/' +
                                  std::to_string(kText.size()));
  return responder.send(206, fields, std::string_view{kText}.substr(offset, length));
}

/// Runs curl with `arguments`, in which URL stands for the server's.
std::string curl(std::string arguments) {
  std::string out;
  run_real([&](world::World& world, threads::scope& scope) {
    auto const listener =
        world.network().listen({.address = world::IpAddress::loopback(), .port = 0});
    ASSERT_TRUE(listener) << listener.error().what;
    HttpServer server{world, {.body_bytes_max = 8 << 20}, handle};
    threads::scope serving;
    serving.spawn("serve", [&] { return server.serve(**listener); });
    auto const url = "http://" + (*listener)->local().to_string();
    for (auto at = arguments.find("URL"); at != std::string::npos; at = arguments.find("URL"))
      arguments.replace(at, 3, url);
    out = output_of("curl -s --max-time 60 " + arguments);
    (*listener)->close();
    EXPECT_TRUE(serving.join());
    scope.request_stop();
  });
  return out;
}

TEST(CurlToServer, gets_a_text_and_keeps_its_connection) {
  EXPECT_EQ(curl("-w ' %{num_connects}\\n' URL/text URL/text URL/missing"),
            kText + " 1\n" + kText + " 0\nnothing here 0\n");
}

TEST(CurlToServer, gets_ranges) {
  EXPECT_EQ(curl("-r 5-9 URL/text"), "56789");
  EXPECT_EQ(curl("-r -3 URL/text"), "xyz");
  EXPECT_EQ(curl("-r 30- URL/text"), "uvwxyz");
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}' -r 100- URL/text"), "416");
}

TEST(CurlToServer, asks_by_head_and_goes_on) {
  auto const out = curl("-I URL/text URL/text");
  EXPECT_EQ(out.find("Content-Length: 36"), out.find("Content-Length"));
  EXPECT_NE(out.find("Content-Length: 36"), out.rfind("Content-Length: 36"));
}

TEST(CurlToServer, reads_chunks_and_the_end_of_http_1_0) {
  EXPECT_EQ(curl("URL/chunked").size(), 100 * kText.size());
  EXPECT_EQ(curl("--http1.0 URL/chunked").size(), 100 * kText.size());
}

TEST(CurlToServer, sends_bodies_by_length_by_chunks_and_after_an_invitation) {
  EXPECT_EQ(curl("-d hello URL/echo"), "POST 5");
  EXPECT_EQ(curl("-H 'Transfer-Encoding: chunked' -d hello URL/echo"), "POST 5");
  TemporaryFolder const folder;
  folder.write("large", std::string(3 << 20, 'x'));
  EXPECT_EQ(curl("-T " + folder / "large" + " URL/echo"), "PUT 3145728");
  EXPECT_EQ(curl("-H 'Expect: 100-continue' --data-binary @" + folder / "large" + " URL/echo"),
            "POST 3145728");
  folder.write("huge", std::string(9 << 20, 'x'));
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}' -T " + folder / "huge" + " URL/echo"), "413");
}

TEST(UnixSocket, serves_curl_and_our_client) {
  run_real([&](world::World& world, threads::scope& scope) {
    TemporaryFolder const folder;
    auto const listener = world.network().listen_local(folder / "socket");
    ASSERT_TRUE(listener) << listener.error().what;
    HttpServer server{world, {}, handle};
    scope.spawn("serve", [&] { return server.serve(**listener); });
    EXPECT_EQ(output_of("curl -s --unix-socket " + folder / "socket" + " http://node/text"), kText);
    auto stream = world.network().connect_local(folder / "socket", threads::within(30s));
    ASSERT_TRUE(stream) << stream.error().what;
    auto response = http_over(*std::move(stream), {.url = *wire::Url::parse("http://node/text")},
                              threads::within(30s));
    ASSERT_TRUE(response) << response.error().what;
    Bytes buffer(100);
    EXPECT_EQ(*response->body->read_some(buffer, threads::within(30s)), kText.size());
    scope.request_stop();
    (void)scope.join();
  });
}

}  // namespace
}  // namespace mutirao::net
