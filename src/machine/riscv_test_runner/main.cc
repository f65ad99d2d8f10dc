// riscv_test_runner [--verbose] [--engine interp|jit|audit] PROGRAM...
//
// Runs bare-metal programs that report by writing to the symbol `tohost` (1 is success, others are
// the number of the failed test times two plus one), as the conformance tests of the architecture
// do. Prints those that failed, then counts, instructions and time. Exits 1 when one failed.
// With audit each program runs on two machines, one interpreted and one translated, whose harts are
// compared after a few instructions at a time.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"

#include "firmware/elf.h"
#include "hart/difference.h"
#include "hart/interpreter.h"
#include "translator/translator.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kRamBase = 0x80000000;
constexpr std::uint64_t kRamSize = 64 << 20;
constexpr std::uint64_t kStepsMax = 4'000'000'000;
constexpr std::uint64_t kSlice = 2'000;

struct SteppedTime final : HartHost {
  Hart* hart = nullptr;
  std::uint64_t time() override { return hart->steps / 10; }
};

struct Verdict {
  std::string failure;  // empty for success
  std::uint64_t steps = 0;
};

enum class Engine : std::uint8_t { interp, jit, audit };

/// A hart with memory of its own, run by one engine.
class Rig {
 public:
  Rig(ElfFile const& elf, bool translated) : memory_{*GuestMemory::create(kRamBase, kRamSize)} {
    for (auto const& segment : elf.segments())
      fits_ = fits_ && memory_->write(segment.physical_address, segment.bytes);
    frame_->hart.pc = elf.entry();
    host_.hart = &frame_->hart;
    if (translated)
      translator_ = *Translator::make(*frame_, bus_, host_);
    else
      interpreter_ = std::make_unique<Interpreter>(frame_->hart, bus_, host_);
  }
  [[nodiscard]] bool fits() const { return fits_; }
  [[nodiscard]] Hart& hart() { return frame_->hart; }
  [[nodiscard]] GuestMemory& memory() { return *memory_; }
  void run(std::uint64_t budget) {
    auto const stop = translator_ ? translator_->run(budget) : interpreter_->run(budget);
    // Nobody else raises interrupts: what waits is let go on.
    if (stop == Interpreter::Stop::waiting) hart().waiting = false;
  }

 private:
  std::unique_ptr<GuestMemory> memory_;
  bool fits_ = true;
  Bus bus_{*memory_};
  SteppedTime host_;
  std::unique_ptr<HartFrame> frame_ = std::make_unique<HartFrame>();
  std::unique_ptr<Interpreter> interpreter_;
  std::unique_ptr<Translator> translator_;
};

Verdict run_program(std::string const& path, Engine engine) {
  std::ifstream stream{path, std::ios::binary};
  Bytes const file{std::istreambuf_iterator<char>{stream}, {}};
  auto const elf = ElfFile::parse(file);
  if (!elf) return {elf.error().what};
  auto const tohost = elf->symbol("tohost");
  if (!tohost) return {"no symbol tohost"};
  Rig rig{*elf, engine != Engine::interp};
  std::unique_ptr<Rig> reference;
  if (engine == Engine::audit) reference = std::make_unique<Rig>(*elf, false);
  if (!rig.fits()) return {"does not fit into RAM"};
  std::minstd_rand random;
  while (rig.hart().steps < kStepsMax) {
    auto const slice = reference ? random() % 300 + 1 : kSlice;
    auto const pc = rig.hart().pc;
    rig.run(slice);
    if (reference) {
      reference->run(slice);
      if (auto const where = difference(rig.hart(), reference->hart()); !where.empty()) {
        char text[160];
        std::snprintf(text, sizeof text,
                      "engines differ in %s after %llu instructions: from pc %llx to %llx and %llx",
                      where.c_str(), static_cast<unsigned long long>(rig.hart().steps),
                      static_cast<unsigned long long>(pc),
                      static_cast<unsigned long long>(rig.hart().pc),
                      static_cast<unsigned long long>(reference->hart().pc));
        return {text, rig.hart().steps};
      }
    }
    std::uint64_t const word = rig.memory().load<std::uint64_t>(*tohost).value_or(0);
    if (word == 0) continue;
    if (word == 1) return {"", rig.hart().steps};
    // A character for the console; anything else is a verdict.
    if (word >> 56 != 1) return {"test " + std::to_string(word >> 1), rig.hart().steps};
    static_cast<void>(rig.memory().store<std::uint64_t>(*tohost, 0));
    if (reference) static_cast<void>(reference->memory().store<std::uint64_t>(*tohost, 0));
  }
  return {"no verdict", rig.hart().steps};
}

}  // namespace

int main(int argc, char** argv) {
  int passed = 0, failed = 0;
  std::uint64_t steps = 0;
  bool verbose = false;
  Engine engine = Engine::interp;
  auto const begin = std::chrono::steady_clock::now();
  for (int i = 1; i < argc; ++i) {
    std::string const path = argv[i];
    if (path == "--verbose") {
      verbose = true;
      continue;
    }
    if (path == "--engine" && i + 1 < argc) {
      std::string_view const name = argv[++i];
      engine = name == "jit" ? Engine::jit : name == "audit" ? Engine::audit : Engine::interp;
      continue;
    }
    Verdict const verdict = run_program(path, engine);
    steps += verdict.steps;
    (verdict.failure.empty() ? passed : failed)++;
    if (verbose || !verdict.failure.empty())
      std::printf("%s %s %s\n", verdict.failure.empty() ? "pass" : "fail", path.c_str(),
                  verdict.failure.c_str());
  }
  double const seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%d passed, %d failed, %llu instructions, %.2f s\n", passed, failed,
              static_cast<unsigned long long>(steps), seconds);
  return failed == 0 && passed > 0 ? 0 : 1;
}
