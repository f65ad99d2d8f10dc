#include "mutirao/world/file_tree.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fmt/format.h>

#include "real_world_fixture.h"

namespace mutirao::world {
namespace {

NodeOwner us() { return {::getuid(), ::getgid()}; }

ErrorNumber const kNone{0};
template <class T>
ErrorNumber error_of(TreeResult<T> const& result) {
  return result ? kNone : result.error();
}

TreeOpen const kReadWrite{.read = true, .write = true};

std::set<std::string> names_in(TreeNode& folder) {
  std::set<std::string> names;
  auto const file = folder.open({});
  EXPECT_TRUE(file);
  for (std::uint64_t offset = 0;;) {
    auto const some = (*file)->list(offset);
    EXPECT_TRUE(some);
    if (!some || some->empty()) return names;
    for (auto const& entry : *some) EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    offset = some->back().after;
  }
}

/// What holds for a folder of the host holds for one in memory.
class FileTree : public RealWorldTest, public ::testing::WithParamInterface<bool> {
 protected:
  void with_tree(std::function<void(TreeNode&)> const& body) {
    if (!GetParam()) return body(*make_memory_tree());
    run([&](World& world) {
      auto const tree = world.disk().open_tree(folder_);
      ASSERT_TRUE(tree) << tree.error().what;
      body(**tree);
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, FileTree, ::testing::Bool(),
                         [](auto const& kind) { return kind.param ? "real" : "in_memory"; });

TEST_P(FileTree, takes_single_names_only) {
  with_tree([](TreeNode& root) {
    ASSERT_TRUE(root.make("folder", S_IFDIR | 0755, us()));
    using namespace std::string_view_literals;
    for (auto const name : {""sv, "."sv, ".."sv, "/"sv, "folder/x"sv, "../x"sv, "a\0b"sv}) {
      ErrorNumber const invalid{EINVAL};
      EXPECT_EQ(error_of(root.find(name)), invalid) << name;
      EXPECT_EQ(error_of(root.create(name, 0644, kReadWrite, us())), invalid);
      EXPECT_EQ(error_of(root.make(name, S_IFDIR | 0755, us())), invalid);
      EXPECT_EQ(error_of(root.make_symlink(name, "x", us())), invalid);
      EXPECT_EQ(error_of(root.link(root, name)), invalid);
      EXPECT_EQ(error_of(root.remove(name, true)), invalid);
      EXPECT_EQ(error_of(root.rename("folder", root, name, 0)), invalid);
      EXPECT_EQ(error_of(root.rename(name, root, "folder", 0)), invalid);
    }
    EXPECT_EQ(error_of(root.find(std::string(256, 'x'))), ErrorNumber{ENAMETOOLONG});
    EXPECT_EQ(names_in(root), (std::set<std::string>{".", "..", "folder"}));
  });
}

TEST_P(FileTree, keeps_what_is_written) {
  with_tree([](TreeNode& root) {
    auto const made = root.create("file", 0640, kReadWrite, us());
    ASSERT_TRUE(made);
    EXPECT_EQ(made->file->write(3, base::view_of("hello")), 5u);
    auto const file = root.find("file");
    ASSERT_TRUE(file);
    auto const info = (*file)->info();
    EXPECT_EQ(info->size, 8u);
    EXPECT_EQ(info->mode, S_IFREG | 0640u);
    EXPECT_EQ(info->inode, made->node->info()->inode);
    Bytes back(100);
    auto const opened = (*file)->open({});
    EXPECT_EQ((*opened)->read(1, back), 7u);
    EXPECT_EQ(base::text_of(ByteView{back}.first(7)), (std::string_view{"\0\0hello", 7}));
    EXPECT_EQ((*opened)->read(8, back), 0u);
    EXPECT_EQ(error_of((*opened)->write(0, base::view_of("x"))), ErrorNumber{EBADF});
    auto const end = (*file)->open({.read = false, .write = true, .append = true});
    EXPECT_EQ((*end)->write(0, base::view_of("!")), 1u);
    EXPECT_EQ((*file)->info()->size, 9u);
    ASSERT_TRUE((*file)->change({.mode = 0600, .size = 4}));
    EXPECT_EQ((*file)->info()->size, 4u);
    EXPECT_EQ((*file)->info()->mode, S_IFREG | 0600u);
    ASSERT_TRUE((*file)->change({.modified = FileTime{1234, 5678}}));
    EXPECT_EQ((*file)->info()->modified, (FileTime{1234, 5678}));
    EXPECT_TRUE(made->file->sync(true));
    EXPECT_TRUE(made->file->flush());
    EXPECT_TRUE(root.sync_all());
  });
}

TEST_P(FileTree, gives_what_it_makes_the_permissions_that_were_asked_for) {
  mode_t const before = ::umask(077);
  with_tree([](TreeNode& root) {
    EXPECT_EQ(root.create("file", 0666, kReadWrite, us())->node->info()->mode, S_IFREG | 0666u);
    EXPECT_EQ((*root.make("folder", S_IFDIR | 01777, us()))->info()->mode, S_IFDIR | 01777u);
    EXPECT_EQ((*root.make("pipe", S_IFIFO | 0622, us()))->info()->mode, S_IFIFO | 0622u);
    EXPECT_EQ(error_of(root.create("file", 0666, {.write = true, .exclusive = true}, us())),
              ErrorNumber{EEXIST});
    EXPECT_TRUE(root.create("file", 0600, kReadWrite, us()));
    EXPECT_EQ((*root.find("file"))->info()->mode, S_IFREG | 0666u);
  });
  ::umask(before);
}

TEST_P(FileTree, opens_files_and_folders_and_nothing_else) {
  with_tree([](TreeNode& root) {
    ErrorNumber const refused{ENXIO};
    auto const pipe = root.make("pipe", S_IFIFO | 0666, us());
    ASSERT_TRUE(pipe);
    EXPECT_EQ(error_of((*pipe)->open({})), refused);
    EXPECT_EQ(error_of(root.create("pipe", 0666, kReadWrite, us())), refused);
    EXPECT_EQ(error_of(root.make("disk", S_IFBLK | 0666, us())), ErrorNumber{EPERM});
    EXPECT_EQ(error_of(root.make("zero", S_IFCHR | 0666, us())), ErrorNumber{EPERM});
    EXPECT_EQ(error_of(root.make("what", 0666, us())), ErrorNumber{EINVAL});
    EXPECT_EQ(error_of(root.find("pipe").value()->find("x")), ErrorNumber{ENOTDIR});
  });
}

TEST_P(FileTree, holds_what_was_renamed_or_removed) {
  with_tree([](TreeNode& root) {
    auto const folder = *root.make("folder", S_IFDIR | 0755, us());
    auto const made = root.create("a", 0644, kReadWrite, us());
    ASSERT_TRUE(made->file->write(0, base::view_of("content")));
    ASSERT_TRUE(root.rename("a", *folder, "b", 0));
    EXPECT_EQ(error_of(root.find("a")), ErrorNumber{ENOENT});
    EXPECT_EQ((*folder->find("b"))->info()->inode, made->node->info()->inode);
    EXPECT_EQ(error_of(folder->remove("b", true)), ErrorNumber{ENOTDIR});
    EXPECT_EQ(error_of(root.remove("folder", true)), ErrorNumber{ENOTEMPTY});
    EXPECT_EQ(error_of(root.remove("folder", false)), ErrorNumber{EISDIR});
    ASSERT_TRUE(folder->remove("b", false));
    EXPECT_EQ(made->node->info()->links, 0u);
    Bytes back(7);
    EXPECT_EQ((*made->node->open({}))->read(0, back), 7u);
    EXPECT_EQ(base::text_of(back), "content");
    ASSERT_TRUE(root.remove("folder", true));
    EXPECT_EQ(error_of(folder->make("x", S_IFREG | 0644, us())), ErrorNumber{ENOENT});
  });
}

TEST_P(FileTree, renames_as_it_is_told) {
  with_tree([](TreeNode& root) {
    auto const inode = [&](char const* name) { return (*root.find(name))->info()->inode; };
    ASSERT_TRUE(root.make("a", S_IFREG | 0644, us()));
    ASSERT_TRUE(root.make("b", S_IFREG | 0644, us()));
    auto const a = inode("a"), b = inode("b");
    EXPECT_EQ(error_of(root.rename("a", root, "b", RENAME_NOREPLACE)), ErrorNumber{EEXIST});
    ASSERT_TRUE(root.rename("a", root, "b", RENAME_EXCHANGE));
    EXPECT_EQ(inode("a"), b);
    EXPECT_EQ(inode("b"), a);
    EXPECT_EQ(error_of(root.rename("a", root, "b", RENAME_WHITEOUT)), ErrorNumber{EINVAL});
    EXPECT_EQ(error_of(root.rename("a", root, "c", RENAME_EXCHANGE)), ErrorNumber{ENOENT});
    ASSERT_TRUE(root.rename("a", root, "b", 0));
    EXPECT_EQ(inode("b"), b);
    auto const folder = *root.make("folder", S_IFDIR | 0755, us());
    EXPECT_EQ(error_of(root.rename("folder", *folder, "itself", 0)), ErrorNumber{EINVAL});
  });
}

TEST_P(FileTree, has_links_of_both_kinds_and_follows_none) {
  with_tree([](TreeNode& root) {
    auto const file = *root.make("file", S_IFREG | 0644, us());
    ASSERT_TRUE(root.link(*file, "same"));
    EXPECT_EQ(file->info()->links, 2u);
    EXPECT_EQ((*root.find("same"))->info()->inode, file->info()->inode);
    EXPECT_EQ(error_of(root.link(*file, "same")), ErrorNumber{EEXIST});
    for (std::string const target : {"/", "..", "/etc/passwd", "file"}) {
      auto const link = root.make_symlink("link", target, us());
      ASSERT_TRUE(link);
      EXPECT_EQ((*link)->target(), target);
      EXPECT_EQ((*link)->info()->mode & S_IFMT, static_cast<unsigned>(S_IFLNK));
      EXPECT_EQ(error_of((*link)->open({})), ErrorNumber{ENXIO});
      EXPECT_EQ(error_of((*link)->find("x")), ErrorNumber{ENOTDIR});
      EXPECT_EQ(error_of((*link)->make("x", S_IFREG | 0644, us())), ErrorNumber{ENOTDIR});
      EXPECT_NE(error_of(root.create("link", 0644, kReadWrite, us())), kNone);
      EXPECT_NE(error_of((*link)->change({.size = 0})), kNone);
      ASSERT_TRUE(root.remove("link", false));
    }
    EXPECT_EQ(error_of(file->target()), ErrorNumber{EINVAL});
  });
}

TEST_P(FileTree, lists_large_folders_piece_by_piece) {
  with_tree([](TreeNode& root) {
    std::set<std::string> made{".", ".."};
    for (int i = 0; i < 2000; ++i) {
      auto const name = fmt::format("a-name-of-some-length-{:04}", i);
      ASSERT_TRUE(root.make(name, S_IFREG | 0644, us()));
      made.insert(name);
    }
    EXPECT_EQ(names_in(root), made);
  });
}

TEST_P(FileTree, keeps_extended_attributes) {
  with_tree([](TreeNode& root) {
    auto const file = *root.make("file", S_IFREG | 0644, us());
    if (error_of(file->set_attribute("user.colour", base::view_of("blue"), 0)) ==
        ErrorNumber{EOPNOTSUPP})
      GTEST_SKIP() << "the file system has none";
    EXPECT_EQ(base::text_of(*file->attribute("user.colour")), "blue");
    EXPECT_TRUE(base::text_of(*file->attributes()).contains(std::string_view{"user.colour\0", 12}));
    EXPECT_EQ(error_of(file->set_attribute("user.colour", base::view_of("red"), XATTR_CREATE)),
              ErrorNumber{EEXIST});
    EXPECT_EQ(error_of(file->set_attribute("user.size", base::view_of("4"), XATTR_REPLACE)),
              ErrorNumber{ENODATA});
    ASSERT_TRUE(file->remove_attribute("user.colour"));
    EXPECT_EQ(error_of(file->attribute("user.colour")), ErrorNumber{ENODATA});
  });
}

TEST_P(FileTree, makes_room_and_copies_ranges) {
  with_tree([](TreeNode& root) {
    auto const from = root.create("from", 0644, kReadWrite, us());
    auto const to = root.create("to", 0644, kReadWrite, us());
    ASSERT_TRUE(from->file->write(0, base::view_of("0123456789")));
    ASSERT_EQ(from->file->copy(2, *to->file, 1, 3), 3u);
    Bytes back(4);
    EXPECT_EQ(to->file->read(0, back), 4u);
    EXPECT_EQ(base::text_of(back), (std::string_view{"\0"
                                                     "234",
                                                     4}));
    EXPECT_EQ(from->file->seek(0, SEEK_DATA), 0u);
    EXPECT_EQ(error_of(from->file->seek(10, SEEK_DATA)), ErrorNumber{ENXIO});
    EXPECT_EQ(error_of(from->file->seek(0, SEEK_SET)), ErrorNumber{EINVAL});
    auto const grown = to->file->allocate(0, 0, 8192);
    if (error_of(grown) != ErrorNumber{EOPNOTSUPP}) {
      EXPECT_TRUE(grown);
      EXPECT_EQ(to->node->info()->size, 8192u);
    }
    EXPECT_GT(root.space()->blocks, 0u);
  });
}

class RealTree : public RealWorldTest {
 protected:
  void with_tree(std::function<void(TreeNode&)> const& body) {
    std::filesystem::create_directories(shared());
    run([&](World& world) {
      auto const tree = world.disk().open_tree(shared());
      ASSERT_TRUE(tree) << tree.error().what;
      body(**tree);
    });
  }
  [[nodiscard]] std::string shared() const { return folder_ + "/shared"; }
};

// Somebody on the host changes a folder for a link to one outside, after the client found it.
TEST_F(RealTree, stays_inside_when_a_folder_becomes_a_link) {
  with_tree([this](TreeNode& root) {
    std::filesystem::create_directories(folder_ + "/outside");
    std::ofstream{folder_ + "/outside/secret"} << "secret";
    std::filesystem::create_directories(shared() + "/folder");
    auto const folder = root.find("folder");
    ASSERT_TRUE(folder);
    std::filesystem::rename(shared() + "/folder", shared() + "/moved");
    std::filesystem::create_symlink("../outside", shared() + "/folder");
    EXPECT_EQ(error_of((*folder)->find("secret")), ErrorNumber{ENOENT});
    ASSERT_TRUE((*folder)->make("mine", S_IFREG | 0644, us()));
    EXPECT_TRUE(std::filesystem::exists(shared() + "/moved/mine"));
    auto const link = root.find("folder");
    ASSERT_TRUE(link);
    EXPECT_EQ(error_of((*link)->find("secret")), ErrorNumber{ENOTDIR});
    EXPECT_EQ(error_of((*link)->open({})), ErrorNumber{ENXIO});
  });
}

// Goal: no moment between a look at a name and its use lets a client out.
// Method: another thread exchanges a folder and a link to one outside as fast as it can.
TEST_F(RealTree, stays_inside_while_folders_and_links_change_places) {
  with_tree([this](TreeNode& root) {
    std::filesystem::create_directories(folder_ + "/outside");
    std::ofstream{folder_ + "/outside/secret"} << "secret";
    std::filesystem::create_directories(shared() + "/a");
    std::filesystem::create_symlink("../outside", shared() + "/b");
    std::string const a = shared() + "/a", b = shared() + "/b";
    threads::scope scope;
    scope.spawn("exchanger", [&] {
      while (!threads::stop_requested()) {
        ASSERT_EQ(::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE), 0);
        threads::yield();
      }
    });
    int folders = 0, links = 0;
    for (int i = 0; i < 5000; ++i) {
      auto const node = root.find("a");
      ASSERT_TRUE(node);
      bool const folder = S_ISDIR((*node)->info()->mode);
      (folder ? folders : links) += 1;
      EXPECT_EQ(error_of((*node)->find("secret")), ErrorNumber{folder ? ENOENT : ENOTDIR});
      EXPECT_EQ(error_of((*node)->open({})), folder ? kNone : ErrorNumber{ENXIO});
      EXPECT_EQ(error_of((*node)->create("secret", 0644, kReadWrite, us())),
                folder ? kNone : ErrorNumber{ENOTDIR});
      EXPECT_EQ((*node)->remove("secret", false).has_value(), folder);
      threads::yield();
    }
    scope.request_stop();
    static_cast<void>(scope.join());
    EXPECT_GT(folders, 0);
    EXPECT_GT(links, 0);
    EXPECT_EQ(std::filesystem::file_size(folder_ + "/outside/secret"), 6u);
  });
}

TEST_F(RealTree, opens_no_device_that_lies_in_the_folder) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes devices";
  with_tree([this](TreeNode& root) {
    if (::mknod((shared() + "/zero").c_str(), S_IFCHR | 0666, makedev(1, 5)) != 0)
      GTEST_SKIP() << "no device can be made here";
    auto const zero = root.find("zero");
    ASSERT_TRUE(zero);
    EXPECT_EQ((*zero)->info()->special, 1u << 8 | 5u);
    EXPECT_EQ(error_of((*zero)->open({})), ErrorNumber{ENXIO});
    EXPECT_EQ(error_of(root.create("zero", 0644, kReadWrite, us())), ErrorNumber{ENXIO});
  });
}

TEST_F(RealTree, gives_what_it_makes_away_where_it_may) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  with_tree([](TreeNode& root) {
    NodeOwner const somebody{1234, 5678};
    for (auto const& node : {root.create("file", 04755, kReadWrite, somebody)->node->info(),
                             (*root.make("folder", S_IFDIR | 0700, somebody))->info(),
                             (*root.make_symlink("link", "x", somebody))->info()}) {
      EXPECT_EQ(node->owner, 1234u);
      EXPECT_EQ(node->group, 5678u);
    }
    EXPECT_EQ((*root.find("file"))->info()->mode, S_IFREG | 04755u);
    // A folder that hands on its group.
    auto const team = *root.make("team", S_IFDIR | 02775, {0, 77});
    EXPECT_EQ(team->create("file", 0644, kReadWrite, somebody)->node->info()->group, 77u);
    EXPECT_EQ((*team->make("below", S_IFDIR | 0755, somebody))->info()->mode, S_IFDIR | 02755u);
  });
}

// A monitor opens folders, forks, and leaves the files of the host behind.
TEST_F(RealTree, says_what_is_wrong_with_a_folder) {
  run([this](World& world) {
    auto const none = world.disk().open_tree(folder_ + "/none");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().fault, Fault::not_found);
    EXPECT_FALSE(none.error().mend.empty());
  });
}

}  // namespace
}  // namespace mutirao::world
