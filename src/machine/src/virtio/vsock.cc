#include "virtio/vsock.h"

#include <algorithm>
#include <array>

#include "vsock/packet.h"

namespace mutirao::machine {
namespace {

constexpr unsigned kVsockReceiveQueue = 0, kVsockTransmitQueue = 1, kVsockEventQueue = 2;
constexpr std::array<std::uint8_t, 4> kTransportReset{0, 0, 0, 0};  // the event's number, 32 bits

}  // namespace

std::uint8_t VirtioVsock::config(std::uint64_t offset) const {
  return offset < 8 ? static_cast<std::uint8_t>(vsock::kGuestCid >> 8 * offset) : 0;
}

void VirtioVsock::reset() {
  waiting_.reset();
  was_cut_off_ = false;
  while (link_.receive()) {
  }
}

void VirtioVsock::serve(unsigned queue, VirtQueue& buffers) {
  if (queue == kVsockReceiveQueue) receive(buffers);
  if (queue == kVsockTransmitQueue) transmit(buffers);
  if (queue == kVsockEventQueue && was_cut_off_) tell(buffers);
}

void VirtioVsock::tell(VirtQueue& buffers) {
  auto const chain = buffers.take();
  if (!chain) return;
  auto const written = chain->write(memory_, 0, kTransportReset);
  buffers.give_back(*chain, static_cast<std::uint32_t>(written));
  was_cut_off_ = false;
}

void VirtioVsock::receive(VirtQueue& buffers) {
  for (;;) {
    if (!waiting_) waiting_ = link_.receive();
    if (!waiting_) return;
    auto const chain = buffers.take();
    if (!chain) return;
    auto packet = vsock::parse_packet(waiting_->bytes);
    if (!packet || chain->writable_size() <= vsock::kHeaderBytes) return buffers.break_now();
    // One that is longer than the buffer goes in several.
    auto const whole = packet->payload;
    packet->payload = whole.first(
        std::min<std::uint64_t>(whole.size(), chain->writable_size() - vsock::kHeaderBytes));
    std::size_t const written = chain->write(memory_, 0, vsock::to_bytes(*packet));
    buffers.give_back(*chain, static_cast<std::uint32_t>(written));
    if (packet->payload.size() == whole.size()) {
      waiting_.reset();
      continue;
    }
    packet->payload = whole.subspan(packet->payload.size());
    waiting_ = nat::Frame{vsock::to_bytes(*packet)};
  }
}

void VirtioVsock::transmit(VirtQueue& buffers) {
  // See VirtioBlock::serve.
  for (unsigned count = 0; count < buffers.size && link_.may_send(); ++count) {
    auto const chain = buffers.take();
    if (!chain) return;
    std::uint64_t const size = chain->readable_size();
    if (size >= vsock::kHeaderBytes && size <= vsock::kHeaderBytes + vsock::kPayloadMax) {
      Bytes bytes(size);
      chain->read(memory_, 0, bytes);
      link_.send({std::move(bytes)});
    }
    buffers.give_back(*chain, 0);
  }
}

}  // namespace mutirao::machine
