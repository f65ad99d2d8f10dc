#include "simulated_network.h"

#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"

namespace {

using namespace mutirao;

Bytes response() {
  constexpr std::string_view kHead = "HTTP/1.0 200 OK\r\nContent-Length: 2000000\r\n\r\n";
  Bytes bytes(kHead.begin(), kHead.end());
  for (std::size_t i = 0; i < 2'000'000; ++i)
    bytes.push_back(static_cast<std::uint8_t>(31 * i + i / 251));
  return bytes;
}

void serve(world::World& world) {
  auto const listener = world.network().listen({world::IpAddress::any(), 80});
  if (!listener) return;
  auto const content = response();
  while (auto const stream = (*listener)->accept(Deadline::never())) {
    std::array<std::uint8_t, 1024> request;
    if (!(*stream)->read_some(request, Deadline::never())) continue;
    static_cast<void>((*stream)->write_all(content, Deadline::never()));
    (*stream)->finish_writing();
    // Until the other side has all of it.
    while ((*stream)->read_some(request, Deadline::never()).value_or(0) != 0) {
    }
  }
}

}  // namespace

void run_in_simulated_network(std::uint64_t seed, std::function<void(world::World&)> const& body) {
  sim::Simulation simulation{
      {.seed = seed, .network = {.link = {.latency = 5ms, .jitter = 2ms, .loss = 0.02}}}};
  simulation.run([&](sim::Simulation& network) {
    auto const public_address = [](std::uint8_t last) {
      return std::vector{world::IpAddress::v4({9, 9, 9, last})};
    };
    sim::Host& server = network.add_host("server", {.addresses = public_address(9)});
    sim::Host& here = network.add_host("here", {.addresses = public_address(1)});
    threads::scope programs;
    programs.spawn("server", [&] { serve(server.world()); });
    body(here.world());
  });
}
