#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>

#include "mutirao/threads/io.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/network.h"

#include "descriptor.h"
#include "system_errors.h"

namespace mutirao::world {

/// What all real sockets share: try, wait when the kernel says so, try again; and an end that any
/// thread can bring about.
class RealSocket {
 public:
  /// `name` says in errors who is on the other side, or what is listened on.
  RealSocket(Descriptor socket, std::string name)
      : poll_{socket.release()}, name_{std::move(name)} {}

  [[nodiscard]] int descriptor() const noexcept { return poll_.descriptor(); }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  /// Parked calls return, and later ones fail.
  void close() noexcept;

  Result<void> wait_writable(std::string_view doing, Deadline deadline);
  [[nodiscard]] std::unexpected<Error> closed_error(std::string_view doing) const;

  /// Repeats `call` until it returns something else than EAGAIN and EINTR: its result, or the
  /// negative error number.
  template <class Call>
  Result<long> receive(std::string_view doing, Deadline deadline, Call&& call) {
    return repeat(&threads::pollable::wait_readable, doing, deadline, call);
  }
  template <class Call>
  Result<long> transmit(std::string_view doing, Deadline deadline, Call&& call) {
    return repeat(&threads::pollable::wait_writable, doing, deadline, call);
  }

 private:
  using Wait = Result<void> (threads::pollable::*)(Deadline);
  template <class Call>
  Result<long> repeat(Wait wait, std::string_view doing, Deadline deadline, Call& call) {
    MUT_TRY(threads::io_checkpoint());
    for (;;) {
      if (closed()) return closed_error(doing);
      long const done = call();
      if (done >= 0) return done;
      int const error = threads::last_error_number();
      if (error == EAGAIN) {
        auto ready = (poll_.*wait)(deadline);
        if (!ready) [[unlikely]]
          return failed_wait(doing, std::move(ready).error());
      } else if (error != EINTR) {
        return -error;
      }
    }
  }

  [[nodiscard]] std::unexpected<Error> failed_wait(std::string_view doing, Error why) const;

  // What every call touches comes first. A thousand connections take turns, so that each line of
  // the caches that one needs more, here or on its stack, is a miss.
  threads::pollable poll_;
  std::atomic<bool> closed_{false};
  std::string name_;
};

/// A connected stream socket, TCP or Unix.
[[nodiscard]] std::unique_ptr<Stream> make_real_stream(Descriptor socket, std::string name,
                                                       Endpoint remote);

/// Waits for the end of a connect() that is in progress.
[[nodiscard]] Result<std::unique_ptr<Stream>> finish_connect(Descriptor socket, std::string name,
                                                             Endpoint remote, Deadline deadline);

/// A listening stream socket; `unlink_path` is the socket file to remove with it, or empty.
[[nodiscard]] std::unique_ptr<Listener> make_real_listener(Descriptor socket, std::string name,
                                                           std::string unlink_path);

[[nodiscard]] std::unique_ptr<DatagramSocket> make_real_datagram_socket(Descriptor socket,
                                                                        std::string name);

}  // namespace mutirao::world
