#pragma once

#include <memory>
#include <string>

#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/threads/diagnostics.h"
#include "mutirao/world/world.h"

namespace mutirao::node {

/// A node of this machine, spoken to over its control socket. When nothing listens there every call
/// fails with unreachable. Any number of threads.
class ControlClient final : public Library {
 public:
  ControlClient(world::World& world, std::string socket_path);

  Result<NodeStatus> status(Deadline deadline);
  /// What the node's threads do and wait for.
  Result<threads::runtime_report> thread_report(Deadline deadline);
  /// Returns once the node has ended its work.
  Result<void> stop(Deadline deadline);

  Result<Shared> share(ShareRequest request, std::function<bool(swarm::MakeProgress)> progress,
                       Deadline deadline) override;
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
  Result<std::string> call(std::string method, std::string target, std::string body,
                           Deadline deadline);
  Result<void> stream(std::string method, std::string target, std::string body,
                      std::function<Result<bool>(std::string_view line)> take, Deadline deadline);

  world::World& world_;
  std::string socket_path_;
};

}  // namespace mutirao::node
