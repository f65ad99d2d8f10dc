#include "nat/tcp_endpoint.h"

#include <algorithm>
#include <utility>

namespace mutirao::machine::nat {
namespace {

using Flags = TcpSegment;

// 256 KiB in units of 16 bytes: fits, and loses little by rounding.
constexpr std::uint8_t kOurScale = 4, kScaleMax = 14;
constexpr std::uint32_t kPlainWindowMax = 0xFFFF;
constexpr unsigned kSameAcknowledgementsMax = 3;  // RFC 5681 3.2
constexpr std::uint16_t kSegmentBytesMin = 64;

/// Whether `a` comes before `b`, in numbers that wrap (RFC 9293 3.4).
bool before(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b) < 0;
}

}  // namespace

TcpEndpoint TcpEndpoint::opened_by_guest(TcpSegment const& syn, std::uint32_t initial) {
  TcpEndpoint endpoint{initial};
  endpoint.guest_opens_ = true;
  endpoint.take_options(syn);
  return endpoint;
}

TcpEndpoint TcpEndpoint::opened_by_host(std::uint32_t initial) {
  TcpEndpoint endpoint{initial};
  endpoint.state_ = State::opening;
  return endpoint;
}

void TcpEndpoint::take_options(TcpSegment const& syn) {
  if (syn.segment_bytes_max)
    segment_bytes_ = std::clamp(*syn.segment_bytes_max, kSegmentBytesMin, kSegmentBytesMax);
  if (syn.window_scale) {
    guest_scale_ = std::min(*syn.window_scale, kScaleMax);
    our_scale_ = kOurScale;
  }
  expected_ = announced_ = syn.sequence + 1;
  window_ = syn.window;  // not scaled in a SYN (RFC 7323 2.2)
}

void TcpEndpoint::host_connected() {
  if (state_ == State::waits_for_host) state_ = State::opening;
}

void TcpEndpoint::finish_to_guest() { host_finished_ = true; }

void TcpEndpoint::abort() {
  if (state_ == State::dead) return;
  // A guest that never heard of it need not hear of its end.
  reset_ = guest_opens_ || syn_sent_;
  state_ = State::dead;
}

bool TcpEndpoint::acceptable(TcpSegment const& segment) const {
  // RFC 9293 3.10.7.4, first step, with room for what is sent to ask whether we are there.
  auto const room = static_cast<std::uint32_t>(to_host.free());
  auto const end = segment.sequence + segment.length();
  return !before(expected_ + room, segment.sequence) && !before(end, expected_ - 1);
}

void TcpEndpoint::receive(TcpSegment const& segment) {
  if (state_ == State::dead) return;
  if (state_ == State::waits_for_host) {
    // The guest gave up.
    if (segment.has(Flags::kReset) && segment.sequence == expected_) state_ = State::dead;
    return;
  }
  if (state_ == State::opening && !guest_opens_) return take_handshake(segment);
  if (segment.has(Flags::kReset)) {
    // Only what is exactly next is believed; anything else is asked about (RFC 5961 3.2).
    if (segment.sequence == expected_)
      state_ = State::dead;
    else if (acceptable(segment))
      acknowledge_ = true;
    return;
  }
  if (segment.has(Flags::kSyn)) {
    // Of the guest that has not heard our answer, or of one that forgot the connection and that our
    // answer makes say so (RFC 5961 4.2).
    if (state_ == State::opening)
      send_again();
    else
      acknowledge_ = true;
    return;
  }
  if (!acceptable(segment)) {
    acknowledge_ = true;
    return;
  }
  if (!segment.has(Flags::kAck)) return;
  if (before(next_max_, segment.acknowledged)) {
    acknowledge_ = true;  // of what was never sent
    return;
  }
  take_acknowledgement(segment);
  if (state_ == State::open) take_payload(segment);
}

/// The guest's answer to our SYN.
void TcpEndpoint::take_handshake(TcpSegment const& segment) {
  bool const answers = segment.has(Flags::kAck) && syn_sent_ && segment.acknowledged == next_max_;
  if (segment.has(Flags::kReset)) {
    if (answers) state_ = State::dead;
    return;
  }
  if (!answers || !segment.has(Flags::kSyn)) return;
  take_options(segment);
  acknowledged_ = next_ = next_max_;
  state_ = State::open;
  acknowledge_ = true;
  patience_ends_.reset();
}

void TcpEndpoint::take_acknowledgement(TcpSegment const& segment) {
  auto const acknowledged = segment.acknowledged;
  if (before(acknowledged, acknowledged_)) return;
  auto const window = std::uint32_t{segment.window} << guest_scale_;
  tries_ = 0;
  if (acknowledged == acknowledged_) {
    bool const repeats = window == window_ && segment.length() == 0 && next_ != acknowledged_;
    same_acknowledgements_ = repeats ? same_acknowledgements_ + 1 : 0;
    window_ = window;
    if (same_acknowledgements_ == kSameAcknowledgementsMax) send_again();
    return;
  }
  same_acknowledgements_ = 0;
  window_ = window;
  patience_ends_.reset();
  std::uint32_t count = acknowledged - acknowledged_;
  if (state_ == State::opening) {
    state_ = State::open;
    --count;  // the SYN
  }
  if (count > to_guest.size()) {
    fin_acknowledged_ = true;
    fin_sent_ = true;  // also when it is being sent again
    count = static_cast<std::uint32_t>(to_guest.size());
  }
  to_guest.drop(count);
  acknowledged_ = acknowledged;
  if (before(next_, acknowledged_)) next_ = acknowledged_;
  if (fin_acknowledged_) fin_sent_ = false;  // nothing of it is in flight
}

void TcpEndpoint::take_payload(TcpSegment const& segment) {
  if (segment.length() == 0) {
    // Only a question whether we are there has an old number (RFC 9293 3.8.4).
    if (segment.sequence != expected_) acknowledge_ = true;
    return;
  }
  acknowledge_ = true;
  if (guest_finished_ || before(expected_, segment.sequence)) return;
  std::uint32_t const known = expected_ - segment.sequence;
  if (known > segment.payload.size()) return;
  auto const fresh = segment.payload.subspan(known);
  std::size_t const taken = to_host.append(fresh);
  expected_ += static_cast<std::uint32_t>(taken);
  if (segment.has(Flags::kFin) && taken == fresh.size()) {
    ++expected_;
    guest_finished_ = true;
  }
}

void TcpEndpoint::send_again() {
  next_ = acknowledged_;
  fin_sent_ = false;
  if (state_ == State::opening) syn_sent_ = false;
}

void TcpEndpoint::tick(TimePoint now, bool guest_has_all) {
  bool const in_flight = next_ != acknowledged_;
  bool const shut = state_ == State::open && window_ == 0 && unsent() != 0;
  bool const owes = (state_ == State::open || state_ == State::opening) && (in_flight || shut);
  if (!owes) {
    patience_ends_.reset();
    tries_ = 0;
    return;
  }
  auto const patience = kPatience * (1u << std::min(tries_, 5u));
  if (!patience_ends_ || !guest_has_all) {
    patience_ends_ = now + patience;
    return;
  }
  if (now < *patience_ends_) return;
  patience_ends_.reset();
  if (++tries_ > kTriesMax) return abort();
  if (in_flight)
    send_again();
  else
    probe_ = true;
}

std::uint32_t TcpEndpoint::window_max() const noexcept { return kPlainWindowMax << our_scale_; }

std::uint32_t TcpEndpoint::window() const noexcept {
  auto const room = static_cast<std::uint32_t>(to_host.free());
  return std::min(room, window_max()) >> our_scale_ << our_scale_;
}

bool TcpEndpoint::window_grew() const noexcept {
  if (guest_finished_) return false;
  auto const most = std::min<std::uint32_t>(kBufferBytes, window_max());
  auto const left = announced_ - expected_;
  return left <= most / 2 && window() - left >= most / 4;
}

TcpEndpoint::Outgoing TcpEndpoint::outgoing(std::uint8_t flags, Pieces payload) {
  acknowledge_ = false;
  bool const syn = (flags & Flags::kSyn) != 0;
  auto const announced = syn ? std::min(window(), kPlainWindowMax) : window();
  announced_ = expected_ + announced;
  Outgoing out{
      .segment = {.source_port = 0,
                  .destination_port = 0,
                  .sequence = next_,
                  .acknowledged = (flags & Flags::kAck) != 0 ? expected_ : 0,
                  .flags = flags,
                  .window = static_cast<std::uint16_t>(announced >> (syn ? 0 : our_scale_))},
      .payload = payload};
  if (syn) {
    out.segment.segment_bytes_max = kSegmentBytesMax;
    if (!guest_opens_ || our_scale_ != 0) out.segment.window_scale = kOurScale;
  }
  next_ += static_cast<std::uint32_t>(payload.size()) + (syn ? 1 : 0) +
           ((flags & Flags::kFin) != 0 ? 1 : 0);
  if (before(next_max_, next_)) next_max_ = next_;
  return out;
}

std::optional<TcpEndpoint::Outgoing> TcpEndpoint::next(std::size_t payload_max) {
  switch (state_) {
    case State::waits_for_host:
      return std::nullopt;
    case State::dead:
      if (!std::exchange(reset_, false)) return std::nullopt;
      return outgoing(Flags::kReset | Flags::kAck);
    case State::opening:
      if (std::exchange(syn_sent_, true)) return std::nullopt;
      return outgoing(guest_opens_ ? Flags::kSyn | Flags::kAck : Flags::kSyn);
    case State::open:
      break;
  }
  if (!fin_sent_ && !fin_acknowledged_) {
    std::uint32_t const in_flight = data_in_flight();
    std::size_t const room = window_ > in_flight ? window_ - in_flight : 0;
    std::size_t const count = std::min({unsent(), room, payload_max});
    // Small pieces at the end of a window are not worth it while more is under way (RFC 9293
    // 3.8.6.2.1).
    bool const silly = count < unsent() && count < segment_bytes_ && in_flight != 0;
    if (count != 0 && !silly) {
      bool const last = count == unsent();
      auto const payload = to_guest.view(in_flight, count);
      return outgoing(static_cast<std::uint8_t>(Flags::kAck | (last ? Flags::kPush : 0)), payload);
    }
    if (host_finished_ && unsent() == 0) {
      auto const out = outgoing(Flags::kAck | Flags::kFin);
      fin_sent_ = true;
      return out;
    }
  }
  if (std::exchange(probe_, false)) {
    // The number before the next: whoever gets it says where things stand (RFC 9293 3.8.4).
    auto out = outgoing(Flags::kAck);
    out.segment.sequence = acknowledged_ - 1;
    return out;
  }
  if (acknowledge_ || window_grew()) return outgoing(Flags::kAck);
  return std::nullopt;
}

}  // namespace mutirao::machine::nat
