#include <algorithm>
#include <array>
#include <fcntl.h>
#include <fstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real_world_fixture.h"

namespace mutirao::world {
namespace {

class RealDiskTest : public RealWorldTest {
 protected:
  /// The test's folder as a Directory.
  void run_inside(std::move_only_function<void(Directory&)> body,
                  threads::runtime_options options = {.processors = 2}) {
    run(
        [&](World& world) {
          auto const folder = world.disk().open_directory(folder_, false);
          ASSERT_TRUE(folder) << folder.error().what;
          body(**folder);
        },
        std::move(options));
  }
};

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return bytes;
}

void write_and_read_back(Directory& folder) {
  auto const file = folder.open("deep/down/data", {.writable = true, .create = true});
  ASSERT_TRUE(file) << file.error().what;
  auto const content = pattern(300'000);
  ASSERT_TRUE((*file)->write_at(1000, content));
  ASSERT_TRUE((*file)->sync());
  Bytes back(content.size());
  ASSERT_TRUE((*file)->read_exactly(1000, back));
  EXPECT_EQ(back, content);
  EXPECT_EQ((*file)->info()->size, 301'000u);
}

TEST_F(RealDiskTest, reads_what_it_wrote_and_makes_folders_on_the_way) {
  run_inside([](Directory& folder) { write_and_read_back(folder); });
}

TEST_F(RealDiskTest, works_without_io_uring) {
  run_inside([](Directory& folder) { write_and_read_back(folder); },
             {.processors = 1, .use_io_uring = false});
}

TEST_F(RealDiskTest, reads_what_is_not_in_the_page_cache) {
  for (bool const ring : {true, false}) {
    run_inside(
        [&](Directory& folder) {
          auto const content = pattern(5'000'000);
          auto const name = folder_ + "/cold";
          std::ofstream{name, std::ios::binary}.write(reinterpret_cast<char const*>(content.data()),
                                                      5'000'000);
          int const descriptor = ::open(name.c_str(), O_RDWR);
          ::fsync(descriptor);
          ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
          ::close(descriptor);
          auto const file = folder.open("cold", {});
          Bytes back(content.size());
          auto const got = (*file)->read_exactly(0, back);
          ASSERT_TRUE(got) << got.error().what;
          EXPECT_EQ(back, content);
        },
        {.processors = 1, .use_io_uring = ring});
  }
}

TEST_F(RealDiskTest, stops_short_only_at_the_end_of_the_file) {
  run_inside([](Directory& folder) {
    auto const file = folder.open("short", {.writable = true, .create = true});
    ASSERT_TRUE((*file)->write_at(0, base::view_of("hello")));
    Bytes buffer(100);
    EXPECT_EQ((*file)->read_at(2, buffer), 3u);
    EXPECT_EQ((*file)->read_at(5, buffer), 0u);
    EXPECT_EQ((*file)->read_at(500, buffer), 0u);
    EXPECT_EQ((*file)->read_exactly(2, buffer).error().fault, Fault::corrupt);
  });
}

TEST_F(RealDiskTest, gathers_many_buffers) {
  run_inside([](Directory& folder) {
    auto const file = folder.open("many", {.writable = true, .create = true});
    std::vector<ByteView> parts;
    for (int i = 0; i < 2000; ++i)
      parts.push_back(base::view_of(i % 3 == 0 ? "" : i % 3 == 1 ? "ab" : "c"));
    ASSERT_TRUE((*file)->write_at(3, parts));
    EXPECT_EQ((*file)->info()->size, 3u + 2000);
    Bytes back(6);
    ASSERT_TRUE((*file)->read_exactly(3 + 3 * 500, back));
    EXPECT_EQ(base::text_of(back), "abcabc");
  });
}

TEST_F(RealDiskTest, grows_sparsely_and_cuts) {
  run_inside([](Directory& folder) {
    auto const file = folder.open("sparse", {.writable = true, .create = true});
    ASSERT_TRUE((*file)->resize(1u << 30));
    EXPECT_EQ((*file)->info()->size, 1u << 30);
    EXPECT_LT((*file)->info()->allocated, 1u << 20);
    ASSERT_TRUE((*file)->resize(10));
    EXPECT_EQ((*file)->info()->size, 10u);
  });
}

TEST_F(RealDiskTest, shows_a_file_in_memory_whose_changes_stay_there) {
  run_inside([](Directory& folder) {
    auto const file = *folder.open("data", {.writable = true, .create = true});
    ASSERT_TRUE(file->write_at(4096, Bytes(8192, 'x')));
    auto* const place = ::mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(place, MAP_FAILED);
    MutableBytes const memory{static_cast<std::uint8_t*>(place), 8192};
    ASSERT_TRUE(file->map_copy(4096, memory));
    EXPECT_EQ(memory[0], 'x');
    memory[0] = 'y';
    ASSERT_TRUE(folder.remove("data"));
    EXPECT_EQ(memory[0], 'y');
    EXPECT_EQ(memory[8191], 'x');
    Bytes back(1);
    ASSERT_TRUE(file->read_exactly(4096, back));
    EXPECT_EQ(back[0], 'x');
    ::munmap(place, 8192);
  });
}

TEST_F(RealDiskTest, gives_back_what_nobody_needs_and_keeps_what_is_around) {
  run_inside([](Directory& folder) {
    auto const file = *folder.open("data", {.writable = true, .create = true});
    ASSERT_TRUE(file->write_at(0, Bytes(1 << 20, 'x')));
    ASSERT_TRUE(file->sync());
    auto const before = file->info()->allocated;
    ASSERT_TRUE(file->discard(256 << 10, 512 << 10));
    EXPECT_LE(file->info()->allocated, before - (400 << 10));
    EXPECT_EQ(file->info()->size, 1u << 20);
    Bytes back(2);
    ASSERT_TRUE(file->read_exactly((256 << 10) - 1, back));
    EXPECT_EQ(back[0], 'x');
  });
}

TEST_F(RealDiskTest, refuses_paths_that_leave_the_folder) {
  run_inside([](Directory& folder) {
    std::string_view const nul{"a\0b", 3};
    for (std::string_view const path :
         {std::string_view{"/etc/passwd"}, std::string_view{".."}, std::string_view{"../x"},
          std::string_view{"a/../../x"}, std::string_view{"a/.."}, std::string_view{"./a"},
          std::string_view{"a//b"}, std::string_view{"a/"}, nul, std::string_view{""}}) {
      auto const opened = folder.open(path, {.writable = true, .create = true});
      ASSERT_FALSE(opened) << path;
      EXPECT_EQ(opened.error().fault, Fault::invalid) << path;
      EXPECT_EQ(folder.remove(path).error().fault, Fault::invalid) << path;
    }
    EXPECT_FALSE(folder.open(std::string(300, 'n'), {.writable = true, .create = true}));
    EXPECT_FALSE(folder.open(std::string(5000, '/'), {}));
    EXPECT_TRUE(folder.list("")->empty());
  });
}

TEST_F(RealDiskTest, follows_no_symbolic_link_on_the_way_or_at_the_end) {
  run_inside([this](Directory& folder) {
    std::filesystem::create_directory(folder_ + "/real");
    std::ofstream{folder_ + "/real/file"} << "x";
    std::filesystem::create_symlink("real", folder_ + "/link");
    std::filesystem::create_symlink("real/file", folder_ + "/file");
    std::filesystem::create_symlink("/etc", folder_ + "/etc");
    EXPECT_TRUE(folder.open("real/file", {}));
    for (auto const* path : {"link/file", "file", "etc/passwd"})
      EXPECT_FALSE(folder.open(path, {})) << path;
    EXPECT_FALSE(folder.open("etc/evil", {.writable = true, .create = true}));
    EXPECT_FALSE(folder.open_directory("link", false));
    EXPECT_FALSE(folder.open_directory("etc/deeper", true));
    EXPECT_FALSE(folder.list("link"));
    EXPECT_EQ(folder.info("link")->kind, FileKind::symlink);
    EXPECT_FALSE(folder.info("link/file"));
    EXPECT_FALSE(folder.rename("real/file", "link/file"));
  });
}

TEST_F(RealDiskTest, opens_only_regular_files_and_never_hangs_on_a_fifo) {
  run_inside([this](Directory& folder) {
    ASSERT_EQ(::mkfifo((folder_ + "/fifo").c_str(), 0600), 0);
    ASSERT_TRUE(folder.open_directory("sub", true));
    EXPECT_FALSE(folder.open("fifo", {}));
    EXPECT_FALSE(folder.open("fifo", {.writable = true}));
    EXPECT_FALSE(folder.open("sub", {}));
  });
}

TEST_F(RealDiskTest, lists_by_name) {
  run_inside([](Directory& folder) {
    for (auto const* name : {"b", "a", "c"})
      ASSERT_TRUE(folder.open(name, {.writable = true, .create = true}));
    ASSERT_TRUE(folder.open_directory("ab/inner", true));
    auto const entries = folder.list("");
    ASSERT_TRUE(entries);
    std::vector<std::string> names;
    for (auto const& each : *entries) names.push_back(each.name);
    EXPECT_EQ(names, (std::vector<std::string>{"a", "ab", "b", "c"}));
    EXPECT_EQ((*entries)[1].info.kind, FileKind::directory);
    EXPECT_EQ(folder.list("ab")->size(), 1u);
    EXPECT_EQ(folder.list("none").error().fault, Fault::not_found);
  });
}

TEST_F(RealDiskTest, renames_over_and_removes) {
  run_inside([](Directory& folder) {
    ASSERT_TRUE((*folder.open("new", {.writable = true, .create = true}))
                    ->write_at(0, base::view_of("new")));
    ASSERT_TRUE((*folder.open("old", {.writable = true, .create = true}))
                    ->write_at(0, base::view_of("older")));
    ASSERT_TRUE(folder.rename("new", "old"));
    EXPECT_EQ(folder.info("old")->size, 3u);
    EXPECT_EQ(folder.info("new").error().fault, Fault::not_found);
    ASSERT_TRUE(folder.sync());
    ASSERT_TRUE(folder.open_directory("full/inner", true));
    EXPECT_FALSE(folder.remove("full"));
    EXPECT_TRUE(folder.remove("full/inner"));
    EXPECT_TRUE(folder.remove("full"));
    EXPECT_TRUE(folder.remove("old"));
    EXPECT_EQ(folder.remove("old").error().fault, Fault::not_found);
  });
}

TEST_F(RealDiskTest, honours_exclusive_and_truncate) {
  run_inside([](Directory& folder) {
    ASSERT_TRUE((*folder.open("file", {.writable = true, .create = true}))
                    ->write_at(0, base::view_of("content")));
    EXPECT_FALSE(folder.open("file", {.writable = true, .create = true, .exclusive = true}));
    EXPECT_EQ((*folder.open("file", {.writable = true}))->info()->size, 7u);
    EXPECT_EQ((*folder.open("file", {.writable = true, .truncate = true}))->info()->size, 0u);
    EXPECT_EQ(folder.open("absent", {.writable = true}).error().fault, Fault::not_found);
  });
}

TEST_F(RealDiskTest, keeps_a_file_of_its_owner_from_others_also_one_that_was_open_to_them) {
  run_inside([&](Directory& folder) {
    auto const path = folder_ + "/secret";
    for (bool const before : {false, true}) {
      if (before) std::filesystem::permissions(path, std::filesystem::perms{0644});
      ASSERT_TRUE(folder.open("secret", {.writable = true, .create = true, .owner_only = true}));
      EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0600});
    }
  });
}

TEST_F(RealDiskTest, refuses_to_write_to_what_was_opened_for_reading) {
  run_inside([](Directory& folder) {
    ASSERT_TRUE(folder.open("file", {.writable = true, .create = true}));
    EXPECT_FALSE((*folder.open("file", {}))->write_at(0, base::view_of("x")));
  });
}

TEST_F(RealDiskTest, tells_how_much_room_there_is) {
  run_inside([](Directory& folder) {
    auto const space = folder.space();
    ASSERT_TRUE(space);
    EXPECT_GT(space->total_bytes, 0u);
    EXPECT_LE(space->free_bytes, space->total_bytes);
  });
}

TEST_F(RealDiskTest, names_the_folder_that_can_not_be_opened) {
  run([this](World& world) {
    auto const missing = world.disk().open_directory(folder_ + "/none", false);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().fault, Fault::not_found);
    EXPECT_NE(missing.error().what.find("/none"), std::string::npos);
    EXPECT_TRUE(world.disk().open_directory(folder_ + "/made/deep", true));
    std::ofstream{folder_ + "/file"} << "x";
    EXPECT_FALSE(world.disk().open_directory(folder_ + "/file/below", true));
  });
}

TEST_F(RealDiskTest, lets_many_threads_use_one_file) {
  run_inside([](Directory& folder) {
    auto const file = folder.open("shared", {.writable = true, .create = true});
    threads::scope inner;
    for (std::uint64_t i = 0; i < 40; ++i) {
      inner.spawn("writer", [&, i]() -> Result<void> {
        Bytes const mine(10'000, static_cast<std::uint8_t>(i));
        MUT_TRY((*file)->write_at(i * 10'000, mine));
        Bytes back(mine.size());
        MUT_TRY((*file)->read_exactly(i * 10'000, back));
        EXPECT_EQ(back, mine);
        if (i % 8 == 0) return (*file)->sync();
        return {};
      });
    }
    auto const joined = inner.join();
    EXPECT_TRUE(joined) << joined.error().what;
  });
}

TEST_F(RealDiskTest, draws_different_randomness_each_time) {
  run([](World& world) {
    Bytes one(64);
    Bytes two(64);
    world.entropy().fill(one);
    world.entropy().fill(two);
    EXPECT_NE(one, two);
    EXPECT_LT(world.entropy().below(10), 10u);
    auto const before = threads::now();
    EXPECT_GE(world.clock().now(), before);
  });
}

}  // namespace
}  // namespace mutirao::world
