#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/mutex.h"

#include "nat/frame.h"

namespace mutirao::machine::nat {

/// The cable between a guest's network card and its router: frames both ways, in order, none lost.
///
/// Neither side waits for the other: what does not fit stays with the sender, who is told when
/// there is room again. The card's side is called where the harts run, the router's on its own
/// threads.
class FrameLink {
 public:
  /// Waiting in one direction. One frame may go beyond the bytes.
  static constexpr std::size_t kBytesMax = 1 << 20, kFramesMax = 1024;

  /// `news` is called on the router's threads when the card should look: there are frames for it,
  /// or room again for its own.
  explicit FrameLink(std::function<void()> news) : news_{std::move(news)} {}

  /// What the guest's driver takes over, so that it need not be done to each frame.
  struct Abilities {
    bool checksums = false;     ///< frames may miss their checksum
    bool large_frames = false;  ///< and be segments of up to 64 KiB
  };

  // The card's side.
  void set_abilities(Abilities abilities) noexcept;
  /// Whether there is room; when not, `news` follows.
  [[nodiscard]] bool may_send();
  void send(Frame frame);
  [[nodiscard]] std::optional<Frame> receive();

  // The router's side.
  [[nodiscard]] Abilities abilities() const noexcept;
  /// All that the guest sent since, in order. Ends also when there is room for more to it, with
  /// perhaps nothing.
  [[nodiscard]] Result<std::vector<Frame>> wait(Deadline deadline);
  [[nodiscard]] bool room_to_guest();
  /// Whether the guest has everything that was sent to it.
  [[nodiscard]] bool drained();
  void to_guest(Frame frame);

 private:
  struct Queue {
    std::deque<Frame> frames;
    std::size_t bytes = 0;
    bool sender_waits = false;

    [[nodiscard]] bool full() const noexcept {
      return bytes >= kBytesMax || frames.size() >= kFramesMax;
    }
    /// Half empty: it is worth while to go on.
    [[nodiscard]] bool roomy() const noexcept {
      return bytes <= kBytesMax / 2 && frames.size() <= kFramesMax / 2;
    }
    void push(Frame frame) {
      bytes += frame.bytes.size();
      frames.push_back(std::move(frame));
    }
  };

  std::function<void()> const news_;
  std::atomic<std::uint8_t> abilities_{0};
  threads::mutex mutex_;
  threads::condition_variable router_news_;
  Queue from_guest_, to_guest_;
  bool room_came_ = false;  // in to_guest_
};

}  // namespace mutirao::machine::nat
