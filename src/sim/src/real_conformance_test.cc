// The conformance tests in the real world.
#include <cstdlib>
#include <filesystem>

#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_{(std::filesystem::temp_directory_path() / "mutirao-conformance-XXXXXX").string()} {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error{"mkdtemp failed"};
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

void on_real_world(std::function<void(Arena&)> const& body) {
  TemporaryFolder const folder;
  base::SilentLog log;
  threads::runtime_options options;
  options.processors = 2;
  threads::runtime runtime{options};
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    guarded(body, {*world, *world, world::IpAddress::loopback(), folder.path()});
  });
}

TEST(RealDisk, symbolic_links_are_not_followed) {
  on_real_world([](Arena& arena) {
    auto const outer = open_folder(arena);
    must(must(outer->open("outside/secret", {.writable = true, .create = true}))
             ->write_at(0, base::view_of("secret")));
    auto const folder = must(outer->open_directory("inside", true));
    std::filesystem::create_symlink("../outside/secret", arena.folder + "/inside/file");
    std::filesystem::create_directory_symlink("../outside", arena.folder + "/inside/folder");
    EXPECT_FALSE(folder->open("file", {}));
    EXPECT_FALSE(folder->open("file", {.writable = true, .create = true, .truncate = true}));
    EXPECT_FALSE(folder->open("folder/secret", {}));
    EXPECT_FALSE(folder->open("folder/new", {.writable = true, .create = true}));
    EXPECT_FALSE(folder->open_directory("folder", true));
    EXPECT_FALSE(folder->list("folder"));
    EXPECT_FALSE(folder->remove("folder/secret"));
    EXPECT_EQ(must(folder->info("file")).kind, world::FileKind::symlink);
    EXPECT_EQ(must(outer->info("outside/secret")).size, 6u);
  });
}

INSTANTIATE_TEST_SUITE_P(real, NetworkConformance, testing::Values(on_real_world),
                         [](auto const&) { return "world"; });
INSTANTIATE_TEST_SUITE_P(real, DiskConformance, testing::Values(on_real_world),
                         [](auto const&) { return "world"; });

}  // namespace
}  // namespace mutirao::sim
