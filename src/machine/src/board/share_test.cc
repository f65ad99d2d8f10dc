#include "mutirao/machine/share.h"

#include <gtest/gtest.h>

namespace mutirao::machine {
namespace {

TEST(Share, is_a_folder_and_a_tag_and_perhaps_read_only) {
  auto const plain = parse_share("/home/me:stuff");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->folder, "/home/me");
  EXPECT_EQ(plain->tag, "stuff");
  EXPECT_FALSE(plain->read_only);
  auto const odd = parse_share("a:b:c:ro");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->folder, "a:b");
  EXPECT_EQ(odd->tag, "c");
  EXPECT_TRUE(odd->read_only);
}

TEST(Share, is_refused_with_what_to_write_instead) {
  for (std::string const& text :
       {std::string{}, std::string{"folder"}, std::string{":tag"}, std::string{"folder:"},
        std::string{"folder:ro"}, "folder:" + std::string(37, 'x')}) {
    auto const share = parse_share(text);
    ASSERT_FALSE(share) << text;
    EXPECT_EQ(share.error().fault, Fault::invalid);
    EXPECT_FALSE(share.error().mend.empty());
  }
}

}  // namespace
}  // namespace mutirao::machine
