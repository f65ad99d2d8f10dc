#include "mutirao/swarm/hash.h"

#include <random>

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "hash/hash_engine.h"

namespace mutirao::swarm {
namespace {

Sha1Digest sha1_of_openssl(ByteView message) {
  Sha1Digest digest;
  SHA1(message.data(), message.size(), digest.data());
  return digest;
}

Sha256Digest sha256_of_openssl(ByteView message) {
  Sha256Digest digest;
  SHA256(message.data(), message.size(), digest.data());
  return digest;
}

Bytes noise(std::size_t size, std::uint32_t seed) {
  std::mt19937 random{seed};
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

class EveryEngine : public testing::TestWithParam<HashEngine> {
 protected:
  void SetUp() override {
    if (!is_supported(GetParam()))
      GTEST_SKIP() << "this processor has no " << to_string(GetParam());
  }

  void expect_digests_of_openssl(std::span<ByteView const> messages) {
    std::vector<Sha1Digest> sha1_digests(messages.size());
    std::vector<Sha256Digest> sha256_digests(messages.size());
    sha1_many_with(GetParam(), messages, sha1_digests);
    sha256_many_with(GetParam(), messages, sha256_digests);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      ASSERT_EQ(sha1_digests[i], sha1_of_openssl(messages[i]))
          << "message " << i << " of " << messages.size();
      ASSERT_EQ(sha256_digests[i], sha256_of_openssl(messages[i]))
          << "message " << i << " of " << messages.size();
    }
  }
};

TEST_P(EveryEngine, agrees_with_openssl_on_all_short_lengths) {
  Bytes const content = noise(300, 1);
  std::vector<ByteView> messages;
  for (std::size_t length = 0; length <= content.size(); ++length)
    messages.push_back(ByteView{content}.first(length));
  expect_digests_of_openssl(messages);
  for (ByteView const message : messages) expect_digests_of_openssl(std::span{&message, 1});
}

TEST_P(EveryEngine, agrees_with_openssl_however_many_lanes_are_filled) {
  Bytes const content = noise(70 * 4096, 2);
  for (std::size_t count = 0; count <= 70; ++count) {
    std::vector<ByteView> messages;
    for (std::size_t i = 0; i < count; ++i)
      messages.push_back(ByteView{content}.subspan(i * 4096, 4096));
    expect_digests_of_openssl(messages);
  }
}

TEST_P(EveryEngine, agrees_with_openssl_on_mixed_lengths) {
  std::mt19937 random{3};
  Bytes const content = noise(200'000, 4);
  for (int round = 0; round < 40; ++round) {
    std::vector<ByteView> messages;
    std::size_t const count = 1 + random() % 50;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t const length = random() % (round % 2 == 0 ? 100 * 1024 : 1000);
      messages.push_back(ByteView{content}.subspan(random() % 100'000, length));
    }
    expect_digests_of_openssl(messages);
  }
}

INSTANTIATE_TEST_SUITE_P(Hash, EveryEngine,
                         testing::Values(HashEngine::plain, HashEngine::sha_extensions,
                                         HashEngine::avx2, HashEngine::avx512),
                         [](auto const& info) {
                           switch (info.param) {
                             case HashEngine::plain:
                               return "plain";
                             case HashEngine::sha_extensions:
                               return "sha_extensions";
                             case HashEngine::avx2:
                               return "avx2";
                             case HashEngine::avx512:
                               return "avx512";
                           }
                           return "";
                         });

TEST(Hash, gives_the_vectors_of_fips_180) {
  EXPECT_EQ(base::to_hex(sha1(base::view_of("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(base::to_hex(sha256(base::view_of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, names_an_engine_that_the_processor_has) {
  EXPECT_TRUE(is_supported(best_hash_engine()));
  EXPECT_EQ(hash_engine(), to_string(best_hash_engine()));
}

TEST(Sha1State, gives_the_same_digest_however_the_message_is_cut) {
  std::mt19937 random{5};
  Bytes const content = noise(50'000, 6);
  for (int round = 0; round < 200; ++round) {
    ByteView rest = ByteView{content}.first(random() % (round < 100 ? 400 : 50'000));
    Sha1Digest const expected = sha1_of_openssl(rest);
    std::uint64_t const length = rest.size();
    Sha1State state;
    while (!rest.empty()) {
      std::size_t const cut =
          std::min<std::size_t>(rest.size(), random() % (round % 3 == 0 ? 70 : 5000));
      state.update(rest.first(cut));
      rest = rest.subspan(cut);
    }
    EXPECT_EQ(state.length(), length);
    EXPECT_EQ(state.finish(), expected) << round;
  }
}

TEST(Sha1State, advances_many_states_at_once) {
  std::mt19937 random{7};
  Bytes const content = noise(300'000, 8);
  for (std::size_t const count : {1u, 3u, 16u, 17u, 100u}) {
    std::vector<Sha1State> states(count);
    std::vector<Bytes> fed(count);
    std::vector<Sha1State*> pointers;
    for (Sha1State& state : states) pointers.push_back(&state);
    for (int round = 0; round < 6; ++round) {
      std::vector<ByteView> runs(count);
      for (std::size_t i = 0; i < count; ++i) {
        std::size_t const length = round % 2 == 0 ? 16 * 1024 : random() % 500;
        runs[i] = ByteView{content}.subspan(random() % 200'000, length);
        fed[i].insert(fed[i].end(), runs[i].begin(), runs[i].end());
      }
      Sha1State::update_many(pointers, runs);
    }
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(states[i].finish(), sha1_of_openssl(fed[i])) << i << " of " << count;
  }
}

}  // namespace
}  // namespace mutirao::swarm
