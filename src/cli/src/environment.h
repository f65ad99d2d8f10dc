#pragma once

#include <optional>
#include <string>

#include "mutirao/base/log.h"
#include "mutirao/base/result.h"
#include "mutirao/node/config.h"
#include "mutirao/node/control_client.h"

#include "options.h"

namespace mutirao::cli {

/// Where a node of this user lives.
struct NodePlace {
  std::string state_folder;
  std::string socket;
  std::string log_file;  ///< of a detached node
  std::string at{};      ///< HOST:PORT, when it is not on this machine
  /// Where the first two came from: "--state", "$XDG_STATE_HOME"; empty: by default.
  std::string state_from{};
  std::string socket_from{};

  [[nodiscard]] node::ControlPlace control() const { return {socket, at, state_folder}; }
};

/// What the environment says, as far as places depend on it; read once so that the rule is
/// testable.
struct Environment {
  std::string home;
  std::string state_dir;     ///< MUTIRAO_STATE_DIR
  std::string xdg_state;     ///< XDG_STATE_HOME
  std::string xdg_runtime;   ///< XDG_RUNTIME_DIR
  std::string capability{};  ///< MUTIRAO_CAPABILITY
  std::string at{};          ///< MUTIRAO_AT
  // Why ./run has no guest for the demo, and the mend: MUTIRAO_GUEST_MISSING, MUTIRAO_GUEST_MEND
  std::string guest_missing{};
  std::string guest_mend{};
  std::string working_folder;
  [[nodiscard]] static Environment read();
};

/// --state, else MUTIRAO_STATE_DIR, else $XDG_STATE_HOME/mutirao, else ~/.local/state/mutirao. The
/// socket of the default node lies in $XDG_RUNTIME_DIR, that of any other in its state folder.
[[nodiscard]] Result<NodePlace> node_place(std::string const& state_option,
                                           Environment const& environment);

/// Which node a command is for: --at, else MUTIRAO_AT; empty: that of this machine. Fails when the
/// command works with files or processes of this machine, and another was named.
[[nodiscard]] Result<std::string> remote_place(Options const& options,
                                               Environment const& environment);

/// Absolute and without "." and "..", by words alone.
[[nodiscard]] std::string absolute_path(std::string const& path, std::string const& working_folder);

[[nodiscard]] Result<node::NodeConfig> node_config(Options const& options, NodePlace const& place,
                                                   Environment const& environment);

/// MUTIRAO_LOG, else `otherwise`.
[[nodiscard]] base::LogLevel log_level(base::LogLevel otherwise);

}  // namespace mutirao::cli
