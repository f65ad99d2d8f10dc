#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/node/control_client.h"
#include "mutirao/world/world.h"

#include "environment.h"
#include "options.h"

namespace mutirao::cli {

/// What every command gets.
struct Context {
  Options options;
  Environment environment;
  NodePlace place;

  [[nodiscard]] bool wants_progress() const noexcept {
    return !options.quiet && !options.no_progress && !options.json;
  }
};

/// The whole program after its name; the exit code.
int run_command_line(std::vector<std::string> const& words);

/// Runs `body` on a user thread with the real world, and returns what it returns.
int with_world(std::function<int(world::World&)> const& body);
/// The same for what may go on for long: Ctrl-C asks it to leave. The exit code; an error is
/// reported, unless the interruption is the way out (`leaves`).
int with_world_until_interrupted(Context const& context, bool leaves,
                                 std::function<Result<void>(world::World&)> const& body);

/// A line about where a node is controlled from other machines; nothing, when it is not.
std::string control_text(node::NodeStatus const& status);

/// Makes sure that a node answers, by starting one in the background when none does; says so.
Result<void> ensure_node(Context const& context);

int command_up(Context const& context);
int command_share(Context const& context);
int command_get(Context const& context);
int command_status(Context const& context);
int command_swarm(Context const& context);
int command_stop(Context const& context);
int command_thread(Context const& context);
int command_object(Context const& context);
int command_interceptor(Context const& context);
int command_component(Context const& context);
int command_config(Context const& context);
int command_key(Context const& context);
int command_doctor(Context const& context);
int command_demo(Context const& context);
int command_boot(Context const& context);
int command_machine(Context const& context);
int command_machine_restore(Context const& context);
int command_machine_exec(Context const& context);
int command_sim(Context const& context);

}  // namespace mutirao::cli
