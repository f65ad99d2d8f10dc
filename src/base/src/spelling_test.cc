#include "mutirao/base/spelling.h"

#include <gtest/gtest.h>

namespace mutirao::base {
namespace {

TEST(EditDistance, counts_a_swap_of_neighbours_once) {
  EXPECT_EQ(edit_distance("share", "share"), 0u);
  EXPECT_EQ(edit_distance("shrae", "share"), 1u);
  EXPECT_EQ(edit_distance("", "get"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, stays_silent_when_nothing_is_near) {
  EXPECT_EQ(nearest("up", {"get", "status"}), "");
  EXPECT_EQ(nearest("statu", {"get", "status"}), "status");
}

}  // namespace
}  // namespace mutirao::base
