#include <gtest/gtest.h>

#include "mutirao/base/bytes.h"
#include "mutirao/base/log.h"
#include "mutirao/base/result.h"
#include "mutirao/base/units.h"

namespace mutirao::base {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Fault::invalid, "odd");
  return n / 2;
}
Result<int> quarter(int n) { return MUT_TRY(half(MUT_TRY(half(n)))); }

TEST(Result, try_returns_the_value_or_leaves_with_the_error) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().what, "odd");
}

TEST(Error, tells_the_story_from_the_outside_in) {
  auto const error = Error{Fault::io, "disk on fire", {}}.during("read a").during("share b");
  EXPECT_EQ(error.what, "share b: read a: disk on fire");
}

TEST(StderrLog, lets_no_name_end_its_line_or_its_message) {
  testing::internal::CaptureStderr();
  StderrLog log{LogLevel::info};
  log.info("m", "shares {}", "a\" b\\c\nd\x7f ação");
  auto const line = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(line.ends_with("level=info module=m msg=\"shares a\\\" b\\\\c\\x0ad\\x7f ação\"\n"))
      << line;
}

TEST(Bytes, hex_survives_a_round_trip_and_refuses_what_is_not_hex) {
  Bytes const bytes{0x00, 0xde, 0xad, 0xff};
  EXPECT_EQ(to_hex(bytes), "00deadff");
  EXPECT_EQ(from_hex("00DEadff"), bytes);
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Bytes, base32_reads_the_vectors_of_rfc_4648) {
  EXPECT_EQ(text_of(*from_base32("MZXW6YTB")), "fooba");
  EXPECT_EQ(text_of(*from_base32("mzxw6")), "foo");
  EXPECT_FALSE(from_base32("M1"));
}

TEST(Bytes, base32_survives_a_round_trip_at_every_length) {
  EXPECT_EQ(to_base32(view_of("fooba")), "mzxw6ytb");
  EXPECT_EQ(to_base32(view_of("foobar")), "mzxw6ytboi");
  for (std::size_t size = 0; size < 12; ++size) {
    Bytes const bytes(size, 0xb7);
    EXPECT_EQ(from_base32(to_base32(bytes)), bytes);
  }
}

TEST(Bytes, percent_encoding_refuses_a_broken_escape) {
  EXPECT_EQ(percent_encode(view_of("a b/%")), "a%20b%2F%25");
  EXPECT_EQ(percent_decode("a%20b%2F%25"), "a b/%");
  EXPECT_FALSE(percent_decode("%2"));
  EXPECT_FALSE(percent_decode("%zz"));
}

TEST(Bytes, big_endian_is_the_order_of_the_network) {
  Bytes out;
  append_be<std::uint32_t>(out, 0x01020304);
  EXPECT_EQ(to_hex(out), "01020304");
  EXPECT_EQ(load_be<std::uint32_t>(out), 0x01020304u);
}

TEST(Units, read_well_at_the_edges_of_each_prefix) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(999'600), "1.00 MB");
  EXPECT_EQ(format_bytes(48'200'000), "48.2 MB");
  EXPECT_EQ(format_duration(std::chrono::milliseconds{12'345}), "12 s");
  EXPECT_EQ(format_duration(std::chrono::seconds{200}), "3 min 20 s");
}

}  // namespace
}  // namespace mutirao::base
