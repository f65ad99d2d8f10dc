#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/sim/link.h"

#include "event_queue.h"
#include "random.h"
#include "station.h"
#include "trace.h"

namespace mutirao::sim {

/// The network between the hosts: who is where, what lies between, and what is cut.
class Fabric {
 public:
  Fabric(NetworkOptions network, std::uint64_t seed, EventQueue& queue, Trace& rolling);

  Station& add_station(std::string name, std::vector<world::IpAddress> addresses);
  /// The host that `address` leads to, seen from `from`; null when it leads nowhere.
  [[nodiscard]] Station* find(Station& from, world::IpAddress address) noexcept;
  [[nodiscard]] Station* find(std::string_view name) noexcept;

  [[nodiscard]] bool cut(Station const& a, Station const& b) const noexcept;
  void set_cut(Station const& a, Station const& b, bool is_cut);
  /// Whether a packet that comes to `to` now gets in.
  [[nodiscard]] bool passes(Station const& from, Station const& to) const noexcept {
    return to.up && !cut(from, to);
  }

  [[nodiscard]] Link const& link(Station const& from, Station const& to) const noexcept;
  void set_link(Station const& from, Station const& to, Link link);
  void set_default_link(Link link) noexcept { options.link = link; }

  /// Latency and a drawn jitter of one packet.
  [[nodiscard]] Duration delay(Station const& from, Station const& to);
  /// When `size` bytes sent now have left the host and its link. Nothing limits loopback.
  [[nodiscard]] TimePoint departure(Station& from, Station const& to, std::size_t size);
  /// When `size` bytes that come in now are through the receiver's downlink.
  [[nodiscard]] TimePoint landing(Station const& from, Station& to, std::size_t size);

  void note(TraceEvent event, Station const& station, std::uint64_t detail = 0) noexcept {
    trace.note(events.now(), event, station.index, detail);
  }

  NetworkOptions options;
  EventQueue& events;
  Trace& trace;
  SeededEntropy random;

 private:
  struct Path {
    Link link;
    Line line;
  };
  using Pair = std::pair<std::uint32_t, std::uint32_t>;

  std::vector<std::unique_ptr<Station>> stations_;
  std::map<world::IpAddress, Station*> by_address_;
  std::map<std::string, Station*, std::less<>> by_name_;
  std::set<Pair> cuts_;
  std::map<Pair, Path> paths_;  ///< from, to
  std::map<Pair, Line> default_lines_;
};

}  // namespace mutirao::sim
