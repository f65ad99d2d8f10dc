#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mutirao/sim/link.h"
#include "mutirao/sim/simulation.h"

#include "event_queue.h"
#include "fault_registry.h"
#include "random.h"
#include "simulated_router.h"
#include "station.h"
#include "trace.h"

namespace mutirao::sim {

/// Where a packet comes to next: a host, or a router that it goes inward through.
struct Way {
  Verdict verdict = Verdict::lost;
  Station* station = nullptr;
  SimulatedRouter* router = nullptr;
  Link link{};       // all that lies in between
  TimePoint left{};  // when it is through the lines on this side
};

/// The network between the hosts: who is where, what lies between, and what is cut.
class Fabric {
 public:
  Fabric(NetworkOptions network, std::uint64_t seed, EventQueue& queue, Trace& rolling,
         FaultRegistry& registry);

  Station& add_station(std::string name, Router* behind, std::vector<world::IpAddress> addresses);
  SimulatedRouter& add_router(std::string name, RouterOptions options);
  /// Gives a host other addresses, perhaps elsewhere.
  void move(Station& station, Router* behind, std::vector<world::IpAddress> addresses);
  /// Makes an address lead to a member of a subnet, and of those outside that see through.
  void attach(Subnet& subnet, world::IpAddress address, Member member);
  [[nodiscard]] Station* find(std::string_view name) noexcept;

  // What a packet meets.
  [[nodiscard]] bool cut(Station const& from, Station const& to) const noexcept;
  /// Whether a packet that comes to `to` now gets in.
  [[nodiscard]] bool passes(Station const& from, Station const& to) const noexcept {
    return to.up && !cut(from, to);
  }
  /// When to see whether what comes from one to the other now gets in: later, while that direction
  /// is clogged.
  [[nodiscard]] TimePoint unclogged(Station const& from, Station const& to) const noexcept;

  /// From a host to the first host or router that it goes inward through; the header is rewritten
  /// on the way. A size means that it takes its time on the lines, and is lost when they are full.
  Way outward(Station& from, Header& packet, std::optional<std::size_t> size);
  /// Through a router that the packet came to, and on.
  Way inward(SimulatedRouter& router, Header& packet, std::optional<std::size_t> size);
  /// All the way at once; the station is where it came to.
  Way cross(Station& from, Header& packet);

  // Faults.
  void set_cut(Station const& a, Station const& b, bool is_cut);
  [[nodiscard]] PartitionId set_cut(std::span<Station* const> first,
                                    std::span<Station* const> second, Direction direction);
  void heal(PartitionId partition);
  /// Ends every partition, isolation and clog.
  void heal() noexcept;
  void clog(Station const& from, Station const& to, TimePoint until);
  void set_link(Station const& from, Station const& to, Link link);
  void set_default_link(Link link) noexcept { options.link = link; }

  /// All that lies between the two.
  [[nodiscard]] Link link(Station const& from, Station const& to) const;
  /// Latency and a drawn jitter of one packet.
  [[nodiscard]] Duration delay(Link const& link) {
    return link.latency + random.up_to(link.jitter);
  }
  [[nodiscard]] Duration delay(Station const& from, Station const& to) {
    return delay(link(from, to));
  }
  /// When `size` bytes sent now have left the host and what limits its way. Nothing limits
  /// loopback.
  [[nodiscard]] TimePoint departure(Station& from, Station const& to, std::size_t size);
  /// When `size` bytes that come in now are through the lines on the receiver's side.
  [[nodiscard]] TimePoint landing(Station const& from, Station& to, std::size_t size);

  void note(TraceEvent event, Station const& station, std::uint64_t detail = 0) noexcept {
    trace.note(events.now(), event, station.index, detail);
  }
  void note_content(Station const& station, ByteView content) {
    trace.note_content(events.now(), station.index, content);
  }

  NetworkOptions options;
  EventQueue& events;
  Trace& trace;
  SeededEntropy random;

  /// Of the network itself, by name.
  struct Faults {
    explicit Faults(FaultRegistry& registry);
    FaultPoint& connect_fails;
    FaultPoint& resolve_fails;
    FaultPoint& slow_accept;
    FaultPoint& short_read;
    FaultPoint& split_write;
    FaultPoint& late_wakeup;
  };
  Faults faults;

 private:
  struct Path {
    Link link;
    Line line;
  };
  using Pair = std::pair<std::uint32_t, std::uint32_t>;  ///< station indices: from, to
  struct PairHash {
    std::size_t operator()(Pair pair) const noexcept {
      return mix((std::uint64_t{pair.first} << 32) | pair.second);
    }
  };
  template <class Value>
  using ByPair = std::unordered_map<Pair, Value, PairHash>;

  [[nodiscard]] Subnet& subnet_behind(Router* router) noexcept;
  void place(Station& station, Subnet& subnet, std::vector<world::IpAddress> addresses);
  [[nodiscard]] Link const& link_within(Subnet const& subnet) const noexcept {
    return subnet.gateway != nullptr ? subnet.gateway->lan() : options.link;
  }
  [[nodiscard]] Link const& link_within(Subnet const& subnet, Station const& from,
                                        Station const& to) const noexcept;
  TimePoint pass_between(Station const& from, Station const& to, TimePoint when, std::size_t size);

  Subnet internet_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::vector<std::unique_ptr<SimulatedRouter>> routers_;
  std::uint32_t external_given_out_ = 0;
  std::map<std::string, Station*, std::less<>> by_name_;
  ByPair<bool> cuts_;             ///< in that direction
  std::uint64_t partitions_ = 0;  ///< one bit for each in force
  std::uint64_t partitions_both_ways_ = 0;
  ByPair<TimePoint> clogs_;
  ByPair<Path> paths_;
  ByPair<Line> default_lines_;
};

}  // namespace mutirao::sim
