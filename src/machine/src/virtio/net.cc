#include "virtio/net.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "nat/packet.h"

namespace mutirao::machine {
namespace {

constexpr unsigned kGuestQueue = 0;
// 5.1.3
constexpr std::uint64_t kChecksum = 1u << 0, kGuestChecksum = 1u << 1, kMac = 1u << 5,
                        kGuestTso4 = 1u << 7, kHostTso4 = 1u << 11, kMergesBuffers = 1u << 15,
                        kStatus = 1u << 16;
constexpr std::uint16_t kLinkUp = 1;

/// In front of each frame (5.1.6).
struct Header {
  std::uint8_t flags;
  std::uint8_t segmentation;
  std::uint16_t header_bytes;
  std::uint16_t segment_bytes;
  std::uint16_t checksum_begin;
  std::uint16_t checksum_offset;
  std::uint16_t buffers;
};
constexpr std::size_t kHeaderBytes = 12;
static_assert(sizeof(Header) == kHeaderBytes);
constexpr std::uint8_t kNeedsChecksum = 1, kTcp4 = 1;
constexpr std::uint16_t kTcpHeadersBytes =
    nat::kEthernetHeader + nat::kIpv4Header + nat::kTcpHeader;

}  // namespace

VirtioDevice::Kind VirtioNet::kind() const {
  return {.id = 1,
          .class_code = 0x020000,
          .queues = 2,
          .features = kChecksum | kGuestChecksum | kMac | kGuestTso4 | kHostTso4 | kMergesBuffers |
                      kStatus};
}

std::uint8_t VirtioNet::config(std::uint64_t offset) const {
  std::array<std::uint8_t, 8> fields{};
  std::ranges::copy(nat::kGuestMac, fields.begin());
  std::memcpy(fields.data() + 6, &kLinkUp, sizeof kLinkUp);
  return offset < fields.size() ? fields[offset] : 0;
}

void VirtioNet::accept(std::uint64_t features) {
  merges_buffers_ = (features & kMergesBuffers) != 0;
  bool const checksums = (features & kGuestChecksum) != 0;
  link_.set_abilities(
      {.checksums = checksums, .large_frames = checksums && (features & kGuestTso4) != 0});
}

void VirtioNet::reset() {
  merges_buffers_ = false;
  link_.set_abilities({});
  // What was made for the driver of before may be more than the next one takes.
  while (link_.receive()) {
  }
  waiting_.reset();
  taken_.clear();
  taken_bytes_ = 0;
}

std::uint16_t VirtioNet::held(unsigned queue) const {
  return queue == kGuestQueue ? static_cast<std::uint16_t>(taken_.size()) : 0;
}

void VirtioNet::serve(unsigned queue, VirtQueue& buffers) {
  if (queue == kGuestQueue)
    receive(buffers);
  else
    transmit(buffers);
}

void VirtioNet::receive(VirtQueue& buffers) {
  for (;;) {
    if (!waiting_) waiting_ = link_.receive();
    if (!waiting_ || !gather(buffers)) return;
    deliver(buffers);
    waiting_.reset();
    taken_.clear();
    taken_bytes_ = 0;
  }
}

bool VirtioNet::gather(VirtQueue& buffers) {
  std::size_t const needed = kHeaderBytes + waiting_->bytes.size();
  while (taken_bytes_ < needed) {
    if (!taken_.empty() && (!merges_buffers_ || taken_.size() >= buffers.size)) return true;
    auto chain = buffers.take();
    if (!chain) return false;
    // 5.1.6.3.1: room for the header at least; without it there is no end to gathering.
    if (chain->writable_size() < kHeaderBytes) {
      buffers.break_now();
      return false;
    }
    taken_bytes_ += chain->writable_size();
    taken_.push_back(*std::move(chain));
  }
  return true;
}

void VirtioNet::deliver(VirtQueue& buffers) {
  nat::Frame const& frame = *waiting_;
  std::size_t const needed = kHeaderBytes + frame.bytes.size();
  if (taken_bytes_ < needed) {
    // The guest can take no frame of that size: to it, this one is lost.
    for (auto const& chain : taken_) buffers.give_back(chain, 0);
    return;
  }
  Header header{};
  header.buffers = static_cast<std::uint16_t>(taken_.size());
  if (frame.missing_checksum) {
    header.flags = kNeedsChecksum;
    header.checksum_begin = frame.missing_checksum->begin;
    header.checksum_offset = frame.missing_checksum->offset;
  }
  if (frame.segment_bytes != 0) {
    header.segmentation = kTcp4;
    header.segment_bytes = frame.segment_bytes;
    header.header_bytes = kTcpHeadersBytes;
  }
  std::array<std::uint8_t, kHeaderBytes> encoded;
  std::memcpy(encoded.data(), &header, sizeof header);
  std::size_t written = taken_.front().write(memory_, 0, encoded);
  ByteView left{frame.bytes};
  for (auto const& chain : taken_) {
    std::size_t const piece = std::min<std::size_t>(left.size(), chain.writable_size() - written);
    written += chain.write(memory_, written, left.first(piece));
    left = left.subspan(piece);
    buffers.give_back(chain, static_cast<std::uint32_t>(written));
    written = 0;
  }
}

void VirtioNet::transmit(VirtQueue& buffers) {
  // A driver has no more under way than the queue has room for; see VirtioBlock::serve.
  for (unsigned count = 0; count < buffers.size && link_.may_send(); ++count) {
    auto const chain = buffers.take();
    if (!chain) return;
    std::uint64_t const size = chain->readable_size();
    if (size > kHeaderBytes && size <= kHeaderBytes + nat::kFrameBytesMax)
      link_.send(frame_of(*chain));
    buffers.give_back(*chain, 0);
  }
}

nat::Frame VirtioNet::frame_of(DescriptorChain const& chain) const {
  std::array<std::uint8_t, kHeaderBytes> encoded{};
  chain.read(memory_, 0, encoded);
  Header header;
  std::memcpy(&header, encoded.data(), sizeof header);
  nat::Frame frame{.bytes = Bytes(chain.readable_size() - kHeaderBytes)};
  chain.read(memory_, kHeaderBytes, frame.bytes);
  if ((header.flags & kNeedsChecksum) != 0)
    frame.missing_checksum = {header.checksum_begin, header.checksum_offset};
  return frame;
}

}  // namespace mutirao::machine
