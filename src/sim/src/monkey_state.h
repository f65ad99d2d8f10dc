#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "mutirao/sim/monkey.h"
#include "mutirao/threads/scope.h"

#include "fault_registry.h"
#include "wait_list.h"

namespace mutirao::sim {

struct Monkey::State {
  State(Simulation& of, FaultRegistry& of_run, std::vector<Host*> troubled,
        MonkeyOptions const& chosen);
  void rest();

 private:
  /// What one kind of trouble does to a host, and how that is undone.
  struct Kind {
    std::string_view name;
    Disturbance often;
    bool takes_down = false;
    std::function<void(Host&, FaultPoint&)> begin;
    std::function<void(Host&)> end;
    std::vector<bool> troubled{};  ///< by number of the host
  };

  void start(Kind kind);
  void strike(std::shared_ptr<Kind> const& kind, FaultPoint& point);
  void start_partitions();
  /// One thread of the monkey; rest() waits for it.
  void spawn(std::string_view name, std::function<void()> body);
  [[nodiscard]] bool one_more_may_fall() const;

  Simulation& simulation_;
  FaultRegistry& faults_;
  std::vector<Host*> hosts_;
  MonkeyOptions options_;
  std::map<Host*, Duration> jumped_;
  std::size_t down_ = 0;
  std::size_t busy_ = 0;
  WaitList resting_;
  threads::scope scope_;  // last: its threads use all of the above
};

}  // namespace mutirao::sim
