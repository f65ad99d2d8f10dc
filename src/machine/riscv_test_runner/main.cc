// riscv_test_runner [--verbose] PROGRAM...
//
// Runs bare-metal programs that report by writing to the symbol `tohost` (1 is success, others are
// the number of the failed test times two plus one), as the conformance tests of the architecture
// do. Prints those that failed, then counts, instructions and time. Exits 1 when one failed.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"

#include "firmware/elf.h"
#include "hart/interpreter.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr GuestAddress kRamBase = 0x80000000;
constexpr std::uint64_t kRamSize = 64 << 20;
constexpr std::uint64_t kStepsMax = 200'000'000;
constexpr std::uint64_t kSlice = 2'000;

struct SteppedTime final : HartHost {
  Hart* hart = nullptr;
  std::uint64_t time() override { return hart->steps / 10; }
};

struct Verdict {
  std::string failure;  // empty for success
  std::uint64_t steps = 0;
};

Verdict run_program(std::string const& path) {
  std::ifstream stream{path, std::ios::binary};
  Bytes const file{std::istreambuf_iterator<char>{stream}, {}};
  auto const elf = ElfFile::parse(file);
  if (!elf) return {elf.error().what};
  auto const tohost = elf->symbol("tohost");
  if (!tohost) return {"no symbol tohost"};

  auto memory = GuestMemory::create(kRamBase, kRamSize);
  if (!memory) return {memory.error().what};
  for (auto const& segment : elf->segments())
    if (!(*memory)->write(segment.physical_address, segment.bytes))
      return {"does not fit into RAM"};
  Bus bus{**memory};
  auto hart = std::make_unique<Hart>();
  hart->pc = elf->entry();
  SteppedTime host;
  host.hart = hart.get();
  auto const interpreter = std::make_unique<Interpreter>(*hart, bus, host);
  while (hart->steps < kStepsMax) {
    // Nobody else raises interrupts: what waits is let go on.
    if (interpreter->run(kSlice) == Interpreter::Stop::waiting) hart->waiting = false;
    std::uint64_t const word = (*memory)->load<std::uint64_t>(*tohost).value_or(0);
    if (word == 0) continue;
    if (word == 1) return {"", hart->steps};
    // A character for the console; anything else is a verdict.
    if (word >> 56 != 1) return {"test " + std::to_string(word >> 1), hart->steps};
    static_cast<void>((*memory)->store<std::uint64_t>(*tohost, 0));
  }
  return {"no verdict", hart->steps};
}

}  // namespace

int main(int argc, char** argv) {
  int passed = 0, failed = 0;
  std::uint64_t steps = 0;
  bool verbose = false;
  auto const begin = std::chrono::steady_clock::now();
  for (int i = 1; i < argc; ++i) {
    std::string const path = argv[i];
    if (path == "--verbose") {
      verbose = true;
      continue;
    }
    Verdict const verdict = run_program(path);
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
