#pragma once

#include <cstdint>

#include "mutirao/world/address.h"

namespace mutirao::sim {

/// What routers look at: the header of a packet, with the endpoints as they stand where it is now.
struct Header {
  enum class Kind : std::uint8_t {
    datagram,
    syn,
    data,  // of a stream: also SYN-ACK and ACK
    fin,
    reset,
  };
  Kind kind;
  world::Endpoint source;
  world::Endpoint target;

  [[nodiscard]] bool is_tcp() const noexcept { return kind != Kind::datagram; }
};

}  // namespace mutirao::sim
