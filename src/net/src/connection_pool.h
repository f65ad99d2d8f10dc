#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/mutex.h"

#include "buffered_stream.h"

namespace mutirao::net {

/// Connections to origins ("http://host:80"), kept alive between requests.
///
/// A lease is the right to hold one connection to an origin; there are `per_origin_max` of them,
/// and who finds none waits. It comes with an idle connection when there is one that still lives.
class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  struct Limits {
    std::size_t per_origin_max;
    Duration idle_max;
  };
  explicit ConnectionPool(Limits limits) : limits_{limits} {}

  class Lease {
   public:
    Lease() = default;  ///< a stream of the caller's own: nothing to give back
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { release(); }

    /// Empty: connect, and put it here.
    std::unique_ptr<BufferedStream> stream;
    /// The message exchange is complete: the connection may serve another one.
    void keep() noexcept { keep_ = true; }
    void release() noexcept;

   private:
    friend class ConnectionPool;
    std::shared_ptr<ConnectionPool> pool_;
    std::string origin_;
    bool keep_ = false;
  };

  /// With `fresh` no idle connection is taken. `usable` may refuse one.
  Result<Lease> lease(std::string origin, bool fresh,
                      std::function<bool(world::Stream&)> const& usable, Deadline deadline);

 private:
  struct Idle {
    std::unique_ptr<BufferedStream> stream;
    TimePoint since;
  };
  struct Origin {
    std::size_t leased = 0;
    std::vector<Idle> idle;  // the most recently used last
  };
  using Dropped = std::vector<std::unique_ptr<BufferedStream>>;

  std::unique_ptr<BufferedStream> take_idle(std::string const& origin, Dropped& dropped);
  void drop_old(TimePoint now, Dropped& dropped);
  void give_back(std::string const& origin, std::unique_ptr<BufferedStream> stream) noexcept;

  Limits limits_;
  threads::mutex mutex_;
  threads::condition_variable released_;
  std::map<std::string, Origin> origins_;
};

}  // namespace mutirao::net
