#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mutirao::sim {

/// All that happened in a run, to be compared with a second run of the same seed.
///
/// Two hashes that differ say that a run is no function of its seed, and nothing about where to
/// look. The first event that differs does: it comes right after the address, the order of a hash
/// table or the uninitialised byte that decided something. Beside what trace_hash() is over, a
/// recording has the content of all that is sent and written. 32 bytes an event; give one to each
/// run in SimulationOptions.
class Recording {
 public:
  struct Event {
    std::int64_t when_ns = 0;  ///< virtual time
    std::uint64_t detail = 0;  ///< a size, an offset, a hash of content: whatever tells two apart
    std::uint32_t host = 0;    ///< 0 when it is nobody's
    std::uint32_t kind = 0;
    friend bool operator==(Event const&, Event const&) = default;
  };

  Recording() = default;
  /// Only a part of a run, to be read: the events from `first` to `last`, counted from 1 as
  /// Simulation::trace_events() does, and no content.
  Recording(std::uint64_t first, std::uint64_t last)
      : first_{first}, last_{last}, has_content_{false} {}

  [[nodiscard]] bool wants(std::uint64_t number) const noexcept {
    return number >= first_ && number <= last_;
  }
  [[nodiscard]] bool has_content() const noexcept { return has_content_; }
  void note(Event const& event) { events_.push_back(event); }
  void name_host(std::uint32_t host, std::string name) { hosts_[host] = std::move(name); }

  [[nodiscard]] std::size_t size() const noexcept { return events_.size(); }
  [[nodiscard]] Event const& operator[](std::size_t index) const { return events_[index]; }
  /// "at 3.250000000 s, leech7 delivered (1400)".
  [[nodiscard]] std::string describe(Event const& event) const;

 private:
  std::uint64_t first_ = 0;
  std::uint64_t last_ = std::numeric_limits<std::uint64_t>::max();
  bool has_content_ = true;
  std::vector<Event> events_;
  std::map<std::uint32_t, std::string> hosts_;
};

/// The first event that differs, with what came before it, to be read by a person; nothing when the
/// two are equal.
[[nodiscard]] std::optional<std::string> first_difference(Recording const& first,
                                                          Recording const& second);

}  // namespace mutirao::sim
