// The site as visitors meet it: over HTTP on the simulated network, with torrents of a fixture.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/net/http_server.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/swarm/magnet.h"
#include "mutirao/swarm/web_seed.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "site/site_fixture.h"
#include "site/site_handler.h"
#include "site/site_html.h"

namespace mutirao::swarm {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::uint16_t kPort = 8080;

class SiteHost {
 public:
  explicit SiteHost(sim::Simulation& simulation, std::string base_url = {})
      : host{simulation.add_host("site")},
        tracker{host.world(), {}},
        handler{host.world(), source, tracker, std::move(base_url)},
        visitor_{simulation.add_host("visitor").world()},
        client{visitor_, {}} {
    listener_ = host.world().network().listen({world::IpAddress::any(), kPort}).value();
    server_ = std::make_unique<net::HttpServer>(host.world(), net::HttpServerOptions{},
                                                [this](auto const& request, auto& responder) {
                                                  return handler.handle(request, responder);
                                                });
    scope_.spawn("http", [this] { static_cast<void>(server_->serve(*listener_)); });
  }
  ~SiteHost() {
    scope_.request_stop();
    static_cast<void>(scope_.join());
  }

  net::HttpResponse get(std::string target,
                        std::vector<std::pair<std::string, std::string>> fields = {},
                        std::string method = "GET") {
    net::HttpRequest request{.method = std::move(method),
                             .url = wire::Url::parse("http://site:8080").value(),
                             .fields = {},
                             .body = {}};
    request.url.target = std::move(target);
    for (auto& [name, value] : fields) request.fields.add(std::move(name), std::move(value));
    auto response = client.fetch(std::move(request), threads::within(1min));
    EXPECT_TRUE(response) << response.error().what;
    return response ? *std::move(response) : net::HttpResponse{};
  }

  sim::Host& host;
  FixtureSource source;
  Tracker tracker;
  SiteHandler handler;

 private:
  world::World& visitor_;

 public:
  net::HttpClient client;

 private:
  std::unique_ptr<world::Listener> listener_;
  std::unique_ptr<net::HttpServer> server_;
  threads::scope scope_;
};

void with_site(std::function<void(SiteHost&)> body, std::string base_url = {}) {
  sim::Simulation simulation{{.seed = 1, .network = {}}};
  simulation.run([&](sim::Simulation&) {
    SiteHost site{simulation, base_url};
    body(site);
  });
}

std::string field(net::HttpResponse const& response, std::string_view name) {
  return std::string{response.head.fields.find(name).value_or("")};
}

std::string content(std::uint64_t offset, std::uint64_t length) {
  std::string out;
  for (std::uint64_t i = 0; i < length; ++i) out += static_cast<char>(fixture_byte(offset + i));
  return out;
}

TEST(Site, shows_names_from_strangers_as_text_and_never_as_markup) {
  with_site([](SiteHost& site) {
    auto& torrent =
        site.source.add(fixture_metainfo("<script>alert(1)<script>", {{"\"><img src=x>", 10}}),
                        TorrentPhase::seeding, 9);
    torrent.why = "<b>why</b>";
    torrent.mend = "'\"<i>";
    auto const page = site.get("/");
    EXPECT_EQ(page.head.status, 200);
    EXPECT_THAT(page.body, HasSubstr("&lt;script&gt;alert(1)"));
    for (auto const* markup : {"<script>alert", "<img src=x", "<b>why", "<i>"})
      EXPECT_THAT(page.body, Not(HasSubstr(markup)));
    EXPECT_THAT(field(page, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
    EXPECT_THAT(field(page, "Content-Security-Policy"), Not(HasSubstr("unsafe")));
    auto const folder = site.get("/files/%3Cscript%3Ealert(1)%3Cscript%3E/");
    EXPECT_EQ(folder.head.status, 200);
    EXPECT_THAT(folder.body, Not(HasSubstr("<script>alert")));
  });
}

TEST(Site, is_whole_without_a_script) {
  with_site([](SiteHost& site) {
    auto& torrent =
        site.source.add(fixture_metainfo("pictures", {{"a b.png", 600'000}, {"sub/c.txt", 5}}),
                        TorrentPhase::downloading, 1);
    torrent.why = "waiting for peers: 2 known, none has answered";
    auto const page = site.get("/");
    EXPECT_THAT(page.body, HasSubstr("waiting for peers: 2 known, none has answered"));
    EXPECT_THAT(page.body, HasSubstr("1 of 3 pieces verified"));
    EXPECT_THAT(page.body, HasSubstr("43 %"));
    EXPECT_THAT(page.body, HasSubstr("href=\"/files/pictures/a%20b.png\""));
    EXPECT_THAT(page.body, HasSubstr("href=\"magnet:?xt=urn:btih:"));
    EXPECT_THAT(page.body, HasSubstr("/torrents/" + torrent.id + ".torrent"));
    EXPECT_THAT(page.body, HasSubstr("<path class=\"here\""));
  });
}

TEST(Site, speaks_the_language_of_the_visitor) {
  with_site([](SiteHost& site) {
    auto const says = [&](std::string target, std::string accept) {
      return field(site.get(std::move(target), {{"Accept-Language", std::move(accept)}}),
                   "Content-Language");
    };
    EXPECT_EQ(says("/", "pt-BR,pt;q=0.9,en;q=0.8"), "pt-BR");
    EXPECT_EQ(says("/", "en-GB, pt;q=0.5"), "en");
    EXPECT_EQ(says("/", "de, pt;q=0.3"), "pt-BR");
    EXPECT_EQ(says("/", "de"), "en");
    EXPECT_EQ(says("/?lang=pt-BR", "en"), "pt-BR");
    EXPECT_EQ(says("/?lang=xx", "pt"), "pt-BR");
    EXPECT_THAT(site.get("/?lang=pt-BR").body, HasSubstr("Compartilhado aqui"));
  });
}

TEST(Site, repeats_no_host_that_is_none) {
  with_site([](SiteHost& site) {
    site.source.add(fixture_metainfo("a", {{"", 5}}), TorrentPhase::seeding, 9);
    for (auto const* host : {"evil\"><script>", "a b", "[::1", "x:99999", "x:0", "/", "a@b"}) {
      EXPECT_FALSE(site_origin("", host)) << host;
    }
    EXPECT_EQ(site_origin("", "[::1]:81")->authority, "[::1]:81");
    EXPECT_EQ(site_origin("", "example.org")->authority, "example.org:80");
    EXPECT_EQ(site_origin("https://example.org/", "ignored!")->url, "https://example.org");
  });
}

TEST(Site, puts_its_tracker_and_web_seed_into_torrents_and_magnets) {
  with_site([](SiteHost& site) {
    auto const metainfo = fixture_metainfo("a", {{"", 300'000}});
    auto const id = site.source.add(metainfo, TorrentPhase::seeding, 9).id;
    auto const answer = site.get("/torrents/" + id + ".torrent");
    ASSERT_EQ(answer.head.status, 200);
    EXPECT_EQ(field(answer, "Content-Type"), "application/x-bittorrent");
    auto const torrent = Metainfo::parse(base::view_of(answer.body));
    ASSERT_TRUE(torrent) << torrent.error().what;
    EXPECT_EQ((*torrent)->info_hash(), metainfo->info_hash());
    EXPECT_EQ((*torrent)->tracker_tiers(),
              (std::vector<std::vector<std::string>>{
                  {"http://site:8080/announce", "udp://site:8080/announce"}}));
    EXPECT_EQ((*torrent)->web_seeds(), (std::vector{"http://site:8080/files/" + id + "/"}));
    auto const magnet =
        Magnet::parse(magnet_with_origin(*metainfo, id, {"http://site:8080", "site:8080"}));
    ASSERT_TRUE(magnet);
    EXPECT_EQ(magnet->trackers.size(), 2u);
    EXPECT_EQ(magnet->info_hash, metainfo->info_hash());
    EXPECT_EQ(site.get("/torrents/00.torrent").head.status, 404);
    EXPECT_EQ(site.get("/torrents/" + id).head.status, 404);
  });
}

TEST(Site, serves_files_whole_and_in_parts) {
  with_site([](SiteHost& site) {
    site.source.add(
        fixture_metainfo("set", {{"first", 100}, {"second.bin", 700'000}, {"empty", 0}}),
        TorrentPhase::seeding, 9);
    auto const whole = site.get("/files/set/second.bin");
    EXPECT_EQ(whole.head.status, 200);
    EXPECT_EQ(whole.body, content(100, 700'000));
    EXPECT_EQ(field(whole, "X-Content-Type-Options"), "nosniff");
    EXPECT_THAT(field(whole, "Content-Disposition"), HasSubstr("attachment"));
    auto const tag = field(whole, "ETag");
    EXPECT_FALSE(tag.empty());

    auto const part = site.get("/files/set/second.bin", {{"Range", "bytes=262140-262150"}});
    EXPECT_EQ(part.head.status, 206);
    EXPECT_EQ(field(part, "Content-Range"), "bytes 262140-262150/700000");
    EXPECT_EQ(part.body, content(100 + 262'140, 11));
    EXPECT_EQ(site.get("/files/set/second.bin", {{"Range", "bytes=-5"}}).body, content(700'095, 5));
    EXPECT_EQ(site.get("/files/set/second.bin", {{"Range", "bytes=700000-"}}).head.status, 416);
    EXPECT_EQ(
        site.get("/files/set/second.bin", {{"Range", "bytes=0-4"}, {"If-Range", tag}}).head.status,
        206);
    EXPECT_EQ(site.get("/files/set/second.bin", {{"Range", "bytes=0-4"}, {"If-Range", "\"other\""}})
                  .head.status,
              200);
    EXPECT_EQ(site.get("/files/set/second.bin", {{"If-None-Match", "\"x\", " + tag}}).head.status,
              304);
    EXPECT_EQ(site.get("/files/set/empty").head.status, 200);
    EXPECT_EQ(site.get("/files/set/none").head.status, 404);
    EXPECT_EQ(site.get("/files/set/../set/first").head.status, 404);
    EXPECT_EQ(site.get("/", {}, "POST").head.status, 405);
  });
}

TEST(Site, reads_nothing_for_a_head_request) {
  with_site([](SiteHost& site) {
    site.source.add(fixture_metainfo("big", {{"", 700'000}}), TorrentPhase::downloading, 0);
    auto const head = site.get("/files/big", {}, "HEAD");
    EXPECT_EQ(head.head.status, 200);
    EXPECT_EQ(field(head, "Content-Length"), "700000");
    EXPECT_EQ(site.source.reads, 0u);
  });
}

TEST(Site, lets_no_strangers_file_run_in_its_name) {
  with_site([](SiteHost& site) {
    site.source.add(
        fixture_metainfo(
            "set",
            {{"page.html", 10}, {"image.svg", 10}, {"photo.JPG", 10}, {"a\"b\u00e9.bin", 1}}),
        TorrentPhase::seeding, 9);
    for (auto const* name : {"page.html", "image.svg"}) {
      auto const file = site.get(std::string{"/files/set/"} + name);
      EXPECT_EQ(field(file, "Content-Type"), "application/octet-stream") << name;
      EXPECT_THAT(field(file, "Content-Disposition"), HasSubstr("attachment")) << name;
      EXPECT_THAT(field(file, "Content-Security-Policy"), HasSubstr("sandbox")) << name;
    }
    EXPECT_EQ(field(site.get("/files/set/photo.JPG"), "Content-Type"), "image/jpeg");
    EXPECT_THAT(field(site.get("/files/set/photo.JPG?download"), "Content-Disposition"),
                HasSubstr("attachment"));
    EXPECT_EQ(content_disposition("attachment", "a\"b\u00e9.bin"),
              "attachment; filename=\"a_b__.bin\"; filename*=UTF-8''a%22b%C3%A9.bin");
  });
}

// aria2 knows no pad files and fetches them from web seeds like any other.
TEST(Site, serves_pad_files_as_zeros_and_lists_them_nowhere) {
  with_site([](SiteHost& site) {
    site.source.add(fixture_metainfo("set", {{"a", 100}, {".pad/262044", 262'044, true}, {"b", 5}}),
                    TorrentPhase::seeding, 9);
    auto const pad = site.get("/files/set/.pad/262044");
    EXPECT_EQ(pad.head.status, 200);
    EXPECT_EQ(pad.body, std::string(262'044, '\0'));
    EXPECT_EQ(site.source.reads, 0u);
    EXPECT_THAT(site.get("/").body, Not(HasSubstr(".pad")));
    EXPECT_THAT(site.get("/files/set/").body, Not(HasSubstr(".pad")));
  });
}

TEST(Site, tells_torrents_of_the_same_name_apart) {
  with_site([](SiteHost& site) {
    auto const one =
        site.source.add(fixture_metainfo("same", {{"", 10}}), TorrentPhase::seeding, 9).id;
    auto const two =
        site.source.add(fixture_metainfo("same", {{"", 20}}), TorrentPhase::seeding, 9).id;
    auto const page = site.get("/").body;
    for (auto const& id : {one, two}) {
      EXPECT_THAT(page, HasSubstr("href=\"/files/" + id + "/same\""));
      EXPECT_EQ(site.get("/files/" + id + "/same").body.size(), id == one ? 10u : 20u);
    }
  });
}

TEST(Site, pages_a_folder_of_many_files) {
  with_site([](SiteHost& site) {
    std::vector<FixtureFile> files;
    for (int i = 0; i < 2500; ++i) files.push_back({fmt::format("f{:04}", i), 1});
    site.source.add(fixture_metainfo("many", files), TorrentPhase::seeding, 9);
    auto const first = site.get("/files/many/").body;
    EXPECT_THAT(first, HasSubstr(">f0999<"));
    EXPECT_THAT(first, Not(HasSubstr(">f1000<")));
    EXPECT_THAT(first, HasSubstr("Page 1 of 3"));
    EXPECT_THAT(site.get("/files/many/?page=3").body, HasSubstr(">f2499<"));
    EXPECT_EQ(site.get("/files/many/?page=99999999999999999999").head.status, 200);
  });
}

TEST(Site, sends_live_figures_at_once_and_again_when_they_change) {
  with_site([](SiteHost& site) {
    auto& torrent = site.source.add(fixture_metainfo("a", {{"", 5}}), TorrentPhase::seeding, 9);
    EXPECT_THAT(site.get("/live").body, HasSubstr("\"phase\":\"seeding\""));
    net::HttpRequest request{.method = "GET",
                             .url = wire::Url::parse("http://site:8080/live/events").value(),
                             .fields = {},
                             .body = {}};
    auto events = site.client.open(std::move(request), threads::within(1min));
    ASSERT_TRUE(events) << events.error().what;
    auto const next = [&] {
      Bytes bytes(4096);
      auto const count = events->body->read_some(bytes, threads::within(10s));
      return count ? std::string{base::text_of(ByteView{bytes}.first(*count))} : count.error().what;
    };
    EXPECT_THAT(next(), HasSubstr("event: figures\ndata: {\"torrents\":["));
    torrent.upload_rate = 12345;
    EXPECT_THAT(next(), HasSubstr("\"upload_rate\":12345"));
  });
}

TEST(Site, a_name_that_is_no_utf8_breaks_no_figures) {
  with_site([](SiteHost& site) {
    site.source.add_magnet("00112233", "bad \xff\xfe name");
    EXPECT_THAT(site.get("/live").body, HasSubstr("bad "));
    EXPECT_EQ(site.get("/").head.status, 200);
  });
}

TEST(Site, never_says_100_percent_while_something_is_missing) {
  EXPECT_EQ(whole_percent(999'999, 1'000'000), 99u);
  EXPECT_EQ(whole_percent(1'000'000, 1'000'000), 100u);
  EXPECT_EQ(whole_percent(0, 0), 100u);
}

TEST(Site, draws_the_pieces_that_are_here) {
  Bitfield pieces{4};
  pieces.set(1);
  pieces.set(2);
  EXPECT_EQ(draw_pieces_map(pieces).path, "M1 8V0H3V8z");
  EXPECT_EQ(draw_pieces_map(pieces).width, 4u);
  Bitfield many{1600};
  for (std::size_t i = 0; i < 15; ++i) many.set(i);
  EXPECT_EQ(draw_pieces_map(many).path, "M0 8V0H1V8zM1 8V4H2V8z");
}

// Both sides of BEP 19: our web seed client reads from our site.
TEST(Site, is_a_web_seed_that_reads_ranges_across_files_from_our_own_site) {
  with_site([](SiteHost& site) {
    auto const metainfo =
        fixture_metainfo("set", {{"a", 100'000}, {"empty", 0}, {"folder/b c", 300'000}, {"d", 50}});
    auto const id = site.source.add(metainfo, TorrentPhase::seeding, 9).id;
    WebSeed seed{site.client, "http://site:8080/files/" + id + "/", metainfo};
    for (auto const& [offset, length] :
         {std::pair{0u, 262'144u}, {262'144u, 137'906u}, {99'999u, 2u}, {400'000u, 50u}}) {
      Bytes into(length);
      auto const read = seed.read(offset, into, threads::within(1min));
      ASSERT_TRUE(read) << read.error().what;
      EXPECT_EQ(base::text_of(into), content(offset, length));
    }
    auto const single = fixture_metainfo("one file.bin", {{"", 1000}});
    auto const single_id = site.source.add(single, TorrentPhase::seeding, 9).id;
    for (auto const& url : {"http://site:8080/files/" + single_id + "/",
                            std::string{"http://site:8080/files/one%20file.bin"}}) {
      WebSeed of_single{site.client, url, single};
      Bytes into(1000);
      ASSERT_TRUE(of_single.read(0, into, threads::within(1min))) << url;
      EXPECT_EQ(base::text_of(into), content(0, 1000));
    }
    WebSeed wrong{site.client, "http://site:8080/nowhere/", metainfo};
    Bytes into(10);
    EXPECT_EQ(wrong.read(0, into, threads::within(1min)).error().fault, Fault::not_found);
  });
}

}  // namespace
}  // namespace mutirao::swarm
