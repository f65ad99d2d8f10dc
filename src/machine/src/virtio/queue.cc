#include "virtio/queue.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>

namespace mutirao::machine {
namespace {

constexpr std::uint16_t kNext = 1, kWritable = 2, kIndirect = 4;
constexpr std::uint16_t kNoInterruptWanted = 1;
constexpr std::uint32_t kDescriptorSize = 16;
constexpr std::uint32_t kChainMax = 1024;  // buffers of one chain

/// Calls `copy(address, at, size)` for each piece of the buffers from `offset` on.
template <class Copy>
std::size_t for_pieces(std::vector<DescriptorChain::Buffer> const& buffers, std::uint64_t offset,
                       std::size_t size, Copy copy) {
  std::size_t done = 0;
  for (auto const& buffer : buffers) {
    if (done == size) break;
    if (offset >= buffer.size) {
      offset -= buffer.size;
      continue;
    }
    std::size_t const piece = std::min<std::size_t>(size - done, buffer.size - offset);
    if (!copy(buffer.address + offset, done, piece)) break;
    done += piece;
    offset = 0;
  }
  return done;
}

}  // namespace

std::size_t DescriptorChain::read(GuestMemory const& memory, std::uint64_t offset,
                                  MutableBytes out) const {
  return for_pieces(readable, offset, out.size(),
                    [&](GuestAddress address, std::size_t at, std::size_t size) {
                      return memory.read(address, out.subspan(at, size));
                    });
}

std::size_t DescriptorChain::write(GuestMemory& memory, std::uint64_t offset,
                                   ByteView bytes) const {
  return for_pieces(writable, offset, bytes.size(),
                    [&](GuestAddress address, std::size_t at, std::size_t size) {
                      return memory.write(address, bytes.subspan(at, size));
                    });
}

void VirtQueue::reset() {
  auto const most = chain_bytes_max;
  *this = VirtQueue{*memory_};
  chain_bytes_max = most;
}

void VirtQueue::save(StateWriter& to, std::uint16_t held) const {
  for (auto const address : {descriptors, driver_area, device_area}) to.put(address);
  auto const taken = static_cast<std::uint16_t>(taken_ - held);
  for (auto const number : {size, taken, given_, told_}) to.put(number);
  for (bool const flag : {enabled, event_index, broken_}) to.put(flag);
}

bool VirtQueue::restore(StateReader& from) {
  return from.get(descriptors) && from.get(driver_area) && from.get(device_area) &&
         from.get(size) && from.get(taken_) && from.get(given_) && from.get(told_) &&
         from.get(enabled) && from.get(event_index) && from.get(broken_);
}

std::optional<DescriptorChain> VirtQueue::break_off() {
  broken_ = true;
  return std::nullopt;
}

std::optional<VirtQueue::Descriptor> VirtQueue::descriptor(GuestAddress table,
                                                           std::uint32_t entries,
                                                           std::uint16_t index) const {
  if (index >= entries) return std::nullopt;
  GuestAddress const at = table + std::uint64_t{index} * kDescriptorSize;
  auto const address = memory_->load<std::uint64_t>(at);
  auto const rest = memory_->load<std::uint64_t>(at + 8);
  if (!address || !rest) return std::nullopt;
  return Descriptor{*address, static_cast<std::uint32_t>(*rest),
                    static_cast<std::uint16_t>(*rest >> 32),
                    static_cast<std::uint16_t>(*rest >> 48)};
}

bool VirtQueue::append(DescriptorChain& chain, Descriptor const& part) const {
  bool const writable = (part.flags & kWritable) != 0;
  // What is read comes before what is written (2.7.4.2).
  if (!writable && !chain.writable.empty()) return false;
  if (part.size == 0) return true;
  if (!memory_->contains(part.address, part.size)) return false;
  (writable ? chain.writable : chain.readable).push_back({part.address, part.size});
  return chain.readable_size() + chain.writable_size() <= chain_bytes_max &&
         chain.readable.size() + chain.writable.size() <= kChainMax;
}

std::optional<std::uint16_t> VirtQueue::available() const {
  return memory_->load<std::uint16_t>(driver_area + 2);
}

bool VirtQueue::waiting() const {
  if (!enabled || broken_) return false;
  auto const index = available();
  return !index || *index != taken_;
}

std::optional<DescriptorChain> VirtQueue::take() {
  if (!enabled || broken_) return std::nullopt;
  if (!std::has_single_bit(size) || size > kSizeMax) return break_off();
  auto index = available();
  if (!index) return break_off();
  if (*index == taken_) {
    if (!event_index) return std::nullopt;
    if (!memory_->store<std::uint16_t>(device_area + 4 + std::uint64_t{size} * 8, taken_))
      return break_off();
    // What came before the driver could see that is not announced.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    index = available();
    if (!index) return break_off();
    if (*index == taken_) return std::nullopt;
  }
  if (static_cast<std::uint16_t>(*index - taken_) > size) return break_off();
  // What the index announced was written before it.
  std::atomic_thread_fence(std::memory_order_acquire);
  auto const head =
      memory_->load<std::uint16_t>(driver_area + 4 + std::uint64_t{taken_} % size * 2);
  if (!head) return break_off();

  DescriptorChain chain;
  chain.head = *head;
  GuestAddress table = descriptors;
  std::uint32_t entries = size;
  std::uint16_t next = *head;
  bool indirect = false;
  for (std::uint32_t seen = 0;; ++seen) {
    // A chain that visits more than there are goes in a circle.
    if (seen > entries) return break_off();
    auto const part = descriptor(table, entries, next);
    if (!part) return break_off();
    if ((part->flags & kIndirect) != 0) {
      bool const sensible = !indirect && (part->flags & kNext) == 0 && part->size != 0 &&
                            part->size % kDescriptorSize == 0 &&
                            part->size / kDescriptorSize <= kChainMax &&
                            memory_->contains(part->address, part->size);
      if (!sensible) return break_off();
      indirect = true;
      table = part->address;
      entries = part->size / kDescriptorSize;
      next = 0;
      seen = 0;
      continue;
    }
    if (!append(chain, *part)) return break_off();
    if ((part->flags & kNext) == 0) break;
    next = part->next;
  }
  ++taken_;
  return chain;
}

void VirtQueue::give_back(DescriptorChain const& chain, std::uint32_t written) {
  GuestAddress const element = device_area + 4 + std::uint64_t{given_} % size * 8;
  bool const stored = memory_->store<std::uint32_t>(element, chain.head) &&
                      memory_->store<std::uint32_t>(element + 4, written);
  std::atomic_thread_fence(std::memory_order_release);
  ++given_;
  if (!stored || !memory_->store<std::uint16_t>(device_area + 2, given_)) broken_ = true;
}

bool VirtQueue::take_interrupt() {
  if (broken_ || given_ == told_) return false;
  std::uint16_t const since = std::exchange(told_, given_);
  // The driver looks at the used ring after it said what it wants.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (event_index) {
    auto const event = memory_->load<std::uint16_t>(driver_area + 4 + std::uint64_t{size} * 2);
    if (!event) {
      broken_ = true;
      return false;
    }
    // Whether the index passed it (2.7.7.2), modulo 2^16.
    return static_cast<std::uint16_t>(given_ - *event - 1) <
           static_cast<std::uint16_t>(given_ - since);
  }
  auto const flags = memory_->load<std::uint16_t>(driver_area);
  return flags && (*flags & kNoInterruptWanted) == 0;
}

}  // namespace mutirao::machine
