#include "mutirao/middleware/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

using testing::HasSubstr;

/// All that comes, to the end.
std::string heard(world::Stream& stream) {
  std::string text;
  std::array<std::uint8_t, 1000> buffer;
  for (;;) {
    auto const count = stream.read_some(buffer, threads::within(5s));
    if (!count || *count == 0) return text;
    text += base::text_of(ByteView{buffer}.first(*count));
  }
}

// Goal: a node that is full says so in whatever protocol it is asked, goes on for those who are
// there, and has room again when one of them leaves.
TEST(Broker, tells_one_connection_too_many_that_it_is_full) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world, {.connections_max = 2}};
    auto const connect = [&] {
      return *world.network().connect(server.endpoint(), {}, threads::within(5s));
    };
    auto first = std::make_unique<Broker>(world);
    Broker second{world};
    auto const in = *second.find<Sample>("sample@" + server.address());
    EXPECT_TRUE(first->find<Sample>("sample@" + server.address())->get());
    EXPECT_TRUE(in.get());

    Broker third{world};
    auto const out = *third.find<Sample>("sample@" + server.address());
    auto const refused = out.get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
    EXPECT_THAT(refused.error().what, HasSubstr("there are 2 connections, and no room for more"));
    auto const http = connect();
    ASSERT_TRUE(http->write_all("GET /o HTTP/1.1\r\nHost: localhost\r\n\r\n", threads::within(5s)));
    EXPECT_THAT(heard(*http), testing::AllOf(testing::StartsWith("HTTP/1.1 503 "),
                                             HasSubstr("\"fault\":\"exhausted\"")));
    auto const rpc = connect();
    ASSERT_TRUE(rpc->write_all("\x94", threads::within(5s)));
    EXPECT_EQ(heard(*rpc), "");

    EXPECT_TRUE(in.get());
    first.reset();
    while (!out.get()) ASSERT_TRUE(threads::sleep_for(5ms));
  });
}

/// A server whom callers know, and whom it knows.
class KnownCallers {
 public:
  explicit KnownCallers(world::World& w, ServeOptions serve = {})
      : world{w},
        server{w,
               {.identity = net::TlsIdentity::make(w.entropy()),
                .accepts =
                    [this](net::PublicKey const& key) {
                      return !revoked && key == friendly.public_key();
                    }},
               serve} {}
  world::World& world;
  net::TlsIdentity friendly = net::TlsIdentity::make(world.entropy());
  std::atomic<bool> revoked = false;
  SampleServer server;
};

TEST(Broker, takes_nothing_but_tls_where_it_is_told_to) {
  in_the_real_world([](world::World& world) {
    KnownCallers here{world, {.tls_only = true}};
    Broker client{world, {.identity = here.friendly}};
    EXPECT_TRUE(client.find<Sample>("sample@" + here.server.tls_address())->get());
    auto const plain = client.find<Sample>("sample@" + here.server.address())->get();
    ASSERT_FALSE(plain);
    EXPECT_THAT(plain.error().what, HasSubstr("nothing but TLS"));
    auto const http = *world.network().connect(here.server.endpoint(), {}, threads::within(5s));
    ASSERT_TRUE(http->write_all("GET /o HTTP/1.1\r\nHost: localhost\r\n\r\n", threads::within(5s)));
    EXPECT_THAT(heard(*http), HasSubstr("nothing but TLS"));
    EXPECT_EQ(here.server.state.total, 0);
  });
}

TEST(Broker, ends_the_connections_of_somebody_who_may_come_no_more) {
  in_the_real_world([](world::World& world) {
    KnownCallers here{world};
    Broker client{world, {.identity = here.friendly}};
    auto const sample = *client.find<Sample>("sample@" + here.server.tls_address());
    threads::scope callers;
    callers.spawn("caller", [&] { EXPECT_FALSE(sample.nap(1h)); });
    while (here.server.state.naps_under_way == 0) ASSERT_TRUE(threads::sleep_for(1ms));
    here.server.broker().end_connections_of(net::TlsIdentity::make(world.entropy()).public_key());
    EXPECT_TRUE(sample.get());
    here.revoked = true;
    here.server.broker().end_connections_of(here.friendly.public_key());
    EXPECT_TRUE(callers.join());
    auto const refused = sample.get();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().what, HasSubstr("does not accept our key"));
  });
}

}  // namespace
}  // namespace mutirao::middleware
