#pragma once

#include <atomic>
#include <cstdint>
#include <liburing.h>
#include <optional>
#include <span>
#include <string>
#include <sys/uio.h>

#include "mutirao/threads/park.h"

#include "spinlock.h"

namespace mutirao::threads {

/// File operations that would block, on io_uring.
///
/// The kernel executes each in a worker of its own (IOSQE_ASYNC). Otherwise the completion would be
/// work for the LWP that submitted it, which a long computation or a blocking call keeps busy, and
/// it would interrupt that LWP's system calls. For the same reason the ring has no SINGLE_ISSUER
/// and no DEFER_TASKRUN. Any LWP may submit and harvest.
class file_ring {
 public:
  ~file_ring();

  /// Why there can be no ring on this system; empty when there is one.
  [[nodiscard]] std::optional<std::string> open();
  [[nodiscard]] int descriptor() const noexcept { return ring_.ring_fd; }

  /// Parks the calling thread until it is done: the count, or a negative error number.
  [[nodiscard]] int read(int descriptor, std::span<std::uint8_t> into, std::uint64_t offset);
  [[nodiscard]] int sync(int descriptor);

  /// Makes ready the threads whose operations are done.
  void harvest() noexcept;

 private:
  struct operation {
    park_token token;
    /// Also what orders the submitting LWP's writes before the harvesting one's reads in the eyes
    /// of the language: the way through the kernel is invisible to it.
    std::atomic<int> result{0};
  };
  template <class Prepare>
  int perform(Prepare&& prepare);

  int submit();

  io_uring ring_{};
  bool opened_ = false;
  spin_word submission_lock_{0};
  spin_word completion_lock_{0};
};

}  // namespace mutirao::threads
