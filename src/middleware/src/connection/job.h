#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "mutirao/base/time.h"
#include "mutirao/middleware/call.h"
#include "mutirao/threads/cancel_region.h"

namespace mutirao::middleware {

class Connection;

/// What a caller has attached to its call, as far as it has come and was not taken. Under the
/// connection's lock.
struct Attached {
  std::deque<Bytes> pieces;
  Bytes taken;                  ///< the one that the servant looks at
  std::size_t window = 0;       ///< how much may lie here
  std::size_t allowed = 0;      ///< that may still come
  std::size_t taken_bytes = 0;  ///< since the caller was last told to send more
  bool whole = false;
  std::optional<Failure> failure;
  threads::park_token* waits = nullptr;
};

/// A call that came over a connection, from its arrival to its reply.
struct Job {
  Job* next = nullptr;
  std::shared_ptr<Connection> from;
  std::uint32_t id = 0;
  TimePoint arrived;
  MessageBytes message;
  std::size_t bytes = 0;  ///< of the message

  /// The caller, or the connection's end, took it back: from any thread. The region is there while
  /// the job is under way, and the connection's lock is held by whoever looks.
  void take_back() noexcept {
    taken_back.store(true, std::memory_order_seq_cst);
    if (auto* const inside = region.load(std::memory_order_seq_cst)) inside->request_stop();
  }
  std::atomic<bool> taken_back{false};
  std::atomic<threads::cancel_region*> region{nullptr};

  // Of a method that yields, under the connection's lock:
  std::int64_t item_credit = 0;
  threads::park_token* waits_for_credit = nullptr;
  std::unique_ptr<Attached> attached;  ///< once the servant has asked for it
};

}  // namespace mutirao::middleware
