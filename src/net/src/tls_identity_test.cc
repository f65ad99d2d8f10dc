#include "mutirao/net/tls_identity.h"

#include <gtest/gtest.h>

#include "key_info.h"
#include "real_peers.h"
#include "test_peers.h"

namespace mutirao::net {
namespace {

using test::output_of;
using test::Pair;
using test::run_real;
using test::simulate;
using test::TemporaryFolder;

TEST(TlsIdentity, is_the_same_after_it_was_saved_and_loaded) {
  run_real([](world::World& world, threads::scope&) {
    auto const made = TlsIdentity::make(world.entropy());
    auto const loaded = TlsIdentity::load(base::view_of(made.to_pem()));
    ASSERT_TRUE(loaded) << loaded.error().what;
    EXPECT_EQ(loaded->public_key(), made.public_key());
    EXPECT_EQ(loaded->to_pem(), made.to_pem());
    EXPECT_NE(TlsIdentity::make(world.entropy()).public_key(), made.public_key());
  });
}

TEST(TlsIdentity, is_a_function_of_the_seed_in_a_simulated_world) {
  std::vector<PublicKey> keys;
  for (int i = 0; i < 2; ++i)
    simulate([&](Pair const& pair) {
      keys.push_back(TlsIdentity::make(pair.server.entropy()).public_key());
    });
  EXPECT_EQ(keys[0], keys[1]);
}

TEST(TlsIdentity, is_made_and_loaded_on_a_thread_with_a_standard_stack) {
  run_real([](world::World& world, threads::scope& scope) {
    auto made = scope.spawn("maker", [&]() -> Result<TlsIdentity> {
      auto const fresh = TlsIdentity::make(world.entropy());
      return TlsIdentity::load(base::view_of(fresh.to_pem()));
    });
    EXPECT_TRUE(made.get());
  });
}

TEST(TlsIdentity, openssl_reads_what_we_save_and_we_what_it_makes) {
  run_real([](world::World& world, threads::scope&) {
    TemporaryFolder const folder;
    auto const ours = TlsIdentity::make(world.entropy());
    folder.write("ours.pem", ours.to_pem());
    auto const info =
        output_of("openssl pkey -in " + folder / "ours.pem" + " -pubout -outform DER 2>&1");
    EXPECT_EQ(from_key_info(base::view_of(info)), ours.public_key()) << info;
    for (std::string const form : {"PEM", "DER"}) {
      auto const file = folder / form;
      output_of("openssl genpkey -algorithm ed25519 -outform " + form + " -out " + file);
      auto const theirs = TlsIdentity::load(base::view_of(output_of("cat " + file)));
      ASSERT_TRUE(theirs) << theirs.error().what;
      auto const shown = output_of("openssl pkey -inform " + form + " -in " + file +
                                   " -pubout -outform DER 2>/dev/null");
      EXPECT_EQ(from_key_info(base::view_of(shown)), theirs->public_key());
    }
  });
}

TEST(TlsIdentity, refuses_what_is_no_key_of_ed25519_and_says_what_it_is) {
  run_real([](world::World& world, threads::scope&) {
    auto const cut = TlsIdentity::make(world.entropy()).to_pem().substr(0, 60);
    for (std::string const& text : {std::string{}, std::string{"hello"}, cut}) {
      auto const loaded = TlsIdentity::load(base::view_of(text));
      ASSERT_FALSE(loaded) << text;
      EXPECT_EQ(loaded.error().fault, Fault::corrupt);
      EXPECT_FALSE(loaded.error().mend.empty());
    }
    auto const other = output_of("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    auto const loaded = TlsIdentity::load(base::view_of(other));
    ASSERT_FALSE(loaded);
    EXPECT_TRUE(loaded.error().what.contains("EC")) << loaded.error().what;
  });
}

TEST(PublicKey, has_a_fingerprint_that_is_read_back_and_no_other_text) {
  PublicKey key;
  key.bytes.fill(0xa5);
  auto const text = key.fingerprint();
  EXPECT_EQ(text, "ed25519:uws2ljnfuws2ljnfuws2ljnfuws2ljnfuws2ljnfuws2ljnfuwsq");
  EXPECT_EQ(PublicKey::parse(text), key);
  for (std::string const& wrong :
       {std::string{}, std::string{"ed25519:"}, text.substr(1), text + "a", text + "aa",
        text.substr(0, text.size() - 1), text.substr(0, text.size() - 1) + "r",
        "ED25519:" + text.substr(8), "rsa:" + text.substr(8)})
    EXPECT_FALSE(PublicKey::parse(wrong)) << wrong;
}

}  // namespace
}  // namespace mutirao::net
