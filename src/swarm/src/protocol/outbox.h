#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/threads/mutex.h"

#include "protocol/message.h"

namespace mutirao::swarm {

/// What waits to be written to one peer: small messages in order, and blocks that it asked for.
///
/// If the thread that reads from a peer also wrote to it, two such threads could each wait for the
/// other to read. So everybody posts here without ever waiting, and the peer's writer thread sends.
/// Small messages overtake blocks. Bounded: who does not read what he asked for overflows his
/// outbox and is dropped.
class Outbox {
 public:
  static constexpr std::size_t kControlBytesMax = 1 << 20;

  /// `write` appends messages of at most `bytes_max` bytes to a MessageWriter.
  template <class Write>
  void post(std::size_t bytes_max, Write&& write) {
    std::lock_guard const lock{mutex_};
    if (closed_ || control_.size() + bytes_max > kControlBytesMax) {
      overflowed_ = overflowed_ || !closed_;
      return;
    }
    auto const before = control_.size();
    control_.resize(before + bytes_max);
    MessageWriter writer{MutableBytes{control_}.subspan(before)};
    write(writer);
    control_.resize(before + writer.written().size());
    wake();
  }
  void post(ByteView bytes);

  /// A block to upload; false when `queue_max` of them wait already.
  [[nodiscard]] bool push(BlockRange range, std::size_t queue_max);
  /// Takes a waiting block back; false when it is not there (any more).
  bool cancel(BlockRange range);
  /// Takes all waiting blocks back.
  std::vector<BlockRange> cancel_all();
  [[nodiscard]] std::size_t blocks_waiting() const;

  /// The next things to write: control bytes are swapped into `control`, blocks appended to
  /// `blocks` until `bytes_max`. Parks until there is something; closed when the box is closed.
  Result<void> take(Bytes& control, std::vector<BlockRange>& blocks, std::size_t bytes_max,
                    Deadline deadline);
  void close();
  [[nodiscard]] bool overflowed() const;

 private:
  void wake() {
    if (writer_waits_) filled_.notify_one();
  }
  mutable threads::mutex mutex_;
  threads::condition_variable filled_;
  Bytes control_;
  std::deque<BlockRange> blocks_;
  bool writer_waits_ = false;
  bool closed_ = false;
  bool overflowed_ = false;
};

}  // namespace mutirao::swarm
