#include "mutirao/middleware/message_interceptor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

using testing::HasSubstr;

Seal::Key key_of(std::uint8_t byte) {
  Seal::Key key;
  key.fill(byte);
  return key;
}

class EntropyOfTests final : public world::Entropy {
 public:
  void fill(MutableBytes bytes) override {
    for (auto& each : bytes) each = static_cast<std::uint8_t>(next_ += 37);
  }

 private:
  std::uint8_t next_ = 0;
};

/// A server and a client with a chain of messages each, and what went over the wire between them.
void with_messages(std::function<void(SampleServer&, Broker&, Ref<Sample>)> const& body) {
  in_the_real_world([&](world::World& world) {
    SampleServer server{world};
    Broker client{world};
    body(server, client, *client.find<Sample>("sample@" + server.address()));
  });
}

Bytes text_of_size(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>('a' + i / 97 % 7);
  return bytes;
}

TEST(MessageChain, compresses_what_is_worth_it_and_is_switched_while_messages_pass) {
  with_messages([](SampleServer& server, Broker& client, Ref<Sample> const& sample) {
    auto const count = std::make_shared<CountMessages>();
    ASSERT_TRUE(client.messages().set({count}));
    auto const text = text_of_size(100'000);
    EXPECT_EQ(sample.echo(text), text);
    auto const plain = count->bytes();
    EXPECT_GT(plain, 100'000u);
    ASSERT_TRUE(client.messages().set({count, std::make_shared<Compress>()}));
    EXPECT_EQ(sample.echo(text), text);
    EXPECT_LT(count->bytes() - plain, 20'000u);
    ASSERT_TRUE(server.broker().messages().set({std::make_shared<Compress>()}));
    EXPECT_EQ(sample.echo(text), text);
    EXPECT_EQ(sample.add(5), 5);  // short: as it is
    // Under load, in both directions, on and off.
    std::atomic<bool> stop = false;
    threads::scope callers;
    for (int i = 0; i < 8; ++i) {
      callers.spawn("caller", [&, i]() -> Result<void> {
        auto const mine = text_of_size(1000 + 9000 * static_cast<std::size_t>(i));
        while (!stop) {
          EXPECT_TRUE(MUT_TRY(sample.echo(mine)) == mine);
          threads::yield();
        }
        return {};
      });
    }
    for (int turn = 0; turn < 200; ++turn) {
      for (auto* side : {&client.messages(), &server.broker().messages()})
        ASSERT_TRUE(turn % 2 == 0 ? side->set({}) : side->set({std::make_shared<Compress>()}));
      ASSERT_TRUE(threads::sleep_for(1ms));
    }
    stop = true;
    auto const joined = callers.join();
    EXPECT_TRUE(joined) << joined.error().what;
  });
}

TEST(MessageChain, yields_through_compression_too) {
  with_messages([](SampleServer& server, Broker&, Ref<Sample> const& sample) {
    ASSERT_TRUE(server.broker().messages().set({std::make_shared<Compress>(1, 0)}));
    auto numbers = sample.count(1000);
    for (std::int64_t i = 0; i < 1000; ++i) EXPECT_EQ(numbers.next(), i);
    EXPECT_EQ(numbers.next(), std::nullopt);
  });
}

TEST(MessageChain, seals_every_call_and_speaks_to_nobody_without_the_key) {
  in_the_real_world([](world::World& world) {
    auto const seal = [&](std::uint8_t byte) {
      return std::make_shared<Seal>(key_of(byte), world.entropy());
    };
    SampleServer server{world};
    ASSERT_TRUE(server.broker().messages().set({seal(1), std::make_shared<Compress>()}));
    Broker friendly{world};
    ASSERT_TRUE(friendly.messages().set({seal(1)}));
    auto const sample = *friendly.find<Sample>("sample@" + server.address());
    EXPECT_EQ(sample.add(5), 5);
    auto const text = text_of_size(100'000);
    EXPECT_EQ(sample.echo(text), text);
    auto const refused = sample.refuse("a secret reason");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().what, "a secret reason");

    Broker wrong{world};
    ASSERT_TRUE(wrong.messages().set({seal(2)}));
    auto const altered = wrong.find<Sample>("sample@" + server.address())->add(5);
    ASSERT_FALSE(altered);
    EXPECT_THAT(altered.error().what, HasSubstr("sealed with another key"));
    Broker open{world};
    auto const plain = open.find<Sample>("sample@" + server.address())->add(5);
    ASSERT_FALSE(plain);
    EXPECT_THAT(plain.error().what, HasSubstr("does not have chacha20-poly1305"));
    EXPECT_EQ(server.state.total, 5);
  });
}

TEST(MessageChain, compresses_and_seals_what_is_attached) {
  in_the_real_world([](world::World& world) {
    auto const both = [&]() -> std::vector<std::shared_ptr<MessageInterceptor>> {
      return {std::make_shared<Seal>(key_of(1), world.entropy()), std::make_shared<Compress>()};
    };
    SampleServer server{world};
    ASSERT_TRUE(server.broker().messages().set(both()));
    Broker client{world};
    ASSERT_TRUE(client.messages().set(both()));
    auto const sample = *client.find<Sample>("sample@" + server.address());
    auto const text = text_of_size(2'000'000);
    auto const weighed = sample.weigh(UINT64_MAX, Attachment::of(text));
    ASSERT_TRUE(weighed) << weighed.error().what;
    EXPECT_EQ(*weighed,
              server.broker().find<Sample>("sample")->weigh(UINT64_MAX, Attachment::of(text)));
  });
}

// A key that was given by mistake is taken away by way of the Unix socket.
TEST(MessageChain, seals_nothing_where_nobody_else_can_read) {
  in_the_real_world([](world::World& world) {
    auto const identity = net::TlsIdentity::make(world.entropy());
    auto const seal = std::make_shared<Seal>(key_of(1), world.entropy());
    for (bool const known : {true, false}) {
      BrokerOptions options{.identity = identity};
      if (known) options.accepts = [](auto const&) { return true; };
      SampleServer server{world, std::move(options)};
      ASSERT_TRUE(server.broker().messages().set({seal}));
      Broker client{world};
      EXPECT_EQ(client.find<Sample>("sample@" + server.local_address())->add(5), 5);
      EXPECT_FALSE(client.find<Sample>("sample@" + server.address())->get());
      // TLS alone keeps nobody out who may come with any key.
      auto const by_tls = client.find<Sample>("sample@" + server.tls_address())->get();
      EXPECT_EQ(by_tls.has_value(), known);
    }
  });
}

TEST(MessageChain, says_nothing_to_a_server_that_cannot_open_it) {
  in_the_real_world([](world::World& world) {
    SampleServer server{world};
    Broker careful{world};
    ASSERT_TRUE(careful.messages().set({std::make_shared<Seal>(key_of(1), world.entropy())}));
    auto const refused = careful.find<Sample>("sample@" + server.address())->add(5);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().executed, Executed::no);
    EXPECT_THAT(refused.error().what, HasSubstr("does not have chacha20-poly1305"));
    EXPECT_EQ(server.state.total, 0);
    // Once it has the key as well, the next call goes over a new connection.
    ASSERT_TRUE(
        server.broker().messages().set({std::make_shared<Seal>(key_of(1), world.entropy())}));
    auto sum = careful.find<Sample>("sample@" + server.address())->add(5);
    for (int again = 0; !sum && again < 100; ++again) {
      ASSERT_TRUE(threads::sleep_for(5ms));
      sum = careful.find<Sample>("sample@" + server.address())->add(5);
    }
    EXPECT_EQ(sum, 5);
  });
}

TEST(MessageChain, is_not_taken_in_by_a_message_that_only_says_it_was_changed) {
  in_the_real_world([](world::World& world) {
    MessageChain chain;
    ASSERT_TRUE(chain.set({std::make_shared<Seal>(key_of(1), world.entropy())}));
    EXPECT_EQ(chain.incoming(Bytes{0x00, 'a', 'b'}).error().fault, Fault::refused);
    EXPECT_EQ(chain.incoming(Bytes{0x01, 'a', 'b'}).error().fault, Fault::refused);
    EXPECT_EQ(MessageChain{}.incoming(Bytes{0x40, 'a', 'b'}).error().fault, Fault::unsupported);
    // Nor does it speak to other protocols.
    SampleServer server{world};
    ASSERT_TRUE(
        server.broker().messages().set({std::make_shared<Seal>(key_of(1), world.entropy())}));
    auto const stream = *world.network().connect(server.endpoint(), {}, threads::within(5s));
    ASSERT_TRUE(
        stream->write_all("GET /o HTTP/1.1\r\nHost: localhost\r\n\r\n", threads::within(5s)));
    std::array<std::uint8_t, 100> buffer;
    auto const heard = stream->read_some(buffer, threads::within(5s));
    EXPECT_TRUE(!heard || *heard == 0);
  });
}

// Goal: what is done to messages does not change which of them are too long, and one that is ends
// no connection.
TEST(MessageChain, takes_the_longest_messages_whatever_is_done_to_them) {
  constexpr std::size_t kLongest = 16 << 20;
  with_messages([](SampleServer& server, Broker& client, Ref<Sample> const& sample) {
    auto const seal = [] {
      static EntropyOfTests entropy;
      return std::make_shared<Seal>(key_of(1), entropy);
    };
    std::vector<std::vector<std::size_t>> taken;
    for (bool const sealed : {false, true}) {
      if (sealed) {
        // The hello that names it is that of a new connection.
        ASSERT_TRUE(client.messages().set({seal()}));
        ASSERT_TRUE(server.broker().messages().set({seal()}));
        while (!sample.get()) ASSERT_TRUE(threads::sleep_for(1ms));
      }
      auto& these = taken.emplace_back();
      for (std::size_t size = kLongest - 96; size < kLongest; size += 8) {
        auto const echoed = sample.echo(Bytes(size));
        if (echoed)
          these.push_back(size);
        else
          EXPECT_EQ(echoed.error().fault, Fault::exhausted) << echoed.error().what;
      }
      EXPECT_FALSE(these.empty());
    }
    EXPECT_EQ(taken[0], taken[1]);
    // What would become short enough is refused like the others.
    ASSERT_TRUE(client.messages().set({seal(), std::make_shared<Compress>()}));
    auto const refused = sample.echo(Bytes(kLongest + 1000));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
    EXPECT_TRUE(sample.get());
  });
}

TEST(MessageChain, goes_as_fast_as_it_may_and_no_faster) {
  with_messages([](SampleServer&, Broker& client, Ref<Sample> const& sample) {
    EXPECT_TRUE(sample.get());
    ASSERT_TRUE(client.messages().set({std::make_shared<PaceMessages>(1'000'000, 10'000)}));
    auto const begun = threads::now();
    auto const text = text_of_size(100'000);
    EXPECT_EQ(sample.echo(text), text);
    EXPECT_GE(threads::now() - begun, 80ms);
  });
}

TEST(MessageChain, refuses_two_that_do_the_same_and_orders_the_rest) {
  in_the_real_world([](world::World& world) {
    MessageChain chain;
    auto const twice = chain.set({std::make_shared<Compress>(), std::make_shared<Compress>(3)});
    ASSERT_FALSE(twice);
    EXPECT_THAT(twice.error().what, HasSubstr("two interceptors compress messages"));
    // Encryption is named first, and comes second all the same.
    ASSERT_TRUE(chain.set(
        {std::make_shared<Seal>(key_of(1), world.entropy()), std::make_shared<Compress>()}));
    auto const text = text_of_size(10'000);
    auto const sent = chain.outgoing(text, chain.readable());
    ASSERT_TRUE(sent);
    EXPECT_LT(sent->size(), 1000u);
    EXPECT_EQ(chain.incoming(*sent), text);
  });
}

TEST(Compress, refuses_a_bomb_and_what_is_no_compression) {
  Compress one;
  auto const bomb = *Compress{1, 0}.outgoing(Bytes(64 << 20));
  EXPECT_LT(bomb.size(), 10'000u);
  EXPECT_EQ(one.incoming(bomb).error().fault, Fault::exhausted);
  auto cut = *one.outgoing(text_of_size(10'000));
  cut.resize(cut.size() - 5);
  EXPECT_EQ(one.incoming(cut).error().fault, Fault::corrupt);
  EXPECT_EQ(one.incoming(Bytes{1, 2, 3}).error().fault, Fault::corrupt);
}

}  // namespace
}  // namespace mutirao::middleware
