#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mutirao/sim/router.h"

#include "header.h"
#include "line.h"
#include "nat_table.h"
#include "subnet.h"

namespace mutirao::sim {

class Fabric;

/// What a router, or all on the way, made of a packet.
enum class Verdict : std::uint8_t {
  passed,
  lost,     // nobody hears of it
  refused,  // its sender does
};

class SimulatedRouter final : public Router {
 public:
  SimulatedRouter(Fabric& fabric, std::string name, RouterOptions options, Subnet& outside,
                  std::uint32_t index);

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] world::IpAddress external_address() const noexcept override;
  void reboot() override;
  void set_nat(NatOptions options) override;
  void set_firewall(Firewall firewall) override;
  void set_uplink(Link uplink) override;
  void set_connected(bool connected) override { connected_ = connected; }
  void set_external_addresses(std::vector<world::IpAddress> addresses) override;
  [[nodiscard]] std::size_t mappings() override;
  [[nodiscard]] std::uint64_t denied() const noexcept override { return denied_; }

  /// Each of these may rewrite the header.
  Verdict outward(Header& packet);
  Verdict inward(Header& packet);
  /// From inside to one of its own external addresses, and back in.
  Verdict hairpin(Header& packet);

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] bool owns(world::IpAddress const& address) const noexcept;
  [[nodiscard]] bool translates(world::IpAddress const& address) const noexcept {
    return nat_ && address.is_v4();
  }
  [[nodiscard]] Link const& lan() const noexcept { return options_.lan; }
  [[nodiscard]] Link const& uplink() const noexcept { return options_.uplink; }
  [[nodiscard]] Subnet& outside() const noexcept { return outside_; }
  /// The next address of the inside.
  [[nodiscard]] world::IpAddress give_out_address() noexcept;

  Subnet inside;
  Line up, down;

 private:
  Verdict denial(Header const& packet);
  void make_nat();
  void make_guard();
  /// The memory that a packet to or from that address inside goes through; null: none does.
  [[nodiscard]] NatTable* table_for(world::IpAddress const& address) noexcept;

  Fabric& fabric_;
  std::string name_;
  RouterOptions options_;
  Subnet& outside_;
  std::uint32_t index_;  // in the trace
  bool connected_ = true;
  std::uint64_t denied_ = 0;
  std::optional<NatTable> nat_;
  std::optional<NatTable> guard_;  // of what is not translated, when only answers may come in
};

}  // namespace mutirao::sim
