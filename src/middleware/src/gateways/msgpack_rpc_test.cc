#include "gateways/msgpack_rpc.h"

#include <set>

#include <gtest/gtest.h>

#include "mutirao/base/log.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/real_world.h"

#include "test_ledger.h"

namespace mutirao::middleware {
namespace {

/// A broker on loopback, and a client that says what it likes.
class RpcDesk {
 public:
  RpcDesk() : world{world::make_real_world(log)}, broker{*world} {
    MUT_ASSERT(broker.objects().add("ledger", test_objects::make_ledger(total)));
    listener = world->network().listen({world::IpAddress::loopback(), 0}).value();
    serving.spawn("server", [&] { return broker.serve(*listener); });
  }
  ~RpcDesk() { listener->close(); }

  std::unique_ptr<world::Stream> connect() {
    return world->network().connect(listener->local(), {}, threads::within(5s)).value();
  }
  /// The next answer as JSON; empty at the end.
  static std::string answer(world::Stream& stream, Bytes& buffer) {
    for (;;) {
      wire::MsgpackReader in{buffer};
      auto const value = in.skip();
      if (!in.failed() && !value.empty()) {
        auto json = json_from(value, nullptr).value();
        buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(value.size()));
        return json;
      }
      Bytes more(4096);
      auto const count = stream.read_some(more, threads::within(20s));
      if (!count || *count == 0) return {};
      buffer.insert(buffer.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(*count));
    }
  }
  std::string ask(wire::MsgpackWriter const& request) {
    auto const stream = connect();
    EXPECT_TRUE(stream->write_all(request.written(), threads::within(5s)));
    stream->finish_writing();
    Bytes buffer;
    return answer(*stream, buffer);
  }

  base::StderrLog log{base::LogLevel::warning};
  std::unique_ptr<world::World> world;
  std::atomic<std::int64_t> total = 0;
  Broker broker;
  std::unique_ptr<world::Listener> listener;
  threads::scope serving;
};

wire::MsgpackWriter rpc_request(std::uint32_t id, std::string_view method) {
  wire::MsgpackWriter out;
  out.array(4).integer(0).integer(id).string(method);
  return out;
}

void on_rpc_threads(std::function<void(RpcDesk&)> body) {
  threads::runtime runtime;
  runtime.run([&] {
    RpcDesk desk;
    body(desk);
  });
}

TEST(MsgpackRpc, answers_with_names_of_fields) {
  on_rpc_threads([](RpcDesk& desk) {
    auto add = rpc_request(7, "ledger.add");
    add.array(1).integer(5);
    EXPECT_EQ(desk.ask(add), "[1,7,null,5]");
    auto mirror = rpc_request(8, "ledger.mirror");
    mirror.array(1).map(2).string("y").integer(4).string("label").string("a");
    EXPECT_EQ(desk.ask(mirror), R"([1,8,null,{"x":4,"y":0,"label":"a"}])");
    auto numbered = rpc_request(9, "ledger.mirror");
    numbered.array(1).map(2).integer(1).integer(4).integer(77).array(1).nil();
    EXPECT_EQ(desk.ask(numbered), R"([1,9,null,{"x":0,"y":4,"label":""}])");
    auto count = rpc_request(10, "ledger.count");
    count.array(1).integer(3);
    EXPECT_EQ(desk.ask(count), "[1,10,null,[0,1,2]]");
  });
}

TEST(MsgpackRpc, says_what_is_wrong_with_a_call) {
  on_rpc_threads([](RpcDesk& desk) {
    auto slip = rpc_request(1, "ledger.mirror");
    slip.array(1).map(1).string("lable").nil();
    EXPECT_EQ(desk.ask(slip), R"([1,1,["invalid","arguments[0].lable: Point has no such field",)"
                              R"({"mend":"do you mean label?","executed":"no","retry":"never",)"
                              R"("retry_after_ms":0,"origin":""}],null])");
    auto wrong = rpc_request(2, "ledger.mirror");
    wrong.array(1).map(1).string("x").string("one");
    EXPECT_NE(desk.ask(wrong).find("arguments[0].x: a string where an integer is wanted"),
              std::string::npos);
    auto wide = rpc_request(3, "ledger.mirror");
    wide.array(1).map(1).string("x").integer(std::int64_t{1} << 40);
    EXPECT_NE(desk.ask(wide).find("arguments[0].x: 1099511627776 does not fit int32"),
              std::string::npos);
    auto nobody = rpc_request(4, "nobody.add");
    nobody.array(0);
    EXPECT_NE(desk.ask(nobody).find("there is no object called nobody here"), std::string::npos);
    auto no_dot = rpc_request(5, "add");
    no_dot.array(0);
    EXPECT_NE(desk.ask(no_dot).find("names no method"), std::string::npos);
    auto many = rpc_request(6, "ledger.add");
    many.array(2).integer(1).integer(2);
    EXPECT_NE(desk.ask(many).find("arguments: 2 values where there are only 1"), std::string::npos);
  });
}

TEST(MsgpackRpc, notifications_are_executed_and_not_answered) {
  on_rpc_threads([](RpcDesk& desk) {
    wire::MsgpackWriter out;
    for (int i = 0; i < 100; ++i)
      out.array(3).integer(2).bytes(base::view_of("ledger.add")).array(1).integer(1);
    EXPECT_EQ(desk.ask(out), "");
    EXPECT_EQ(desk.total, 100);
  });
}

TEST(MsgpackRpc, ten_thousand_requests_at_once_are_all_answered) {
  on_rpc_threads([](RpcDesk& desk) {
    constexpr std::uint32_t kRequests = 10'000;
    auto const stream = desk.connect();
    threads::scope sender;
    sender.spawn("sender", [&] {
      wire::MsgpackWriter out;
      for (std::uint32_t id = 0; id < kRequests; ++id) {
        out.raw(rpc_request(id, "ledger.add").written());
        out.array(1).integer(1);
      }
      return stream->write_all(out.written(), threads::within(30s));
    });
    Bytes buffer;
    std::set<std::string> seen;
    for (std::uint32_t i = 0; i < kRequests; ++i) {
      auto const answer = RpcDesk::answer(*stream, buffer);
      ASSERT_TRUE(answer.starts_with("[1,")) << answer;
      seen.insert(answer.substr(0, answer.find(',', 3)));
    }
    EXPECT_EQ(seen.size(), kRequests);
    EXPECT_EQ(desk.total, kRequests);
  });
}

TEST(MsgpackRpc, a_quick_call_does_not_wait_for_a_slow_one) {
  on_rpc_threads([](RpcDesk& desk) {
    auto const stream = desk.connect();
    auto out = rpc_request(1, "ledger.nap");
    out.array(1).integer(300'000'000);
    out.raw(rpc_request(2, "ledger.add").written());
    out.array(1).integer(1);
    ASSERT_TRUE(stream->write_all(out.written(), threads::within(5s)));
    Bytes buffer;
    EXPECT_EQ(RpcDesk::answer(*stream, buffer), "[1,2,null,1]");
    EXPECT_EQ(RpcDesk::answer(*stream, buffer), "[1,1,null,null]");
  });
}

TEST(MsgpackRpc, hostile_clients_are_cut_off_and_others_served) {
  on_rpc_threads([](RpcDesk& desk) {
    std::vector<Bytes> const attacks{
        {0x94, 0xdd, 0xff, 0xff, 0xff, 0xff},        // an array of four billion
        {0x94, 0, 1, 0xdb, 0xff, 0xff, 0xff, 0xff},  // a method's name of 4 GiB
        Bytes(200, 0x94),                            // arrays in arrays
        {0x93, 1, 1, 0xc0},                          // neither request nor notification
        {0x94, 0, 0xd3, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xa1, 'a', 0x90},  // a number that is no id
        {0x94, 0xc1},                                                 // a byte that means nothing
    };
    for (auto const& attack : attacks) {
      auto const stream = desk.connect();
      ASSERT_TRUE(stream->write_all(ByteView{attack}, threads::within(5s)));
      Bytes buffer;
      EXPECT_EQ(RpcDesk::answer(*stream, buffer), "") << base::to_hex(attack);
    }
    // Half a request, and then nothing more; and one that goes away.
    auto const half = desk.connect();
    auto request = rpc_request(1, "ledger.add");
    ASSERT_TRUE(half->write_all(request.written(), threads::within(5s)));
    desk.connect()->write_all(request.written(), threads::within(5s)).value();
    // 17 MiB of one message.
    auto const endless = desk.connect();
    Bytes const megabyte(1 << 20, 0x90);
    Bytes const head{0x94, 0, 1, 0xa1, 'a', 0xdd, 0, 0xff, 0xff, 0xf0};
    ASSERT_TRUE(endless->write_all(ByteView{head}, threads::within(5s)));
    bool cut = false;
    for (int i = 0; i < 64 && !cut; ++i)
      cut = !endless->write_all(ByteView{megabyte}, threads::within(10s));
    EXPECT_TRUE(cut);
    auto add = rpc_request(7, "ledger.add");
    add.array(1).integer(5);
    EXPECT_EQ(desk.ask(add), "[1,7,null,5]");
  });
}

TEST(Broker, one_port_speaks_http_as_well) {
  on_rpc_threads([](RpcDesk& desk) {
    auto const stream = desk.connect();
    ASSERT_TRUE(
        stream->write_all("POST /o/ledger/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                          "Connection: close\r\n\r\n[5]",
                          threads::within(5s)));
    std::string answer;
    Bytes buffer(4096);
    for (;;) {
      auto const count = stream->read_some(buffer, threads::within(5s));
      if (!count || *count == 0) break;
      answer += base::text_of(ByteView{buffer}.first(*count));
    }
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n5\n")) << answer;
    auto const node =
        desk.broker.find<test_objects::Ledger>("ledger@" + desk.listener->local().to_string());
    EXPECT_EQ(node->add(1).value(), 6);
  });
}

}  // namespace
}  // namespace mutirao::middleware
