#include "access.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/middleware/reflection.h"
#include "mutirao/node/remote.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

namespace mutirao::node {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

/// A state folder on a user thread of the real world.
class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    auto name = (std::filesystem::temp_directory_path() / "mutirao-access-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~AccessTest() override { std::filesystem::remove_all(folder_); }

  void run(std::function<void(world::World&)> const& body) {
    threads::runtime runtime;
    runtime.run([&] {
      base::SilentLog log;
      auto const world = world::make_real_world(log);
      body(*world);
    });
  }
  void with_access(std::function<void(Access&, middleware::AuditLog&)> const& body) {
    run([&](world::World& world) {
      auto const db = *StateDb::open(folder_ + "/state.db");
      middleware::AuditLog log{world};
      auto const access = Access::open(*db, log);
      ASSERT_TRUE(access) << access.error().what;
      body(**access, log);
    });
  }
  static std::string key(std::uint8_t number) {
    net::PublicKey key;
    key.bytes.fill(number);
    return key.fingerprint();
  }
  /// What a caller may do with a method of an interface.
  template <class I>
  static Result<void> may(Access const& access, std::string const& caller,
                          std::string_view method) {
    middleware::Target target;
    target.object = I::kName;
    middleware::Call call{target, method, middleware::interface_of<I>.find(method), {}};
    call.caller = caller;
    return access.may(call);
  }

  std::string folder_;
};

TEST_F(AccessTest, lets_owners_do_everything_viewers_look_and_strangers_nothing) {
  with_access([](Access& access, middleware::AuditLog&) {
    ASSERT_TRUE(access.allow({.key = key(1), .role = "owner", .name = "ana"}, "test"));
    ASSERT_TRUE(access.allow({.key = key(2), .role = "viewer", .name = ""}, "test"));
    std::string const here{middleware::kLocalCaller};
    for (auto const& all : {std::string{}, here, key(1)}) {
      EXPECT_TRUE(may<NodeObject>(access, all, "stop")) << all;
      EXPECT_TRUE(may<NodeObject>(access, all, "status")) << all;
    }
    EXPECT_TRUE(may<NodeObject>(access, key(2), "status"));
    EXPECT_TRUE(may<middleware::Meta>(access, key(2), "call"));  // what it calls is asked for anew
    for (auto const* method : {"stop", "no such method"}) {
      auto const refused = may<NodeObject>(access, key(2), method);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().fault, Fault::refused);
      EXPECT_EQ(refused.error().mend,
                "run on the node: mutirao key allow " + key(2) + " --role owner");
    }
    for (auto const& nobody : {key(3), std::string{"10.0.0.3:4711"}})
      EXPECT_FALSE(may<NodeObject>(access, nobody, "status")) << nobody;
    EXPECT_TRUE(access.knows(*net::PublicKey::parse(key(2))));
    EXPECT_FALSE(access.knows(*net::PublicKey::parse(key(3))));
  });
}

TEST_F(AccessTest, keeps_what_was_decided_and_writes_down_who_did) {
  with_access([](Access& access, middleware::AuditLog& log) {
    ASSERT_TRUE(access.allow({.key = key(1), .role = "viewer", .name = "ana from the lab"}, "bea"));
    ASSERT_TRUE(access.allow({.key = key(2), .role = "owner", .name = "b"}, "bea"));
    ASSERT_TRUE(access.allow({.key = key(1), .role = "owner", .name = "ana from the lab"}, "bea"));
    ASSERT_TRUE(access.allow({.key = key(3), .role = "viewer", .name = ""}, "bea"));
    ASSERT_EQ(access.revoke("b", "ana")->key, key(2));
    EXPECT_FALSE(access.revoke("b", "ana"));
    EXPECT_FALSE(access.revoke("", "ana"));
    auto const last = log.last(1)[0];
    EXPECT_EQ(last.who, "ana");
    EXPECT_EQ(last.what, "key.revoke owner " + key(2) + " for b");
    EXPECT_EQ(last.outcome, "applied");
  });
  with_access([](Access& access, middleware::AuditLog&) {
    EXPECT_THAT(access.list(), ElementsAre(Field(&AllowedKey::key, key(3)),
                                           Field(&AllowedKey::name, "ana from the lab")));
    EXPECT_EQ(access.list()[1].role, "owner");
  });
}

TEST_F(AccessTest, refuses_what_is_no_key_role_or_name) {
  with_access([](Access& access, middleware::AuditLog& log) {
    ASSERT_TRUE(access.allow({.key = key(1), .role = "viewer", .name = "ana"}, "test"));
    for (auto const& wrong :
         {AllowedKey{"ed25519:abc", "viewer", ""}, AllowedKey{key(2), "king", ""},
          AllowedKey{key(2), "viewer", "two\nlines"},
          AllowedKey{key(2), "viewer", std::string(65, 'a')},
          AllowedKey{key(2), "viewer", "caf\xe9"}, AllowedKey{key(2), "viewer", key(1)},
          AllowedKey{key(2), "viewer", "ana"}})
      EXPECT_FALSE(access.allow(wrong, "test")) << wrong.name;
    EXPECT_EQ(access.list().size(), 1u);
    EXPECT_EQ(log.last(10).size(), 2u);
  });
}

TEST_F(AccessTest, an_identity_is_made_once_and_is_for_its_owner_alone) {
  run([&](world::World& world) {
    auto const first = own_identity(world, folder_ + "/new");
    ASSERT_TRUE(first) << first.error().what;
    EXPECT_EQ(own_identity(world, folder_ + "/new")->public_key(), first->public_key());
    EXPECT_NE(own_identity(world, folder_ + "/other")->public_key(), first->public_key());
    auto const path = folder_ + "/new/identity.pem";
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0600});
    std::filesystem::resize_file(path, 30);
    auto const broken = own_identity(world, folder_ + "/new");
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().what, HasSubstr("identity.pem"));
  });
}

TEST_F(AccessTest, nodes_are_known_by_where_they_are_and_may_get_a_new_key) {
  run([&](world::World& world) {
    net::PublicKey one;
    net::PublicKey other;
    other.bytes.fill(1);
    EXPECT_EQ(*known_node(world, folder_ + "/none", "a:1"), std::optional<net::PublicKey>{});
    ASSERT_TRUE(trust_node(world, folder_, "a:1", one));
    ASSERT_TRUE(trust_node(world, folder_, "[::1]:2", one));
    ASSERT_TRUE(trust_node(world, folder_, "a:1", other));
    EXPECT_EQ(*known_node(world, folder_, "a:1"), std::optional{other});
    EXPECT_EQ(*known_node(world, folder_, "[::1]:2"), std::optional{one});
    EXPECT_EQ(*known_node(world, folder_, "a:2"), std::optional<net::PublicKey>{});
  });
}

TEST(RemoteName, has_a_host_and_a_port) {
  EXPECT_EQ(remote_name("Example.org:6880"), "example.org:6880");
  EXPECT_EQ(remote_name("10.0.0.3:6880"), "10.0.0.3:6880");
  EXPECT_EQ(remote_name("[0:0::1]:6880"), "[::1]:6880");
  for (auto const* wrong : {"", "host", ":6880", "host:", "host:0", "host:port", "host:70000",
                            "::1:6880", "a b:1", "tls://host:1", "x@host:1", "/run/x.sock"})
    EXPECT_FALSE(remote_name(wrong)) << wrong;
}

}  // namespace
}  // namespace mutirao::node
