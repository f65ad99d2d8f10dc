#include "command_line.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

using testing::HasSubstr;

/// Every help text, one after another: what a script or a person may rely on.
std::string all_help(CommandInfo const& command, std::vector<std::string> const& topic) {
  std::string text = "$ mutirao help";
  for (auto const& word : topic) text += " " + word;
  text += "\n" + help_text(command_tree(), topic) + "\n";
  for (auto const& sub : command.commands) {
    auto deeper = topic;
    deeper.push_back(sub.name);
    text += all_help(sub, deeper);
  }
  return text;
}

// MUTIRAO_UPDATE_GOLDEN=1 writes the file anew.
TEST(CommandLine, has_exactly_the_documented_commands_and_flags) {
  auto const path = std::string{MUTIRAO_SOURCE_DIR} + "/src/cli/golden/help.txt";
  auto const now = all_help(command_tree(), {});
  if (std::getenv("MUTIRAO_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << now;
  std::stringstream expected;
  expected << std::ifstream{path}.rdbuf();
  EXPECT_EQ(now, expected.str());
}

TEST(CommandLine, understands_common_flags_before_and_after_the_verb) {
  for (std::vector<std::string> const& words :
       {std::vector<std::string>{"--json", "--state", "/s", "swarm", "list"},
        {"swarm", "list", "--state", "/s", "--json"},
        {"swarm", "--json", "list", "--state=/s"}}) {
    auto const options = parse_command_line(words);
    ASSERT_TRUE(options) << options.error().what;
    EXPECT_EQ(options->verb, "swarm list");
    EXPECT_TRUE(options->json);
    EXPECT_EQ(options->state, "/s");
  }
}

TEST(CommandLine, leaves_to_a_program_what_stands_behind_its_name) {
  auto const options = parse_command_line({"--json", "machine", "exec", "--engine", "interp",
                                           "--trace", "ls", "-l", "--json", "--", "[1]"});
  ASSERT_TRUE(options) << options.error().what;
  EXPECT_EQ(options->verb, "machine exec");
  EXPECT_EQ(options->program, "ls");
  EXPECT_EQ(options->engine, "interp");
  EXPECT_TRUE(options->trace_calls);
  EXPECT_THAT(options->arguments, testing::ElementsAre("-l", "--json", "--", "[1]"));
  EXPECT_FALSE(parse_command_line({"machine", "exec"}));
  EXPECT_FALSE(parse_command_line({"machine", "exec", "--no-such-flag", "ls"}));
}

TEST(CommandLine, takes_the_values_of_get_and_share) {
  auto const get =
      parse_command_line({"get", "magnet:?xt=urn:btih:00", "-o", "/tmp/x", "--timeout", "9"});
  ASSERT_TRUE(get) << get.error().what;
  EXPECT_EQ(get->what, "magnet:?xt=urn:btih:00");
  EXPECT_EQ(get->folder, "/tmp/x");
  EXPECT_EQ(get->timeout_s, 9u);
  auto const share = parse_command_line({"share", "--format", "v2", "--tracker", "http://a/",
                                         "--tracker", "http://b/", "one", "two"});
  ASSERT_TRUE(share) << share.error().what;
  EXPECT_THAT(share->paths, testing::ElementsAre("one", "two"));
  EXPECT_THAT(share->trackers, testing::ElementsAre("http://a/", "http://b/"));
  EXPECT_EQ(share->format, "v2");
}

TEST(CommandLine, takes_an_image_and_the_disks_of_a_machine) {
  auto const options = parse_command_line({"boot", "--snapshot", "a.img,overlay=b", "--disk", "c",
                                           "--disk", "d", "--loader", "u-boot.bin", "--vsock"});
  ASSERT_TRUE(options) << options.error().what;
  EXPECT_EQ(options->image, "a.img,overlay=b");
  EXPECT_THAT(options->disks, testing::ElementsAre("c", "d"));
  EXPECT_EQ(options->loader, "u-boot.bin");
  EXPECT_TRUE(options->snapshot && options->vsock);
  EXPECT_FALSE(parse_command_line({"boot", "a.img", "b.img"}));
  EXPECT_FALSE(parse_command_line({"boot", "a.img", "--snapshot=FILE"}));
}

TEST(CommandLine, takes_json_as_it_is) {
  auto const call = parse_command_line(
      {"object", "call", "--items", "3", "shop.sell", "[1,2]", "-5", R"({"a": [1]})", "", "text"});
  ASSERT_TRUE(call) << call.error().what;
  EXPECT_EQ(call->name, "shop.sell");
  EXPECT_THAT(call->arguments, testing::ElementsAre("[1,2]", "-5", R"({"a": [1]})", "", "text"));
  EXPECT_EQ(call->items, 3u);
  EXPECT_THAT(parse_command_line({"object", "call", "shop.open"})->arguments, testing::IsEmpty());
  EXPECT_THAT(parse_command_line({"share", "[a,b]"})->paths, testing::ElementsAre("[a,b]"));
}

TEST(CommandLine, takes_sizes_with_their_unit) {
  auto const plain = parse_command_line({"up", "--upload-limit", "16777216"});
  ASSERT_TRUE(plain) << plain.error().what;
  EXPECT_EQ(plain->upload_limit, 16777216u);
  auto const unit = parse_command_line({"up", "--upload-limit", "16MB"});
  ASSERT_TRUE(unit) << unit.error().what;
  EXPECT_EQ(unit->upload_limit, 16'000'000u);
}

TEST(CommandLine, asks_for_help_in_every_way) {
  for (std::vector<std::string> const& words : {std::vector<std::string>{"help", "swarm", "show"},
                                                {"swarm", "show", "--help"},
                                                {"swarm", "show", "-h"}}) {
    auto const options = parse_command_line(words);
    ASSERT_TRUE(options) << options.error().what;
    EXPECT_EQ(options->verb, "help");
    EXPECT_THAT(options->topic, testing::ElementsAre("swarm", "show"));
  }
  EXPECT_EQ(parse_command_line({})->verb, "help");
}

TEST(CommandLine, names_the_verb_or_flag_that_was_meant) {
  struct Case {
    std::vector<std::string> words;
    std::string mend;
  };
  for (auto const& [words, mend] :
       {Case{{"shrae", "x"}, "mutirao share"}, Case{{"stauts"}, "mutirao status"},
        Case{{"swarm", "lst"}, "mutirao swarm list"},
        Case{{"get", "x", "--ouput", "y"}, "mutirao get --output"},
        Case{{"help", "stauts"}, "mutirao status"},
        Case{{"help", "swarm", "lst"}, "mutirao swarm list"},
        Case{{"--jsn", "status"}, "mutirao --json"}, Case{{"xyzzyplugh"}, "mutirao --help"}}) {
    auto const options = parse_command_line(words);
    ASSERT_FALSE(options) << words.front();
    EXPECT_EQ(options.error().fault, Fault::invalid);
    EXPECT_EQ(options.error().mend, mend);
  }
}

TEST(CommandLine, tells_the_version_by_a_flag_as_by_a_verb) {
  for (std::vector<std::string> const& words :
       {std::vector<std::string>{"--version"}, {"version"}, {"--version", "--json"}}) {
    auto const options = parse_command_line(words);
    ASSERT_TRUE(options) << options.error().what;
    EXPECT_EQ(options->verb, "version");
  }
}

TEST(CommandLine, refuses_what_is_missing_or_out_of_range) {
  for (std::vector<std::string> const& words : {std::vector<std::string>{"get"},
                                                {"share"},
                                                {"swarm"},
                                                {"demo", "--nodes", "1"},
                                                {"share", "--format", "v9", "x"},
                                                {"completion", "tcsh"},
                                                {"get", "a", "b"}}) {
    auto const options = parse_command_line(words);
    ASSERT_FALSE(options) << words.front();
    EXPECT_EQ(options.error().fault, Fault::invalid);
    EXPECT_THAT(options.error().mend, HasSubstr("--help"));
  }
}

TEST(Completion, names_every_verb_in_every_shell) {
  for (char const* shell : {"bash", "zsh", "fish"}) {
    auto const script = completion_script(command_tree(), shell);
    ASSERT_TRUE(script);
    for (auto const& command : command_tree().commands)
      EXPECT_THAT(*script, HasSubstr(command.name)) << shell;
    EXPECT_THAT(*script, testing::Not(HasSubstr("ready-fd")));
  }
  EXPECT_FALSE(completion_script(command_tree(), "tcsh"));
}

TEST(ManualPage, names_every_verb_and_exit_code) {
  auto const page = manual_page(command_tree());
  for (auto const& command : command_tree().commands)
    EXPECT_THAT(page, HasSubstr("mutirao " + command.name));
  for (char const* code : {".B 0\n", ".B 75\n", ".B 130\n"}) EXPECT_THAT(page, HasSubstr(code));
}

}  // namespace
}  // namespace mutirao::cli
