#include <cstdlib>
#include <filesystem>

#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

#include "torrent/sim_swarm.h"

// The engine on real sockets and a real disk: two nodes on two loopback addresses.
namespace mutirao::swarm {
namespace {

using namespace test;

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "mutirao-swarm-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string{name};
  }

 private:
  std::string path_;
};

void carry(TorrentFormat format) {
  Folder const folder;
  auto const content = make_content(1, 64 << 20, format, 1 << 20);
  ASSERT_NE(content.metainfo, nullptr);
  base::SilentLog log;
  threads::runtime runtime;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    auto const write = [&](std::string const& name) {
      auto const to = world->disk().open_directory(folder / name, true);
      ASSERT_TRUE(to);
      auto const file = (*to)->open(content.name, {.writable = true, .create = true});
      ASSERT_TRUE(file && (*file)->write_at(0, ByteView{content.bytes}));
    };
    write("a");
    auto const at = [](std::uint8_t last) { return world::IpAddress::v4({127, 0, 0, last}); };
    auto listener = world->network().listen({at(2), 0});
    ASSERT_TRUE(listener) << listener.error().what;
    Swarm a{*world,
            {.state_folder = folder / "state-a",
             .from = at(2),
             .port = (*listener)->local().port,
             .network_key = {}}};
    Swarm b{*world, {.state_folder = folder / "state-b", .from = at(3), .network_key = {}}};
    threads::scope scope;
    scope.spawn("serve", [&] { static_cast<void>(a.serve(**listener)); }, {.isolated = true});
    ASSERT_TRUE(a.add({.what = content.metainfo,
                       .folder = folder / "a",
                       .content_is_whole = true,
                       .peers = {},
                       .trackers = {}}));
    auto const id = b.add({.what = content.metainfo,
                           .folder = folder / "b",
                           .peers = {(*listener)->local()},
                           .trackers = {}});
    ASSERT_TRUE(id);
    auto const done = b.wait_until_complete(*id, threads::within(2min));
    EXPECT_TRUE(done) << done.error().what;
    auto const status = b.status(*id);
    ASSERT_TRUE(status);
    EXPECT_EQ(status->downloaded, content.bytes.size());
    auto const from = world->disk().open_directory(folder / "b", false);
    ASSERT_TRUE(from);
    auto const file = (*from)->open(content.name, {});
    Bytes copy(content.bytes.size());
    ASSERT_TRUE(file && (*file)->read_exactly(0, copy));
    EXPECT_EQ(sha256(copy), sha256(content.bytes));
    (*listener)->close();
  });
}

TEST(SwarmOnLoopback, carries_64_MiB_of_v1) { carry(TorrentFormat::v1); }
TEST(SwarmOnLoopback, carries_64_MiB_of_v2) { carry(TorrentFormat::v2); }
TEST(SwarmOnLoopback, carries_64_MiB_of_a_hybrid) { carry(TorrentFormat::hybrid); }

}  // namespace
}  // namespace mutirao::swarm
