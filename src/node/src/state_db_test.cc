#include "state_db.h"

#include <filesystem>
#include <functional>

#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"

namespace mutirao::node {
namespace {

class StateDbTest : public testing::Test {
 protected:
  StateDbTest() {
    auto name = (std::filesystem::temp_directory_path() / "mutirao-state-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~StateDbTest() override { std::filesystem::remove_all(folder_); }

  /// On a user thread, as in a node.
  static void on_thread(std::function<void()> body) {
    threads::runtime runtime{{.processors = 1, .simulated = {}}};
    runtime.run(std::move(body));
  }
  [[nodiscard]] std::string path() const { return (folder_ / "state.db").string(); }

  std::filesystem::path folder_;
};

TorrentRecord record(std::string id) {
  return {.id = std::move(id),
          .name = "a 'name'; with\x01quotes",
          .folder = "/srv",
          .origin = Origin::shared,
          .added_s = 7,
          .source = "/srv/a",
          .trackers = {"http://a/announce", "udp://b:1/announce"}};
}

TEST_F(StateDbTest, remembers_torrents_in_the_order_in_which_they_came) {
  on_thread([&] {
    auto db = StateDb::open(path());
    ASSERT_TRUE(db) << db.error().what;
    ASSERT_TRUE((*db)->put(record("zz")));
    ASSERT_TRUE((*db)->put(record("aa")));
    ASSERT_TRUE((*db)->put(record("mm")));
    ASSERT_TRUE((*db)->remove("aa"));
    auto const torrents = (*db)->torrents();
    ASSERT_TRUE(torrents);
    EXPECT_EQ(*torrents, (std::vector{record("zz"), record("mm")}));
  });
}

TEST_F(StateDbTest, replaces_a_record_in_its_place) {
  on_thread([&] {
    auto db = StateDb::open(path());
    ASSERT_TRUE(db) << db.error().what;
    ASSERT_TRUE((*db)->put(record("a")));
    ASSERT_TRUE((*db)->put(record("b")));
    auto changed = record("a");
    changed.folder = "/elsewhere";
    ASSERT_TRUE((*db)->put(changed));
    EXPECT_EQ((*db)->torrents().value(), (std::vector{changed, record("b")}));
  });
}

// What put() has acknowledged is in the files: a copy of them, as a crash would leave them, has it.
TEST_F(StateDbTest, keeps_what_it_acknowledged_when_the_process_dies_at_once) {
  auto const crashed = folder_ / "crashed";
  std::filesystem::create_directory(crashed);
  on_thread([&] {
    auto db = StateDb::open(path());
    ASSERT_TRUE(db) << db.error().what;
    for (int i = 0; i < 50; ++i) ASSERT_TRUE((*db)->put(record(std::to_string(i))));
    ASSERT_TRUE((*db)->set("port", "6882"));
    for (char const* name : {"state.db", "state.db-wal"})
      if (std::filesystem::exists(folder_ / name))
        std::filesystem::copy_file(folder_ / name, crashed / name);
  });
  on_thread([&] {
    auto db = StateDb::open((crashed / "state.db").string());
    ASSERT_TRUE(db) << db.error().what;
    EXPECT_EQ((*db)->torrents()->size(), 50u);
    EXPECT_EQ((*db)->setting("port").value(), std::optional<std::string>{"6882"});
    EXPECT_EQ((*db)->setting("other").value(), std::nullopt);
  });
}

TEST_F(StateDbTest, is_the_lock_of_its_folder) {
  on_thread([&] {
    {
      auto first = StateDb::open(path());
      ASSERT_TRUE(first) << first.error().what;
      auto second = StateDb::open(path());
      ASSERT_FALSE(second);
      EXPECT_EQ(second.error().fault, Fault::refused);
    }
    EXPECT_TRUE(StateDb::open(path()));
  });
}

TEST_F(StateDbTest, refuses_a_file_that_is_no_database_and_leaves_it_alone) {
  {
    std::FILE* file = std::fopen(path().c_str(), "w");
    std::fputs(std::string(5000, 'x').c_str(), file);
    std::fclose(file);
  }
  on_thread([&] {
    auto db = StateDb::open(path());
    ASSERT_FALSE(db);
    EXPECT_EQ(db.error().fault, Fault::corrupt);
    EXPECT_FALSE(db.error().mend.empty());
  });
  EXPECT_EQ(std::filesystem::file_size(path()), 5000u);
}

}  // namespace
}  // namespace mutirao::node
