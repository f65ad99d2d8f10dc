#include "mutirao/middleware/interceptors.h"

namespace mutirao::middleware {

namespace {
template <class T>
Placed placed(std::string name, std::shared_ptr<T> interceptor) {
  return {.name = std::move(name), .phase = T::kPhase, .interceptor = std::move(interceptor)};
}
}  // namespace

std::vector<Placed> default_client_chain(world::World& world, std::shared_ptr<Trace> trace) {
  std::vector<Placed> chain;
  chain.push_back(placed("trace", std::move(trace)));
  chain.push_back(placed("deadline", std::make_shared<DefaultDeadline>()));
  chain.push_back(placed("cache", std::make_shared<Cache>()));
  chain.push_back(placed("retry", std::make_shared<RetryCalls>(world)));
  chain.push_back(placed("hedge", std::make_shared<Hedge>()));
  chain.back().after = {"retry"};
  chain.push_back(placed("replicate", std::make_shared<Replicate>(Replicate::Policy::quorum)));
  return chain;
}

std::vector<Placed> default_server_chain(std::shared_ptr<Trace> trace) {
  std::vector<Placed> chain;
  chain.push_back(placed("trace", std::move(trace)));
  chain.push_back(placed("deadline", std::make_shared<DefaultDeadline>()));
  chain.push_back(placed("admission", std::make_shared<Admission>()));
  chain.push_back(placed("deduplicate", std::make_shared<Deduplicate>(Deduplicate::Options{})));
  return chain;
}

}  // namespace mutirao::middleware
