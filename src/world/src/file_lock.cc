#include "mutirao/world/file_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>

#include <fmt/format.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"

#include "descriptor.h"
#include "system_errors.h"

namespace mutirao::world {

Result<FileLock> FileLock::take(std::string const& path, Kind kind, bool create) {
  threads::blocking_section const may_wait_for_the_device;
  // Non-blocking, or a FIFO of that name would hold us up.
  int const flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Descriptor file{::open(path.c_str(), create ? flags | O_CREAT : flags, 0666)};
  if (!file) return system_failure(fmt::format("open {}", path));
  if (::flock(file.get(), (kind == Kind::alone ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 &&
      threads::last_error_number() == EWOULDBLOCK)
    return fail(Fault::refused, fmt::format("{} is used by another program", path));
  return FileLock{file.release()};
}

FileLock::~FileLock() { Descriptor const closed{descriptor_}; }

}  // namespace mutirao::world
