#include "translator/translator.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hart/difference.h"
#include "testing/test_hart.h"
#include "translator/random_program.h"

namespace mutirao::machine {
namespace {

constexpr GuestAddress kRam = 0x80000000;
constexpr std::uint64_t kRamBytes = 16 << 20;

/// A hart with memory of its own, interpreted or translated.
class Side {
 public:
  explicit Side(bool translated) {
    if (translated)
      translator_ = *Translator::make(*frame_, bus_, host_, 4 << 20, 1);
    else
      interpreter_ = std::make_unique<Interpreter>(frame_->hart, bus_, host_);
    // The modes below may touch all memory.
    hart().pmpaddr[0] = ~std::uint64_t{0} >> 10;
    hart().pmpcfg[0] = 0x1F;
    core().mmu.rules_changed();
  }
  [[nodiscard]] Hart& hart() { return frame_->hart; }
  [[nodiscard]] Core& core() { return translator_ ? translator_->core() : interpreter_->core(); }
  [[nodiscard]] GuestMemory& memory() { return *memory_; }
  [[nodiscard]] Translator& translator() { return *translator_; }
  Interpreter::Stop run(std::uint64_t budget) {
    return translator_ ? translator_->run(budget) : interpreter_->run(budget);
  }
  void put(GuestAddress address, assembler::Code const& code) {
    for (auto const word : code.words()) {
      ASSERT_TRUE(memory_->store(address, word));
      address += 4;
    }
  }

 private:
  struct Host final : HartHost {
    Hart* hart = nullptr;
    std::uint64_t time() override { return hart->steps / 8; }
  };
  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(kRam, kRamBytes);
  Bus bus_{*memory_};
  Host host_;
  std::unique_ptr<HartFrame> frame_ = [this] {
    auto frame = std::make_unique<HartFrame>();
    host_.hart = &frame->hart;
    return frame;
  }();
  std::unique_ptr<Interpreter> interpreter_;
  std::unique_ptr<Translator> translator_;
};

/// Both engines, side by side.
class Comparison {
 public:
  static constexpr GuestAddress kCode = kRam + 0x10000;
  static constexpr GuestAddress kData = kRam + 0x20000;
  static constexpr GuestAddress kHandler = kRam + 0x1000;

  /// Runs one random program in small slices; gives the first difference.
  std::string run(std::uint64_t seed) {
    RandomProgram program{seed, {.code = kCode, .data = kData, .nowhere = 0x1000}};
    // Sometimes across a page's end.
    auto const begin = kCode + (program.below(4) == 0 ? 4096 - 40 : program.below(64) * 2);
    auto const code = program.code(40);
    auto const bytes = base_bytes(code);
    for (auto* side : {&interpreted_, &translated_})
      EXPECT_TRUE(side->memory().write(begin, bytes));
    // What was plain the first time may be a region the next time.
    for (int round = 0; round < 3; ++round) {
      auto const where = run_from(begin, program);
      if (!where.empty()) return where;
    }
    return {};
  }

  std::string run_from(GuestAddress begin, RandomProgram& program) {
    std::vector<std::uint64_t> registers;
    for (int n = 0; n < 64; ++n) registers.push_back(n < 32 ? program.value() : program.number());
    auto const rounding = static_cast<std::uint8_t>(program.below(6));
    bool const off = program.below(30) == 0;
    auto const first = program.below(256);
    for (auto* side : {&interpreted_, &translated_}) {
      auto& hart = side->hart();
      Bytes data(3 * 4096);
      for (std::size_t n = 0; n < data.size(); ++n)
        data[n] = static_cast<std::uint8_t>((first + n) * 37 >> 3);
      EXPECT_TRUE(side->memory().write(kData, data));
      hart.pc = begin;
      hart.mtvec = kHandler;
      for (int n = 0; n < 32; ++n) {
        hart.x[n] = n == 0 ? 0 : registers[n];
        hart.f[n] = registers[32 + n];
      }
      hart.frm = rounding;
      hart.fflags = 0;
      hart.mstatus = (hart.mstatus & ~status::kFs) | (off ? 0 : 1ull << status::kFsShift);
      hart.reservation = {};
    }
    for (int slices = 0; slices < 20; ++slices) {
      auto const slice = program.below(60) + 1;
      interpreted_.run(slice);
      translated_.run(slice);
      auto const where = difference(interpreted_.hart(), translated_.hart());
      if (!where.empty()) return where;
      if (interpreted_.hart().pc == kHandler) break;
    }
    for (auto const place : {kCode, kData}) {
      auto const one = *interpreted_.memory().view(place, 3 * 4096);
      auto const other = *translated_.memory().view(place, 3 * 4096);
      if (std::memcmp(one.data(), other.data(), one.size()) != 0) return "memory";
    }
    return {};
  }

  Comparison() {
    for (auto* side : {&interpreted_, &translated_}) side->put(kHandler, {assembler::j(0)});
  }
  [[nodiscard]] Translator& translator() { return translated_.translator(); }

 private:
  static ByteView base_bytes(std::vector<std::uint16_t> const& halves) {
    return {reinterpret_cast<std::uint8_t const*>(halves.data()), halves.size() * 2};
  }
  Side interpreted_{false};
  Side translated_{true};
};

/// More of them: MUTIRAO_AUDIT_PROGRAMS=1000000, some of them from MUTIRAO_AUDIT_SEED on.
std::uint64_t from_environment(char const* name, std::uint64_t otherwise) {
  auto const* const text = std::getenv(name);  // NOLINT
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Translator, executes_random_programs_as_the_interpreter_does) {
  Comparison comparison;
  auto const first = from_environment("MUTIRAO_AUDIT_SEED", 1);
  auto const count = from_environment("MUTIRAO_AUDIT_PROGRAMS", 20'000);
  for (auto seed = first; seed < first + count; ++seed) {
    auto const where = comparison.run(seed);
    ASSERT_TRUE(where.empty()) << where << "\nMUTIRAO_AUDIT_SEED=" << seed
                               << " MUTIRAO_AUDIT_PROGRAMS=1 replays it";
  }
  auto const& counts = comparison.translator().counts();
  EXPECT_GT(counts.blocks, count);
  EXPECT_GT(counts.regions, count / 4);
  EXPECT_GT(counts.invalidated, count);
}

}  // namespace
}  // namespace mutirao::machine
