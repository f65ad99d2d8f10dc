#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mutirao/scenario/scenario.h"
#include "mutirao/sim/simulation.h"

namespace mutirao::scenario {

/// Where one host stands.
struct Place {
  sim::Host* host = nullptr;
  sim::Router* router = nullptr;     ///< its own; null on the Internet itself
  sim::Router* outermost = nullptr;  ///< whose address others see it under; null: its own is seen
};

/// Who stands where: on the Internet itself, or behind routers, as the shares of the scenario say.
///
/// Each peer draws what it stands behind from a stream of its own, and so stands there in a smaller
/// run too. Addresses on the Internet are no internal ones: a tracker tells those to nobody
/// outside.
class Places {
 public:
  Places(Scenario const& scenario, std::uint64_t seed, sim::Simulation& network);

  /// On the Internet itself, reachable for everybody.
  [[nodiscard]] sim::Host& add_reachable(std::string name);
  [[nodiscard]] Place add_peer(std::uint32_t number, std::string name);
  /// The one under which others see it, now.
  [[nodiscard]] static world::IpAddress address_of(Place const& place) noexcept;
  /// From now on another one; what is open falls silent.
  void change_address(Place const& place);

  [[nodiscard]] std::array<std::uint64_t, kGatewayKinds> const& behind() const noexcept {
    return behind_;
  }
  /// Packets that routers did not let pass.
  [[nodiscard]] std::uint64_t denied() const noexcept;

 private:
  [[nodiscard]] std::optional<GatewayKind> draw(std::uint32_t number) const noexcept;
  [[nodiscard]] sim::Router& add_router(std::string const& name, sim::RouterOptions options);
  [[nodiscard]] sim::Router& carrier();
  [[nodiscard]] world::IpAddress next_address() noexcept;

  Scenario const& scenario_;
  std::uint64_t seed_;
  sim::Simulation& network_;
  std::vector<sim::Router*> routers_;
  std::vector<sim::Router*> carriers_;
  std::array<std::uint64_t, kGatewayKinds> behind_{};
  std::uint32_t given_out_ = 0;
};

}  // namespace mutirao::scenario
