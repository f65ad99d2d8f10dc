#include <gtest/gtest.h>

#include "test_deadline.h"
#include "test_peers.h"

namespace mutirao::net {
namespace {

using base::view_of;
using test::get;
using test::Pair;
using test::read_all;
using test::read_head;
using test::say;
using test::simulate;
using test::soon;

wire::HttpFields no_fields() { return {}; }

/// Answers with method, path and body of the request.
Result<void> echo(HttpServerRequest const& request, HttpResponder& responder) {
  return responder.send(200, {},
                        request.head.method + ' ' + request.target.path + ' ' + request.body);
}

/// A server on its host, and raw connections to it.
struct Served {
  Pair const& pair;
  std::unique_ptr<world::Listener> listener;
  HttpServer server;

  Served(Pair const& p, HttpHandler handler, HttpServerOptions options = {})
      : pair{p},
        listener{*p.server.network().listen({.address = world::IpAddress::any(), .port = 80})},
        server{p.server, options, std::move(handler)} {
    pair.scope.spawn("serve", [this] { return server.serve(*listener); });
  }
  std::unique_ptr<world::Stream> connect() const {
    auto stream =
        pair.client.network().connect({.address = pair.server_address, .port = 80}, {}, soon());
    EXPECT_TRUE(stream) << stream.error().what;
    return *std::move(stream);
  }
  ~Served() {
    pair.scope.request_stop();
    (void)pair.scope.join();
  }
  Served(Served const&) = delete;
  Served& operator=(Served const&) = delete;

  /// All that the server says to `request` until it closes.
  std::string ask(std::string_view request) const {
    auto stream = connect();
    say(*stream, request);
    return read_all(*stream);
  }
};

std::string without_date(std::string text) {
  for (auto at = text.find("Date: "); at != std::string::npos; at = text.find("Date: "))
    text.erase(at, text.find("\r\n", at) + 2 - at);
  return text;
}

/// Runs `request` against a server with `handler`; the connection's whole output, dates left out.
std::string answer_to(std::string const& request, HttpHandler const& handler,
                      HttpServerOptions const& options = {}) {
  std::string answer;
  simulate([&](Pair const& pair) {
    Served const served{pair, handler, options};
    answer = without_date(served.ask(request));
  });
  return answer;
}

constexpr std::string_view kClose = "Host: a\r\nConnection: close\r\n\r\n";

TEST(HttpServer, answers_with_length_and_date) {
  EXPECT_EQ(answer_to("GET /x%20y HTTP/1.1\r\n" + std::string{kClose}, echo),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nGET /x y ");
  simulate([](Pair const& pair) {
    Served const served{pair, echo};
    EXPECT_TRUE(served.ask("GET / HTTP/1.1\r\n" + std::string{kClose}).contains(" GMT\r\n"));
  });
}

TEST(HttpServer, answers_pipelined_requests_in_their_order) {
  auto const answer = answer_to(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: "
      "4\r\n\r\nbodyGET /3 HTTP/1.1\r\n" +
          std::string{kClose},
      echo);
  auto const first = answer.find("GET /1 "), second = answer.find("POST /2 body"),
             third = answer.find("GET /3 ");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos) << answer;
}

TEST(HttpServer, reads_a_chunked_body) {
  EXPECT_TRUE(answer_to("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nConnection: "
                        "close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                        echo)
                  .ends_with("POST / abcde"));
}

TEST(HttpServer, http_1_0_closes_unless_asked_to_keep) {
  EXPECT_TRUE(answer_to("GET / HTTP/1.0\r\n\r\n", echo).contains("Connection: close\r\n"));
  auto const kept =
      answer_to("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n", echo);
  EXPECT_TRUE(kept.contains("Connection: keep-alive\r\n") && kept.contains("GET /2")) << kept;
}

TEST(HttpServer, head_is_get_without_its_body_and_the_handler_reads_nothing_in_vain) {
  int writes = 0;
  auto const handler = [&](HttpServerRequest const& request,
                           HttpResponder& responder) -> Result<void> {
    EXPECT_EQ(request.head.method, "GET");
    MUT_TRY(responder.begin(200, {}, 1000));
    for (int i = 0; i < 10; ++i) {
      ++writes;
      MUT_TRY(responder.write(view_of(std::string(100, 'x'))));
    }
    return {};
  };
  auto const answer = answer_to(
      "HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\n" + std::string{kClose}, handler);
  EXPECT_EQ(answer,
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
            "1000\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(writes, 2);
}

TEST(HttpServer, streams_chunks_as_they_are_written_and_until_the_end_for_http_1_0) {
  auto const handler = [](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
    MUT_TRY(responder.begin_chunked(200, {}));
    MUT_TRY(responder.write(view_of("one")));
    MUT_TRY(responder.write({}));
    return responder.write(view_of("and two"));
  };
  EXPECT_TRUE(answer_to("GET / HTTP/1.1\r\n" + std::string{kClose}, handler)
                  .ends_with("\r\n\r\n3\r\none\r\n7\r\nand two\r\n0\r\n\r\n"));
  EXPECT_TRUE(answer_to("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", handler)
                  .ends_with("Connection: close\r\n\r\noneand two"));
}

TEST(HttpServer, tells_what_is_wrong_with_a_request_and_never_hands_it_to_the_handler) {
  bool reached = false;
  auto const handler = [&](HttpServerRequest const& request, HttpResponder& responder) {
    reached = true;
    return echo(request, responder);
  };
  std::string const host = "Host: a\r\n";
  for (auto const& [status, request] : std::vector<std::pair<int, std::string>>{
           {400, "GET / HTTP/1.1\nHost: a\n\n"},
           {400, "GET / HTTP/1.1\r\n\r\n"},
           {400, "GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n"},
           {400, "GET /%zz HTTP/1.1\r\n" + host + "\r\n"},
           {400, "GET /%00 HTTP/1.1\r\n" + host + "\r\n"},
           {400, "POST / HTTP/1.1\r\n" + host +
                     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
           {400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"},
           {400, "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\n"},
           {400, "POST / HTTP/1.1\r\n" + host +
                     "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"},
           {400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"},
           {413, "POST / HTTP/1.1\r\n" + host + "Content-Length: 1048577\r\n\r\n"},
           {413, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n180000\r\n" +
                     std::string(0x180000, 'x')},
           {417, "POST / HTTP/1.1\r\n" + host + "Expect: magic\r\nContent-Length: 1\r\n\r\nx"},
           {431, "GET / HTTP/1.1\r\n" + host + "A: " + std::string(40'000, 'x') + "\r\n\r\n"},
           {501, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
           {505, "GET / HTTP/2.0\r\n" + host + "\r\n"},
           {400, "\x16\x03\x01 a TLS hello\n"}}) {
    auto const answer = answer_to(request, handler);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(status) + ' '))
        << request.substr(0, 100) << "\n-> " << answer;
    EXPECT_TRUE(answer.contains("Connection: close")) << answer;
  }
  EXPECT_FALSE(reached);
}

TEST(HttpServer, a_handler_that_fails_before_its_head_tells_what_and_mend) {
  auto const handler = [](HttpServerRequest const&, HttpResponder&) -> Result<void> {
    return fail(Fault::io, "disk on fire", "use another disk");
  };
  auto const answer = answer_to("GET / HTTP/1.1\r\n" + std::string{kClose}, handler);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ") &&
              answer.ends_with("\r\n\r\ndisk on fire\nuse another disk\n"))
      << answer;
  auto const silent = [](HttpServerRequest const&, HttpResponder&) -> Result<void> { return {}; };
  EXPECT_TRUE(
      answer_to("GET / HTTP/1.1\r\n" + std::string{kClose}, silent).starts_with("HTTP/1.1 500 "));
}

TEST(HttpServer, a_handler_that_fails_after_its_head_cuts_the_connection) {
  auto const known = [](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
    MUT_TRY(responder.begin(200, {}, 10));
    MUT_TRY(responder.write(view_of("half")));
    return fail(Fault::io, "disk on fire");
  };
  std::string const two = "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_TRUE(answer_to(two, known).ends_with("\r\n\r\nhalf"));
  auto const chunked = [](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
    MUT_TRY(responder.begin_chunked(200, {}));
    MUT_TRY(responder.write(view_of("half")));
    return fail(Fault::io, "disk on fire");
  };
  EXPECT_TRUE(answer_to(two, chunked).ends_with("4\r\nhalf\r\n"));
  auto const lazy = [](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
    MUT_TRY(responder.begin(200, {}, 10));
    return responder.write(view_of("half"));
  };
  EXPECT_TRUE(answer_to(two, lazy).ends_with("\r\n\r\nhalf"));
}

TEST(HttpServer, refuses_answers_that_would_break_the_message) {
  auto const handler = [](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
    wire::HttpFields fields;
    fields.add("Location", "/\r\nSet-Cookie: a=b");
    EXPECT_EQ(responder.send(302, fields, "").error().fault, Fault::invalid);
    fields = {};
    fields.add("Content-Length", "3");
    EXPECT_EQ(responder.send(200, fields, "").error().fault, Fault::invalid);
    EXPECT_EQ(responder.send(100, {}, "").error().fault, Fault::invalid);
    EXPECT_EQ(responder.send(204, {}, "x").error().fault, Fault::invalid);
    EXPECT_EQ(responder.write(view_of("x")).error().fault, Fault::invalid);
    MUT_TRY(responder.begin(200, {}, 3));
    EXPECT_EQ(responder.write(view_of("four")).error().fault, Fault::invalid);
    EXPECT_EQ(responder.send(200, {}, "").error().fault, Fault::invalid);
    return responder.write(view_of("abc"));
  };
  EXPECT_TRUE(
      answer_to("GET / HTTP/1.1\r\n" + std::string{kClose}, handler).ends_with("\r\n\r\nabc"));
}

TEST(HttpServer, invites_a_body_that_waits_for_it) {
  simulate([](Pair const& pair) {
    Served const served{pair, echo};
    auto stream = served.connect();
    say(*stream,
        "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" + std::string{kClose});
    EXPECT_EQ(read_head(*stream), "HTTP/1.1 100 Continue\r\n\r\n");
    say(*stream, "abc");
    EXPECT_TRUE(read_all(*stream).ends_with("POST / abc"));
    auto large = served.connect();
    say(*large, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n" +
                    std::string{kClose});
    EXPECT_TRUE(read_head(*large).starts_with("HTTP/1.1 413 "));
  });
}

// Goal: clients that dribble their bytes hold a connection for the head timeout and no longer.
// Method: one byte a second for ever; virtual time tells when the server hung up.
TEST(HttpServer, a_slow_loris_is_gone_after_the_head_timeout) {
  for (std::string const start : {"", "GET / HTTP/1.1\r\nHost: a\r\n"}) {
    simulate([&](Pair const& pair) {
      Served const served{pair, echo, {.head_timeout = 10s}};
      auto stream = served.connect();
      auto const started = threads::now();
      test::Ending const ending{pair.scope};
      pair.scope.spawn("reader", [&] {
        auto const answer = read_all(*stream);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
        EXPECT_LT(threads::now() - started, Duration{13s});
        stream->close();
      });
      say(*stream, start + "X: ");
      for (int i = 0; i < 30 && stream->write_all("a", soon()); ++i) (void)threads::sleep_for(1s);
      EXPECT_LT(threads::now() - started, Duration{15s});
    });
  }
}

TEST(HttpServer, a_body_byte_by_byte_is_cut_off_too) {
  simulate([](Pair const& pair) {
    Served const served{pair, echo, {.head_timeout = 10s}};
    auto stream = served.connect();
    say(*stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    int sent = 0;
    while (sent < 1000 && stream->write_all("a", soon())) {
      ++sent;
      (void)threads::sleep_for(1s);
    }
    EXPECT_LT(sent, 30);
  });
}

TEST(HttpServer, closes_connections_that_say_nothing) {
  simulate([](Pair const& pair) {
    Served const served{pair, echo, {.head_timeout = 10s, .idle_timeout = 60s}};
    auto const started = threads::now();
    auto silent = served.connect();
    EXPECT_EQ(read_all(*silent), "");
    EXPECT_LT(threads::now() - started, Duration{12s});
    auto kept = served.connect();
    say(*kept, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    auto const asked = threads::now();
    EXPECT_FALSE(read_all(*kept).empty());
    EXPECT_GE(threads::now() - asked, Duration{59s});
    EXPECT_LT(threads::now() - asked, Duration{65s});
  });
}

// Goal: a client that asks for much and reads nothing frees its thread after the write timeout.
TEST(HttpServer, gives_up_on_a_client_that_reads_nothing) {
  simulate([](Pair const& pair) {
    bool failed = false;
    Served const served{pair,
                        [&](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
                          auto const sent =
                              responder.send(200, no_fields(), std::string(10 << 20, 'x'));
                          failed = !sent;
                          return sent;
                        },
                        {.write_timeout = 30s}};
    auto stream = served.connect();
    say(*stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)threads::sleep_for(45s);
    EXPECT_TRUE(failed);
  });
}

TEST(HttpServer, notices_a_client_that_went_away_from_a_long_stream) {
  simulate([](Pair const& pair) {
    bool noticed = false;
    Served const served{pair,
                        [&](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
                          MUT_TRY(responder.begin_chunked(200, {}));
                          EXPECT_FALSE(responder.client_gone());
                          for (int i = 0; i < 100 && !responder.client_gone(); ++i)
                            (void)threads::sleep_for(1s);
                          noticed = responder.client_gone();
                          return {};
                        }};
    auto stream = served.connect();
    say(*stream, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)read_head(*stream);
    (void)threads::sleep_for(5s);
    stream.reset();
    (void)threads::sleep_for(10s);
    EXPECT_TRUE(noticed);
  });
}

TEST(HttpServer, one_connection_too_many_is_told_so) {
  for (auto const& options : {HttpServerOptions{.connections_max = 2},
                              HttpServerOptions{.connections_per_address_max = 2}}) {
    simulate([&](Pair const& pair) {
      Served const served{pair, echo, options};
      auto first = served.connect();
      auto second = served.connect();
      (void)threads::sleep_for(1s);
      EXPECT_TRUE(served.ask("").starts_with("HTTP/1.1 503 "));
      first.reset();
      (void)threads::sleep_for(1s);
      EXPECT_TRUE(
          served.ask("GET / HTTP/1.1\r\n" + std::string{kClose}).starts_with("HTTP/1.1 200 "));
    });
  }
}

// Goal: closing the listener ends idle connections at once and lets a request under way finish.
TEST(HttpServer, ends_gracefully) {
  simulate([](Pair const& pair) {
    Served const served{
        pair, [&](HttpServerRequest const& request, HttpResponder& responder) -> Result<void> {
          if (request.target.path == "/slow") MUT_TRY(threads::sleep_for(2s));
          return echo(request, responder);
        }};
    auto idle = served.connect();
    say(*idle, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)read_head(*idle);
    auto busy = served.connect();
    say(*busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)threads::sleep_for(1s);
    auto const closed = threads::now();
    served.listener->close();
    (void)read_all(*idle);
    EXPECT_LT(threads::now() - closed, Duration{1s});
    EXPECT_TRUE(read_all(*busy).ends_with("GET /slow "));
    EXPECT_TRUE(pair.scope.join());
    EXPECT_LT(threads::now() - closed, Duration{4s});
  });
}

TEST(HttpServer, a_stop_ends_even_an_endless_answer) {
  simulate([](Pair const& pair) {
    Served const served{pair,
                        [&](HttpServerRequest const&, HttpResponder& responder) -> Result<void> {
                          MUT_TRY(responder.begin_chunked(200, {}));
                          while (true) MUT_TRY(threads::sleep_for(1s));
                        }};
    auto stream = served.connect();
    say(*stream, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)threads::sleep_for(5s);
    auto const stopped = threads::now();
    pair.scope.request_stop();
    (void)pair.scope.join();
    EXPECT_LT(threads::now() - stopped, Duration{2s});
  });
}

TEST(HttpServer, goes_on_with_what_another_reader_has_read_already) {
  simulate([](Pair const& pair) {
    HttpServer server{pair.server, {}, echo};
    auto listener = *pair.server.network().listen({.address = world::IpAddress::any(), .port = 80});
    test::Ending const ending{pair.scope};
    pair.scope.spawn("many protocols", [&] {
      auto stream = *listener->accept(Deadline::never());
      Bytes first(4);
      ASSERT_TRUE(stream->read_exactly(first, soon()));
      server.serve_connection(std::move(stream), first);
    });
    auto stream =
        *pair.client.network().connect({.address = pair.server_address, .port = 80}, {}, soon());
    say(*stream, "GET /x HTTP/1.1\r\n" + std::string{kClose});
    EXPECT_TRUE(read_all(*stream).ends_with("GET /x "));
  });
}

TEST(HttpServer, and_the_client_of_this_module_understand_each_other) {
  simulate([](Pair const& pair) {
    Served const served{pair, echo};
    HttpClient client{pair.client, {}};
    for (int i = 0; i < 20; ++i) {
      auto request = get("http://server/" + std::to_string(i));
      request.method = "PUT";
      request.body = std::string(static_cast<std::size_t>(i) * 1000, 'x');
      auto const response = client.fetch(request, soon());
      ASSERT_TRUE(response) << response.error().what;
      EXPECT_EQ(response->body, "PUT /" + std::to_string(i) + ' ' + request.body);
    }
  });
}

}  // namespace
}  // namespace mutirao::net
