#include "mutirao/machine/user_program.h"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/assembler.h"
#include "testing/files.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;
using testing::HasSubstr;

constexpr std::uint64_t kProgramAt = 0x10000;
constexpr std::int32_t kExit = 93, kExitGroup = 94;

/// What a test's program is made of.
class ProgramText {
 public:
  void put(as::Word word) { words_.push_back(word); }
  void set(as::Reg to, std::int32_t value) { put(as::addi(to, as::zero, value)); }
  void call(std::int32_t number) {
    set(as::a7, number);
    put(as::ecall());
  }
  void exit(std::int32_t code) {
    set(as::a0, code);
    call(kExitGroup);
  }
  /// Ends with `code` unless a0 is that.
  void expect(std::int32_t value, std::int32_t code) {
    set(as::t0, value);
    put(as::beq(as::a0, as::t0, 16));
    exit(code);
  }
  [[nodiscard]] std::vector<as::Word> const& words() const noexcept { return words_; }

 private:
  std::vector<as::Word> words_;
};

class UserProgramTest : public testing::TestWithParam<Engine> {
 protected:
  UserProgramTest() {
    auto name = (std::filesystem::temp_directory_path() / "mutirao-user-XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~UserProgramTest() override { std::filesystem::remove_all(folder_); }

  Result<UserProgramEnd> run_file(Bytes const& file) {
    auto const path = folder_ + "/program";
    std::ofstream{path, std::ios::binary}.write(reinterpret_cast<char const*>(file.data()),
                                                static_cast<std::streamsize>(file.size()));
    return run_user_program({.path = path,
                             .arguments = {path},
                             .environment = {},
                             .memory_bytes = 64_MiB,
                             .engine = GetParam(),
                             .trace = [this](std::string_view line) { trace_ += line; }});
  }
  UserProgramEnd run(ProgramText const& program) {
    auto elf = elf_of(kProgramAt, program.words());
    put_field<std::uint32_t>(elf, 64 + 4, 7);            // readable, writable, executable
    put_field<std::uint64_t>(elf, 64 + 16, kProgramAt);  // where it is, to itself
    auto const end = run_file(elf);
    EXPECT_TRUE(end) << end.error().what;
    return end.value_or(UserProgramEnd{.code = -1});
  }

  std::string folder_;
  std::string trace_;
};

TEST_P(UserProgramTest, ends_with_the_code_that_it_gives) {
  ProgramText program;
  program.exit(7);
  EXPECT_EQ(run(program).code, 7);
}

TEST_P(UserProgramTest, finds_its_arguments_on_its_stack) {
  ProgramText program;
  program.put(as::ld(as::a0, as::sp, 0));  // argc
  program.call(kExitGroup);
  EXPECT_EQ(run(program).code, 1);
}

TEST_P(UserProgramTest, ends_by_the_signal_for_what_it_must_not_do) {
  ProgramText reads_nothing;
  reads_nothing.put(as::ld(as::a0, as::zero, 16));
  EXPECT_EQ(run(reads_nothing).signal, SIGSEGV);
  ProgramText jumps_to_us;  // the gate is at -2^30
  jumps_to_us.set(as::t0, -1);
  jumps_to_us.put(as::slli(as::t0, as::t0, 30));
  jumps_to_us.put(as::jalr(as::zero, as::t0));
  EXPECT_EQ(run(jumps_to_us).signal, SIGSEGV);
  ProgramText is_nonsense;
  is_nonsense.put(0);
  EXPECT_EQ(run(is_nonsense).signal, SIGILL);
  ProgramText becomes_supervisor;
  becomes_supervisor.put(as::sret());
  EXPECT_EQ(run(becomes_supervisor).signal, SIGILL);
}

TEST_P(UserProgramTest, is_told_of_calls_that_are_not_there_and_so_are_we) {
  ProgramText program;
  program.call(425);  // io_uring_setup
  program.expect(-ENOSYS, 1);
  program.call(2000);
  program.expect(-ENOSYS, 2);
  program.exit(0);
  EXPECT_EQ(run(program).code, 0);
  EXPECT_THAT(trace_, HasSubstr("system call 425 is not there"));
}

// Goal: a pointer that leads nowhere is EFAULT to each call that takes one, and nothing else.
TEST_P(UserProgramTest, is_told_that_a_pointer_leads_nowhere) {
  struct Case {
    std::int32_t number;
    std::vector<std::int32_t> arguments;  // 16 and -8 are no addresses
  };
  std::vector<Case> const cases{
      {64, {1, 16, 5}},     {66, {1, -8, 1}},     {63, {0, 16, 5}},     {56, {-100, 16, 0}},
      {79, {-100, -8, 16}}, {80, {0, 16}},        {78, {-100, 16}},     {17, {-8, 2000}},
      {49, {16}},           {34, {-100, -8}},     {35, {-100, 16}},     {276, {-100, 16, -100, 16}},
      {101, {16}},          {113, {0, -8}},       {115, {0, 0, 16}},    {278, {16, 8}},
      {160, {-8}},          {261, {0, 0, 0, 16}}, {134, {1, 16, 0, 8}}, {135, {0, -8, 0, 8}},
      {133, {16, 8}},       {98, {16, 0, 0}},     {221, {16, 0, 0}},    {258, {-8, 1, 0, 0, 0}},
      {291, {-100, 16}},    {73, {16, 1}},        {169, {-8}},          {59, {16, 0}},
      {123, {0, 8, 16}},    {132, {16, 0}},       {43, {16}},
  };
  ProgramText program;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (as::Reg each = 0; each < 6; ++each)
      program.set(as::a0 + each, each < cases[i].arguments.size() ? cases[i].arguments[each] : 0);
    program.call(cases[i].number);
    program.expect(-EFAULT, static_cast<std::int32_t>(i) + 1);
  }
  program.exit(0);
  auto const code = run(program).code;
  EXPECT_EQ(code, 0) << "call "
                     << (code > 0 ? cases[static_cast<std::size_t>(code) - 1].number : 0);
}

// Goal: numbers that nobody would give end no program but one that asked for it, and never ours.
TEST_P(UserProgramTest, survives_every_call_with_arguments_that_make_no_sense) {
  ProgramText program;
  for (std::int32_t number = 0; number < 520; ++number) {
    bool const ends_or_waits = number == kExit || number == kExitGroup || number == 73 ||
                               number == 133 || number == 139;  // ppoll, sigsuspend, sigreturn
    // What would close or change what the test itself uses.
    bool const has_effects = number == 57 || number == 166 || number == 220;
    if (ends_or_waits || has_effects) continue;
    for (std::int32_t const argument : {-1, 1 << 10, -(1 << 11)}) {
      for (as::Reg each = 0; each < 6; ++each) program.set(as::a0 + each, argument);
      program.call(number);
    }
  }
  program.exit(5);
  EXPECT_EQ(run(program).code, 5);
}

TEST_P(UserProgramTest, waits_for_its_child_and_hears_how_it_ended) {
  ProgramText program;
  program.set(as::a0, SIGCHLD);
  for (as::Reg each = 1; each < 6; ++each) program.set(as::a0 + each, 0);
  program.call(220);  // clone
  program.put(as::bne(as::a0, as::zero, 16));
  program.exit(3);
  program.put(as::addi(as::sp, as::sp, -16));
  program.set(as::a0, -1);
  program.put(as::mv(as::a1, as::sp));
  program.set(as::a2, 0);
  program.set(as::a3, 0);
  program.call(260);  // wait4
  program.put(as::lw(as::a0, as::sp, 0));
  program.put(as::srli(as::a0, as::a0, 8));
  program.call(kExitGroup);
  EXPECT_EQ(run(program).code, 3);
}

TEST_P(UserProgramTest, must_be_one_that_needs_no_libraries_and_is_for_this_architecture) {
  auto const refused = [&](Bytes const& file) {
    auto const end = run_file(file);
    return end ? std::string{} : end.error().what;
  };
  EXPECT_THAT(refused({'n', 'o'}), HasSubstr("not an ELF file"));
  auto elf = elf_of(kProgramAt, {as::nop()});
  put_field<std::uint32_t>(elf, 64, 3);  // PT_INTERP
  EXPECT_THAT(refused(elf), HasSubstr("wants shared libraries"));
  auto high = elf_of(kProgramAt, {as::nop()});
  put_field<std::uint64_t>(high, 64 + 16, ~std::uint64_t{0} - 100);
  EXPECT_THAT(refused(high), HasSubstr("does not fit"));
  auto other = elf_of(kProgramAt, {as::nop()});
  put_field<std::uint16_t>(other, 18, 62);
  EXPECT_THAT(refused(other), HasSubstr("not of 64-bit RISC-V"));
}

INSTANTIATE_TEST_SUITE_P(Engines, UserProgramTest,
                         testing::Values(Engine::translator, Engine::interpreter),
                         [](auto const& each) {
                           return each.param == Engine::translator ? "translator" : "interpreter";
                         });

}  // namespace
}  // namespace mutirao::machine
