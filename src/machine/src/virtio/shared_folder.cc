#include "virtio/shared_folder.h"

#include <algorithm>
#include <utility>

namespace mutirao::machine {
namespace {

// What a job holds beside its bytes, generously.
constexpr std::uint64_t kJobBytes = 4096;
constexpr std::size_t kAnswerMax = FuseServer::kTransferMax + 4096;

}  // namespace

VirtioSharedFolder::VirtioSharedFolder(std::shared_ptr<world::TreeNode> folder,
                                       FuseServer::Options options, std::string tag,
                                       std::function<void(Job)> submit, GuestMemory& memory)
    : folder_{std::move(folder)},
      options_{options},
      tag_{std::move(tag)},
      submit_{std::move(submit)},
      memory_{memory},
      server_{std::make_shared<FuseServer>(folder_, options_)} {}

VirtioDevice::Kind VirtioSharedFolder::kind() const {
  return {.id = 26, .class_code = 0x018000, .queues = kQueues};
}

std::uint8_t VirtioSharedFolder::config(std::uint64_t offset) const {
  // The tag, padded with zeros, and how many queues there are for requests (5.11.4).
  if (offset < kTagMax) return offset < tag_.size() ? static_cast<std::uint8_t>(tag_[offset]) : 0;
  return offset == kTagMax ? kQueues - 1 : 0;
}

void VirtioSharedFolder::begin(unsigned queue, DescriptorChain chain) {
  Bytes request(chain.readable_size());
  request.resize(chain.read(memory_, 0, request));
  std::size_t const room = std::min<std::uint64_t>(chain.writable_size(), kAnswerMax);
  std::uint64_t const held = request.size() + room + kJobBytes;
  held_bytes_ += held;
  submit_(Job{.request = std::move(request),
              .room = room,
              .server = server_,
              .device = this,
              .queue = queue,
              .held_bytes = held,
              .chain = std::move(chain)});
}

void VirtioSharedFolder::serve(unsigned queue, VirtQueue& buffers) {
  // A driver has no more under way than the queue has room for. One that lets answers be written
  // over its own ring would go on for ever.
  for (unsigned begun = 0;;) {
    while (begun < buffers.size && held_bytes_ < kHeldBytesMax) {
      auto chain = buffers.take();
      if (!chain) break;
      ++begun;
      begin(queue, std::move(*chain));
    }
    if (answered_[queue].empty()) return;
    for (Job const& job : std::exchange(answered_[queue], {})) {
      auto const written = job.chain.write(memory_, 0, job.answer);
      buffers.give_back(job.chain, static_cast<std::uint32_t>(written));
      held_bytes_ -= job.held_bytes;
    }
  }
}

void VirtioSharedFolder::reset() {
  server_ = std::make_shared<FuseServer>(folder_, options_);
  for (auto& jobs : answered_) {
    for (Job const& job : jobs) held_bytes_ -= job.held_bytes;
    jobs.clear();
  }
}

Result<void> VirtioSharedFolder::save(StateWriter& to) const {
  if (held_bytes_ != 0)
    return fail(Fault::refused, "requests of the guest are under way", "let the machine run on");
  server_->save(to);
  return {};
}

bool VirtioSharedFolder::restore(StateReader& from) {
  server_ = std::make_shared<FuseServer>(folder_, options_);
  return server_->restore(from);
}

void VirtioSharedFolder::answer(Job job) {
  if (job.server == server_)
    answered_[job.queue].push_back(std::move(job));
  else
    held_bytes_ -= job.held_bytes;
}

}  // namespace mutirao::machine
