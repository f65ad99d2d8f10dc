// Random programs on three machines: the interpreter, the translator, and QEMU for programs of
// user mode (qemu-riscv64-static), which shares nothing with the two. Whoever runs one begins with
// the same registers and the same four pages, and is asked for all of them at the first trap.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hart/difference.h"
#include "testing/assembler.h"
#include "testing/environment.h"
#include "testing/files.h"
#include "testing/smp_guest.h"
#include "translator/random_program.h"
#include "translator/translator.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;

// All that a program may touch: code, then data. It lies where RAM does, and in QEMU as well.
constexpr GuestAddress kTriedRam = 0x80000000, kTriedHandler = kTriedRam,
                       kTriedPages = kTriedRam + 0x4000, kTriedData = kTriedPages + kPageSize;
constexpr std::size_t kTriedBytes = 4 * kPageSize;
constexpr std::uint64_t kTriedStepsMax = 2'000;
constexpr std::size_t kTriedInstructions = 40;

/// As struct sigcontext has it (Linux, arch/riscv/include/uapi/asm/sigcontext.h).
struct TriedRegisters {
  std::uint64_t pc = 0;
  std::uint64_t x[31] = {};  // from x1 on
  std::uint64_t f[32] = {};
  std::uint32_t fcsr = 0, unused = 0;
};
struct TriedState {
  std::uint64_t signal = 0;  // by which Linux tells of the trap that it ended with
  TriedRegisters registers;
  std::array<std::uint8_t, kTriedBytes> pages{};
};
static_assert(sizeof(TriedRegisters) == 520 && sizeof(TriedState) == 8 + 520 + kTriedBytes);

std::string difference(TriedState const& one, TriedState const& other) {
  auto const differ = [](std::string const& what, std::uint64_t first, std::uint64_t second) {
    return fmt::format("{}: {:x} {:x}", what, first, second);
  };
  auto const &a = one.registers, &b = other.registers;
  if (one.signal != other.signal) return differ("signal", one.signal, other.signal);
  if (a.pc != b.pc) return differ("pc", a.pc, b.pc);
  for (std::size_t n = 0; n < 31; ++n)
    if (a.x[n] != b.x[n]) return differ(fmt::format("x{}", n + 1), a.x[n], b.x[n]);
  for (std::size_t n = 0; n < 32; ++n)
    if (a.f[n] != b.f[n]) return differ(fmt::format("f{}", n), a.f[n], b.f[n]);
  if (a.fcsr != b.fcsr) return differ("fcsr", a.fcsr, b.fcsr);
  for (std::size_t n = 0; n < kTriedBytes; ++n)
    if (one.pages[n] != other.pages[n])
      return differ(fmt::format("{:x}", kTriedPages + n), one.pages[n], other.pages[n]);
  return {};
}

/// Four of the bytes in `pages`.
std::optional<std::uint32_t> word_at(GuestAddress address, std::span<std::uint8_t const> pages) {
  std::uint32_t word;
  auto const at = address - kTriedPages;
  if (at > kTriedBytes - sizeof word) return std::nullopt;
  std::memcpy(&word, pages.data() + at, sizeof word);
  return word;
}
Instruction decoded(std::uint32_t word) {
  auto const half = static_cast<std::uint16_t>(word);
  return is_compressed(half) ? decode(half) : decode(word);
}

/// A hart in user mode, whose pages are all that it may touch.
class TriedHart {
 public:
  explicit TriedHart(bool translated) {
    if (translated)
      engine_ = *Translator::make(*frame_, bus_, host_, 4 << 20, 1);
    else
      engine_ = std::make_unique<Interpreter>(hart(), bus_, host_);
    EXPECT_TRUE(memory_->store(kTriedHandler, as::wfi()));
    hart().mtvec = kTriedHandler;
    hart().mstatus |= status::kFs;
    hart().pmpaddr[0] = kTriedPages >> 2 | ((kTriedBytes >> 3) - 1);
    hart().pmpcfg[0] = 0x1F;  // those, a power of two of bytes: read, write, execute
    engine_->core().mmu.rules_changed();
  }
  [[nodiscard]] Hart& hart() { return frame_->hart; }

  void begin(TriedState const& from) {
    put(from.pages);
    auto const& registers = from.registers;
    hart().pc = registers.pc;
    std::ranges::copy(registers.x, hart().x + 1);
    std::ranges::copy(registers.f, hart().f);
    hart().frm = registers.fcsr >> 5 & 7;
    hart().fflags = registers.fcsr & 31;
    hart().reservation = {};
    hart().waiting = false;
    hart().privilege = Privilege::user;
    engine_->core().mmu.context_changed();
  }
  /// True when it has come to a trap.
  bool run(std::uint64_t steps) { return engine_->run(steps) == HartEngine::Stop::waiting; }
  /// What comes next; nothing outside of the pages.
  [[nodiscard]] std::optional<std::uint32_t> next() { return word_at(hart().pc, pages()); }
  [[nodiscard]] Cause cause() { return static_cast<Cause>(hart().mcause); }
  [[nodiscard]] TriedState state() {
    TriedState state;
    state.signal = signal_of(cause());
    auto& registers = state.registers;
    registers.pc = hart().mepc;
    std::copy_n(hart().x + 1, 31, registers.x);
    std::ranges::copy(hart().f, registers.f);
    registers.fcsr = static_cast<std::uint32_t>(hart().frm << 5 | hart().fflags);
    std::ranges::copy(pages(), state.pages.begin());
    return state;
  }

 private:
  static std::uint64_t signal_of(Cause cause) {
    switch (cause) {
      case Cause::illegal_instruction:
        return 4;  // SIGILL
      case Cause::breakpoint:
        return 5;  // SIGTRAP
      case Cause::load_misaligned:
      case Cause::store_misaligned:
        return 7;  // SIGBUS
      default:
        return 11;  // SIGSEGV
    }
  }
  [[nodiscard]] ByteView pages() const { return *memory_->view(kTriedPages, kTriedBytes); }
  /// Only what differs: what was made from code that is still there stays.
  void put(std::span<std::uint8_t const> wanted) {
    constexpr std::size_t kLine = 64;
    for (std::size_t at = 0; at < kTriedBytes; at += kLine) {
      auto const line = wanted.subspan(at, kLine);
      if (std::memcmp(line.data(), pages().data() + at, kLine) != 0) {
        EXPECT_TRUE(memory_->write(kTriedPages + at, line));
      }
    }
  }

  struct Host final : HartHost {
    std::uint64_t time() override { return 0; }
  };
  std::unique_ptr<GuestMemory> memory_ = *GuestMemory::create(kTriedRam, 64 << 10);
  Bus bus_{*memory_};
  Host host_;
  std::unique_ptr<HartFrame> frame_ = std::make_unique<HartFrame>();
  std::unique_ptr<HartEngine> engine_;
};

/// QEMU, with a program that does what TriedHart::run does: it reads pages and registers, goes
/// there by returning from a signal, and writes what the next signal finds.
class TriedByQemu {
 public:
  TriedByQemu() {
    auto name = (std::filesystem::temp_directory_path() / "mutirao-three-way-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto program = elf_of(kProgram, words());
    put_field<std::uint32_t>(program, 64 + 4, 7);          // readable, writable, executable
    put_field<std::uint64_t>(program, 64 + 16, kProgram);  // where it is, to itself
    put_field<std::uint64_t>(program, 64 + 40, kProgramBytes);
    write("program", program);
    std::filesystem::permissions(folder_ / "program", std::filesystem::perms::owner_all);
  }
  ~TriedByQemu() { std::filesystem::remove_all(folder_); }

  static bool is_there() { return std::system("qemu-riscv64-static --version >/dev/null") == 0; }

  std::vector<TriedState> run(std::vector<TriedState> const& from) {
    Bytes input;
    input.reserve(from.size() * sizeof(TriedState));
    for (auto const& each : from) {
      input.insert(input.end(), each.pages.begin(), each.pages.end());
      auto const* const registers = reinterpret_cast<std::uint8_t const*>(&each.registers);
      input.insert(input.end(), registers, registers + sizeof each.registers);
    }
    write("from", input);
    // Guest addresses lie far from QEMU's own, so that no wild access finds those; and the stack is
    // so small that no address of data, shifted, leads there.
    auto const command = fmt::format(
        "cd {0} && timeout 60 qemu-riscv64-static -B 0x100000000000 -s 65536 ./program <from >to",
        folder_.string());
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::ifstream stream{folder_ / "to", std::ios::binary};
    // The first is what led to the first read.
    std::vector<TriedState> to(from.size() + 1);
    auto const size = static_cast<std::streamsize>(to.size() * sizeof(TriedState));
    stream.read(reinterpret_cast<char*>(to.data()), size);
    EXPECT_EQ(stream.gcount(), size);
    to.erase(to.begin());
    return to;
  }

 private:
  // As far into its page as elf_of puts the code into the file, so that the page can be mapped;
  // and where no few bits set lead.
  static constexpr std::uint64_t kProgram = 0x2345678200, kNote = kProgram + 0x1000,
                                 kSignalStack = kProgram + 0x2000, kSignalStackBytes = 0x10000,
                                 kProgramBytes = 0x20000;
  static constexpr std::int32_t kRegistersInContext = 176;

  void write(char const* name, Bytes const& bytes) {
    std::ofstream stream{folder_ / name, std::ios::binary};
    stream.write(reinterpret_cast<char const*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
  }

  static std::vector<as::Word> words() {
    // Numbers of calls, signals and flags: include/uapi/asm-generic of Linux.
    constexpr std::int32_t kRead = 63, kWrite = 64, kExit = 93, kSigaltstack = 132,
                           kRtSigaction = 134, kMmap = 222;
    constexpr std::uint64_t kPrivateAnonymousFixed = 0x32, kSiginfoOnstackNodefer = 0x48000004;
    SmpCode code;
    auto const call = [&](std::int32_t number) {
      code << as::addi(as::a7, as::zero, number) << as::ecall();
    };
    auto const transfer = [&](std::int32_t number, as::Reg place, std::size_t bytes) {
      code << as::addi(as::a0, as::zero, number == kWrite ? 1 : 0) << as::mv(as::a1, place)
           << as::li(as::a2, bytes);
      call(number);
    };
    code << as::li(as::a0, kTriedPages) << as::li(as::a1, kTriedBytes) << as::li(as::a2, 7)
         << as::li(as::a3, kPrivateAnonymousFixed) << as::addi(as::a4, as::zero, -1)
         << as::li(as::a5, 0);
    call(kMmap);
    code << as::li(as::s1, kNote) << as::li(as::t0, kSignalStack) << as::sd(as::t0, as::s1)
         << as::li(as::t0, kSignalStackBytes) << as::sd(as::t0, as::s1, 16)
         << as::mv(as::a0, as::s1) << as::li(as::a1, 0);
    call(kSigaltstack);
    code.address(as::t0, "handler");
    code << as::sd(as::t0, as::s1) << as::li(as::t0, kSiginfoOnstackNodefer)
         << as::sd(as::t0, as::s1, 8) << as::sd(as::zero, as::s1, 16);
    for (std::int32_t const signal : {4, 5, 7, 11}) {
      code << as::addi(as::a0, as::zero, signal) << as::mv(as::a1, as::s1) << as::li(as::a2, 0)
           << as::li(as::a3, 8);
      call(kRtSigaction);
    }
    code << as::ebreak();
    code.at("handler") << as::li(as::s1, kNote) << as::li(as::s2, kTriedPages)
                       << as::sd(as::a0, as::s1) << as::addi(as::s0, as::a2, kRegistersInContext);
    transfer(kWrite, as::s1, sizeof(TriedState::signal));
    transfer(kWrite, as::s0, sizeof(TriedRegisters));
    transfer(kWrite, as::s2, kTriedBytes);
    transfer(kRead, as::s2, kTriedBytes);
    code.to("more", [](auto d) { return as::bne(as::a0, as::zero, d); });
    call(kExit);
    code.at("more");
    transfer(kRead, as::s0, sizeof(TriedRegisters));
    // No reservation from before, and no code.
    code << as::sc(2, as::zero, as::zero, as::s1) << as::fence_i() << as::jalr(as::zero, as::ra);
    return code.words();
  }

  std::filesystem::path folder_;
};

/// Why QEMU is not asked.
enum class LeftOut : std::uint8_t {
  endless,         // there is nobody to interrupt it
  not_there,       // in QEMU, or not the same there; or a system call, which it carries out
  misaligned,      // atomics: a trap here; QEMU does some of them
  conditional,     // a store without its reservation: a trap here; QEMU does not look where it goes
  changed_itself,  // and executed that; QEMU finishes what it had translated
};
constexpr char const* kWhyLeftOut[] = {"endless", "met what is not comparable",
                                       "misaligned atomics", "stores conditionally to nowhere",
                                       "changed itself"};

/// What both machines have and what is the same for them at any moment.
bool comparable(Instruction const& i) {
  switch (i.op) {
    case Op::amocas_w:  // Zacas and Zawrs came after QEMU 7.2
    case Op::amocas_d:
    case Op::amocas_q:
    case Op::wrs_nto:
    case Op::wrs_sto:
    case Op::ecall:
    case Op::ctzw:  // of 2^63 QEMU 7.2 says 63, the standard 32
      return false;
    case Op::illegal:  // QEMU 7.2 loads and stores whole vector registers even without V
      return (i.bits & 0x5F) != 0x07;
    default:
      return !is_csr(i.op) || i.imm <= 3;  // no counters, and nothing that is not user mode's
  }
}

/// Programs on all three, many at a time.
class ThreeWay {
 public:
  /// The first difference between what they leave behind; nothing when there is none.
  std::optional<std::string> run(std::uint64_t first_seed, std::uint64_t count) {
    std::vector<TriedState> begun, ended;
    std::vector<std::uint64_t> seeds;
    for (auto seed = first_seed; seed < first_seed + count; ++seed) {
      RandomProgram program{seed, {.code = kTriedPages, .data = kTriedData, .nowhere = 0x1000}};
      auto const begin =
          kTriedPages + (program.below(4) == 0 ? kPageSize - 40 : program.below(64) * 2);
      auto const code = program.code(kTriedInstructions, comparable);
      // What was plain the first time may be a region the next time.
      for (int round = 0; round < 3; ++round) {
        auto const from = random_state(program, begin, code);
        translated_.begin(from);
        interpreted_.begin(from);
        bool ends = false;
        std::optional<LeftOut> met;
        for (std::uint64_t steps = 0; steps < kTriedStepsMax && !ends; ++steps) {
          if (auto const word = interpreted_.next(); word && !met) {
            if (word != word_at(interpreted_.hart().pc, from.pages)) met = LeftOut::changed_itself;
            // Jumps lead into the middle of instructions, too.
            if (!comparable(decoded(*word))) met = LeftOut::not_there;
          }
          ends = interpreted_.run(1);
        }
        if (ends != translated_.run(kTriedStepsMax))
          return fmt::format("seed {}: one engine does not end", seed);
        if (auto const where = difference(interpreted_.hart(), translated_.hart()); !where.empty())
          return fmt::format("seed {}: the engines differ in {}", seed, where);
        auto state = interpreted_.state();
        if (auto const where = difference(state, translated_.state()); !where.empty())
          return fmt::format("seed {}: the engines differ in {}", seed, where);
        if (auto const why = left_out(ends, met, state)) {
          ++left_out_[*why];
          continue;
        }
        begun.push_back(from);
        ended.push_back(std::move(state));
        seeds.push_back(seed);
      }
    }
    auto const by_qemu = qemu_.run(begun);
    for (std::size_t n = 0; n < begun.size(); ++n)
      if (auto const where = difference(ended[n], by_qemu[n]); !where.empty())
        return fmt::format("seed {}: QEMU differs in {} (ours, its)", seeds[n], where);
    compared_ += begun.size();
    return std::nullopt;
  }
  [[nodiscard]] std::uint64_t compared() const { return compared_; }
  [[nodiscard]] std::string counts() const {
    auto text = fmt::format("{} runs on all three", compared_);
    for (auto const& [why, count] : left_out_)
      text += fmt::format("; {} {}", count, kWhyLeftOut[static_cast<std::size_t>(why)]);
    return text;
  }

 private:
  static TriedState random_state(RandomProgram& program, GuestAddress begin,
                                 std::vector<std::uint16_t> const& code) {
    TriedState state;
    auto const salt = program.below(256);
    for (std::size_t n = kPageSize; n < kTriedBytes; ++n)
      state.pages[n] = static_cast<std::uint8_t>((salt + n) * 37 >> 3);
    std::memcpy(state.pages.data() + (begin - kTriedPages), code.data(), code.size() * 2);
    state.registers.pc = begin;
    for (auto& x : state.registers.x) x = program.value();
    for (auto& f : state.registers.f) f = program.number();
    state.registers.fcsr = static_cast<std::uint32_t>(program.below(6) << 5);
    return state;
  }
  /// Where it ended.
  static bool stores_conditionally(TriedState const& state) {
    auto const op = decoded(word_at(state.registers.pc, state.pages).value_or(0)).op;
    return op == Op::sc_w || op == Op::sc_d;
  }
  std::optional<LeftOut> left_out(bool ends, std::optional<LeftOut> met, TriedState const& state) {
    auto const cause = interpreted_.cause();
    if (!ends) return LeftOut::endless;
    if (met) return met;
    if (cause == Cause::load_misaligned || cause == Cause::store_misaligned)
      return LeftOut::misaligned;
    if (cause == Cause::store_access && stores_conditionally(state)) return LeftOut::conditional;
    return std::nullopt;
  }

  TriedHart interpreted_{false};
  TriedHart translated_{true};
  TriedByQemu qemu_;
  std::uint64_t compared_ = 0;
  std::map<LeftOut, std::uint64_t> left_out_;
};

// More of them: MUTIRAO_AUDIT_PROGRAMS=1000000, some of them from MUTIRAO_AUDIT_SEED on.
TEST(ThreeWay, programs_of_user_mode_leave_the_same_behind_in_qemu) {
  if (!TriedByQemu::is_there()) GTEST_SKIP() << "needs qemu-riscv64-static";
  ThreeWay machines;
  constexpr std::uint64_t kAtOnce = 1'000;
  auto const first = from_environment("MUTIRAO_AUDIT_SEED", 1);
  auto const count = from_environment("MUTIRAO_AUDIT_PROGRAMS", 3'000);
  for (std::uint64_t done = 0; done < count; done += kAtOnce) {
    auto const difference = machines.run(first + done, std::min(kAtOnce, count - done));
    ASSERT_FALSE(difference) << *difference;
  }
  std::printf("%s\n", machines.counts().c_str());
  EXPECT_GT(machines.compared(), 2 * count);
}

}  // namespace
}  // namespace mutirao::machine
