#include "mutirao/swarm/store.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "store/store_test_torrent.h"

namespace mutirao::swarm {
namespace {

using namespace std::chrono_literals;
using store_test::Kind;
using store_test::Torrent;

constexpr std::uint32_t kStorePiece = 64 * 1024;

/// One host with a store, that can lose power.
class Machine {
 public:
  Machine(sim::Simulation& simulation, Torrent torrent)
      : simulation_{simulation}, torrent_{std::move(torrent)}, host_{simulation.add_host("a")} {
    open();
  }

  void open() {
    auto opened = Store::open(host_.world(), torrent_.metainfo,
                              {.content_folder = "/content", .map_folder = "/maps"});
    ASSERT_TRUE(opened.has_value()) << opened.error().what;
    store_ = *std::move(opened);
  }
  void close() { store_.reset(); }
  void reopen() {
    close();
    open();
  }
  /// Everything that was not synced is at risk; nothing is said to the store.
  void lose_power() {
    simulation_.crash(host_);
    store_.reset();
    host_.restart();
    open();
  }

  /// Everything that was written is there; nothing is said to the store.
  void be_killed() {
    simulation_.crash(host_, {.lose_unsynced = false});
    store_.reset();
    host_.restart();
    open();
  }

  Store& store() { return *store_; }
  sim::Host& host() { return host_; }
  sim::DiskControl& disk() { return host_.disk(); }
  Torrent const& torrent() const { return torrent_; }

  Result<void> write(std::uint64_t offset, std::uint64_t length) {
    ByteView const part = ByteView{torrent_.space}.subspan(offset, length);
    std::array<ByteView, 2> const runs{part.first(length / 3), part.subspan(length / 3)};
    return store_->write(offset, runs);
  }
  /// As the engine does: content first, then the claim.
  void take_piece(std::uint32_t piece) {
    std::uint64_t const offset = std::uint64_t{piece} * torrent_.metainfo->piece_length();
    std::uint64_t const length = torrent_.metainfo->piece_size(PieceIndex{piece});
    auto written = write(offset, length);
    ASSERT_TRUE(written.has_value()) << written.error().what;
    EXPECT_TRUE(store_->claim(offset, length));
    EXPECT_TRUE(store_->has_piece(PieceIndex{piece}));
  }
  void take_all() {
    for (std::uint32_t piece = 0; piece < torrent_.metainfo->piece_count(); ++piece)
      take_piece(piece);
  }
  [[nodiscard]] bool piece_is_right(std::uint32_t piece) {
    Bytes bytes(torrent_.metainfo->piece_size(PieceIndex{piece}));
    auto read = store_->read(std::uint64_t{piece} * torrent_.metainfo->piece_length(), bytes);
    return read && std::ranges::equal(bytes, torrent_.piece(piece));
  }
  /// What must always hold: a claim is a promise about the bytes on the disk.
  void expect_every_claim_is_true() {
    for (std::uint32_t piece = 0; piece < torrent_.metainfo->piece_count(); ++piece)
      EXPECT_TRUE(!store_->has_piece(PieceIndex{piece}) || piece_is_right(piece))
          << "piece " << piece;
  }
  std::unique_ptr<world::Directory> folder() {
    return *host_.world().disk().open_directory("/content", true);
  }
  void overwrite(std::string const& path, std::uint64_t offset, Bytes const& bytes) {
    auto file = folder()->open(path, {.writable = true, .create = true});
    ASSERT_TRUE(file.has_value()) << file.error().what;
    ASSERT_TRUE((*file)->write_at(offset, ByteView{bytes}).has_value());
    ASSERT_TRUE((*file)->sync().has_value());
  }

 private:
  sim::Simulation& simulation_;
  Torrent torrent_;
  sim::Host& host_;
  std::unique_ptr<Store> store_;
};

Torrent one_file(Kind kind = Kind::hybrid, std::size_t size = 10 * kStorePiece + 12345) {
  return store_test::make_torrent({{"one.bin", store_test::some_bytes(size, 1)}}, kStorePiece,
                                  kind);
}

Torrent many_files(Kind kind) {
  return store_test::make_torrent({{"a/long", store_test::some_bytes(5 * kStorePiece + 777, 1)},
                                   {"a/short", store_test::some_bytes(100, 2)},
                                   {"b/c/d/deep", store_test::some_bytes(kStorePiece, 3)},
                                   {"empty", {}},
                                   {"last", store_test::some_bytes(3 * kStorePiece - 1, 4)}},
                                  kStorePiece, kind);
}

void on_machine(Torrent torrent, std::function<void(Machine&)> body, std::uint64_t seed = 1) {
  sim::Simulation simulation{{.seed = seed, .network = {}}};
  simulation.run([&](sim::Simulation& s) {
    Machine machine{s, std::move(torrent)};
    body(machine);
  });
}

// --------------------------------------------------------------------------------- what it
// promises

TEST(Store, keeps_what_was_claimed_over_a_restart) {
  for (Kind const kind : {Kind::v1, Kind::v2, Kind::hybrid}) {
    on_machine(many_files(kind), [](Machine& machine) {
      EXPECT_EQ(machine.store().verified_bytes(), 0u);
      machine.take_piece(0);
      machine.take_piece(4);
      machine.reopen();
      EXPECT_TRUE(machine.store().has_piece(PieceIndex{0}));
      EXPECT_FALSE(machine.store().has_piece(PieceIndex{1}));
      EXPECT_TRUE(machine.store().has_piece(PieceIndex{4}));
      EXPECT_TRUE(machine.store().needs_recheck().empty());
      machine.expect_every_claim_is_true();
    });
  }
}

TEST(Store, is_whole_when_every_piece_of_every_kind_of_torrent_was_claimed) {
  for (Kind const kind : {Kind::v1, Kind::v2, Kind::hybrid}) {
    on_machine(many_files(kind), [](Machine& machine) {
      machine.take_all();
      ASSERT_TRUE(machine.store().create_files().has_value());
      EXPECT_EQ(machine.store().verified_bytes(), machine.torrent().metainfo->total_size());
      machine.reopen();
      EXPECT_TRUE(machine.store().pieces().all());
      EXPECT_EQ(machine.store().verified_bytes(), machine.torrent().metainfo->total_size());
      machine.expect_every_claim_is_true();
      for (TorrentFile const& file : machine.torrent().metainfo->files()) {
        auto const info = machine.folder()->info(file.path);
        EXPECT_EQ(info.has_value(), !file.pad) << file.path;
        EXPECT_TRUE(!info || info->size == file.length) << file.path;
      }
    });
  }
}

TEST(Store, claims_single_blocks_and_says_when_they_complete_a_piece) {
  on_machine(one_file(), [](Machine& machine) {
    Store& store = machine.store();
    ASSERT_TRUE(machine.write(kStorePiece, kStorePiece).has_value());
    for (int block : {2, 0, 3})
      EXPECT_FALSE(store.claim(kStorePiece + block * kBlockBytes, kBlockBytes));
    EXPECT_TRUE(store.has(kStorePiece + 2 * kBlockBytes + 5, kBlockBytes + 7));
    EXPECT_FALSE(store.has(kStorePiece + kBlockBytes - 1, 1 + 1));
    EXPECT_TRUE(store.claim(kStorePiece + kBlockBytes, kBlockBytes));
    EXPECT_FALSE(store.claim(kStorePiece + kBlockBytes, kBlockBytes)) << "completed twice";
    EXPECT_EQ(store.verified_bytes(), kStorePiece);
    EXPECT_EQ(store.pieces().count(), 1u);
  });
}

TEST(Store, claims_no_block_of_which_a_part_is_missing) {
  on_machine(one_file(), [](Machine& machine) {
    Store& store = machine.store();
    EXPECT_FALSE(store.claim(1, 2 * kBlockBytes));
    EXPECT_FALSE(store.has(1, 100));
    EXPECT_TRUE(store.has(kBlockBytes, kBlockBytes));
    EXPECT_FALSE(store.has(2 * kBlockBytes, 1));
  });
}

TEST(Store, takes_padding_for_granted_and_never_writes_it) {
  on_machine(many_files(Kind::hybrid), [](Machine& machine) {
    Metainfo const& metainfo = *machine.torrent().metainfo;
    auto const short_file = std::ranges::find(metainfo.files(), 100u, &TorrentFile::length);
    ASSERT_NE(short_file, metainfo.files().end());
    ASSERT_TRUE(machine.write(short_file->offset, 100).has_value());
    EXPECT_TRUE(machine.store().claim(short_file->offset, 100)) << "the content alone is the piece";
    Bytes piece(kStorePiece, 0xff);
    ASSERT_TRUE(machine.store().read(short_file->offset, piece).has_value());
    EXPECT_TRUE(std::all_of(piece.begin() + 100, piece.end(), [](auto byte) { return byte == 0; }));
    EXPECT_FALSE(machine.folder()->info("t/.pad").has_value());
  });
}

TEST(Store, forgets_a_piece_that_turned_out_to_be_wrong_at_once_and_for_good) {
  on_machine(one_file(), [](Machine& machine) {
    machine.take_all();
    ASSERT_TRUE(machine.store().flush().has_value());
    machine.store().unclaim(PieceIndex{3});
    EXPECT_FALSE(machine.store().has_piece(PieceIndex{3}));
    EXPECT_EQ(machine.store().verified_bytes(),
              machine.torrent().metainfo->total_size() - kStorePiece);
    machine.lose_power();
    EXPECT_FALSE(machine.store().has_piece(PieceIndex{3}));
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{2}));
  });
}

TEST(Store, removes_its_content_but_not_that_of_others) {
  on_machine(many_files(Kind::hybrid), [](Machine& machine) {
    machine.take_all();
    std::string const path = machine.torrent().metainfo->files()[0].path;
    std::string const folder = path.substr(0, path.rfind('/'));
    machine.overwrite(folder + "/mine", 0, {1, 2, 3});
    ASSERT_TRUE(machine.store().remove(true).has_value());
    machine.close();
    EXPECT_TRUE(machine.folder()->info(folder + "/mine").has_value());
    for (TorrentFile const& file : machine.torrent().metainfo->files())
      EXPECT_FALSE(machine.folder()->info(file.path).has_value()) << file.path;
    auto const maps = *machine.host().world().disk().open_directory("/maps", true);
    EXPECT_TRUE(maps->list("")->empty());
  });
}

// ------------------------------------------------------------------------------------------
// crashes

// Goal: after the end of the process or of the machine at any moment no block is claimed that is
// not on the disk, and what a flush promised is there, or, when only the process died, what a
// record did. Method: random writes, claims, records, flushes and restarts, with kills and power
// cuts between and in the midst of them, over many seeds.
TEST(Store, claims_after_a_kill_or_a_power_cut_what_it_promised_and_nothing_that_is_not_there) {
  for (std::uint64_t const seed : sim::seeds(60)) {
    Kind const kind = std::array{Kind::v1, Kind::v2, Kind::hybrid}[seed % 3];
    sim::Simulation simulation{{.seed = seed, .network = {}}};
    simulation.run([&](sim::Simulation& s) {
      Machine machine{s, many_files(kind)};
      world::Entropy& dice = s.entropy();
      std::uint32_t const pieces = machine.torrent().metainfo->piece_count();
      std::set<std::uint32_t> promised;
      for (int life = 0; life < 4; ++life) {
        std::set<std::uint32_t> taken = promised;
        bool const killed = dice.chance(0.5);
        {
          threads::scope scope;
          scope.spawn("flusher",
                      [&]() -> Result<void> {
                        while (!threads::stop_requested()) {
                          auto const before = taken;
                          bool const for_good = !killed || dice.chance(0.3);
                          if (for_good ? machine.store().flush() : machine.store().record())
                            promised.insert(before.begin(), before.end());
                          MUT_TRY(threads::sleep_for(3ms));
                        }
                        return {};
                      },
                      {.isolated = true});
          scope.spawn("recorder",
                      [&]() -> Result<void> {
                        while (!threads::stop_requested()) {
                          static_cast<void>(machine.store().record());
                          MUT_TRY(threads::sleep_for(1ms));
                        }
                        return {};
                      },
                      {.isolated = true});
          for (std::uint64_t step = dice.below(14); step > 0; --step) {
            auto const piece = static_cast<std::uint32_t>(dice.below(pieces));
            if (taken.contains(piece)) continue;
            machine.take_piece(piece);
            taken.insert(piece);
            if (dice.chance(0.3))
              static_cast<void>(threads::sleep_for(Duration{dice.below(4'000'000)}));
          }
          s.crash(machine.host(), {.lose_unsynced = !killed});
        }
        machine.close();
        machine.host().restart();
        machine.open();
        auto const doubtful = machine.store().needs_recheck();
        if (killed) {
          EXPECT_TRUE(doubtful.empty()) << sim::replay_hint(seed);
        }
        machine.expect_every_claim_is_true();
        for (std::uint32_t const piece : promised)
          EXPECT_TRUE(machine.store().has_piece(PieceIndex{piece}))
              << "piece " << piece << " was promised; " << sim::replay_hint(seed);
        if (!doubtful.empty()) {
          EXPECT_TRUE(machine.store().recheck(doubtful, [](auto, auto) {}));
        }
        machine.expect_every_claim_is_true();
        // The rest was not promised: it may be there or not.
        promised.clear();
        for (std::uint32_t piece = 0; piece < pieces; ++piece)
          if (machine.store().has_piece(PieceIndex{piece})) promised.insert(piece);
      }
      EXPECT_FALSE(testing::Test::HasFailure()) << sim::replay_hint(seed);
    });
    if (testing::Test::HasFailure()) break;
  }
}

TEST(Store, records_by_itself_only_when_the_interval_or_the_bytes_have_passed) {
  on_machine(one_file(), [](Machine& machine) {
    machine.take_piece(0);
    ASSERT_TRUE(machine.store().record_if_due().has_value());
    machine.take_piece(1);
    ASSERT_TRUE(threads::sleep_for(1100ms).has_value());
    ASSERT_TRUE(machine.store().record_if_due().has_value());
    machine.take_piece(2);
    ASSERT_TRUE(machine.store().record_if_due().has_value());
    machine.be_killed();
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{0}));
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{1}));
    EXPECT_FALSE(machine.store().has_piece(PieceIndex{2}));
    EXPECT_TRUE(machine.store().needs_recheck().empty());
    machine.expect_every_claim_is_true();
  });
}

TEST(Store, keeps_what_it_recorded_over_a_kill_without_a_sync_and_rechecks_it_after_a_power_cut) {
  on_machine(many_files(Kind::hybrid), [](Machine& machine) {
    machine.take_piece(0);
    ASSERT_TRUE(machine.store().flush());
    machine.take_piece(1);
    ASSERT_TRUE(machine.store().record());
    EXPECT_GT(machine.disk().unsynced_bytes(), 0u);
    machine.be_killed();
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{1}));
    machine.lose_power();
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{1})) << "synced when it was opened again";

    machine.take_piece(2);
    ASSERT_TRUE(machine.store().record());
    machine.lose_power();
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{0}));
    EXPECT_FALSE(machine.store().has_piece(PieceIndex{2})) << "nobody knows whether it is there";
    auto const doubtful = machine.store().needs_recheck();
    // Empty when the record was lost too.
    EXPECT_TRUE(doubtful.empty() || doubtful == std::vector{FileIndex{0}})
        << "the others are trusted";
    ASSERT_TRUE(machine.store().recheck(doubtful, [](auto, auto) {}));
    EXPECT_EQ(machine.store().has_piece(PieceIndex{2}), machine.piece_is_right(2));
  });
}

TEST(Store, does_not_sync_while_it_records) {
  on_machine(one_file(), [](Machine& machine) {
    machine.take_piece(0);
    machine.disk().fail_next_syncs(1);
    EXPECT_TRUE(machine.store().record());
    EXPECT_FALSE(machine.store().flush());
  });
}

TEST(Store, flushes_the_data_of_each_claim_before_its_record) {
  on_machine(one_file(), [](Machine& machine) {
    machine.take_piece(0);
    machine.disk().fail_next_syncs(1);
    EXPECT_FALSE(machine.store().flush().has_value());
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{0})) << "still claimed in this session";
    ASSERT_TRUE(machine.store().flush().has_value()) << "and saved when the disk works again";
    machine.lose_power();
    EXPECT_TRUE(machine.store().has_piece(PieceIndex{0}));
    machine.expect_every_claim_is_true();
  });
}

// ---------------------------------------------------------------------------------------- full
// disk

TEST(Store, says_that_the_disk_is_full_and_goes_on_when_there_is_room) {
  on_machine(one_file(), [](Machine& machine) {
    machine.take_piece(0);
    ASSERT_TRUE(machine.store().flush().has_value());
    machine.take_piece(1);
    machine.disk().set_full(true);
    auto const refused = machine.write(2 * kStorePiece, kStorePiece);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
    EXPECT_NE(refused.error().what.find("one.bin"), std::string::npos) << refused.error().what;
    EXPECT_NE(refused.error().what.find("free"), std::string::npos) << refused.error().what;
    EXPECT_FALSE(refused.error().mend.empty());
    static_cast<void>(machine.store().flush());
    EXPECT_TRUE(machine.piece_is_right(0));

    machine.disk().set_full(false);
    machine.take_piece(2);
    ASSERT_TRUE(machine.store().flush().has_value());
    machine.lose_power();
    for (std::uint32_t piece : {0, 1, 2})
      EXPECT_TRUE(machine.store().has_piece(PieceIndex{piece})) << piece;
    machine.expect_every_claim_is_true();
  });
}

TEST(Store, loses_no_claim_of_before_when_a_full_disk_takes_no_map) {
  on_machine(one_file(), [](Machine& machine) {
    for (std::uint32_t piece : {0, 1, 2, 3}) machine.take_piece(piece);
    machine.reopen();
    machine.take_piece(5);
    machine.disk().set_full(true);
    machine.reopen();
    machine.lose_power();
    for (std::uint32_t piece : {0, 1, 2, 3})
      EXPECT_TRUE(machine.store().has_piece(PieceIndex{piece})) << piece;
    machine.expect_every_claim_is_true();
    machine.disk().set_full(false);
    machine.reopen();
    for (std::uint32_t piece : {0, 1, 2, 3})
      EXPECT_TRUE(machine.store().has_piece(PieceIndex{piece})) << piece;
  });
}

// ------------------------------------------------------------------------------- changes by others

TEST(Store, rechecks_a_changed_file_alone) {
  for (Kind const kind : {Kind::v1, Kind::v2, Kind::hybrid}) {
    on_machine(many_files(kind), [](Machine& machine) {
      machine.take_all();
      machine.close();
      auto const& files = machine.torrent().metainfo->files();
      auto const changed = std::ranges::find(files, kStorePiece, &TorrentFile::length);
      FileIndex const index{static_cast<std::uint32_t>(changed - files.begin())};
      ASSERT_TRUE(threads::sleep_for(1s).has_value());
      machine.overwrite(changed->path, 20'000, {1, 2, 3});
      machine.open();
      EXPECT_EQ(machine.store().needs_recheck(), std::vector{index});
      EXPECT_FALSE(machine.store().has(changed->offset, changed->length));
      EXPECT_TRUE(machine.store().has(0, 5 * kStorePiece)) << "an untouched file was distrusted";

      ASSERT_TRUE(machine.store().recheck({&index, 1}, {}).has_value());
      EXPECT_TRUE(machine.store().needs_recheck().empty());
      machine.expect_every_claim_is_true();
      EXPECT_EQ(machine.store().pieces().count(), machine.store().pieces().size() - 1)
          << "all but the one that was overwritten";
    });
  }
}

TEST(Store, trusts_a_file_under_the_date_at_which_a_recheck_found_it_right) {
  on_machine(one_file(), [](Machine& machine) {
    machine.take_all();
    machine.reopen();
    ASSERT_TRUE(threads::sleep_for(1s).has_value());
    ByteView const same = machine.torrent().piece(0);
    machine.overwrite(machine.torrent().metainfo->files()[0].path, 0, {same.begin(), same.end()});
    ASSERT_TRUE(machine.store().recheck({}, {}).has_value());
    machine.reopen();
    EXPECT_TRUE(machine.store().needs_recheck().empty());
    EXPECT_TRUE(machine.store().pieces().all());
  });
}

TEST(Store, distrusts_a_file_that_was_cut_replaced_or_removed) {
  for (int change = 0; change < 3; ++change) {
    on_machine(one_file(), [change](Machine& machine) {
      machine.take_all();
      machine.close();
      std::string const path = machine.torrent().metainfo->files()[0].path;
      auto folder = machine.folder();
      if (change == 0) {
        ASSERT_TRUE((*folder->open(path, {.writable = true}))->resize(1000).has_value());
      } else {
        ASSERT_TRUE(folder->remove(path).has_value());
        if (change == 1) machine.overwrite(path, 0, Bytes(machine.torrent().space.size(), 7));
      }
      machine.open();
      EXPECT_EQ(machine.store().verified_bytes(), 0u) << change;
      EXPECT_EQ(machine.store().needs_recheck().size(), 1u);
      ASSERT_TRUE(machine.store().recheck({}, {}).has_value());
      EXPECT_EQ(machine.store().verified_bytes(), 0u) << change;
      machine.take_all();
      machine.expect_every_claim_is_true();
    });
  }
}

TEST(Store, finds_content_that_was_there_before_it) {
  for (Kind const kind : {Kind::v1, Kind::v2, Kind::hybrid}) {
    Torrent torrent = many_files(kind);
    on_machine(torrent, [](Machine& machine) {
      machine.take_all();
      ASSERT_TRUE(machine.store().create_files().has_value());
      ASSERT_TRUE(machine.store().remove(false).has_value());
      machine.reopen();
      EXPECT_EQ(machine.store().verified_bytes(), 0u);
      EXPECT_EQ(machine.store().needs_recheck().size(), 4u);
      std::uint64_t last = 0, total = 0;
      ASSERT_TRUE(machine.store()
                      .recheck({},
                               [&](std::uint64_t done, std::uint64_t all) {
                                 EXPECT_GT(done, last);
                                 last = done;
                                 total = all;
                               })
                      .has_value());
      EXPECT_EQ(last, total);
      EXPECT_TRUE(machine.store().pieces().all());
      machine.lose_power();
      EXPECT_TRUE(machine.store().pieces().all());
    });
  }
}

TEST(Store, finds_bit_rot_by_a_recheck) {
  for (Kind const kind : {Kind::v1, Kind::v2, Kind::hybrid}) {
    on_machine(one_file(kind), [](Machine& machine) {
      machine.take_all();
      ASSERT_TRUE(machine.store().flush().has_value());
      std::string const path = "/content/" + machine.torrent().metainfo->files()[0].path;
      ASSERT_TRUE(machine.disk().flip_bit(path, 4 * kStorePiece + 40'000, 3).has_value());
      machine.reopen();
      EXPECT_TRUE(machine.store().pieces().all()) << "nothing else can see it";
      ASSERT_TRUE(machine.store().recheck({}, {}).has_value());
      EXPECT_FALSE(machine.store().has_piece(PieceIndex{4}));
      EXPECT_EQ(machine.store().pieces().count(), machine.store().pieces().size() - 1);
      machine.lose_power();
      EXPECT_FALSE(machine.store().has_piece(PieceIndex{4}));
    });
  }
}

TEST(Store, says_what_is_in_the_way_of_a_file) {
  on_machine(many_files(Kind::hybrid), [](Machine& machine) {
    auto const& files = machine.torrent().metainfo->files();
    std::string const deep = std::ranges::find(files, kStorePiece, &TorrentFile::length)->path;
    std::string const parent = deep.substr(0, deep.rfind('/'));
    machine.overwrite(parent, 0, {1});
    std::uint64_t const offset =
        std::ranges::find(files, kStorePiece, &TorrentFile::length)->offset;
    auto const refused = machine.write(offset, kStorePiece);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().what.find(parent), std::string::npos) << refused.error().what;
    EXPECT_FALSE(refused.error().mend.empty());
    machine.take_piece(0);
  });
}

TEST(VerifyPiece, tells_right_from_wrong_in_every_kind_of_torrent) {
  for (Kind const kind : {Kind::v1, Kind::v2, Kind::hybrid}) {
    Torrent const torrent = many_files(kind);
    for (std::uint32_t piece = 0; piece < torrent.metainfo->piece_count(); ++piece) {
      Bytes bytes(torrent.piece(piece).begin(), torrent.piece(piece).end());
      EXPECT_TRUE(verify_piece(*torrent.metainfo, PieceIndex{piece}, bytes));
      bytes[bytes.size() * piece / torrent.metainfo->piece_count() % 90] ^= 0x80;
      EXPECT_FALSE(verify_piece(*torrent.metainfo, PieceIndex{piece}, bytes));
    }
  }
}

}  // namespace
}  // namespace mutirao::swarm
