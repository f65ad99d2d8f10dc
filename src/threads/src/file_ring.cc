#include "file_ring.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace mutirao::threads {

namespace {
constexpr unsigned kEntries = 256;
}

file_ring::~file_ring() {
  if (opened_) io_uring_queue_exit(&ring_);
}

std::optional<std::string> file_ring::open() {
  int const refused = io_uring_queue_init(kEntries, &ring_, 0);
  if (refused < 0) {
    char buffer[64];
    return fmt::format("io_uring: {}", strerror_r(-refused, buffer, sizeof buffer));
  }
  opened_ = true;
  // Without it the kernel drops completions when the ring is full.
  if ((ring_.features & IORING_FEAT_NODROP) == 0)
    return "io_uring of this kernel drops completions";
  return std::nullopt;
}

template <class Prepare>
int file_ring::perform(Prepare&& prepare) {
  operation mine;
  {
    spin_guard const guard{submission_lock_};
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (entry == nullptr) return -EAGAIN;
    prepare(entry);
    io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
    io_uring_sqe_set_data(entry, &mine);
    mine.result.store(-EINPROGRESS, std::memory_order_release);
    if (int const refused = submit(); refused < 0) {
      // The entry stays in the queue: it must not name this operation any more.
      io_uring_prep_nop(entry);
      io_uring_sqe_set_data(entry, nullptr);
      return refused;
    }
  }
  mine.token.until_woken({.kind = wait_kind::file});
  return mine.result.load(std::memory_order_relaxed);
}

int file_ring::submit() {
  for (;;) {
    int const submitted = io_uring_submit(&ring_);
    bool const later = submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY;
    if (!later && submitted < 0) return submitted;
    if (io_uring_sq_ready(&ring_) == 0) return 0;
    harvest();  // the kernel takes nothing more while completions lie about
  }
}

int file_ring::read(int descriptor, std::span<std::uint8_t> into, std::uint64_t offset) {
  auto const size = static_cast<unsigned>(std::min<std::size_t>(into.size(), 1u << 30));
  return perform([&](io_uring_sqe* entry) {
    io_uring_prep_read(entry, descriptor, into.data(), size, offset);
  });
}

int file_ring::sync(int descriptor) {
  return perform(
      [&](io_uring_sqe* entry) { io_uring_prep_fsync(entry, descriptor, IORING_FSYNC_DATASYNC); });
}

void file_ring::harvest() noexcept {
  spin_guard const guard{completion_lock_};
  io_uring_cqe* done = nullptr;
  while (io_uring_peek_cqe(&ring_, &done) == 0) {
    auto* const finished = static_cast<operation*>(io_uring_cqe_get_data(done));
    int const result = done->res;
    io_uring_cqe_seen(&ring_, done);
    if (finished == nullptr) continue;
    static_cast<void>(finished->result.load(std::memory_order_acquire));
    finished->result.store(result, std::memory_order_relaxed);
    finished->token.unpark();
  }
}

}  // namespace mutirao::threads
