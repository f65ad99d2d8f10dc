#include "connection/connection.h"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

Bytes frame(FrameKind kind, std::uint8_t flags, std::uint32_t id, ByteView payload,
            std::optional<std::uint32_t> length = std::nullopt) {
  Bytes bytes(kFrameHeadBytes);
  store_head(bytes, {.length = length.value_or(static_cast<std::uint32_t>(payload.size())),
                     .kind = kind,
                     .flags = flags,
                     .id = id});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

Bytes operator+(Bytes one, Bytes const& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

Bytes opening() {
  wire::MsgpackWriter hello;
  write_hello(hello, {.node = "stranger"});
  return Bytes{kPreface.begin(), kPreface.end()} +
         frame(FrameKind::hello, kWhole, 0, hello.written());
}

Bytes call_of(std::string_view object, std::string_view method, ByteView arguments) {
  wire::MsgpackWriter call;
  call.array(3).string(object).string(method).raw(arguments);
  return {call.written().begin(), call.written().end()};
}

/// So many long messages of which nothing but the beginning comes.
Bytes begun(std::uint32_t count) {
  Bytes all;
  for (std::uint32_t id = 1; id <= count; ++id)
    all = std::move(all) + frame(FrameKind::call, kFirst, id, Bytes{0, 0, 1, 0});
  return all;
}

/// A peer that says whatever bytes it likes.
class RawPeer {
 public:
  RawPeer(world::World& world, world::Endpoint to)
      : stream_{*world.network().connect(to, {}, threads::within(5s))} {}
  void say(ByteView bytes) { static_cast<void>(stream_->write_all(bytes, threads::within(5s))); }
  [[nodiscard]] Result<void> say_within(ByteView bytes, Duration time) {
    return stream_->write_all(bytes, threads::within(time));
  }
  /// All that comes until the other side ends the connection.
  [[nodiscard]] std::string hear_to_the_end() {
    std::string heard;
    std::array<std::uint8_t, 4096> buffer;
    for (;;) {
      auto const got = stream_->read_some(buffer, threads::within(10s));
      if (!got || *got == 0) break;
      heard += base::text_of(ByteView{buffer}.first(*got));
    }
    return heard;
  }
  [[nodiscard]] bool hears(std::string_view text) {
    std::array<std::uint8_t, 4096> buffer;
    std::string heard;
    while (!heard.contains(text)) {
      auto const got = stream_->read_some(buffer, threads::within(10s));
      if (!got || *got == 0) return false;
      heard += base::text_of(ByteView{buffer}.first(*got));
    }
    return true;
  }
  void leave() { stream_.reset(); }

 private:
  std::unique_ptr<world::Stream> stream_;
};

TEST(Connection, tells_callers_when_their_peer_vanishes_in_the_middle_of_a_call) {
  in_the_real_world([](world::World& world) {
    auto server = std::make_unique<SampleServer>(world);
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server->address());
    threads::scope callers;
    for (int i = 0; i < 10; ++i) {
      callers.spawn("caller", [&] {
        auto const lost = sample.nap(1h);
        ASSERT_FALSE(lost);
        EXPECT_EQ(lost.error().fault, Fault::closed);
        EXPECT_EQ(lost.error().executed, Executed::maybe);
      });
    }
    while (server->state.naps_under_way < 10) ASSERT_TRUE(threads::sleep_for(1ms));
    server.reset();
    EXPECT_TRUE(callers.join());
    auto const gone = sample.get();
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().fault, Fault::unreachable);
    EXPECT_EQ(gone.error().executed, Executed::no);
  });
}

TEST(Connection, takes_the_calls_back_of_a_caller_that_vanishes) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    {
      Broker client{world};
      threads::scope callers;
      auto const sample = *client.find<Sample>("sample@" + server.address());
      for (int i = 0; i < 10; ++i)
        callers.spawn("caller", [&] { static_cast<void>(sample.nap(1h)); });
      while (server.state.naps_under_way < 10) ASSERT_TRUE(threads::sleep_for(1ms));
    }
    while (server.state.naps_cut_short < 10) ASSERT_TRUE(threads::sleep_for(1ms));
  });
}

TEST(Connection, connects_again_when_the_other_node_has_come_back) {
  in_the_real_world([](world::World& world) {
    Broker client{world};
    std::string address;
    {
      SampleServer server{world};
      address = server.address();
      EXPECT_EQ(client.find<Sample>("sample@" + address)->add(1), 1);
    }
    auto const listener = world.network().listen(*world::Endpoint::parse(address));
    ASSERT_TRUE(listener);
    Broker again{world};
    SampleState state;
    ASSERT_TRUE(again.objects().add("sample", sample_servant(state)));
    threads::scope serving;
    serving.spawn("server", [&] { static_cast<void>(again.serve(**listener)); });
    // A call that meets the end of the old connection may have been executed, for all it knows.
    auto sum = client.find<Sample>("sample@" + address)->add(2);
    if (!sum) sum = client.find<Sample>("sample@" + address)->add(2);
    EXPECT_EQ(sum, 2);
    (*listener)->close();
  });
}

TEST(Connection, answers_a_frame_that_lies_with_a_reason_and_serves_all_others) {
  wire::MsgpackWriter no_arguments;
  no_arguments.array(0);
  auto const get = call_of("sample", "get", no_arguments.written());
  Bytes const four{0, 0, 1, 0};
  Bytes const too_long{0x7f, 0xff, 0xff, 0xff};
  struct Lie {
    Bytes bytes;
    std::string reason;
  };
  std::vector<Lie> const lies{
      {frame(static_cast<FrameKind>(15), kWhole, 1, {}), "no frame"},
      {frame(FrameKind::call, kWhole, 1, {}, 0xffffff), "no frame"},
      {frame(FrameKind::hello, kWhole, 0, {}), "said hello twice"},
      {frame(FrameKind::call, kFirst, 1, too_long), "too long"},
      {frame(FrameKind::call, kFirst, 1, {}) + Bytes(8), "does not say its length"},
      {frame(FrameKind::call, kLast, 1, Bytes(8)), "without a beginning"},
      {frame(FrameKind::call, kFirst, 1, four) + frame(FrameKind::call, kFirst, 1, four),
       "begins inside itself"},
      {frame(FrameKind::call, kFirst, 1, four) + frame(FrameKind::call, kLast, 1, Bytes(300)),
       "longer than it said"},
      {frame(FrameKind::call, kFirst, 1, four) + frame(FrameKind::call, kLast, 1, Bytes(8)),
       "shorter than it said"},
      {frame(FrameKind::ping, kFirst, 1, four), "come in parts"},
      {begun(10'000), "too many long messages at once"},
      {frame(FrameKind::ping, kWhole, 1, Bytes(100)), "a ping is short"},
      {frame(FrameKind::credit, kWhole, 0, Bytes(3)), "a credit is a number"},
      {frame(FrameKind::call, kWhole, 4095,
             call_of("sample", "nap", Bytes{0x91, 0xce, 0x7f, 0, 0, 0})) +
           frame(FrameKind::call, kWhole, 4095, get),
       "two calls have one number"},
  };
  in_the_real_world([&](world::World& world) {
    SampleServer server{world};
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    for (auto const& lie : lies) {
      RawPeer stranger{world, server.endpoint()};
      stranger.say(opening() + lie.bytes);
      EXPECT_THAT(stranger.hear_to_the_end(), testing::HasSubstr(lie.reason));
      EXPECT_TRUE(sample.get());
    }
    RawPeer rude{world, server.endpoint()};
    rude.say(Bytes{kPreface.begin(), kPreface.end()} + frame(FrameKind::call, kWhole, 1, get));
    EXPECT_THAT(rude.hear_to_the_end(), testing::HasSubstr("did not say hello"));
    EXPECT_TRUE(sample.get());
  });
}

TEST(Connection, ends_one_that_attaches_more_than_was_asked_for) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    wire::MsgpackWriter call;
    call.array(4).string("sample").string("weigh");
    call.array(2).integer(std::uint64_t{1} << 40).nil();
    call.map(1).integer(8).boolean(true);  // something comes along
    Bytes const piece(16 << 10);
    auto flood = opening() + frame(FrameKind::attached, kWhole, 77, piece) +  // of no call
                 frame(FrameKind::call, kWhole, kCallsMax, call.written());
    for (int i = 0; i < 40; ++i)
      flood = std::move(flood) + frame(FrameKind::attached, kWhole, kCallsMax, piece);
    RawPeer peer{world, server.endpoint()};
    peer.say(flood);
    EXPECT_THAT(peer.hear_to_the_end(), testing::HasSubstr("more is attached"));
    EXPECT_EQ(server.broker().find<Sample>("sample")->add(1), 1);
  });
}

TEST(Connection, answers_a_call_that_makes_no_sense_and_goes_on) {
  Bytes const bomb{0x91, 0xdd, 0xff, 0xff, 0xff, 0xff};  // four thousand million values
  Bytes deep(100'00, 0x91);                              // arrays in arrays
  in_the_real_world([&](world::World& world) {
    SampleServer server{world};
    RawPeer stranger{world, server.endpoint()};
    auto said = opening();
    for (auto const& arguments : {bomb, deep, Bytes{0xc1}, Bytes{}, Bytes{0x80}})
      said = said + frame(FrameKind::call, kWhole, static_cast<std::uint32_t>(said.size()) % 4096,
                          call_of("sample", "turn", arguments));
    wire::MsgpackWriter hello;
    hello.array(1).string("still there");
    said = said + frame(FrameKind::call, kWhole, 4000, call_of("sample", "say", hello.written()));
    stranger.say(said);
    EXPECT_TRUE(stranger.hears("still there"));
  });
}

TEST(Connection, ends_one_whose_peer_never_reads_and_slows_nobody_else) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world, {.write_timeout = 300ms}};
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    wire::MsgpackWriter arguments;
    arguments.array(1).bytes(Bytes(15'000));
    auto const echo = call_of("sample", "echo", arguments.written());
    RawPeer stranger{world, server.endpoint()};
    stranger.say(opening());
    Result<void> said;
    std::size_t calls = 0;
    for (; said && calls < 100'000; ++calls) {
      said = stranger.say_within(
          frame(FrameKind::call, kWhole, static_cast<std::uint32_t>(calls % 4096 + 4096), echo),
          5s);
      if (calls % 100 == 0) {
        EXPECT_TRUE(sample.get());
      }
    }
    EXPECT_FALSE(said);
    EXPECT_LT(calls * 15'000, 100u << 20);
    EXPECT_TRUE(sample.get());
  });
}

TEST(Connection, refuses_more_calls_at_once_than_it_said) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    // One of ours waits for its turn instead.
    threads::scope callers;
    std::atomic<int> done = 0;
    for (std::uint32_t i = 0; i < kCallsMax + 500; ++i) {
      callers.spawn("caller",
                    [&] {
                      EXPECT_TRUE(sample.nap(20ms));
                      ++done;
                    },
                    {.stack = threads::stack_size::small});
    }
    EXPECT_TRUE(callers.join());
    EXPECT_EQ(done, kCallsMax + 500);
  });
}

TEST(Connection, is_refused_by_tls_when_either_side_does_not_want_the_key_of_the_other) {
  in_the_real_world([](world::World& world) {
    auto const good = net::TlsIdentity::make(world.entropy());
    SampleServer server{world,
                        {.identity = net::TlsIdentity::make(world.entropy()),
                         .accepts = [&](auto const& key) { return key == good.public_key(); }}};
    Broker friendly{world, {.identity = good}};
    Broker stranger{world};
    EXPECT_TRUE(friendly.find<Sample>("sample@" + server.tls_address())->get());
    auto const unknown = stranger.find<Sample>("sample@" + server.tls_address())->get();
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().fault, Fault::refused);
    auto const other = "sample@tls://" + good.public_key().fingerprint() + "@" + server.address();
    auto const wrong = friendly.find<Sample>(other)->get();
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().executed, Executed::no);
    EXPECT_THAT(wrong.error().what, testing::HasSubstr("key"));
  });
}

TEST(Connection, finds_out_that_the_other_side_is_no_node) {
  in_the_real_world([](world::World& world) {
    auto const listener = world.network().listen({world::IpAddress::loopback(), 0});
    ASSERT_TRUE(listener);
    threads::scope serving;
    serving.spawn("web server", [&] {
      auto const stream = (*listener)->accept(threads::within(5s));
      if (stream)
        static_cast<void>(
            (*stream)->write_all("HTTP/1.1 400 Bad Request\r\n\r\n", threads::within(5s)));
      static_cast<void>(threads::sleep_for(1h));
    });
    Broker client{world};
    auto const lost = client.find<Sample>("sample@" + (*listener)->local().to_string())->get();
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().fault, Fault::corrupt);
    EXPECT_THAT(lost.error().mend, testing::HasSubstr("is it a Mutirão node"));
  });
}

/// Listens once, says `said` after the first bytes of the caller have come, and hands on the
/// stream.
class RawServer {
 public:
  RawServer(world::World& world, Bytes said, bool leaves)
      : listener_{*world.network().listen({world::IpAddress::loopback(), 0})} {
    serving_.spawn("raw server", [this, said = std::move(said), leaves] {
      stream_ = *listener_->accept(threads::within(5s));
      std::array<std::uint8_t, 4096> buffer;
      std::string heard;
      while (!heard.contains("sample") && !leaves) {
        auto const got = stream_->read_some(buffer, threads::within(5s));
        if (!got || *got == 0) return;
        heard += base::text_of(ByteView{buffer}.first(*got));
      }
      static_cast<void>(stream_->write_all(said, threads::within(5s)));
      if (!leaves) return;
      static_cast<void>(threads::sleep_for(100ms));
      stream_.reset();
    });
  }
  [[nodiscard]] std::string address() const { return listener_->local().to_string(); }
  void leave() {
    static_cast<void>(serving_.join());
    stream_.reset();
  }

 private:
  std::unique_ptr<world::Listener> listener_;
  std::unique_ptr<world::Stream> stream_;
  threads::scope serving_;
};

Bytes hello_frame() {
  auto const whole = opening();
  return {whole.begin() + kPreface.size(), whole.end()};
}

constexpr std::uint32_t kFirstId = kCallsMax;

TEST(Connection, carries_messages_whose_last_frame_is_a_few_bytes) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    threads::cancel_region const region{threads::within(20s)};
    for (std::size_t size = 2 * kFrameBytesMax - 64; size < 2 * kFrameBytesMax + 8; ++size) {
      auto const echoed = sample.echo(Bytes(size));
      ASSERT_TRUE(echoed) << size << ": " << echoed.error().what;
      EXPECT_EQ(echoed->size(), size);
    }
  });
}

/// Changes nothing of messages that pass it, but has to be there.
class Needed : public MessageInterceptor {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "needed"; }
  [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::encrypt; }
  [[nodiscard]] bool required() const noexcept override { return true; }
  [[nodiscard]] std::optional<Bytes> outgoing(ByteView message) override {
    return Bytes{message.begin(), message.end()};
  }
};

TEST(Connection, tells_callers_that_wait_for_the_first_word_of_a_peer_that_it_has_gone) {
  in_the_real_world([](world::World& world) {
    RawServer server{world, {}, true};
    Broker client{world};
    ASSERT_TRUE(client.messages().set({std::make_shared<Needed>()}));
    auto const sample = *client.find<Sample>("sample@" + server.address());
    threads::cancel_region const region{threads::within(3s)};
    auto const lost = sample.get();
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().fault, Fault::closed);
    EXPECT_EQ(lost.error().executed, Executed::no);
  });
}

TEST(Connection, ends_with_a_reason_when_an_interceptor_of_messages_throws) {
  class Tripping final : public Needed {
   public:
    [[nodiscard]] Result<Bytes> incoming(ByteView) override { throw std::runtime_error{"kaboom"}; }
  };
  class Falling final : public MessageInterceptor {
   public:
    [[nodiscard]] std::string_view name() const noexcept override { return ""; }
    [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::shape; }
    [[nodiscard]] Duration hold(std::size_t, TimePoint) override {
      throw std::runtime_error{"kaboom"};
    }
  };
  std::vector<std::shared_ptr<MessageInterceptor>> const bad{std::make_shared<Tripping>(),
                                                             std::make_shared<Falling>()};
  for (auto const& each : bad) {
    in_the_real_world([&](world::World& world) {
      SampleServer server{world};
      ASSERT_TRUE(server.broker().messages().set({std::make_shared<Needed>()}));
      Broker client{world};
      ASSERT_TRUE(client.messages().set({each}));
      auto const sample = *client.find<Sample>("sample@" + server.address());
      threads::cancel_region const region{threads::within(3s)};
      auto const lost = sample.get();
      ASSERT_FALSE(lost);
      EXPECT_THAT(lost.error().what, testing::HasSubstr("kaboom"));
    });
  }
}

TEST(Connection, fails_a_call_whose_values_make_no_sense_even_when_its_answer_has_come) {
  in_the_real_world([](world::World& world) {
    Bytes const text{0xa1, 'x'};
    Bytes const nothing{0xc0};
    RawServer server{world,
                     hello_frame() + frame(FrameKind::item, kWhole, kFirstId, text) +
                         frame(FrameKind::reply, kWhole, kFirstId, nothing),
                     false};
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    auto numbers = sample.count(1);
    auto const first = numbers.next(threads::within(5s));
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().executed, Executed::yes);
  });
}

TEST(Connection, forgets_a_call_whose_taker_of_values_threw) {
  class Throwing final : public ItemSink {
   public:
    Outcome<void> put(ByteView) override { throw std::runtime_error{"kaboom"}; }
  };
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    Broker client{world};
    auto const target = *client.find_target("sample@" + server.address());
    Bytes const many{0x91, 0xcd, 0x03, 0xe8};
    for (int i = 0; i < 5; ++i) {
      Throwing sink;
      wire::MsgpackWriter scratch;
      Call call{target, "count", nullptr, Arguments{many}};
      call.items = &sink;
      call.scratch = &scratch;
      EXPECT_THROW(static_cast<void>(send(call)), std::runtime_error);
    }
    EXPECT_TRUE(client.find<Sample>("sample@" + server.address())->get());
  });
}

TEST(Connection, knows_that_a_long_call_of_which_nothing_went_out_was_not_executed) {
  in_the_real_world([](world::World& world) {
    RawServer server{world, hello_frame(), false};
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    threads::scope callers;
    callers.spawn("first", [&] {
      auto const lost = sample.echo(Bytes(2 * kWindowBytes));
      ASSERT_FALSE(lost);
      EXPECT_EQ(lost.error().executed, Executed::maybe);
    });
    ASSERT_TRUE(threads::sleep_for(200ms));
    callers.spawn("second", [&] {
      auto const lost = sample.echo(Bytes(100'000));
      ASSERT_FALSE(lost);
      EXPECT_EQ(lost.error().executed, Executed::no);
    });
    ASSERT_TRUE(threads::sleep_for(100ms));
    server.leave();
    EXPECT_TRUE(callers.join());
  });
}

/// Throws for the first so many calls.
class Kaboom final : public Interceptor {
 public:
  explicit Kaboom(int times) : left_{times} {}
  Reply intercept(Call& call, Next next) override {
    if (left_-- > 0) throw std::runtime_error{"kaboom"};
    return next(call);
  }

 private:
  std::atomic<int> left_;
};

TEST(Dispatcher, answers_a_call_when_an_interceptor_throws_and_serves_the_next) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    auto& objects = server.broker().objects();
    ASSERT_TRUE(objects.chain().replace(
        *Chain::make({{.name = "it", .interceptor = std::make_shared<Kaboom>(3)}}, objects.last()),
        objects.chain().version()));
    Broker client{world};
    auto const sample = *client.find<Sample>("sample@" + server.address());
    threads::cancel_region const region{threads::within(3s)};
    for (int i = 0; i < 3; ++i) {
      auto const lost = sample.get();
      ASSERT_FALSE(lost);
      EXPECT_THAT(lost.error().what, testing::HasSubstr("kaboom"));
      EXPECT_EQ(lost.error().executed, Executed::maybe);
    }
    EXPECT_TRUE(sample.get());
  });
}

TEST(Stream, fails_when_an_interceptor_throws) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    auto& chain = server.broker().chain();
    ASSERT_TRUE(
        chain.replace(*Chain::make({{.name = "it", .interceptor = std::make_shared<Kaboom>(1)}},
                                   server.broker().last()),
                      chain.version()));
    auto numbers = server.broker().find<Sample>("sample")->count(3);
    auto const first = numbers.next(threads::within(3s));
    ASSERT_FALSE(first);
    EXPECT_THAT(first.error().what, testing::HasSubstr("kaboom"));
  });
}

struct Relay {
  static constexpr std::string_view kType = "Relay";
  Method<"pass", std::int64_t()> pass;
};

/// Gives out references to objects of its node.
struct Directory {
  static constexpr std::string_view kType = "Directory";
  Method<"find", ObjectReference(std::string), Idempotent> find;
};

TEST(Broker, makes_an_object_to_call_of_a_reference_that_a_call_brought) {
  in_the_real_world([](world::World& world) {
    auto const gone = *world.network().listen({world::IpAddress::loopback(), 0});
    auto const nobody = gone->local().to_string();
    gone->close();
    auto const listener = *world.network().listen({world::IpAddress::loopback(), 0});
    auto const address = listener->local().to_string();
    SampleState state;
    for (std::vector<std::string> const& known :
         {std::vector<std::string>{}, {address}, {nobody, address}}) {
      Broker server{world, {.addresses = known}};
      ASSERT_TRUE(server.objects().add("sample", sample_servant(state), {.capability = "sesame"}));
      ASSERT_TRUE(server.objects().add(
          "directory", servant<Directory>(on<&Directory::find>([&](std::string const& name) {
            return server.reference_to(name, "sesame");
          }))));
      threads::scope serving;
      serving.spawn("server", [&] { static_cast<void>(server.serve(*listener)); });
      Broker client{world};
      auto chain = Chain::make({{.name = "retry",
                                 .phase = Phase::retry,
                                 .interceptor = std::make_shared<RetryCalls>(world)}},
                               client.last());
      ASSERT_TRUE(client.chain().replace(*std::move(chain), client.chain().version()));
      auto const directory = *client.find<Directory>("directory@" + address);
      auto const reference = directory.find("sample");
      ASSERT_TRUE(reference);
      auto const sample = client.find<Sample>(*reference, directory.target().route);
      ASSERT_TRUE(sample) << sample.error().what;
      auto const sum = sample->add(5);
      EXPECT_TRUE(sum) << sum.error().what;
      EXPECT_FALSE(client.find<Sample>("sample@" + address)->add(5));  // without the capability
      EXPECT_FALSE(client.find<Directory>(*reference, directory.target().route));
      EXPECT_FALSE(directory.find("nobody"));
      serving.request_stop();
      EXPECT_TRUE(serving.join());
    }
    EXPECT_EQ(state.total, 15);
  });
}

TEST(Broker, lets_what_it_executes_call_others_until_it_has_ended) {
  in_the_real_world([](world::World& world) {
    SampleServer other{world};
    auto middle = std::make_unique<Broker>(world);
    std::atomic<bool> inside = false;
    std::atomic<bool> reached = false;
    ASSERT_TRUE(middle->objects().add(
        "relay", servant<Relay>(on<&Relay::pass>([&, middle = middle.get()] {
          threads::shield const finish_even_when_stopped;
          inside = true;
          static_cast<void>(threads::sleep_for(300ms));
          auto const sample = middle->find<Sample>("sample@" + other.address());
          reached = sample && sample->get().has_value();
          return std::int64_t{0};
        }))));
    auto const listener = *world.network().listen({world::IpAddress::loopback(), 0});
    {
      threads::scope serving;
      serving.spawn("server", [&] { static_cast<void>(middle->serve(*listener)); });
      Broker client{world};
      threads::scope callers;
      callers.spawn("caller", [&] {
        static_cast<void>(client.find<Relay>("relay@" + listener->local().to_string())->pass());
      });
      while (!inside) ASSERT_TRUE(threads::sleep_for(1ms));
      listener->close();
    }
    middle.reset();
    EXPECT_TRUE(reached);
  });
}

TEST(ObjectAdapter, lets_calls_in_again_when_a_successor_throws) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    auto& objects = server.broker().objects();
    auto const replaced = objects.replace(
        "sample", sample_servant(server.state),
        []() -> Result<void> { throw std::runtime_error{"kaboom"}; }, threads::within(3s));
    ASSERT_FALSE(replaced);
    EXPECT_THAT(replaced.error().what, testing::HasSubstr("kaboom"));
    threads::cancel_region const region{threads::within(3s)};
    EXPECT_TRUE(server.broker().find<Sample>("sample")->get());
  });
}

TEST(ObjectAdapter, may_be_used_by_the_destructor_of_an_object_that_is_removed) {
  in_the_real_world([](world::World& world) {
    Broker broker{world};
    SampleState state;
    auto inside = sample_servant(state);
    ASSERT_TRUE(broker.objects().add(
        "sample", std::shared_ptr<Servant>{inside.get(), [&, inside](Servant*) {
                                             EXPECT_EQ(broker.objects().list().size(), 0u);
                                           }}));
    EXPECT_TRUE(broker.objects().remove("sample", Deadline::never()));
  });
}

}  // namespace
}  // namespace mutirao::middleware
