#include "gunzip.h"

#include <gtest/gtest.h>

#include "test_gzip.h"

namespace mutirao::net {
namespace {

using base::view_of;
using test::gzip;

TEST(Gunzip, gives_the_text_back_however_it_arrives) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i);
  auto const packed = gzip(text);
  for (std::size_t const run : {std::size_t{1}, std::size_t{7}, packed.size()}) {
    Gunzip gunzip{text.size()};
    std::string out;
    for (std::size_t at = 0; at < packed.size(); at += run)
      ASSERT_TRUE(gunzip.feed(view_of(packed).subspan(at, std::min(run, packed.size() - at)), out));
    EXPECT_TRUE(gunzip.finish());
    EXPECT_EQ(out, text);
  }
}

TEST(Gunzip, members_in_a_row_are_one_text) {
  Gunzip gunzip{100};
  std::string out;
  ASSERT_TRUE(gunzip.feed(view_of(gzip("one ") + gzip("two")), out));
  EXPECT_TRUE(gunzip.finish());
  EXPECT_EQ(out, "one two");
}

TEST(Gunzip, a_bomb_stops_at_the_limit) {
  auto const bomb = gzip(std::string(50 << 20, '\0'));
  ASSERT_LT(bomb.size(), 100u << 10);
  Gunzip gunzip{1 << 20};
  std::string out;
  auto const fed = gunzip.feed(view_of(bomb), out);
  EXPECT_EQ(fed.error().fault, Fault::exhausted);
  EXPECT_LE(out.size(), (1u << 20) + 1);
}

TEST(Gunzip, what_is_exactly_as_long_as_the_limit_passes) {
  Gunzip gunzip{4};
  std::string out;
  ASSERT_TRUE(gunzip.feed(view_of(gzip("abcd")), out));
  EXPECT_TRUE(gunzip.finish());
  Gunzip tight{3};
  EXPECT_EQ(tight.feed(view_of(gzip("abcd")), out).error().fault, Fault::exhausted);
}

TEST(Gunzip, refuses_what_is_cut_or_is_no_gzip) {
  auto const packed = gzip("some text that is long enough");
  for (std::size_t size = 1; size < packed.size(); ++size) {
    Gunzip gunzip{1000};
    std::string out;
    ASSERT_TRUE(gunzip.feed(view_of(packed).first(size), out)) << size;
    EXPECT_EQ(gunzip.finish().error().fault, Fault::corrupt) << size;
  }
  Gunzip gunzip{1000};
  std::string out;
  EXPECT_EQ(gunzip.feed(view_of("<html>not gzip</html>"), out).error().fault, Fault::corrupt);
  auto broken = packed;
  broken[broken.size() - 6] ^= 1;  // the checksum
  Gunzip again{1000};
  EXPECT_EQ(again.feed(view_of(broken), out).error().fault, Fault::corrupt);
}

}  // namespace
}  // namespace mutirao::net
