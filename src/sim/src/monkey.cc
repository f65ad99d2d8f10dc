#include "mutirao/sim/monkey.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "mutirao/threads/this_thread.h"

#include "simulation_state.h"

namespace mutirao::sim {

namespace {
Duration exponential(SeededEntropy& random, Duration mean) {
  constexpr std::uint64_t kSteps = 1 << 30;
  // Never zero, which has no logarithm.
  auto const uniform = static_cast<double>(1 + random.below(kSteps)) / static_cast<double>(kSteps);
  auto const times = -std::log(uniform) * static_cast<double>(mean.count());
  return Duration{static_cast<Duration::rep>(times)};
}

/// False when the monkey was told to rest meanwhile.
bool slept(Duration duration) { return threads::sleep_for(duration).has_value(); }
}  // namespace

Monkey::State::State(Simulation& of, FaultRegistry& of_run, std::vector<Host*> troubled,
                     MonkeyOptions const& chosen)
    : simulation_{of}, faults_{of_run}, hosts_{std::move(troubled)}, options_{chosen} {
  auto const comes_up = [this](Host& host) {
    --down_;
    if (!host.is_up()) host.restart();
  };
  auto const goes_down = [this](CrashOptions how) {
    return [this, how](Host& host, FaultPoint&) {
      ++down_;
      simulation_.crash(host, how);
    };
  };
  start({.name = "monkey.crash",
         .often = options_.crashes,
         .takes_down = true,
         .begin = goes_down({}),
         .end = comes_up});
  start({.name = "monkey.kill",
         .often = options_.kills,
         .takes_down = true,
         .begin = goes_down({.reset_streams = true, .lose_unsynced = false}),
         .end = comes_up});
  start({.name = "monkey.isolation",
         .often = options_.isolations,
         .begin = [this](Host& host, FaultPoint&) { simulation_.isolate(host); },
         .end = [this](Host& host) { simulation_.rejoin(host); }});
  start({.name = "monkey.full_disk",
         .often = options_.full_disks,
         .begin = [](Host& host, FaultPoint&) { host.disk().set_full(true); },
         .end = [](Host& host) { host.disk().set_full(false); }});
  start({.name = "monkey.slow_disk",
         .often = options_.slow_disks,
         .begin = [this](Host& host, FaultPoint&) { host.disk().set_slowness(options_.slowness); },
         .end = [](Host& host) { host.disk().set_slowness({}); }});
  start({.name = "monkey.failing_disk",
         .often = options_.failing_disks,
         .begin = [](Host& host, FaultPoint&) { host.disk().set_error_chance(1, 1, 1); },
         .end = [](Host& host) { host.disk().set_error_chance(0, 0, 0); }});
  start({.name = "monkey.clock_jump",
         .often = options_.clock_jumps,
         .begin =
             [this](Host& host, FaultPoint& point) {
               auto const most = options_.clock_jump_max;
               auto const by = point.random().up_to(2 * most) - most;
               jumped_[&host] = by;
               host.jump_clock(by);
             },
         .end = [this](Host& host) { host.jump_clock(-jumped_[&host]); }});
  start_partitions();
}

void Monkey::State::spawn(std::string_view name, std::function<void()> body) {
  ++busy_;
  scope_.spawn(std::string{name},
               [this, body = std::move(body)] {
                 body();
                 if (--busy_ == 0) resting_.wake_all();
               },
               {.isolated = true});
}

bool Monkey::State::one_more_may_fall() const {
  return static_cast<double>(down_ + 1) <=
         options_.down_share_max * static_cast<double>(hosts_.size());
}

void Monkey::State::start(Kind kind) {
  if (kind.often.every <= Duration::zero() || hosts_.empty()) return;
  auto& point = faults_.wished(kind.name);
  kind.troubled.resize(hosts_.size());
  auto const shared = std::make_shared<Kind>(std::move(kind));
  spawn(shared->name, [this, shared, &point] {
    auto const between = shared->often.every / static_cast<Duration::rep>(hosts_.size());
    while (slept(exponential(point.random(), between))) strike(shared, point);
  });
}

void Monkey::State::strike(std::shared_ptr<Kind> const& kind, FaultPoint& point) {
  auto const chosen = static_cast<std::size_t>(point.random().below(hosts_.size()));
  auto const lasts = exponential(point.random(), kind->often.lasts);
  auto& host = *hosts_[chosen];
  if (kind->troubled[chosen] || !host.is_up()) return;
  if (kind->takes_down && !one_more_may_fall()) return;
  if (!point.fires(1)) return;
  kind->troubled[chosen] = true;
  kind->begin(host, point);
  spawn(kind->name, [kind, &host, chosen, lasts] {
    static_cast<void>(slept(lasts));
    threads::shield const undone_in_any_case;
    kind->end(host);
    kind->troubled[chosen] = false;
  });
}

void Monkey::State::start_partitions() {
  constexpr std::string_view kName = "monkey.partition";
  auto const often = options_.partitions;
  if (often.every <= Duration::zero()) return;
  auto& point = faults_.wished(kName);
  spawn(kName, [this, often, &point] {
    while (slept(exponential(point.random(), often.every))) {
      std::vector<Host*> first = hosts_;
      auto const second =
          std::ranges::partition(first, [&](Host*) { return point.random().chance(0.5); });
      std::vector<Host*> const others{second.begin(), second.end()};
      first.erase(second.begin(), second.end());
      if (!point.fires(1)) continue;
      auto const cut = simulation_.partition(first, others);
      static_cast<void>(slept(exponential(point.random(), often.lasts)));
      simulation_.heal(cut);
    }
  });
}

void Monkey::State::rest() {
  scope_.request_stop();
  threads::shield const ends_soon;
  while (busy_ > 0) static_cast<void>(resting_.wait(Deadline::never(), "rest"));
}

Monkey::Monkey(Simulation& simulation, std::vector<Host*> hosts, MonkeyOptions options)
    : simulation_{simulation},
      state_{std::make_shared<State>(simulation, simulation.state_->faults, std::move(hosts),
                                     options)} {
  simulation_.state_->monkeys.push_back(state_);
}

Monkey::~Monkey() {
  rest();
  std::erase(simulation_.state_->monkeys, state_);
}

void Monkey::rest() { state_->rest(); }

}  // namespace mutirao::sim
