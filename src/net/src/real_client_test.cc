// Our client against nginx, on the real world: plain and by TLS.
#include <gtest/gtest.h>

#include "mutirao/net/http_client.h"

#include "real_peers.h"
#include "test_deadline.h"
#include "test_peers.h"

namespace mutirao::net {
namespace {

using test::get;
using test::Nginx;
using test::output_of;
using test::run_real;
using test::soon;
using test::TemporaryFolder;

std::string const kServer = R"(
  gzip on; gzip_types text/plain; gzip_min_length 10;
  server { listen 127.0.0.1:PORT; root .;
    location /old { return 301 /text.txt; }
    location /loop { return 302 /loop; }
  })";

void with_nginx(
    std::string const& servers,
    std::function<void(world::World&, TemporaryFolder const&, Nginx const&)> const& body) {
  run_real([&](world::World& world, threads::scope&) {
    TemporaryFolder const folder;
    folder.write("text.txt", std::string(50'000, 'a') + "end");
    folder.write("large", std::string(20 << 20, 'b'));
    Nginx const nginx{world, folder, servers};
    body(world, folder, nginx);
  });
}

TEST(ClientToNginx, gets_a_text_that_came_as_gzip) {
  with_nginx(kServer, [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {}};
    auto const response = client.fetch(get(nginx.url("/text.txt")), soon());
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->head.status, 200);
    EXPECT_EQ(response->body, std::string(50'000, 'a') + "end");
    auto plain = get(nginx.url("/text.txt"));
    plain.fields.add("Accept-Encoding", "gzip");
    EXPECT_LT(client.fetch(plain, soon())->body.size(), 1000u);  // as sent: it was packed indeed
    EXPECT_EQ(client.fetch(get(nginx.url("/missing")), soon())->head.status, 404);
  });
}

TEST(ClientToNginx, gets_a_range) {
  with_nginx(kServer, [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {}};
    auto request = get(nginx.url("/text.txt"));
    request.fields.add("Range", "bytes=49998-50001");
    auto const response = client.fetch(request, soon());
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->head.status, 206);
    EXPECT_EQ(response->body, "aaen");
    auto const range = wire::parse_http_content_range(*response->head.fields.find("Content-Range"));
    EXPECT_EQ(range->size, 50'003u);
  });
}

TEST(ClientToNginx, follows_redirects_and_stops_in_a_loop) {
  with_nginx(kServer, [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {}};
    auto const response = client.fetch(get(nginx.url("/old")), soon());
    ASSERT_TRUE(response) << response.error().what;
    EXPECT_EQ(response->url.target, "/text.txt");
    EXPECT_EQ(client.fetch(get(nginx.url("/loop")), soon()).error().fault, Fault::refused);
  });
}

TEST(ClientToNginx, keeps_one_connection_for_many_requests) {
  with_nginx("log_format number '$connection'; access_log numbers number;" + kServer,
             [](world::World& world, TemporaryFolder const& folder, Nginx const& nginx) {
               HttpClient client{world, {}};
               for (int i = 0; i < 50; ++i)
                 EXPECT_TRUE(client.fetch(get(nginx.url("/text.txt")), soon()));
               EXPECT_EQ(output_of("sort -u " + folder / "numbers" + " | wc -l"), "1\n");
             });
}

TEST(ClientToNginx, streams_a_large_file) {
  with_nginx(kServer, [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {}};
    auto response = client.open(get(nginx.url("/large")), soon());
    ASSERT_TRUE(response) << response.error().what;
    Bytes buffer(256 << 10);
    std::size_t total = 0;
    while (true) {
      auto const count = response->body->read_some(buffer, soon());
      ASSERT_TRUE(count) << count.error().what;
      if (*count == 0) break;
      total += *count;
    }
    EXPECT_EQ(total, std::size_t{20} << 20);
  });
}

TEST(ClientToNginx, a_public_only_client_never_reaches_loopback) {
  with_nginx(kServer, [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {.reach = Reach::public_only}};
    for (std::string_view const host : {"127.0.0.1", "localhost", "0x7f.1", "2130706433"})
      EXPECT_EQ(client.fetch(get(nginx.url("/text.txt", "http", host)), soon()).error().fault,
                Fault::refused)
          << host;
  });
}

std::string const kTlsServer = R"(
  server { listen 127.0.0.1:PORT ssl; root .; ssl_certificate cert.pem; ssl_certificate_key key.pem;
    location /down { return 302 http://127.0.0.1:1/; }
    location /old { return 301 /text.txt; }
  })";

/// An nginx with a certificate for `names`, made by openssl.
void with_tls(
    std::string const& names,
    std::function<void(world::World&, TemporaryFolder const&, Nginx const&)> const& body) {
  run_real([&](world::World& world, threads::scope&) {
    TemporaryFolder const folder;
    folder.write("text.txt", std::string(200'000, 'a'));
    output_of(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
        "/CN=test -addext subjectAltName=" +
        names + " -keyout " + folder / "key.pem" + " -out " + folder / "cert.pem" + " 2>/dev/null");
    Nginx const nginx{world, folder, kTlsServer};
    body(world, folder, nginx);
  });
}

TEST(ClientToTls, trusts_a_server_whose_certificate_names_it) {
  with_tls("DNS:localhost,IP:127.0.0.1",
           [](world::World& world, TemporaryFolder const& folder, Nginx const& nginx) {
             HttpClient client{world, {.ca_file = folder / "cert.pem"}};
             for (std::string_view const host : {"localhost", "127.0.0.1"}) {
               for (std::string_view const target : {"/text.txt", "/old", "/text.txt"}) {
                 auto const response = client.fetch(get(nginx.url(target, "https", host)), soon());
                 ASSERT_TRUE(response) << response.error().what;
                 EXPECT_EQ(response->body.size(), 200'000u);
               }
             }
           });
}

TEST(ClientToTls, refuses_a_certificate_of_somebody_else) {
  with_tls("DNS:other.example", [](world::World& world, TemporaryFolder const& folder,
                                   Nginx const& nginx) {
    HttpClient client{world, {.ca_file = folder / "cert.pem"}};
    auto const response = client.fetch(get(nginx.url("/text.txt", "https", "localhost")), soon());
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().fault, Fault::refused) << response.error().what;
    EXPECT_TRUE(response.error().what.contains("certificate")) << response.error().what;
    EXPECT_FALSE(response.error().mend.empty());
  });
}

TEST(ClientToTls, refuses_a_certificate_that_nobody_vouches_for) {
  with_tls("DNS:localhost", [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {}};
    EXPECT_EQ(client.fetch(get(nginx.url("/text.txt", "https", "localhost")), soon()).error().fault,
              Fault::refused);
  });
}

TEST(ClientToTls, is_never_sent_down_to_plain_http) {
  with_tls(
      "DNS:localhost", [](world::World& world, TemporaryFolder const& folder, Nginx const& nginx) {
        HttpClient client{world, {.ca_file = folder / "cert.pem"}};
        auto const response = client.fetch(get(nginx.url("/down", "https", "localhost")), soon());
        EXPECT_EQ(response.error().fault, Fault::refused);
        EXPECT_TRUE(response.error().what.contains("from https")) << response.error().what;
      });
}

TEST(ClientToTls, says_so_when_the_other_side_does_not_speak_it) {
  with_nginx(kServer, [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {}};
    auto const response = client.fetch(get(nginx.url("/text.txt", "https")), soon());
    ASSERT_FALSE(response);
    EXPECT_TRUE(response.error().what.contains("TLS handshake")) << response.error().what;
  });
}

TEST(ClientToTls, a_missing_ca_file_is_named) {
  with_tls("DNS:localhost", [](world::World& world, TemporaryFolder const&, Nginx const& nginx) {
    HttpClient client{world, {.ca_file = "/nowhere/ca.pem"}};
    auto const response = client.fetch(get(nginx.url("/text.txt", "https", "localhost")), soon());
    EXPECT_EQ(response.error().fault, Fault::not_found);
    EXPECT_TRUE(response.error().what.contains("/nowhere/ca.pem"));
  });
}

}  // namespace
}  // namespace mutirao::net
