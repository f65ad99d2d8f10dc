#include "system_errors.h"

#include <cerrno>

#include "mutirao/threads/io.h"

namespace mutirao::world {

namespace {
std::string_view mend_of(int error_number) noexcept {
  switch (error_number) {
    case EMFILE:
      return "raise the limit of open files: ulimit -n 65536";
    case ENFILE:
      return "the whole system is out of file handles: raise fs.file-max";
    case EADDRINUSE:
      return "choose another port, or stop the program that has it (ss -tulpn shows it)";
    case EADDRNOTAVAIL:
      return "this host does not have that address (ip address shows those that it has)";
    case ENOSPC:
      return "free some space on that disk";
    case EDQUOT:
      return "free some space, or ask for a larger quota";
    case EROFS:
      return "it is mounted read-only: remount it or choose another folder";
    case ENOENT:
      return "check the name, and each folder on the way to it";
    case EACCES:
    case EPERM:
      return "this user has no right to it: ls -ld shows who has; ports below 1024 are for root";
    case ECONNREFUSED:
      return "nothing listens there: check the address, and that the other side runs";
    case ENETUNREACH:
    case EHOSTUNREACH:
      return "check the network connection and the address";
    default:
      return {};
  }
}
}  // namespace

std::unexpected<Error> system_failure(int error_number, std::string_view step) {
  auto error = base::system_error(error_number, step);
  error.mend = mend_of(error_number);
  return std::unexpected{std::move(error)};
}

std::unexpected<Error> system_failure(std::string_view step) {
  return system_failure(threads::last_error_number(), step);
}

}  // namespace mutirao::world
