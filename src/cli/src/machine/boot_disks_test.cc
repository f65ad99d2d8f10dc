#include "machine/boot_disks.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

namespace mutirao::cli {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::size_t kImageBytes = 1 << 20;

/// A folder with a raw image that is all 'r', and one in qcow2 that is all zeros.
class BootDisks : public testing::Test {
 protected:
  BootDisks() {
    auto name = (fs::temp_directory_path() / "mutirao-disks-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    write_file("raw", std::string(kImageBytes, 'r'));
    // QEMU, docs/interop/qcow2.rst: version 2, clusters of 64 KiB, one table that is empty.
    std::string image("QFI\xfb\0\0\0\x02", 8);
    image += std::string(12 + 3, '\0') + '\x10';    // no backing file; cluster bits
    image += std::string("\0\0\0\0\0\x10\0\0", 8);  // size of the disk
    image += std::string("\0\0\0\0\0\0\0\x01", 8);  // plain; entries of the table
    image += std::string("\0\0\0\0\0\x01\0\0", 8);  // where that is
    image.resize(128 << 10);
    write_file("qcow2", image);
  }
  ~BootDisks() override { fs::remove_all(folder_); }

  void write_file(std::string const& name, std::string const& text) const {
    std::ofstream{path(name), std::ios::binary} << text;
  }
  [[nodiscard]] std::string path(std::string const& name) const { return folder_ + "/" + name; }
  [[nodiscard]] std::string file(std::string const& name) const {
    std::stringstream text;
    text << std::ifstream{path(name), std::ios::binary}.rdbuf();
    return text.str();
  }

  void in_the_world(std::function<void(world::World&)> const& body) {
    threads::runtime runtime;
    runtime.run([&] {
      base::SilentLog log;
      body(*world::make_real_world(log));
    });
  }

  std::string folder_;
};

/// What a guest would read at the start of the disk.
std::string first_byte(machine::BlockSource& disk) {
  Bytes sector(512);
  EXPECT_TRUE(disk.read(0, sector, machine::BlockPriority::guest, Deadline::never()));
  return {static_cast<char>(sector[0])};
}
void write_first_sector(machine::BlockSource& disk, char value) {
  EXPECT_TRUE(disk.write(0, Bytes(512, static_cast<std::uint8_t>(value)), Deadline::never()));
  EXPECT_TRUE(disk.flush(Deadline::never()));
}

TEST(DiskText, names_an_image_and_perhaps_a_file_for_what_is_written) {
  EXPECT_EQ(parse_disk("a.img")->image, "a.img");
  EXPECT_EQ(parse_disk("a.img")->overlay, "");
  EXPECT_EQ(parse_disk("a,b.img,overlay=c,d")->image, "a,b.img");
  EXPECT_EQ(parse_disk("a,b.img,overlay=c,d")->overlay, "c,d");
  for (auto const* const bad : {"", ",overlay=x", "a,overlay="})
    EXPECT_EQ(parse_disk(bad).error().mend, "give IMAGE, or IMAGE,overlay=FILE") << bad;
}

TEST_F(BootDisks, are_written_in_place_where_they_are_raw) {
  in_the_world([&](world::World& world) {
    auto const disk = open_disk(world, {path("raw")}, "");
    ASSERT_TRUE(disk) << disk.error().what;
    EXPECT_EQ(disk->info.written_to, path("raw"));
    write_first_sector(*disk->source, 'w');
    EXPECT_EQ(file("raw").substr(0, 513), std::string(512, 'w') + "r");
  });
}

TEST_F(BootDisks, in_qcow2_have_an_overlay_beside_them_that_keeps_what_is_written) {
  auto const before = file("qcow2");
  in_the_world([&](world::World& world) {
    {
      auto const disk = open_disk(world, {path("qcow2")}, "");
      ASSERT_TRUE(disk) << disk.error().what;
      EXPECT_EQ(disk->info.written_to, path("qcow2.overlay"));
      EXPECT_TRUE(disk->source->writable());
      write_first_sector(*disk->source, 'w');
    }
    auto const again = open_disk(world, {path("qcow2")}, "");
    ASSERT_TRUE(again) << again.error().what;
    EXPECT_EQ(first_byte(*again->source), "w");
  });
  EXPECT_EQ(file("qcow2"), before);
}

TEST_F(BootDisks, refuse_an_overlay_of_an_image_that_was_changed_or_is_another) {
  in_the_world([&](world::World& world) {
    ASSERT_TRUE(open_disk(world, {path("raw"), path("changes")}, ""));
    ASSERT_TRUE(open_disk(world, {path("raw"), path("changes")}, ""));
    auto const smaller = open_disk(world, {path("qcow2"), path("raw")}, "");
    EXPECT_THAT(smaller.error().what, HasSubstr("is no overlay"));
    fs::last_write_time(path("raw"), fs::last_write_time(path("raw")) + std::chrono::seconds{1});
    auto const changed = open_disk(world, {path("raw"), path("changes")}, "");
    ASSERT_FALSE(changed);
    EXPECT_THAT(changed.error().what, HasSubstr(path("changes")));
    EXPECT_THAT(changed.error().what, HasSubstr("changed since"));
    EXPECT_THAT(changed.error().mend, HasSubstr("remove the overlay"));
  });
}

TEST_F(BootDisks, keep_nothing_of_what_is_written_to_a_temporary_file_over_all_that_was_there) {
  in_the_world([&](world::World& world) {
    {
      auto const disk = open_disk(world, {path("raw"), path("changes")}, "");
      ASSERT_TRUE(disk) << disk.error().what;
      write_first_sector(*disk->source, 'o');
    }
    auto const before = file("changes");
    {
      auto const disk = open_disk(world, {path("raw"), path("changes")}, path("temporary"));
      ASSERT_TRUE(disk) << disk.error().what;
      EXPECT_FALSE(disk->info.kept);
      EXPECT_EQ(first_byte(*disk->source), "o");
      write_first_sector(*disk->source, 't');
      EXPECT_EQ(first_byte(*disk->source), "t");
    }
    EXPECT_EQ(file("changes"), before);
    EXPECT_EQ(file("raw")[0], 'r');
    // What is missing is not made.
    ASSERT_TRUE(open_disk(world, {path("qcow2")}, path("other")));
    EXPECT_FALSE(fs::exists(path("qcow2.overlay")));
  });
}

TEST_F(BootDisks, are_written_by_one_machine_at_a_time_and_by_none_that_others_only_read) {
  in_the_world([&](world::World& world) {
    auto const refused = [&](DiskText const& disk, std::string const& temporary = "") {
      auto const opened = open_disk(world, disk, temporary);
      if (opened) return false;
      EXPECT_THAT(opened.error().what, HasSubstr("is used by another program"));
      EXPECT_THAT(opened.error().mend, HasSubstr("--snapshot"));
      return true;
    };
    {
      auto const writer = open_disk(world, {path("raw")}, "");
      EXPECT_TRUE(refused({path("raw")}));
      EXPECT_TRUE(refused({path("raw")}, path("temporary")));
      EXPECT_TRUE(refused({path("raw"), path("changes")}));
    }
    auto const one = open_disk(world, {path("raw"), path("changes")}, "");
    ASSERT_TRUE(one) << one.error().what;
    EXPECT_TRUE(refused({path("raw")}));
    EXPECT_TRUE(refused({path("raw"), path("changes")}));
    EXPECT_FALSE(refused({path("raw"), path("others")}));
    EXPECT_FALSE(refused({path("raw")}, path("temporary")));
  });
}

TEST_F(BootDisks, that_are_not_there_say_which) {
  in_the_world([&](world::World& world) {
    EXPECT_THAT(open_disk(world, {path("none")}, "").error().what, HasSubstr("none"));
    EXPECT_THAT(open_disk(world, {path("raw"), path("no/x")}, "").error().what, HasSubstr("no/x"));
  });
}

}  // namespace
}  // namespace mutirao::cli
