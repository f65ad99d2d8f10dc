#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mutirao/base/check.h"
#include "mutirao/base/log.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

#include "board/inspected_machine.h"
#include "board/memory_map.h"
#include "testing/assembler.h"
#include "testing/environment.h"
#include "testing/files.h"

namespace mutirao::machine {

/// How often tests of concurrency do what they do: the environment raises it a hundredfold or more.
inline std::uint64_t smp_rounds(std::uint64_t few) {
  return few * from_environment("MUTIRAO_SMP_TIMES", 1);
}

/// Code with names for places in it, so that branches need no counting.
class SmpCode {
 public:
  using Word = assembler::Word;
  SmpCode& operator<<(Word word) {
    words_.push_back(word);
    return *this;
  }
  SmpCode& operator<<(std::vector<Word> const& words) {
    words_.insert(words_.end(), words.begin(), words.end());
    return *this;
  }
  SmpCode& operator<<(SmpCode const& other) {
    MUT_ASSERT(other.places_.empty() && other.branches_.empty());
    return *this << other.words_;
  }
  SmpCode& at(std::string const& name) {
    places_[name] = words_.size();
    return *this;
  }
  /// `branch` gets the distance to the place.
  SmpCode& to(std::string const& name, std::function<Word(std::int32_t)> branch) {
    branches_.push_back({words_.size(), name, std::move(branch)});
    return *this << Word{0};
  }
  SmpCode& jump(std::string const& name) { return to(name, assembler::j); }
  /// rd = where the place is.
  SmpCode& address(assembler::Reg rd, std::string const& name) {
    auto const here = words_.size();
    *this << assembler::auipc(rd, 0);
    branches_.push_back({words_.size(), name, [=, this](std::int32_t distance) {
                           return assembler::addi(rd, rd, distance + 4);
                         }});
    static_cast<void>(here);
    return *this << Word{0};
  }
  [[nodiscard]] std::vector<Word> words() const {
    auto linked = words_;
    for (auto const& each : branches_) {
      auto const distance = 4 * (static_cast<std::int32_t>(places_.at(each.name)) -
                                 static_cast<std::int32_t>(each.at));
      linked[each.at] = each.branch(distance);
    }
    return linked;
  }

 private:
  struct Branch {
    std::size_t at;
    std::string name;
    std::function<Word(std::int32_t)> branch;
  };
  std::vector<Word> words_;
  std::map<std::string, std::size_t> places_;
  std::vector<Branch> branches_;
};

/// What a guest program of several harts needs around it. Registers: s11 is the hart's number.
namespace smp {

using assembler::Reg;
inline constexpr Reg s8 = 24, s9 = 25, s10 = 26, s11 = 27;
/// Where programs keep what they share; the host looks at it afterwards.
inline constexpr GuestAddress kShared = board::kRam + 0x1000000;

inline SmpCode sbi_call(std::uint64_t extension, std::uint64_t function) {
  SmpCode code;
  code << assembler::li(assembler::a7, extension) << assembler::li(assembler::a6, function)
       << assembler::ecall();
  return code;
}
inline SmpCode power_off() {
  SmpCode code;
  code << assembler::li(assembler::t0, board::kSyscon) << assembler::li(assembler::t1, 0x5555)
       << assembler::sw(assembler::t1, assembler::t0) << assembler::j(0);
  return code;
}

/// All harts come to "main" with their number in s11. What a hart does ends with a jump to "done":
/// the machine is powered off when all are there.
inline SmpCode program(unsigned harts, SmpCode const& main_of_all,
                       std::function<void(SmpCode&)> const& main) {
  namespace as = assembler;
  SmpCode code;
  code << as::mv(s11, as::a0);
  code.to("main", [](auto d) { return as::bne(s11, as::zero, d); });
  for (unsigned hart = 1; hart < harts; ++hart) {
    code << as::li(as::a0, hart);
    code.address(as::a1, "others");
    code << sbi_call(0x48534D, 0);
  }
  code.jump("main");
  code.at("others") << as::mv(s11, as::a0);
  code.at("main") << main_of_all;
  main(code);
  code.at("done") << as::fence() << as::li(as::t0, kShared - 64) << as::li(as::t1, 1)
                  << as::amoadd(3, as::t1, as::t1, as::t0) << as::li(as::t2, harts - 1);
  code.at("rest").to("off", [](auto d) { return as::beq(as::t1, as::t2, d); });
  code << as::wfi();
  code.jump("rest");
  code.at("off") << power_off();
  return code;
}

/// Runs it on as many harts at the same time, and lets `look` see the memory that it left.
inline void run(unsigned harts, SmpCode const& code, Engine engine,
                std::function<void(GuestMemory const&)> const& look,
                std::uint64_t memory_bytes = 64 << 20) {
  threads::runtime runtime{{.processors = 1}};
  runtime.run([&] {
    base::SilentLog log;
    auto const world = world::make_real_world(log);
    auto machine = make_machine(
        {.memory_bytes = memory_bytes,
         .cpus = harts,
         .kernel = image_of(code.words()),
         .engine = engine},
        [](std::string_view) {}, *world);
    ASSERT_TRUE(machine) << machine.error().what;
    auto const patience = Deadline::at(world->clock().now() + 300s);
    auto const exit = (*machine)->run(Machine::kNoLimit, patience);
    std::string where;
    for (auto const* hart : (*machine)->harts()) where += fmt::format(" {:x}", hart->pc);
    ASSERT_EQ(exit.kind, MachineExit::Kind::powered_off) << "harts stand at" << where;
    look((*machine)->memory());
  });
}

inline constexpr Engine kEngines[] = {Engine::translator, Engine::interpreter};

}  // namespace smp
}  // namespace mutirao::machine
