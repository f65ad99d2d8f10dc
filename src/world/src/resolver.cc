#include "resolver.h"

#include <algorithm>
#include <memory>
#include <netdb.h>
#include <optional>
#include <string>
#include <sys/socket.h>

#include <fmt/format.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/mutex.h"

#include "socket_address.h"
#include "system_errors.h"

namespace mutirao::world {

namespace {
using Addresses = Result<std::vector<IpAddress>>;

std::unexpected<Error> resolver_failure(int code, std::string const& host) {
  auto what = fmt::format("look up {}: {}", host, gai_strerror(code));
  switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
      return fail(Fault::not_found, std::move(what), "check the spelling of the name");
    case EAI_AGAIN:
      return fail(Fault::unreachable, std::move(what),
                  "check the network and the name servers in /etc/resolv.conf");
    case EAI_MEMORY:
      return fail(Fault::exhausted, std::move(what));
    default:
      return fail(Fault::io, std::move(what), "check the name servers in /etc/resolv.conf");
  }
}

Addresses ask_system(std::string const& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int const code =
      threads::blocking([&] { return ::getaddrinfo(host.c_str(), nullptr, &hints, &found); });
  auto const free_list = [](addrinfo* list) { ::freeaddrinfo(list); };
  std::unique_ptr<addrinfo, decltype(free_list)> const list{found, free_list};
  if (code != 0) return resolver_failure(code, host);
  std::vector<IpAddress> addresses;
  for (auto const* each = found; each != nullptr; each = each->ai_next) {
    auto const address = endpoint_of(each->ai_addr).address;
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  return addresses;
}

/// Outlives a caller that gave up.
struct Lookup {
  threads::mutex mutex;
  threads::condition_variable done;
  std::optional<Addresses> answer;
};
}  // namespace

Result<std::vector<IpAddress>> Resolver::resolve(std::string_view host, Deadline deadline) {
  if (auto const address = IpAddress::parse(host)) return std::vector{*address};
  // RFC 1035 2.3.4
  if (host.empty() || host.size() > 253 || host.find('\0') != host.npos) {
    return fail(Fault::invalid, fmt::format("'{}' is no host name", host.substr(0, 64)));
  }
  auto const about = fmt::format("look up {}", host);
  if (auto got = free_.acquire(deadline); !got)
    return std::unexpected{std::move(got).error().during(about)};
  auto const lookup = std::make_shared<Lookup>();
  lookups_.spawn("look-up",
                 [this, lookup, name = std::string{host}] {
                   auto answer = ask_system(name);
                   {
                     std::lock_guard const lock{lookup->mutex};
                     lookup->answer = std::move(answer);
                   }
                   lookup->done.notify_all();
                   free_.release();
                 },
                 {.stack = threads::stack_size::large, .isolated = true});
  std::unique_lock lock{lookup->mutex};
  auto waited = lookup->done.wait(lock, [&] { return lookup->answer.has_value(); }, deadline);
  if (!waited) return std::unexpected{std::move(waited).error().during(about)};
  return *std::move(lookup->answer);
}

}  // namespace mutirao::world
