// counter_client [ADDRESS]: adds 5 to the counter there, and tells the new total.
#include <fmt/format.h>

#include "counter.h"

int main(int argc, char** argv) {
  return use_objects([&](Broker& broker) -> mutirao::Result<void> {
    std::string const server = argc > 1 ? argv[1] : "127.0.0.1:7000";
    auto const counter = MUT_TRY(broker.find<Counter>("counter@" + server));
    fmt::print("{}\n", MUT_TRY(counter.add(5)));
    return {};
  });
}
