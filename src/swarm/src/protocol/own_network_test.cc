#include "protocol/own_network.h"

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

// RFC 4231, test cases 1 and 6.
TEST(OwnNetwork, computes_the_hmac_of_the_standard) {
  EXPECT_EQ(base::to_hex(hmac_sha256(Bytes(20, 0x0b), base::view_of("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(base::to_hex(hmac_sha256(
                Bytes(131, 0xaa),
                base::view_of("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(OwnNetwork, accepts_who_knows_the_key_and_nobody_else) {
  NetworkChallenge challenge{1, 2, 3};
  PeerId const a{1};
  PeerId const b{2};
  auto const answer = network_answer("secret", challenge, a, b);
  EXPECT_TRUE(is_network_answer(answer, "secret", challenge, a, b));
  EXPECT_FALSE(is_network_answer(answer, "other", challenge, a, b));
  EXPECT_FALSE(is_network_answer(answer, "secret", {1, 2, 4}, a, b)) << "an old answer";
  EXPECT_FALSE(is_network_answer(answer, "secret", challenge, b, a)) << "our own answer, reflected";
  EXPECT_FALSE(is_network_answer({}, "secret", challenge, a, b));
  EXPECT_EQ(parse_network_challenge(network_challenge(challenge)), challenge);
  EXPECT_EQ(parse_network_challenge(answer), std::nullopt);
}

}  // namespace
}  // namespace mutirao::swarm
