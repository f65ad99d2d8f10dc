// What src/sim/src/nat_probe.h does, in the real world:
//
//   nat_probe serve ADDRESS ADDRESS [HEAD_START_MS]    until it is killed
//   nat_probe classify ADDRESS ADDRESS                 prints what the NATs on the way do
//   nat_probe hairpins ADDRESS                         prints yes or no
//   nat_probe punch ADDRESS first|second MEETING       prints "direct" or "no way"
//   nat_probe connect PORT ENDPOINT                    TCP from that port; prints "connected" or
//   why not
#include "nat_probe.h"

#include <cstdio>
#include <cstdlib>
#include <span>

#include "mutirao/threads/runtime.h"
#include "mutirao/world/real_world.h"

namespace {

using namespace mutirao;
using Arguments = std::span<char const* const>;

Result<std::string> run(world::World& world, Arguments arguments) {
  std::string_view const command = arguments[0];
  auto const address = [&](std::size_t index) {
    return world::IpAddress::parse(arguments[index]).value();
  };
  if (command == "serve") {
    threads::scope scope;
    auto const server = MUT_TRY(sim::probe::Server::start(world, address(1), address(2), scope));
    if (arguments.size() > 3)
      server->set_head_start(std::chrono::milliseconds{std::atoi(arguments[3])});
    std::puts("ready");
    std::fflush(stdout);
    MUT_TRY(scope.join());
    return "stopped";
  }
  if (command == "classify") {
    return to_string(MUT_TRY(sim::probe::classify(world, address(1), address(2), 300ms)));
  }
  if (command == "hairpins") return MUT_TRY(sim::probe::hairpins(world, address(1))) ? "yes" : "no";
  if (command == "punch") {
    auto const took = MUT_TRY(sim::probe::punch(
        world, address(1), std::string_view{arguments[2]} == "first", arguments[3], 1500ms));
    return took ? "direct" : "no way";
  }
  auto const port = static_cast<std::uint16_t>(std::atoi(arguments[1]));
  auto const stream = MUT_TRY(world.network().connect(world::Endpoint::parse(arguments[2]).value(),
                                                      {.from_port = port}, threads::within(10s)));
  MUT_TRY(stream->write_all("hello", threads::within(5s)));
  Bytes answer(5);
  MUT_TRY(stream->read_exactly(answer, threads::within(5s)));
  return "connected";
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 2;
  base::SilentLog log;
  threads::runtime runtime;
  int status = 1;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    auto const said = run(*world, Arguments{arguments, static_cast<std::size_t>(count)}.subspan(1));
    std::puts((said ? *said : said.error().what).c_str());
    status = said ? 0 : 1;
  });
  return status;
}
