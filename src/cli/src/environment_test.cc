#include "environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report.h"

namespace mutirao::cli {
namespace {

Environment some() {
  return {.home = "/home/ana",
          .state_dir = "",
          .xdg_state = "",
          .xdg_runtime = "/run/user/1000",
          .working_folder = "/work"};
}

TEST(RemotePlace, is_for_commands_that_ask_a_node_and_not_for_files_of_this_machine) {
  auto const place = [](std::string verb, std::string flag, std::string variable) {
    Options options;
    options.verb = std::move(verb);
    options.at = std::move(flag);
    auto environment = some();
    environment.at = std::move(variable);
    return remote_place(options, environment);
  };
  EXPECT_EQ(place("status", "", ""), "");
  EXPECT_EQ(place("swarm list", "Host:7000", "other:1"), "host:7000");
  EXPECT_EQ(place("key list", "", "10.0.0.3:7000"), "10.0.0.3:7000");
  for (auto const* verb :
       {"up", "get", "share", "doctor", "key show", "key trust", "object schema"})
    EXPECT_FALSE(place(verb, "host:7000", "")) << verb;
  EXPECT_FALSE(place("get", "", "host:7000"));
  EXPECT_EQ(place("up", "", "host:7000"), "");
  EXPECT_FALSE(place("status", "host", ""));
}

TEST(NodePlace, of_the_default_node_follows_the_xdg_folders) {
  auto const place = node_place("", some());
  ASSERT_TRUE(place);
  EXPECT_EQ(place->state_folder, "/home/ana/.local/state/mutirao");
  EXPECT_EQ(place->socket, "/run/user/1000/mutirao.sock");
  auto environment = some();
  environment.xdg_state = "/state";
  EXPECT_EQ(node_place("", environment)->state_folder, "/state/mutirao");
  environment.xdg_runtime = "";
  EXPECT_EQ(node_place("", environment)->socket, "/state/mutirao/mutirao.sock");
}

TEST(NodePlace, of_another_node_lies_in_its_folder_alone) {
  auto environment = some();
  environment.state_dir = "/from/variable";
  EXPECT_EQ(node_place("", environment)->socket, "/from/variable/mutirao.sock");
  EXPECT_EQ(node_place("named", environment)->socket, "/work/named/mutirao.sock");
}

TEST(NodePlace, refuses_a_socket_path_that_the_system_would_cut) {
  auto const place = node_place("/" + std::string(120, 'x'), some());
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().fault, Fault::invalid);
  EXPECT_THAT(place.error().mend, testing::HasSubstr("--state"));
}

TEST(AbsolutePath, is_without_dots) {
  EXPECT_EQ(absolute_path("a/../b/./c", "/w"), "/w/b/c");
  EXPECT_EQ(absolute_path("/x/", "/w"), "/x");
  EXPECT_EQ(absolute_path(".", "/w"), "/w");
  EXPECT_EQ(absolute_path("../../..", "/w"), "/");
}

TEST(NodeConfig, takes_a_bare_port_as_every_address) {
  Options options;
  options.listen = ":6882";
  auto const config = node_config(options, *node_place("", some()), some());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->listen->to_string(), "0.0.0.0:6882");
  options.listen = "somewhere";
  EXPECT_EQ(node_config(options, *node_place("", some()), some()).error().fault, Fault::invalid);
}

TEST(ExitCode, is_what_the_documentation_says) {
  EXPECT_EQ(exit_code_of(Fault::not_found), 3);
  EXPECT_EQ(exit_code_of(Fault::unreachable), 4);
  EXPECT_EQ(exit_code_of(Fault::refused), 5);
  EXPECT_EQ(exit_code_of(Fault::corrupt), 6);
  EXPECT_EQ(exit_code_of(Fault::invalid), 2);
  EXPECT_EQ(exit_code_of(Fault::timed_out), 75);
  EXPECT_EQ(exit_code_of(Fault::cancelled), 130);
  EXPECT_EQ(exit_code_of(Fault::io), 1);
}

}  // namespace
}  // namespace mutirao::cli
