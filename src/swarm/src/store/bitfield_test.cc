#include "mutirao/swarm/bitfield.h"

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

TEST(Bitfield, counts_what_is_set_and_reports_changes) {
  Bitfield field{130};
  EXPECT_TRUE(field.set(0));
  EXPECT_FALSE(field.set(0));
  EXPECT_TRUE(field.set(129));
  EXPECT_EQ(field.count(), 2u);
  EXPECT_TRUE(field.test(129));
  EXPECT_FALSE(field.test(128));
  EXPECT_TRUE(field.reset(129));
  EXPECT_FALSE(field.reset(129));
  EXPECT_EQ(field.count(), 1u);
}

TEST(Bitfield, fills_exactly_its_size) {
  for (std::size_t const size : {0u, 1u, 7u, 8u, 63u, 64u, 65u, 128u, 1000u}) {
    Bitfield all{size};
    all.set_all();
    EXPECT_TRUE(all.all());
    Bitfield one_by_one{size};
    for (std::size_t i = 0; i < size; ++i) one_by_one.set(i);
    EXPECT_EQ(all, one_by_one) << size;
    all.reset_all();
    EXPECT_TRUE(all.none());
    EXPECT_EQ(all, Bitfield{size});
  }
}

TEST(Bitfield, puts_the_first_piece_in_the_highest_bit_of_the_first_byte) {
  Bitfield field{20};
  field.set(0);
  field.set(9);
  field.set(19);
  EXPECT_EQ(field.to_wire(), (Bytes{0x80, 0x40, 0x10}));
}

TEST(Bitfield, comes_back_from_the_wire_the_same) {
  for (std::size_t size = 0; size < 200; ++size) {
    Bitfield field{size};
    for (std::size_t i = 0; i < size; i += 1 + i % 5) field.set(i);
    auto const back = Bitfield::from_wire(field.to_wire(), size);
    ASSERT_TRUE(back.has_value()) << size;
    EXPECT_EQ(*back, field) << size;
    EXPECT_EQ(back->count(), field.count()) << size;
  }
}

TEST(Bitfield, refuses_a_wrong_length_and_spare_bits) {
  EXPECT_EQ(Bitfield::from_wire(Bytes{0xff, 0xff}, 17).error().what,
            "a bitfield of 2 bytes came for 17 pieces, which take 3");
  EXPECT_EQ(Bitfield::from_wire(Bytes{0xff, 0xff, 0x80, 0}, 17).error().what,
            "a bitfield of 4 bytes came for 17 pieces, which take 3");
  EXPECT_EQ(Bitfield::from_wire(Bytes{0xff, 0xff, 0xc0}, 17).error().what,
            "a bitfield for 17 pieces has spare bits set");
  EXPECT_TRUE(Bitfield::from_wire(Bytes{0xff, 0xff, 0x80}, 17).has_value());
  EXPECT_TRUE(Bitfield::from_wire(Bytes{}, 0).has_value());
}

}  // namespace
}  // namespace mutirao::swarm
