// Redirects and the Reach policy: where a URL from a stranger may lead.
#include <gtest/gtest.h>

#include "test_deadline.h"
#include "test_peers.h"

namespace mutirao::net {
namespace {

using test::get;
using test::ok;
using test::Pair;
using test::read_head;
using test::say;
using test::serve_script;
using test::simulate;
using test::soon;

std::string redirect_to(std::string_view where, int status = 302) {
  return "HTTP/1.1 " + std::to_string(status) + " x\r\nLocation: " + std::string{where} +
         "\r\nContent-Length: 2\r\n\r\nno";
}

TEST(Redirect, is_followed_relative_and_absolute_on_one_connection) {
  simulate([](Pair const& pair) {
    int connections = 0;
    test::Ending const serving1 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          ++connections;
          while (true) {
            auto const head = read_head(stream);
            if (head.empty()) return;
            if (head.starts_with("GET /a/b ")) say(stream, redirect_to("../c?d"));
            if (head.starts_with("GET /c?d ")) say(stream, redirect_to("http://server/e"));
            if (head.starts_with("GET /e ")) say(stream, ok("there"));
          }
        });
    HttpClient client{pair.client, {}};
    auto const response = client.fetch(get("http://server/a/b"), soon());
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->body, "there");
    EXPECT_EQ(response->url.to_string(), "http://server/e");
    EXPECT_EQ(connections, 1);
  });
}

TEST(Redirect, stops_at_the_limit_and_is_an_answer_when_the_limit_is_zero) {
  simulate([](Pair const& pair) {
    int requests = 0;
    test::Ending const serving2 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          while (!read_head(stream).empty()) {
            ++requests;
            say(stream, redirect_to("/again"));
          }
        });
    HttpClient client{pair.client, {.redirects_max = 3}};
    EXPECT_EQ(client.fetch(get("http://server/"), soon()).error().fault, Fault::refused);
    EXPECT_EQ(requests, 4);
    HttpClient plain{pair.client, {.redirects_max = 0}};
    EXPECT_EQ(plain.fetch(get("http://server/"), soon())->head.status, 302);
  });
}

TEST(Redirect, turns_a_post_into_a_get_where_the_standard_says_so) {
  for (auto const& [status, method] :
       {std::pair{301, "GET"}, {302, "GET"}, {303, "GET"}, {307, "POST"}, {308, "POST"}}) {
    simulate([&](Pair const& pair) {
      std::string seen;
      test::Ending const serving3 =
          serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
            auto const head = read_head(stream);
            Bytes body(4);
            if (head.contains("Content-Length: 4"))
              (void)stream.read_exactly(body, Deadline::never());
            if (head.contains(" /a ")) return say(stream, redirect_to("/b", status));
            seen = head;
            say(stream, ok(""));
          });
      HttpClient client{pair.client, {}};
      auto request = get("http://server/a");
      request.method = "POST";
      request.body = "data";
      EXPECT_TRUE(client.fetch(request, soon())) << status;
      EXPECT_TRUE(seen.starts_with(method)) << status << ' ' << seen;
      EXPECT_EQ(seen.contains("Content-Length: 4"), std::string_view{method} == "POST") << status;
    });
  }
}

TEST(Redirect, to_another_origin_takes_no_secret_along) {
  simulate([](Pair const& pair) {
    std::string seen;
    test::Ending const serving4 =
        serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
          read_head(stream);
          say(stream, redirect_to("http://server:81/"));
        });
    test::Ending const serving5 = serve_script(
        pair.server, pair.scope,
        [&](world::Stream& stream, int) {
          seen = read_head(stream);
          say(stream, ok(""));
        },
        81);
    HttpClient client{pair.client, {}};
    auto request = get("http://server/");
    request.fields.add("Authorization", "Basic c2VjcmV0");
    request.fields.add("Cookie", "a=b");
    request.fields.add("X-Other", "stays");
    EXPECT_TRUE(client.fetch(request, soon()));
    EXPECT_FALSE(seen.contains("Authorization") || seen.contains("Cookie")) << seen;
    EXPECT_TRUE(seen.contains("X-Other: stays"));
  });
}

TEST(Redirect, to_another_scheme_or_a_broken_address_is_refused) {
  for (std::string const where : {"ftp://server/", "file:///etc/passwd", "javascript:alert(1)"}) {
    simulate([&](Pair const& pair) {
      test::Ending const serving6 =
          serve_script(pair.server, pair.scope, [&](world::Stream& stream, int) {
            read_head(stream);
            say(stream, redirect_to(where));
          });
      HttpClient client{pair.client, {}};
      EXPECT_EQ(client.fetch(get("http://server/"), soon()).error().fault, Fault::unsupported)
          << where;
    });
  }
}

/// A public server, an internal one beside the client, and a client that may be sent from one to
/// the other.
struct Trap {
  sim::Simulation simulation{{.seed = 7}};
  sim::Host& tracker =
      simulation.add_host("tracker", {.addresses = {*world::IpAddress::parse("93.184.216.34")}});
  sim::Host& router =
      simulation.add_host("router", {.addresses = {*world::IpAddress::parse("192.168.0.1")}});
  sim::Host& client = simulation.add_host("client");
  int router_requests = 0;

  void run(std::function<void(world::World&)> const& body, std::string const& answer) {
    simulation.run([&](sim::Simulation&) {
      threads::scope scope;
      test::Ending const serving7 =
          serve_script(tracker.world(), scope, [&](world::Stream& stream, int) {
            read_head(stream);
            say(stream, answer);
          });
      test::Ending const serving8 =
          serve_script(router.world(), scope, [&](world::Stream& stream, int) {
            ++router_requests;
            read_head(stream);
            say(stream, ok("secret"));
          });
      body(client.world());
    });
  }
};

TEST(Reach, a_public_server_cannot_redirect_to_an_internal_address_by_number_or_by_name) {
  for (std::string const where :
       {"http://192.168.0.1/", "http://router/", "//192.168.0.1/", "http://127.0.0.1/",
        "http://[::1]/", "http://[::ffff:192.168.0.1]/"}) {
    for (auto const reach : {Reach::anywhere, Reach::public_only}) {
      Trap trap;
      trap.run(
          [&](world::World& world) {
            HttpClient client{world, {.reach = reach}};
            auto const response = client.fetch(get("http://tracker/"), soon());
            ASSERT_FALSE(response) << where;
            EXPECT_EQ(response.error().fault, Fault::refused)
                << where << ": " << response.error().what;
          },
          redirect_to(where));
      EXPECT_EQ(trap.router_requests, 0) << where;
    }
  }
}

TEST(Reach, a_public_server_may_redirect_to_an_internal_address_when_the_user_allows_all) {
  Trap trap;
  trap.run(
      [](world::World& world) {
        HttpClient client{world, {.reach = Reach::unrestricted}};
        auto const response = client.fetch(get("http://tracker/"), soon());
        ASSERT_TRUE(response) << response.error().what;
        EXPECT_EQ(response->body, "secret");
      },
      redirect_to("http://192.168.0.1/"));
  EXPECT_EQ(trap.router_requests, 1);
}

TEST(Reach, an_internal_address_is_refused_when_a_stranger_named_it_and_allowed_when_the_user_did) {
  Trap trap;
  trap.run(
      [](world::World& world) {
        HttpClient strict{world, {.reach = Reach::public_only}};
        EXPECT_EQ(strict.fetch(get("http://router/"), soon()).error().fault, Fault::refused);
        EXPECT_EQ(strict.fetch(get("http://192.168.0.1/"), soon()).error().fault, Fault::refused);
        EXPECT_TRUE(strict.fetch(get("http://tracker/"), soon()));
        HttpClient open{world, {}};
        EXPECT_TRUE(open.fetch(get("http://router/"), soon()));
      },
      ok("public"));
  EXPECT_EQ(trap.router_requests, 1);
}

TEST(Reach, a_redirect_from_one_internal_server_to_another_is_the_users_own_business) {
  Trap trap;
  trap.run(
      [&](world::World& world) {
        threads::scope scope;
        test::Ending const serving9 = serve_script(
            trap.router.world(), scope,
            [](world::Stream& stream, int) {
              read_head(stream);
              say(stream, redirect_to("http://192.168.0.1/"));
            },
            81);
        HttpClient client{world, {}};
        EXPECT_EQ(client.fetch(get("http://router:81/"), soon())->body, "secret");
      },
      ok(""));
}

TEST(Connect, tries_every_address_of_a_host) {
  sim::Simulation simulation{{.seed = 7}};
  auto const v6 = *world::IpAddress::parse("2001:db8::1");
  auto const v4 = *world::IpAddress::parse("10.1.2.3");
  auto& server = simulation.add_host("server", {.addresses = {v6, v4}});
  auto& client = simulation.add_host("client");
  simulation.run([&](sim::Simulation&) {
    threads::scope scope;
    auto listener =
        server.world().network().listen({.address = v4, .port = 80});  // and not on IPv6
    ASSERT_TRUE(listener) << listener.error().what;
    test::Ending const ending{scope};
    scope.spawn("server", [&] {
      auto stream = (*listener)->accept(Deadline::never());
      if (!stream) return;
      read_head(**stream);
      say(**stream, ok("by IPv4"));
    });
    HttpClient http{client.world(), {}};
    auto const response = http.fetch(get("http://server/"), soon());
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->body, "by IPv4");
  });
}

}  // namespace
}  // namespace mutirao::net
