#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mutirao/middleware/codec.h"

namespace mutirao::middleware {

/// A reference to an object as a value, which calls can carry: an object gives out others. The one
/// who gets it makes something to call of it, with Broker::find().
struct ObjectReference {
  std::string object{};
  std::string type{};        ///< of its interface
  std::uint64_t epoch = 0;   ///< of the object's state; 0: any
  std::string capability{};  ///< allows whoever holds the reference to call the object
  /// Ways to its node, the best first, such as "tls://ed25519:KEY@10.0.0.3:7000". None: the way by
  /// which the reference came; a node need not know how others see it.
  std::vector<std::string> routes{};

  static constexpr std::size_t kRoutesMax = 16;
};
template <>
inline constexpr auto record_of<ObjectReference> =
    record("ObjectReference", field(1, "object", &ObjectReference::object),
           field(2, "type", &ObjectReference::type), field(3, "epoch", &ObjectReference::epoch),
           field(4, "capability", &ObjectReference::capability),
           field(5, "routes", &ObjectReference::routes));

}  // namespace mutirao::middleware
