#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::middleware {

/// Finds where an encoded value ends, in bytes that come piece by piece.
///
/// To look again from the start with every piece would take a stranger's time squared: a long
/// message, byte by byte. This looks at each byte once and keeps nothing but counts. What a message
/// announces and can't hold is refused at the announcement.
class MessageScanner {
 public:
  static constexpr std::size_t kDepthMax = 64;

  explicit MessageScanner(std::size_t bytes_max) noexcept : bytes_max_{bytes_max} {}

  /// Bytes of `input` that belong to the value; it ends there when done().
  [[nodiscard]] Result<std::size_t> feed(ByteView input);
  [[nodiscard]] bool done() const noexcept { return done_; }
  /// For the next value.
  void reset() noexcept { *this = MessageScanner{bytes_max_}; }

 private:
  struct Head {
    std::size_t payload = 0;   // bytes that follow
    std::uint64_t values = 0;  // that follow
    bool container = false;
  };
  [[nodiscard]] std::size_t head_bytes() const noexcept;
  [[nodiscard]] Head head() const noexcept;
  Result<void> take_head();
  void end_value() noexcept;

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;        // of the value so far
  std::size_t payload_ = 0;      // bytes still to pass over
  std::uint64_t announced_ = 0;  // values that must still come, a byte each at least
  std::array<std::uint8_t, 5> head_{};
  std::size_t head_have_ = 0;
  std::array<std::uint64_t, kDepthMax> open_{};  // values left in each container around
  std::size_t depth_ = 0;
  bool done_ = false;
};

}  // namespace mutirao::middleware
