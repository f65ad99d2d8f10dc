// What programs may rely on in every world's disk.
#include <array>

#include "conformance.h"

namespace mutirao::sim {
namespace {

void put(world::Directory& folder, std::string_view path, std::string_view text) {
  must(create(folder, path)->write_at(0, base::view_of(text)));
}

std::string get(world::Directory& folder, std::string_view path) {
  auto const file = must(folder.open(path, {}));
  Bytes bytes(must(file->info()).size);
  must(file->read_exactly(0, bytes));
  return std::string{base::text_of(bytes)};
}

TEST_P(DiskConformance, file_reads_back_what_was_written) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    auto const file = create(*folder, "data");
    auto const bytes = pattern(1_MiB + 3);
    must(file->write_at(0, ByteView{bytes}.first(1000)));
    std::array const rest{ByteView{bytes}.subspan(1000, 5), ByteView{},
                          ByteView{bytes}.subspan(1005)};
    must(file->write_at(1000, rest));
    Bytes back(bytes.size());
    must(file->read_exactly(0, back));
    EXPECT_EQ(back, bytes);
    must(file->sync());
    EXPECT_EQ(must(file->info()).size, bytes.size());
  });
}

TEST_P(DiskConformance, reads_are_short_only_at_the_end) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    put(*folder, "ten", "0123456789");
    auto const file = must(folder->open("ten", {}));
    Bytes buffer(8);
    EXPECT_EQ(must(file->read_at(0, buffer)), 8u);
    EXPECT_EQ(must(file->read_at(6, buffer)), 4u);
    EXPECT_EQ(must(file->read_at(10, buffer)), 0u);
    EXPECT_EQ(must(file->read_at(1000, buffer)), 0u);
    EXPECT_EQ(fault_of(file->read_exactly(6, buffer)), Fault::corrupt);
  });
}

TEST_P(DiskConformance, resize_grows_sparsely_and_cuts) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    auto const file = create(*folder, "sparse");
    must(file->resize(64_MiB));
    must(file->write_at(32_MiB, base::view_of("island")));
    auto const info = must(file->info());
    EXPECT_EQ(info.size, 64_MiB);
    EXPECT_LT(info.allocated, 1_MiB);
    Bytes bytes(10);
    must(file->read_exactly(32_MiB - 2, bytes));
    EXPECT_EQ(base::text_of(bytes), (std::string_view{"\0\0island\0\0", 10}));
    must(file->resize(32_MiB + 3));
    must(file->resize(32_MiB + 6));
    bytes.resize(6);
    must(file->read_exactly(32_MiB, bytes));
    EXPECT_EQ(base::text_of(bytes), (std::string_view{"isl\0\0\0", 6}));
  });
}

TEST_P(DiskConformance, writing_behind_the_end_leaves_zeros_between) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    auto const file = create(*folder, "gap");
    must(file->write_at(0, base::view_of("a")));
    must(file->write_at(9000, base::view_of("b")));
    Bytes bytes(9001, 0xff);
    must(file->read_exactly(0, bytes));
    EXPECT_EQ(bytes[0], 'a');
    EXPECT_EQ(std::ranges::count(bytes, 0), 8999);
    EXPECT_EQ(bytes[9000], 'b');
  });
}

TEST_P(DiskConformance, many_threads_write_their_own_parts_of_a_file) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    auto const file = create(*folder, "shared");
    auto const bytes = pattern(512_KiB);
    threads::scope scope;
    constexpr std::size_t kPart = 16_KiB + 1;
    for (std::size_t at = 0; at < bytes.size(); at += kPart) {
      scope.spawn("writer", [&, at] {
        return file->write_at(at, ByteView{bytes}.subspan(at, std::min(kPart, bytes.size() - at)));
      });
    }
    must(scope.join());
    Bytes back(bytes.size());
    must(file->read_exactly(0, back));
    EXPECT_EQ(back, bytes);
  });
}

TEST_P(DiskConformance, open_options_mean_what_they_say) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    EXPECT_EQ(fault_of(folder->open("absent", {})), Fault::not_found);
    EXPECT_EQ(fault_of(folder->open("absent", {.writable = true})), Fault::not_found);
    put(*folder, "a/b/c", "deep");
    EXPECT_EQ(must(folder->info("a/b")).kind, world::FileKind::directory);
    EXPECT_EQ(
        fault_of(folder->open("a/b/c", {.writable = true, .create = true, .exclusive = true})),
        Fault::invalid);
    EXPECT_EQ(get(*folder, "a/b/c"), "deep");
    EXPECT_TRUE(folder->open("a/b/c", {.writable = true, .create = true, .truncate = true}));
    EXPECT_EQ(must(folder->info("a/b/c")).size, 0u);
  });
}

TEST_P(DiskConformance, file_opened_for_reading_refuses_writes) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    put(*folder, "fixed", "text");
    auto const file = must(folder->open("fixed", {}));
    EXPECT_FALSE(file->write_at(0, base::view_of("x")));
    EXPECT_FALSE(file->resize(1));
    EXPECT_EQ(get(*folder, "fixed"), "text");
  });
}

TEST_P(DiskConformance, folders_are_not_files_and_files_not_folders) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    put(*folder, "folder/file", "x");
    EXPECT_EQ(fault_of(folder->open("folder", {.writable = true, .create = true})), Fault::invalid);
    EXPECT_FALSE(folder->open("folder/file/below", {.writable = true, .create = true}));
    EXPECT_EQ(fault_of(folder->open_directory("folder/file", false)), Fault::not_found);
    EXPECT_EQ(fault_of(folder->list("folder/file")), Fault::not_found);
    EXPECT_EQ(fault_of(folder->open_directory("absent", false)), Fault::not_found);
    EXPECT_TRUE(folder->open_directory("made/here", true));
    EXPECT_TRUE(folder->open_directory("made/here", true)) << "making what is there is no error";
  });
}

TEST_P(DiskConformance, list_is_sorted_by_name) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    for (auto const* const name : {"b", "a.txt", "Z", "c/inside", "\xc3\xa9", "a"})
      put(*folder, name, "12345");
    std::vector<std::string> names;
    for (auto const& entry : must(folder->list(""))) {
      names.push_back(entry.name);
      bool const is_folder = entry.name == "c";
      EXPECT_EQ(entry.info.kind, is_folder ? world::FileKind::directory : world::FileKind::regular);
      if (!is_folder) {
        EXPECT_EQ(entry.info.size, 5u);
      }
    }
    EXPECT_EQ(names, (std::vector<std::string>{"Z", "a", "a.txt", "b", "c", "\xc3\xa9"}));
    EXPECT_EQ(must(folder->list("c")).size(), 1u);
    EXPECT_EQ(fault_of(folder->list("absent")), Fault::not_found);
  });
}

TEST_P(DiskConformance, rename_replaces_and_keeps_open_files_working) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    put(*folder, "old", "old text");
    put(*folder, "sub/new", "new text");
    auto const replaced = must(folder->open("old", {}));
    auto const inode = must(folder->info("sub/new")).inode;
    must(folder->rename("sub/new", "old"));
    EXPECT_EQ(get(*folder, "old"), "new text");
    EXPECT_EQ(must(folder->info("old")).inode, inode);
    EXPECT_EQ(fault_of(folder->info("sub/new")), Fault::not_found);
    Bytes bytes(8);
    must(replaced->read_exactly(0, bytes));
    EXPECT_EQ(base::text_of(bytes), "old text");
    EXPECT_EQ(fault_of(folder->rename("absent", "old")), Fault::not_found);
    must(folder->rename("old", "made/on/the/way/old"));
    EXPECT_EQ(get(*folder, "made/on/the/way/old"), "new text");
    must(folder->rename("sub", "moved"));
    EXPECT_EQ(must(folder->list("moved")).size(), 0u);
    must(folder->sync());
  });
}

TEST_P(DiskConformance, remove_takes_files_and_empty_folders_only) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    put(*folder, "sub/file", "x");
    EXPECT_FALSE(folder->remove("sub"));
    must(folder->remove("sub/file"));
    must(folder->remove("sub"));
    EXPECT_EQ(fault_of(folder->remove("sub")), Fault::not_found);
    EXPECT_TRUE(must(folder->list("")).empty());
  });
}

TEST_P(DiskConformance, paths_never_leave_the_folder) {
  GetParam()([](Arena& arena) {
    auto const outer = open_folder(arena);
    put(*outer, "outside", "secret");
    auto const folder = must(outer->open_directory("inside", true));
    put(*folder, "mine", "x");
    auto const absolute = arena.folder + "/outside";
    for (auto const& path : {std::string{"../outside"}, std::string{"a/../../outside"},
                             std::string{".."}, absolute, std::string{"nul\0outside", 11}}) {
      EXPECT_FALSE(folder->open(path, {})) << path;
      EXPECT_FALSE(folder->open(path, {.writable = true, .create = true})) << path;
      EXPECT_FALSE(folder->open_directory(path, true)) << path;
      EXPECT_FALSE(folder->info(path)) << path;
      EXPECT_FALSE(folder->list(path)) << path;
      EXPECT_FALSE(folder->remove(path)) << path;
      EXPECT_FALSE(folder->rename("mine", path)) << path;
      EXPECT_FALSE(folder->rename(path, "mine")) << path;
    }
    EXPECT_EQ(get(*outer, "outside"), "secret");
    EXPECT_EQ(get(*folder, "mine"), "x");
  });
}

TEST_P(DiskConformance, names_have_a_limit) {
  GetParam()([](Arena& arena) {
    auto const folder = open_folder(arena);
    put(*folder, std::string(255, 'n'), "x");
    EXPECT_EQ(fault_of(folder->open(std::string(256, 'n'), {.writable = true, .create = true})),
              Fault::invalid);
  });
}

TEST_P(DiskConformance, lifetime_is_the_same_as_long_as_nothing_written_can_be_lost) {
  GetParam()([](Arena& arena) {
    auto const before = open_folder(arena)->lifetime();
    EXPECT_NE(before, 0u);
    auto const folder = open_folder(arena);
    put(*folder, "unsynced", "x");
    EXPECT_EQ(folder->lifetime(), before);
  });
}

TEST_P(DiskConformance, space_is_told) {
  GetParam()([](Arena& arena) {
    auto const space = must(open_folder(arena)->space());
    EXPECT_GT(space.total_bytes, 0u);
    EXPECT_LE(space.free_bytes, space.total_bytes);
  });
}

}  // namespace
}  // namespace mutirao::sim
