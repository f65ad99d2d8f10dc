// Positioned file I/O that holds up no other thread.
#include <cerrno>
#include <sys/uio.h>
#include <unistd.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"

#include "runtime_state.h"

namespace mutirao::threads {

namespace {
/// The result of a system call that does not depend on errno: the count, or a negative error
/// number.
long outcome(ssize_t result) noexcept { return result >= 0 ? result : -last_error_number(); }

/// The operation did not happen and may be tried again: the kernel gives up what an LWP has
/// submitted when that LWP ends, as spare ones do.
bool not_begun(long result) noexcept { return result == -EINTR || result == -ECANCELED; }

file_ring* ring_of_this_runtime() noexcept {
  lwp* const here = current_lwp();
  if (here == nullptr || here->running == nullptr || here->own == nullptr ||
      here->scheduler->io == nullptr)
    return nullptr;
  return here->scheduler->io->files();
}

/// What lies in the page cache, without waiting for the device; EAGAIN when nothing does.
long read_cached(int descriptor, MutableBytes into, std::uint64_t offset) noexcept {
  iovec const buffer{into.data(), into.size()};
  long const got = outcome(preadv2(descriptor, &buffer, 1, static_cast<off_t>(offset), RWF_NOWAIT));
  // Not every file system can tell, and some kernels say "end of file" for "not in the cache"
  // (preadv2(2), BUGS).
  return got == 0 || got == -EOPNOTSUPP || got == -EINVAL || got == -ENOSYS ? -EAGAIN : got;
}

long read_device(int descriptor, MutableBytes into, std::uint64_t offset) {
  if (file_ring* const ring = ring_of_this_runtime()) {
    int const got = ring->read(descriptor, into, offset);
    // The ring may be short of memory, or not know this kind of file.
    if (got >= 0 || (got != -EAGAIN && got != -EINVAL && got != -EOPNOTSUPP && got != -ENOMEM))
      return got;
  }
  return blocking([&] {
    return outcome(pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset)));
  });
}
}  // namespace

Result<std::size_t> read_file(int descriptor, MutableBytes into, std::uint64_t offset) {
  std::size_t done = 0;
  bool cached = true;
  while (done < into.size()) {
    auto const rest = into.subspan(done);
    long const got = cached ? read_cached(descriptor, rest, offset + done)
                            : read_device(descriptor, rest, offset + done);
    if (not_begun(got)) continue;
    if (got == -EAGAIN && cached) {
      cached = false;
      continue;
    }
    if (got < 0) return std::unexpected{base::system_error(static_cast<int>(-got), "read")};
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    cached = true;
  }
  return done;
}

Result<void> write_file(int descriptor, std::span<iovec const> from, std::uint64_t offset) {
  std::size_t index = 0;
  std::size_t skipped = 0;  // of from[index]
  while (index < from.size()) {
    if (skipped == from[index].iov_len) {
      ++index;
      skipped = 0;
      continue;
    }
    iovec const first{static_cast<std::uint8_t*>(from[index].iov_base) + skipped,
                      from[index].iov_len - skipped};
    // Into the page cache: a copy as a rule; a wait when too much is dirty.
    long const put = blocking([&] {
      if (skipped > 0)
        return outcome(
            pwrite(descriptor, first.iov_base, first.iov_len, static_cast<off_t>(offset)));
      auto const count = static_cast<int>(std::min<std::size_t>(from.size() - index, IOV_MAX));
      return outcome(pwritev(descriptor, &from[index], count, static_cast<off_t>(offset)));
    });
    if (put == -EINTR) continue;
    if (put < 0) return std::unexpected{base::system_error(static_cast<int>(-put), "write")};
    offset += static_cast<std::uint64_t>(put);
    for (auto left = static_cast<std::size_t>(put); left > 0;) {
      std::size_t const step = std::min(left, from[index].iov_len - skipped);
      left -= step;
      skipped += step;
      if (skipped < from[index].iov_len) break;
      ++index;
      skipped = 0;
      if (index == from.size()) break;
    }
  }
  return {};
}

Result<void> sync_file(int descriptor) {
  long done = -EAGAIN;
  do {
    if (file_ring* const ring = ring_of_this_runtime()) done = ring->sync(descriptor);
  } while (not_begun(done));
  if (done == -EAGAIN || done == -EINVAL || done == -EOPNOTSUPP || done == -ENOMEM) {
    done = blocking([&] { return outcome(fdatasync(descriptor)); });
  }
  if (done < 0) return std::unexpected{base::system_error(static_cast<int>(-done), "fdatasync")};
  return {};
}

}  // namespace mutirao::threads
