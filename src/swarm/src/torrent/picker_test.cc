#include "torrent/picker.h"

#include <map>

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

using Arrival = Picker::Arrival;

constexpr std::uint32_t kBlocks = 4;  // in a piece

Picker make_picker(std::uint32_t pieces, std::uint64_t seed = 1, std::uint32_t blocks = kBlocks) {
  auto const size = blocks * kBlockBytes;
  return Picker{pieces,
                [size](PieceIndex) { return Picker::Shape{size, size}; },
                {.seed = seed, .total_bytes = std::uint64_t{pieces} * size}};
}

std::vector<Picker::Pick> pick(Picker& picker, PeerSlot slot, std::size_t count) {
  std::vector<Picker::Pick> picks;
  picker.pick(slot, count, picks);
  return picks;
}

std::set<std::uint32_t> pieces_of(std::vector<Picker::Pick> const& picks) {
  std::set<std::uint32_t> pieces;
  for (auto const& each : picks) pieces.insert(each.range.piece.value);
  return pieces;
}

Arrival arrive(Picker& picker, PeerSlot slot, BlockRange range) {
  std::vector<PeerSlot> others;
  return picker.arrived(slot, range, others);
}

TEST(Picker, asks_for_a_piece_from_its_first_block_to_its_last_before_it_begins_another) {
  auto picker = make_picker(8);
  auto const seed = picker.join();
  picker.peer_has_all(seed);
  auto const picks = pick(picker, seed, 6);
  ASSERT_EQ(picks.size(), 6u);
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    EXPECT_EQ(picks[i].range, (BlockRange{picks[0].range.piece, i * kBlockBytes, kBlockBytes}));
  }
  EXPECT_NE(picks[4].range.piece, picks[0].range.piece);
}

TEST(Picker, begins_the_rarest_piece_first) {
  auto picker = make_picker(16);
  std::vector<PeerSlot> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(picker.join());
  for (std::uint32_t piece = 0; piece < 16; ++piece) {
    picker.peer_has(slots[0], PieceIndex{piece});
    if (piece != 11) picker.peer_has(slots[1], PieceIndex{piece});
    if (piece != 11 && piece != 5) picker.peer_has(slots[2], PieceIndex{piece});
  }
  auto const picks = pick(picker, slots[0], 2 * kBlocks);
  ASSERT_EQ(picks.size(), 2 * kBlocks);
  EXPECT_EQ(picks[0].range.piece, PieceIndex{11});
  EXPECT_EQ(picks[kBlocks].range.piece, PieceIndex{5});
}

TEST(Picker, begins_different_pieces_on_different_nodes) {
  std::set<std::uint32_t> first;
  for (std::uint64_t seed = 0; seed < 32; ++seed) {
    auto picker = make_picker(1000, seed);
    auto const slot = picker.join();
    picker.peer_has_all(slot);
    first.insert(pick(picker, slot, 1)[0].range.piece.value);
  }
  EXPECT_GT(first.size(), 25u);
}

TEST(Picker, gives_the_same_order_for_the_same_seed) {
  auto one = make_picker(100, 7);
  auto two = make_picker(100, 7);
  for (auto* const picker : {&one, &two}) picker->peer_has_all(picker->join());
  auto const a = pick(one, 0, 200);
  auto const b = pick(two, 0, 200);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].range, b[i].range);
}

TEST(Picker, prefers_priority_to_rarity_and_leaves_out_what_is_not_wanted) {
  auto picker = make_picker(4);
  auto const slot = picker.join();
  picker.peer_has_all(slot);
  picker.set_priority(PieceIndex{3}, 7);
  picker.set_priority(PieceIndex{1}, std::nullopt);
  auto const picks = pick(picker, slot, 100);
  EXPECT_EQ(picks.size(), 3 * kBlocks);
  EXPECT_EQ(picks[0].range.piece, PieceIndex{3});
  EXPECT_FALSE(pieces_of(picks).contains(1));
  EXPECT_EQ(picker.missing(), 3u);
}

TEST(Picker, puts_what_somebody_waits_for_before_everything_by_deadline_then_priority) {
  auto picker = make_picker(16);
  auto const slot = picker.join();
  picker.peer_has_all(slot);
  auto const at = [](int s) { return Deadline::at(TimePoint{std::chrono::seconds{s}}); };
  picker.add_want(PieceIndex{9}, 0, kBlocks, at(20), 4);
  picker.add_want(PieceIndex{2}, 1, 2, at(10), 4);
  picker.add_want(PieceIndex{3}, 0, 1, at(20), 7);
  auto const picks = pick(picker, slot, 6);
  ASSERT_EQ(picks.size(), 6u);
  EXPECT_EQ(picks[0].range, (BlockRange{PieceIndex{2}, kBlockBytes, kBlockBytes}));
  EXPECT_EQ(picks[1].range.piece, PieceIndex{3});
  for (int i = 2; i < 6; ++i)
    EXPECT_EQ(picks[static_cast<std::size_t>(i)].range.piece, PieceIndex{9});
}

TEST(Picker, leaves_a_piece_to_the_peer_that_began_it_while_there_are_others) {
  auto picker = make_picker(16);
  auto const a = picker.join();
  auto const b = picker.join();
  picker.peer_has_all(a);
  picker.peer_has_all(b);
  auto const of_a = pieces_of(pick(picker, a, 2));
  auto const of_b = pieces_of(pick(picker, b, kBlocks));
  EXPECT_FALSE(of_b.contains(*of_a.begin()));
}

TEST(Picker, shares_a_piece_among_peers_too_slow_to_fetch_one_alone) {
  auto picker = make_picker(16, 1, 256);
  auto const a = picker.join();
  auto const b = picker.join();
  picker.peer_has_all(a);
  picker.peer_has_all(b);
  picker.set_pace(a, {.bytes_per_s = 20'000, .latency_s = 0.1});
  picker.set_pace(b, {.bytes_per_s = 20'000, .latency_s = 0.1});
  EXPECT_EQ(pieces_of(pick(picker, a, 4)), pieces_of(pick(picker, b, 4)));
}

TEST(Picker, asks_nobody_twice_for_a_block_while_peers_are_alike) {
  auto picker = make_picker(2);
  auto const a = picker.join();
  auto const b = picker.join();
  for (auto const slot : {a, b}) {
    picker.peer_has_all(slot);
    picker.set_pace(slot, {.bytes_per_s = 1e6, .latency_s = 0.05});
  }
  EXPECT_EQ(pick(picker, a, 100).size(), 2 * kBlocks);
  EXPECT_TRUE(pick(picker, b, 100).empty());
}

TEST(Picker, takes_blocks_from_a_slow_peer_for_a_fast_one_at_the_end) {
  auto picker = make_picker(100);
  auto const slow = picker.join();
  auto const fast = picker.join();
  for (auto const slot : {slow, fast}) picker.peer_has_all(slot);
  for (std::uint32_t piece = 0; piece < 98; ++piece) picker.set_have(PieceIndex{piece});
  picker.set_pace(slow, {.bytes_per_s = 20'000, .latency_s = 0.1});
  EXPECT_EQ(pick(picker, slow, 100).size(), 2 * kBlocks);
  picker.set_pace(fast, {.bytes_per_s = 10e6, .latency_s = 0.01});
  auto const picks = pick(picker, fast, 100);
  ASSERT_FALSE(picks.empty());
  for (auto const& each : picks) EXPECT_EQ(each.taken_from, slow);
}

TEST(Picker, keeps_duplicates_within_one_in_a_hundred) {
  auto picker = make_picker(100);
  auto const slow = picker.join();
  auto const fast = picker.join();
  for (auto const slot : {slow, fast}) picker.peer_has_all(slot);
  for (std::uint32_t piece = 0; piece < 80; ++piece) picker.set_have(PieceIndex{piece});
  picker.set_pace(slow, {.bytes_per_s = 1000, .latency_s = 0.1});
  std::vector<BlockRange> asked;
  for (auto const& each : pick(picker, slow, 1000)) asked.push_back(each.range);
  picker.set_pace(fast, {.bytes_per_s = 10e6, .latency_s = 0.001});
  // The fast one delivers at once; the slow one, stubborn, sends everything too.
  for (auto picks = pick(picker, fast, 100); !picks.empty(); picks = pick(picker, fast, 100)) {
    for (auto const& each : picks) EXPECT_EQ(arrive(picker, fast, each.range), Arrival::wanted);
    for (auto const& each : picks) EXPECT_EQ(arrive(picker, slow, each.range), Arrival::duplicate);
  }
  EXPECT_LE(picker.duplicate_bytes(), 100 * kBlocks * kBlockBytes / 100);
  EXPECT_GT(picker.duplicate_bytes(), 0u);
}

TEST(Picker, gives_the_blocks_of_a_peer_that_leaves_to_others) {
  auto picker = make_picker(1);
  auto const a = picker.join();
  auto const b = picker.join();
  picker.peer_has_all(a);
  picker.peer_has_all(b);
  EXPECT_EQ(pick(picker, a, 100).size(), kBlocks);
  EXPECT_TRUE(pick(picker, b, 100).empty());
  static_cast<void>(picker.leave(a));
  EXPECT_EQ(pick(picker, b, 100).size(), kBlocks);
}

TEST(Picker, accepts_a_block_that_comes_after_it_was_given_up) {
  auto picker = make_picker(1);
  auto const a = picker.join();
  picker.peer_has_all(a);
  auto const picks = pick(picker, a, 2);
  EXPECT_EQ(arrive(picker, a, picks[0].range), Arrival::wanted);
  picker.give_back(a, picks[1].range);
  EXPECT_EQ(arrive(picker, a, picks[1].range), Arrival::wanted);
}

TEST(Picker, refuses_blocks_that_nobody_would_ask_for) {
  auto picker = make_picker(2);
  auto const a = picker.join();
  picker.peer_has_all(a);
  auto const range = pick(picker, a, 1)[0].range;
  EXPECT_EQ(arrive(picker, a, {range.piece, 1, kBlockBytes}), Arrival::unknown);
  EXPECT_EQ(arrive(picker, a, {range.piece, 0, 5}), Arrival::unknown);
  EXPECT_EQ(arrive(picker, a, {range.piece, kBlocks * kBlockBytes, kBlockBytes}), Arrival::unknown);
  EXPECT_EQ(arrive(picker, a, {PieceIndex{1 - range.piece.value}, 0, kBlockBytes}),
            Arrival::unknown);
}

TEST(Picker, fetches_a_piece_that_was_wrong_from_one_peer_alone) {
  auto picker = make_picker(1);
  auto const a = picker.join();
  auto const b = picker.join();
  picker.peer_has_all(a);
  picker.peer_has_all(b);
  for (auto const& each : pick(picker, a, 2))
    EXPECT_EQ(arrive(picker, a, each.range), Arrival::wanted);
  for (auto const& each : pick(picker, b, 2))
    EXPECT_EQ(arrive(picker, b, each.range), Arrival::wanted);
  ASSERT_TRUE(picker.complete(PieceIndex{0}));
  picker.begin_anew(PieceIndex{0});
  auto const again = pick(picker, b, 1);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_TRUE(pick(picker, a, 100).empty());
  EXPECT_EQ(arrive(picker, a, {PieceIndex{0}, kBlockBytes, kBlockBytes}), Arrival::unknown);
  // When that peer goes, its part is worth nothing: the next one begins anew.
  EXPECT_EQ(arrive(picker, b, again[0].range), Arrival::wanted);
  EXPECT_EQ(picker.leave(b), std::vector{PieceIndex{0}});
  EXPECT_EQ(pick(picker, a, 100).size(), kBlocks);
}

TEST(Picker, never_asks_for_padding) {
  Picker picker{1,
                [](PieceIndex) { return Picker::Shape{8 * kBlockBytes, 2 * kBlockBytes + 1}; },
                {.seed = 1}};
  auto const a = picker.join();
  picker.peer_has_all(a);
  auto const picks = pick(picker, a, 100);
  ASSERT_EQ(picks.size(), 3u);
  EXPECT_EQ(picks[2].range.length, kBlockBytes)
      << "a block that is padding in part is asked for whole";
}

TEST(Picker, fetches_pieces_side_by_side_in_runs_when_told_to) {
  auto const size = 16 * kBlockBytes;
  Picker picker{1000,
                [size](PieceIndex) { return Picker::Shape{size, size}; },
                {.seed = 1, .total_bytes = 1000ull * size, .stripe = 4, .run_blocks = 2}};
  auto const a = picker.join();
  picker.peer_has_all(a);
  picker.set_pace(a, {.bytes_per_s = 1e9, .latency_s = 0.001});
  auto const picks = pick(picker, a, 16);
  ASSERT_EQ(picks.size(), 16u);
  EXPECT_EQ(pieces_of(picks).size(), 4u);
  for (std::size_t i = 0; i < picks.size(); i += 2)
    EXPECT_EQ(picks[i].range.piece, picks[i + 1].range.piece);
}

TEST(Picker, asks_a_seed_for_what_only_seeds_have_while_others_give_the_rest) {
  auto picker = make_picker(40);
  auto const seed = picker.join(1);
  auto const peer = picker.join(2);
  picker.peer_has_all(seed);
  for (std::uint32_t piece = 0; piece < 26; ++piece) picker.peer_has(peer, PieceIndex{piece});
  auto const asked = pieces_of(pick(picker, seed, 40 * kBlocks));
  EXPECT_GE(*asked.begin(), 26u);
  EXPECT_LT(asked.size(), 14u) << "some of it falls to the other";
  // When the other gives nothing, the seed is asked for everything.
  EXPECT_FALSE(picker.review(0.1));
  EXPECT_TRUE(picker.review(0.1));
  EXPECT_EQ(pieces_of(pick(picker, seed, 10 * kBlocks)).size(), 10u);
}

// Goal: nodes that fetch from one seed at the same time ask it for different pieces, without a
// word.
TEST(Picker, divides_the_pieces_of_a_seed_among_the_nodes_that_fetch) {
  std::map<std::uint32_t, int> asked;
  for (std::uint64_t own = 1; own <= 4; ++own) {
    Picker picker{400,
                  [](PieceIndex) { return Picker::Shape{4 * kBlockBytes, 4 * kBlockBytes}; },
                  {.seed = own, .own_name = own * 77}};
    for (std::uint64_t other = 1; other <= 4; ++other) {
      if (other != own) static_cast<void>(picker.join(other * 77));
    }
    auto const seed = picker.join(5);
    picker.peer_has_all(seed);
    for (auto const piece : pieces_of(pick(picker, seed, 20 * kBlocks))) ++asked[piece];
  }
  EXPECT_EQ(asked.size(), 80u) << "each of four asks for 20 pieces that no other asks for";
}

// Goal: what was left to a neighbour of whom nothing was known yet is fetched when it turns out to
// be a seed.
TEST(Picker, asks_seeds_for_everything_once_the_last_neighbour_turns_out_to_be_a_seed) {
  auto picker = make_picker(16);
  auto const seed = picker.join(1);
  picker.peer_has_all(seed);
  auto const late = picker.join(2);
  auto const before = pick(picker, seed, 16 * kBlocks).size();
  EXPECT_LT(before, 16 * kBlocks);
  picker.peer_has_all(late);
  EXPECT_EQ(before + pick(picker, seed, 16 * kBlocks).size(), 16 * kBlocks);
}

TEST(Picker, knows_what_no_peer_has) {
  auto picker = make_picker(3);
  auto const a = picker.join();
  picker.peer_has(a, PieceIndex{0});
  EXPECT_EQ(picker.unavailable(), (std::pair{std::optional{PieceIndex{1}}, 2u}));
  picker.set_have(PieceIndex{0});
  EXPECT_FALSE(picker.interesting(a));
  picker.peer_has(a, PieceIndex{2});
  EXPECT_TRUE(picker.interesting(a));
}

// Goal: the books balance whatever happens. Method: random events over random peers; at the end all
// blocks can be fetched by one seed, each once.
TEST(Picker, can_finish_after_any_history) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    auto picker = make_picker(20, seed);
    auto state = seed;
    auto const draw = [&](std::uint64_t below) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % below;
    };
    std::map<PeerSlot, std::vector<BlockRange>> peers;
    for (int step = 0; step < 2000; ++step) {
      if (peers.size() < 2 || draw(40) == 0) {
        auto const slot = picker.join();
        peers[slot];
        if (draw(2) == 0) picker.peer_has_all(slot);
      }
      auto it = std::next(peers.begin(), static_cast<std::ptrdiff_t>(draw(peers.size())));
      auto& [slot, asked] = *it;
      switch (draw(7)) {
        case 0:
          picker.peer_has(slot, PieceIndex{static_cast<std::uint32_t>(draw(20))});
          break;
        case 1:
        case 2:
          picker.set_pace(slot,
                          {.bytes_per_s = static_cast<double>(draw(1'000'000)), .latency_s = 0.01});
          for (auto const& each : pick(picker, slot, draw(5))) asked.push_back(each.range);
          break;
        case 3:
        case 4:
          if (!asked.empty()) {
            auto const range = asked.back();
            asked.pop_back();
            static_cast<void>(arrive(picker, slot, range));
            if (picker.complete(range.piece)) {
              if (draw(3) == 0)
                picker.begin_anew(range.piece);
              else if (!picker.have().test(range.piece.value))
                picker.set_have(range.piece);
            }
          }
          break;
        case 5:
          if (!asked.empty()) {
            picker.give_back(slot, asked.back());
            asked.pop_back();
          }
          break;
        default:
          if (draw(10) == 0 && peers.size() > 2) {
            static_cast<void>(picker.leave(slot));
            peers.erase(it);
          } else if (draw(20) == 0) {
            picker.set_missing(PieceIndex{static_cast<std::uint32_t>(draw(20))});
          }
      }
    }
    while (!peers.empty()) {
      static_cast<void>(picker.leave(peers.begin()->first));
      peers.erase(peers.begin());
    }
    auto const last = picker.join();
    picker.peer_has_all(last);
    std::set<std::pair<std::uint32_t, std::uint32_t>> once;
    for (auto picks = pick(picker, last, 7); !picks.empty(); picks = pick(picker, last, 7)) {
      for (auto const& each : picks) {
        EXPECT_TRUE(once.emplace(each.range.piece.value, each.range.begin).second);
        ASSERT_EQ(arrive(picker, last, each.range), Arrival::wanted);
        if (picker.complete(each.range.piece)) picker.set_have(each.range.piece);
      }
    }
    EXPECT_TRUE(picker.done());
  }
}

}  // namespace
}  // namespace mutirao::swarm
