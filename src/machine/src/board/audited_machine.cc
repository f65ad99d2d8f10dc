#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "mutirao/threads/mutex.h"

#include "board/inspected_machine.h"
#include "hart/difference.h"

namespace mutirao::machine {
namespace {

// The ends of slices fall everywhere: a block is compared now whole, now in the middle.
constexpr std::uint64_t kAuditSliceMax = 2'000;
constexpr std::uint64_t kMemoryEvery = 100'000'000;  // instructions
constexpr std::size_t kTypedMax = 4096;

class AuditedMachine final : public Machine {
 public:
  AuditedMachine(std::unique_ptr<InspectedMachine> translated,
                 std::unique_ptr<InspectedMachine> reference, world::World& world) noexcept
      : translated_{std::move(translated)}, reference_{std::move(reference)}, world_{world} {}

  MachineExit run(std::uint64_t instructions_max, Deadline deadline) override {
    auto const begin = instructions();
    for (;;) {
      auto const left = instructions_max - (instructions() - begin);
      if (left == 0) return compared({MachineExit::Kind::instructions});
      auto const slice = std::min(left, next_slice());
      hand_out_typed();
      // Neither may stop earlier than the other: deadlines are looked at between slices.
      auto const exit = translated_->run(slice, Deadline::never());
      auto const other = reference_->run(slice, Deadline::never());
      if (auto where = difference(); !where.empty())
        return {.kind = MachineExit::Kind::diverged, .what = std::move(where)};
      if (exit.kind != other.kind)
        return {.kind = MachineExit::Kind::diverged, .what = "how the run ended"};
      if (exit.kind != MachineExit::Kind::instructions) return compared(exit);
      if (instructions() / kMemoryEvery != (instructions() - slice) / kMemoryEvery)
        if (auto const same = compared(exit); same.kind != exit.kind) return same;
      if (!deadline.is_never() && deadline.passed(world_.clock().now()))
        return {.kind = MachineExit::Kind::timed_out};
    }
  }
  /// Kept until both machines stand at the same place: one may be in the middle of a slice.
  std::size_t type(std::string_view bytes) override {
    std::lock_guard const lock{typed_mutex_};
    auto const taken = std::min(bytes.size(), kTypedMax - typed_.size());
    typed_ += bytes.substr(0, taken);
    return taken;
  }
  void system_request(char key) override {
    std::lock_guard const lock{typed_mutex_};
    request_key_ = key;
  }
  Result<void> save(SnapshotSink const&) override {
    return fail(Fault::unsupported, "an audit is two machines, and cannot be saved",
                "use one engine");
  }
  [[nodiscard]] std::uint64_t memory_bytes() const override { return translated_->memory_bytes(); }
  [[nodiscard]] Timebase timebase() const override { return Timebase::instructions; }
  [[nodiscard]] std::uint64_t instructions() const override { return translated_->instructions(); }

 private:
  void hand_out_typed() {
    std::lock_guard const lock{typed_mutex_};
    if (auto const key = std::exchange(request_key_, std::nullopt)) {
      translated_->system_request(*key);
      reference_->system_request(*key);
    }
    auto const taken = translated_->type(typed_);
    static_cast<void>(reference_->type(std::string_view{typed_}.substr(0, taken)));
    typed_.erase(0, taken);
  }
  [[nodiscard]] std::uint64_t next_slice() noexcept {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;  // Knuth, MMIX
    return (random_ >> 33) % kAuditSliceMax + 1;
  }
  [[nodiscard]] std::string difference() const {
    auto const ours = translated_->harts();
    auto const theirs = reference_->harts();
    for (std::size_t n = 0; n < ours.size(); ++n)
      if (auto const where = machine::difference(*ours[n], *theirs[n]); !where.empty())
        return fmt::format("hart {} after {} instructions: {} (translated, interpreted; pc {:x})",
                           n, instructions(), where, theirs[n]->pc);
    return {};
  }
  /// `exit`, if all memory is the same but for bits that say a page was looked at: a translation
  /// that one engine still remembers the other may have looked up anew, and either is right
  /// (Priv. 10.3.1).
  [[nodiscard]] MachineExit compared(MachineExit exit) const {
    constexpr std::uint64_t kAccessed = 1u << 6;
    auto const& one = translated_->memory();
    auto const& other = reference_->memory();
    auto const ours = *one.view(one.base(), one.size());
    auto const theirs = *other.view(other.base(), other.size());
    for (std::size_t page = 0; page < ours.size(); page += kPageSize) {
      if (std::memcmp(ours.data() + page, theirs.data() + page, kPageSize) == 0) continue;
      for (auto at = one.base() + page; at < one.base() + page + kPageSize; at += 8) {
        auto const mine = *one.load<std::uint64_t>(at);
        auto const its = *other.load<std::uint64_t>(at);
        if (((mine ^ its) & ~kAccessed) == 0) continue;
        return {.kind = MachineExit::Kind::diverged,
                .what = fmt::format("memory at {:x} after {} instructions: {:x} {:x}", at,
                                    instructions(), mine, its)};
      }
    }
    return exit;
  }

  std::unique_ptr<InspectedMachine> translated_;
  std::unique_ptr<InspectedMachine> reference_;
  world::World& world_;
  threads::mutex typed_mutex_;
  std::string typed_;
  std::optional<char> request_key_;
  std::uint64_t random_ = 1;
};

}  // namespace

Result<std::unique_ptr<Machine>> make_audited_machine(MachineOptions options,
                                                      Machine::Console console,
                                                      world::World& world) {
  if (!options.disks.empty())
    return fail(Fault::unsupported, "two machines cannot write to one disk",
                "audit a system that lives in its initrd");
  if (options.network || !options.vsock.empty())
    return fail(Fault::unsupported, "two machines cannot have one network",
                "audit a system that needs none");
  if (!options.shares.empty())
    return fail(Fault::unsupported, "two machines cannot share one folder",
                "audit a system that lives in its initrd");
  options.timebase = Timebase::instructions;
  MachineOptions other{.memory_bytes = options.memory_bytes,
                       .cpus = options.cpus,
                       .kernel = options.kernel,
                       .initrd = options.initrd,
                       .append = options.append,
                       .firmware = options.firmware,
                       .loader = options.loader,
                       .engine = Engine::interpreter,
                       .console = options.console,
                       .timebase = options.timebase,
                       .seed = options.seed};
  options.engine = Engine::translator;
  auto translated = MUT_TRY(make_machine(std::move(options), std::move(console), world));
  auto reference = MUT_TRY(make_machine(std::move(other), [](std::string_view) {}, world));
  return std::make_unique<AuditedMachine>(std::move(translated), std::move(reference), world);
}

}  // namespace mutirao::machine
