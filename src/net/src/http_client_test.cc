#include <gtest/gtest.h>

#include "test_deadline.h"
#include "test_gzip.h"
#include "test_peers.h"

namespace mutirao::net {
namespace {

using test::get;
using test::ok;
using test::Pair;
using test::read_head;
using test::say;
using test::serve_script;
using test::simulate;
using test::soon;

/// What the client makes of a server that answers every connection with `answer` and then closes.
Result<HttpResponse> fetch_of(std::string const& answer, HttpClientOptions const& options = {},
                              std::string const& method = "GET") {
  Result<HttpResponse> result = fail(Fault::cancelled, "not run");
  simulate([&](Pair const& pair) {
    test::Ending const serving1 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          read_head(stream);
          say(stream, answer);
        });
    HttpClient client{pair.client, options};
    auto request = get("http://server/");
    request.method = method;
    result = client.fetch(std::move(request), soon());
  });
  return result;
}

TEST(HttpClient, sends_what_a_server_needs_and_reads_the_answer) {
  simulate([](Pair const& pair) {
    std::string seen;
    test::Ending const serving2 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          seen = read_head(stream);
          say(stream, ok("hello", "X-Name: value\r\n"));
        });
    HttpClient client{pair.client, {}};
    auto const response = client.fetch(get("http://server/a?b"), soon());
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->body, "hello");
    EXPECT_EQ(response->head.fields.find("x-name"), "value");
    EXPECT_EQ(seen,
              "GET /a?b HTTP/1.1\r\nHost: server\r\nUser-Agent: Mutirao/0.1\r\nAccept-Encoding: "
              "gzip\r\n\r\n");
  });
}

TEST(HttpClient, carries_a_body_with_its_length) {
  simulate([](Pair const& pair) {
    std::string seen;
    test::Ending const serving3 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          auto const head = read_head(stream);
          Bytes body(5);
          EXPECT_TRUE(stream.read_exactly(body, Deadline::never()));
          seen = base::text_of(body);
          EXPECT_TRUE(head.contains("Content-Length: 5\r\n")) << head;
          say(stream, ok(""));
        });
    HttpClient client{pair.client, {}};
    auto request = get("http://server/");
    request.method = "POST";
    request.body = "12345";
    EXPECT_TRUE(client.fetch(request, soon()));
    EXPECT_EQ(seen, "12345");
    request.fields.add("Content-Length", "7");
    EXPECT_EQ(client.fetch(request, soon()).error().fault, Fault::invalid);
  });
}

TEST(HttpClient, keeps_a_connection_for_the_next_request) {
  simulate([](Pair const& pair) {
    int connections = 0;
    test::Ending const serving4 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          ++connections;
          while (!read_head(stream).empty()) say(stream, ok("x"));
        });
    HttpClient client{pair.client, {}};
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.fetch(get("http://server/"), soon()));
    EXPECT_EQ(connections, 1);
  });
}

TEST(HttpClient, forgets_a_connection_that_was_idle_too_long_or_that_the_server_closes) {
  for (std::string const fields : {"", "Connection: close\r\n"}) {
    simulate([&](Pair const& pair) {
      int connections = 0;
      test::Ending const serving5 =
          serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
            ++connections;
            read_head(stream);
            say(stream, ok("x", fields));
          });
      HttpClient client{pair.client, {.idle_max = 5s}};
      EXPECT_TRUE(client.fetch(get("http://server/"), soon()));
      EXPECT_TRUE(threads::sleep_for(6s));
      EXPECT_TRUE(client.fetch(get("http://server/"), soon()));
      EXPECT_EQ(connections, 2);
    });
  }
}

// Goal: a server that closes a kept connection just as the next request goes out is no failure.
// Method: it reads the second request on the first connection and closes without a word.
TEST(HttpClient, repeats_a_request_on_a_fresh_connection_when_the_kept_one_died) {
  simulate([](Pair const& pair) {
    int requests = 0;
    test::Ending const serving6 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int number) {
          read_head(stream);
          ++requests;
          say(stream, ok("x"));
          if (number > 0) return;
          read_head(stream);
          ++requests;
        });
    HttpClient client{pair.client, {}};
    EXPECT_TRUE(client.fetch(get("http://server/"), soon()));
    auto const second = client.fetch(get("http://server/"), soon());
    EXPECT_TRUE(second) << second.error().what;
    EXPECT_EQ(requests, 3);
  });
}

TEST(HttpClient, never_sends_a_post_twice) {
  simulate([](Pair const& pair) {
    int requests = 0;
    test::Ending const serving7 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int number) {
          read_head(stream);
          ++requests;
          if (number == 0) say(stream, ok("x"));
        });
    HttpClient client{pair.client, {}};
    EXPECT_TRUE(client.fetch(get("http://server/"), soon()));
    auto request = get("http://server/");
    request.method = "POST";
    EXPECT_EQ(client.fetch(request, soon()).error().fault, Fault::closed);
    EXPECT_EQ(requests, 2);
  });
}

TEST(HttpClient, reads_a_body_by_each_way_of_framing) {
  EXPECT_EQ(fetch_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n")
                ->body,
            "Wikipedia");
  EXPECT_EQ(fetch_of("HTTP/1.0 200 OK\r\n\r\nuntil the end")->body, "until the end");
  EXPECT_EQ(fetch_of("HTTP/1.1 204 No Content\r\n\r\n")->body, "");
  EXPECT_EQ(fetch_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {}, "HEAD")->body, "");
  EXPECT_EQ(fetch_of("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
                     "OK\r\nContent-Length: 1\r\n\r\ny")
                ->body,
            "y");
}

TEST(HttpClient, a_connection_that_ends_early_is_never_an_end) {
  for (std::string const answer :
       {"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"})
    EXPECT_EQ(fetch_of(answer).error().fault, Fault::closed) << answer;
}

TEST(HttpClient, refuses_answers_that_could_hide_a_second_one) {
  for (std::string const fields : {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                   "Content-Length: 5\r\nContent-Length: 6\r\n",
                                   "Content-Length: +5\r\n", "A : b\r\n", "A: b\r\n c\r\n"})
    EXPECT_EQ(fetch_of("HTTP/1.1 200 OK\r\n" + fields + "\r\nhello").error().fault, Fault::corrupt)
        << fields;
}

TEST(HttpClient, stops_at_its_limit_of_the_body) {
  HttpClientOptions const options{.body_bytes_max = 1000};
  EXPECT_TRUE(fetch_of(ok(std::string(1000, 'x')), options));
  EXPECT_EQ(fetch_of(ok(std::string(1001, 'x')), options).error().fault, Fault::exhausted);
  EXPECT_EQ(fetch_of("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n", options)
                .error()
                .fault,
            Fault::exhausted);
}

// Goal: a server that never stops sending costs what the limit says and no more.
TEST(HttpClient, leaves_an_endless_body) {
  simulate([](Pair const& pair) {
    std::size_t sent = 0;
    test::Ending const serving8 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          read_head(stream);
          say(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
          std::string const chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
          while (stream.write_all(chunk, Deadline::never())) sent += 0x10000;
        });
    HttpClient client{pair.client, {.body_bytes_max = 1 << 20}};
    EXPECT_EQ(client.fetch(get("http://server/"), soon()).error().fault, Fault::exhausted);
    EXPECT_LT(sent, std::size_t{8} << 20);
  });
}

TEST(HttpClient, undoes_gzip_and_tells_nothing_of_it) {
  auto const response = fetch_of(ok(test::gzip("packed"), "Content-Encoding: gzip\r\n"));
  ASSERT_TRUE(response) << response.error().what;
  EXPECT_EQ(response->body, "packed");
  EXPECT_FALSE(response->head.fields.find("Content-Encoding"));
  EXPECT_EQ(fetch_of(ok("", "Content-Encoding: gzip\r\n"))->body, "");
}

TEST(HttpClient, refuses_a_gzip_bomb_and_says_what_it_is) {
  auto const response =
      fetch_of(ok(test::gzip(std::string(20 << 20, '\0')), "Content-Encoding: gzip\r\n"),
               {.body_bytes_max = 1 << 20});
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().fault, Fault::exhausted);
  EXPECT_TRUE(response.error().what.contains("gzip")) << response.error().what;
}

TEST(HttpClient, refuses_broken_gzip_and_codings_that_it_did_not_ask_for) {
  EXPECT_EQ(fetch_of(ok("plain", "Content-Encoding: gzip\r\n")).error().fault, Fault::corrupt);
  EXPECT_EQ(fetch_of(ok(test::gzip("x").substr(0, 15), "Content-Encoding: gzip\r\n")).error().fault,
            Fault::corrupt);
  EXPECT_EQ(fetch_of(ok("x", "Content-Encoding: br\r\n")).error().fault, Fault::unsupported);
}

TEST(HttpClient, does_not_ask_for_gzip_of_a_range) {
  simulate([](Pair const& pair) {
    std::string seen;
    test::Ending const serving9 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          seen = read_head(stream);
          say(stream,
              "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: "
              "2\r\n\r\nab");
        });
    HttpClient client{pair.client, {}};
    auto request = get("http://server/");
    request.fields.add("Range", "bytes=0-1");
    EXPECT_EQ(client.fetch(request, soon())->body, "ab");
    EXPECT_FALSE(seen.contains("gzip"));
  });
}

TEST(HttpClient, a_silent_server_costs_the_deadline_and_no_more) {
  simulate([](Pair const& pair) {
    test::Ending const serving10 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          read_head(stream);
          (void)threads::sleep_for(3600s);
          say(stream, ok("late"));
        });
    HttpClient client{pair.client, {}};
    auto const started = threads::now();
    EXPECT_EQ(client.fetch(get("http://server/"), threads::within(7s)).error().fault,
              Fault::timed_out);
    EXPECT_EQ(threads::now() - started, Duration{7s});
  });
}

TEST(HttpClient, opens_no_more_connections_to_a_host_than_allowed) {
  simulate([](Pair const& pair) {
    int open = 0, most = 0;
    auto listener = pair.server.network().listen({.address = world::IpAddress::any(), .port = 80});
    ASSERT_TRUE(listener);
    test::Ending const ending{pair.scope};
    pair.scope.spawn("server", [&] {
      while (auto accepted = (*listener)->accept(Deadline::never())) {
        pair.scope.spawn("connection", [&, stream = *std::move(accepted)] {
          most = std::max(most, ++open);
          read_head(*stream);
          (void)threads::sleep_for(1s);
          say(*stream, ok("x", "Connection: close\r\n"));
          --open;
        });
      }
    });
    HttpClient client{pair.client, {.connections_per_host_max = 2}};
    int answers = 0;
    threads::scope requests;
    for (int i = 0; i < 6; ++i)
      requests.spawn("request",
                     [&] { answers += client.fetch(get("http://server/"), soon()) ? 1 : 0; });
    EXPECT_TRUE(requests.join());
    EXPECT_EQ(answers, 6);
    EXPECT_LE(most, 2);
  });
}

TEST(HttpClient, gives_a_stream_piece_by_piece_and_its_connection_back_at_the_end) {
  simulate([](Pair const& pair) {
    int connections = 0;
    test::Ending const serving11 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          ++connections;
          while (!read_head(stream).empty()) say(stream, ok(std::string(100'000, 'x')));
        });
    HttpClient client{pair.client, {}};
    for (int i = 0; i < 3; ++i) {
      auto response = client.open(get("http://server/"), soon());
      ASSERT_TRUE(response) << response.error().what;
      Bytes buffer(1000);
      std::size_t total = 0;
      while (auto const count = *response->body->read_some(buffer, soon())) total += count;
      EXPECT_EQ(total, 100'000u);
    }
    EXPECT_EQ(connections, 1);
    auto const unread = client.open(get("http://server/"), soon());
    EXPECT_TRUE(unread);
  });
}

TEST(HttpClient, serves_a_unix_socket_too) {
  simulate([](Pair const& pair) {
    auto listener = pair.server.network().listen_local("/run/node.sock");
    if (!listener && listener.error().fault == Fault::unsupported)
      GTEST_SKIP() << "no local sockets here";
    ASSERT_TRUE(listener) << listener.error().what;
    test::Ending const ending{pair.scope};
    pair.scope.spawn("server", [&] {
      auto stream = (*listener)->accept(Deadline::never());
      if (!stream) return;
      read_head(**stream);
      say(**stream, ok("local"));
    });
    auto stream = pair.server.network().connect_local("/run/node.sock", soon());
    ASSERT_TRUE(stream) << stream.error().what;
    auto response = http_over(*std::move(stream), get("http://node/status"), soon());
    ASSERT_TRUE(response) << response.error().what;
    Bytes buffer(10);
    EXPECT_EQ(*response->body->read_some(buffer, soon()), 5u);
  });
}

}  // namespace
}  // namespace mutirao::net
