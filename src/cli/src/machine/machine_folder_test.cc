#include "machine/machine_folder.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/world/opened_socket.h"
#include "mutirao/world/real_world.h"

namespace mutirao::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MachineFolderTest : public testing::Test {
 protected:
  MachineFolderTest() {
    auto name = (std::filesystem::temp_directory_path() / "mutirao-machines-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    place_.state_folder = name;
  }
  ~MachineFolderTest() override { std::filesystem::remove_all(place_.state_folder); }

  void in_the_world(std::function<void(world::World&)> const& body) {
    threads::runtime runtime;
    runtime.run([&] {
      base::SilentLog log;
      body(*world::make_real_world(log));
    });
  }
  MachineFolder make(world::World& world, std::string const& name) {
    auto folder = *MachineFolder::of(place_, name);
    EXPECT_TRUE(folder.make());
    MachineInfo info;
    info.name = name;
    info.state = "running";
    info.cpus = 2;
    EXPECT_TRUE(folder.begin(world, info, SnapshotNote{.name = "web"}));
    return folder;
  }

  NodePlace place_{};
};

TEST_F(MachineFolderTest, has_a_name_that_leads_nowhere_else) {
  for (std::string_view const bad : {"", ".", "..", ".x", "a/b", "../x", "a b", "a\n", "\xff"})
    EXPECT_FALSE(MachineFolder::of(place_, bad)) << bad;
  EXPECT_FALSE(MachineFolder::of(place_, std::string(41, 'x')));
  for (std::string_view const good : {"web", "web-2", "a.b_c", "0"})
    EXPECT_TRUE(MachineFolder::of(place_, good)) << good;
}

TEST_F(MachineFolderTest, tells_how_a_machine_ended_and_forgets_it_when_it_begins_anew) {
  in_the_world([&](world::World& world) {
    auto const folder = make(world, "web");
    EXPECT_TRUE(folder.write_end(world, {.ended = "powered_off", .code = 3, .seconds = 1.5}));
    auto const ended = look_at_machine(world, place_, "web");
    ASSERT_TRUE(ended) << ended.error().what;
    EXPECT_EQ(ended->state, "ended");
    EXPECT_EQ(ended->end, "powered off with 3");
    EXPECT_EQ(ended->cpus, 2u);
    static_cast<void>(make(world, "web"));
    EXPECT_FALSE(folder.ended(world));
  });
}

TEST_F(MachineFolderTest, knows_the_socket_of_a_monitor_that_was_killed) {
  auto const folder = *MachineFolder::of(place_, "web");
  EXPECT_TRUE(folder.make());
  // It listened, and nobody removed its file.
  EXPECT_TRUE(world::OpenedSocket::listen_local(folder.socket()));
  EXPECT_TRUE(std::filesystem::exists(folder.socket()));
  in_the_world([&](world::World& world) {
    static_cast<void>(make(world, "web"));
    auto const killed = look_at_machine(world, place_, "web");
    ASSERT_TRUE(killed) << killed.error().what;
    EXPECT_EQ(killed->state, "killed");
  });
  EXPECT_TRUE(world::OpenedSocket::listen_local(folder.socket()));
}

TEST_F(MachineFolderTest, is_found_by_name_and_a_slip_of_the_pen_is_answered) {
  in_the_world([&](world::World& world) {
    for (auto const* name : {"web", "mail"}) static_cast<void>(make(world, name));
    EXPECT_THAT(machine_names(place_), ElementsAre("mail", "web"));
    auto const missing = look_at_machine(world, place_, "wbe");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().fault, Fault::not_found);
    EXPECT_THAT(missing.error().mend, HasSubstr("web"));
    EXPECT_TRUE(MachineFolder::of(place_, "web")->remove());
    EXPECT_THAT(machine_names(place_), ElementsAre("mail"));
  });
}

}  // namespace
}  // namespace mutirao::cli
