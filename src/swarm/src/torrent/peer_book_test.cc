#include "torrent/peer_book.h"

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

using world::Endpoint;
using world::IpAddress;

Endpoint peer(std::uint8_t last, std::uint16_t port = 6881) {
  return {IpAddress::v4({10, 0, 0, last}), port};
}
TimePoint at(int seconds) { return TimePoint{std::chrono::seconds{seconds}}; }

TEST(PeerBook, gives_each_peer_once_until_its_connection_ended) {
  PeerBook book;
  EXPECT_TRUE(book.add(peer(1), at(0)));
  EXPECT_TRUE(book.add(peer(1), at(0)));
  EXPECT_EQ(book.next(at(0)), peer(1));
  EXPECT_EQ(book.next(at(0)), std::nullopt);
  book.ended(peer(1), at(10));
  EXPECT_EQ(book.next(at(60)), peer(1));
}

// Goal: who has no tracker may know one address alone; a night without network must not lose it.
TEST(PeerBook, waits_longer_after_each_failure_but_never_gives_up) {
  PeerBook book;
  book.add(peer(1), at(0));
  auto now = TimePoint{at(0)};
  Duration before{0};
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(book.next(now), peer(1));
    book.failed(peer(1), now);
    EXPECT_EQ(book.next(now), std::nullopt);
    auto const due = book.next_due();
    ASSERT_TRUE(due);
    EXPECT_GE(*due - now, before);
    before = *due - now;
    now = *due;
  }
  EXPECT_EQ(before, 10min);
  book.ended(peer(1), now);
  EXPECT_LT(*book.next_due() - now, 10s) << "once it was of use, the count begins anew";
}

TEST(PeerBook, never_takes_back_who_lied_not_even_from_another_port) {
  PeerBook book;
  book.add(peer(1), at(0));
  book.ban(peer(1, 50000));
  EXPECT_EQ(book.next(at(0)), std::nullopt);
  EXPECT_FALSE(book.add(peer(1, 7000), at(0)));
  EXPECT_TRUE(book.add(peer(2), at(0)));
}

TEST(PeerBook, bans_one_port_only_on_loopback) {
  PeerBook book;
  book.ban({IpAddress::loopback(), 1000});
  EXPECT_FALSE(book.add({IpAddress::loopback(), 1000}, at(0)));
  EXPECT_TRUE(book.add({IpAddress::loopback(), 1001}, at(0)));
}

TEST(PeerBook, leaves_seeds_alone_when_it_seeds_itself) {
  PeerBook book;
  book.add(peer(1), at(0));
  book.set_seed(peer(1), true);
  book.skip_seeds(true);
  EXPECT_EQ(book.next(at(0)), std::nullopt);
  book.skip_seeds(false);
  EXPECT_EQ(book.next(at(0)), peer(1));
}

TEST(PeerBook, refuses_addresses_that_nobody_can_have) {
  PeerBook book;
  EXPECT_FALSE(book.add(peer(1, 0), at(0)));
  EXPECT_FALSE(book.add({IpAddress::any(), 6881}, at(0)));
}

TEST(PeerBook, is_bounded_and_forgets_the_worst_first) {
  PeerBook book;
  for (std::size_t i = 0; i < PeerBook::kPeersMax; ++i) {
    book.add({IpAddress::v4(
                  {10, 1, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256)}),
              6881},
             at(0));
  }
  EXPECT_FALSE(book.add(peer(1), at(0)));
  auto const bad = book.next(at(0));
  book.failed(*bad, at(0));
  EXPECT_TRUE(book.add(peer(1), at(0)));
  EXPECT_EQ(book.size(), PeerBook::kPeersMax);
}

}  // namespace
}  // namespace mutirao::swarm
