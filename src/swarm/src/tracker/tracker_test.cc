// The tracker and its client on the simulated network: what they say to each other is lost, late
// and repeated, and hours pass in no time.
#include "mutirao/swarm/tracker.h"

#include <gtest/gtest.h>

#include "mutirao/net/http_server.h"
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "announce/announce_udp.h"

namespace mutirao::swarm {
namespace {

constexpr std::uint16_t kTrackerPort = 6969;

InfoHash torrent() {
  InfoHash hash;
  hash.v1 = Sha1Digest{7};
  return hash;
}

/// A tracker on a host of its own, serving HTTP and UDP on one port.
class TrackerHost {
 public:
  explicit TrackerHost(sim::Simulation& simulation, TrackerOptions options = {})
      : host{simulation.add_host("tracker")}, tracker{host.world(), options} {
    tracker.admit(torrent());
    listener_ = host.world().network().listen({world::IpAddress::any(), kTrackerPort}).value();
    socket_ = host.world().network().bind_datagram({world::IpAddress::any(), kTrackerPort}).value();
    server_ = std::make_unique<net::HttpServer>(
        host.world(), net::HttpServerOptions{},
        [this](auto const& request, auto& responder) -> Result<void> {
          if (MUT_TRY(tracker.handle(request, responder))) return {};
          return responder.send(404, {}, "");
        });
    scope_.spawn("http", [this] { static_cast<void>(server_->serve(*listener_)); });
    scope_.spawn("udp", [this] { static_cast<void>(tracker.serve_udp(*socket_)); });
  }
  ~TrackerHost() {
    scope_.request_stop();
    static_cast<void>(scope_.join());
  }
  static std::string url(std::string_view scheme) {
    return fmt::format("{}://tracker:{}/announce", scheme, kTrackerPort);
  }

  sim::Host& host;
  Tracker tracker;

 private:
  std::unique_ptr<world::Listener> listener_;
  std::unique_ptr<world::DatagramSocket> socket_;
  std::unique_ptr<net::HttpServer> server_;
  threads::scope scope_;
};

AnnounceRequest request(std::uint16_t port, std::uint64_t left) {
  AnnounceRequest request;
  request.info_hash = *torrent().v1;
  request.peer_id.fill(static_cast<std::uint8_t>(port));
  request.port = port;
  request.left = left;
  request.event = AnnounceEvent::started;
  return request;
}

std::vector<std::string> names(std::vector<world::Endpoint> const& peers) {
  std::vector<std::string> out;
  for (auto const& peer : peers) out.push_back(peer.to_string());
  return out;
}

void two_peers_meet(std::string_view first_scheme, std::string_view second_scheme, double loss) {
  for (auto const seed : sim::seeds(10)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    sim::Simulation simulation{{.seed = seed, .network = {}}};
    simulation.set_default_link({.loss = loss, .duplication = loss / 2});
    simulation.run([&](sim::Simulation&) {
      TrackerHost tracker{simulation};
      auto& a = simulation.add_host("a");
      auto& b = simulation.add_host("b");
      TrackerClient of_a{a.world(), {}};
      TrackerClient of_b{b.world(), {}};
      auto const first =
          of_a.announce(TrackerHost::url(first_scheme), request(1000, 5), threads::within(20min));
      ASSERT_TRUE(first) << first.error().what;
      EXPECT_EQ(first->interval, 30min);
      EXPECT_TRUE(first->peers.empty());
      auto const second =
          of_b.announce(TrackerHost::url(second_scheme), request(2000, 0), threads::within(20min));
      ASSERT_TRUE(second) << second.error().what;
      EXPECT_EQ(names(second->peers),
                (std::vector{world::Endpoint{a.address(), 1000}.to_string()}));
      EXPECT_EQ(second->seeds, 1u);
      EXPECT_EQ(second->leeches, 1u);
      auto const again =
          of_a.announce(TrackerHost::url(first_scheme), request(1000, 5), threads::within(20min));
      ASSERT_TRUE(again) << again.error().what;
      EXPECT_EQ(names(again->peers), (std::vector{world::Endpoint{b.address(), 2000}.to_string()}));
      auto const scraped =
          of_a.scrape(TrackerHost::url(second_scheme), *torrent().v1, threads::within(20min));
      ASSERT_TRUE(scraped) << scraped.error().what;
      EXPECT_EQ(scraped->seeds, 1u);
      EXPECT_EQ(scraped->leeches, 1u);
    });
  }
}

TEST(Tracker, lets_two_peers_meet_over_http) { two_peers_meet("http", "http", 0.02); }
TEST(Tracker, lets_two_peers_meet_over_udp_though_every_third_datagram_is_lost) {
  two_peers_meet("udp", "udp", 0.33);
}
TEST(Tracker, lets_peers_of_both_protocols_meet) { two_peers_meet("udp", "http", 0.05); }

/// Runs `body` with a tracker and one client, without losses.
void with_client(TrackerOptions options,
                 std::function<void(TrackerHost&, sim::Simulation&, TrackerClient&)> body) {
  sim::Simulation simulation{{.seed = 1, .network = {}}};
  simulation.run([&](sim::Simulation&) {
    TrackerHost tracker{simulation, options};
    TrackerClient client{simulation.add_host("client").world(), {}};
    body(tracker, simulation, client);
  });
}

TEST(Tracker, forgets_a_peer_that_was_silent_for_two_intervals) {
  with_client({.interval = 10min}, [](TrackerHost& tracker, sim::Simulation&,
                                      TrackerClient& client) {
    ASSERT_TRUE(client.announce(TrackerHost::url("udp"), request(1000, 5), threads::within(1min)));
    ASSERT_TRUE(threads::sleep_for(19min));
    EXPECT_EQ(tracker.tracker.counts(torrent()).leeches, 1u);
    ASSERT_TRUE(threads::sleep_for(3min));
    EXPECT_EQ(tracker.tracker.counts(torrent()).leeches, 0u);
    EXPECT_TRUE(tracker.tracker.peers(torrent()).empty());
  });
}

TEST(Tracker, is_closed_to_torrents_that_were_not_admitted) {
  with_client({}, [](TrackerHost& tracker, sim::Simulation&, TrackerClient& client) {
    auto asked = request(1000, 5);
    asked.info_hash.fill(9);
    for (auto const* scheme : {"http", "udp"}) {
      auto const answer = client.announce(TrackerHost::url(scheme), asked, threads::within(1min));
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().fault, Fault::refused);
      EXPECT_NE(answer.error().what.find("this torrent is not tracked here"), std::string::npos)
          << answer.error().what;
    }
    tracker.tracker.expel(torrent());
    EXPECT_FALSE(client.announce(TrackerHost::url("http"), request(1, 5), threads::within(1min)));
  });
}

TEST(Tracker, a_peer_that_stops_is_gone_and_one_that_completes_is_a_seed) {
  with_client({}, [](TrackerHost& tracker, sim::Simulation&, TrackerClient& client) {
    auto asked = request(1000, 5);
    ASSERT_TRUE(client.announce(TrackerHost::url("udp"), asked, threads::within(1min)));
    asked.event = AnnounceEvent::completed;
    asked.left = 0;
    ASSERT_TRUE(client.announce(TrackerHost::url("http"), asked, threads::within(1min)));
    EXPECT_EQ(tracker.tracker.counts(torrent()).seeds, 1u);
    EXPECT_EQ(tracker.tracker.counts(torrent()).completed, 1u);
    asked.event = AnnounceEvent::stopped;
    auto const last = client.announce(TrackerHost::url("udp"), asked, threads::within(1min));
    ASSERT_TRUE(last);
    EXPECT_TRUE(last->peers.empty());
    EXPECT_EQ(tracker.tracker.counts(torrent()).seeds, 0u);
  });
}

// aria2 announces so while it has a magnet and no metadata.
TEST(Tracker, tells_of_seeds_to_who_has_moved_nothing_and_says_that_nothing_is_left) {
  with_client({}, [](TrackerHost&, sim::Simulation&, TrackerClient& client) {
    auto const seed = request(1000, 0);
    ASSERT_TRUE(client.announce(TrackerHost::url("http"), seed, threads::within(1min)));
    auto asked = request(2000, 0);
    auto const answer = client.announce(TrackerHost::url("http"), asked, threads::within(1min));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->peers.size(), 1u);
    asked.uploaded = 1;
    auto const later = client.announce(TrackerHost::url("http"), asked, threads::within(1min));
    ASSERT_TRUE(later);
    EXPECT_TRUE(later->peers.empty()) << "a seed is no use to a seed";
  });
}

TEST(Tracker, a_source_that_asks_too_often_is_told_so) {
  with_client({.announces_per_source_per_s = 1, .announces_per_source_burst = 3},
              [](TrackerHost&, sim::Simulation&, TrackerClient& client) {
                for (int i = 0; i < 3; ++i)
                  ASSERT_TRUE(client.announce(TrackerHost::url("http"), request(1000, 5),
                                              threads::within(1min)));
                auto const refused = client.announce(TrackerHost::url("http"), request(1000, 5),
                                                     threads::within(1min));
                ASSERT_FALSE(refused);
                EXPECT_NE(refused.error().what.find("too many announces"), std::string::npos);
                EXPECT_NE(refused.error().mend.find("1 min"), std::string::npos);
              });
}

TEST(Tracker, counts_a_peer_of_both_hashes_of_a_hybrid_torrent_once) {
  with_client({}, [](TrackerHost& tracker, sim::Simulation&, TrackerClient& client) {
    auto hybrid = torrent();
    hybrid.v2 = Sha256Digest{9};
    tracker.tracker.admit(hybrid);
    ASSERT_TRUE(client.announce(TrackerHost::url("udp"), request(1000, 5), threads::within(1min)));
    auto asked = request(1000, 5);
    asked.info_hash = *hybrid.v2_truncated();
    ASSERT_TRUE(client.announce(TrackerHost::url("udp"), asked, threads::within(1min)));
    asked.port = 2000;
    ASSERT_TRUE(client.announce(TrackerHost::url("udp"), asked, threads::within(1min)));
    EXPECT_EQ(tracker.tracker.counts(hybrid).leeches, 2u);
    EXPECT_EQ(tracker.tracker.peers(hybrid).size(), 2u);
  });
}

// A forged source gets at most what it sent; without a valid id there are no peers.
TEST(Tracker, refuses_a_forged_connection_id_with_no_more_bytes_than_it_was_asked_with) {
  with_client({}, [](TrackerHost& tracker, sim::Simulation& simulation, TrackerClient&) {
    auto& liar = simulation.add_host("liar").world();
    auto socket = liar.network().bind_datagram({world::IpAddress::any(), 0}).value();
    auto const question =
        write_udp(UdpAnnounceQuestion{0x1234567812345678, 42, request(1000, 5), "/announce"});
    ASSERT_TRUE(
        socket->send_to(question, {tracker.host.address(), kTrackerPort}, threads::within(1s)));
    Bytes answer(2048);
    auto const received = socket->receive(answer, threads::within(10s));
    ASSERT_TRUE(received) << received.error().what;
    EXPECT_LE(received->size, question.size());
    EXPECT_EQ(read_udp_answer_head(ByteView{answer}.first(received->size))->action,
              UdpAction::error);
    EXPECT_EQ(tracker.tracker.counts(torrent()).leeches, 0u);
  });
}

/// A tracker that stays silent, and writes down when it was asked what.
struct SilentTracker {
  std::vector<std::pair<Duration, UdpAction>> asked;
  bool answers_connect = false;

  void serve(world::World& world) {
    auto socket = world.network().bind_datagram({world::IpAddress::any(), kTrackerPort}).value();
    auto const begin = world.clock().now();
    Bytes bytes(2048);
    while (auto const received = socket->receive(bytes, Deadline::never())) {
      auto const question = parse_udp_question(ByteView{bytes}.first(received->size)).value();
      bool const connect = std::holds_alternative<UdpConnectQuestion>(question);
      asked.emplace_back(world.clock().now() - begin,
                         connect ? UdpAction::connect : UdpAction::announce);
      if (!connect || !answers_connect) continue;
      Bytes answer;
      write_udp_connect_answer(answer, std::get<UdpConnectQuestion>(question).transaction, 77);
      static_cast<void>(socket->send_to(answer, received->from, Deadline::never()));
    }
  }
};

std::vector<std::string> schedule_of(SilentTracker& silent, Duration patience) {
  sim::Simulation simulation{{.seed = 3, .network = {}}};
  simulation.set_default_link({.latency = 0ms, .jitter = 0ms});
  simulation.run([&](sim::Simulation&) {
    auto& host = simulation.add_host("tracker");
    threads::scope scope;
    scope.spawn("silent", [&] { silent.serve(host.world()); });
    TrackerClient client{simulation.add_host("client").world(), {}};
    auto const answer =
        client.announce(TrackerHost::url("udp"), request(1000, 5), threads::within(patience));
    EXPECT_EQ(answer.error().fault, Fault::timed_out);
    scope.request_stop();
  });
  std::vector<std::string> out;
  for (auto const& [when, action] : silent.asked)
    out.push_back(fmt::format("{} {}", std::chrono::round<std::chrono::seconds>(when).count(),
                              action == UdpAction::connect ? "connect" : "announce"));
  return out;
}

TEST(TrackerClient, asks_a_silent_tracker_again_after_15_times_two_to_the_n_seconds) {
  SilentTracker silent;
  EXPECT_EQ(schedule_of(silent, 500s),
            (std::vector<std::string>{"0 connect", "15 connect", "45 connect", "105 connect",
                                      "225 connect", "465 connect"}));
}

// The second example of BEP 15, "Time outs".
TEST(TrackerClient, asks_for_a_new_connection_id_when_the_old_one_is_a_minute_old) {
  SilentTracker silent{.asked = {}, .answers_connect = true};
  auto const asked = schedule_of(silent, 110s);
  EXPECT_EQ(asked, (std::vector<std::string>{"0 connect", "0 announce", "15 announce",
                                             "45 announce", "105 connect", "105 announce"}));
}

/// Connection ids that a scripted tracker was asked for; it answers everything, and forgets the id
/// that it gave out when `restarts` says so.
TEST(TrackerClient, uses_a_connection_id_for_a_minute_and_drops_it_when_the_tracker_has_restarted) {
  sim::Simulation simulation{{.seed = 4, .network = {}}};
  unsigned connects = 0;
  std::uint64_t id = 77;
  simulation.run([&](sim::Simulation&) {
    auto& host = simulation.add_host("tracker");
    threads::scope scope;
    scope.spawn("tracker", [&] {
      auto socket =
          host.world().network().bind_datagram({world::IpAddress::any(), kTrackerPort}).value();
      Bytes bytes(2048);
      while (auto const received = socket->receive(bytes, Deadline::never())) {
        auto const question = parse_udp_question(ByteView{bytes}.first(received->size)).value();
        Bytes answer;
        if (auto const* connect = std::get_if<UdpConnectQuestion>(&question)) {
          ++connects;
          write_udp_connect_answer(answer, connect->transaction, id);
        } else if (auto const& announce = std::get<UdpAnnounceQuestion>(question);
                   announce.connection == id) {
          write_udp_announce_answer(answer, announce.transaction, 60, 0, 0);
        } else {
          write_udp_error(answer, announce.transaction, "connection id is unknown");
        }
        static_cast<void>(socket->send_to(answer, received->from, Deadline::never()));
      }
    });
    TrackerClient client{simulation.add_host("client").world(), {}};
    auto const announce = [&] {
      return client.announce(TrackerHost::url("udp"), request(1000, 5), threads::within(1min))
          .has_value();
    };
    EXPECT_TRUE(announce());
    EXPECT_TRUE(announce());
    EXPECT_EQ(connects, 1u);
    id = 78;  // restarted
    EXPECT_TRUE(announce());
    EXPECT_EQ(connects, 2u);
    ASSERT_TRUE(threads::sleep_for(61s));
    EXPECT_TRUE(announce());
    EXPECT_EQ(connects, 3u);
    scope.request_stop();
  });
}

TEST(TrackerClient, refuses_internal_trackers_that_strangers_name) {
  sim::Simulation simulation{{.seed = 1, .network = {}}};
  simulation.run([&](sim::Simulation&) {
    TrackerHost tracker{simulation};
    net::HttpClientOptions options;
    options.reach = net::Reach::public_only;
    TrackerClient client{simulation.add_host("client").world(), options};
    for (auto const* scheme : {"http", "udp"}) {
      auto const answer =
          client.announce(TrackerHost::url(scheme), request(1000, 5), threads::within(1min));
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().fault, Fault::refused) << answer.error().what;
    }
    EXPECT_EQ(tracker.tracker.counts(torrent()).leeches, 0u);
  });
}

TEST(TrackerClient, refuses_addresses_that_name_no_tracker) {
  with_client({}, [](TrackerHost&, sim::Simulation&, TrackerClient& client) {
    for (auto const* url : {"", "tracker", "ftp://tracker/announce", "udp://tracker/announce",
                            "udp://tracker:0/", "udp://:80", "http://"})
      EXPECT_FALSE(client.announce(url, request(1, 1), threads::within(1s))) << url;
    EXPECT_FALSE(client.announce("http://tracker/" + std::string(5000, 'a'), request(1, 1),
                                 threads::within(1s)));
  });
}

}  // namespace
}  // namespace mutirao::swarm
