#include "virtio/block.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kSegmentsFeature = 1u << 2, kReadOnlyFeature = 1u << 5,
                        kBlockSizeFeature = 1u << 6, kFlushFeature = 1u << 9;
enum RequestType : std::uint32_t { kIn = 0, kOut = 1, kFlush = 4, kGetId = 8 };
constexpr std::uint8_t kOk = 0, kIoError = 1, kUnsupported = 2;
constexpr std::size_t kRequestHeader = 16, kIdBytes = 20;
constexpr std::uint32_t kSegmentsMax = 126;

}  // namespace

VirtioDevice::Kind VirtioBlock::kind() const {
  return {.id = 2,
          .class_code = 0x018000,
          .queues = 1,
          .features = kSegmentsFeature | kBlockSizeFeature | kFlushFeature |
                      (source_.writable() ? 0 : kReadOnlyFeature)};
}

std::uint8_t VirtioBlock::config(std::uint64_t offset) const {
  // 5.2.4: capacity in sectors, then limits; what the features do not name is zero.
  std::array<std::uint8_t, 24> fields{};
  std::uint64_t const capacity = source_.size() / kSector;
  std::uint32_t const segments = kSegmentsMax, block = kSector;
  std::memcpy(fields.data(), &capacity, sizeof capacity);
  std::memcpy(fields.data() + 12, &segments, sizeof segments);
  std::memcpy(fields.data() + 20, &block, sizeof block);
  return offset < fields.size() ? fields[offset] : 0;
}

void VirtioBlock::give_back(VirtQueue& buffers, DescriptorChain const& chain, std::uint8_t status,
                            std::uint64_t written) {
  // The last byte that the device writes is the status.
  chain.write(memory_, chain.writable_size() - 1, {&status, 1});
  buffers.give_back(chain, static_cast<std::uint32_t>(written + 1));
}

/// Answers a request at once, or makes a job of it. False if there is not even room for an answer.
bool VirtioBlock::begin(DescriptorChain const& chain, VirtQueue& buffers) {
  std::array<std::uint8_t, kRequestHeader> header;
  if (chain.writable_size() == 0 || chain.read(memory_, 0, header) != header.size()) return false;
  std::uint32_t type;
  std::uint64_t sector;
  std::memcpy(&type, header.data(), sizeof type);
  std::memcpy(&sector, header.data() + 8, sizeof sector);
  std::uint64_t const room = chain.writable_size() - 1;
  std::uint64_t const given = chain.readable_size() - kRequestHeader;
  std::uint64_t const sectors = source_.size() / kSector;
  auto const within = [&](std::uint64_t bytes) {
    return bytes % kSector == 0 && sector <= sectors && bytes / kSector <= sectors - sector;
  };
  auto const submit = [&](Job::Kind kind, Bytes bytes) {
    submit_(Job{.kind = kind,
                .offset = sector * kSector,
                .bytes = std::move(bytes),
                .device = this,
                .generation = generation_,
                .chain = chain});
    return true;
  };
  switch (type) {
    case kIn:
      if (within(room)) return submit(Job::Kind::read, Bytes(room));
      break;
    case kOut: {
      if (!within(given) || !source_.writable()) break;
      Bytes bytes(given);
      if (chain.read(memory_, kRequestHeader, bytes) != given) break;
      return submit(Job::Kind::write, std::move(bytes));
    }
    case kFlush:
      return submit(Job::Kind::flush, {});
    case kGetId: {
      std::array<std::uint8_t, kIdBytes> id{};
      std::copy_n(serial_.begin(), std::min(serial_.size(), id.size()), id.begin());
      std::size_t const size = std::min<std::uint64_t>(room, id.size());
      chain.write(memory_, 0, {id.data(), size});
      give_back(buffers, chain, kOk, size);
      return true;
    }
    default:
      give_back(buffers, chain, kUnsupported, 0);
      return true;
  }
  give_back(buffers, chain, kIoError, 0);
  return true;
}

void VirtioBlock::serve(unsigned, VirtQueue& buffers) {
  // The new ones first: a source that answers at once has its answers given below.
  while (auto const chain = buffers.take())
    if (!begin(*chain, buffers)) return buffers.break_now();
  for (; !answered_.empty(); answered_.pop_front()) {
    Job const& job = answered_.front();
    std::size_t written = 0;
    if (job.kind == Job::Kind::read && !job.failed)
      written = job.chain.write(memory_, 0, job.bytes);
    give_back(buffers, job.chain, job.failed ? kIoError : kOk, written);
  }
}

void VirtioBlock::carry_out(Job& job, Deadline deadline) {
  auto const done = [&]() -> Result<void> {
    switch (job.kind) {
      case Job::Kind::read:
        return source_.read(job.offset, job.bytes, BlockPriority::guest, deadline);
      case Job::Kind::write:
        return source_.write(job.offset, job.bytes, deadline);
      case Job::Kind::flush:
        break;
    }
    return source_.flush(deadline);
  }();
  job.failed = !done;
  job.cancelled = !done && done.error().fault == Fault::cancelled;
}

void VirtioBlock::answer(Job job) {
  if (job.generation == generation_) answered_.push_back(std::move(job));
}

}  // namespace mutirao::machine
