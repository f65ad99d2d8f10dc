// counter_server [ADDRESS]: offers an object that counts. Call it by counter_client, or with
//   curl -d '[5]' http://127.0.0.1:7000/o/counter/add
#include <atomic>

#include "counter.h"

int main(int argc, char** argv) {
  std::atomic<std::int64_t> total = 0;
  return serve_objects(argc > 1 ? argv[1] : "127.0.0.1:7000", [&](Broker& broker) {
    auto const add = on<&Counter::add>([&](std::int64_t n) { return total += n; });
    return broker.objects().add("counter", servant<Counter>(add));
  });
}
