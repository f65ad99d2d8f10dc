#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mutirao::sim {

/// Which faults by name (World::maybe) a run has.
///
/// Each name is there or not for the whole of a run, as its seed draws. Leaving some out at random
/// finds more than to have all in every run: one fault often hides what another would show ("swarm
/// testing", Groce et al. 2012).
struct FaultOptions {
  /// Chance of each name to be enabled. None by default: the test of one behaviour wants one cause.
  double share = 0;
  std::vector<std::string> forced{};     ///< enabled in every run
  std::vector<std::string> forbidden{};  ///< in none; wins over `forced`
};

/// What became of one name.
struct FaultCount {
  std::string name;
  bool enabled = false;
  std::uint64_t asked = 0;
  std::uint64_t fired = 0;
};

/// Names that the simulated world itself asks for, sorted.
inline constexpr std::array<std::string_view, 8> kWorldFaults{
    "sim.disk.slow_call",         // a disk call takes up to 200 ms more
    "sim.entropy.edge",           // a draw of up to 8 bytes is all zeros or all ones
    "sim.network.connect_fails",  // at once, as when the host is out of descriptors
    "sim.network.resolve_fails",  // no answer from the resolver
    "sim.network.slow_accept",    // a connection waits up to 1 s more for its accept()
    "sim.stream.late_wakeup",     // a reader whose bytes are there runs up to 1 ms later
    "sim.stream.short_read",      // a read returns less than there is, often one byte
    "sim.stream.split_write",     // a write leaves in several segments
};

}  // namespace mutirao::sim
