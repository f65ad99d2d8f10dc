#include "gateways/message_scanner.h"

#include <gtest/gtest.h>

#include "mutirao/wire/msgpack.h"

namespace mutirao::middleware {
namespace {

TEST(MessageScanner, finds_the_end_of_a_message_that_comes_byte_by_byte) {
  wire::MsgpackWriter out;
  out.array(4).integer(0).integer(7).string("counter.add");
  out.array(2).map(1).string("k").bytes(Bytes(300));
  out.number(1.5);
  MessageScanner scanner{1000};
  auto const message = out.written();
  for (std::size_t i = 0; i < message.size(); ++i) {
    EXPECT_FALSE(scanner.done());
    EXPECT_EQ(scanner.feed(message.subspan(i, 1)), 1u);
  }
  EXPECT_TRUE(scanner.done());
  scanner.reset();
  Bytes twice{message.begin(), message.end()};
  twice.insert(twice.end(), message.begin(), message.end());
  EXPECT_EQ(scanner.feed(twice), message.size());
}

TEST(MessageScanner, refuses_what_a_message_announces_and_cannot_hold) {
  for (Bytes const& lie : {Bytes{0x94, 0xdd, 0xff, 0xff, 0xff, 0xff}, Bytes{0xdf, 0x80, 0, 0, 0},
                           Bytes{0x94, 0xdb, 0x7f, 0xff, 0xff, 0xff}, Bytes{0xc1}}) {
    MessageScanner scanner{16 << 20};
    EXPECT_FALSE(scanner.feed(lie)) << base::to_hex(lie);
  }
}

TEST(MessageScanner, refuses_an_endless_message) {
  MessageScanner deep{16 << 20};
  EXPECT_EQ(deep.feed(Bytes(100, 0x91)).error().fault, Fault::exhausted);
  MessageScanner wide{1 << 20};
  // Arrays of arrays: each announces a little more than has come.
  Bytes arrays;
  for (int i = 0; i < 1 << 20; ++i) arrays.push_back(i % 2 == 0 ? 0x9f : 0xc0);
  EXPECT_FALSE(wide.feed(arrays));
}

}  // namespace
}  // namespace mutirao::middleware
