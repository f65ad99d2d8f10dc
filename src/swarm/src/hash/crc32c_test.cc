#include "hash/crc32c.h"

#include <numeric>

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

// RFC 3720, B.4; "123456789" is the check value of every catalogue of CRCs.
TEST(Crc32c, gives_the_values_that_RFC_3720_prints) {
  Bytes ascending(32), descending(32);
  std::iota(ascending.begin(), ascending.end(), std::uint8_t{0});
  std::iota(descending.rbegin(), descending.rend(), std::uint8_t{0});
  for (auto const function : {&crc32c, &crc32c_plain}) {
    EXPECT_EQ(function(Bytes(32, 0x00), 0), 0x8a9136aau);
    EXPECT_EQ(function(Bytes(32, 0xff), 0), 0x62a8ab43u);
    EXPECT_EQ(function(ascending, 0), 0x46dd794eu);
    EXPECT_EQ(function(descending, 0), 0x113fdb5cu);
    EXPECT_EQ(function(base::view_of("123456789"), 0), 0xe3069283u);
    EXPECT_EQ(function({}, 0), 0u);
  }
}

TEST(Crc32c, of_a_whole_is_that_of_its_parts_in_a_row_at_any_length_and_alignment) {
  Bytes bytes(300);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 37 + i / 7);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    ByteView const all{bytes};
    EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), crc32c_plain(all)) << cut;
  }
}

}  // namespace
}  // namespace mutirao::swarm
