#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/middleware/call.h"
#include "mutirao/middleware/reflection.h"
#include "mutirao/middleware/stream.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/node/objects.h"
#include "mutirao/threads/diagnostics.h"
#include "mutirao/world/world.h"

namespace mutirao::node {

/// Where a node is controlled: by its socket on this machine, or by TLS from another.
struct ControlPlace {
  std::string socket{};
  std::string at{};            ///< a remote_name(); empty: the socket
  std::string state_folder{};  ///< whose identity and known nodes those are, for `at`
};

/// A node, spoken to over its control socket, or over its control port from another machine. When
/// nothing listens there every call fails with unreachable; with refused, when the node at the port
/// is not known here, or does not know us. Made and destroyed on one user thread; any number of
/// threads may call.
class ControlClient final : public Library {
 public:
  ControlClient(world::World& world, ControlPlace place);
  ~ControlClient() override;

  /// Any object of the node, by name.
  [[nodiscard]] Result<middleware::Target> object(std::string_view name);
  /// What a failed call of one means to a person.
  [[nodiscard]] Error told(middleware::Failure failure) const;

  Result<NodeStatus> status(Deadline deadline);
  Result<std::vector<ConfigEntry>> config(Deadline deadline);
  /// What the node's threads do and wait for.
  Result<threads::runtime_report> thread_report(Deadline deadline);
  /// Returns once the node has ended its work; of a node elsewhere, once it has heard.
  Result<void> stop(Deadline deadline);

  // The objects of the node by name, with values as JSON; the rules are those of middleware::Meta.
  Result<std::vector<middleware::ObjectInfo>> objects(Deadline deadline);
  Result<middleware::ObjectDetail> object(std::string_view name, Deadline deadline);
  Result<std::string> call(std::string_view object, std::string_view method,
                           std::string_view arguments, std::uint32_t items_max,
                           std::string_view capability, Deadline deadline);
  Result<std::vector<middleware::SpanInfo>> spans(std::uint32_t count, Deadline deadline);

  Result<Shared> share(ShareRequest request, std::function<bool(swarm::MakeProgress)> progress,
                       Deadline deadline) override;
  Result<Shared> put(std::string name, ShareRequest request, middleware::Attachment const& content,
                     std::function<bool(swarm::MakeProgress)> progress, Deadline deadline) override;
  Result<Started> get(GetRequest request, Deadline deadline) override;
  Result<std::vector<Transfer>> list(Deadline deadline) override;
  Result<Transfer> show(std::string_view name, Deadline deadline) override;
  Result<Transfer> pause(std::string_view name, Deadline deadline) override;
  Result<Transfer> resume(std::string_view name, Deadline deadline) override;
  Result<Transfer> verify(std::string_view name, Deadline deadline) override;
  Result<Transfer> remove(std::string_view name, bool content, Deadline deadline) override;
  Result<void> watch(std::string_view name, Duration interval,
                     std::function<bool(std::vector<Transfer> const&)> see,
                     Deadline deadline) override;

 private:
  template <class T>
  [[nodiscard]] Result<T> result_of(middleware::Outcome<T> outcome) const;
  [[nodiscard]] Result<Shared> last_of(middleware::Stream<ShareStep> steps,
                                       std::function<bool(swarm::MakeProgress)> const& progress,
                                       Deadline deadline) const;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::node
