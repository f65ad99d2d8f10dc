#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/call.h"
#include "mutirao/middleware/chain.h"
#include "mutirao/middleware/servant.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::middleware {

struct ObjectOptions {
  std::string about{};       ///< one line for people
  std::string capability{};  ///< what callers must know; empty: nothing
  std::uint64_t epoch = 1;   ///< of its state: a reference to another epoch is refused
  /// Calls do not pass the chain: the way to mend a chain must not lead through it.
  bool outside_chain = false;
  /// Of an object outside the chain: all that its calls pass. It can't be taken away.
  std::shared_ptr<Interceptor> guard{};
};

/// The objects of a node by name, and the chain that calls to them pass.
///
/// Any number of threads. A servant can be replaced while calls come: those under way end on the
/// old one, those that arrive meanwhile wait within their deadlines, and none is refused or lost.
class ObjectAdapter {
 public:
  ObjectAdapter();
  ~ObjectAdapter();

  /// Fails with refused when the name is taken.
  Result<void> add(std::string name, std::shared_ptr<Servant> servant, ObjectOptions options = {});
  /// New calls are answered not_found; returns when those under way have ended.
  Result<void> remove(std::string_view name, Deadline deadline);
  /// Runs `hand_over` between the last call of the old servant and the first of `next`: there state
  /// is moved. When that fails, or the deadline passes before the old one is idle, the old one goes
  /// on and nothing was changed.
  Result<void> replace(std::string_view name, std::shared_ptr<Servant> next,
                       std::function<Result<void>()> hand_over, Deadline deadline);

  struct Listed {
    std::string name;
    InterfaceInfo const* interface;
    std::string about;
    bool guarded;  ///< needs a capability
    std::uint64_t epoch;
    std::uint64_t calls;
    std::uint32_t running;
  };
  /// By name.
  [[nodiscard]] std::vector<Listed> list() const;
  [[nodiscard]] Result<Listed> find(std::string_view name) const;

  /// Passes the chain, then the servant executes it; what that throws becomes a failure.
  Reply execute(Call& call);

  [[nodiscard]] LiveChain& chain() noexcept { return chain_; }
  /// What stands at the end of each chain of this adapter.
  [[nodiscard]] std::shared_ptr<Interceptor> const& last() const noexcept { return last_; }

 private:
  struct Object;
  class Execute;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  class Running;

  [[nodiscard]] std::shared_ptr<Object> object_of(std::string_view name) const;
  /// With the nearest that there is; under the mutex.
  [[nodiscard]] Error no_such_object(std::string_view name) const;
  /// Counts the call in, and waits while the servant is being replaced.
  Outcome<Running> enter(Call& call);

  mutable threads::mutex mutex_;
  threads::condition_variable changed_;
  std::unordered_map<std::string, std::shared_ptr<Object>, Hash, std::equal_to<>> objects_;
  std::shared_ptr<Interceptor> last_;
  LiveChain chain_;
};

}  // namespace mutirao::middleware
