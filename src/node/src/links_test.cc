#include "links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::node {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<world::IpAddress> addresses(std::initializer_list<char const*> texts) {
  std::vector<world::IpAddress> list;
  for (auto const* text : texts) list.push_back(*world::IpAddress::parse(text));
  return list;
}

std::vector<std::string> texts(Contact const& contact) {
  std::vector<std::string> list;
  for (auto const& endpoint : contact.endpoints) list.push_back(endpoint.to_string());
  return list;
}

swarm::InfoHash some_hash() {
  swarm::InfoHash hash;
  hash.v1.emplace().fill(0xab);
  return hash;
}

TEST(Contact, names_the_local_network_first_and_loopback_last) {
  auto const contact =
      Contact::of({world::IpAddress::any(), 6881},
                  addresses({"127.0.0.1", "192.168.1.5", "169.254.3.4"}), "", true);
  EXPECT_THAT(texts(contact), testing::ElementsAre("192.168.1.5:6881", "127.0.0.1:6881"));
  EXPECT_EQ(contact.base_url, "http://192.168.1.5:6881");
  EXPECT_EQ(contact.announce_url, "http://192.168.1.5:6881/announce");
  EXPECT_EQ(contact.udp_announce_url, "udp://192.168.1.5:6881/announce");
}

TEST(Contact, names_only_the_address_that_the_user_chose) {
  auto const contact = Contact::of(*world::Endpoint::parse("127.0.0.3:7000"),
                                   addresses({"127.0.0.1", "192.168.1.5"}), "", false);
  EXPECT_THAT(texts(contact), testing::ElementsAre("127.0.0.3:7000"));
  EXPECT_EQ(contact.udp_announce_url, "");
}

TEST(Contact, is_never_empty_on_a_host_without_a_network) {
  auto const contact = Contact::of({world::IpAddress::any(), 6881}, {}, "", false);
  EXPECT_THAT(texts(contact), testing::ElementsAre("127.0.0.1:6881"));
}

TEST(Contact, takes_the_url_that_the_user_named) {
  auto const contact = Contact::of({world::IpAddress::any(), 6881}, addresses({"10.0.0.1"}),
                                   "https://share.example.org/", false);
  EXPECT_EQ(contact.announce_url, "https://share.example.org/announce");
}

TEST(Links, reach_this_node_without_any_other_server) {
  auto const contact =
      Contact::of({world::IpAddress::any(), 6881}, addresses({"10.0.0.1"}), "", true);
  auto const links =
      make_links(contact, some_hash(), "a file", {"http://other/announce"}, true, false);
  EXPECT_THAT(links.magnet, HasSubstr("x.pe=10.0.0.1"));
  EXPECT_THAT(links.magnet, HasSubstr("abababab"));
  EXPECT_THAT(links.magnet, HasSubstr("other"));
  EXPECT_EQ(links.page, "http://10.0.0.1:6881/");
  EXPECT_THAT(links.torrent, testing::EndsWith(".torrent"));
}

TEST(Links, of_a_private_torrent_name_its_trackers_only) {
  auto const contact =
      Contact::of({world::IpAddress::any(), 6881}, addresses({"10.0.0.1"}), "", true);
  auto const links = make_links(contact, some_hash(), "a", {"http://other/announce"}, true, true);
  EXPECT_THAT(links.magnet, Not(HasSubstr("10.0.0.1")));
  EXPECT_THAT(links.magnet, HasSubstr("other"));
}

TEST(Links, have_no_torrent_before_its_metadata_has_arrived) {
  auto const contact = Contact::of({world::IpAddress::any(), 6881}, {}, "", false);
  EXPECT_EQ(make_links(contact, some_hash(), "a", {}, false, false).torrent, "");
}

}  // namespace
}  // namespace mutirao::node
