#include "protocol/extension.h"

#include <string>

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

using base::view_of;

ExtensionHandshake handshake_from(std::string_view payload) {
  auto handshake = parse_extension_handshake(view_of(payload));
  EXPECT_TRUE(handshake.has_value()) << (handshake ? "" : handshake.error().what);
  return handshake ? *handshake : ExtensionHandshake{};
}

TEST(ExtensionHandshake, survives_the_wire) {
  ExtensionHandshake handshake;
  handshake.extensions = {{"ut_metadata", 3}, {"ut_pex", 1}};
  handshake.client = "Mutirão 0.1";
  handshake.listen_port = 6881;
  handshake.requests_max = 500;
  handshake.metadata_size = 31235;
  handshake.your_ip = world::IpAddress::v4({10, 1, 2, 3});
  handshake.upload_only = true;
  auto const again = parse_extension_handshake(to_payload(handshake));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, handshake);
}

// The example of BEP 10 itself.
TEST(ExtensionHandshake, reads_the_one_that_BEP_10_prints) {
  auto const handshake =
      handshake_from("d1:md11:LT_metadatai1e6:\xb5T_PEXi2ee1:pi6881e1:v13:\xc2\xb5Torrent 1.2e");
  EXPECT_EQ(handshake.id_of("LT_metadata"), 1);
  EXPECT_EQ(handshake.id_of("\xb5T_PEX"), 2);
  EXPECT_EQ(handshake.id_of("ut_metadata"), 0);
  EXPECT_EQ(handshake.listen_port, 6881);
  EXPECT_EQ(handshake.client, "\xc2\xb5Torrent 1.2");
}

TEST(ExtensionHandshake, leaves_out_what_is_of_a_wrong_kind_or_out_of_range) {
  auto const handshake = handshake_from(
      "d1:md1:ai-1e1:bi256e1:c1:xe13:metadata_sizei10485761e1:pi65536e4:reqqi0e11:upload_only3:"
      "yes6:yourip3:abce");
  EXPECT_TRUE(handshake.extensions.empty());
  EXPECT_FALSE(handshake.metadata_size.has_value());
  EXPECT_FALSE(handshake.listen_port.has_value());
  EXPECT_FALSE(handshake.requests_max.has_value());
  EXPECT_FALSE(handshake.upload_only.has_value());
  EXPECT_FALSE(handshake.your_ip.has_value());
  EXPECT_FALSE(handshake_from("d13:metadata_sizei-1ee").metadata_size.has_value());
  EXPECT_FALSE(handshake_from("d13:metadata_sizei2147483648ee").metadata_size.has_value());
  EXPECT_EQ(handshake_from("d13:metadata_sizei10485760ee").metadata_size, kMetadataBytesMax);
}

TEST(ExtensionHandshake, keeps_a_bounded_number_of_extensions) {
  std::string names;
  for (int i = 0; i < 200; ++i) {
    std::string const name = "x" + std::to_string(1000 + i);
    names += std::to_string(name.size()) + ":" + name + "i1e";
  }
  EXPECT_EQ(handshake_from("d1:md" + names + "ee").extensions.size(),
            ExtensionHandshake::kNamesMax);
  ExtensionHandshake handshake = handshake_from("d1:md" + names + "ee");
  handshake.apply(handshake_from("d1:md5:ut_pei1eee"));
  EXPECT_EQ(handshake.extensions.size(), ExtensionHandshake::kNamesMax);
}

TEST(ExtensionHandshake, shows_a_client_name_without_control_characters) {
  EXPECT_EQ(handshake_from(std::string("d1:v6:a\x1b[2Jbe", 14)).client, "a?[2Jb");
  EXPECT_EQ(handshake_from("d1:v3:a\xffze").client, "a?z");
  EXPECT_EQ(handshake_from("d1:v4:a\xc2\x9bze").client, "a??z");
  EXPECT_LE(handshake_from("d1:v100:" + std::string(100, 'x') + "e").client.size(),
            ExtensionHandshake::kClientBytesMax);
}

TEST(ExtensionHandshake, is_refused_when_it_is_no_dictionary) {
  for (std::string_view const payload : {"", "i1e", "le", "d", "4:spam", "d1:m", "d1:mi1e"})
    EXPECT_FALSE(parse_extension_handshake(view_of(payload)).has_value()) << payload;
}

TEST(ExtensionHandshake, of_later_changes_only_what_it_names) {
  ExtensionHandshake handshake =
      handshake_from("d1:md11:ut_metadatai3e6:ut_pexi1ee4:reqqi250e1:v3:abce");
  handshake.apply(handshake_from("d1:md6:ut_pexi0e11:lt_donthavei7ee11:upload_onlyi1ee"));
  EXPECT_EQ(handshake.id_of("ut_metadata"), 3);
  EXPECT_EQ(handshake.id_of("ut_pex"), 0);
  EXPECT_EQ(handshake.id_of("lt_donthave"), 7);
  EXPECT_EQ(handshake.requests_max, 250u);
  EXPECT_EQ(handshake.client, "abc");
  EXPECT_EQ(handshake.upload_only, true);
}

// -------------------------------------------------------------------------------------- metadata

TEST(MetadataMessage, reads_and_writes_what_BEP_9_prints) {
  MetadataMessage request;
  EXPECT_EQ(base::text_of(to_payload(request)), "d8:msg_typei0e5:piecei0ee");
  MetadataMessage reject;
  reject.kind = MetadataMessage::Kind::reject;
  EXPECT_EQ(base::text_of(to_payload(reject)), "d8:msg_typei2e5:piecei0ee");

  Bytes const block(kBlockBytes, 'x');
  MetadataMessage data{MetadataMessage::Kind::data, 0, 34256, block};
  Bytes const payload = to_payload(data);
  EXPECT_EQ(base::text_of(payload).substr(0, 46), "d8:msg_typei1e5:piecei0e10:total_sizei34256eex");
  auto const again = parse_metadata_message(payload);
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->kind, MetadataMessage::Kind::data);
  EXPECT_EQ((*again)->total_size, 34256u);
  EXPECT_EQ((*again)->data.size(), kBlockBytes);
  EXPECT_EQ((*again)->data.data(), payload.data() + 45);
}

TEST(MetadataMessage, of_the_last_piece_is_as_long_as_what_is_left) {
  EXPECT_EQ(metadata_piece_bytes(34256, 0), kBlockBytes);
  EXPECT_EQ(metadata_piece_bytes(34256, 2), 34256 - 2 * kBlockBytes);
  EXPECT_EQ(metadata_piece_bytes(34256, 3), 0u);
  EXPECT_EQ(metadata_piece_bytes(2 * kBlockBytes, 1), kBlockBytes);
  EXPECT_EQ(metadata_piece_bytes(UINT32_MAX, UINT32_MAX), 0u);
  auto const last = std::string{"d8:msg_typei1e5:piecei1e10:total_sizei16385ee"};
  EXPECT_TRUE(parse_metadata_message(view_of(last + "x")).has_value());
  EXPECT_FALSE(parse_metadata_message(view_of(last)).has_value());
  EXPECT_FALSE(parse_metadata_message(view_of(last + "xx")).has_value());
}

TEST(MetadataMessage, refuses_lies_about_size_and_piece) {
  for (std::string_view const payload :
       {"d8:msg_typei0ee", "d8:msg_typei0e5:piecei-1ee", "d8:msg_typei0e5:piecei640ee",
        "d8:msg_typei1e5:piecei0e10:total_sizei0ee",
        "d8:msg_typei1e5:piecei0e10:total_sizei2147483648eex", "d8:msg_typei1e5:piecei0eex",
        "d8:msg_typei1e5:piecei5e10:total_sizei5eexxxxx", "de", "i0e", ""})
    EXPECT_FALSE(parse_metadata_message(view_of(payload)).has_value()) << payload;
}

TEST(MetadataMessage, of_a_kind_not_known_is_ignored) {
  auto const message = parse_metadata_message(view_of("d8:msg_typei9e5:piecei0ee"));
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(message->has_value());
}

}  // namespace
}  // namespace mutirao::swarm
