#include "mutirao/machine/machine.h"

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "board/description.h"
#include "board/hart_crew.h"
#include "board/inspected_machine.h"
#include "board/memory_map.h"
#include "devices/clint.h"
#include "devices/pci.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/syscon.h"
#include "devices/uart.h"
#include "firmware/loader.h"
#include "firmware/sbi.h"
#include "hart/interpreter.h"
#include "nat/nat.h"
#include "translator/translator.h"
#include "virtio/block.h"
#include "virtio/console.h"
#include "virtio/entropy.h"
#include "virtio/net.h"
#include "virtio/shared_folder.h"
#include "virtio/transport.h"

namespace mutirao::machine {
namespace {

using namespace board;

constexpr unsigned kCpusMax = 16;
constexpr std::size_t kDisksMax = 8;
constexpr std::size_t kSharesMax = 8;
constexpr unsigned kNetworkSlot = 3, kFirstDiskSlot = 4, kFirstShareSlot = 16;
// What a source does not give in so long is an error of the disk to the guest, whose own patience
// ends after 30 s and with less grace.
constexpr Duration kBlockPatience = 25s;
constexpr std::uint64_t kTickNs = 1'000'000'000 / kTicksPerSecond;
// By its own instructions a hart makes a hundred million of them in a second.
constexpr std::uint64_t kStepsPerTick = 10;
constexpr std::uint64_t kNever = ~std::uint64_t{0};
// How far one hart goes before the machine looks at the time and at the other harts.
constexpr std::uint64_t kSliceAlone = 20'000, kSliceAmongOthers = 5'000;
// The civil time of a machine that follows its instructions: 2024-01-01.
constexpr std::uint64_t kEpochNs = 1'704'067'200ull * 1'000'000'000;
constexpr std::uint64_t kLargePage = 2_MiB;
// What harts may say before anybody listens.
constexpr std::size_t kConsoleTextMax = 1 << 20;

std::uint64_t ticks_of(Duration passed) {
  return static_cast<std::uint64_t>(passed.count()) / kTickNs;
}

/// Harts run in turns on the thread that called `run`, which makes a run a function of its options;
/// or, by the world's time, each on a bound thread, while the caller's thread sees to what is
/// outside: console, disks, and the alarm of the clock.
class VirtMachine final : public InspectedMachine,
                          public HartHost,
                          public Sbi::Platform,
                          public HartCrew::Surroundings {
 public:
  VirtMachine(MachineOptions& options, Console console, world::World& world,
              std::unique_ptr<GuestMemory> memory)
      : timebase_{options.timebase},
        console_device_{options.console},
        random_state_{options.seed},
        firmware_inside_{options.firmware.empty()},
        console_{std::move(console)},
        world_{world},
        memory_{std::move(memory)},
        bus_{*memory_},
        harts_{options.cpus,
               options.timebase == Timebase::host && threads::bound_thread::available(), *memory_,
               *this},
        sbi_{*this, *memory_},
        plic_{harts_.states()},
        clint_{harts_.states(), *this},
        uart_{[this](std::uint8_t byte) { write_console({&byte, 1}); }, {plic_, kUartInterrupt}},
        rtc_{[this] { return civil_ns(); }, {plic_, kRtcInterrupt}},
        syscon_{[this](Syscon::Request request, unsigned code) {
          leave({request == Syscon::Request::reset ? MachineExit::Kind::reset
                                                   : MachineExit::Kind::powered_off,
                 code});
        }},
        pci_{plic_, kPciInterrupt, kPciWindow, kPciWindowSize},
        fast_console_{[this](ByteView bytes) { write_console(bytes); }, *memory_},
        entropy_{[this](MutableBytes bytes) { fill_random(bytes); }, *memory_},
        fast_console_function_{fast_console_, *memory_},
        entropy_function_{entropy_, *memory_} {
    bus_.attach(kSyscon, Syscon::kSize, syscon_);
    bus_.attach(kRtc, Rtc::kSize, rtc_);
    bus_.attach(kClint, Clint::kSize, clint_);
    bus_.attach(kPlic, Plic::kSize, plic_);
    bus_.attach(kUart, Uart::kSize, uart_);
    bus_.attach(kEcam, PciHost::kEcamSize, pci_.ecam());
    bus_.attach(kPciWindow, kPciWindowSize, pci_.window());
    pci_.add(1, fast_console_function_);
    pci_.add(2, entropy_function_);
    for (std::unique_ptr<BlockSource>& source : options.disks) add_disk(std::move(source));
    for (Share& share : options.shares) add_share(std::move(share));
    power_on_ = world_.clock().now();
  }

  /// These before anything else.
  Result<void> make_engines(Engine engine);
  Result<void> connect(NetworkOptions const& options);
  Result<void> load(MachineOptions options);
  MachineExit run(std::uint64_t instructions_max, Deadline deadline) override;
  std::size_t type(std::string_view bytes) override;
  void system_request(char key) override;
  std::vector<Hart const*> harts() const override {
    auto const states = harts_.states();
    return {states.begin(), states.end()};
  }
  GuestMemory const& memory() const override { return *memory_; }
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
  /// A card, its cable, and what it leads to.
  struct NetworkSlot {
    NetworkSlot(std::function<void()> news, GuestMemory& memory)
        : link{std::move(news)}, device{link, memory}, function{device, memory} {}
    nat::FrameLink link;
    VirtioNet device;
    VirtioPci function;
    std::unique_ptr<nat::Nat> router{};
  };

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
  void add_disk(std::unique_ptr<BlockSource> source);
  void submit(VirtioBlock::Job job);
  void add_share(Share share);
  void submit(VirtioSharedFolder::Job job);
  void flush_disks();
  bool take_answers();
  bool take_frames();
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
  VirtioPci fast_console_function_;
  VirtioPci entropy_function_;
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
  std::unique_ptr<NetworkSlot> network_;  // goes first: its threads tell of frames
};

std::uint64_t VirtMachine::steps() const {
  std::uint64_t total = 0;
  for (auto const& hart : harts_) total += hart->hart().steps;
  return total;
}

std::uint64_t VirtMachine::time() {
  if (timebase_ == Timebase::instructions) return steps() / kStepsPerTick + ticks_idle_;
  return ticks_of(world_.clock().now() - power_on_);
}

std::uint64_t VirtMachine::civil_ns() {
  if (timebase_ == Timebase::instructions) return kEpochNs + time() * kTickNs;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        world_.clock().civil().time_since_epoch())
                                        .count());
}

void VirtMachine::tell_of_news() {
  std::lock_guard const lock{outside_mutex_};
  news_ = true;
  outside_came_.notify_all();
}

void VirtMachine::write_console(ByteView bytes) {
  constexpr std::size_t kPiece = 256;
  if (harts_.apart()) {
    std::unique_lock lock{outside_mutex_};
    // Who listens slowly slows down who speaks.
    while (console_text_.size() > kConsoleTextMax && !harts_.leaving())
      static_cast<void>(console_taken_.wait(lock));
    bool const first = console_text_.empty();
    console_text_ += base::text_of(bytes);
    if (!first && console_text_.size() < kPiece && bytes.back() != '\n') return;
    news_ = true;
    outside_came_.notify_all();
    return;
  }
  for (std::uint8_t const byte : bytes) {
    console_line_.push_back(static_cast<char>(byte));
    if (byte == '\n' || console_line_.size() >= kPiece) flush_console();
  }
}

void VirtMachine::flush_console() {
  if (console_line_.empty()) return;
  console_(console_line_);
  console_line_.clear();
}

void VirtMachine::leave(MachineExit exit) {
  {
    std::lock_guard const lock{outside_mutex_};
    if (!exit_) exit_ = exit;
  }
  if (harts_.apart()) return harts_.call_off();
  for (auto const& hart : harts_) hart->hart().call();
}

std::size_t VirtMachine::type(std::string_view bytes) {
  std::lock_guard const lock{outside_mutex_};
  std::size_t const taken = std::min(bytes.size(), Uart::kInputMax - typed_.size());
  typed_.insert(typed_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  news_ = true;
  outside_came_.notify_all();
  return taken;
}

void VirtMachine::system_request(char key) {
  std::lock_guard const lock{outside_mutex_};
  request_key_ = static_cast<std::uint8_t>(key);
  news_ = true;
  outside_came_.notify_all();
}

/// The world's randomness, or in a seeded machine that of the seed.
void VirtMachine::fill_random(MutableBytes bytes) {
  if (timebase_ == Timebase::host) return world_.entropy().fill(bytes);
  for (std::uint8_t& byte : bytes) {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    std::uint64_t z = random_state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    byte = static_cast<std::uint8_t>(z >> 31 ^ z);
  }
}

/// Gives the console what was typed; false if that was nothing.
bool VirtMachine::take_typed() {
  std::lock_guard const lock{outside_mutex_};
  if (request_key_) uart_.send_break(*std::exchange(request_key_, std::nullopt));
  if (typed_.empty()) return false;
  std::string const bytes{typed_.begin(), typed_.end()};
  bool const serial = console_device_ == ConsoleDevice::serial;
  std::size_t taken = 0;
  if (serial)
    taken = uart_.type(bytes);
  else
    fast_console_function_.poll([&] { taken = fast_console_.type(bytes); });
  typed_.erase(typed_.begin(), typed_.begin() + static_cast<std::ptrdiff_t>(taken));
  return taken != 0;
}

std::size_t VirtMachine::console_read(MutableBytes bytes) {
  std::lock_guard const lock{outside_mutex_};
  std::size_t const count = std::min(bytes.size(), typed_.size());
  std::copy_n(typed_.begin(), count, bytes.begin());
  typed_.erase(typed_.begin(), typed_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

/// The tick at which some timer goes off.
std::uint64_t VirtMachine::next_due() const {
  std::uint64_t due = kNever;
  for (auto const& hart : harts_) due = std::min(due, due_of(*hart));
  return due;
}

std::uint64_t VirtMachine::due_of(HartUnit const& hart) const {
  bool const counts =
      hart.state() == HartState::started && (hart.hart().menvcfg & envcfg::kStce) != 0;
  return std::min(clint_.due(hart.number()), counts ? hart.hart().stimecmp : kNever);
}

Deadline VirtMachine::wakes_at(HartUnit const& hart) {
  constexpr std::uint64_t kFar = std::uint64_t{1} << 50;
  auto const due = due_of(hart);
  if (due > kFar) return Deadline::never();
  return Deadline::at(power_on_ + Duration{static_cast<Duration::rep>(due * kTickNs)});
}

/// Every hart waits: lets time pass until something can wake one. False when the thread was asked
/// to stop, or the deadline passed.
bool VirtMachine::idle(Deadline deadline) {
  flush_console();
  std::uint64_t const due = next_due();
  std::uint64_t const now = time();
  bool const paced = network_ && timebase_ == Timebase::instructions;
  if (timebase_ == Timebase::instructions && due != kNever && !paced) {
    if (due > now) ticks_idle_ += due - now;
    threads::checkpoint();
    return !threads::stop_requested() && !deadline.passed(world_.clock().now());
  }
  if (due <= now) return true;
  // The alarm of the clock is looked at once a second.
  constexpr std::uint64_t kLookTicks = kTicksPerSecond;
  Duration const wait{static_cast<Duration::rep>(std::min(due - now, kLookTicks) * kTickNs)};
  Deadline const until = Deadline::at(world_.clock().now() + wait);
  std::unique_lock lock{outside_mutex_};
  auto const waited = outside_came_.wait(
      lock,
      [this] {
        return !typed_.empty() || request_key_ || !answers_.empty() || !share_answers_.empty() ||
               frames_came_;
      },
      earlier(until, deadline));
  if (paced) ticks_idle_ += std::max(ticks_of(world_.clock().now() - pace_begin_), now) - now;
  if (!waited && waited.error().fault == Fault::cancelled) return false;
  return !deadline.passed(world_.clock().now());
}

void VirtMachine::add_disk(std::unique_ptr<BlockSource> source) {
  auto const number = static_cast<unsigned>(disks_.size());
  auto device = std::make_unique<VirtioBlock>(
      *source, fmt::format("disk{}", number),
      [this](VirtioBlock::Job job) { submit(std::move(job)); }, *memory_);
  auto function = std::make_unique<VirtioPci>(*device, *memory_);
  pci_.add(kFirstDiskSlot + number, *function);
  disks_.push_back({std::move(source), std::move(device), std::move(function)});
}

/// Lets a thread wait for the source. A seeded machine waits itself, so that the answer comes after
/// the same instruction each time.
void VirtMachine::submit(VirtioBlock::Job job) {
  if (timebase_ == Timebase::instructions) {
    job.device->carry_out(job, Deadline::at(world_.clock().now() + kBlockPatience));
    return job.device->answer(std::move(job));
  }
  begin([this, job = std::move(job)]() mutable { begin_job(std::move(job)); });
}

/// Something that spawns a thread: a hart that runs apart leaves that to the thread that sees to
/// the outside.
void VirtMachine::begin(std::move_only_function<void()> job) {
  if (!harts_.apart()) return job();
  std::lock_guard const lock{outside_mutex_};
  wanted_.push_back(std::move(job));
  news_ = true;
  outside_came_.notify_all();
}

void VirtMachine::begin_job(VirtioBlock::Job job) {
  MUT_ASSERT(block_threads_ != nullptr);
  block_threads_->spawn("machine-block", [this, job = std::move(job)]() mutable {
    job.device->carry_out(job, Deadline::at(world_.clock().now() + kBlockPatience));
    std::lock_guard const lock{outside_mutex_};
    (job.cancelled ? postponed_ : answers_).push_back(std::move(job));
    news_ = true;
    outside_came_.notify_all();
  });
}

void VirtMachine::add_share(Share share) {
  auto const number = static_cast<unsigned>(shares_.size());
  auto device = std::make_unique<VirtioSharedFolder>(
      std::move(share.folder), FuseServer::Options{.read_only = share.read_only},
      std::move(share.tag), [this](VirtioSharedFolder::Job job) { submit(std::move(job)); },
      *memory_);
  auto function = std::make_unique<VirtioPci>(*device, *memory_);
  pci_.add(kFirstShareSlot + number, *function);
  shares_.push_back({std::move(device), std::move(function)});
}

/// As with disks; but what a folder does is not interrupted, so that nothing has to be done again.
void VirtMachine::submit(VirtioSharedFolder::Job job) {
  if (timebase_ == Timebase::instructions) {
    job.carry_out();
    return job.device->answer(std::move(job));
  }
  begin([this, job = std::move(job)]() mutable { begin_job(std::move(job)); });
}

void VirtMachine::begin_job(VirtioSharedFolder::Job job) {
  MUT_ASSERT(block_threads_ != nullptr);
  block_threads_->spawn("machine-share", [this, job = std::move(job)]() mutable {
    job.carry_out();
    std::lock_guard const lock{outside_mutex_};
    share_answers_.push_back(std::move(job));
    news_ = true;
    outside_came_.notify_all();
  });
}

/// Gives the disks and shared folders what was done for them; false if that was nothing.
bool VirtMachine::take_answers() {
  std::vector<VirtioBlock::Job> answers;
  std::vector<VirtioSharedFolder::Job> share_answers;
  {
    std::lock_guard const lock{outside_mutex_};
    answers.swap(answers_);
    share_answers.swap(share_answers_);
  }
  if (!answers.empty())
    for (DiskSlot& disk : disks_)
      disk.function->poll([&] {
        for (VirtioBlock::Job& job : answers)
          if (job.device == disk.device.get()) disk.device->answer(std::move(job));
      });
  if (!share_answers.empty())
    for (ShareSlot& share : shares_)
      share.function->poll([&] {
        for (VirtioSharedFolder::Job& job : share_answers)
          if (job.device == share.device.get()) share.device->answer(std::move(job));
      });
  return !answers.empty() || !share_answers.empty();
}

Result<void> VirtMachine::connect(NetworkOptions const& options) {
  network_ = std::make_unique<NetworkSlot>(
      [this] {
        std::lock_guard const lock{outside_mutex_};
        frames_came_ = news_ = true;
        outside_came_.notify_all();
      },
      *memory_);
  pci_.add(kNetworkSlot, network_->function);
  network_->router = MUT_TRY(nat::Nat::create(options, network_->link, world_));
  return {};
}

/// Lets the network card look at its cable; false if there is no news.
bool VirtMachine::take_frames() {
  if (!network_) return false;
  {
    std::lock_guard const lock{outside_mutex_};
    if (!std::exchange(frames_came_, false)) return false;
  }
  network_->function.poll();
  return true;
}

/// Frames come in the world's time. When a seeded machine lets that pass as its own, they come
/// after the same instruction each time in a world that is seeded too.
void VirtMachine::keep_pace() {
  if (!network_ || timebase_ != Timebase::instructions) return;
  Duration const passed{static_cast<Duration::rep>(time() * kTickNs)};
  static_cast<void>(threads::sleep_until(pace_begin_ + passed));
}

MachineExit VirtMachine::run(std::uint64_t instructions_max, Deadline deadline) {
  threads::scope block_threads;
  block_threads_ = &block_threads;
  // Nothing of the last run is left that could touch them.
  for (VirtioBlock::Job& job : std::exchange(postponed_, {})) submit(std::move(job));
  MachineExit const exit = harts_.apart() ? run_apart(instructions_max, deadline)
                                          : run_in_turns(instructions_max, deadline);
  // What is under way ends, and is answered when the machine runs on.
  static_cast<void>(block_threads.join());
  block_threads_ = nullptr;
  if (exit_) flush_disks();
  return exit;
}

/// As a drive does whose power is switched off in order: a guest that wrote and did not flush
/// expects to find it.
void VirtMachine::flush_disks() {
  Deadline const patience = Deadline::at(world_.clock().now() + kBlockPatience);
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    if (!disks_[i].source->writable()) continue;
    if (auto const flushed = disks_[i].source->flush(patience); !flushed)
      world_.log().error("machine", "disk {} lost what was written last: {}", i,
                         flushed.error().what);
  }
}

/// What harts said, if it is a line or if they have said nothing else for a moment.
std::string VirtMachine::take_console_text(std::unique_lock<threads::mutex>& lock) {
  constexpr Duration kMoment = 2ms;
  if (console_text_.empty()) return {};
  if (console_text_.back() != '\n' && !exit_) {
    auto const size = console_text_.size();
    static_cast<void>(outside_came_.wait(
        lock, [&] { return console_text_.size() != size; },
        Deadline::at(world_.clock().now() + kMoment)));
  }
  console_taken_.notify_all();
  return std::exchange(console_text_, {});
}

void VirtMachine::submit_jobs() {
  std::unique_lock lock{outside_mutex_};
  auto jobs = std::exchange(wanted_, {});
  lock.unlock();
  for (auto& job : jobs) job();
}

/// While harts run apart: hands on what came from outside and what they want there, and waits for
/// more. False when the machine is to end, or rest.
bool VirtMachine::see_to_outside(Deadline deadline) {
  submit_jobs();
  take_answers();
  take_frames();
  take_typed();
  rtc_.look_at_time();
  constexpr Duration kLook = 1s;  // at the alarm of the clock
  auto const until = earlier(deadline, Deadline::at(world_.clock().now() + kLook));
  std::unique_lock lock{outside_mutex_};
  auto const waited =
      outside_came_.wait(lock, [this] { return std::exchange(news_, false); }, until);
  auto const text = take_console_text(lock);
  lock.unlock();
  if (!text.empty()) console_(text);
  bool const cancelled = !waited && waited.error().fault == Fault::cancelled;
  return !harts_.leaving() && !cancelled && !threads::stop_requested() &&
         (deadline.is_never() || !deadline.passed(world_.clock().now()));
}

MachineExit VirtMachine::run_apart(std::uint64_t instructions_max, Deadline deadline) {
  std::uint64_t const begin = steps();
  while (true) {
    harts_.set_off(instructions_max == kNoLimit ? kNoLimit : instructions_max - (steps() - begin));
    while (see_to_outside(deadline)) {
    }
    harts_.call_off();
    {
      std::lock_guard const lock{outside_mutex_};
      console_taken_.notify_all();
    }
    harts_.join();
    // What they still said and wanted.
    submit_jobs();
    if (auto const text = std::exchange(console_text_, {}); !text.empty()) console_(text);
    if (exit_) return *exit_;
    if (threads::stop_requested()) return {MachineExit::Kind::cancelled};
    if (steps() - begin >= instructions_max) return {MachineExit::Kind::instructions};
    if (!deadline.is_never() && deadline.passed(world_.clock().now()))
      return {MachineExit::Kind::timed_out};
  }
}

MachineExit VirtMachine::run_in_turns(std::uint64_t instructions_max, Deadline deadline) {
  std::uint64_t const begin = steps();
  pace_begin_ = world_.clock().now() - Duration{static_cast<Duration::rep>(time() * kTickNs)};
  std::uint64_t const slice = harts_.size() == 1 ? kSliceAlone : kSliceAmongOthers;
  for (;;) {
    bool all_wait = true;
    for (auto const& hart : harts_) {
      if (hart->state() != HartState::started) continue;
      std::uint64_t budget = slice;
      if (timebase_ == Timebase::instructions) {
        // Not past the moment at which a timer goes off.
        std::uint64_t const due = next_due(), now = time();
        if (due > now)
          budget = std::min(budget, std::max<std::uint64_t>((due - now) * kStepsPerTick, 1));
      }
      budget = std::min(budget, instructions_max - (steps() - begin));
      if (hart->engine->run(budget) != HartEngine::Stop::waiting) all_wait = false;
      hart->show_steps();
      if (exit_) break;
    }
    auto const ended = [&](MachineExit exit) {
      flush_console();
      return exit;
    };
    if (exit_) return ended(*exit_);
    if (steps() - begin >= instructions_max) return ended({MachineExit::Kind::instructions});
    keep_pace();
    bool const answered = take_answers();
    bool const framed = take_frames();
    bool const news = take_typed() || answered || framed;
    clint_.look_at_time();
    rtc_.look_at_time();
    if (all_wait && !news) {
      if (!idle(deadline))
        return ended({threads::stop_requested() ? MachineExit::Kind::cancelled
                                                : MachineExit::Kind::timed_out});
      continue;
    }
    threads::yield();
    if (threads::stop_requested()) return ended({MachineExit::Kind::cancelled});
    if (!deadline.is_never() && deadline.passed(world_.clock().now()))
      return ended({MachineExit::Kind::timed_out});
  }
}

Result<void> VirtMachine::make_engines(Engine engine) {
  for (auto const& hart : harts_) {
    if (engine == Engine::interpreter)
      hart->engine = std::make_unique<Interpreter>(hart->hart(), bus_, *this);
    else
      hart->engine = MUT_TRY(Translator::make(hart->frame(), bus_, *this));
  }
  return {};
}

Result<void> VirtMachine::load(MachineOptions options) {
  GuestMemory& memory = *memory_;
  GuestAddress free = kRam;
  std::optional<Loaded> firmware;
  if (!firmware_inside_) {
    firmware = MUT_TRY(load_firmware(memory, kRam, std::move(options.firmware)));
    free = firmware->end;
  }
  std::optional<Loaded> kernel;
  if (!options.kernel.empty() || firmware_inside_) {
    // An Image says itself how far from the start of memory it wants to be.
    kernel = MUT_TRY(load_kernel(memory, kRam, std::move(options.kernel)));
    if (firmware && kernel->entry < firmware->end)
      return fail(Fault::invalid, "the firmware and the kernel want the same memory",
                  "give a smaller firmware");
    free = std::max(free, kernel->end);
  }
  auto const initrd = MUT_TRY(load_bytes(memory, free, kLargePage, options.initrd, "the initrd"));

  std::array<std::uint8_t, 64> seed;
  fill_random(seed);
  Bytes const tree = describe_board({.memory_bytes = memory.size(),
                                     .cpus = static_cast<unsigned>(harts_.size()),
                                     .append = options.append,
                                     .initrd_begin = initrd.entry,
                                     .initrd_end = initrd.end,
                                     .rng_seed = seed});
  auto const placed_tree =
      MUT_TRY(load_bytes(memory, initrd.end, kLargePage, tree, "the device tree"));

  if (firmware_inside_) {
    Sbi::enter_kernel(harts_[0].engine->core(), kernel->entry, placed_tree.entry);
    harts_[0].set_state(HartState::started);
    return {};
  }
  // What OpenSBI's fw_dynamic takes in a2 (its docs/firmware/fw_dynamic.md): magic, version, where
  // to go next and in which mode, options, boot hart.
  std::uint64_t const next = kernel ? kernel->entry : kKernelBehindFirmware;
  std::array<std::uint64_t, 6> const dynamic{0x4942534F, 2, next, 1, 0, 0};
  auto const placed_dynamic =
      MUT_TRY(load_bytes(memory, placed_tree.end, 8,
                         {reinterpret_cast<std::uint8_t const*>(dynamic.data()), sizeof dynamic},
                         "the firmware's data"));
  for (auto const& unit : harts_) {
    Hart& hart = unit->hart();
    hart.pc = firmware->entry;
    hart.x[10] = hart.id;
    hart.x[11] = placed_tree.entry;
    hart.x[12] = placed_dynamic.entry;
    unit->set_state(HartState::started);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<InspectedMachine>> make_machine(MachineOptions options,
                                                       Machine::Console console,
                                                       world::World& world) {
  if (options.cpus == 0 || options.cpus > kCpusMax)
    return fail(Fault::invalid, fmt::format("a machine with {} processors", options.cpus),
                fmt::format("give 1 to {}", kCpusMax));
  if (options.disks.size() > kDisksMax)
    return fail(Fault::invalid, fmt::format("a machine with {} disks", options.disks.size()),
                fmt::format("give at most {}", kDisksMax));
  if (options.shares.size() > kSharesMax)
    return fail(Fault::invalid,
                fmt::format("a machine with {} shared folders", options.shares.size()),
                fmt::format("give at most {}", kSharesMax));
  for (Share const& share : options.shares)
    if (share.tag.empty() || share.tag.size() > VirtioSharedFolder::kTagMax)
      return fail(Fault::invalid, fmt::format("a shared folder with the tag '{}'", share.tag),
                  fmt::format("give a tag of 1 to {} characters", VirtioSharedFolder::kTagMax));
  auto memory = MUT_TRY(GuestMemory::create(kRam, options.memory_bytes));
  auto machine =
      std::make_unique<VirtMachine>(options, std::move(console), world, std::move(memory));
  MUT_TRY(machine->make_engines(options.engine));
  if (options.network) MUT_TRY(machine->connect(*options.network));
  MUT_TRY(machine->load(std::move(options)));
  return machine;
}

Result<std::unique_ptr<Machine>> Machine::create(MachineOptions options, Console console,
                                                 world::World& world) {
  if (options.engine == Engine::audit)
    return make_audited_machine(std::move(options), std::move(console), world);
  return MUT_TRY(make_machine(std::move(options), std::move(console), world));
}

}  // namespace mutirao::machine
