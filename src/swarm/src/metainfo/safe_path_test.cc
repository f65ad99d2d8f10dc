#include "mutirao/swarm/safe_path.h"

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

Result<std::string> join(std::vector<std::string_view> const& names) { return safe_path(names); }
Result<void> together(std::vector<std::string> const& paths) { return check_collisions(paths); }

TEST(SafePath, joins_honest_names) {
  EXPECT_EQ(*join({"a", "b c", "d.txt"}), "a/b c/d.txt");
  EXPECT_EQ(*join({"São Paulo", "日本語", "..."}), "São Paulo/日本語/...");
  EXPECT_EQ(*join({std::string(255, 'n')}), std::string(255, 'n'));
}

TEST(SafePath, refuses_every_way_out_of_the_folder) {
  using namespace std::string_view_literals;
  for (std::string_view const name :
       {""sv, "."sv, ".."sv, "/"sv, "/etc"sv, "a/b"sv, "..\\x"sv, "a\\b"sv, "a\0"sv, "\n"sv,
        "\x7f"sv, "\xc2\x9b"sv, "\xc0\xae\xc0\xae"sv, "\xe0\x80\xaf"sv, "\xed\xa0\x80"sv,
        "\xf4\x90\x80\x80"sv, "\xff"sv, "abc\xe2\x82"sv}) {
    EXPECT_FALSE(join({name}).has_value()) << testing::PrintToString(name);
    EXPECT_FALSE(join({"a", name, "b"}).has_value()) << testing::PrintToString(name);
  }
  EXPECT_FALSE(join({}).has_value());
}

TEST(SafePath, keeps_names_and_paths_within_what_systems_store) {
  EXPECT_FALSE(join({std::string(256, 'n')}).has_value());
  std::string const long_name(255, 'n');
  EXPECT_TRUE(join(std::vector<std::string_view>(16, long_name)).has_value());
  EXPECT_FALSE(join(std::vector<std::string_view>(17, long_name)).has_value());
  EXPECT_TRUE(join(std::vector<std::string_view>(65, "d")).has_value());
  EXPECT_FALSE(join(std::vector<std::string_view>(66, "d")).has_value());
}

TEST(SafePath, finds_paths_that_would_overwrite_each_other) {
  EXPECT_TRUE(together({"a/b", "a/c", "a b", "a.b/c", "ab"}).has_value());
  EXPECT_FALSE(together({"a/b", "x", "a/b"}).has_value());
  EXPECT_FALSE(together({"a/README", "a/readme"}).has_value());
  EXPECT_FALSE(together({"é", "É"}).has_value());
  EXPECT_FALSE(together({"ΣΟΦΟΣ", "σοφος"}).has_value());
  EXPECT_FALSE(together({"ЁЖ", "ёж"}).has_value());
  EXPECT_FALSE(together({"Žluť", "žLUŤ"}).has_value());
  EXPECT_TRUE(together({"×", "÷"}).has_value());
}

TEST(SafePath, finds_a_file_that_is_also_a_folder) {
  EXPECT_FALSE(together({"a/b/c", "z", "a/b"}).has_value());
  EXPECT_FALSE(together({"A/b", "a b", "a"}).has_value());
  EXPECT_TRUE(together({"a", "a b/c", "a-b", "a.b/a"}).has_value());
}

}  // namespace
}  // namespace mutirao::swarm
