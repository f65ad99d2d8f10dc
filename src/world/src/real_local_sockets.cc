// Unix sockets: how the programs of one user on one host talk.
#include <algorithm>
#include <cerrno>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"
#include "mutirao/world/opened_socket.h"

#include "real_network.h"
#include "real_socket.h"

namespace mutirao::world {

namespace {
constexpr int kLocalBacklog = 64;

Result<sockaddr_un> local_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.find('\0') != path.npos)
    return fail(Fault::invalid, "the path of a Unix socket is empty or has a NUL");
  if (path.size() >= sizeof address.sun_path) {
    return fail(Fault::invalid,
                fmt::format("{}: the path of a Unix socket has at most {} bytes", path,
                            sizeof address.sun_path - 1),
                "choose a folder with a shorter path");
  }
  std::ranges::copy(path, address.sun_path);
  return address;
}

Result<Descriptor> make_local_socket(std::string_view step) {
  Descriptor socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket) return system_failure(step);
  return socket;
}

int try_connect(Descriptor const& socket, sockaddr_un const& address) noexcept {
  int const done =
      ::connect(socket.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address);
  return done == 0 ? 0 : threads::last_error_number();
}

int try_bind(Descriptor const& socket, sockaddr_un const& address) noexcept {
  int const done =
      ::bind(socket.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address);
  return done == 0 ? 0 : threads::last_error_number();
}

/// Removes a socket file that a process left behind when it died; refuses when it is not one, or
/// when somebody answers.
Result<void> remove_stale(sockaddr_un const& address, std::string_view step) {
  struct stat before{};
  struct stat after{};
  if (::lstat(address.sun_path, &before) != 0) return {};
  if (!S_ISSOCK(before.st_mode)) {
    return fail(Fault::refused, fmt::format("{}: a file that is no socket has that name", step),
                "choose another path, or remove the file");
  }
  auto const probe = MUT_TRY(make_local_socket(step));
  int const answer = try_connect(probe, address);
  if (answer == ENOENT) return {};
  if (answer != ECONNREFUSED) {
    return fail(Fault::refused, fmt::format("{}: another program listens there", step),
                "stop it, or choose another path");
  }
  // Another starter may have replaced it since.
  if (::lstat(address.sun_path, &after) == 0 && after.st_ino == before.st_ino)
    ::unlink(address.sun_path);
  return {};
}

Result<Descriptor> listening_socket(std::string_view path) {
  auto const step = fmt::format("listen on {}", path);
  auto const address = MUT_TRY(local_address(path));
  auto socket = MUT_TRY(make_local_socket(step));
  // The file gets the mode of the socket at bind(); so there is no moment at which others could
  // connect.
  if (::fchmod(socket.get(), 0600) != 0) return system_failure(step);
  int error = try_bind(socket, address);
  if (error == EADDRINUSE) {
    MUT_TRY(remove_stale(address, step));
    error = try_bind(socket, address);
  }
  if (error != 0) return system_failure(error, step);
  if (::listen(socket.get(), kLocalBacklog) != 0) return system_failure(step);
  return socket;
}
}  // namespace

Result<std::unique_ptr<Stream>> RealNetwork::connect_local(std::string_view path,
                                                           Deadline deadline) {
  auto const step = fmt::format("connect to {}", path);
  auto const address = MUT_TRY(local_address(path));
  auto socket = MUT_TRY(make_local_socket(step));
  for (;;) {
    int const error = try_connect(socket, address);
    if (error == 0) return make_real_stream(std::move(socket), std::string{path}, {});
    // The queue of the listener is full, and the kernel tells nobody when it is not any more.
    if (error != EAGAIN) return system_failure(error, step);
    if (deadline.passed(threads::now()))
      return fail(Fault::timed_out, fmt::format("{}: the deadline passed", step));
    MUT_TRY(threads::sleep_until(std::min(threads::within(10ms), deadline).when()));
  }
}

Result<std::unique_ptr<Listener>> RealNetwork::listen_local(std::string_view path) {
  auto socket = MUT_TRY(listening_socket(path));
  return make_real_listener(std::move(socket), std::string{path}, std::string{path});
}

Result<OpenedSocket> OpenedSocket::listen_local(std::string path) {
  auto socket = MUT_TRY(listening_socket(path));
  return OpenedSocket{socket.release(), std::move(path)};
}

OpenedSocket::~OpenedSocket() { Descriptor const closed{descriptor_}; }

std::unique_ptr<Listener> OpenedSocket::listener() && {
  return make_real_listener(Descriptor{std::exchange(descriptor_, -1)}, path_, {});
}

}  // namespace mutirao::world
