#include "mutirao/middleware/program.h"

#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "mutirao/base/log.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/signals.h"
#include "mutirao/world/real_world.h"

namespace mutirao::middleware {
namespace {

/// Runs `body` and asks it to stop at the first signal.
int run_until_signal(std::function<Result<void>(world::World&, Broker&)> const& body) {
  threads::signal_set signals{SIGINT, SIGTERM};
  Result<void> outcome;
  bool stopped = false;
  threads::runtime runtime;
  runtime.run([&] {
    base::StderrLog log{base::LogLevel::warning};
    auto const world = world::make_real_world(log);
    Broker broker{*world};
    threads::scope work;
    threads::scope watching;
    watching.spawn("signals", [&] {
      if (!signals.wait()) return;
      stopped = true;
      work.request_stop();
    });
    work.spawn("main", [&] { return body(*world, broker); });
    outcome = work.join();
  });
  if (outcome || stopped) return 0;
  fmt::print(stderr, "error: {}\n", outcome.error().what);
  if (!outcome.error().mend.empty()) fmt::print(stderr, "try: {}\n", outcome.error().mend);
  return 1;
}

}  // namespace

int serve_objects(std::string_view at, std::function<Result<void>(Broker&)> const& add) {
  return run_until_signal([&](world::World& world, Broker& broker) -> Result<void> {
    auto const endpoint = world::Endpoint::parse(at);
    if (!endpoint)
      return fail(Fault::invalid, fmt::format("{} is no address and port", at),
                  "such as 127.0.0.1:7000");
    MUT_TRY(add(broker));
    auto const listener = MUT_TRY(world.network().listen(*endpoint));
    fmt::print("serving at {}\n", listener->local().to_string());
    std::fflush(stdout);
    return broker.serve(*listener);
  });
}

int use_objects(std::function<Result<void>(Broker&)> const& work) {
  return run_until_signal([&](world::World&, Broker& broker) { return work(broker); });
}

}  // namespace mutirao::middleware
