#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "mutirao/wire/http.h"

namespace mutirao::wire {
namespace {

TEST(Url, splits_into_its_parts) {
  auto const url = Url::parse("HTTP://Example.COM:8080/a/b?c=d#e");
  ASSERT_TRUE(url);
  EXPECT_EQ(*url,
            (Url{.scheme = "http", .host = "example.com", .port = 8080, .target = "/a/b?c=d"}));
  EXPECT_EQ(url->to_string(), "http://example.com:8080/a/b?c=d");
}

TEST(Url, knows_the_usual_ports_and_an_empty_path) {
  EXPECT_EQ(Url::parse("http://a")->port, 80);
  EXPECT_EQ(Url::parse("https://a:")->port, 443);
  EXPECT_EQ(Url::parse("https://a?x")->target, "/?x");
  EXPECT_EQ(Url::parse("https://a:443")->to_string(), "https://a/");
  EXPECT_EQ(Url::parse("http://a#x/y")->target, "/");
}

TEST(Url, holds_ipv6_addresses_without_their_brackets) {
  auto const url = Url::parse("http://[2001:DB8::1]:81/x");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->port, 81);
  EXPECT_EQ(url->to_string(), "http://[2001:db8::1]:81/x");
}

TEST(Url, encodes_what_torrents_hold_unencoded) {
  EXPECT_EQ(Url::parse("http://a/My File.iso")->target, "/My%20File.iso");
  EXPECT_EQ(Url::parse("http://a/caf\xc3\xa9?q=\xc3\xa9")->target, "/caf%C3%A9?q=%C3%A9");
  EXPECT_EQ(Url::parse("http://a/a\\b\"<>|")->target, "/a%5Cb%22%3C%3E%7C");
  EXPECT_EQ(Url::parse("http://a/%41%2f")->target, "/%41%2f");
}

TEST(Url, refuses_what_could_lead_somewhere_else_than_it_seems) {
  for (std::string_view const text : {"http://user@a/",
                                      "http://user:pass@a/",
                                      "http://a@b@c/",
                                      "http://good\\@evil/",
                                      "http://a b/",
                                      "http://a%41/",
                                      "http:///x",
                                      "http://",
                                      "http:a",
                                      "http:/a",
                                      "//a/",
                                      "a/b",
                                      "",
                                      "http://a:0/",
                                      "http://a:65536/",
                                      "http://a:-1/",
                                      "http://a:+80/",
                                      "http://a:80x/",
                                      "http://a:80:80/",
                                      "http://[::1",
                                      "http://[::1]x/",
                                      "http://[]/",
                                      "http://[fe80::1%25eth0]/",
                                      "http://[1.2.3.4]/",
                                      "http://::1/",
                                      "http://caf\xc3\xa9/",
                                      "http://a\r\n/",
                                      "http://a/\r\nX: y",
                                      "http://a/\x7f",
                                      "http://a/%",
                                      "http://a/%2",
                                      "http://a/%zz",
                                      "http://a/?%g0",
                                      "://a",
                                      "1http://a/"})
    EXPECT_EQ(Url::parse(text).error().fault, Fault::invalid) << text;
  EXPECT_FALSE(Url::parse("http://" + std::string(254, 'a') + "/"));
  EXPECT_FALSE(Url::parse("http://a/" + std::string(9000, 'a')));
  EXPECT_FALSE(Url::parse("http://a/" + std::string(8000, ' ')));
  using namespace std::string_view_literals;
  EXPECT_FALSE(Url::parse("http://a\0b/"sv));
}

TEST(Url, other_schemes_are_named_as_such) {
  for (std::string_view const text :
       {"ftp://a/", "file:///etc/passwd", "gopher://a/", "javascript:alert(1)", "httpx://a"})
    EXPECT_EQ(Url::parse(text).error().fault, Fault::unsupported) << text;
}

TEST(Url, resolves_the_references_of_rfc_3986_section_5_4) {
  auto const base = *Url::parse("http://a/b/c/d;p?q");
  for (auto const& [reference, expected] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"g", "http://a/b/c/g"},
           {"./g", "http://a/b/c/g"},
           {"g/", "http://a/b/c/g/"},
           {"/g", "http://a/g"},
           {"//g", "http://g/"},
           {"?y", "http://a/b/c/d;p?y"},
           {"g?y", "http://a/b/c/g?y"},
           {"#s", "http://a/b/c/d;p?q"},
           {"g#s", "http://a/b/c/g"},
           {"g?y#s", "http://a/b/c/g?y"},
           {";x", "http://a/b/c/;x"},
           {"g;x", "http://a/b/c/g;x"},
           {"g;x?y#s", "http://a/b/c/g;x?y"},
           {"", "http://a/b/c/d;p?q"},
           {".", "http://a/b/c/"},
           {"./", "http://a/b/c/"},
           {"..", "http://a/b/"},
           {"../", "http://a/b/"},
           {"../g", "http://a/b/g"},
           {"../..", "http://a/"},
           {"../../", "http://a/"},
           {"../../g", "http://a/g"},
           {"../../../g", "http://a/g"},
           {"../../../../g", "http://a/g"},
           {"/./g", "http://a/g"},
           {"/../g", "http://a/g"},
           {"g.", "http://a/b/c/g."},
           {".g", "http://a/b/c/.g"},
           {"g..", "http://a/b/c/g.."},
           {"..g", "http://a/b/c/..g"},
           {"./../g", "http://a/b/g"},
           {"./g/.", "http://a/b/c/g/"},
           {"g/./h", "http://a/b/c/g/h"},
           {"g/../h", "http://a/b/c/h"},
           {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
           {"g;x=1/../y", "http://a/b/c/y"},
           {"g?y/./x", "http://a/b/c/g?y/./x"},
           {"g?y/../x", "http://a/b/c/g?y/../x"},
           {"https://h:8/i", "https://h:8/i"}})
    EXPECT_EQ(base.resolve(reference)->to_string(), expected) << reference;
  EXPECT_EQ(base.resolve("g:h").error().fault, Fault::unsupported);
  EXPECT_EQ(base.resolve("http:g").error().fault, Fault::invalid);
}

TEST(HttpTarget, decodes_path_and_query_and_keeps_their_order) {
  auto const target = HttpTarget::parse("/a%20b/%2e?x=1&y=a+b%2B&x=2&empty=&alone&&=v");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b/.");
  EXPECT_EQ(target->query.size(), 6u);
  EXPECT_EQ(target->find("x"), "1");
  EXPECT_EQ(target->query[2].second, "2");
  EXPECT_EQ(target->find("y"), "a b+");
  EXPECT_EQ(target->find("empty"), "");
  EXPECT_EQ(target->find("alone"), "");
  EXPECT_FALSE(target->find("missing"));
}

TEST(HttpTarget, keeps_the_binary_of_an_info_hash) {
  auto const target = HttpTarget::parse("/announce?info_hash=%00%01%ff%26%3d%25");
  EXPECT_EQ(target->find("info_hash"), (std::string_view{"\0\1\xff&=%", 6}));
}

TEST(HttpTarget, understands_the_absolute_form_and_the_asterisk) {
  EXPECT_EQ(HttpTarget::parse("http://host/x?y=z")->path, "/x");
  EXPECT_EQ(HttpTarget::parse("http://host/x?y=z")->find("y"), "z");
  EXPECT_EQ(HttpTarget::parse("http://host")->path, "/");
  EXPECT_EQ(HttpTarget::parse("http://host?y=z")->find("y"), "z");
  EXPECT_EQ(HttpTarget::parse("*")->path, "*");
}

TEST(HttpTarget, refuses_broken_escapes_a_nul_in_the_path_and_what_is_no_path) {
  for (std::string_view const text :
       {"/%", "/%2", "/%gg", "/?x=%", "/?%zz=1", "/%00", "/a%00b", "host:80", "x", ""})
    EXPECT_EQ(HttpTarget::parse(text).error().fault, Fault::corrupt) << text;
}

}  // namespace
}  // namespace mutirao::wire
