#pragma once

#include <string_view>
#include <vector>

#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/world/address.h"

namespace mutirao::world {

/// Host names to addresses, by the system's resolver.
///
/// getaddrinfo blocks for as long as the name servers like and can't be interrupted. So each
/// look-up has a thread of its own, with the large stack that the system's modules expect; a caller
/// whose deadline passes leaves it behind, and the resolver waits for it when it is destroyed.
class Resolver {
 public:
  Result<std::vector<IpAddress>> resolve(std::string_view host, Deadline deadline);

 private:
  static constexpr std::size_t kLookupsMax = 16;

  threads::semaphore free_{kLookupsMax};
  threads::scope lookups_;
};

}  // namespace mutirao::world
