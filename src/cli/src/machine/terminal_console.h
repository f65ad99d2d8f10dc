#pragma once

#include "mutirao/base/result.h"

#include "machine/machine_client.h"

namespace mutirao::cli {

/// While it lives, what is typed goes through as it is: to the guest, Ctrl-C too. Where standard
/// input is no terminal it changes nothing.
class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(RawTerminal const&) = delete;
  RawTerminal& operator=(RawTerminal const&) = delete;
  [[nodiscard]] bool changed() const noexcept { return changed_; }

 private:
  struct Settings;
  std::unique_ptr<Settings> before_;
  bool changed_ = false;
};

/// How a person left a console, or did not.
enum class ConsoleEnd : std::uint8_t { machine_ended, left };

struct ConsoleWishes {
  bool types = true;   ///< what comes on standard input is typed
  bool leaves = true;  ///< Ctrl-] leaves
};

/// Shows the console of a machine on standard output until the machine ends or somebody leaves.
[[nodiscard]] Result<ConsoleEnd> show_on_terminal(MachineClient& machine, ConsoleWishes wishes);

}  // namespace mutirao::cli
