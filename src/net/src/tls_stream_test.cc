// TLS between two nodes, in the simulated world and in the real one.
#include "mutirao/net/tls_stream.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include <gtest/gtest.h>

#include "mutirao/sim/testing.h"

#include "real_peers.h"
#include "test_deadline.h"
#include "test_peers.h"

namespace mutirao::net {
namespace {

using test::output_of;
using test::read_all;
using test::run_real;
using test::say;
using test::soon;
using test::TemporaryFolder;

/// Two nodes and a scope for their threads.
struct Nodes {
  world::World& server;
  world::World& client;
  world::IpAddress address;  ///< of the server
  threads::scope& scope;
  TlsIdentity server_identity = TlsIdentity::make(server.entropy());
  TlsIdentity client_identity = TlsIdentity::make(client.entropy());
};

void in_simulation(std::function<void(Nodes const&)> const& body) {
  sim::compare_no_content();
  test::simulate([&](test::Pair const& pair) {
    body({.server = pair.server,
          .client = pair.client,
          .address = pair.server_address,
          .scope = pair.scope});
  });
}

void in_reality(std::function<void(Nodes const&)> const& body) {
  run_real([&](world::World& world, threads::scope& scope) {
    body({.server = world,
          .client = world,
          .address = world::IpAddress::loopback(),
          .scope = scope});
  });
}

void in_both(std::function<void(Nodes const&)> const& body) {
  {
    SCOPED_TRACE("simulated");
    in_simulation(body);
  }
  SCOPED_TRACE("real");
  in_reality(body);
}

using Plain = std::unique_ptr<world::Stream>;
using Opened = Result<std::unique_ptr<TlsStream>>;

struct PlainEnds {
  Plain server;
  Plain client;
};

PlainEnds connect_plainly(Nodes const& nodes) {
  auto const listener =
      nodes.server.network().listen({.address = world::IpAddress::any(), .port = 0});
  EXPECT_TRUE(listener) << listener.error().what;
  auto client = nodes.client.network().connect(
      {.address = nodes.address, .port = (*listener)->local().port}, {}, soon());
  EXPECT_TRUE(client) << client.error().what;
  auto server = (*listener)->accept(soon());
  EXPECT_TRUE(server) << server.error().what;
  return {.server = *std::move(server), .client = *std::move(client)};
}

struct TlsEnds {
  Opened server;
  Opened client;
};

/// Both handshakes, the one of the server on a thread of its own.
TlsEnds shake(Nodes const& nodes, PlainEnds plain, TlsOptions const& of_server = {},
              TlsOptions const& of_client = {}) {
  Opened server = fail(Fault::cancelled, "not run");
  threads::scope accepting;
  accepting.spawn("accepts", [&] {
    server = tls_accept(std::move(plain.server), nodes.server_identity, of_server, soon());
  });
  auto client = tls_connect(std::move(plain.client), nodes.client_identity, of_client, soon());
  EXPECT_TRUE(accepting.join());
  return {.server = std::move(server), .client = std::move(client)};
}

struct GoodEnds {
  std::unique_ptr<TlsStream> server;
  std::unique_ptr<TlsStream> client;
};

GoodEnds shake_well(Nodes const& nodes, PlainEnds plain, TlsOptions const& of_server = {}) {
  auto ends = shake(nodes, std::move(plain), of_server);
  if (!ends.server) ADD_FAILURE() << ends.server.error().what;
  if (!ends.client) ADD_FAILURE() << ends.client.error().what;
  return {.server = *std::move(ends.server), .client = *std::move(ends.client)};
}

GoodEnds shake_well(Nodes const& nodes) { return shake_well(nodes, connect_plainly(nodes)); }

/// What comes first, as text of at most 64 bytes.
Result<std::string> read_little(world::Stream& stream) {
  Bytes buffer(64);
  auto const count = MUT_TRY(stream.read_some(buffer, soon()));
  return std::string{base::text_of(ByteView{buffer}.first(count))};
}

TEST(TlsStream, both_sides_learn_each_others_key_and_read_what_the_other_wrote) {
  in_both([](Nodes const& nodes) {
    auto const [server, client] = shake_well(nodes);
    EXPECT_EQ(server->peer_key(), nodes.client_identity.public_key());
    EXPECT_EQ(client->peer_key(), nodes.server_identity.public_key());
    EXPECT_EQ(server->remote(), client->local());
    say(*client, "question");
    EXPECT_EQ(*read_little(*server), "question");
    say(*server, "answer");
    EXPECT_EQ(*read_little(*client), "answer");
  });
}

TEST(TlsStream, ends_in_order_on_one_side_while_the_other_goes_on) {
  in_both([](Nodes const& nodes) {
    auto const [server, client] = shake_well(nodes);
    say(*client, "last words");
    client->finish_writing();
    EXPECT_EQ(client->write_all("more", soon()).error().fault, Fault::closed);
    EXPECT_EQ(read_all(*server), "last words");
    EXPECT_EQ(*read_little(*server), "");
    say(*server, "I heard");
    server->finish_writing();
    EXPECT_EQ(read_all(*client), "I heard");
  });
}

TEST(TlsStream, accepts_the_key_that_was_expected) {
  in_both([](Nodes const& nodes) {
    auto const ends = shake(
        nodes, connect_plainly(nodes),
        {.accepts = [&](auto const& key) { return key == nodes.client_identity.public_key(); }},
        {.expected = nodes.server_identity.public_key()});
    EXPECT_TRUE(ends.server) << ends.server.error().what;
    EXPECT_TRUE(ends.client) << ends.client.error().what;
  });
}

TEST(TlsStream, a_server_with_a_wrong_key_is_refused_and_both_sides_say_so) {
  in_both([](Nodes const& nodes) {
    auto const other = TlsIdentity::make(nodes.client.entropy()).public_key();
    auto const ends = shake(nodes, connect_plainly(nodes), {}, {.expected = other});
    ASSERT_FALSE(ends.client);
    EXPECT_EQ(ends.client.error().fault, Fault::refused);
    for (auto const& key : {other, nodes.server_identity.public_key()})
      EXPECT_TRUE(ends.client.error().what.contains(key.fingerprint())) << ends.client.error().what;
    EXPECT_FALSE(ends.client.error().mend.empty());
    ASSERT_FALSE(ends.server);
    EXPECT_EQ(ends.server.error().fault, Fault::refused) << ends.server.error().what;
    EXPECT_TRUE(ends.server.error().what.contains("does not accept our key"))
        << ends.server.error().what;
    EXPECT_TRUE(ends.server.error().mend.contains(nodes.server_identity.public_key().fingerprint()))
        << ends.server.error().mend;
  });
}

TEST(TlsStream, a_client_with_a_wrong_key_is_refused_and_learns_it_from_its_first_read) {
  in_both([](Nodes const& nodes) {
    auto plain = connect_plainly(nodes);
    Opened server = fail(Fault::cancelled, "not run");
    threads::scope accepting;
    accepting.spawn("accepts", [&] {
      server = tls_accept(std::move(plain.server), nodes.server_identity,
                          {.accepts = [](PublicKey const&) { return false; }}, soon());
    });
    auto client = tls_connect(std::move(plain.client), nodes.client_identity, {}, soon());
    ASSERT_TRUE(client) << client.error().what;
    static_cast<void>((*client)->write_all(std::string(100'000, 'x'), soon()));
    for (int i = 0; i < 2; ++i) {
      auto const read = read_little(**client);
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().fault, Fault::refused) << read.error().what;
      EXPECT_TRUE(read.error().what.contains("does not accept our key")) << read.error().what;
      EXPECT_FALSE(read.error().mend.empty());
    }
    client->reset();
    EXPECT_TRUE(accepting.join());
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().fault, Fault::refused) << server.error().what;
    EXPECT_TRUE(server.error().what.contains(nodes.client_identity.public_key().fingerprint()))
        << server.error().what;
  });
}

TEST(TlsStream, a_peer_that_speaks_something_else_gets_a_clear_error) {
  in_both([](Nodes const& nodes) {
    for (std::string const text : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SSH-2.0-x\r\n", "{}"}) {
      for (bool const accepts : {true, false}) {
        auto plain = connect_plainly(nodes);
        auto& other = accepts ? plain.client : plain.server;
        say(*other, text);
        other->finish_writing();
        auto const opened =
            accepts ? tls_accept(std::move(plain.server), nodes.server_identity, {}, soon())
                    : tls_connect(std::move(plain.client), nodes.client_identity, {}, soon());
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().fault, Fault::corrupt);
        EXPECT_TRUE(opened.error().what.contains("not TLS")) << opened.error().what;
        EXPECT_FALSE(opened.error().mend.empty());
      }
    }
  });
}

TEST(TlsStream, a_peer_that_goes_away_in_the_handshake_is_told_from_one_that_refuses) {
  in_both([](Nodes const& nodes) {
    auto plain = connect_plainly(nodes);
    plain.server->finish_writing();
    auto const opened = tls_connect(std::move(plain.client), nodes.client_identity, {}, soon());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fault, Fault::closed) << opened.error().what;
  });
}

TEST(TlsStream, a_deadline_ends_a_handshake_that_stalls) {
  in_simulation([](Nodes const& nodes) {
    auto plain = connect_plainly(nodes);
    auto const began = threads::now();
    auto const accepted =
        tls_accept(std::move(plain.server), nodes.server_identity, {}, threads::within(3s));
    ASSERT_FALSE(accepted);
    EXPECT_EQ(accepted.error().fault, Fault::timed_out) << accepted.error().what;
    EXPECT_LT(threads::now() - began, 4s);
    plain = connect_plainly(nodes);
    auto const opened =
        tls_connect(std::move(plain.client), nodes.client_identity, {}, threads::within(3s));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fault, Fault::timed_out) << opened.error().what;
  });
}

TEST(TlsStream, bytes_that_were_read_ahead_come_first) {
  in_both([](Nodes const& nodes) {
    for (std::size_t const count : {1, 64}) {
      auto plain = connect_plainly(nodes);
      Opened client = fail(Fault::cancelled, "not run");
      threads::scope connecting;
      connecting.spawn("connects", [&] {
        client = tls_connect(std::move(plain.client), nodes.client_identity, {}, soon());
      });
      Bytes ahead(count);
      ASSERT_TRUE(plain.server->read_exactly(ahead, soon()));
      auto const server =
          tls_accept(std::move(plain.server), nodes.server_identity, {.read_ahead = ahead}, soon());
      EXPECT_TRUE(connecting.join());
      ASSERT_TRUE(server) << server.error().what;
      say(**client, "hello");
      EXPECT_EQ(*read_little(**server), "hello");
    }
  });
}

/// A stream that counts what is written, and takes no more than it may.
class Gate final : public world::Stream {
 public:
  struct Count {
    std::atomic<std::size_t> calls{0};
    std::atomic<std::size_t> bytes{0};
    std::atomic<std::size_t> left{SIZE_MAX};  ///< then the stream ends
  };
  Gate(Plain inner, Count& count) : inner_{std::move(inner)}, count_{count} {}

  using Stream::read_some;
  using Stream::write_all;
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) override {
    return inner_->read_some(into, deadline);
  }
  Result<void> write_all(std::span<ByteView const> from, Deadline deadline) override {
    ++count_.calls;
    for (auto const part : from) {
      auto const some = std::min<std::size_t>(part.size(), count_.left);
      count_.bytes += some;
      count_.left -= some;
      MUT_TRY(inner_->write_all(part.first(some), deadline));
      if (some < part.size()) inner_->finish_writing();
    }
    return {};
  }
  void finish_writing() noexcept override { inner_->finish_writing(); }
  void close() noexcept override { inner_->close(); }
  [[nodiscard]] world::Endpoint local() const override { return inner_->local(); }
  [[nodiscard]] world::Endpoint remote() const override { return inner_->remote(); }

 private:
  Plain inner_;
  Count& count_;
};

TEST(TlsStream, a_cut_connection_is_an_error_and_no_end) {
  in_both([](Nodes const& nodes) {
    // Nothing, a part of a record's head, a part of its content, and all of it without the end.
    for (std::size_t const left : {0, 3, 100, 5000}) {
      Gate::Count count;
      auto plain = connect_plainly(nodes);
      plain.server = std::make_unique<Gate>(std::move(plain.server), count);
      auto const ends = shake_well(nodes, std::move(plain));
      count.left = left;
      say(*ends.server, std::string(4000, 'x'));
      ends.server->finish_writing();
      std::string text(4000, ' ');
      auto const whole = ends.client->read_exactly(
          {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}, soon());
      if (left < 4000) {
        ASSERT_FALSE(whole);
        EXPECT_EQ(whole.error().fault, Fault::closed);
        EXPECT_TRUE(whole.error().what.contains("cut")) << whole.error().what;
      } else {
        ASSERT_TRUE(whole) << whole.error().what;
        EXPECT_EQ(*read_little(*ends.client), "");
      }
      if (left == 0) {
        // The same by a stream that goes without a word.
        auto two = shake_well(nodes);
        say(*two.server, "half a senten");
        two.server.reset();
        EXPECT_EQ(*read_little(*two.client), "half a senten");
        auto const end = read_little(*two.client);
        ASSERT_FALSE(end);
        EXPECT_EQ(end.error().fault, Fault::closed) << end.error().what;
      }
    }
  });
}

TEST(TlsStream, a_changed_byte_is_found) {
  in_both([](Nodes const& nodes) {
    auto plain = connect_plainly(nodes);
    auto* const beneath = plain.server.get();
    auto const ends = shake_well(nodes, std::move(plain));
    std::array<std::uint8_t, 5 + 32> record{23, 3, 3, 0, 32};
    ASSERT_TRUE(beneath->write_all(ByteView{record}, soon()));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(read_little(*ends.client).error().fault, Fault::corrupt);
  });
}

TEST(TlsStream, many_small_buffers_travel_in_few_records) {
  in_both([](Nodes const& nodes) {
    Gate::Count count;
    auto plain = connect_plainly(nodes);
    plain.server = std::make_unique<Gate>(std::move(plain.server), count);
    auto const ends = shake_well(nodes, std::move(plain));
    count.calls = count.bytes = 0;
    std::string const word = "0123456789abcde ";
    std::vector<ByteView> words(2000, base::view_of(word));
    std::string const large(20'000, 'L');
    words.insert(words.begin() + 500, base::view_of(large));
    words.insert(words.begin() + 100, ByteView{});
    std::string expected;
    for (auto const each : words) expected += base::text_of(each);
    threads::scope writing;
    writing.spawn("writes", [&] { EXPECT_TRUE(ends.server->write_all(words, soon())); });
    std::string got(expected.size(), ' ');
    ASSERT_TRUE(ends.client->read_exactly({reinterpret_cast<std::uint8_t*>(got.data()), got.size()},
                                          soon()));
    EXPECT_EQ(got, expected);
    EXPECT_TRUE(writing.join());
    // 52,000 bytes are four records; each costs 5 bytes of head, 1 of type and 16 of tag.
    EXPECT_EQ(count.bytes, expected.size() + 4 * 22);
    EXPECT_LE(count.calls, 2u);
  });
}

TEST(TlsStream, reads_into_many_buffers_at_once) {
  in_both([](Nodes const& nodes) {
    auto const ends = shake_well(nodes);
    say(*ends.server, "first, ");
    say(*ends.server, "second");
    ends.server->finish_writing();
    ASSERT_TRUE(threads::sleep_for(100ms));
    std::array<std::uint8_t, 3> a{};
    std::array<std::uint8_t, 6> b{};
    std::array<std::uint8_t, 60> c{};
    std::array<MutableBytes, 4> const into{MutableBytes{a}, {}, b, c};
    EXPECT_EQ(*ends.client->read_some(into, soon()), 13u);
    EXPECT_EQ(base::text_of(a), "fir");
    EXPECT_EQ(base::text_of(b), "st, se");
    EXPECT_EQ(*ends.client->read_some(into, soon()), 0u);
  });
}

TEST(TlsStream, a_read_that_timed_out_may_be_tried_again) {
  in_both([](Nodes const& nodes) {
    auto const ends = shake_well(nodes);
    Bytes buffer(10);
    auto const early = ends.client->read_some(MutableBytes{buffer}, threads::within(20ms));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().fault, Fault::timed_out);
    say(*ends.server, "late");
    EXPECT_EQ(*read_little(*ends.client), "late");
  });
}

TEST(TlsStream, a_write_that_broke_off_ends_writing_and_not_reading) {
  in_both([](Nodes const& nodes) {
    auto const ends = shake_well(nodes);
    std::string const large(32 << 20, 'x');
    auto const full = ends.client->write_all(large, threads::within(50ms));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().fault, Fault::timed_out);
    EXPECT_EQ(ends.client->write_all("more", soon()).error().fault, Fault::closed);
    say(*ends.server, "still here?");
    EXPECT_EQ(*read_little(*ends.client), "still here?");
  });
}

TEST(TlsStream, close_wakes_those_who_wait_in_it) {
  in_both([](Nodes const& nodes) {
    auto const ends = shake_well(nodes);
    threads::scope waiting;
    waiting.spawn("reads",
                  [&] { EXPECT_EQ(read_little(*ends.client).error().fault, Fault::closed); });
    waiting.spawn("writes", [&] {
      std::string const large(32 << 20, 'x');
      EXPECT_EQ(ends.client->write_all(large, soon()).error().fault, Fault::closed);
    });
    ASSERT_TRUE(threads::sleep_for(50ms));
    ends.client->close();
    EXPECT_TRUE(waiting.join());
    EXPECT_EQ(read_little(*ends.client).error().fault, Fault::closed);
    EXPECT_EQ(ends.client->write_all("more", soon()).error().fault, Fault::closed);
  });
}

/// A mass of bytes that no shift or exchange of its parts leaves the same.
Bytes const& mass() {
  static Bytes const bytes = [] {
    Bytes made(1'000'003);
    std::uint64_t state = 1;
    for (auto& byte : made) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      byte = static_cast<std::uint8_t>(state >> 56);
    }
    return made;
  }();
  return bytes;
}

void write_mass(world::Stream& to, std::size_t total) {
  std::array<ByteView, 4> parts;
  std::size_t done = 0;
  for (std::size_t turn = 1; done < total; ++turn) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto const at = done % mass().size();
      auto const size =
          std::min({turn * 7919 * (i + 1) % 100'000 + 1, total - done, mass().size() - at});
      parts[i] = ByteView{mass()}.subspan(at, size);
      done += size;
    }
    ASSERT_TRUE(to.write_all(parts, soon()));
  }
  to.finish_writing();
}

void read_mass(world::Stream& from, std::size_t total) {
  Bytes buffer(100'000);
  for (std::size_t done = 0;;) {
    auto const count = from.read_some(MutableBytes{buffer}, soon());
    ASSERT_TRUE(count) << count.error().what << " after " << done;
    if (*count == 0) {
      EXPECT_EQ(done, total);
      return;
    }
    for (std::size_t i = 0; i < *count;) {
      auto const at = done % mass().size();
      auto const size = std::min(*count - i, mass().size() - at);
      ASSERT_TRUE(std::equal(&buffer[i], &buffer[i] + size, &mass()[at])) << "after " << done;
      i += size;
      done += size;
    }
  }
}

void exchange_masses(Nodes const& nodes, std::size_t total) {
  auto const ends = shake_well(nodes);
  threads::scope scope;
  for (auto* const end : {ends.server.get(), ends.client.get()}) {
    scope.spawn("writes", [=] { write_mass(*end, total); });
    scope.spawn("reads", [=] { read_mass(*end, total); });
  }
  EXPECT_TRUE(scope.join());
}

TEST(TlsStream, sixty_four_mebibytes_each_way_at_the_same_time_arrive_whole) {
  in_reality([](Nodes const& nodes) { exchange_masses(nodes, 64 << 20); });
}

TEST(TlsStream, masses_each_way_at_the_same_time_arrive_whole_in_a_simulated_network) {
  in_simulation([](Nodes const& nodes) { exchange_masses(nodes, 2 << 20); });
}

// Goal: those who speak TLS with certificates, and not with keys, are told from nodes.
TEST(TlsStream, a_web_server_and_a_web_client_are_no_nodes) {
  in_reality([](Nodes const& nodes) {
    TemporaryFolder const folder;
    output_of("openssl req -x509 -newkey ed25519 -nodes -days 2 -subj /CN=test -keyout " +
              folder / "key.pem" + " -out " + folder / "cert.pem" + " 2>/dev/null");
    test::Nginx const nginx{
        nodes.server, folder,
        "server { listen 127.0.0.1:PORT ssl; ssl_protocols TLSv1.3; ssl_certificate cert.pem; "
        "ssl_certificate_key key.pem; }"};
    auto const web = world::Endpoint::parse(nginx.url("", "", "127.0.0.1").substr(3));
    auto const opened = tls_connect(*nodes.client.network().connect(*web, {}, soon()),
                                    nodes.client_identity, {}, soon());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().fault, Fault::refused);
    EXPECT_TRUE(opened.error().mend.contains("node")) << opened.error().what;

    auto const listener =
        nodes.server.network().listen({.address = world::IpAddress::loopback(), .port = 0});
    threads::scope serving;
    serving.spawn("serves", [&] {
      auto const accepted =
          tls_accept(*(*listener)->accept(soon()), nodes.server_identity, {}, soon());
      ASSERT_FALSE(accepted);
      EXPECT_EQ(accepted.error().fault, Fault::refused);
      EXPECT_TRUE(accepted.error().mend.contains("node")) << accepted.error().what;
    });
    output_of("curl -sk https://127.0.0.1:" + std::to_string((*listener)->local().port));
    EXPECT_TRUE(serving.join());
  });
}

/// gnutls-cli that says `input` to `port` with the key in `folder`.
std::string gnutls_client(TemporaryFolder const& folder, std::uint16_t port,
                          std::string const& input) {
  folder.write("input", input);
  return output_of(
      "(while IFS= read -r line; do echo \"$line\"; sleep 0.2; done < " + folder / "input" +
      "; sleep 1) | timeout 20 gnutls-cli --no-ca-verification --inline-commands --rawpkkeyfile " +
      folder / "key.pem" + " --rawpkfile " + folder / "public.pem" +
      " --priority NORMAL:-CTYPE-ALL:+CTYPE-RAWPK -p " + std::to_string(port) + " 127.0.0.1 2>&1");
}

// Goal: GnuTLS's own client is understood, also when it changes keys and asks us to change ours.
// Method: its command ^rekey^ between two lines; our answer to the second is under the new keys.
TEST(TlsStream, talks_to_gnutls_cli_and_changes_keys_with_it) {
  in_reality([](Nodes const& nodes) {
    TemporaryFolder const folder;
    folder.write("key.pem", nodes.client_identity.to_pem());
    output_of("openssl pkey -in " + folder / "key.pem" + " -pubout -out " + folder / "public.pem");
    auto const listener =
        nodes.server.network().listen({.address = world::IpAddress::loopback(), .port = 0});
    std::string heard;
    threads::scope serving;
    serving.spawn("serves", [&]() -> Result<void> {
      auto plain = MUT_TRY((*listener)->accept(soon()));
      auto const stream =
          MUT_TRY(tls_accept(std::move(plain), nodes.server_identity,
                             {.expected = nodes.client_identity.public_key()}, soon()));
      for (int lines = 0; lines < 2; ++lines) {
        auto const line = MUT_TRY(read_little(*stream));
        heard += line;
        MUT_TRY(stream->write_all("heard " + line, soon()));
      }
      stream->finish_writing();
      return {};
    });
    auto const said = gnutls_client(folder, (*listener)->local().port, "first\n^rekey^\nsecond\n");
    auto const served = serving.join();
    EXPECT_TRUE(served) << served.error().what;
    EXPECT_EQ(heard, "first\nsecond\n");
    EXPECT_TRUE(said.contains("Rekey was completed")) << said;
    EXPECT_TRUE(said.contains("heard first")) << said;
    EXPECT_TRUE(said.contains("heard second")) << said;
  });
}

}  // namespace
}  // namespace mutirao::net
