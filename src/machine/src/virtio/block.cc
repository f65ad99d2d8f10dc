#include "virtio/block.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kSegmentsFeature = 1u << 2, kReadOnlyFeature = 1u << 5,
                        kBlockSizeFeature = 1u << 6, kFlushFeature = 1u << 9,
                        kDiscardFeature = 1u << 13, kZeroesFeature = 1u << 14;
enum RequestType : std::uint32_t {
  kIn = 0,
  kOut = 1,
  kFlush = 4,
  kGetId = 8,
  kDiscard = 11,
  kWriteZeroes = 13,
};
constexpr std::uint8_t kOk = 0, kIoError = 1, kUnsupported = 2;
constexpr std::size_t kRequestHeader = 16, kIdBytes = 20;
constexpr std::uint32_t kSegmentsMax = 126;
// Of requests that name extents. Zeros are written, so that a request of them must end.
constexpr std::size_t kExtentBytes = 16;
constexpr std::uint32_t kExtentsMax = 16, kDiscardSectorsMax = 1u << 22, kZeroSectorsMax = 1u << 15;
constexpr std::uint32_t kUnmap = 1;

}  // namespace

VirtioDevice::Kind VirtioBlock::kind() const {
  return {.id = 2,
          .class_code = 0x018000,
          .queues = 1,
          .features = kSegmentsFeature | kBlockSizeFeature | kFlushFeature |
                      (source_.writable() ? kDiscardFeature | kZeroesFeature : kReadOnlyFeature)};
}

std::uint8_t VirtioBlock::config(std::uint64_t offset) const {
  // 5.2.4: what the features do not name is zero.
  std::array<std::uint8_t, 60> fields{};
  auto const put = [&](std::size_t at, auto value) {
    std::memcpy(fields.data() + at, &value, sizeof value);
  };
  put(0, source_.size() / kSector);
  put(12, kSegmentsMax);
  put(20, static_cast<std::uint32_t>(kSector));
  if (source_.writable()) {
    put(36, kDiscardSectorsMax);
    put(40, kExtentsMax);
    put(44, std::uint32_t{1});  // alignment of what is discarded, in sectors
    put(48, kZeroSectorsMax);
    put(52, kExtentsMax);
  }
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
  auto const submitted = [&](Job::Kind kind, Bytes bytes) {
    submit(Job{.kind = kind,
               .offset = sector * kSector,
               .bytes = std::move(bytes),
               .device = this,
               .generation = generation_,
               .chain = chain});
    return true;
  };
  switch (type) {
    case kIn:
      if (within(room)) return submitted(Job::Kind::read, Bytes(room));
      break;
    case kOut: {
      if (!within(given) || !source_.writable()) break;
      Bytes bytes(given);
      if (chain.read(memory_, kRequestHeader, bytes) != given) break;
      return submitted(Job::Kind::write, std::move(bytes));
    }
    case kFlush:
      return submitted(Job::Kind::flush, {});
    case kGetId: {
      std::array<std::uint8_t, kIdBytes> id{};
      std::copy_n(serial_.begin(), std::min(serial_.size(), id.size()), id.begin());
      std::size_t const size = std::min<std::uint64_t>(room, id.size());
      chain.write(memory_, 0, {id.data(), size});
      give_back(buffers, chain, kOk, size);
      return true;
    }
    case kDiscard:
    case kWriteZeroes: {
      auto const status =
          begin_extents(chain, type == kDiscard ? Job::Kind::discard : Job::Kind::write_zeroes);
      if (status != kOk) give_back(buffers, chain, status, 0);
      return true;
    }
    default:
      give_back(buffers, chain, kUnsupported, 0);
      return true;
  }
  give_back(buffers, chain, kIoError, 0);
  return true;
}

std::uint8_t VirtioBlock::begin_extents(DescriptorChain const& chain, Job::Kind kind) {
  bool const discards = kind == Job::Kind::discard;
  if (!source_.writable()) return kIoError;
  std::uint64_t const given = chain.readable_size() - kRequestHeader;
  std::uint64_t const count = given / kExtentBytes;
  if (given % kExtentBytes != 0 || count == 0 || count > kExtentsMax) return kIoError;
  std::vector<Job::Extent> extents;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::array<std::uint8_t, kExtentBytes> bytes;
    if (chain.read(memory_, kRequestHeader + i * kExtentBytes, bytes) != bytes.size())
      return kIoError;
    std::uint64_t sector;
    std::uint32_t size, flags;
    std::memcpy(&sector, bytes.data(), sizeof sector);
    std::memcpy(&size, bytes.data() + 8, sizeof size);
    std::memcpy(&flags, bytes.data() + 12, sizeof flags);
    // 5.2.6.2: flags that are not known, or that a discard does not have.
    if ((flags & ~kUnmap) != 0 || (discards && flags != 0)) return kUnsupported;
    std::uint64_t const sectors = source_.size() / kSector;
    if (size > (discards ? kDiscardSectorsMax : kZeroSectorsMax) || sector > sectors ||
        size > sectors - sector)
      return kIoError;
    extents.push_back({sector * kSector, size * kSector});
  }
  submit(Job{.kind = kind,
             .extents = std::move(extents),
             .device = this,
             .generation = generation_,
             .chain = chain});
  return kOk;
}

void VirtioBlock::submit(Job job) {
  held_bytes_ += job.bytes.size();
  submit_(std::move(job));
}

void VirtioBlock::reset() {
  ++generation_;
  for (Job const& job : answered_) held_bytes_ -= job.bytes.size();
  answered_.clear();
}

Result<void> VirtioBlock::save(StateWriter&) const {
  if (held_bytes_ == 0 && answered_.empty()) return {};
  return fail(Fault::refused, "requests of the guest are under way", "let the machine run on");
}

void VirtioBlock::serve(unsigned, VirtQueue& buffers) {
  // A driver has no more under way than the queue has room for. One that lets answers be written
  // over its own ring would go on for ever.
  for (unsigned begun = 0;;) {
    while (begun < buffers.size && held_bytes_ < kHeldBytesMax) {
      auto const chain = buffers.take();
      if (!chain) break;
      ++begun;
      if (!begin(*chain, buffers)) return buffers.break_now();
    }
    if (answered_.empty()) return;
    for (; !answered_.empty(); answered_.pop_front()) {
      Job const& job = answered_.front();
      std::size_t written = 0;
      if (job.kind == Job::Kind::read && !job.failed)
        written = job.chain.write(memory_, 0, job.bytes);
      give_back(buffers, job.chain, job.failed ? kIoError : kOk, written);
      held_bytes_ -= job.bytes.size();
    }
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
        return source_.flush(deadline);
      case Job::Kind::discard:
        for (auto const& [offset, size] : job.extents)
          MUT_TRY(source_.discard(offset, size, deadline));
        return {};
      case Job::Kind::write_zeroes:
        for (auto const& [offset, size] : job.extents)
          MUT_TRY(source_.write_zeroes(offset, size, deadline));
        return {};
    }
    return {};
  }();
  job.failed = !done;
  job.cancelled = !done && done.error().fault == Fault::cancelled;
}

void VirtioBlock::answer(Job job) {
  if (job.generation == generation_)
    answered_.push_back(std::move(job));
  else
    held_bytes_ -= job.bytes.size();
}

}  // namespace mutirao::machine
