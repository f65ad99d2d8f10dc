#include "real_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fmt/format.h>

namespace mutirao::world {

void RealSocket::close() noexcept {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return;
  // Tells the other side now; the number itself lives until the destructor.
  ::shutdown(poll_.descriptor(), SHUT_RDWR);
  poll_.interrupt();
}

std::unexpected<Error> RealSocket::closed_error(std::string_view doing) const {
  return fail(Fault::closed,
              fmt::format("{} {}: the connection was closed on this side", doing, name_));
}

std::unexpected<Error> RealSocket::failed_wait(std::string_view doing, Error why) const {
  if (why.fault == Fault::closed) return closed_error(doing);
  return std::unexpected{std::move(why).during(fmt::format("{} {}", doing, name_))};
}

Result<void> RealSocket::wait_writable(std::string_view doing, Deadline deadline) {
  auto ready = poll_.wait_writable(deadline);
  if (!ready) return failed_wait(doing, std::move(ready).error());
  return {};
}

}  // namespace mutirao::world
