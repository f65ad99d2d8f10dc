#include "mutirao/swarm/metainfo.h"

#include <gtest/gtest.h>

#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/magnet.h"
#include "mutirao/swarm/merkle.h"

#include "metainfo/bencode_sample.h"

namespace mutirao::swarm {
namespace {

using namespace sample;

std::shared_ptr<Metainfo const> parsed(std::string const& text, ParseOptions options = {}) {
  auto result = Metainfo::parse(base::view_of(text), options);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().what);
  return result ? *result : nullptr;
}

std::string entry(long long length, std::vector<std::string> const& path,
                  std::string const& attr = {}) {
  std::vector<std::string> names;
  for (auto const& name : path) names.push_back(S(name));
  Dict dict{{"length", I(length)}, {"path", L(names)}};
  if (!attr.empty()) dict["attr"] = S(attr);
  return D(dict);
}

std::string leaf(long long length, std::string const& root) {
  return D({{"", D({{"length", I(length)}, {"pieces root", S(root)}})}});
}

constexpr std::uint32_t kFixturePiece = 32768;

/// Three files in pieces of two blocks: "a" of 2.5 pieces, "b/c" of one block, "b/d" empty, "e" of
/// exactly one piece.
struct Tree {
  std::vector<Sha256Digest> layer{{1}, {2}, {3}};
  std::string root_a{base::text_of(merkle_root(layer, 4, 1))};
  std::string root_c = std::string(32, 'c');
  std::string root_e = std::string(32, 'e');
  Dict v2{{"file tree",
           D({{"a", leaf(2 * kFixturePiece + 100, root_a)},
              {"b", D({{"c", leaf(16384, root_c)}, {"d", D({{"", D({{"length", I(0)}})}})}})},
              {"e", leaf(kFixturePiece, root_e)}})},
          {"meta version", I(2)},
          {"name", S("folder")},
          {"piece length", I(kFixturePiece)}};
  Dict hybrid = [this] {
    Dict info = v2;
    info["files"] =
        L({entry(2 * kFixturePiece + 100, {"a"}), entry(kFixturePiece - 100, {".pad", "x"}, "p"),
           entry(16384, {"b", "c"}, "x"), entry(0, {"b", "d"}), entry(16384, {}, "p"),
           entry(kFixturePiece, {"e"})});
    std::string pieces;
    for (char c = '0'; c < '5'; ++c) pieces += std::string(20, c);
    info["pieces"] = S(pieces);
    return info;
  }();
  std::string layers = [this] {
    std::string encoded;
    for (auto const& digest : layer) encoded += base::text_of(digest);
    return D({{root_a, S(encoded)}});
  }();
};

TEST(Metainfo, reads_one_file_of_v1) {
  std::string const info =
      D({{"attr", S("x")},
         {"length", I(40000)},
         {"name", S("disk.img")},
         {"piece length", I(16384)},
         {"pieces", S(std::string(20, '1') + std::string(20, '2') + std::string(20, '3'))},
         {"private", I(1)}});
  auto const metainfo = parsed(D({{"announce", S("http://t/a")},
                                  {"comment", S("hi")},
                                  {"info", info},
                                  {"url-list", S("http://w/")}}));
  ASSERT_TRUE(metainfo);
  EXPECT_TRUE(metainfo->has_v1());
  EXPECT_FALSE(metainfo->has_v2());
  EXPECT_EQ(metainfo->info_hash().v1, sha1(base::view_of(info)));
  EXPECT_EQ(base::text_of(metainfo->info()), info);
  EXPECT_EQ(metainfo->name(), "disk.img");
  EXPECT_TRUE(metainfo->is_private());
  EXPECT_EQ(metainfo->piece_count(), 3u);
  EXPECT_EQ(metainfo->piece_size(PieceIndex{2}), 40000u - 2 * 16384);
  EXPECT_EQ(base::text_of(*metainfo->v1_digest(PieceIndex{1})), std::string(20, '2'));
  EXPECT_FALSE(metainfo->v2_digest(PieceIndex{1}).has_value());
  ASSERT_EQ(metainfo->files().size(), 1u);
  EXPECT_EQ(metainfo->files()[0].path, "disk.img");
  EXPECT_TRUE(metainfo->files()[0].executable);
  EXPECT_EQ(metainfo->tracker_tiers(), (std::vector<std::vector<std::string>>{{"http://t/a"}}));
  EXPECT_EQ(metainfo->web_seeds(), std::vector<std::string>{"http://w/"});
  EXPECT_EQ(metainfo->comment(), "hi");
}

TEST(Metainfo, lays_the_files_of_v1_end_to_end) {
  auto const metainfo =
      parsed(torrent({{"files", L({entry(10000, {"a"}), entry(0, {"b"}), entry(5000, {"c", "d"}),
                                   entry(5000, {"e"}, "p")})},
                      {"name", S("f")},
                      {"piece length", I(16384)},
                      {"pieces", S(std::string(40, 'p'))}}));
  ASSERT_TRUE(metainfo);
  EXPECT_EQ(metainfo->space_size(), 20000u);
  EXPECT_EQ(metainfo->total_size(), 15000u);
  EXPECT_EQ(metainfo->files()[2].path, "f/c/d");
  EXPECT_EQ(metainfo->files()[2].offset, 10000u);
  EXPECT_TRUE(metainfo->files()[3].pad);
  auto const found = slices(*metainfo, 9000, 7000);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].file.value, 0u);
  EXPECT_EQ(found[0].offset, 9000u);
  EXPECT_EQ(found[0].length, 1000u);
  EXPECT_EQ(found[1].file.value, 2u);
  EXPECT_EQ(found[1].offset, 0u);
  EXPECT_EQ(found[1].length, 5000u);
  EXPECT_EQ(found[2].file.value, 3u);
  EXPECT_EQ(found[2].length, 1000u);
  EXPECT_TRUE(slices(*metainfo, 20000, 1).empty());
  EXPECT_TRUE(slices(*metainfo, 0, 0).empty());
  EXPECT_EQ(slices(*metainfo, 19999, ~std::uint64_t{0}).size(), 1u);
}

TEST(Metainfo, prefers_the_utf8_variants_of_old_programs) {
  auto const metainfo = parsed(torrent(
      {{"files",
        L({D({{"length", I(10000)}, {"path", L({S("\xe9")})}, {"path.utf-8", L({S("é")})}})})},
       {"name", S("\xe9")},
       {"name.utf-8", S("né")},
       {"piece length", I(16384)},
       {"pieces", S(std::string(20, 'p'))}}));
  ASSERT_TRUE(metainfo);
  EXPECT_EQ(metainfo->name(), "né");
  EXPECT_EQ(metainfo->files()[0].path, "né/é");
}

TEST(Metainfo, begins_each_file_of_v2_at_a_piece) {
  Tree const tree;
  auto const metainfo = parsed(torrent(tree.v2, {{"piece layers", tree.layers}}));
  ASSERT_TRUE(metainfo);
  EXPECT_FALSE(metainfo->has_v1());
  EXPECT_EQ(metainfo->info_hash().v2, sha256(base::view_of(D(tree.v2))));
  EXPECT_EQ(metainfo->piece_count(), 5u);
  EXPECT_EQ(metainfo->space_size(), 5u * kFixturePiece);
  EXPECT_EQ(metainfo->total_size(), 2u * kFixturePiece + 100 + 16384 + kFixturePiece);
  EXPECT_EQ(metainfo->files()[1].path, "folder/b/c");
  EXPECT_EQ(metainfo->files()[1].offset, 3u * kFixturePiece);
  EXPECT_EQ(metainfo->piece_size(PieceIndex{2}), 100u);
  EXPECT_EQ(metainfo->piece_size(PieceIndex{3}), 16384u);
  EXPECT_EQ(metainfo->file_of_piece(PieceIndex{2}).value, 0u);
  EXPECT_EQ(metainfo->file_of_piece(PieceIndex{4}).value, 3u);
  EXPECT_EQ(metainfo->v2_digest(PieceIndex{2}), Sha256Digest{3});
  EXPECT_EQ(base::text_of(*metainfo->v2_digest(PieceIndex{3})), tree.root_c);
  EXPECT_FALSE(metainfo->v2_digest_is_file_root(PieceIndex{0}));
  EXPECT_TRUE(metainfo->v2_digest_is_file_root(PieceIndex{3}));
  EXPECT_TRUE(metainfo->v2_digest_is_file_root(PieceIndex{4}));
  EXPECT_FALSE(metainfo->files()[2].pieces_root.has_value());
  EXPECT_EQ(slices(*metainfo, 0, 5 * kFixturePiece).size(), 3u);
  EXPECT_TRUE(slices(*metainfo, 2 * kFixturePiece + 100, 1000).empty());
}

TEST(Metainfo, gives_a_hybrid_the_padding_of_v1_and_the_roots_of_v2) {
  Tree const tree;
  auto const metainfo = parsed(torrent(tree.hybrid, {{"piece layers", tree.layers}}));
  ASSERT_TRUE(metainfo);
  EXPECT_TRUE(metainfo->has_v1() && metainfo->has_v2());
  EXPECT_EQ(metainfo->info_hash().v1, sha1(metainfo->info()));
  EXPECT_EQ(metainfo->info_hash().v2, sha256(metainfo->info()));
  ASSERT_EQ(metainfo->files().size(), 6u);
  EXPECT_TRUE(metainfo->files()[1].pad);
  EXPECT_EQ(metainfo->files()[4].path, "folder/.pad/16384");
  EXPECT_TRUE(metainfo->files()[2].executable);
  EXPECT_EQ(metainfo->piece_size(PieceIndex{2}), kFixturePiece);
  EXPECT_EQ(metainfo->content_size(PieceIndex{2}), 100u);
  EXPECT_EQ(metainfo->file_of_piece(PieceIndex{3}).value, 2u);
  EXPECT_EQ(base::text_of(*metainfo->v1_digest(PieceIndex{3})), std::string(20, '3'));
  EXPECT_EQ(metainfo->v2_digest(PieceIndex{1}), Sha256Digest{2});
}

TEST(Metainfo, takes_one_file_named_like_the_torrent_as_alone) {
  Dict const info{{"file tree", D({{"one", leaf(100, std::string(32, 'r'))}})},
                  {"length", I(100)},
                  {"meta version", I(2)},
                  {"name", S("one")},
                  {"piece length", I(kFixturePiece)},
                  {"pieces", S(std::string(20, 'p'))}};
  EXPECT_EQ(parsed(torrent(info))->files()[0].path, "one");
  EXPECT_EQ(parsed(torrent(with(with(info, "length", ""), "pieces", "")))->files()[0].path, "one");
  auto const other = with(with(with(info, "length", ""), "pieces", ""), "name", S("box"));
  EXPECT_EQ(parsed(torrent(other))->files()[0].path, "box/one");
}

TEST(Metainfo, lists_links_but_keeps_them_off_the_disk) {
  Dict const link{{"attr", S("lx")}, {"path", L({S("l")})}, {"symlink path", L({S("a")})}};
  auto const metainfo = parsed(torrent({{"files", L({entry(100, {"a"}), D(link)})},
                                        {"name", S("f")},
                                        {"piece length", I(16384)},
                                        {"pieces", S(std::string(20, 'p'))}}));
  ASSERT_TRUE(metainfo);
  EXPECT_TRUE(metainfo->files()[1].symlink);
  EXPECT_FALSE(metainfo->files()[1].on_disk());
  EXPECT_TRUE(metainfo->files()[0].on_disk());
}

TEST(Metainfo, reads_trackers_by_tier) {
  Dict const info{{"length", I(1)},
                  {"name", S("n")},
                  {"piece length", I(16384)},
                  {"pieces", S(std::string(20, 'p'))}};
  auto const tiers = [&](Dict const& rest) { return parsed(torrent(info, rest))->tracker_tiers(); };
  using Tiers = std::vector<std::vector<std::string>>;
  Dict const both{{"announce", S("http://one/")},
                  {"announce-list",
                   L({L({S("http://a/"), S("http://b/")}), L({}), L({S("udp://c/"), S("")})})}};
  EXPECT_EQ(tiers(both), (Tiers{{"http://a/", "http://b/"}, {"udp://c/"}}));
  EXPECT_EQ(tiers({{"announce", S("http://one/")}, {"announce-list", "le"}}),
            (Tiers{{"http://one/"}}));
  EXPECT_EQ(tiers({{"announce-list", L({S("http://a/")})}}), (Tiers{{"http://a/"}}));
  EXPECT_EQ(tiers({}), Tiers{});
}

TEST(Metainfo, says_the_same_once_written) {
  Tree const tree;
  Dict const rest{{"announce", S("http://a/")},
                  {"announce-list", L({L({S("http://a/"), S("http://b/")}), L({S("udp://c/")})})},
                  {"comment", S("text")},
                  {"piece layers", tree.layers},
                  {"url-list", L({S("http://w/"), S("http://x/")})}};
  auto const metainfo = parsed(torrent(tree.hybrid, rest));
  ASSERT_TRUE(metainfo);
  EXPECT_EQ(base::text_of(metainfo->to_torrent()), torrent(tree.hybrid, rest));
  auto const magnet = Magnet::parse(metainfo->to_magnet());
  ASSERT_TRUE(magnet.has_value());
  EXPECT_EQ(magnet->info_hash, metainfo->info_hash());
  EXPECT_EQ(magnet->name, "folder");
  EXPECT_EQ(magnet->trackers, (std::vector<std::string>{"http://a/", "http://b/", "udp://c/"}));
}

TEST(Metainfo, learns_piece_layers_from_peers) {
  Tree const tree;
  std::string const info = D(tree.hybrid);
  InfoHash const hash{.v1 = sha1(base::view_of(info)), .v2 = sha256(base::view_of(info))};
  auto const from_peers =
      Metainfo::from_info(base::view_of(info), hash, {"http://t/"}, {"http://w/"});
  ASSERT_TRUE(from_peers.has_value()) << from_peers.error().what;
  Metainfo const& poor = **from_peers;
  EXPECT_EQ(poor.missing_piece_layers(), std::vector<FileIndex>{FileIndex{0}});
  EXPECT_FALSE(poor.v2_digest(PieceIndex{0}).has_value());
  EXPECT_TRUE(poor.v2_digest(PieceIndex{3}).has_value());
  EXPECT_TRUE(poor.piece_layer(FileIndex{0}).empty());

  EXPECT_FALSE(poor.with_piece_layer(FileIndex{0}, {{1}, {2}}).has_value());
  EXPECT_FALSE(poor.with_piece_layer(FileIndex{0}, {{1}, {2}, {4}}).has_value());
  EXPECT_FALSE(poor.with_piece_layer(FileIndex{1}, {{1}, {2}, {3}}).has_value());
  EXPECT_FALSE(poor.with_piece_layer(FileIndex{99}, {{1}}).has_value());
  auto const rich = poor.with_piece_layer(FileIndex{0}, tree.layer);
  ASSERT_TRUE(rich.has_value()) << rich.error().what;
  EXPECT_TRUE((*rich)->missing_piece_layers().empty());
  EXPECT_EQ((*rich)->v2_digest(PieceIndex{1}), Sha256Digest{2});
  EXPECT_EQ(poor.missing_piece_layers().size(), 1u);

  std::string const kept{base::text_of(poor.to_torrent())};
  EXPECT_FALSE(Metainfo::parse(base::view_of(kept)).has_value());
  EXPECT_EQ(parsed(kept, {.layers_required = false})->missing_piece_layers().size(), 1u);
}

TEST(Metainfo, takes_from_peers_only_what_the_hash_names) {
  Tree const tree;
  std::string const info = D(tree.v2);
  auto const why = [&](InfoHash const& expected) {
    auto const result = Metainfo::from_info(base::view_of(info), expected, {}, {});
    return result ? std::string{"accepted"} : result.error().what;
  };
  auto const v1 = sha1(base::view_of(info));
  auto const v2 = sha256(base::view_of(info));
  EXPECT_EQ(why({.v1 = {}, .v2 = v2}), "accepted");
  // The hash is right, and yet it names a v1 torrent that is not there.
  EXPECT_EQ(why({.v1 = v1, .v2 = {}}),
            "the info dictionary was named by a v1 hash and has no v1 part");
  EXPECT_EQ(why({.v1 = v1, .v2 = v2}),
            "the info dictionary was named by a v1 hash and has no v1 part");
  EXPECT_EQ(why({.v1 = {}, .v2 = Sha256Digest{}}),
            "the info dictionary does not have the v2 hash " + std::string(64, '0'));
  EXPECT_EQ(why({}), "no info hash to check the info dictionary against");
}

}  // namespace
}  // namespace mutirao::swarm
