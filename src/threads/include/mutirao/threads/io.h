#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

/// Waiting for the kernel without blocking an LWP. Only `world` uses this; everything above it sees
/// sockets and files through the World.
namespace mutirao::threads {

/// A descriptor registered with the poller: sockets, pipes and signalfds, in non-blocking mode.
///
/// Readiness is edge-triggered: try the system call first, and wait only after it said EAGAIN. One
/// thread may wait for reading and one for writing at a time.
class pollable {
 public:
  /// Takes the descriptor over and closes it.
  explicit pollable(int descriptor);
  ~pollable();
  pollable(pollable&& other) noexcept;
  pollable& operator=(pollable&&) = delete;

  [[nodiscard]] int descriptor() const noexcept;
  Result<void> wait_readable(Deadline deadline);
  Result<void> wait_writable(Deadline deadline);

  /// Wakes whoever waits, now and later, with Fault::closed. The descriptor itself is closed by the
  /// destructor only, so that its number can't be reused under a thread that still holds it.
  void interrupt() noexcept;

  struct state;

 private:
  state* state_;
};

/// errno. A thread may wake up on another LWP than it parked on, and compilers keep the address of
/// errno in a register; so code that parks must read it through this function.
[[nodiscard]] int last_error_number() noexcept;

/// For I/O that succeeded without parking: gives way when this thread has used up its slice, and
/// fails with cancelled when it was asked to stop. A few nanoseconds otherwise.
Result<void> io_checkpoint();

/// Positioned file I/O: from the page cache in the calling thread, else by io_uring, else on a
/// spare LWP. Reads stop short only at the end of the file; writes never do. Not cancellation
/// points: the buffer stays in use until the kernel is done with it.
Result<std::size_t> read_file(int descriptor, MutableBytes into, std::uint64_t offset);
Result<void> write_file(int descriptor, std::span<iovec const> from, std::uint64_t offset);
/// fdatasync
Result<void> sync_file(int descriptor);

}  // namespace mutirao::threads
