// What a machine has of the outside: disks, shared folders, networks.
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/check.h"

#include "board/virt_machine.h"

namespace mutirao::machine {

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

void VirtMachine::tell_of_frames() {
  std::lock_guard const lock{outside_mutex_};
  frames_came_ = news_ = true;
  outside_came_.notify_all();
}

Result<void> VirtMachine::connect(MachineOptions const& options) {
  auto const news = [this] { tell_of_frames(); };
  if (options.network) {
    network_ = std::make_unique<NetworkSlot>(news, *memory_);
    pci_.add(kNetworkSlot, network_->function);
    network_->other_end = MUT_TRY(nat::Nat::create(*options.network, network_->link, world_));
  }
  if (!options.vsock.empty()) {
    vsock_ = std::make_unique<VsockSlot>(news, *memory_);
    pci_.add(kVsockSlot, vsock_->function);
    vsock_->other_end = MUT_TRY(vsock::Ports::create(options.vsock, vsock_->link, world_));
  }
  return {};
}

/// Lets devices look at their links; false if there is no news.
bool VirtMachine::take_frames() {
  {
    std::lock_guard const lock{outside_mutex_};
    if (!std::exchange(frames_came_, false)) return false;
  }
  if (network_) network_->function.poll();
  if (vsock_) vsock_->function.poll();
  return true;
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

}  // namespace mutirao::machine
