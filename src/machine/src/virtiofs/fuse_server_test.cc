#include "virtiofs/fuse_server.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "testing/fuse_client.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kRoot = FUSE_ROOT_ID;

/// What a request says about an open file, and nothing else.
template <class T>
T of_file(std::uint64_t handle) {
  T in{};
  in.fh = handle;
  return in;
}
constexpr fuse_create_in kCreate{.flags = O_RDWR, .mode = 0644, .umask = 0, .open_flags = 0};

class FuseServerTest : public ::testing::Test {
 protected:
  FuseReply ask(FuseRequest const& request, std::size_t room = 1 << 20) {
    return machine::ask(server, request, room);
  }
  static FuseRequest request(std::uint32_t opcode, std::uint64_t node = kRoot) {
    return {opcode, node};
  }
  /// The node's number; 0 if there is none.
  std::uint64_t look_up(std::string_view name, std::uint64_t parent = kRoot) {
    return ask(request(FUSE_LOOKUP, parent) << name).as<fuse_entry_out>().nodeid;
  }
  std::uint64_t make_folder(std::string_view name, std::uint64_t parent = kRoot) {
    return ask(request(FUSE_MKDIR, parent) << fuse_mkdir_in{.mode = 0755, .umask = 0} << name)
        .as<fuse_entry_out>()
        .nodeid;
  }
  struct OpenFile {
    std::uint64_t node, handle;
  };
  OpenFile create(std::string_view name, std::uint32_t flags = O_RDWR) {
    fuse_create_in in{};
    in.flags = flags;
    in.mode = S_IFREG | 0644;
    auto const made = ask(request(FUSE_CREATE) << in << name);
    EXPECT_EQ(made.error, 0) << name;
    return {made.as<fuse_entry_out>().nodeid, made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh};
  }
  FuseReply write(OpenFile file, std::uint64_t offset, std::string_view text) {
    fuse_write_in in{};
    in.fh = file.handle;
    in.offset = offset;
    in.size = static_cast<std::uint32_t>(text.size());
    return ask(request(FUSE_WRITE, file.node) << in << base::view_of(text));
  }
  FuseReply read(OpenFile file, std::uint64_t offset, std::uint32_t size,
                 std::size_t room = 1 << 20) {
    fuse_read_in in{};
    in.fh = file.handle;
    in.offset = offset;
    in.size = size;
    return ask(request(FUSE_READ, file.node) << in, room);
  }
  FuseReply open(std::uint64_t node, std::uint32_t flags, std::uint32_t opcode = FUSE_OPEN) {
    return ask(request(opcode, node) << fuse_open_in{.flags = flags, .open_flags = 0});
  }
  /// Handles are numbered from 1.
  void release_all() {
    for (std::uint64_t handle = 1; handle <= 1000; ++handle)
      static_cast<void>(ask(request(FUSE_RELEASE) << of_file<fuse_release_in>(handle)));
  }
  void forget(std::uint64_t node, std::uint64_t times) {
    EXPECT_EQ(ask(request(FUSE_FORGET, node) << fuse_forget_in{times}).error, -1);
  }
  fuse_attr attributes(std::uint64_t node) {
    return ask(request(FUSE_GETATTR, node) << fuse_getattr_in{}).as<fuse_attr_out>().attr;
  }
  /// What is in a folder, by name, with its node's number where the client is told of it.
  std::map<std::string, std::uint64_t> list(std::uint64_t node, bool with_nodes,
                                            std::uint32_t size = 4096) {
    std::map<std::string, std::uint64_t> found;
    fuse_read_in in{};
    in.fh = open(node, O_RDONLY, FUSE_OPENDIR).as<fuse_open_out>().fh;
    in.size = size;
    for (;;) {
      auto const some = ask(request(with_nodes ? FUSE_READDIRPLUS : FUSE_READDIR, node) << in);
      EXPECT_EQ(some.error, 0);
      EXPECT_LE(some.body.size(), size);
      if (some.body.empty()) return found;
      for (std::size_t at = 0; at < some.body.size();) {
        std::uint64_t number = 0;
        if (with_nodes) {
          number = some.as<fuse_entry_out>(at).nodeid;
          at += sizeof(fuse_entry_out);
        }
        auto const entry = some.as<fuse_dirent>(at);
        found.emplace(some.text().substr(at + FUSE_NAME_OFFSET, entry.namelen), number);
        at += FUSE_REC_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
        in.offset = entry.off;
      }
    }
  }

  std::shared_ptr<world::TreeNode> tree = world::make_memory_tree();
  FuseServer server{tree, {.nodes_max = 50, .files_max = 10}};
};

TEST_F(FuseServerTest, agrees_on_what_both_know) {
  fuse_init_in in{};
  in.major = 7;
  in.minor = 45;
  in.flags = ~0u;
  auto const agreed = ask(request(FUSE_INIT) << in).as<fuse_init_out>();
  EXPECT_EQ(agreed.major, 7u);
  EXPECT_EQ(agreed.minor, 38u);
  EXPECT_EQ(agreed.max_write, FuseServer::kTransferMax);
  EXPECT_NE(agreed.flags & FUSE_AUTO_INVAL_DATA, 0u);
  EXPECT_EQ(agreed.flags & (FUSE_WRITEBACK_CACHE | FUSE_POSIX_LOCKS | FUSE_POSIX_ACL), 0u);
  in.flags = FUSE_ASYNC_READ;
  EXPECT_EQ(ask(request(FUSE_INIT) << in).as<fuse_init_out>().flags, unsigned{FUSE_ASYNC_READ});
  in.minor = 8;
  EXPECT_EQ(ask(request(FUSE_INIT) << in).error, EPROTO);
  EXPECT_EQ(ask(request(FUSE_INIT)).error, EINVAL);
}

TEST_F(FuseServerTest, keeps_what_a_client_writes) {
  auto const file = create("file");
  EXPECT_EQ(write(file, 0, "hello world").as<fuse_write_out>().size, 11u);
  EXPECT_EQ(read(file, 6, 100).text(), "world");
  EXPECT_EQ(read(file, 6, 100, sizeof(fuse_out_header) + 2).text(), "wo");
  EXPECT_EQ(attributes(file.node).size, 11u);
  EXPECT_EQ(look_up("file"), file.node);
  fuse_setattr_in set{};
  set.valid = FATTR_SIZE | FATTR_MODE;
  set.size = 5;
  set.mode = 0600;
  auto const changed = ask(request(FUSE_SETATTR, file.node) << set).as<fuse_attr_out>().attr;
  EXPECT_EQ(changed.size, 5u);
  EXPECT_EQ(changed.mode, S_IFREG | 0600u);
  auto const again = open(file.node, O_WRONLY | O_APPEND);
  EXPECT_EQ(again.error, 0);
  OpenFile const end{file.node, again.as<fuse_open_out>().fh};
  EXPECT_EQ(write(end, 0, "!").error, 0);
  EXPECT_EQ(read(file, 0, 100).text(), "hello!");
  EXPECT_EQ(read(end, 0, 100).error, EBADF);
  for (auto const opcode : {FUSE_FLUSH, FUSE_FSYNC})
    EXPECT_EQ(ask(request(opcode, file.node) << of_file<fuse_flush_in>(file.handle)).error, 0);
  EXPECT_EQ(ask(request(FUSE_SYNCFS) << fuse_syncfs_in{}).error, 0);
  EXPECT_EQ(ask(request(FUSE_RELEASE, file.node) << of_file<fuse_release_in>(file.handle)).error,
            0);
  EXPECT_EQ(read(file, 0, 100).error, EBADF);
}

TEST_F(FuseServerTest, answers_what_a_client_asks_about_files) {
  auto const file = create("file"), other = create("other");
  write(file, 0, "0123456789");
  fuse_lseek_in seek{};
  seek.fh = file.handle;
  seek.whence = SEEK_HOLE;
  EXPECT_EQ(ask(request(FUSE_LSEEK, file.node) << seek).as<fuse_lseek_out>().offset, 10u);
  fuse_copy_file_range_in copy{};
  copy.fh_in = file.handle;
  copy.off_in = 3;
  copy.fh_out = other.handle;
  copy.nodeid_out = other.node;
  copy.len = 4;
  EXPECT_EQ(ask(request(FUSE_COPY_FILE_RANGE, file.node) << copy).as<fuse_write_out>().size, 4u);
  EXPECT_EQ(read(other, 0, 100).text(), "3456");
  fuse_fallocate_in room{};
  room.fh = other.handle;
  room.length = 100;
  EXPECT_EQ(ask(request(FUSE_FALLOCATE, other.node) << room).error, 0);
  EXPECT_EQ(attributes(other.node).size, 100u);
  EXPECT_GT(ask(request(FUSE_STATFS)).as<fuse_statfs_out>().st.blocks, 0u);
  EXPECT_EQ(
      ask(request(FUSE_ACCESS, file.node) << fuse_access_in{.mask = W_OK, .padding = 0}).error, 0);
}

TEST_F(FuseServerTest, makes_links_and_moves_and_removes) {
  auto const folder = make_folder("folder");
  auto const file = create("a");
  EXPECT_EQ(ask(request(FUSE_RENAME) << fuse_rename_in{folder} << "a" << "b").error, 0);
  EXPECT_EQ(look_up("a"), 0u);
  EXPECT_EQ(look_up("b", folder), file.node);
  auto const linked = ask(request(FUSE_LINK) << fuse_link_in{file.node} << "same");
  EXPECT_EQ(linked.as<fuse_entry_out>().nodeid, file.node);
  EXPECT_EQ(linked.as<fuse_entry_out>().attr.nlink, 2u);
  fuse_rename2_in keep{};
  keep.newdir = folder;
  keep.flags = RENAME_NOREPLACE;
  EXPECT_EQ(ask(request(FUSE_RENAME2) << keep << "same" << "b").error, EEXIST);
  auto const link = ask(request(FUSE_SYMLINK) << "link" << "/etc/passwd").as<fuse_entry_out>();
  EXPECT_EQ(ask(request(FUSE_READLINK, link.nodeid)).text(), "/etc/passwd");
  EXPECT_EQ(ask(request(FUSE_RMDIR) << "folder").error, ENOTEMPTY);
  EXPECT_EQ(ask(request(FUSE_UNLINK, folder) << "b").error, 0);
  EXPECT_EQ(ask(request(FUSE_RMDIR) << "folder").error, 0);
  EXPECT_EQ(attributes(file.node).nlink, 1u);
}

TEST_F(FuseServerTest, lists_folders_with_and_without_what_is_in_them) {
  for (int i = 0; i < 40; ++i) create("file" + std::to_string(i), O_RDONLY), release_all();
  auto const plain = list(kRoot, false, 300);
  EXPECT_EQ(plain.size(), 42u);
  EXPECT_TRUE(plain.contains("..") && plain.contains("file39"));
  auto const with_nodes = list(kRoot, true, 1000);
  EXPECT_EQ(with_nodes.size(), 42u);
  EXPECT_EQ(with_nodes.at("."), 0u);
  EXPECT_EQ(with_nodes.at(".."), 0u);
  EXPECT_EQ(with_nodes.at("file7"), look_up("file7"));
  // No room for even one.
  fuse_read_in in{};
  in.fh = open(kRoot, O_RDONLY, FUSE_OPENDIR).as<fuse_open_out>().fh;
  in.size = 20;
  EXPECT_EQ(ask(request(FUSE_READDIR) << in).error, EINVAL);
}

TEST_F(FuseServerTest, keeps_attributes_that_mean_the_same_to_the_client) {
  auto const file = create("file");
  auto const set = [&](std::string_view name, std::string_view value) {
    fuse_setxattr_in in{};
    in.size = static_cast<std::uint32_t>(value.size());
    auto whole = request(FUSE_SETXATTR, file.node);
    whole << in.size << in.flags << name << base::view_of(value);
    return ask(whole).error;
  };
  auto const get = [&](std::string_view name, std::uint32_t size) {
    return ask(request(FUSE_GETXATTR, file.node) << fuse_getxattr_in{size, 0} << name);
  };
  EXPECT_EQ(set("user.a", "value"), 0);
  EXPECT_EQ(get("user.a", 100).text(), "value");
  EXPECT_EQ(get("user.a", 0).as<fuse_getxattr_out>().size, 5u);
  EXPECT_EQ(get("user.a", 4).error, ERANGE);
  EXPECT_EQ(get("user.b", 100).error, ENODATA);
  EXPECT_EQ(get("system.posix_acl_access", 100).error, EOPNOTSUPP);
  EXPECT_EQ(set("security.selinux", "x"), EOPNOTSUPP);
  EXPECT_EQ(ask(request(FUSE_LISTXATTR, file.node) << fuse_getxattr_in{100, 0}).text(),
            (std::string_view{"user.a\0", 7}));
  EXPECT_EQ(ask(request(FUSE_REMOVEXATTR, file.node) << "user.a").error, 0);
}

TEST_F(FuseServerTest, takes_powers_from_a_program_that_is_written_to) {
  auto const file = create("program");
  fuse_setattr_in set{};
  set.valid = FATTR_MODE;
  set.mode = 06755;
  ask(request(FUSE_SETATTR, file.node) << set);
  write(file, 0, "kept");
  EXPECT_EQ(attributes(file.node).mode, S_IFREG | 06755u);
  fuse_write_in in{};
  in.fh = file.handle;
  in.write_flags = FUSE_WRITE_KILL_SUIDGID;
  EXPECT_EQ(ask(request(FUSE_WRITE, file.node) << in).error, 0);
  EXPECT_EQ(attributes(file.node).mode, S_IFREG | 0755u);
}

TEST_F(FuseServerTest, changes_nothing_that_is_only_to_be_read) {
  create("file");
  FuseServer only_read{tree, {.read_only = true}};
  auto const refused = [&](FuseRequest const& wanted) {
    EXPECT_EQ(machine::ask(only_read, wanted).error, EROFS);
  };
  auto const node =
      machine::ask(only_read, request(FUSE_LOOKUP) << "file").as<fuse_entry_out>().nodeid;
  EXPECT_NE(node, 0u);
  refused(request(FUSE_OPEN, node) << fuse_open_in{.flags = O_RDWR, .open_flags = 0});
  refused(request(FUSE_CREATE) << fuse_create_in{} << "new");
  refused(request(FUSE_MKNOD) << fuse_mknod_in{} << "new");
  refused(request(FUSE_MKDIR) << fuse_mkdir_in{} << "new");
  refused(request(FUSE_SYMLINK) << "new" << "target");
  refused(request(FUSE_LINK) << fuse_link_in{node} << "new");
  refused(request(FUSE_UNLINK) << "file");
  refused(request(FUSE_RMDIR) << "file");
  refused(request(FUSE_RENAME) << fuse_rename_in{kRoot} << "file" << "new");
  refused(request(FUSE_RENAME2) << fuse_rename2_in{} << "file" << "new");
  refused(request(FUSE_SETATTR, node) << fuse_setattr_in{});
  refused(request(FUSE_SETXATTR, node) << fuse_getxattr_in{} << "user.a");
  refused(request(FUSE_REMOVEXATTR, node) << "user.a");
  refused(request(FUSE_FALLOCATE, node) << fuse_fallocate_in{});
  refused(request(FUSE_COPY_FILE_RANGE, node) << fuse_copy_file_range_in{});
  refused(request(FUSE_ACCESS, node) << fuse_access_in{.mask = W_OK, .padding = 0});
  EXPECT_EQ(machine::ask(only_read, request(FUSE_OPEN, node) << fuse_open_in{}).error, 0);
}

TEST_F(FuseServerTest, forgets_a_node_when_its_client_did_as_often_as_it_was_told) {
  auto const file = create("file");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(look_up("file"), file.node);
  forget(file.node, 4);
  EXPECT_EQ(server.nodes_known(), 1u);
  EXPECT_EQ(attributes(file.node).mode, S_IFREG | 0644u);
  auto batch = request(FUSE_BATCH_FORGET);
  batch << fuse_batch_forget_in{.count = 3, .dummy = 0} << fuse_forget_one{file.node, 1}
        << fuse_forget_one{77, 5} << fuse_forget_one{kRoot, 5};
  EXPECT_EQ(ask(batch).error, -1);
  EXPECT_EQ(server.nodes_known(), 0u);
  EXPECT_EQ(ask(request(FUSE_GETATTR, file.node) << fuse_getattr_in{}).error, ESTALE);
  EXPECT_EQ(ask(request(FUSE_GETATTR) << fuse_getattr_in{}).error, 0);
  EXPECT_NE(look_up("file"), file.node) << "a number came back";
  EXPECT_EQ(read(file, 0, 10).error, 0) << "what is open stays open";
}

TEST_F(FuseServerTest, holds_so_many_nodes_and_files_at_most) {
  for (int i = 0; i < 10; ++i) create("file" + std::to_string(i));
  auto const refused = ask(request(FUSE_CREATE) << kCreate << "another");
  EXPECT_EQ(refused.error, ENFILE);
  EXPECT_EQ(server.files_open(), 10u);
  release_all();
  for (int i = 10; i < 50; ++i) create("file" + std::to_string(i)), release_all();
  EXPECT_EQ(server.nodes_known(), 50u);
  EXPECT_EQ(ask(request(FUSE_MKDIR) << fuse_mkdir_in{} << "folder").error, ENFILE);
  EXPECT_EQ(ask(request(FUSE_CREATE) << kCreate << "one").error, ENFILE);
  EXPECT_EQ(server.files_open(), 0u) << "left open for nobody";
  EXPECT_EQ(list(kRoot, true).at("folder"), 0u);
  EXPECT_EQ(ask(request(FUSE_DESTROY)).error, 0);
  EXPECT_EQ(server.nodes_known(), 0u);
}

TEST_F(FuseServerTest, reaches_nothing_by_names_that_are_none) {
  make_folder("folder");
  for (std::string_view const name : {"", ".", "..", "/", "/etc", "folder/..", "../.."}) {
    EXPECT_EQ(ask(request(FUSE_LOOKUP) << name).error, EINVAL) << name;
    EXPECT_EQ(ask(request(FUSE_CREATE) << fuse_create_in{} << name).error, EINVAL);
    EXPECT_EQ(ask(request(FUSE_MKDIR) << fuse_mkdir_in{} << name).error, EINVAL);
    EXPECT_EQ(ask(request(FUSE_SYMLINK) << name << "x").error, EINVAL);
    EXPECT_EQ(ask(request(FUSE_RENAME) << fuse_rename_in{kRoot} << "folder" << name).error, EINVAL);
    EXPECT_EQ(ask(request(FUSE_UNLINK) << name).error, EINVAL);
  }
  EXPECT_EQ(ask(request(FUSE_LOOKUP) << std::string(300, 'x')).error, ENAMETOOLONG);
  // No end to it.
  EXPECT_EQ(ask(request(FUSE_LOOKUP) << base::view_of("folder")).error, EINVAL);
  // Through a link.
  auto const link = ask(request(FUSE_SYMLINK) << "out" << "/").as<fuse_entry_out>().nodeid;
  EXPECT_EQ(ask(request(FUSE_LOOKUP, link) << "etc").error, ENOTDIR);
  EXPECT_NE(open(link, O_RDONLY).error, 0);
  EXPECT_NE(open(link, O_RDONLY, FUSE_OPENDIR).error, 0);
  fuse_mknod_in device{};
  device.mode = S_IFBLK | 0666;
  EXPECT_EQ(ask(request(FUSE_MKNOD) << device << "disk").error, EPERM);
}

TEST_F(FuseServerTest, answers_requests_that_lie_with_an_error) {
  auto const file = create("file");
  fuse_write_in in{};
  in.fh = file.handle;
  in.size = 1000;
  EXPECT_EQ(ask(request(FUSE_WRITE, file.node) << in << base::view_of("short")).error, EINVAL);
  in.size = 3;
  EXPECT_EQ(ask(request(FUSE_WRITE, file.node) << in << base::view_of("short")).error, EINVAL);
  EXPECT_EQ(ask(request(FUSE_READ, file.node)).error, EINVAL);
  EXPECT_EQ(ask(request(9999, file.node)).error, ENOSYS);
  EXPECT_EQ(ask(request(FUSE_SETLK, file.node)).error, ENOSYS);
  fuse_read_in stranger{};
  stranger.fh = 12345;
  stranger.size = 10;
  EXPECT_EQ(ask(request(FUSE_READ, file.node) << stranger).error, EBADF);
  EXPECT_EQ(ask(request(FUSE_LOOKUP, 12345) << "file").error, ESTALE);
  EXPECT_EQ(open(kRoot, O_RDWR).error, EISDIR);
  EXPECT_EQ(open(file.node, O_RDONLY, FUSE_OPENDIR).error, ENOTDIR);
  // A header that says another length, or that is cut off.
  for (std::uint32_t const lie : {1u, ~0u, 1000u}) {
    auto const answer = server.answer((request(FUSE_LOOKUP) << "file").bytes(lie), 1000);
    fuse_out_header header;
    ASSERT_EQ(answer.size(), sizeof header);
    std::memcpy(&header, answer.data(), sizeof header);
    EXPECT_EQ(header.error, -EINVAL);
  }
  EXPECT_TRUE(server.answer(Bytes(39), 1000).empty());
  auto batch = request(FUSE_BATCH_FORGET);
  batch << fuse_batch_forget_in{.count = ~0u, .dummy = 0} << fuse_forget_one{file.node, 1};
  EXPECT_EQ(ask(batch).error, -1);
}

TEST_F(FuseServerTest, writes_no_more_than_there_is_room_for) {
  create("file");
  EXPECT_EQ(ask(request(FUSE_LOOKUP) << "file", sizeof(fuse_out_header)).error, EIO);
  EXPECT_EQ(ask(request(FUSE_LOOKUP) << "file", 3).error, -1);
  for (std::size_t const room : {0uz, 15uz, 16uz, 100uz, 200uz})
    EXPECT_LE(server.answer((request(FUSE_STATFS)).bytes(), room).size(), room);
}

/// A server of the same folder in another process, and what is asked of it.
class RestoredFuseServerTest : public FuseServerTest {
 protected:
  void move_on(FuseServer::Options options = {.nodes_max = 50, .files_max = 10}) {
    StateWriter saved;
    server.save(saved);
    restored = std::make_unique<FuseServer>(tree, options);
    StateReader from{saved.bytes(), 1};
    ASSERT_TRUE(restored->restore(from) && from.complete());
  }
  FuseReply ask_restored(FuseRequest const& request) { return machine::ask(*restored, request); }
  FuseReply read_restored(OpenFile file) {
    fuse_read_in in{};
    in.fh = file.handle;
    in.size = 100;
    return ask_restored(request(FUSE_READ, file.node) << in);
  }
  int getattr_restored(std::uint64_t node) {
    return ask_restored(request(FUSE_GETATTR, node) << fuse_getattr_in{}).error;
  }
  std::unique_ptr<FuseServer> restored;
};

TEST_F(RestoredFuseServerTest, finds_folders_and_open_files_by_their_places) {
  auto const outer = make_folder("outer"), inner = make_folder("inner", outer);
  fuse_create_in in{};
  in.flags = O_RDWR;
  in.mode = 0644;
  auto const made = ask(request(FUSE_CREATE, inner) << in << "file");
  OpenFile const file{made.as<fuse_entry_out>().nodeid,
                      made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh};
  write(file, 0, "as it was");
  auto const list_handle = open(inner, O_RDONLY, FUSE_OPENDIR).as<fuse_open_out>().fh;
  move_on();
  EXPECT_EQ(read_restored(file).text(), "as it was");
  EXPECT_EQ(getattr_restored(inner), 0);
  // The client is told the numbers that it knows, and new ones for what is new.
  auto const told = ask_restored(request(FUSE_LOOKUP, inner) << "file").as<fuse_entry_out>();
  EXPECT_EQ(told.nodeid, file.node);
  auto const fresh =
      ask_restored(request(FUSE_MKDIR, inner) << fuse_mkdir_in{.mode = 0755, .umask = 0} << "new");
  EXPECT_GT(fresh.as<fuse_entry_out>().nodeid, file.node);
  fuse_read_in list{};
  list.fh = list_handle;
  list.size = 4096;
  EXPECT_EQ(ask_restored(request(FUSE_READDIR, inner) << list).error, 0);
  // It knows them as often as it did before.
  for (unsigned times = 2; times > 0; --times) {
    EXPECT_EQ(getattr_restored(file.node), 0);
    ask_restored(request(FUSE_FORGET, file.node) << fuse_forget_in{1});
  }
  EXPECT_EQ(getattr_restored(file.node), ESTALE);
}

TEST_F(RestoredFuseServerTest, follows_what_the_client_itself_renamed) {
  auto const folder = make_folder("before"), other = make_folder("other");
  auto const file = create("file");
  write(file, 0, "mine");
  auto const rename = [&](std::string_view from, std::uint64_t to, std::string_view name,
                          std::uint32_t flags = 0) {
    fuse_rename2_in in{};
    in.newdir = to;
    in.flags = flags;
    return ask(request(FUSE_RENAME2) << in << from << name).error;
  };
  EXPECT_EQ(rename("file", folder, "moved"), 0);
  EXPECT_EQ(rename("before", kRoot, "after"), 0);
  auto const replaced = create("replaced"), replaces = create("replaces");
  write(replaces, 0, "new");
  EXPECT_EQ(rename("replaces", kRoot, "replaced"), 0);
  EXPECT_EQ(rename("after", kRoot, "other", RENAME_EXCHANGE), 0);
  move_on();
  EXPECT_EQ(read_restored(file).text(), "mine");
  EXPECT_EQ(read_restored(replaces).text(), "new");
  EXPECT_EQ(read_restored(replaced).error, ESTALE);
  EXPECT_EQ(getattr_restored(other), 0);
  EXPECT_EQ(ask_restored(request(FUSE_LOOKUP) << "after").as<fuse_entry_out>().nodeid, other);
  EXPECT_EQ(ask_restored(request(FUSE_LOOKUP) << "other").as<fuse_entry_out>().nodeid, folder);
}

TEST_F(RestoredFuseServerTest, moves_what_it_has_not_looked_for_yet) {
  auto const folder = make_folder("folder");
  auto const file = create("file");
  write(file, 0, "found");
  move_on();
  fuse_rename_in in{};
  in.newdir = folder;
  EXPECT_EQ(ask_restored(request(FUSE_RENAME) << in << "file" << "elsewhere").error, 0);
  EXPECT_EQ(getattr_restored(file.node), 0);
  EXPECT_EQ(read_restored(file).text(), "found");
  EXPECT_EQ(ask_restored(request(FUSE_UNLINK, folder) << "elsewhere").error, 0);
  EXPECT_EQ(read_restored(file).text(), "found") << "a file that is open outlives its name";
}

TEST_F(RestoredFuseServerTest, says_that_what_is_gone_is_stale) {
  auto const removed = create("removed"), lost = create("lost"), other = create("other"),
             kept = create("kept");
  EXPECT_EQ(ask(request(FUSE_UNLINK) << "removed").error, 0);
  ASSERT_TRUE(tree->remove("lost", false));
  ASSERT_TRUE(tree->remove("other", false));
  ASSERT_TRUE(tree->make("other", S_IFDIR | 0755, {}));
  move_on();
  for (auto const& file : {removed, lost, other}) {
    EXPECT_EQ(read_restored(file).error, ESTALE);
    EXPECT_EQ(getattr_restored(file.node), ESTALE);
    fuse_release_in release{};
    release.fh = file.handle;
    EXPECT_EQ(ask_restored(request(FUSE_RELEASE, file.node) << release).error, 0);
  }
  EXPECT_EQ(getattr_restored(kept.node), 0);
  // A folder has the name now, and gets a number of its own.
  auto const folder = ask_restored(request(FUSE_LOOKUP) << "other").as<fuse_entry_out>();
  EXPECT_NE(folder.nodeid, other.node);
  EXPECT_TRUE(S_ISDIR(folder.attr.mode));
}

TEST_F(RestoredFuseServerTest, opens_nothing_to_write_where_it_may_only_read_now) {
  auto const file = create("file");
  move_on({.read_only = true, .nodes_max = 50, .files_max = 10});
  EXPECT_EQ(read_restored(file).error, ESTALE);
  EXPECT_EQ(getattr_restored(file.node), 0);
}

TEST_F(RestoredFuseServerTest, takes_no_state_that_no_server_can_have_saved) {
  auto const folder = make_folder("folder");
  look_up("none", folder);
  create("file");
  StateWriter saved;
  server.save(saved);
  Bytes const whole = saved.bytes();
  auto const taken = [&](Bytes const& bytes, FuseServer::Options options = {}) {
    FuseServer other{tree, options};
    StateReader from{bytes, 1};
    return other.restore(from) && from.complete();
  };
  EXPECT_TRUE(taken(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(taken({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}));
  EXPECT_FALSE(taken(whole, {.nodes_max = 1}));
  EXPECT_FALSE(taken(whole, {.files_max = 0}));
  Bytes outside = whole;
  auto const name = std::ranges::search(outside, base::view_of("file"));
  std::ranges::copy(base::view_of("../x"), name.begin());
  EXPECT_FALSE(taken(outside));
  Bytes circle = whole;  // the folder in itself: it is found nowhere
  circle[8 + 4 + 8 + 8 + 4] = static_cast<std::uint8_t>(folder);
  FuseServer other{tree, {}};
  StateReader from{circle, 1};
  ASSERT_TRUE(other.restore(from));
  for (std::uint64_t node = 2; node < 5; ++node)
    static_cast<void>(machine::ask(other, request(FUSE_GETATTR, node) << fuse_getattr_in{}));
}

}  // namespace
}  // namespace mutirao::machine
