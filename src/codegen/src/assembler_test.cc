#include "mutirao/codegen/assembler.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mutirao/codegen/code_memory.h"

namespace mutirao::codegen {
namespace {

constexpr std::array kWidths{Width::byte, Width::word, Width::dword, Width::qword};
constexpr std::array kWideWidths{Width::dword, Width::qword};
constexpr std::array kPrecisions{Precision::single, Precision::double_};

std::string name(Reg reg, Width width = Width::qword) {
  static constexpr std::array kOld{"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
  auto const number = static_cast<unsigned>(reg);
  if (number >= 8) {
    auto const suffix = width == Width::byte    ? "b"
                        : width == Width::word  ? "w"
                        : width == Width::dword ? "d"
                                                : "";
    return fmt::format("r{}{}", number, suffix);
  }
  std::string const old = kOld[number];
  if (width == Width::word) return old;
  if (width == Width::byte) return number < 4 ? fmt::format("{}l", old[0]) : old + "l";
  return (width == Width::dword ? "e" : "r") + old;
}
std::string name(Xmm reg) { return fmt::format("xmm{}", static_cast<unsigned>(reg)); }
std::string name(Mem mem, std::string_view size) {
  auto text = fmt::format("{} ptr [{}", size, name(mem.base));
  if (mem.index) text += fmt::format("+{}*{}", name(*mem.index), mem.scale);
  return text + fmt::format("{:+}]", mem.displacement);
}
std::string name(Mem mem, Width width) {
  return name(mem, width == Width::byte    ? "byte"
                   : width == Width::word  ? "word"
                   : width == Width::dword ? "dword"
                                           : "qword");
}
std::string name(Mem mem, Precision precision) {
  return name(mem, precision == Precision::single ? "dword" : "qword");
}

std::vector<Reg> registers() {
  std::vector<Reg> all;
  for (unsigned i = 0; i < 16; ++i) all.push_back(static_cast<Reg>(i));
  return all;
}
std::vector<Xmm> xmms() {
  return {Xmm::xmm0, Xmm::xmm3, Xmm::xmm7, Xmm::xmm8, Xmm::xmm12, Xmm::xmm15};
}
std::vector<Mem> places() {
  std::vector<Mem> all;
  for (auto const base : registers()) {
    for (std::int32_t const displacement : {0, 1, -128, 127, 128, -100'000})
      all.push_back({base, displacement});
    for (auto const index : {Reg::rax, Reg::rbp, Reg::rdi, Reg::r12, Reg::r15})
      all.push_back({base, base == Reg::rbp ? 0 : 64, index, 8});
    all.push_back({base, 1000, Reg::rcx, 1});
  }
  return all;
}

/// What we wrote and what the words mean, side by side; compared by GNU as and objdump, instruction
/// for instruction.
class Comparison {
 public:
  void add(std::string const& words, std::function<void(Assembler&)> const& write) {
    std::array<std::uint8_t, 32> bytes{};
    Assembler assembler{bytes};
    write(assembler);
    ASSERT_FALSE(assembler.full());
    ours_ << ".byte ";
    for (std::size_t i = 0; i < assembler.size(); ++i)
      ours_ << (i > 0 ? "," : "") << unsigned{bytes[i]};
    ours_ << '\n';
    theirs_ << words << '\n';
    words_.push_back(words);
  }
  void run() const {
    auto const ours = disassembled(ours_.str(), "ours");
    auto const theirs = disassembled(theirs_.str(), "theirs");
    ASSERT_EQ(theirs.size(), words_.size());
    ASSERT_EQ(ours.size(), words_.size());
    for (std::size_t i = 0; i < words_.size(); ++i)
      ASSERT_EQ(ours[i], theirs[i]) << "of: " << words_[i];
  }

 private:
  static std::vector<std::string> disassembled(std::string const& text, std::string const& what) {
    auto const path = fmt::format("{}/mutirao-codegen-{}-{}", ::testing::TempDir(), getpid(), what);
    std::ofstream{path + ".s"} << ".intel_syntax noprefix\n" << text;
    auto const command = fmt::format(
        "as --64 -o {0}.o {0}.s && objdump -d -M intel --no-show-raw-insn {0}.o > {0}.txt", path);
    EXPECT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT
    std::vector<std::string> lines;
    std::ifstream in{path + ".txt"};
    for (std::string line; std::getline(in, line);) {
      auto const tab = line.find(":\t");
      if (tab != std::string::npos) lines.push_back(line.substr(tab + 2));
    }
    for (auto const* end : {".s", ".o", ".txt"}) std::remove((path + end).c_str());
    return lines;
  }
  std::ostringstream ours_;
  std::ostringstream theirs_;
  std::vector<std::string> words_;
};

TEST(Assembler, writes_what_gnu_as_reads_in_moves) {
  Comparison all;
  for (auto const width : kWidths) {
    for (auto const one : registers()) {
      for (auto const other : registers()) {
        all.add(fmt::format("mov {}, {}", name(one, width), name(other, width)),
                [&](Assembler& to) { to.mov(width, one, other); });
        if (one < other && one != Reg::rax)  // which has an encoding of its own
          all.add(fmt::format("xchg {}, {}", name(one, width), name(other, width)),
                  [&](Assembler& to) { to.xchg(width, one, other); });
      }
    }
    for (auto const& place : places()) {
      for (auto const reg : {Reg::rax, Reg::rsi, Reg::rdi, Reg::r9}) {
        all.add(fmt::format("mov {}, {}", name(reg, width), name(place, width)),
                [&](Assembler& to) { to.load(width, reg, place); });
        all.add(fmt::format("mov {}, {}", name(place, width), name(reg, width)),
                [&](Assembler& to) { to.store(width, place, reg); });
        if (width != Width::byte)
          all.add(fmt::format("lea {}, {}", name(reg, width), name(place, width)),
                  [&](Assembler& to) { to.lea(width, reg, place); });
      }
      all.add(fmt::format("mov {}, 100", name(place, width)),
              [&](Assembler& to) { to.store(width, place, 100); });
      if (width == Width::qword)
        all.add(fmt::format("mov {}, -3000", name(place, width)),
                [&](Assembler& to) { to.store(width, place, -3000); });
    }
  }
  for (auto const reg : registers()) {
    all.add(fmt::format("mov {}, 0x12345678", name(reg, Width::dword)),
            [&](Assembler& to) { to.mov(reg, 0x12345678); });
    all.add(fmt::format("mov {}, -2", name(reg)),
            [&](Assembler& to) { to.mov(reg, UINT64_MAX - 1); });
    all.add(fmt::format("movabs {}, 0x123456789abcdef0", name(reg)),
            [&](Assembler& to) { to.mov(reg, 0x123456789abcdef0); });
    all.add(fmt::format("push {}", name(reg)), [&](Assembler& to) { to.push(reg); });
    all.add(fmt::format("pop {}", name(reg)), [&](Assembler& to) { to.pop(reg); });
  }
  all.run();
}

TEST(Assembler, writes_what_gnu_as_reads_in_extensions) {
  Comparison all;
  for (auto const width : {Width::byte, Width::word, Width::dword}) {
    for (auto const one : registers()) {
      for (auto const other : registers()) {
        all.add(fmt::format("{} {}, {}", width == Width::dword ? "movsxd" : "movsx", name(one),
                            name(other, width)),
                [&](Assembler& to) { to.movsx(width, one, other); });
        if (width != Width::dword)
          all.add(fmt::format("movzx {}, {}", name(one, Width::dword), name(other, width)),
                  [&](Assembler& to) { to.movzx(width, one, other); });
      }
      for (auto const& place : places()) {
        if (one != Reg::rdx && one != Reg::r10) continue;
        all.add(fmt::format("{} {}, {}", width == Width::dword ? "movsxd" : "movsx", name(one),
                            name(place, width)),
                [&](Assembler& to) { to.movsx(width, one, place); });
        if (width != Width::dword)
          all.add(fmt::format("movzx {}, {}", name(one, Width::dword), name(place, width)),
                  [&](Assembler& to) { to.movzx(width, one, place); });
      }
    }
  }
  all.run();
}

TEST(Assembler, writes_what_gnu_as_reads_in_arithmetic) {
  static constexpr std::array kNames{"add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"};
  Comparison all;
  for (unsigned i = 0; i < kNames.size(); ++i) {
    auto const op = static_cast<Alu>(i);
    for (auto const width : kWidths) {
      for (auto const one : registers()) {
        for (auto const other : {Reg::rax, Reg::rsi, Reg::r8, Reg::r13})
          all.add(fmt::format("{} {}, {}", kNames[i], name(one, width), name(other, width)),
                  [&](Assembler& to) { to.alu(op, width, one, other); });
        for (std::int32_t const value : {0, 1, -1, 127, -128, 128, 30'000, 1 << 30}) {
          if ((width == Width::byte && value > 127) || (width == Width::word && value > 32'767))
            continue;
          all.add(fmt::format("{} {}, {}", kNames[i], name(one, width), value),
                  [&](Assembler& to) { to.alu(op, width, one, value); });
        }
      }
      for (auto const& place : places()) {
        all.add(fmt::format("{} {}, {}", kNames[i], name(Reg::rsi, width), name(place, width)),
                [&](Assembler& to) { to.alu(op, width, Reg::rsi, place); });
        all.add(fmt::format("{} {}, {}", kNames[i], name(place, width), name(Reg::r11, width)),
                [&](Assembler& to) { to.alu(op, width, place, Reg::r11); });
        all.add(fmt::format("{} {}, 5", kNames[i], name(place, width)),
                [&](Assembler& to) { to.alu(op, width, place, 5); });
        if (width == Width::dword || width == Width::qword)
          all.add(fmt::format("{} {}, 500000", kNames[i], name(place, width)),
                  [&](Assembler& to) { to.alu(op, width, place, 500'000); });
        if (op != Alu::cmp)
          all.add(
              fmt::format("lock {} {}, {}", kNames[i], name(place, width), name(Reg::rdx, width)),
              [&](Assembler& to) { to.lock_alu(op, width, place, Reg::rdx); });
      }
    }
  }
  all.run();
}

TEST(Assembler, writes_what_gnu_as_reads_in_the_rest_of_the_integers) {
  static constexpr std::array kUnary{"", "", "not", "neg", "mul", "imul", "div", "idiv"};
  static constexpr std::array kShifts{"rol", "ror", "rcl", "rcr", "shl", "shr", "", "sar"};
  static constexpr std::array kConds{"o", "no", "b", "ae", "e", "ne", "be", "a",
                                     "s", "ns", "p", "np", "l", "ge", "le", "g"};
  Comparison all;
  for (auto const one : registers()) {
    for (auto const width : kWidths) {
      for (unsigned i = 2; i < 8; ++i)
        all.add(fmt::format("{} {}", kUnary[i], name(one, width)),
                [&](Assembler& to) { to.unary(static_cast<Unary>(i), width, one); });
      for (unsigned i = 0; i < 8; ++i) {
        if (i == 6) continue;
        auto const op = static_cast<Shift>(i);
        for (std::uint8_t const count : {1, 2, 7})
          all.add(fmt::format("{} {}, {}", kShifts[i], name(one, width), count),
                  [&](Assembler& to) { to.shift(op, width, one, count); });
        all.add(fmt::format("{} {}, cl", kShifts[i], name(one, width)),
                [&](Assembler& to) { to.shift(op, width, one); });
      }
      all.add(fmt::format("test {}, 100", name(one, width)),
              [&](Assembler& to) { to.test(width, one, 100); });
      for (auto const other : registers())
        all.add(fmt::format("test {}, {}", name(one, width), name(other, width)),
                [&](Assembler& to) { to.test(width, one, other); });
    }
    for (auto const width : kWideWidths) {
      all.add(fmt::format("bswap {}", name(one, width)),
              [&](Assembler& to) { to.bswap(width, one); });
      for (auto const other : {Reg::rax, Reg::rsp, Reg::rdi, Reg::r8, Reg::r15}) {
        auto const pair = fmt::format("{}, {}", name(one, width), name(other, width));
        all.add("imul " + pair, [&](Assembler& to) { to.imul(width, one, other); });
        all.add(fmt::format("imul {}, 7", pair),
                [&](Assembler& to) { to.imul(width, one, other, 7); });
        all.add(fmt::format("imul {}, 7000", pair),
                [&](Assembler& to) { to.imul(width, one, other, 7000); });
        all.add("lzcnt " + pair, [&](Assembler& to) { to.lzcnt(width, one, other); });
        all.add("tzcnt " + pair, [&](Assembler& to) { to.tzcnt(width, one, other); });
        all.add("popcnt " + pair, [&](Assembler& to) { to.popcnt(width, one, other); });
        all.add("bt " + pair, [&](Assembler& to) { to.bt(width, one, other); });
        for (auto const third : {Reg::rcx, Reg::rbp, Reg::r9}) {
          auto const triple = fmt::format("{}, {}", pair, name(third, width));
          all.add("andn " + triple, [&](Assembler& to) { to.andn(width, one, other, third); });
          all.add("shlx " + triple,
                  [&](Assembler& to) { to.shift(Shift::shl, width, one, other, third); });
          all.add("shrx " + triple,
                  [&](Assembler& to) { to.shift(Shift::shr, width, one, other, third); });
          all.add("sarx " + triple,
                  [&](Assembler& to) { to.shift(Shift::sar, width, one, other, third); });
        }
        for (unsigned i = 0; i < kConds.size(); ++i)
          all.add(fmt::format("cmov{} {}", kConds[i], pair),
                  [&](Assembler& to) { to.cmov(static_cast<Cond>(i), width, one, other); });
      }
    }
    for (unsigned i = 0; i < kConds.size(); ++i)
      all.add(fmt::format("set{} {}", kConds[i], name(one, Width::byte)),
              [&](Assembler& to) { to.set(static_cast<Cond>(i), one); });
    all.add(fmt::format("jmp {}", name(one)), [&](Assembler& to) { to.jump(one); });
    all.add(fmt::format("call {}", name(one)), [&](Assembler& to) { to.call(one); });
  }
  for (auto const& place : places()) {
    for (auto const width : kWidths) {
      all.add(fmt::format("lock cmpxchg {}, {}", name(place, width), name(Reg::rsi, width)),
              [&](Assembler& to) { to.lock_cmpxchg(width, place, Reg::rsi); });
      all.add(fmt::format("lock xadd {}, {}", name(place, width), name(Reg::r9, width)),
              [&](Assembler& to) { to.lock_xadd(width, place, Reg::r9); });
      all.add(fmt::format("xchg {}, {}", name(place, width), name(Reg::rbx, width)),
              [&](Assembler& to) { to.xchg(width, place, Reg::rbx); });
    }
    all.add(fmt::format("jmp {}", name(place, Width::qword)),
            [&](Assembler& to) { to.jump(place); });
    all.add(fmt::format("call {}", name(place, Width::qword)),
            [&](Assembler& to) { to.call(place); });
  }
  all.add("cdq", [](Assembler& to) { to.sign_into_rdx(Width::dword); });
  all.add("cqo", [](Assembler& to) { to.sign_into_rdx(Width::qword); });
  all.add("mfence", [](Assembler& to) { to.mfence(); });
  all.add("ud2", [](Assembler& to) { to.trap(); });
  all.add("int3", [](Assembler& to) { to.breakpoint(); });
  all.add("ret", [](Assembler& to) { to.ret(); });
  all.run();
}

TEST(Assembler, writes_what_gnu_as_reads_in_floating_point) {
  static constexpr std::array<std::pair<Sse, std::string_view>, 11> kOps{{{Sse::sqrt, "sqrts"},
                                                                          {Sse::and_, "andp"},
                                                                          {Sse::andn, "andnp"},
                                                                          {Sse::or_, "orp"},
                                                                          {Sse::xor_, "xorp"},
                                                                          {Sse::add, "adds"},
                                                                          {Sse::mul, "muls"},
                                                                          {Sse::sub, "subs"},
                                                                          {Sse::min, "mins"},
                                                                          {Sse::div, "divs"},
                                                                          {Sse::max, "maxs"}}};
  Comparison all;
  for (auto const precision : kPrecisions) {
    bool const single = precision == Precision::single;
    std::string const letter = single ? "s" : "d";
    for (auto const one : xmms()) {
      for (auto const& place : places()) {
        all.add(fmt::format("movs{} {}, {}", letter, name(one), name(place, precision)),
                [&](Assembler& to) { to.load(precision, one, place); });
        all.add(fmt::format("movs{} {}, {}", letter, name(place, precision), name(one)),
                [&](Assembler& to) { to.store(precision, place, one); });
        for (auto const& [op, word] : kOps) {
          bool const scalar = word.ends_with('s');
          all.add(fmt::format("{}{} {}, {}", word, letter, name(one),
                              scalar ? name(place, precision) : name(place, "xmmword")),
                  [&](Assembler& to) { to.sse(op, precision, one, place); });
        }
      }
      for (auto const other : xmms()) {
        auto const pair = fmt::format("{}, {}", name(one), name(other));
        for (auto const& [op, word] : kOps)
          all.add(fmt::format("{}{} {}", word, letter, pair),
                  [&](Assembler& to) { to.sse(op, precision, one, other); });
        all.add(fmt::format("ucomis{} {}", letter, pair),
                [&](Assembler& to) { to.compare(precision, one, other, true); });
        all.add(fmt::format("comis{} {}", letter, pair),
                [&](Assembler& to) { to.compare(precision, one, other, false); });
        all.add(fmt::format("{} {}", single ? "cvtsd2ss" : "cvtss2sd", pair),
                [&](Assembler& to) { to.convert(precision, one, other); });
        all.add("movaps " + pair, [&](Assembler& to) { to.mov(one, other); });
        for (auto const third : xmms())
          for (unsigned signs = 0; signs < 4; ++signs)
            all.add(fmt::format("vf{}m{}213s{} {}, {}", signs & 2 ? "n" : "",
                                signs & 1 ? "sub" : "add", letter, pair, name(third)),
                    [&](Assembler& to) {
                      to.fma(precision, one, other, third, (signs & 2) != 0, (signs & 1) != 0);
                    });
      }
      for (auto const reg : registers()) {
        for (auto const width : kWideWidths) {
          all.add(fmt::format("cvtsi2s{} {}, {}", letter, name(one), name(reg, width)),
                  [&](Assembler& to) { to.convert(precision, one, width, reg); });
          for (bool const truncate : {false, true})
            all.add(fmt::format("cvt{}s{}2si {}, {}", truncate ? "t" : "", letter, name(reg, width),
                                name(one)),
                    [&](Assembler& to) { to.convert(width, reg, precision, one, truncate); });
          auto const* const move = width == Width::dword ? "movd" : "movq";
          all.add(fmt::format("{} {}, {}", move, name(one), name(reg, width)),
                  [&](Assembler& to) { to.mov(width, one, reg); });
          all.add(fmt::format("{} {}, {}", move, name(reg, width), name(one)),
                  [&](Assembler& to) { to.mov(width, reg, one); });
        }
      }
    }
  }
  for (auto const& place : places()) {
    all.add("ldmxcsr " + name(place, Width::dword), [&](Assembler& to) { to.load_mxcsr(place); });
    all.add("stmxcsr " + name(place, Width::dword), [&](Assembler& to) { to.store_mxcsr(place); });
  }
  all.run();
}

/// Code that runs.
class Program {
 public:
  explicit Program(std::function<void(Assembler&)> const& write) {
    Assembler assembler{memory_.writable()};
    write(assembler);
    EXPECT_FALSE(assembler.full());
  }
  std::int64_t operator()(std::int64_t one, std::int64_t other = 0) const {
    auto const run = reinterpret_cast<std::int64_t (*)(std::int64_t, std::int64_t)>(
        reinterpret_cast<std::uintptr_t>(memory_.executable()));
    return run(one, other);
  }
  CodeMemory& memory() noexcept { return memory_; }

 private:
  CodeMemory memory_ = *CodeMemory::make(4096);
};

TEST(Assembler, jumps_back_and_forth_to_labels) {
  Program const sum{[](Assembler& to) {  // of 1 to rdi
    Label again;
    Label done;
    Label far;
    to.mov(Reg::rax, 0);
    to.bind(again);
    to.test(Width::qword, Reg::rdi, Reg::rdi);
    to.jump(Cond::equal, done);
    to.alu(Alu::add, Width::qword, Reg::rax, Reg::rdi);
    to.alu(Alu::sub, Width::qword, Reg::rdi, 1);
    to.jump(Cond::equal, done);
    to.alu(Alu::cmp, Width::qword, Reg::rdi, 3);
    to.jump(Cond::equal, far);
    to.jump(again);
    to.nop(300);
    to.bind(far);
    to.jump(again);
    to.bind(done);
    to.ret();
  }};
  EXPECT_EQ(sum(0), 0);
  EXPECT_EQ(sum(1), 1);
  EXPECT_EQ(sum(100), 5050);
}

TEST(Assembler, leads_a_jump_elsewhere_while_code_runs) {
  std::size_t jump = 0;
  std::array<std::size_t, 2> targets{};
  Program program{[&](Assembler& to) {
    jump = to.jump_to_patch();
    for (std::size_t i = 0; i < 2; ++i) {
      targets[i] = to.size();
      to.mov(Reg::rax, i + 7);
      to.ret();
    }
  }};
  EXPECT_EQ(jump % 4, 0u);
  EXPECT_EQ(program(0), 7);  // as it was written, to what comes next
  for (std::size_t const i : {1u, 0u, 1u}) {
    patch_jump(program.memory().writable().data() + jump, program.memory().executable() + jump,
               program.memory().executable() + targets[i]);
    EXPECT_EQ(program(0), static_cast<std::int64_t>(i) + 7);
  }
}

TEST(Assembler, leads_a_call_elsewhere_from_where_it_led_first) {
  std::size_t call = 0;
  std::size_t other = 0;
  Program program{[&](Assembler& to) {
    Label first;
    call = to.call_to_patch(first);
    to.alu(Alu::add, Width::qword, Reg::rax, 100);  // where it comes back to
    to.ret();
    to.bind(first);
    to.mov(Reg::rax, 7);
    to.ret();
    other = to.size();
    to.mov(Reg::rax, 8);
    to.ret();
  }};
  EXPECT_EQ(call % 4, 0u);
  EXPECT_EQ(program(0), 107);
  patch_jump(program.memory().writable().data() + call, program.memory().executable() + call,
             program.memory().executable() + other);
  EXPECT_EQ(program(0), 108);
}

TEST(Assembler, says_that_its_memory_is_full_and_writes_no_byte_beyond) {
  for (std::size_t room = 0; room < 40; ++room) {
    Bytes bytes(room + 8, 0x55);
    Assembler assembler{MutableBytes{bytes}.first(room)};
    Label label;
    for (int i = 0; i < 5; ++i) {
      assembler.mov(Reg::r9, 0x123456789abcdef0);
      assembler.jump(Cond::less, label);
    }
    assembler.bind(label);
    EXPECT_TRUE(assembler.full());
    EXPECT_LE(assembler.size(), room);
    for (std::size_t i = room; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], 0x55);
  }
}

TEST(CodeMemory, is_written_in_one_place_and_runs_in_another) {
  auto memory = CodeMemory::make(1 << 20);
  ASSERT_TRUE(memory) << memory.error().what;
  auto moved = std::move(*memory);
  memory = CodeMemory::make(4096);
  EXPECT_NE(moved.writable().data(), moved.executable());
  EXPECT_EQ(moved.size(), std::size_t{1} << 20);
  Assembler assembler{moved.writable().last(64)};
  assembler.lea(Width::qword, Reg::rax, {Reg::rdi, 5, Reg::rsi, 4});
  assembler.ret();
  auto const run = reinterpret_cast<std::int64_t (*)(std::int64_t, std::int64_t)>(
      reinterpret_cast<std::uintptr_t>(moved.executable() + moved.size() - 64));
  EXPECT_EQ(run(100, 10), 145);
}

TEST(CodeMemory, has_its_pages_at_hand_up_to_its_last_byte) {
  auto memory = *CodeMemory::make(3 * 4096 + 100);  // as an uneven part of what there is
  memory.prepare(4096, memory.size() - 4096);
  memory.writable().back() = 0xc3;
  EXPECT_EQ(memory.executable()[memory.size() - 1], 0xc3);
}

}  // namespace
}  // namespace mutirao::codegen
