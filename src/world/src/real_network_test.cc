#include <algorithm>
#include <array>
#include <fcntl.h>
#include <fstream>
#include <numeric>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "mutirao/threads/channel.h"

#include "real_world_fixture.h"

namespace mutirao::world {
namespace {

using namespace std::literals;
using threads::within;

class RealNetworkTest : public RealWorldTest {};

Endpoint loopback(std::uint16_t port = 0) { return {IpAddress::loopback(), port}; }

/// Both ends of a TCP connection.
struct Pair {
  std::unique_ptr<Stream> near;
  std::unique_ptr<Stream> far;
};
Pair connected(World& world) {
  auto listener = world.network().listen(loopback());
  auto near = world.network().connect((*listener)->local(), {}, within(5s));
  auto far = (*listener)->accept(within(5s));
  return {std::move(*near), std::move(*far)};
}

TEST_F(RealNetworkTest, carries_bytes_both_ways_in_order) {
  run([](World& world) {
    auto const [near, far] = connected(world);
    EXPECT_EQ(near->remote(), far->local());
    EXPECT_EQ(near->local(), far->remote());
    Bytes sent(3'000'000);
    std::iota(sent.begin(), sent.end(), std::uint8_t{0});
    threads::scope inner;
    inner.spawn("echo", [&]() -> Result<void> {
      Bytes part(100'000);
      for (;;) {
        auto const got = MUT_TRY(far->read_some(part, within(10s)));
        if (got == 0) break;
        MUT_TRY(far->write_all(ByteView{part}.first(got), within(10s)));
      }
      far->finish_writing();
      return {};
    });
    inner.spawn("sender", [&]() -> Result<void> {
      MUT_TRY(near->write_all(sent, within(10s)));
      near->finish_writing();
      return {};
    });
    Bytes back(sent.size());
    EXPECT_TRUE(near->read_exactly(back, within(10s)));
    std::uint8_t more = 0;
    EXPECT_EQ(near->read_some({&more, 1}, within(10s)), 0u);
    auto const joined = inner.join();
    EXPECT_TRUE(joined) << joined.error().what;
    EXPECT_EQ(back, sent);
  });
}

TEST_F(RealNetworkTest, gathers_and_scatters) {
  run([](World& world) {
    auto const [near, far] = connected(world);
    std::array<ByteView, 4> const parts{base::view_of("ab"), base::view_of(""),
                                        base::view_of("cde"), base::view_of("f")};
    ASSERT_TRUE(near->write_all(parts, within(5s)));
    std::array<std::uint8_t, 1> first{};
    std::array<std::uint8_t, 5> rest{};
    std::array<MutableBytes, 2> const into{MutableBytes{first}, MutableBytes{rest}};
    EXPECT_EQ(far->read_some(into, within(5s)), 6u);
    EXPECT_EQ(base::text_of(first), "a");
    EXPECT_EQ(base::text_of(rest), "bcdef");
  });
}

TEST_F(RealNetworkTest, gathers_more_buffers_than_the_kernel_takes_at_once) {
  run([](World& world) {
    auto const [near, far] = connected(world);
    std::vector<ByteView> const parts(3000, base::view_of("xyz"));
    ASSERT_TRUE(near->write_all(parts, within(5s)));
    Bytes all(9000);
    EXPECT_TRUE(far->read_exactly(all, within(5s)));
    EXPECT_EQ(base::text_of(ByteView{all}.last(4)), "zxyz");
  });
}

TEST_F(RealNetworkTest, ends_a_read_at_its_deadline_and_keeps_the_stream_usable) {
  run([](World& world) {
    auto const [near, far] = connected(world);
    std::array<std::uint8_t, 4> bytes{};
    auto const late = near->read_some(MutableBytes{bytes}, within(5ms));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().fault, Fault::timed_out);
    ASSERT_TRUE(far->write_all("ok"sv, within(5s)));
    EXPECT_EQ(near->read_some(MutableBytes{bytes}, within(5s)), 2u);
  });
}

TEST_F(RealNetworkTest, ends_parked_reads_and_writes_when_another_thread_closes) {
  run([](World& world) {
    auto const pair = connected(world);
    threads::scope inner;
    inner.spawn("reader", [&] {
      std::uint8_t byte = 0;
      auto const got = pair.near->read_some({&byte, 1}, Deadline::never());
      ASSERT_FALSE(got);
      EXPECT_EQ(got.error().fault, Fault::closed);
    });
    inner.spawn("writer", [&] {
      Bytes const much(64u << 20);
      auto const put = pair.near->write_all(much, Deadline::never());
      ASSERT_FALSE(put);
      EXPECT_EQ(put.error().fault, Fault::closed);
    });
    EXPECT_TRUE(threads::sleep_for(5ms));
    pair.near->close();
    EXPECT_TRUE(inner.join());
    std::uint8_t byte = 0;
    EXPECT_EQ(pair.near->read_some({&byte, 1}, Deadline::never()).error().fault, Fault::closed);
  });
}

TEST_F(RealNetworkTest, ends_a_parked_read_when_its_thread_is_stopped) {
  run([](World& world) {
    auto const pair = connected(world);
    threads::scope inner;
    inner.spawn("reader", [&] {
      std::uint8_t byte = 0;
      EXPECT_EQ(pair.near->read_some({&byte, 1}, Deadline::never()).error().fault,
                Fault::cancelled);
    });
    EXPECT_TRUE(threads::sleep_for(2ms));
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

TEST_F(RealNetworkTest, stops_a_reader_that_never_has_to_wait) {
  run([](World& world) {
    auto const pair = connected(world);
    threads::scope inner;
    inner.spawn("writer", [&] {
      Bytes const part(100'000);
      while (pair.far->write_all(part, Deadline::never())) {
      }
    });
    inner.spawn("reader", [&] {
      Bytes part(1000);
      while (pair.near->read_some(MutableBytes{part}, Deadline::never())) {
      }
    });
    EXPECT_TRUE(threads::sleep_for(5ms));
    inner.request_stop();
    EXPECT_TRUE(inner.join());
  });
}

TEST_F(RealNetworkTest, says_who_refused_and_what_to_try) {
  run([](World& world) {
    Endpoint free;
    {
      auto const listener = world.network().listen(loopback());
      free = (*listener)->local();
    }
    auto const stream = world.network().connect(free, {}, within(5s));
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().fault, Fault::refused);
    EXPECT_NE(stream.error().what.find(free.to_string()), std::string::npos) << stream.error().what;
    EXPECT_FALSE(stream.error().mend.empty());
  });
}

TEST_F(RealNetworkTest, refuses_an_address_that_is_in_use) {
  run([](World& world) {
    auto const first = world.network().listen(loopback());
    auto const second = world.network().listen((*first)->local());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().fault, Fault::refused);
    EXPECT_NE(second.error().what.find((*first)->local().to_string()), std::string::npos);
    EXPECT_NE(second.error().mend.find("port"), std::string::npos);
  });
}

TEST_F(RealNetworkTest, connects_from_the_chosen_address) {
  run([](World& world) {
    auto const listener = world.network().listen(loopback());
    auto const from = *IpAddress::parse("127.0.0.77");
    auto const near = world.network().connect((*listener)->local(), {.from = from}, within(5s));
    ASSERT_TRUE(near) << near.error().what;
    EXPECT_EQ((*near)->local().address, from);
    EXPECT_EQ((*(*listener)->accept(within(5s)))->remote().address, from);
  });
}

TEST_F(RealNetworkTest, speaks_ipv6) {
  run([](World& world) {
    auto const listener = world.network().listen(*Endpoint::parse("[::1]:0"));
    if (!listener) GTEST_SKIP() << listener.error().what;
    auto const near = world.network().connect((*listener)->local(), {}, within(5s));
    ASSERT_TRUE(near) << near.error().what;
    EXPECT_FALSE((*near)->remote().address.is_v4());
  });
}

TEST_F(RealNetworkTest, ends_a_parked_accept_when_the_listener_is_closed) {
  run([](World& world) {
    auto const listener = world.network().listen(loopback());
    threads::scope inner;
    inner.spawn("acceptor", [&] {
      EXPECT_EQ((*listener)->accept(Deadline::never()).error().fault, Fault::closed);
    });
    EXPECT_TRUE(threads::sleep_for(2ms));
    (*listener)->close();
    EXPECT_TRUE(inner.join());
  });
}

TEST_F(RealNetworkTest, waits_with_accepting_until_there_are_descriptors) {
  run([](World& world) {
    auto const listener = world.network().listen(loopback());
    auto const near = world.network().connect((*listener)->local(), {}, within(5s));
    ASSERT_TRUE(near);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit const none{0, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    auto const refused = (*listener)->accept(within(1ms));
    threads::scope inner;
    inner.spawn("acceptor", [&] {
      auto const far = (*listener)->accept(within(10s));
      EXPECT_TRUE(far) << far.error().what;
    });
    EXPECT_TRUE(threads::sleep_for(5ms));
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(inner.join());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::exhausted);
    EXPECT_NE(refused.error().mend.find("ulimit -n"), std::string::npos);
  });
}

TEST_F(RealNetworkTest, serves_many_connections_at_once) {
  run([](World& world) {
    constexpr int kConnections = 200;
    auto const listener = world.network().listen(loopback());
    threads::scope inner;
    inner.spawn("acceptor", [&]() -> Result<void> {
      for (int i = 0; i < kConnections; ++i) {
        auto accepted = MUT_TRY((*listener)->accept(within(20s)));
        inner.spawn("server",
                    [stream = std::shared_ptr<Stream>{std::move(accepted)}]() -> Result<void> {
                      std::array<std::uint8_t, 4> request{};
                      for (int round = 0; round < 10; ++round) {
                        MUT_TRY(stream->read_exactly(request, within(20s)));
                        MUT_TRY(stream->write_all(ByteView{request}, within(20s)));
                      }
                      return {};
                    });
      }
      return {};
    });
    for (int i = 0; i < kConnections; ++i) {
      inner.spawn("client", [&, i]() -> Result<void> {
        auto const stream = MUT_TRY(world.network().connect((*listener)->local(), {}, within(20s)));
        for (int round = 0; round < 10; ++round) {
          std::array<std::uint8_t, 4> request{};
          base::store_be(MutableBytes{request}, static_cast<std::uint32_t>(i * 100 + round));
          auto answer = request;
          MUT_TRY(stream->write_all(ByteView{request}, within(20s)));
          MUT_TRY(stream->read_exactly(answer, within(20s)));
          EXPECT_EQ(answer, request);
        }
        return {};
      });
    }
    auto const joined = inner.join();
    EXPECT_TRUE(joined) << joined.error().what;
  });
}

TEST_F(RealNetworkTest, carries_datagrams_with_their_sender) {
  run([](World& world) {
    auto const one = world.network().bind_datagram(loopback());
    auto const two = world.network().bind_datagram(loopback());
    ASSERT_TRUE((*one)->send_to(base::view_of("hello"), (*two)->local(), within(5s)));
    std::array<std::uint8_t, 3> buffer{};
    auto const got = (*two)->receive(buffer, within(5s));
    ASSERT_TRUE(got) << got.error().what;
    EXPECT_EQ(got->size, 3u);  // cut
    EXPECT_EQ(got->from, (*one)->local());
    EXPECT_EQ((*two)->receive(buffer, within(1ms)).error().fault, Fault::timed_out);
    Bytes const too_long(70'000);
    EXPECT_EQ((*one)->send_to(too_long, (*two)->local(), within(5s)).error().fault, Fault::invalid);
    (*two)->close();
    EXPECT_EQ((*two)->receive(buffer, within(5s)).error().fault, Fault::closed);
  });
}

TEST_F(RealNetworkTest, looks_names_up) {
  run([](World& world) {
    auto const numeric = world.network().resolve("192.0.2.1", within(5s));
    ASSERT_TRUE(numeric);
    EXPECT_EQ(numeric->front().to_string(), "192.0.2.1");
    auto const here = world.network().resolve("localhost", within(30s));
    ASSERT_TRUE(here) << here.error().what;
    EXPECT_TRUE(here->front().is_loopback());
    EXPECT_EQ(world.network().resolve("", within(5s)).error().fault, Fault::invalid);
    EXPECT_EQ(world.network().resolve(std::string(300, 'a'), within(5s)).error().fault,
              Fault::invalid);
    EXPECT_EQ(world.network().resolve("name.invalid", Deadline::at(threads::now())).error().fault,
              Fault::timed_out);
  });
}

TEST_F(RealNetworkTest, knows_its_own_addresses) {
  run([](World& world) {
    auto const addresses = world.network().local_addresses();
    ASSERT_TRUE(addresses);
    EXPECT_NE(std::ranges::find(*addresses, IpAddress::loopback()), addresses->end());
  });
}

TEST_F(RealNetworkTest, makes_local_sockets_for_the_owner_alone) {
  run([this](World& world) {
    auto const path = folder_ + "/control";
    {
      auto const listener = world.network().listen_local(path);
      ASSERT_TRUE(listener) << listener.error().what;
      struct stat info{};
      ASSERT_EQ(::lstat(path.c_str(), &info), 0);
      EXPECT_EQ(info.st_mode & 0777, 0600u);
      auto const near = world.network().connect_local(path, within(5s));
      auto const far = (*listener)->accept(within(5s));
      ASSERT_TRUE(near && far);
      ASSERT_TRUE((*near)->write_all("hi"sv, within(5s)));
      std::array<std::uint8_t, 2> got{};
      EXPECT_TRUE((*far)->read_exactly(got, within(5s)));
      EXPECT_EQ(base::text_of(got), "hi");

      auto const second = world.network().listen_local(path);
      ASSERT_FALSE(second);
      EXPECT_EQ(second.error().fault, Fault::refused);
      EXPECT_NE(second.error().what.find(path), std::string::npos);
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_EQ(world.network().connect_local(path, within(5s)).error().fault, Fault::not_found);
  });
}

TEST_F(RealNetworkTest, replaces_a_socket_file_that_a_dead_process_left) {
  run([this](World& world) {
    auto const path = folder_ + "/control";
    int const left = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::ranges::copy(path, address.sun_path);
    ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(left);
    auto const listener = world.network().listen_local(path);
    EXPECT_TRUE(listener) << listener.error().what;
  });
}

TEST_F(RealNetworkTest, leaves_a_file_alone_that_is_no_socket) {
  run([this](World& world) {
    auto const path = folder_ + "/notes";
    std::ofstream{path} << "precious";
    auto const listener = world.network().listen_local(path);
    ASSERT_FALSE(listener);
    EXPECT_EQ(listener.error().fault, Fault::refused);
    EXPECT_EQ(std::filesystem::file_size(path), 8u);
    EXPECT_EQ(world.network().listen_local(folder_ + "/" + std::string(200, 'x')).error().fault,
              Fault::invalid);
  });
}

}  // namespace
}  // namespace mutirao::world
