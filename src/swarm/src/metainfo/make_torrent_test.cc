// Goal: what make_torrent describes is what lies on the disk, for every format, and what libtorrent
// and mktorrent say of the same bytes.
#include "mutirao/swarm/make_torrent.h"

#include <fstream>
#include <functional>

#include <gtest/gtest.h>

#include "mutirao/sim/simulation.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/merkle.h"

namespace mutirao::swarm {
namespace {

constexpr std::uint32_t kPiece = 32768;

struct Written {
  std::string path;
  Bytes bytes;
};

Bytes pattern(std::string const& path, std::size_t length) {
  Bytes bytes(length);
  for (std::size_t i = 0; i < length; ++i)
    bytes[i] = static_cast<std::uint8_t>((i * 31 + path.size() + (i >> 8)) % 251);
  return bytes;
}

/// The folder that the torrents of libtorrent in the corpus describe (a path counts characters
/// there).
std::vector<Written> sample() {
  std::vector<Written> files;
  for (auto const& [path, length] :
       std::vector<std::pair<std::string, std::size_t>>{{"a.bin", 100000},
                                                        {"b/empty", 0},
                                                        {"b/small", 1},
                                                        {"b/two blocks", 32768},
                                                        {"c/deep/é.txt", 70001},
                                                        {"z", 16384}})
    files.push_back({path, pattern(path == "c/deep/é.txt" ? "c/deep/e.txt" : path, length)});
  return files;
}

void write(world::World& world, std::string const& path, ByteView bytes) {
  auto root = world.disk().open_directory("/", true);
  ASSERT_TRUE(root.has_value());
  auto file = (*root)->open(path, {.writable = true, .create = true});
  ASSERT_TRUE(file.has_value()) << file.error().what;
  ASSERT_TRUE((*file)->write_at(0, bytes).has_value());
}

/// Runs `body` on a simulated machine with these files below /share/sample.
void on_disk(std::vector<Written> const& files, std::function<void(world::World&)> body) {
  sim::Simulation simulation;
  simulation.run([&](sim::Simulation& running) {
    world::World& world = running.add_host("maker").world();
    for (Written const& file : files) write(world, "share/sample/" + file.path, file.bytes);
    body(world);
  });
}

std::shared_ptr<Metainfo const> make(world::World& world, std::string const& path,
                                     MakeOptions options) {
  auto made = make_torrent(world, path, std::move(options));
  EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().what);
  return made ? made->metainfo : nullptr;
}

/// The torrent's space as it is defined: files where the description puts them, zeros between.
Bytes space_of(Metainfo const& metainfo, std::vector<Written> const& files) {
  Bytes space(metainfo.space_size());
  for (TorrentFile const& file : metainfo.files()) {
    for (Written const& content : files)
      if (file.path == "sample/" + content.path)
        std::ranges::copy(content.bytes, space.begin() + static_cast<std::ptrdiff_t>(file.offset));
  }
  return space;
}

void expect_true_digests(Metainfo const& metainfo, std::vector<Written> const& files) {
  Bytes const space = space_of(metainfo, files);
  for (std::uint32_t i = 0; i < metainfo.piece_count(); ++i) {
    PieceIndex const piece{i};
    ByteView const bytes = ByteView{space}.subspan(std::uint64_t{i} * metainfo.piece_length());
    if (metainfo.has_v1()) {
      EXPECT_EQ(metainfo.v1_digest(piece), sha1(bytes.first(metainfo.piece_size(piece)))) << i;
    }
    if (!metainfo.has_v2()) continue;
    ByteView content = bytes.first(metainfo.content_size(piece));
    std::vector<Sha256Digest> leaves;
    for (; !content.empty();
         content = content.subspan(std::min<std::size_t>(content.size(), kBlockBytes)))
      leaves.push_back(sha256(content.first(std::min<std::size_t>(content.size(), kBlockBytes))));
    auto const expected = metainfo.v2_digest_is_file_root(piece)
                              ? merkle_root_of_leaves(leaves)
                              : merkle_root(leaves, metainfo.piece_length() / kBlockBytes);
    EXPECT_EQ(metainfo.v2_digest(piece), expected) << i;
  }
}

Bytes corpus(std::string const& name) {
  std::ifstream file{MUTIRAO_SOURCE_DIR "/src/swarm/corpus/metainfo/" + name, std::ios::binary};
  return Bytes(std::istreambuf_iterator<char>{file}, {});
}

TEST(MakeTorrent, describes_a_folder_in_every_format) {
  auto files = sample();
  files.push_back({"huge", pattern("huge", 3'000'017)});
  on_disk(files, [&](world::World& world) {
    for (TorrentFormat const format :
         {TorrentFormat::v1, TorrentFormat::v2, TorrentFormat::hybrid}) {
      for (std::uint32_t const piece_length : {16384u, 32768u, 262144u}) {
        auto const metainfo =
            make(world, "/share/sample", {.format = format, .piece_length = piece_length});
        ASSERT_TRUE(metainfo);
        EXPECT_EQ(metainfo->has_v1(), format != TorrentFormat::v2);
        EXPECT_EQ(metainfo->has_v2(), format != TorrentFormat::v1);
        EXPECT_EQ(metainfo->total_size(), 3'219'171u);
        expect_true_digests(*metainfo, files);
        auto const again = Metainfo::parse(metainfo->to_torrent());
        ASSERT_TRUE(again.has_value()) << again.error().what;
        EXPECT_EQ((*again)->info_hash(), metainfo->info_hash());
      }
    }
  });
}

TEST(MakeTorrent, agrees_with_other_programs_on_the_same_bytes) {
  on_disk(sample(), [](world::World& world) {
    auto const theirs_v2 = Metainfo::parse(corpus("libtorrent_v2"));
    ASSERT_TRUE(theirs_v2.has_value()) << theirs_v2.error().what;
    auto const ours_v2 =
        make(world, "/share/sample", {.format = TorrentFormat::v2, .piece_length = kPiece});
    EXPECT_EQ(ours_v2->info_hash().id(),
              "eedf735675b079f924ff089a84606d963a2687b397cf4e20339cf8fbfdf93e1d");
    EXPECT_EQ(ours_v2->info_hash(), (*theirs_v2)->info_hash());

    auto const theirs = Metainfo::parse(corpus("libtorrent_hybrid"));
    ASSERT_TRUE(theirs.has_value()) << theirs.error().what;
    EXPECT_EQ((*theirs)->info_hash().id(),
              "c6964e4c14381ce352b573c5538f31dae1e7742530905890b2158fd04cdc43f1");
    auto const ours = make(world, "/share/sample", {.piece_length = kPiece});
    ASSERT_EQ(ours->piece_count(), (*theirs)->piece_count());
    for (std::uint32_t i = 0; i < ours->piece_count(); ++i) {
      EXPECT_EQ(ours->v2_digest(PieceIndex{i}), (*theirs)->v2_digest(PieceIndex{i})) << i;
      // They also pad behind the last file.
      if (i + 1 < ours->piece_count()) {
        EXPECT_EQ(ours->v1_digest(PieceIndex{i}), (*theirs)->v1_digest(PieceIndex{i})) << i;
      }
    }

    auto const theirs_v1 = Metainfo::parse(corpus("mktorrent_v1"));
    ASSERT_TRUE(theirs_v1.has_value()) << theirs_v1.error().what;
    auto const ours_v1 =
        make(world, "/share/sample", {.format = TorrentFormat::v1, .piece_length = kPiece});
    EXPECT_EQ(ours_v1->total_size(), (*theirs_v1)->total_size());
    for (std::uint32_t i = 0; i < ours_v1->piece_count(); ++i)
      EXPECT_EQ(ours_v1->v1_digest(PieceIndex{i}), (*theirs_v1)->v1_digest(PieceIndex{i})) << i;

    auto const theirs_single = Metainfo::parse(corpus("libtorrent_single_hybrid"));
    ASSERT_TRUE(theirs_single.has_value()) << theirs_single.error().what;
    auto const ours_single = make(world, "/share/sample/a.bin", {.piece_length = kPiece});
    EXPECT_EQ(ours_single->info_hash(), (*theirs_single)->info_hash());
  });
}

TEST(MakeTorrent, gives_the_same_bytes_for_the_same_input) {
  on_disk(sample(), [](world::World& world) {
    MakeOptions const options{.tracker_tiers = {{"http://t/a"}, {}},
                              .web_seeds = {"http://w/"},
                              .is_private = true,
                              .comment = "c"};
    auto const first = make(world, "/share/sample/", options);
    EXPECT_EQ(first->to_torrent(), make(world, "/share/sample", options)->to_torrent());
    EXPECT_TRUE(first->is_private());
    EXPECT_EQ(first->tracker_tiers().size(), 1u);
    EXPECT_EQ(first->web_seeds().size(), 1u);
    EXPECT_EQ(first->comment(), "c");
  });
}

TEST(MakeTorrent, tells_progress_up_to_the_end) {
  on_disk({{"a", pattern("a", 900'000)}, {"b", pattern("b", 5)}}, [](world::World& world) {
    std::vector<std::uint64_t> done;
    auto const made =
        make_torrent(world, "/share/sample", {.piece_length = 16384}, [&](MakeProgress progress) {
          EXPECT_EQ(progress.bytes_total, 900'005u);
          done.push_back(progress.bytes_done);
        });
    ASSERT_TRUE(made.has_value());
    EXPECT_TRUE(std::ranges::is_sorted(done));
    EXPECT_EQ(done.back(), 900'005u);
    EXPECT_GT(done.size(), 2u);
  });
}

TEST(MakeTorrent, notices_a_file_that_changes_meanwhile) {
  on_disk({{"a", pattern("a", 900'000)}, {"b", pattern("b", 5)}}, [](world::World& world) {
    auto const made =
        make_torrent(world, "/share/sample", {.piece_length = 16384}, [&](MakeProgress progress) {
          if (progress.bytes_done == progress.bytes_total)
            write(world, "share/sample/b", Bytes{9, 9, 9, 9, 9, 9});
        });
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().what, "'b' changed while it was read");
    EXPECT_FALSE(made.error().mend.empty());
  });
}

TEST(MakeTorrent, makes_pieces_that_suit_the_files) {
  on_disk({{"a", pattern("a", 100'000)}, {"b", pattern("b", 5)}}, [](world::World& world) {
    EXPECT_EQ(make(world, "/share/sample", {})->piece_length(), 65536u);
  });
  on_disk({{"a", pattern("a", 3'000'000)}}, [](world::World& world) {
    EXPECT_EQ(make(world, "/share/sample/a", {})->piece_length(), 262144u);
  });
}

TEST(MakeTorrent, refuses_what_others_could_not_store_or_read) {
  on_disk(
      {{"ok/a", {1}}, {"case/Read", {1}}, {"case/READ", {2}}, {"back/a\\b", {1}}, {"empty/a", {}}},
      [](world::World& world) {
        auto const why = [&](std::string const& path, MakeOptions options = {}) {
          auto const made = make_torrent(world, path, std::move(options));
          return made ? std::string{"made"} : made.error().what;
        };
        EXPECT_EQ(why("/share/sample/ok"), "made");
        EXPECT_EQ(why("/share/sample/case"), "the paths 'READ' and 'Read' differ only by case");
        EXPECT_EQ(why("/share/sample/back"), "the name 'a\\x5cb' has a separator at byte 1");
        EXPECT_EQ(why("/share/sample/empty"), "'/share/sample/empty' holds no bytes to share");
        EXPECT_EQ(why("/share/sample/.."), "'/share/sample/..' has no name of its own");
        EXPECT_EQ(why("/"), "'/' has no name of its own");
        EXPECT_EQ(why("/share/sample/ok", {.piece_length = 10000}),
                  "a piece length of 10000 bytes");
        EXPECT_NE(why("/share/sample/missing"), "made");
      });
}

TEST(MakeTorrent, torrents_of_other_programs_are_read) {
  for (auto const& [name, id] : std::vector<std::pair<std::string, std::string>>{
           {"transmission_v1", "045fa2577703bcfd5bda9415606b916511937083"},
           {"mktorrent_v1", "38b385e851b14225462d977298e89ee0c6c6edba"},
           {"libtorrent_v1", "fcc292ba3981140494f749d5d16d3633678a7425"},
           {"libtorrent_single_v2",
            "00943b411d0d324aa70c782a8b008b2d7b45cfaab84a6e01304d6feacf94b89a"}}) {
    auto const metainfo = Metainfo::parse(corpus(name));
    ASSERT_TRUE(metainfo.has_value()) << name << ": " << metainfo.error().what;
    EXPECT_EQ((*metainfo)->info_hash().id(), id) << name;
  }
}

}  // namespace
}  // namespace mutirao::swarm
