#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/net/tls_identity.h"
#include "mutirao/world/world.h"

/// What controlling a node from another machine needs on both of them: a key of one's own, and on
/// the side of the command the keys of the nodes that it knows.
///
/// Nobody vouches for a node but the person who looked at its key. So a node that is not known is
/// not spoken to: the first time is told apart from an impostor by a person alone.
namespace mutirao::node {

/// The key pair of whoever has that state folder, node and commands alike; made when there is none.
/// Its file is "identity.pem", for its owner alone.
[[nodiscard]] Result<net::TlsIdentity> own_identity(world::World& world,
                                                    std::string const& state_folder);

/// "HOST:PORT" or "[v6]:PORT" as it is kept and compared; fails when it is none.
[[nodiscard]] Result<std::string> remote_name(std::string_view text);

/// The key of a node that was trusted; nothing: it never was. `at` is a remote_name().
[[nodiscard]] Result<std::optional<net::PublicKey>> known_node(world::World& world,
                                                               std::string const& state_folder,
                                                               std::string_view at);
/// From now on that is its key; the file is "known_nodes", a line for each.
Result<void> trust_node(world::World& world, std::string const& state_folder, std::string_view at,
                        net::PublicKey const& key);

/// The key that a node shows there. We do not prove ours to it.
[[nodiscard]] Result<net::PublicKey> shown_key(world::World& world, std::string_view at,
                                               Deadline deadline);

}  // namespace mutirao::node
