#include "connection_pool.h"

#include <mutex>
#include <utility>

#include "mutirao/threads/this_thread.h"

namespace mutirao::net {
namespace {
/// Over all origins: idle connections are a favour, descriptors are not endless.
constexpr std::size_t kIdleMax = 64;
}  // namespace

ConnectionPool::Lease& ConnectionPool::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  stream = std::move(other.stream);
  pool_ = std::move(other.pool_);
  origin_ = std::move(other.origin_);
  keep_ = other.keep_;
  return *this;
}

void ConnectionPool::Lease::release() noexcept {
  if (!keep_) stream.reset();
  if (auto const pool = std::exchange(pool_, nullptr)) pool->give_back(origin_, std::move(stream));
  stream.reset();
}

Result<ConnectionPool::Lease> ConnectionPool::lease(
    std::string origin, bool fresh, std::function<bool(world::Stream&)> const& usable,
    Deadline deadline) {
  Lease lease;
  {
    std::unique_lock lock{mutex_};
    auto const free = [&] { return origins_[origin].leased < limits_.per_origin_max; };
    MUT_TRY(released_.wait(lock, free, deadline));
    ++origins_[origin].leased;
  }
  lease.pool_ = shared_from_this();
  lease.origin_ = std::move(origin);
  Dropped dropped;  // closed after the lock is
  while (!fresh) {
    auto stream = take_idle(lease.origin_, dropped);
    if (stream == nullptr) break;
    // Bytes that nobody asked for are no answer to the next request.
    if (!usable(stream->stream()) || stream->ended(threads::now()) || !stream->buffered().empty())
      continue;
    lease.stream = std::move(stream);
    break;
  }
  return lease;
}

std::unique_ptr<BufferedStream> ConnectionPool::take_idle(std::string const& origin,
                                                          Dropped& dropped) {
  std::lock_guard const lock{mutex_};
  drop_old(threads::now(), dropped);
  auto& idle = origins_[origin].idle;
  if (idle.empty()) return nullptr;
  auto stream = std::move(idle.back().stream);
  idle.pop_back();
  return stream;
}

void ConnectionPool::drop_old(TimePoint now, Dropped& dropped) {
  for (auto entry = origins_.begin(); entry != origins_.end();) {
    std::erase_if(entry->second.idle, [&](Idle& idle) {
      if (now - idle.since < limits_.idle_max) return false;
      dropped.push_back(std::move(idle.stream));
      return true;
    });
    bool const unused = entry->second.idle.empty() && entry->second.leased == 0;
    entry = unused ? origins_.erase(entry) : std::next(entry);
  }
}

void ConnectionPool::give_back(std::string const& origin,
                               std::unique_ptr<BufferedStream> stream) noexcept {
  Dropped dropped;
  {
    std::lock_guard const lock{mutex_};
    auto const now = threads::now();
    --origins_[origin].leased;
    drop_old(now, dropped);
    std::size_t idle = 0;
    for (auto const& entry : origins_) idle += entry.second.idle.size();
    if (stream != nullptr && idle < kIdleMax)
      origins_[origin].idle.push_back({std::move(stream), now});
  }
  released_.notify_all();
}

}  // namespace mutirao::net
