// A web seed that lies: every wrong range, length and status is an error, never a guess.
#include "mutirao/swarm/web_seed.h"

#include <gtest/gtest.h>

#include "mutirao/net/http_server.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "site/site_fixture.h"
#include "web_seed/web_seed_url.h"

namespace mutirao::swarm {
namespace {

using Handler = std::function<Result<void>(net::HttpServerRequest const&, net::HttpResponder&)>;

/// What reading 10 bytes at 5 of a file of 100 from such a server comes to.
Result<Bytes> read_from(Handler handler, std::uint64_t offset = 5, std::size_t length = 10) {
  Result<Bytes> out = fail(Fault::io, "not run");
  sim::Simulation simulation{{.seed = 1, .network = {}}};
  simulation.run([&](sim::Simulation&) {
    auto& host = simulation.add_host("seed");
    auto listener = host.world().network().listen({world::IpAddress::any(), 80}).value();
    net::HttpServer server{host.world(), {}, handler};
    threads::scope scope;
    scope.spawn("http", [&] { static_cast<void>(server.serve(*listener)); });
    net::HttpClient client{simulation.add_host("client").world(), {}};
    WebSeed seed{client, "http://seed/file", fixture_metainfo("file", {{"", 100}})};
    Bytes into(length);
    auto const read = seed.read(offset, into, threads::within(1min));
    out = read ? Result<Bytes>{into} : std::unexpected{read.error()};
    scope.request_stop();
  });
  return out;
}

wire::HttpFields range(std::string value) {
  wire::HttpFields fields;
  fields.add("Content-Range", std::move(value));
  return fields;
}
Handler answer(int status, wire::HttpFields fields, std::string body) {
  return [=](net::HttpServerRequest const&, net::HttpResponder& responder) {
    return responder.send(status, fields, body);
  };
}
Handler chunked(wire::HttpFields fields, std::string body) {
  return [=](net::HttpServerRequest const&, net::HttpResponder& responder) -> Result<void> {
    MUT_TRY(responder.begin_chunked(206, fields));
    return responder.write(base::view_of(body));
  };
}

TEST(WebSeed, takes_exactly_the_range_that_it_asked_for) {
  auto const read =
      read_from([](net::HttpServerRequest const& request, net::HttpResponder& responder) {
        EXPECT_EQ(request.head.fields.find("Range"), "bytes=5-14");
        return responder.send(206, range("bytes 5-14/100"), "0123456789");
      });
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(base::text_of(*read), "0123456789");
  EXPECT_TRUE(read_from(chunked(range("bytes 5-14/*"), "0123456789")));
}

TEST(WebSeed, takes_a_whole_answer_only_when_it_asked_for_the_whole) {
  EXPECT_EQ(read_from(answer(200, {}, std::string(100, 'x'))).error().fault, Fault::unsupported);
  EXPECT_TRUE(read_from(answer(200, {}, std::string(100, 'x')), 0, 100));
  EXPECT_FALSE(read_from(answer(200, {}, std::string(101, 'x')), 0, 100));
  EXPECT_FALSE(read_from(answer(200, {}, std::string(10, 'x'))));
}

TEST(WebSeed, refuses_every_other_answer) {
  struct Case {
    Handler handler;
    Fault fault;
  };
  wire::HttpFields coded = range("bytes 5-14/100");
  coded.add("Content-Encoding", "gzip");
  for (auto const& [handler, fault] : {
           Case{answer(206, {}, "0123456789"), Fault::corrupt},  // no range
           Case{answer(206, range("bytes 6-15/100"), "0123456789"),
                Fault::corrupt},  // another range
           Case{answer(206, range("bytes 5-13/100"), "012345678"), Fault::corrupt},  // shorter
           Case{answer(206, range("bytes 5-14/101"), "0123456789"),
                Fault::corrupt},  // another file
           Case{answer(206, range("bytes 5-14/100"), "01234567890"),
                Fault::corrupt},  // longer body
           Case{chunked(range("bytes 5-14/100"), "01234567890"),
                Fault::corrupt},                                              // longer, by chunks
           Case{chunked(range("bytes 5-14/100"), "012345"), Fault::corrupt},  // shorter, by chunks
           Case{answer(206, range("nonsense"), "0123456789"), Fault::corrupt},
           Case{answer(206, coded, "0123456789"), Fault::unsupported},
           Case{answer(404, {}, "no"), Fault::not_found},
           Case{answer(416, range("bytes */3"), ""), Fault::corrupt},
           Case{answer(403, {}, "no"), Fault::refused},
           Case{answer(503, {}, "later"), Fault::refused},
       }) {
    auto const read = read_from(handler);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().fault, fault) << read.error().what;
    EXPECT_TRUE(read.error().what.starts_with("web seed http://seed:80, file: "))
        << read.error().what;
  }
}

TEST(WebSeed, finds_files_where_the_standard_puts_them) {
  auto const single = fixture_metainfo("a file.iso", {{"", 100}});
  EXPECT_TRUE(is_single_file(*single));
  EXPECT_EQ(web_seed_url("http://x/other.iso", *single, single->files()[0]), "http://x/other.iso");
  EXPECT_EQ(web_seed_url("http://x/pub/", *single, single->files()[0]),
            "http://x/pub/a%20file.iso");
  auto const folder = fixture_metainfo("set", {{"d/e f", 1}, {"g", 1}});
  EXPECT_FALSE(is_single_file(*folder));
  EXPECT_EQ(web_seed_url("http://x/pub", *folder, folder->files()[0]), "http://x/pub/set/d/e%20f");
  EXPECT_EQ(web_seed_url("http://x/pub/", *folder, folder->files()[1]), "http://x/pub/set/g");
}

}  // namespace
}  // namespace mutirao::swarm
