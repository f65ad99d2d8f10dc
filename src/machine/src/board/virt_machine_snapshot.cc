#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/threads/this_thread.h"

#include "board/virt_machine.h"
#include "snapshot/hart_state.h"
#include "snapshot/snapshot_file.h"

namespace mutirao::machine {

namespace {
using namespace board;

constexpr std::string_view kMachineSection = "machine";

Result<MachineState> take_machine_state(std::vector<StateSection>& sections,
                                        SnapshotLayout const& layout) {
  MachineState state;
  MUT_TRY(restore_section(sections, kMachineSection, state));
  constexpr std::uint64_t kTicksMax = std::uint64_t{1} << 50;
  if (state.cpus == 0 || state.cpus > kCpusMax || state.ticks > kTicksMax ||
      state.memory_bytes != layout.memory_bytes)
    return fail(Fault::corrupt, "the snapshot is of a machine that cannot be");
  return state;
}

/// Whether what is given for a restored machine is what it had.
Result<void> check_outside(MachineState const& state, RestoreOptions const& options) {
  auto const differs = [](std::string what, std::string mend) {
    return fail(Fault::invalid, std::move(what), std::move(mend));
  };
  if (options.disks.size() != state.disks.size())
    return differs(
        fmt::format("{} disks for a snapshot with {}", options.disks.size(), state.disks.size()),
        "give the disks that the machine had");
  if (options.network.has_value() != state.network)
    return differs(state.network ? "the machine had a network card" : "the machine had no network",
                   state.network ? "give it a network, perhaps one that reaches nothing"
                                 : "restore it without one");
  if (options.vsock.empty() == state.vsock)
    return differs(
        state.vsock ? "the machine had virtio sockets" : "the machine had no virtio sockets",
        state.vsock ? "say where they are" : "restore it without them");
  if (!std::ranges::equal(options.shares, state.share_tags, {}, &Share::tag))
    return differs(
        fmt::format("the machine had these shared folders: {}", fmt::join(state.share_tags, ", ")),
        "give a folder for each of these tags, in this order");
  return {};
}
}  // namespace

/// Calls `each` with every part that has a section of its own, and its name; until it fails.
Result<void> VirtMachine::for_each_part(auto const& each) {
  for (auto const& hart : harts_) {
    SavedHart saved{hart->hart()};
    MUT_TRY(each(fmt::format("hart-{}", hart->number()), saved));
  }
  MUT_TRY(each(std::string{"plic"}, plic_));
  MUT_TRY(each(std::string{"clint"}, clint_));
  MUT_TRY(each(std::string{"uart"}, uart_));
  MUT_TRY(each(std::string{"rtc"}, rtc_));
  for (unsigned slot = 0; slot < PciHost::kSlots; ++slot)
    if (auto* const function = pci_.functions()[slot])
      MUT_TRY(each(fmt::format("pci-{}-{}", slot, function->what()), *function));
  if (network_) MUT_TRY(each(std::string{"nat"}, *network_->other_end));
  return {};
}

/// What is under way is done, and what that lets begin, until the guest has all its answers.
void VirtMachine::settle_requests() {
  auto const more = [this] {
    std::lock_guard const lock{outside_mutex_};
    return !wanted_.empty() || !answers_.empty() || !share_answers_.empty() || !postponed_.empty();
  };
  while (more()) {
    threads::scope block_threads;
    block_threads_ = &block_threads;
    for (VirtioBlock::Job& job : std::exchange(postponed_, {})) submit(std::move(job));
    take_answers();
    submit_jobs();
    static_cast<void>(block_threads.join());
    block_threads_ = nullptr;
    if (threads::stop_requested()) return;
  }
}

Result<MachineState> VirtMachine::state_of_all() {
  MachineState state;
  state.memory_bytes = memory_->size();
  state.cpus = static_cast<unsigned>(harts_.size());
  state.console = console_device_;
  state.timebase = timebase_;
  state.firmware_inside = firmware_inside_;
  state.ticks = time();
  state.ticks_idle = ticks_idle_;
  state.random_state = random_state_;
  {
    std::lock_guard const lock{outside_mutex_};
    state.typed.assign(typed_.begin(), typed_.end());
  }
  for (auto const& hart : harts_)
    if (hart->state() == HartState::started) state.started |= 1u << hart->number();
  Deadline const patience = Deadline::at(world_.clock().now() + kBlockPatience);
  for (DiskSlot& disk : disks_)
    state.disks.push_back(MUT_TRY(look_at_disk(*disk.source, patience)));
  state.network = network_ != nullptr;
  state.vsock = vsock_ != nullptr;
  for (ShareSlot const& share : shares_) state.share_tags.push_back(share.device->tag());
  return state;
}

Result<void> VirtMachine::save(SnapshotSink const& sink) {
  if (exit_)
    return fail(Fault::refused, "the machine has ended, and there is nothing to save",
                "save one that runs");
  settle_requests();
  Deadline const patience = Deadline::at(world_.clock().now() + kBlockPatience);
  for (DiskSlot& disk : disks_)
    if (disk.source->writable()) MUT_TRY(disk.source->flush(patience));
  Bytes bytes;
  auto const state = MUT_TRY(state_of_all());
  MUT_TRY(append_section(bytes, kMachineSection, state));
  MUT_TRY(for_each_part([&](std::string const& part_name, Saved const& part) {
    return append_section(bytes, part_name, part);
  }));
  return write_snapshot(sink, *memory_, bytes);
}

Result<void> Machine::save(world::Directory& folder, std::string_view name) {
  auto const writer = MUT_TRY(SnapshotWriter::create(folder, std::string{name}));
  MUT_TRY(save([&](std::uint64_t at, ByteView bytes) { return writer->write(at, bytes); }));
  return writer->finish("");
}

Result<void> VirtMachine::restore(MachineState const& state, std::vector<StateSection> sections) {
  Deadline const patience = Deadline::at(world_.clock().now() + kBlockPatience);
  for (std::size_t i = 0; i < disks_.size(); ++i)
    if (MUT_TRY(look_at_disk(*disks_[i].source, patience)) != state.disks[i])
      return fail(
          Fault::invalid,
          fmt::format("disk {} is not the one that was there when the snapshot was made", i),
          "give the same image, with the overlay as it was then");
  MUT_TRY(for_each_part([&](std::string const& part_name, Saved& part) {
    return restore_section(sections, part_name, part);
  }));
  if (!sections.empty())
    return fail(Fault::unsupported,
                fmt::format("the snapshot has {}, which this machine has not", sections[0].name),
                "use the release that made it");
  for (auto const& hart : harts_) {
    bool const started = (state.started >> hart->number() & 1) != 0;
    hart->set_state(started ? HartState::started : HartState::stopped);
    hart->engine->core().mmu.rules_changed();
    hart->show_steps();
  }
  random_state_ = state.random_state;
  ticks_idle_ = state.ticks_idle;
  power_on_ = world_.clock().now() - Duration{static_cast<Duration::rep>(state.ticks * kTickNs)};
  typed_.assign(state.typed.begin(), state.typed.end());
  tell_of_frames();  // devices with links look at what their drivers left and what is to be told
  return {};
}

Result<std::unique_ptr<Machine>> Machine::restore(std::unique_ptr<world::File> file,
                                                  RestoreOptions options, Console console,
                                                  world::World& world) {
  if (options.engine == Engine::audit)
    return fail(Fault::unsupported, "an audit begins when a machine is switched on",
                "restore it under one engine");
  auto const snapshot = MUT_TRY(open_snapshot(std::move(file)));
  auto sections = MUT_TRY(read_sections(snapshot.state));
  auto const state = MUT_TRY(take_machine_state(sections, snapshot.layout));
  MUT_TRY(check_outside(state, options));
  MachineOptions made{.memory_bytes = state.memory_bytes,
                      .cpus = state.cpus,
                      .disks = std::move(options.disks),
                      .network = std::move(options.network),
                      .shares = std::move(options.shares),
                      .vsock = std::move(options.vsock),
                      .engine = options.engine,
                      .console = state.console,
                      .timebase = state.timebase};
  if (!state.firmware_inside) made.firmware.resize(1);  // it is in memory already
  auto memory = MUT_TRY(GuestMemory::create(kRam, state.memory_bytes));
  MUT_TRY(snapshot.fill(*memory, options.check_memory));
  auto machine = std::make_unique<VirtMachine>(made, std::move(console), world, std::move(memory));
  MUT_TRY(machine->make_engines(made.engine));
  MUT_TRY(machine->connect(made));
  MUT_TRY(machine->restore(state, std::move(sections)));
  return machine;
}

}  // namespace mutirao::machine
