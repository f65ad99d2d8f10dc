// Cap'n Proto: its two-party RPC as EzRpc sets it up, one event loop a side.
#include <algorithm>
#include <capnp/ez-rpc.h>
#include <kj/async.h>
#include <vector>

#include "echo.capnp.h"
#include "load.h"

namespace {
using bench::Clock;

class EchoServer final : public bench::Echo::Server {
  kj::Promise<void> echo(EchoContext context) override {
    auto const value = context.getParams().getValue();
    // Room for the whole reply at once: else it grows in segments.
    context.getResults(capnp::MessageSize{value.size() / sizeof(capnp::word) + 16, 0})
        .setValue(value);
    return kj::READY_NOW;
  }
};

void serve(bench::Orders const& orders) {
  capnp::EzRpcServer server{kj::heap<EchoServer>(), "127.0.0.1", orders.port};
  static_cast<void>(server.getPort().wait(server.getWaitScope()));
  bench::say_ready();
  kj::NEVER_DONE.wait(server.getWaitScope());
}

class Client final : kj::TaskSet::ErrorHandler {
 public:
  Client(bench::Orders const& orders, bench::Echo::Client echo)
      : orders_{orders},
        echo_{kj::mv(echo)},
        payload_(std::max(orders.bytes, bench::Orders::kSmallBytes), 'x'),
        meter_{orders} {}

  kj::Promise<void> drive() {
    auto over = kj::newPromiseAndFulfiller<void>();
    over_ = kj::mv(over.fulfiller);
    for (std::size_t slot = 0; slot < orders_.slots(); ++slot) call(slot, Clock::now());
    return kj::mv(over.promise);
  }
  void tell() const { meter_.tell(); }

 private:
  void call(std::size_t slot, Clock::time_point now) {
    auto const bytes = orders_.bytes_of(slot);
    auto request = echo_.echoRequest(capnp::MessageSize{bytes / sizeof(capnp::word) + 16, 0});
    request.setValue(capnp::Data::Reader{payload_.data(), bytes});
    calls_.add(request.send().then([this, slot, bytes, begun = now](auto reply) {
      if (reply.getValue().size() != bytes) bench::fail("a reply to another call");
      auto const now = Clock::now();
      meter_.completed(slot, begun, now);
      if (meter_.over(now))
        over_->fulfill();
      else
        call(slot, now);
    }));
  }

  void taskFailed(kj::Exception&& exception) override {
    bench::fail(exception.getDescription().cStr());
  }

  bench::Orders const& orders_;
  bench::Echo::Client echo_;
  std::vector<kj::byte> payload_;
  bench::Meter meter_;
  kj::Own<kj::PromiseFulfiller<void>> over_;
  kj::TaskSet calls_{*this};
};

void drive(bench::Orders const& orders) {
  capnp::EzRpcClient connection{"127.0.0.1", orders.port};
  Client client{orders, connection.getMain<bench::Echo>()};
  client.drive().wait(connection.getWaitScope());
  client.tell();
}
}  // namespace

int main(int argc, char** argv) { return bench::run(argc, argv, serve, drive); }
