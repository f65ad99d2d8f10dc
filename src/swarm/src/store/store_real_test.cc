#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/swarm/store.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "store/store_test_torrent.h"

// The store on the kernel's own files and on several LWPs at once.

namespace mutirao::swarm {
namespace {

using store_test::Kind;
using store_test::Torrent;

constexpr std::uint32_t kRealPiece = 64 * 1024;

class RealStore : public testing::Test {
 protected:
  RealStore() {
    std::string pattern = (std::filesystem::temp_directory_path() / "store_test.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RealStore() override { std::filesystem::remove_all(folder_); }

  void on_threads(std::function<void(world::World&)> body) {
    threads::runtime runtime{{.processors = 4, .simulated = {}}};
    runtime.run([&] {
      auto const world = world::make_real_world(log_);
      body(*world);
    });
  }
  std::unique_ptr<Store> open(world::World& world, Torrent const& torrent) {
    auto opened =
        Store::open(world, torrent.metainfo,
                    {.content_folder = folder_ / "content", .map_folder = folder_ / "maps"});
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().what);
    return opened ? *std::move(opened) : nullptr;
  }
  static Result<void> take(Store& store, Torrent const& torrent, std::uint32_t piece) {
    std::uint64_t const offset = std::uint64_t{piece} * kRealPiece;
    ByteView const bytes = torrent.piece(piece);
    MUT_TRY(store.write(offset, {&bytes, 1}));
    store.claim(offset, bytes.size());
    return {};
  }

  base::SilentLog log_;
  std::filesystem::path folder_;
};

Torrent some_torrent() {
  return store_test::make_torrent({{"a/one", store_test::some_bytes(20 * kRealPiece + 999, 1)},
                                   {"b/two", store_test::some_bytes(30 * kRealPiece, 2)}},
                                  kRealPiece, Kind::hybrid);
}

TEST_F(RealStore, takes_pieces_from_many_threads_while_it_flushes) {
  Torrent const torrent = some_torrent();
  on_threads([&](world::World& world) {
    auto store = open(world, torrent);
    {
      threads::scope scope;
      for (std::uint32_t first = 0; first < 8; ++first)
        scope.spawn("peer", [&, first]() -> Result<void> {
          for (std::uint32_t piece = first; piece < torrent.metainfo->piece_count(); piece += 8) {
            MUT_TRY(take(*store, torrent, piece));
            MUT_TRY(store->flush());
            threads::yield();
          }
          return {};
        });
      auto const joined = scope.join();
      ASSERT_TRUE(joined.has_value()) << joined.error().what;
    }
    EXPECT_TRUE(store->pieces().all());
    store.reset();
    store = open(world, torrent);
    EXPECT_TRUE(store->pieces().all());
    EXPECT_TRUE(store->needs_recheck().empty());
    Bytes all(torrent.space.size());
    ASSERT_TRUE(store->read(0, all).has_value());
    EXPECT_EQ(all, torrent.space);
  });
}

TEST_F(RealStore, finds_by_a_recheck_on_all_processors_what_is_right_and_what_is_not) {
  Torrent const torrent = some_torrent();
  on_threads([&](world::World& world) {
    auto store = open(world, torrent);
    for (std::uint32_t piece = 0; piece < torrent.metainfo->piece_count(); ++piece)
      ASSERT_TRUE(take(*store, torrent, piece).has_value());
    store.reset();
    std::string const path = torrent.metainfo->files().back().path;
    std::fstream file{folder_ / "content" / path, std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(7 * kRealPiece + 5);
    file.put('!').put('?').put('#');
    file.close();
    store = open(world, torrent);
    ASSERT_EQ(store->needs_recheck().size(), 1u);
    ASSERT_TRUE(store->recheck(store->needs_recheck(), {}).has_value());
    EXPECT_EQ(store->pieces().count(), store->pieces().size() - 1);
  });
}

TEST_F(RealStore, follows_no_link_out_of_its_folder) {
  Torrent const torrent = some_torrent();
  on_threads([&](world::World& world) {
    auto store = open(world, torrent);
    std::string const path = torrent.metainfo->files()[0].path;
    std::filesystem::path const parent = folder_ / "content" / path.substr(0, path.rfind('/'));
    std::filesystem::create_directories(parent.parent_path());
    std::filesystem::create_directories(folder_ / "outside");
    std::filesystem::create_directory_symlink(folder_ / "outside", parent);
    auto const refused = take(*store, torrent, 0);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().what.find("symbolic link"), std::string::npos)
        << refused.error().what;
    EXPECT_TRUE(std::filesystem::is_empty(folder_ / "outside"));
  });
}

TEST_F(RealStore, says_how_to_mend_a_folder_that_can_not_be_written) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  Torrent const torrent = some_torrent();
  on_threads([&](world::World& world) {
    auto store = open(world, torrent);
    std::filesystem::permissions(folder_ / "content", std::filesystem::perms::owner_read |
                                                          std::filesystem::perms::owner_exec);
    auto const refused = take(*store, torrent, 0);
    std::filesystem::permissions(folder_ / "content", std::filesystem::perms::owner_all);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().fault, Fault::refused);
    EXPECT_NE(refused.error().mend.find("content"), std::string::npos) << refused.error().mend;
  });
}

}  // namespace
}  // namespace mutirao::swarm
