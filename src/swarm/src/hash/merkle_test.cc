#include "mutirao/swarm/merkle.h"

#include <bit>

#include <gtest/gtest.h>

#include "mutirao/swarm/hash.h"

namespace mutirao::swarm {
namespace {

std::vector<Sha256Digest> make_leaves(std::size_t count) {
  std::vector<Sha256Digest> leaves(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string const text = "leaf " + std::to_string(i);
    leaves[i] = sha256(base::view_of(text));
  }
  return leaves;
}

/// The definition, by recursion over the padded leaves.
Sha256Digest naive_root(std::vector<Sha256Digest> const& leaves, std::size_t first,
                        std::size_t width) {
  if (width == 1) return first < leaves.size() ? leaves[first] : Sha256Digest{};
  return merkle_parent(naive_root(leaves, first, width / 2),
                       naive_root(leaves, first + width / 2, width / 2));
}

TEST(Merkle, parent_is_the_hash_of_both_children) {
  auto const leaves = make_leaves(2);
  Bytes message{leaves[0].begin(), leaves[0].end()};
  message.insert(message.end(), leaves[1].begin(), leaves[1].end());
  EXPECT_EQ(merkle_parent(leaves[0], leaves[1]), sha256(message));
}

TEST(Merkle, padding_is_a_tree_of_zero_hashes) {
  EXPECT_EQ(merkle_padding(0), Sha256Digest{});
  EXPECT_EQ(merkle_padding(5), naive_root({}, 0, 32));
  EXPECT_EQ(merkle_root({}, 32), merkle_padding(5));
}

TEST(Merkle, root_is_that_of_the_padded_tree) {
  for (std::size_t count = 1; count <= 300; count += count < 20 ? 1 : 37) {
    auto const leaves = make_leaves(count);
    EXPECT_EQ(merkle_root_of_leaves(leaves), naive_root(leaves, 0, std::bit_ceil(count))) << count;
    EXPECT_EQ(merkle_root(leaves, 512), naive_root(leaves, 0, 512)) << count;
  }
}

TEST(Merkle, a_layer_above_the_leaves_leads_to_the_same_root) {
  auto const leaves = make_leaves(45);
  std::vector<Sha256Digest> layer;  // of pieces of 8 blocks
  for (std::size_t first = 0; first < leaves.size(); first += 8)
    layer.push_back(merkle_root(
        std::span{leaves}.subspan(first, std::min<std::size_t>(8, leaves.size() - first)), 8));
  EXPECT_EQ(merkle_root(layer, std::bit_ceil(layer.size()), 3), merkle_root_of_leaves(leaves));
}

/// The uncles of a run of `length` leaves at `index`, lowest first.
std::vector<Sha256Digest> make_proof(std::vector<Sha256Digest> leaves, std::size_t index,
                                     std::size_t length) {
  leaves.resize(std::bit_ceil(leaves.size()));
  std::vector<Sha256Digest> proof;
  for (std::size_t width = length; width < leaves.size(); width *= 2, index = index / (width)*width)
    proof.push_back(naive_root(leaves, index ^ width, width));
  return proof;
}

TEST(Merkle, accepts_every_true_proof_and_no_other) {
  auto const leaves = make_leaves(27);
  auto const root = merkle_root_of_leaves(leaves);
  auto padded = leaves;
  padded.resize(32);
  for (std::size_t length = 1; length <= 32; length *= 2) {
    for (std::size_t index = 0; index < 32; index += length) {
      auto const nodes = std::span{padded}.subspan(index, length);
      auto proof = make_proof(leaves, index, length);
      ASSERT_TRUE(merkle_verify(nodes, index, proof, root)) << index << " " << length;
      EXPECT_FALSE(merkle_verify(nodes, index + 32, proof, root));
      EXPECT_FALSE(merkle_verify(nodes, index, proof, leaves[0]));
      if (!proof.empty()) {
        // Two subtrees of padding are equal, and so change places unnoticed.
        if (proof.front() != merkle_root(nodes, length)) {
          EXPECT_FALSE(merkle_verify(nodes, index ^ length, proof, root));
        }
        EXPECT_FALSE(merkle_verify(nodes, index, std::span{proof}.first(proof.size() - 1), root));
        proof.back()[31] ^= 1;
        EXPECT_FALSE(merkle_verify(nodes, index, proof, root));
      }
    }
  }
}

TEST(Merkle, refuses_runs_that_are_no_subtree) {
  auto const leaves = make_leaves(8);
  auto const root = merkle_root_of_leaves(leaves);
  EXPECT_FALSE(merkle_verify({}, 0, {}, root));
  EXPECT_FALSE(merkle_verify(std::span{leaves}.first(3), 0, {}, root));
  EXPECT_FALSE(merkle_verify(std::span{leaves}.subspan(1, 2), 1, {}, root));
  EXPECT_FALSE(merkle_verify(leaves, 0, std::vector<Sha256Digest>(200), root));
}

}  // namespace
}  // namespace mutirao::swarm
