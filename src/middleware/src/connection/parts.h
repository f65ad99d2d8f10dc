#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "connection/connection.h"

/// What the files of a connection share: what it keeps of a call on its way, and how much of it.
namespace mutirao::middleware {

inline constexpr std::uint32_t kPlaceMask = kCallsMax - 1;
static_assert((kCallsMax & kPlaceMask) == 0);
inline constexpr std::size_t kLengthBytes = 4;               // how long a long message will be
inline constexpr std::size_t kJobBytesMax = 128 << 20;       // of calls that are being executed
inline constexpr std::size_t kOutgoingBytesMax = 128 << 20;  // of long messages that nobody takes

[[nodiscard]] inline Failure failed(Error error, Executed executed, Retry retry = Retry::never) {
  return Failure{std::move(error), executed, retry, {}, {}};
}

/// A caller of this side.
struct Connection::Waiting {
  threads::park_token* token = nullptr;  // while it is parked
  MessageBytes* into = nullptr;
  std::deque<Bytes> items;
  std::size_t item_bytes = 0;
  bool takes_items = false;
  bool answered = false;
  bool failed = false;
  bool lost = false;                         // the connection ended first
  bool unheard = false;                      // and nothing of the call had gone out
  std::int64_t attachment_credit = 0;        // what the other side has asked for
  threads::park_token* attaching = nullptr;  // waits for more of that
  Outgoing* message = nullptr;  // a long call that has not gone out whole: it refers to arguments
};

/// Where one is, among the calls of this side.
struct Connection::Place {
  Waiting* waiting = nullptr;  // none: nobody wants the reply that is still to come
  std::uint32_t id = 0;
  bool taken = false;
};

/// A long message on its way out.
struct Connection::Outgoing {
  FrameHead head;
  // What `parts` point into, as far as it is not somebody else's:
  wire::MsgpackWriter own;
  Bytes message;
  std::shared_ptr<void const> owner;

  std::vector<ByteView> parts;
  std::size_t part = 0;     // the next to be sent, and
  std::size_t of_part = 0;  // how much of it has been
  std::size_t size = 0;
  std::size_t sent = 0;
  bool in_write = false;  // some of it is being written now
  // Of somebody whose bytes are referred to:
  Outgoing** link = nullptr;            // set to nothing when it has gone
  threads::park_token* done = nullptr;  // woken when it has gone, or is not in a write any more

  void send_own() { set_parts(own.gathered()); }
  void set_parts(std::vector<ByteView> all) {
    parts = std::move(all);
    size = 0;
    for (auto const each : parts) size += each.size();
  }
  /// From now on nothing of it is anybody else's.
  void take_over() {
    Bytes rest;
    rest.reserve(size - sent);
    for (; part < parts.size(); ++part, of_part = 0) {
      auto const left = parts[part].subspan(of_part);
      rest.insert(rest.end(), left.begin(), left.end());
    }
    message = std::move(rest);
    parts.assign(1, message);
    part = of_part = 0;
  }
};

/// A long message on its way in.
struct Connection::Incoming {
  Bytes bytes;
  std::size_t total = 0;
};

}  // namespace mutirao::middleware
