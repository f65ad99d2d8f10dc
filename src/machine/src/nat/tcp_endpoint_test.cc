#include "nat/tcp_endpoint.h"

#include <gtest/gtest.h>

namespace mutirao::machine::nat {
namespace {

using Flags = TcpSegment;

/// The guest's end by numbers, which begin near where they wrap.
struct TcpEndpointTest : testing::Test {
  static constexpr std::uint32_t kGuestInitial = 0xFFFF'FF00, kOurInitial = 0xFFFF'FFF0;
  std::uint32_t sequence = kGuestInitial, heard = 0;
  std::uint16_t window = 0xFFFF;
  TcpEndpoint endpoint = TcpEndpoint::opened_by_guest(segment(Flags::kSyn), kOurInitial);

  TcpSegment segment(std::uint8_t flags, ByteView payload = {}) const {
    return {.source_port = 40000,
            .destination_port = 80,
            .sequence = sequence,
            .acknowledged = heard,
            .flags = flags,
            .window = window,
            .segment_bytes_max = 1000,
            .window_scale = 0,
            .payload = payload};
  }
  void send(std::uint8_t flags, ByteView payload = {}) {
    auto const sent = segment(flags, payload);
    endpoint.receive(sent);
    sequence += sent.length();
  }
  /// What comes, if it is that.
  TcpEndpoint::Outgoing expect(std::uint8_t flags, std::size_t payload_max = 60'000) {
    auto out = endpoint.next(payload_max);
    EXPECT_TRUE(out);
    if (!out) return {};
    EXPECT_EQ(out->segment.flags & ~Flags::kPush, flags);
    heard = out->segment.sequence + static_cast<std::uint32_t>(out->payload.size()) +
            (out->segment.has(Flags::kSyn) ? 1 : 0) + (out->segment.has(Flags::kFin) ? 1 : 0);
    return *out;
  }
  void expect_nothing() { EXPECT_FALSE(endpoint.next(60'000)); }
  void open() {
    sequence = kGuestInitial + 1;
    endpoint.host_connected();
    expect(Flags::kSyn | Flags::kAck);
    send(Flags::kAck);
    ASSERT_TRUE(endpoint.established());
    while (endpoint.next(0)) {
    }
  }
};

TEST_F(TcpEndpointTest, answers_a_guest_only_when_the_host_is_connected) {
  expect_nothing();
  send(Flags::kSyn);
  expect_nothing();
  endpoint.host_connected();
  auto const answer = expect(Flags::kSyn | Flags::kAck);
  EXPECT_EQ(answer.segment.sequence, kOurInitial);
  EXPECT_EQ(answer.segment.acknowledged, kGuestInitial + 1);
  EXPECT_EQ(answer.segment.segment_bytes_max, 1460);
  EXPECT_EQ(answer.segment.window_scale, 4);
  EXPECT_EQ(endpoint.segment_bytes(), 1000);
  EXPECT_FALSE(endpoint.established());
  send(Flags::kAck);
  EXPECT_TRUE(endpoint.established());
}

TEST_F(TcpEndpointTest, says_it_again_to_a_guest_that_asks_again) {
  endpoint.host_connected();
  expect(Flags::kSyn | Flags::kAck);
  expect_nothing();
  endpoint.receive(segment(Flags::kSyn));
  EXPECT_EQ(expect(Flags::kSyn | Flags::kAck).segment.sequence, kOurInitial);
}

TEST_F(TcpEndpointTest, keeps_the_order_of_what_comes_and_takes_nothing_twice) {
  open();
  send(Flags::kAck, base::view_of("one"));
  sequence += 3;
  send(Flags::kAck, base::view_of("three"));
  EXPECT_EQ(endpoint.to_host.size(), 3u) << "something is missing between";
  sequence -= 8;
  send(Flags::kAck, base::view_of("two"));
  sequence -= 3;
  send(Flags::kAck, base::view_of("two, four"));
  auto const view = endpoint.to_host.view(0, endpoint.to_host.size());
  EXPECT_EQ(base::text_of(view.first), "onetwo, four");
  EXPECT_EQ(expect(Flags::kAck).segment.acknowledged, kGuestInitial + 1 + 12);
}

TEST_F(TcpEndpointTest, believes_no_number_that_is_far_from_what_is_due) {
  open();
  sequence += 1 << 20;
  send(Flags::kAck, base::view_of("far ahead"));
  EXPECT_EQ(endpoint.to_host.size(), 0u);
  expect(Flags::kAck);
  send(Flags::kReset);
  EXPECT_FALSE(endpoint.aborted()) << "a reset from somewhere";
  sequence = kGuestInitial + 1;
  heard += 5000;
  send(Flags::kAck, base::view_of("of what was never sent"));
  EXPECT_EQ(endpoint.to_host.size(), 0u);
  EXPECT_FALSE(endpoint.aborted());
  sequence = kGuestInitial + 1;
  heard -= 5000;
  send(Flags::kReset);
  EXPECT_TRUE(endpoint.aborted());
  EXPECT_TRUE(endpoint.silent());
}

TEST_F(TcpEndpointTest, stops_the_guest_when_the_host_takes_nothing_and_tells_when_it_does) {
  open();
  Bytes const chunk(32 << 10);
  for (int i = 0; i < 8; ++i) send(Flags::kAck, chunk);
  EXPECT_EQ(endpoint.to_host.free(), 0u);
  EXPECT_EQ(expect(Flags::kAck).segment.window, 0);
  send(Flags::kAck, base::view_of("x"));
  EXPECT_EQ(endpoint.to_host.free(), 0u);
  EXPECT_EQ(expect(Flags::kAck).segment.acknowledged, kGuestInitial + 1 + (256u << 10));
  endpoint.to_host.drop(1000);
  expect_nothing();
  endpoint.to_host.drop(100'000);
  EXPECT_EQ(expect(Flags::kAck).segment.window, 101'000 / 16);
  expect_nothing();
}

TEST_F(TcpEndpointTest, sends_what_the_window_allows_and_no_crumbs) {
  window = 2500;
  open();
  endpoint.to_guest.append(Bytes(6000));
  EXPECT_EQ(expect(Flags::kAck, 1000).payload.size(), 1000u);
  EXPECT_EQ(expect(Flags::kAck, 1000).payload.size(), 1000u);
  expect_nothing();  // 500 would go, and soon more will
  send(Flags::kAck);
  EXPECT_EQ(expect(Flags::kAck, 60'000).payload.size(), 2500u);
  send(Flags::kAck);
  EXPECT_EQ(expect(Flags::kAck, 60'000).payload.size(), 1500u);
  send(Flags::kAck);
  EXPECT_EQ(endpoint.to_guest.size(), 0u);
}

TEST_F(TcpEndpointTest, ends_in_order_whoever_ends_first) {
  open();
  endpoint.to_guest.append(base::view_of("last words"));
  endpoint.finish_to_guest();
  EXPECT_EQ(expect(Flags::kAck).payload.size(), 10u);
  expect(Flags::kAck | Flags::kFin);
  send(Flags::kAck, base::view_of("still talking"));
  EXPECT_FALSE(endpoint.closed());
  expect(Flags::kAck);
  send(Flags::kAck | Flags::kFin);
  EXPECT_TRUE(endpoint.guest_finished());
  expect(Flags::kAck);
  EXPECT_TRUE(endpoint.closed());
  EXPECT_EQ(endpoint.to_host.size(), 13u);
}

TEST_F(TcpEndpointTest, sends_again_when_the_guest_keeps_silent_and_gives_up_in_the_end) {
  open();
  endpoint.to_guest.append(base::view_of("words"));
  endpoint.finish_to_guest();
  auto const first = expect(Flags::kAck).segment.sequence;
  expect(Flags::kAck | Flags::kFin);
  TimePoint now{};
  endpoint.tick(now, true);
  endpoint.tick(now += 500ms, true);
  expect_nothing();
  endpoint.tick(now += 600ms, true);
  EXPECT_EQ(expect(Flags::kAck).segment.sequence, first);
  expect(Flags::kAck | Flags::kFin);
  for (int i = 0; i < 60 && !endpoint.aborted(); ++i) {
    endpoint.tick(now += 40s, true);
    while (endpoint.next(1000)) {
    }
  }
  EXPECT_TRUE(endpoint.aborted());
}

TEST_F(TcpEndpointTest, blames_no_guest_that_has_not_got_it_yet) {
  open();
  endpoint.to_guest.append(base::view_of("words"));
  expect(Flags::kAck);
  TimePoint now{};
  for (int i = 0; i < 100; ++i) endpoint.tick(now += 1min, false);
  expect_nothing();
  EXPECT_FALSE(endpoint.aborted());
}

TEST_F(TcpEndpointTest, sends_again_at_once_when_the_guest_repeats_itself) {
  open();
  endpoint.to_guest.append(Bytes(3000));
  auto const before = heard;
  auto const first = expect(Flags::kAck, 1000).segment.sequence;
  expect(Flags::kAck, 1000);
  expect(Flags::kAck, 1000);
  heard = before;
  for (int i = 0; i < 3; ++i) {
    expect_nothing();
    send(Flags::kAck);
  }
  EXPECT_EQ(expect(Flags::kAck, 1000).segment.sequence, first);
}

TEST_F(TcpEndpointTest, opens_to_a_guest_for_somebody_outside) {
  endpoint = TcpEndpoint::opened_by_host(kOurInitial);
  EXPECT_EQ(expect(Flags::kSyn).segment.window_scale, 4);
  heard = 5;
  send(Flags::kSyn | Flags::kAck);
  EXPECT_FALSE(endpoint.established()) << "that answers something else";
  sequence = kGuestInitial;
  heard = kOurInitial + 1;
  send(Flags::kSyn | Flags::kAck);
  EXPECT_TRUE(endpoint.established());
  EXPECT_EQ(expect(Flags::kAck).segment.acknowledged, kGuestInitial + 1);
}

TEST_F(TcpEndpointTest, tells_a_guest_of_an_abort_once) {
  open();
  endpoint.abort();
  expect(Flags::kReset | Flags::kAck);
  expect_nothing();
  EXPECT_TRUE(endpoint.silent());
}

}  // namespace
}  // namespace mutirao::machine::nat
