#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/machine/machine.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

#include "board/description.h"
#include "board/hart_crew.h"
#include "board/inspected_machine.h"
#include "board/machine_state.h"
#include "board/memory_map.h"
#include "devices/clint.h"
#include "devices/pci.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/syscon.h"
#include "devices/uart.h"
#include "firmware/sbi.h"
#include "nat/nat.h"
#include "virtio/balloon.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/net.h"
#include "virtio/shared_folder.h"
#include "virtio/transport.h"
#include "virtio/vsock.h"
#include "vsock/ports.h"

namespace mutirao::machine {

/// Slots of the PCI bus.
inline constexpr unsigned kNetworkSlot = 3, kFirstDiskSlot = 4, kFirstShareSlot = 16,
                          kVsockSlot = 24, kBalloonSlot = 30;
inline constexpr unsigned kCpusMax = 16;
/// What a source of a disk does not give in so long is an error to the guest, whose own patience
/// ends after 30 s and with less grace.
inline constexpr Duration kBlockPatience = 25s;
inline constexpr std::uint64_t kTickNs = 1'000'000'000 / board::kTicksPerSecond;

/// Harts run in turns on the thread that called `run`, which makes a run a function of its options;
/// or, by the world's time, each on a bound thread, while the caller's thread sees to what is
/// outside: console, disks, and the alarm of the clock.
class VirtMachine final : public InspectedMachine,
                          public HartHost,
                          public Sbi::Platform,
                          public HartCrew::Surroundings {
 public:
  VirtMachine(MachineOptions& options, Console console, world::World& world,
              std::unique_ptr<GuestMemory> memory);

  /// These before anything else.
  Result<void> make_engines(Engine engine);
  Result<void> connect(MachineOptions const& options);
  Result<void> load(MachineOptions options);
  MachineExit run(std::uint64_t instructions_max, Deadline deadline) override;
  using Machine::save;
  Result<void> save(SnapshotSink const& sink) override;
  /// In place of `load`.
  Result<void> restore(MachineState const& state, std::vector<StateSection> sections);
  std::size_t type(std::string_view bytes) override;
  void system_request(char key) override;
  std::vector<Hart const*> harts() const override {
    auto const states = harts_.states();
    return {states.begin(), states.end()};
  }
  GuestMemory const& memory() const override { return *memory_; }
  Timebase timebase() const override { return timebase_; }
  std::uint64_t memory_bytes() const override { return memory_->size(); }
  std::uint64_t instructions() const override { return harts_.steps_shown(); }

 private:
  struct DiskSlot {
    std::unique_ptr<BlockSource> source;
    std::unique_ptr<VirtioBlock> device;
    std::unique_ptr<VirtioPci> function;
  };
  struct ShareSlot {
    std::unique_ptr<VirtioSharedFolder> device;
    std::unique_ptr<VirtioPci> function;
  };
  /// A device with a link, and what that leads to on threads of its own.
  template <class VirtioKind, class OtherEnd>
  struct LinkSlot {
    LinkSlot(std::function<void()> news, GuestMemory& memory)
        : link{std::move(news)}, device{link, memory}, function{device, memory} {}
    nat::FrameLink link;
    VirtioKind device;
    VirtioPci function;
    std::unique_ptr<OtherEnd> other_end{};
  };
  using NetworkSlot = LinkSlot<VirtioNet, nat::Nat>;
  using VsockSlot = LinkSlot<VirtioVsock, vsock::Ports>;

  // HartHost
  std::uint64_t time() override;
  bool supervisor_call(Hart& hart) override {
    if (!firmware_inside_) return false;
    sbi_.call(hart);
    return true;
  }

  // Sbi::Platform
  std::size_t hart_count() const override { return harts_.size(); }
  Core& core(std::size_t number) override { return harts_[number].engine->core(); }
  HartState state(std::size_t number) const override { return harts_[number].state(); }
  bool start(std::size_t caller, std::size_t number, GuestAddress entry,
             std::uint64_t argument) override {
    return harts_.start(caller, number, entry, argument);
  }
  void stop(std::size_t number) override { harts_.stop(number); }
  void fence(std::size_t caller, std::vector<std::size_t> const& harts,
             std::optional<RangeFence> const& addresses) override {
    harts_.fence(caller, harts, addresses);
  }
  void reset(bool reboot, bool failed) override {
    leave({reboot ? MachineExit::Kind::reset : MachineExit::Kind::powered_off, failed ? 1u : 0u});
  }
  void console_write(ByteView bytes) override { write_console(bytes); }
  std::size_t console_read(MutableBytes bytes) override;

  // HartCrew::Surroundings
  void look_at_time(HartUnit& hart) override { clint_.look_at_time(hart.number()); }
  Deadline wakes_at(HartUnit const& hart) override;
  void hart_left() override { tell_of_news(); }

  void tell_of_news();
  std::string take_console_text(std::unique_lock<threads::mutex>& lock);
  void submit_jobs();
  bool see_to_outside(Deadline deadline);
  MachineExit run_apart(std::uint64_t instructions_max, Deadline deadline);
  std::uint64_t due_of(HartUnit const& hart) const;
  void begin_job(VirtioBlock::Job job);
  void begin_job(VirtioSharedFolder::Job job);
  void begin(std::move_only_function<void()> job);
  void write_console(ByteView bytes);
  void flush_console();
  void leave(MachineExit exit);
  std::uint64_t steps() const;
  std::uint64_t civil_ns();
  std::uint64_t next_due() const;
  bool take_typed();
  void fill_random(MutableBytes bytes);
  void settle_requests();
  Result<MachineState> state_of_all();
  Result<void> for_each_part(auto const& each);
  void add_disk(std::unique_ptr<BlockSource> source);
  void submit(VirtioBlock::Job job);
  void add_share(Share share);
  void submit(VirtioSharedFolder::Job job);
  void flush_disks();
  bool take_answers();
  bool take_frames();
  void tell_of_frames();
  /// Whether the world's time follows that of the instructions.
  [[nodiscard]] bool paced() const noexcept {
    return timebase_ == Timebase::instructions && (network_ || vsock_);
  }
  void keep_pace();
  MachineExit run_in_turns(std::uint64_t instructions_max, Deadline deadline);
  bool idle(Deadline deadline);

  Timebase const timebase_;
  ConsoleDevice const console_device_;
  std::uint64_t random_state_;
  bool const firmware_inside_;
  Console console_;
  std::string console_line_;
  world::World& world_;
  TimePoint power_on_;
  std::uint64_t ticks_idle_ = 0;  // that passed while every hart waited
  std::unique_ptr<GuestMemory> memory_;
  Bus bus_;
  HartCrew harts_;
  Sbi sbi_;
  Plic plic_;
  Clint clint_;
  Uart uart_;
  Rtc rtc_;
  Syscon syscon_;
  PciHost pci_;
  VirtioConsole fast_console_;
  VirtioEntropy entropy_;
  VirtioBalloon balloon_;
  VirtioPci fast_console_function_;
  VirtioPci entropy_function_;
  VirtioPci balloon_function_;
  std::vector<DiskSlot> disks_;
  std::vector<ShareSlot> shares_;

  // What comes from other threads, until the machine takes it: what was typed, what disks and
  // shared folders did; and from harts that run apart: what they say, what they want done, and why
  // they end.
  threads::mutex outside_mutex_;
  threads::condition_variable outside_came_;
  threads::condition_variable console_taken_;
  bool news_ = false;
  std::optional<MachineExit> exit_;
  std::string console_text_;
  std::vector<std::move_only_function<void()>> wanted_;
  std::deque<std::uint8_t> typed_;
  std::optional<std::uint8_t> request_key_;
  std::vector<VirtioBlock::Job> answers_;
  bool frames_came_ = false;
  std::vector<VirtioSharedFolder::Job> share_answers_;
  std::vector<VirtioBlock::Job> postponed_;  // whose threads were stopped with the last run
  threads::scope* block_threads_ = nullptr;  // while `run` is under way
  TimePoint pace_begin_;  // of a seeded machine with a network: when its time would have been zero
  // These go first: their threads tell of frames.
  std::unique_ptr<NetworkSlot> network_;
  std::unique_ptr<VsockSlot> vsock_;
};

}  // namespace mutirao::machine
