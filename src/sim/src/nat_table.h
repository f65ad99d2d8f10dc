#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/sim/nat.h"

#include "address_hash.h"
#include "header.h"

namespace mutirao::sim {

/// What a NAT remembers, and what it decides from that.
///
///     mapping     (inside endpoint [, remote]) <-> external endpoint      RFC 4787 §4.1
///     permission  (mapping, remote [address])   may come in               RFC 4787 §5
///     session     (mapping, remote endpoint)    a TCP connection          RFC 5382
///
/// Without external addresses it translates nothing and is the memory of a stateful firewall: the
/// external endpoint of a host is its own.
///
/// Pure policy: the caller says what time it is. Constant time for each packet, but for the scan
/// for a free port when few are left.
class NatTable {
 public:
  NatTable(NatOptions options, std::vector<world::IpAddress> external, SeededEntropy& random);

  /// What the source of a packet on its way out becomes; nothing: it may not pass.
  std::optional<world::Endpoint> outward(Header const& packet, TimePoint now);
  /// What the target of a packet on its way in becomes; nothing: it may not pass.
  std::optional<world::Endpoint> inward(Header const& packet, TimePoint now);

  /// Also drops what has expired.
  [[nodiscard]] std::size_t mappings(TimePoint now);
  void forget() noexcept;

 private:
  struct MappingKey {
    world::Endpoint inside;
    world::Endpoint remote;  // only as much of it as mappings depend on
    bool tcp;
    friend bool operator==(MappingKey const&, MappingKey const&) = default;
  };
  struct ExternalKey {
    world::Endpoint external;
    bool tcp;
    friend bool operator==(ExternalKey const&, ExternalKey const&) = default;
  };
  struct PermissionKey {
    std::uint64_t mapping;   // its serial number, so that those of a forgotten one are void
    world::Endpoint remote;  // of port 0: any
    friend bool operator==(PermissionKey const&, PermissionKey const&) = default;
  };
  struct LeakKey {
    world::Endpoint external;
    world::Endpoint remote;
    friend bool operator==(LeakKey const&, LeakKey const&) = default;
  };
  struct Hash {
    std::size_t operator()(MappingKey const& key) const noexcept;
    std::size_t operator()(ExternalKey const& key) const noexcept;
    std::size_t operator()(PermissionKey const& key) const noexcept;
    std::size_t operator()(LeakKey const& key) const noexcept;
  };
  struct Mapping {
    std::uint64_t serial = 0;  // 0: not in use
    MappingKey key{};
    world::Endpoint external{};
    TimePoint expires{};
    std::uint32_t sessions = 0;  // of TCP; it goes with the last of them
  };
  struct Session {
    TimePoint expires{};
    bool open = false;
    bool out_ended = false, in_ended = false;
  };
  struct Host {
    std::size_t address = 0;  // of the pool, when paired
    std::size_t ports = 0;
  };
  /// When to look at a mapping or permission again; it may have been refreshed since.
  struct Due {
    TimePoint when;
    std::uint32_t slot;      // of the mapping
    std::uint64_t serial;    // of the mapping
    world::Endpoint remote;  // of the permission or session; meaningless for a mapping
    enum class What : std::uint8_t { mapping, permission, session } what;
    [[nodiscard]] bool operator<(Due const& other) const noexcept {  // the earliest on top
      return when != other.when ? when > other.when : serial > other.serial;
    }
  };

  [[nodiscard]] bool translates() const noexcept { return !external_.empty(); }
  [[nodiscard]] MappingKey key_of(Header const& packet) const noexcept;
  [[nodiscard]] world::Endpoint filtered(world::Endpoint remote) const noexcept;
  void drop_expired(TimePoint now);
  void drop(std::uint32_t slot);

  std::optional<std::uint32_t> find(MappingKey const& key, TimePoint now) const;
  std::optional<std::uint32_t> make(MappingKey const& key, bool avoid_own_port);
  std::optional<world::Endpoint> assign(MappingKey const& key, bool avoid_own_port);
  [[nodiscard]] bool free(world::Endpoint external, bool tcp) const;
  std::optional<std::uint16_t> scan(world::Endpoint external, bool tcp, std::uint32_t start,
                                    unsigned step);

  void refresh(std::uint32_t slot, TimePoint until);
  void permit(std::uint32_t slot, world::Endpoint remote, TimePoint until);
  [[nodiscard]] bool permitted(Mapping const& mapping, world::Endpoint remote, TimePoint now) const;
  std::optional<std::uint32_t> outward_tcp(Header const& packet, TimePoint now);
  void begin_session(std::uint32_t slot, world::Endpoint remote);
  bool follow(std::uint32_t slot, Header const& packet, bool out, TimePoint now);
  [[nodiscard]] bool leaked(Mapping const& mapping, world::Endpoint remote, TimePoint now) const;

  NatOptions options_;
  std::vector<world::IpAddress> external_;
  SeededEntropy& random_;
  std::vector<Mapping> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t serial_ = 0;
  std::uint32_t next_port_;
  std::unordered_map<MappingKey, std::uint32_t, Hash> by_inside_;
  std::unordered_map<ExternalKey, std::uint32_t, Hash> by_external_;
  std::unordered_map<PermissionKey, TimePoint, Hash> permissions_;
  std::unordered_map<PermissionKey, Session, Hash> sessions_;
  std::unordered_map<LeakKey, TimePoint, Hash> leaks_;
  std::unordered_map<world::IpAddress, Host, AddressHash> hosts_;
  std::priority_queue<Due> due_;
};

}  // namespace mutirao::sim
