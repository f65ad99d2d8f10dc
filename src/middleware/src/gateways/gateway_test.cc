#include "mutirao/middleware/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/thread.h"

#include "test_ledger.h"

namespace mutirao::middleware {
namespace {

using testing::HasSubstr;

struct Answer final : net::HttpResponder {
  int status = 0;
  wire::HttpFields fields;
  std::string body;
  bool gone = false;

  Result<void> send(int code, wire::HttpFields given, std::string_view text) override {
    MUT_ASSERT(status == 0);
    status = code;
    fields = std::move(given);
    body = text;
    return {};
  }
  Result<void> begin(int code, wire::HttpFields given, std::uint64_t /*length*/) override {
    return send(code, std::move(given), "");
  }
  Result<void> begin_chunked(int code, wire::HttpFields given) override {
    return send(code, std::move(given), "");
  }
  Result<void> write(ByteView part) override {
    if (gone) return fail(Fault::closed, "the client is gone");
    body += base::text_of(part);
    return {};
  }
  [[nodiscard]] bool client_gone() const override { return gone; }
};

/// A node with a ledger, and requests to it.
class GatewayDesk {
 public:
  explicit GatewayDesk(GatewayOptions options = {}) : gateway{objects, std::move(options)} {
    MUT_ASSERT(objects.add("ledger", test_objects::make_ledger(total), {.about = "of the tests"}));
    MUT_ASSERT(objects.add("safe", test_objects::make_ledger(total), {.capability = "sesame"}));
  }

  using Fields = std::vector<std::pair<std::string, std::string>>;
  Answer ask(std::string method, std::string target, std::string body = {}, Fields fields = {}) {
    net::HttpServerRequest request;
    request.head.method = std::move(method);
    request.head.target = target;
    request.target = wire::HttpTarget::parse(target).value();
    request.body = std::move(body);
    request.head.fields.add("Host", "127.0.0.1:7000");
    for (auto& [name, value] : fields) request.head.fields.set(name, value);
    Answer answer;
    EXPECT_TRUE(gateway.handle(request, answer));
    return answer;
  }
  Answer post(std::string path, std::string body = {}, Fields fields = {}) {
    return ask("POST", "/o/" + path, std::move(body), std::move(fields));
  }

  ObjectAdapter objects;
  Gateway gateway;
  std::atomic<std::int64_t> total = 0;
};

class GatewayTest : public testing::Test {
 protected:
  static void on_threads(std::function<void()> body) {
    threads::runtime runtime{{.simulated = threads::simulated_schedule{.seed = 1}}};
    runtime.run([&] { body(); });
  }
};

TEST_F(GatewayTest, calls_a_method_with_an_array_or_its_only_argument) {
  on_threads([] {
    GatewayDesk desk;
    EXPECT_EQ(desk.post("ledger/add", "[5]").body, "5\n");
    EXPECT_EQ(desk.post("ledger/add", " 7").body, "12\n");
    EXPECT_EQ(desk.post("ledger/total").body, "12\n");
    EXPECT_EQ(desk.post("ledger/sum", "[9007199254740993, -1]").body, "9007199254740992\n");
    EXPECT_EQ(desk.post("ledger/mirror", R"({"x":1,"y":2,"label":"é"})").body,
              "{\"x\":2,\"y\":1,\"label\":\"é\"}\n");
    EXPECT_EQ(desk.post("ledger/echo", R"(["AP8="])").body, "\"AP8=\"\n");
    EXPECT_EQ(desk.post("ledger/nap", "[0]").body, "null\n");
  });
}

TEST_F(GatewayTest, says_what_is_wrong_with_a_call) {
  on_threads([] {
    GatewayDesk desk;
    auto const nobody = desk.post("leger/add", "[5]");
    EXPECT_EQ(nobody.status, 404);
    EXPECT_THAT(nobody.body, HasSubstr(R"("fault":"not_found")"));
    EXPECT_THAT(nobody.body, HasSubstr("do you mean ledger?"));
    EXPECT_THAT(nobody.body, HasSubstr(R"("executed":"no")"));
    EXPECT_EQ(desk.post("ledger/ad", "[5]").status, 404);
    auto const slip = desk.post("ledger/mirror", R"([{"x":1,"lable":""}])");
    EXPECT_EQ(slip.status, 400);
    EXPECT_THAT(slip.body, HasSubstr("arguments[0].lable: Point has no such field"));
    EXPECT_THAT(slip.body, HasSubstr("do you mean label?"));
    EXPECT_THAT(desk.post("ledger/add", "five").body, HasSubstr("this is not JSON"));
    EXPECT_THAT(desk.post("ledger/sum", "5").body, HasSubstr("takes 2 arguments"));
    EXPECT_EQ(desk.post("nobody/add", std::string(1000, '[')).status, 413);
    EXPECT_EQ(desk.ask("DELETE", "/o/ledger").status, 405);
    EXPECT_EQ(desk.post("ledger").status, 405);
    EXPECT_EQ(desk.ask("GET", "/").status, 404);
  });
}

TEST_F(GatewayTest, a_failure_says_when_to_come_again) {
  on_threads([] {
    GatewayDesk desk;
    auto const trouble = desk.post("ledger/trouble", R"(["work"])");
    EXPECT_EQ(trouble.status, 429);
    EXPECT_EQ(trouble.fields.find("Retry-After"), "2");
    EXPECT_EQ(trouble.body,
              R"({"error":{"fault":"exhausted","what":"too much work","mend":"rest",)"
              R"("executed":"no","retry":"later","retry_after_ms":1500,"origin":"admission"}})"
              "\n");
  });
}

TEST_F(GatewayTest, a_call_ends_when_its_caller_stops_waiting) {
  on_threads([] {
    GatewayDesk desk;
    auto const began = threads::now();
    EXPECT_EQ(desk.post("ledger/nap", "[60000000000]", {{"X-Deadline-Ms", "250"}}).status, 504);
    EXPECT_EQ(threads::now() - began, 250ms);
    EXPECT_EQ(
        desk.post("ledger/nap", "[60000000000]", {{"Prefer", "return=minimal, wait=2"}}).status,
        504);
    EXPECT_EQ(threads::now() - began, 2250ms);
    EXPECT_EQ(desk.post("ledger/nap", "[60000000000]").status, 504);
    EXPECT_EQ(threads::now() - began, 32250ms);
    EXPECT_EQ(desk.post("ledger/nap", "[0]", {{"X-Deadline-Ms", "soon"}}).status, 400);
  });
}

TEST_F(GatewayTest, an_object_may_need_its_capability) {
  on_threads([] {
    GatewayDesk desk;
    EXPECT_EQ(desk.post("safe/add", "[1]").status, 403);
    EXPECT_EQ(desk.post("safe/add", "[1]", {{"Authorization", "Bearer open"}}).status, 403);
    EXPECT_EQ(desk.post("safe/add", "[1]", {{"Authorization", "bearer sesame"}}).status, 200);
  });
}

TEST_F(GatewayTest, interceptors_learn_trace_key_and_caller) {
  struct Spy final : Interceptor {
    Reply intercept(Call& call, Next next) override {
      trace = call.trace;
      key = call.key;
      incoming = call.incoming;
      return next(call);
    }
    TraceContext trace;
    IdempotencyKey key;
    bool incoming = false;
  };
  on_threads([] {
    GatewayDesk desk;
    auto const spy = std::make_shared<Spy>();
    auto chain = Chain::make({{.name = "spy", .interceptor = spy}}, desk.objects.last());
    ASSERT_TRUE(chain);
    ASSERT_TRUE(desk.objects.chain().replace(*std::move(chain), desk.objects.chain().version()));
    desk.post("ledger/add", "[1]",
              {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
               {"Idempotency-Key", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\""}});
    EXPECT_EQ(spy->trace.span, 0x00f067aa0ba902b7u);
    EXPECT_EQ(spy->trace.trace[0], 0x4b);
    EXPECT_TRUE(spy->trace.sampled);
    EXPECT_TRUE(spy->incoming);
    auto const first = spy->key;
    EXPECT_TRUE(first.present());
    desk.post("ledger/add", "[1]", {{"Idempotency-Key", "\"another\""}, {"traceparent", "00-zz"}});
    EXPECT_NE(spy->key, first);
    EXPECT_FALSE(spy->trace.present());
  });
}

// A page must not call what only this machine may reach; a program with one line of curl must.
TEST_F(GatewayTest, pages_of_other_sites_are_refused_and_programs_are_not) {
  on_threads([] {
    GatewayDesk desk{{.hosts = {"node.example"}}};
    auto const status = [&](GatewayDesk::Fields fields) {
      return desk.post("ledger/add", "[1]", std::move(fields)).status;
    };
    EXPECT_EQ(status({{"Content-Type", "application/x-www-form-urlencoded"}}), 200);  // curl -d
    EXPECT_EQ(status({{"Content-Type", "application/json; charset=utf-8"}}), 200);
    EXPECT_EQ(status({{"Content-Type", "text/plain"}}), 415);
    EXPECT_EQ(status({{"Content-Type", "multipart/form-data; boundary=x"}}), 415);
    EXPECT_EQ(status({{"Origin", "http://127.0.0.1:7000"}}), 200);
    EXPECT_EQ(status({{"Origin", "http://127.0.0.1:8000"}}), 403);
    EXPECT_EQ(status({{"Origin", "https://evil.example"}}), 403);
    EXPECT_EQ(status({{"Origin", "null"}}), 403);
    EXPECT_EQ(status({{"Origin", ""}}), 403);
    EXPECT_EQ(status({{"Sec-Fetch-Site", "cross-site"}}), 403);
    EXPECT_EQ(status({{"Sec-Fetch-Site", "same-site"}}), 403);
    // A name that its owner made to mean our address.
    EXPECT_EQ(status({{"Host", "evil.example:7000"}, {"Origin", "http://evil.example:7000"}}), 403);
    EXPECT_EQ(status({{"Host", "node.example:7000"}, {"Origin", "http://node.example:7000"}}), 200);
    EXPECT_EQ(status({{"Host", "evil.example:7000"}}), 200);  // no browser leaves the Origin out
    auto const get = [&](std::string host) {
      return desk.ask("GET", "/o/ledger/total", {}, {{"Host", std::move(host)}}).status;
    };
    EXPECT_EQ(get("evil.example:7000"), 403);
    EXPECT_EQ(get("10.0.0.3.evil.example"), 403);
    EXPECT_EQ(get("Node.Example"), 200);
    EXPECT_EQ(get("localhost:7000"), 200);
    EXPECT_EQ(get("[::1]:7000"), 200);
    EXPECT_EQ(get("10.0.0.3"), 200);
    EXPECT_EQ(get(""), 403);
    EXPECT_EQ(desk.ask("OPTIONS", "/o/ledger/add", {}, {{"Origin", "https://evil.example"}}).status,
              403);
  });
}

TEST_F(GatewayTest, only_what_is_cacheable_can_be_got) {
  on_threads([] {
    GatewayDesk desk;
    desk.total = 3;
    auto const total = desk.ask("GET", "/o/ledger/total");
    EXPECT_EQ(total.body, "3\n");
    EXPECT_EQ(total.fields.find("Cache-Control"), "private, max-age=2");
    auto const add = desk.ask("GET", "/o/ledger/add?arguments=[5]");
    EXPECT_EQ(add.status, 405);
    EXPECT_EQ(add.fields.find("Allow"), "POST");
    EXPECT_EQ(desk.ask("GET", "/o/ledger/sum?arguments=[1,2]").status, 405);
    EXPECT_EQ(desk.ask("GET", "/o/ledger/nothing").status, 404);
    EXPECT_EQ(desk.total, 3);
  });
}

TEST_F(GatewayTest, what_a_method_yields_is_an_array_or_events) {
  on_threads([] {
    GatewayDesk desk;
    EXPECT_EQ(desk.post("ledger/count", "[4]").body, "[0,1,2,3]\n");
    auto const events = desk.post("ledger/count", "[2]", {{"Accept", "text/event-stream"}});
    EXPECT_EQ(events.status, 200);
    EXPECT_EQ(events.fields.find("Content-Type"), "text/event-stream");
    EXPECT_EQ(events.body, "data: 0\n\ndata: 1\n\n");
    auto const too_many = desk.post("ledger/count", "[1000000]");
    EXPECT_EQ(too_many.status, 429);
    EXPECT_THAT(too_many.body, HasSubstr("ask for a stream"));
    EXPECT_EQ(desk.post("nobody/count", "[2]", {{"Accept", "text/event-stream"}}).status, 404);
  });
}

struct Ticker {
  static constexpr std::string_view kType = "Ticker";
  Method<"tick", Yields<std::int64_t>()> tick;
};

TEST_F(GatewayTest, a_stream_shows_that_it_is_alive_and_ends_with_its_failure_or_its_client) {
  on_threads([] {
    GatewayDesk desk{{.stream_beat = 10s}};
    bool stopped = false;
    ASSERT_TRUE(desk.objects.add("ticker", servant<Ticker>(on<&Ticker::tick>(
                                               [&](Yield<std::int64_t>& yield) -> Result<void> {
                                                 MUT_TRY(yield(1));
                                                 auto const slept = threads::sleep_for(25s);
                                                 stopped = !slept;
                                                 MUT_TRY(slept);
                                                 return fail(Fault::io, "the clock broke");
                                               }))));
    auto const events = desk.post("ticker/tick", "", {{"Accept", "text/event-stream"}});
    EXPECT_THAT(events.body,
                testing::StartsWith("data: 1\n\n:\n\n:\n\nevent: error\ndata: "
                                    R"({"error":{"fault":"io","what":"the clock broke")"));
    EXPECT_FALSE(stopped);

    net::HttpServerRequest request;
    request.head.method = "POST";
    request.target.path = "/o/ticker/tick";
    request.head.fields.add("Accept", "text/event-stream");
    Answer answer;
    threads::thread const leaves{"client", [&] {
                                   static_cast<void>(threads::sleep_for(5s));
                                   answer.gone = true;
                                 }};
    auto const began = threads::now();
    EXPECT_FALSE(desk.gateway.handle(request, answer));
    EXPECT_TRUE(stopped);
    EXPECT_EQ(threads::now() - began, 10s);
  });
}

TEST_F(GatewayTest, describes_its_objects) {
  on_threads([] {
    GatewayDesk desk;
    EXPECT_EQ(desk.ask("GET", "/o").body,
              R"({"objects":[{"name":"ledger","interface":"Ledger","about":"of the tests",)"
              R"("guarded":false,"epoch":1,"calls":0,"running":0},)"
              R"({"name":"safe","interface":"Ledger","about":"","guarded":true,"epoch":1,)"
              R"("calls":0,"running":0}]})"
              "\n");
    EXPECT_THAT(desk.ask("GET", "/o/ledger").body,
                HasSubstr(R"({"name":"mirror","parameters":["Point"],"result":"Point",)"
                          R"("yields":false,"idempotent":true)"));
    EXPECT_EQ(desk.ask("GET", "/o/nobody").status, 404);
    auto const api = desk.ask("GET", "/openapi.json").body;
    EXPECT_THAT(api, HasSubstr(R"("openapi":"3.1.0")"));
    EXPECT_THAT(api, HasSubstr(R"("/o/ledger/add":{"post":{"operationId":"ledger.add")"));
    EXPECT_THAT(api, HasSubstr(R"("Point":{"type":"object","properties":{"x":{"type":"integer",)"
                               R"("format":"int32"})"));
  });
}

}  // namespace
}  // namespace mutirao::middleware
