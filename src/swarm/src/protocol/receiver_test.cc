#include "protocol/receiver.h"

#include <cstring>
#include <functional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"

namespace mutirao::swarm {
namespace {

/// A stream whose bytes are known; each read takes as many as `chunk` says.
class Script final : public world::Stream {
 public:
  Script(Bytes bytes, std::function<std::size_t()> chunk)
      : bytes_{std::move(bytes)}, chunk_{std::move(chunk)} {}
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline) override {
    ++reads_;
    auto left = std::min(chunk_(), bytes_.size() - at_);
    std::size_t got = 0;
    for (auto const part : into) {
      auto const now = std::min(left, part.size());
      std::memcpy(part.data(), bytes_.data() + at_, now);
      at_ += now;
      left -= now;
      got += now;
    }
    return got;
  }
  Result<void> write_all(std::span<ByteView const>, Deadline) override { return {}; }
  void finish_writing() noexcept override {}
  void close() noexcept override {}
  world::Endpoint local() const override { return {}; }
  world::Endpoint remote() const override { return {}; }
  int reads() const noexcept { return reads_; }

 private:
  Bytes bytes_;
  std::function<std::size_t()> chunk_;
  std::size_t at_ = 0;
  int reads_ = 0;
};

/// Writes down what comes, in order, and keeps the blocks as a peer does.
class Diary final : public ReceiveHandler {
 public:
  Result<void> on_message(MessageHeader const& header, ByteView payload) override {
    entries.push_back(
        fmt::format("{} {} {}", static_cast<int>(header.type), header.piece.value, payload.size()));
    return {};
  }
  Result<void> on_block(BlockRange range, BlockBuffer buffer) override {
    entries.push_back(fmt::format("block {} {} {}", range.piece.value, range.begin, range.length));
    auto const expected =
        static_cast<std::uint8_t>(range.piece.value * 7 + range.begin / kBlockBytes);
    for (auto const byte : buffer.bytes(range.length)) right = right && byte == expected;
    kept.push_back(std::move(buffer));
    if (kept.size() > 8) kept.clear();
    return {};
  }
  Result<void> on_pressure() override {
    kept.clear();
    return {};
  }
  std::vector<std::string> entries;
  bool right = true;
  std::vector<BlockBuffer> kept;
};

BlockRange block(std::uint32_t piece, std::uint32_t number, std::uint32_t length = kBlockBytes) {
  return {PieceIndex{piece}, number * kBlockBytes, length};
}

void append_block(Bytes& stream, BlockRange const& range) {
  std::array<std::uint8_t, kPieceHeaderBytes> head;
  MessageWriter writer{head};
  writer.piece_header(range);
  stream.insert(stream.end(), head.begin(), head.end());
  stream.insert(stream.end(), range.length,
                static_cast<std::uint8_t>(range.piece.value * 7 + range.begin / kBlockBytes));
}

void append_have(Bytes& stream, std::uint32_t piece) {
  std::array<std::uint8_t, 9> bytes;
  MessageWriter writer{bytes};
  writer.about_piece(MessageType::have, PieceIndex{piece});
  stream.insert(stream.end(), bytes.begin(), bytes.end());
}

/// Receives all of `stream`, foretelling `asked`, and returns what was written down.
std::vector<std::string> receive(Bytes const& stream, std::vector<BlockRange> asked,
                                 std::function<std::size_t()> chunk, std::size_t pool_blocks = 32,
                                 int* reads = nullptr) {
  std::vector<std::string> entries;
  threads::runtime runtime{{.simulated = threads::simulated_schedule{1}}};
  runtime.run([&] {
    BlockPool pool{pool_blocks};
    Diary diary;
    {
      Receiver receiver{pool};
      receiver.set_limits({.piece_count = 1000});
      Script script{stream, std::move(chunk)};
      std::size_t seen = 0;
      while (receiver.receive(script, asked, 16, diary, Deadline::never())) {
        diary.kept.clear();  // who waits for more must hold none
        for (; seen < diary.entries.size(); ++seen) {
          std::erase_if(asked, [&](BlockRange const& each) {
            return diary.entries[seen] ==
                   fmt::format("block {} {} {}", each.piece.value, each.begin, each.length);
          });
        }
      }
      if (reads != nullptr) *reads = script.reads();
    }
    EXPECT_TRUE(diary.right) << "payload in the wrong place";
    diary.kept.clear();
    entries = std::move(diary.entries);
  });
  return entries;
}

TEST(Receiver, takes_many_blocks_in_one_read_when_they_come_as_asked) {
  Bytes stream;
  std::vector<BlockRange> asked;
  for (std::uint32_t i = 0; i < 32; ++i) {
    asked.push_back(block(i / 16, i % 16));
    append_block(stream, asked.back());
  }
  int reads = 0;
  EXPECT_EQ(receive(stream, asked, [] { return ~std::size_t{0}; }, 64, &reads).size(), 32u);
  EXPECT_LE(reads, 5);
}

// Goal: however the stream is cut, and whatever comes between the blocks, the same arrives in
// order.
TEST(Receiver, hears_the_same_however_the_stream_is_cut) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    auto state = seed;
    auto const draw = [&](std::uint64_t below) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % below;
    };
    Bytes stream;
    std::vector<BlockRange> asked;
    std::vector<std::string> expected;
    for (int i = 0; i < 40; ++i) {
      auto const range = block(static_cast<std::uint32_t>(i / 4), static_cast<std::uint32_t>(i % 4),
                               draw(5) == 0 ? 100 : kBlockBytes);
      if (draw(4) == 0) {
        auto const piece = static_cast<std::uint32_t>(draw(1000));
        append_have(stream, piece);
        expected.push_back(fmt::format("4 {} 0", piece));
      }
      append_block(stream, range);
      expected.push_back(
          fmt::format("block {} {} {}", range.piece.value, range.begin, range.length));
      // Some come unasked, and some that were asked for come later or never.
      if (draw(8) != 0) asked.push_back(range);
      if (draw(10) == 0) asked.push_back(block(900 + static_cast<std::uint32_t>(i), 0));
    }
    if (draw(2) == 0) std::swap(asked[3], asked[5]);
    auto const biggest = std::uint64_t{1} << draw(20);
    EXPECT_EQ(receive(stream, asked, [&] { return 1 + draw(biggest); }, 3 + draw(40)), expected);
  }
}

TEST(Receiver, skips_what_it_does_not_know) {
  Bytes stream{0, 0, 0, 101, 99};
  stream.resize(stream.size() + 100);
  append_have(stream, 5);
  EXPECT_EQ(receive(stream, {block(1, 0)}, [] { return std::size_t{7}; }),
            std::vector<std::string>{"4 5 0"});
}

}  // namespace
}  // namespace mutirao::swarm
