#include "mutirao/base/result.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace mutirao::base {

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::not_found:
      return "not_found";
    case Fault::timed_out:
      return "timed_out";
    case Fault::refused:
      return "refused";
    case Fault::unreachable:
      return "unreachable";
    case Fault::closed:
      return "closed";
    case Fault::corrupt:
      return "corrupt";
    case Fault::exhausted:
      return "exhausted";
    case Fault::unsupported:
      return "unsupported";
    case Fault::invalid:
      return "invalid";
    case Fault::cancelled:
      return "cancelled";
    case Fault::io:
      return "io";
  }
  return "unknown";
}

Error Error::during(std::string_view step) && {
  what = fmt::format("{}: {}", step, what);
  return std::move(*this);
}

Error Error::with_mend(std::string text) && {
  mend = std::move(text);
  return std::move(*this);
}

namespace {
Fault fault_of(int error_number) noexcept {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Fault::not_found;
    case ETIMEDOUT:
      return Fault::timed_out;
    case ECONNREFUSED:
    case EACCES:
    case EPERM:
    case EROFS:
    case EADDRINUSE:
    case EADDRNOTAVAIL:
      return Fault::refused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return Fault::unreachable;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
      return Fault::closed;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EFBIG:
      return Fault::exhausted;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
      return Fault::unsupported;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case EEXIST:
    case ELOOP:
      return Fault::invalid;
    case ECANCELED:
      return Fault::cancelled;
    default:
      return Fault::io;
  }
}
}  // namespace

Error system_error(int error_number, std::string_view step) {
  char buffer[128];
  return Error{fault_of(error_number),
               fmt::format("{}: {}", step, strerror_r(error_number, buffer, sizeof buffer)),
               {}};
}

}  // namespace mutirao::base
