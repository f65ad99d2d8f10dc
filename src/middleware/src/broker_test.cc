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
    SampleServer server{world, {.name = "small", .connections_max = 2}};
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
    EXPECT_THAT(refused.error().what, HasSubstr("small serves 2 connections, and no more"));
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

}  // namespace
}  // namespace mutirao::middleware
