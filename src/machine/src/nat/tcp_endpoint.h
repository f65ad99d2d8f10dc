#pragma once

#include <cstdint>
#include <optional>

#include "mutirao/base/time.h"

#include "nat/byte_ring.h"
#include "nat/packet.h"

namespace mutirao::machine::nat {

/// One end of a TCP connection (RFC 9293), that of the router toward the guest.
///
/// The cable between the two loses nothing and keeps the order, so that there is no congestion to
/// control and nothing to put in order. But a guest may drop what it has no memory for: what it
/// does not acknowledge is sent again. Each side tells the other how much room it has, and that of
/// ours is what the host's connection has not taken yet: a slow host slows the guest's program
/// down, and nobody else.
///
/// A state machine without clock, lock or thread. Whoever calls it then asks `next` for what is to
/// be sent, until there is nothing.
class TcpEndpoint {
 public:
  static constexpr std::size_t kBufferBytes = 256 << 10;  ///< in each direction
  static constexpr std::uint16_t kSegmentBytesMax = kMtu - kIpv4Header - kTcpHeader;
  /// Of a timer: how long the guest may owe an acknowledgement at first, doubled each time.
  static constexpr Duration kPatience = 1s;
  static constexpr unsigned kTriesMax = 8;

  /// The guest opens it with `syn`. Nothing is sent until `host_connected`.
  [[nodiscard]] static TcpEndpoint opened_by_guest(TcpSegment const& syn, std::uint32_t initial);
  /// We open it.
  [[nodiscard]] static TcpEndpoint opened_by_host(std::uint32_t initial);

  // From the guest.
  void receive(TcpSegment const& segment);

  // From the host's side. Bytes for the guest go into `to_guest`, those for the host are in
  // `to_host`.
  ByteRing to_guest{kBufferBytes};
  ByteRing to_host{kBufferBytes};
  void host_connected();
  /// Nothing follows what is in `to_guest`.
  void finish_to_guest();
  /// Ends it for both: the guest gets a reset.
  void abort();

  /// Time passes. `guest_has_all`: nothing that was sent is still under way to it.
  void tick(TimePoint now, bool guest_has_all);

  /// What is to be sent: `payload` is of `to_guest`. Ports are the caller's.
  struct Outgoing {
    TcpSegment segment;
    Pieces payload{};
  };
  [[nodiscard]] std::optional<Outgoing> next(std::size_t payload_max);

  /// Ends the connection at the guest where this end is known no more: it is beyond all that was
  /// sent, so that it counts whatever the guest has of that (RFC 5961 3.2). Of one that is
  /// established.
  [[nodiscard]] TcpSegment farewell() const noexcept {
    return {.source_port = 0,
            .destination_port = 0,
            .sequence = next_max_,
            .acknowledged = expected_,
            .flags = TcpSegment::kReset | TcpSegment::kAck,
            .window = 0};
  }

  /// Payload of the segments that the guest takes.
  [[nodiscard]] std::uint16_t segment_bytes() const noexcept { return segment_bytes_; }
  [[nodiscard]] bool established() const noexcept { return state_ == State::open; }
  [[nodiscard]] bool opening() const noexcept {
    return state_ == State::waits_for_host || state_ == State::opening;
  }
  /// By either side, or because the guest answers no more.
  [[nodiscard]] bool aborted() const noexcept { return state_ == State::dead; }
  /// See `finish_to_guest`.
  [[nodiscard]] bool host_finished() const noexcept { return host_finished_; }
  /// Nothing follows what is in `to_host`.
  [[nodiscard]] bool guest_finished() const noexcept { return guest_finished_; }
  /// Both directions ended in order, and all of ours is acknowledged.
  [[nodiscard]] bool closed() const noexcept {
    return state_ == State::open && guest_finished_ && fin_acknowledged_ && !acknowledge_;
  }
  /// Nothing more comes out of `next`.
  [[nodiscard]] bool silent() const noexcept { return state_ == State::dead && !reset_; }

 private:
  enum class State : std::uint8_t { waits_for_host, opening, open, dead };
  explicit TcpEndpoint(std::uint32_t initial) noexcept
      : acknowledged_{initial}, next_{initial}, next_max_{initial} {}

  void take_options(TcpSegment const& syn);
  void take_handshake(TcpSegment const& segment);
  void take_acknowledgement(TcpSegment const& segment);
  void take_payload(TcpSegment const& segment);
  [[nodiscard]] bool acceptable(TcpSegment const& segment) const;
  void send_again();
  [[nodiscard]] Outgoing outgoing(std::uint8_t flags, Pieces payload = {});
  [[nodiscard]] std::uint32_t data_in_flight() const noexcept {
    return next_ - acknowledged_ - (fin_sent_ ? 1 : 0);
  }
  [[nodiscard]] std::size_t unsent() const noexcept { return to_guest.size() - data_in_flight(); }
  /// What the guest may be told that there is room for.
  [[nodiscard]] std::uint32_t window_max() const noexcept;
  [[nodiscard]] std::uint32_t window() const noexcept;
  /// Little is left of what was announced, and there is much more by now.
  [[nodiscard]] bool window_grew() const noexcept;

  State state_ = State::waits_for_host;
  // Ours, in sequence numbers: up to where the guest has it, where the next byte goes, and how far
  // we ever were.
  std::uint32_t acknowledged_, next_, next_max_;
  std::uint32_t window_ = 0;  // of the guest
  std::uint8_t guest_scale_ = 0, our_scale_ = 0;
  std::uint16_t segment_bytes_ = 536;  // RFC 9293 3.7.1, when the guest says nothing
  bool guest_opens_ = false;
  bool syn_sent_ = false;
  bool host_finished_ = false;
  bool fin_sent_ = false, fin_acknowledged_ = false;
  unsigned same_acknowledgements_ = 0;
  // The guest's: what we wait for, and how far it may send.
  std::uint32_t expected_ = 0;
  std::uint32_t announced_ = 0;
  bool guest_finished_ = false;
  // To be sent.
  bool acknowledge_ = false;
  bool probe_ = false;
  bool reset_ = false;
  // The timer of what the guest owes.
  std::optional<TimePoint> patience_ends_;
  unsigned tries_ = 0;
};

}  // namespace mutirao::machine::nat
