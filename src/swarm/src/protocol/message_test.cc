#include "protocol/message.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace mutirao::swarm {
namespace {

using base::append_be;

Bytes message(std::initializer_list<std::uint8_t> id_and_fields) {
  Bytes out;
  append_be<std::uint32_t>(out, static_cast<std::uint32_t>(id_and_fields.size()));
  out.insert(out.end(), id_and_fields);
  return out;
}

/// A header that must be there, whole and accepted.
MessageHeader accepted(ByteView stream, MessageLimits const& limits = {}) {
  auto const parsed = parse_message_header(stream, limits);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().what);
  EXPECT_TRUE(parsed && parsed->has_value());
  return parsed && *parsed ? **parsed : MessageHeader{};
}

void expect_refused(ByteView stream, MessageLimits const& limits = {}) {
  auto const parsed = parse_message_header(stream, limits);
  ASSERT_FALSE(parsed.has_value()) << base::to_hex(stream);
  EXPECT_EQ(parsed.error().fault, Fault::corrupt);
  EXPECT_FALSE(parsed.error().what.empty());
}

template <class Write>
Bytes written(Write write) {
  Bytes buffer(512);
  MessageWriter writer{buffer};
  EXPECT_TRUE(write(writer));
  return {writer.written().begin(), writer.written().end()};
}

HashRequest some_hashes() {
  HashRequest hashes;
  std::iota(hashes.pieces_root.begin(), hashes.pieces_root.end(), std::uint8_t{1});
  hashes.base_layer = 4;
  hashes.index = 512;
  hashes.length = 256;
  hashes.proof_layers = 3;
  return hashes;
}

// ------------------------------------------------------------------------------------- handshake

TEST(Handshake, lies_on_the_wire_as_BEP_3_and_its_extensions_say) {
  Handshake handshake;
  handshake.info_hash.fill(0xaa);
  handshake.peer_id.fill(0x2d);
  handshake.extended = handshake.fast = handshake.v2 = true;
  std::array<std::uint8_t, kHandshakeBytes> bytes;
  write_handshake(bytes, handshake);
  EXPECT_EQ(
      base::to_hex(bytes),
      "13"
      "426974546f7272656e742070726f746f636f6c"
      "0000000000100014" +
          std::string(20 * 2, 'a') + [] {
            std::string id;
            for (int i = 0; i < 20; ++i) id += "2d";
            return id;
          }());
}

TEST(Handshake, survives_the_wire_with_each_feature) {
  for (int bits = 0; bits < 16; ++bits) {
    Handshake handshake;
    std::iota(handshake.info_hash.begin(), handshake.info_hash.end(), std::uint8_t{0});
    std::iota(handshake.peer_id.begin(), handshake.peer_id.end(), std::uint8_t{100});
    handshake.extended = bits & 1;
    handshake.fast = bits & 2;
    handshake.v2 = bits & 4;
    handshake.dht = bits & 8;
    std::array<std::uint8_t, kHandshakeBytes> bytes;
    write_handshake(bytes, handshake);
    auto const parsed = parse_handshake(bytes);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(*parsed, handshake);
  }
}

TEST(Handshake, ignores_reserved_bits_of_extensions_that_it_does_not_know) {
  std::array<std::uint8_t, kHandshakeBytes> bytes;
  write_handshake(bytes, {});
  std::fill(bytes.begin() + 20, bytes.begin() + 28, std::uint8_t{0xff});
  auto const parsed = parse_handshake(bytes);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(parsed->extended && parsed->fast && parsed->v2 && parsed->dht);
}

TEST(Handshake, refuses_what_is_not_BitTorrent) {
  std::array<std::uint8_t, kHandshakeBytes> bytes;
  write_handshake(bytes, {});
  bytes[0] = 18;
  auto const parsed = parse_handshake(bytes);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().fault, Fault::unsupported);
}

// -------------------------------------------------------------------------------------- messages

TEST(Message, waits_for_a_whole_header_and_no_longer) {
  Bytes const piece = written(
      [](MessageWriter& writer) { return writer.piece_header({PieceIndex{3}, 16384, 16384}); });
  for (std::size_t have = 0; have < kPieceHeaderBytes; ++have) {
    auto const parsed = parse_message_header(ByteView{piece}.first(have), {});
    ASSERT_TRUE(parsed.has_value());
    EXPECT_FALSE(parsed->has_value()) << have;
  }
  MessageHeader const header = accepted(piece);
  EXPECT_EQ(header.type, MessageType::piece);
  EXPECT_EQ(header.header_bytes, kPieceHeaderBytes);
  EXPECT_EQ(header.payload_bytes, 16384u);
  EXPECT_EQ(header.block, (BlockRange{PieceIndex{3}, 16384, 16384}));
}

TEST(Message, has_a_keep_alive_of_four_bytes) {
  Bytes const bytes = written([](MessageWriter& writer) { return writer.keep_alive(); });
  EXPECT_EQ(bytes, Bytes(4));
  MessageHeader const header = accepted(bytes);
  EXPECT_EQ(header.type, MessageType::keep_alive);
  EXPECT_EQ(header.header_bytes, 4);
}

TEST(Message, survives_the_wire_in_every_type) {
  for (auto const type :
       {MessageType::choke, MessageType::unchoke, MessageType::interested,
        MessageType::not_interested, MessageType::have_all, MessageType::have_none}) {
    MessageHeader const header =
        accepted(written([&](MessageWriter& writer) { return writer.plain(type); }));
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.header_bytes, 5);
    EXPECT_EQ(header.payload_bytes, 0u);
  }
  for (auto const type : {MessageType::have, MessageType::suggest, MessageType::allowed_fast}) {
    MessageHeader const header = accepted(written(
        [&](MessageWriter& writer) { return writer.about_piece(type, PieceIndex{70000}); }));
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.piece, PieceIndex{70000});
  }
  for (auto const type : {MessageType::request, MessageType::cancel, MessageType::reject}) {
    BlockRange const block{PieceIndex{9}, 32768, 1000};
    MessageHeader const header =
        accepted(written([&](MessageWriter& writer) { return writer.about_block(type, block); }));
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.block, block);
  }
  for (auto const type : {MessageType::hash_request, MessageType::hash_reject}) {
    MessageHeader const header = accepted(
        written([&](MessageWriter& writer) { return writer.about_hashes(type, some_hashes()); }));
    EXPECT_EQ(header.type, type);
    EXPECT_EQ(header.hashes, some_hashes());
    EXPECT_EQ(header.header_bytes, kMessageHeaderBytesMax);
  }
  MessageHeader const hashes = accepted(
      written([](MessageWriter& writer) { return writer.hashes_header(some_hashes(), 258); }));
  EXPECT_EQ(hashes.type, MessageType::hashes);
  EXPECT_EQ(hashes.payload_bytes, 258u * 32);
  EXPECT_EQ(hashes.hashes, some_hashes());

  MessageHeader const port =
      accepted(written([](MessageWriter& writer) { return writer.port(6881); }));
  EXPECT_EQ(port.type, MessageType::port);
  EXPECT_EQ(port.port, 6881);

  Bytes const payload{'d', 'e'};
  Bytes const extended =
      written([&](MessageWriter& writer) { return writer.extended(7, payload); });
  MessageHeader const header = accepted(extended);
  EXPECT_EQ(header.type, MessageType::extended);
  EXPECT_EQ(header.extended_id, 7);
  EXPECT_EQ(header.payload_bytes, 2u);
  EXPECT_EQ(Bytes(extended.begin() + header.header_bytes, extended.end()), payload);
}

TEST(Message, takes_the_request_apart_byte_for_byte) {
  Bytes const bytes = written([](MessageWriter& writer) {
    return writer.about_block(MessageType::request, {PieceIndex{0x01020304}, 0x4000, 0x4000});
  });
  EXPECT_EQ(base::to_hex(bytes),
            "0000000d"
            "06"
            "01020304"
            "00004000"
            "00004000");
}

TEST(Message, follows_another_in_one_stream) {
  Bytes buffer(64);
  MessageWriter writer{buffer};
  writer.plain(MessageType::unchoke);
  writer.about_piece(MessageType::have, PieceIndex{1});
  ByteView stream = writer.written();
  MessageHeader const first = accepted(stream);
  EXPECT_EQ(first.type, MessageType::unchoke);
  MessageHeader const second = accepted(stream.subspan(first.header_bytes + first.payload_bytes));
  EXPECT_EQ(second.type, MessageType::have);
}

TEST(Message, is_not_begun_when_its_buffer_has_no_room) {
  Bytes buffer(20);
  MessageWriter writer{buffer};
  EXPECT_TRUE(writer.about_block(MessageType::request, {PieceIndex{0}, 0, 16384}));
  EXPECT_FALSE(writer.plain(MessageType::choke));
  EXPECT_FALSE(writer.extended(1, Bytes(100)));
  EXPECT_EQ(writer.written().size(), 17u);
  writer.clear();
  EXPECT_TRUE(writer.plain(MessageType::choke));
  EXPECT_EQ(writer.written().size(), 5u);
}

TEST(Message, may_be_of_a_kind_unknown_here_and_is_skipped_up_to_a_limit) {
  for (std::uint8_t const id : {10, 12, 18, 19, 24, 99, 254, 255}) {
    MessageHeader const header = accepted(message({id, 1, 2, 3}));
    EXPECT_EQ(header.type, MessageType::unknown) << int{id};
    EXPECT_EQ(header.header_bytes, 5);
    EXPECT_EQ(header.payload_bytes, 3u);
  }
  expect_refused(Bytes{0x00, 0x10, 0x00, 0x00, 99});
}

// Every length prefix that its type can't have is refused by its first five bytes: a reader never
// waits for, or makes room for, what a liar announces.
TEST(Message, refuses_a_length_that_its_type_cannot_have) {
  struct Case {
    MessageType type;
    std::uint32_t length;
  };
  MessageLimits const limits{.piece_count = 100};
  for (auto const& [type, length] :
       std::initializer_list<Case>{{MessageType::choke, 2},
                                   {MessageType::unchoke, 5},
                                   {MessageType::have, 4},
                                   {MessageType::have, 6},
                                   {MessageType::bitfield, 15},
                                   {MessageType::request, 12},
                                   {MessageType::request, 17},
                                   {MessageType::piece, 8},
                                   {MessageType::piece, 16384 + 10},
                                   {MessageType::piece, 0xffffffff},
                                   {MessageType::cancel, 14},
                                   {MessageType::port, 2},
                                   {MessageType::have_all, 2},
                                   {MessageType::reject, 1},
                                   {MessageType::extended, 1},
                                   {MessageType::extended, 1024 * 1024 + 3},
                                   {MessageType::hash_request, 48},
                                   {MessageType::hash_request, 50},
                                   {MessageType::hashes, 0x80000000},
                                   {MessageType::hash_reject, 81}}) {
    Bytes bytes;
    append_be<std::uint32_t>(bytes, length);
    bytes.push_back(static_cast<std::uint8_t>(type));
    expect_refused(bytes, limits);
  }
}

TEST(Message, refuses_pieces_that_the_torrent_does_not_have) {
  MessageLimits const limits{.piece_count = 100};
  auto const have = [](std::uint32_t piece) {
    return written([&](MessageWriter& writer) {
      return writer.about_piece(MessageType::have, PieceIndex{piece});
    });
  };
  EXPECT_EQ(accepted(have(99), limits).piece, PieceIndex{99});
  expect_refused(have(100), limits);
  expect_refused(have(0xffffffff), limits);
  expect_refused(have(0xffffffff), {});  // no torrent at all has that many
  expect_refused(written([](MessageWriter& writer) {
                   return writer.about_block(MessageType::request, {PieceIndex{100}, 0, 16384});
                 }),
                 limits);
  expect_refused(written([](MessageWriter& writer) {
                   return writer.piece_header({PieceIndex{100}, 0, 16384});
                 }),
                 limits);
}

TEST(Message, refuses_blocks_beyond_what_is_agreed) {
  auto const request = [](std::uint32_t begin, std::uint32_t length) {
    return written([&](MessageWriter& writer) {
      return writer.about_block(MessageType::request, {PieceIndex{0}, begin, length});
    });
  };
  accepted(request(0, 16384));
  expect_refused(request(0, 0));
  expect_refused(request(0, 16385));
  expect_refused(request(0, 131072));
  accepted(request(0, 131072), {.block_bytes_max = 131072});
  expect_refused(request(0xfffffff0, 16384));
  expect_refused(
      written([](MessageWriter& writer) { return writer.piece_header({PieceIndex{0}, 0, 0}); }));
}

TEST(Message, refuses_a_bitfield_of_another_length_than_the_torrent_has) {
  auto const bitfield = [](std::size_t bytes) {
    Bytes wire(bytes, 0xff);
    return written([&](MessageWriter& writer) { return writer.bitfield(wire); });
  };
  MessageLimits const limits{.piece_count = 100};
  EXPECT_EQ(accepted(bitfield(13), limits).payload_bytes, 13u);
  expect_refused(bitfield(12), limits);
  expect_refused(bitfield(14), limits);
  expect_refused(bitfield(0), limits);
  // Before the metadata is here any length is possible that some torrent can have.
  EXPECT_EQ(accepted(bitfield(12)).payload_bytes, 12u);
  expect_refused(Bytes{0x00, 0x10, 0x00, 0x00, 5});
}

TEST(Message, refuses_hashes_that_are_cut) {
  Bytes bytes =
      written([](MessageWriter& writer) { return writer.hashes_header(some_hashes(), 2); });
  base::store_be<std::uint32_t>(bytes, 1 + 48 + 63);
  expect_refused(bytes);
}

TEST(HashRequest, is_well_formed_only_as_BEP_52_demands) {
  EXPECT_TRUE(some_hashes().well_formed());
  auto const with = [](auto change) {
    HashRequest hashes = some_hashes();
    change(hashes);
    return hashes.well_formed();
  };
  EXPECT_FALSE(with([](HashRequest& hashes) { hashes.length = 0; }));
  EXPECT_FALSE(with([](HashRequest& hashes) { hashes.length = 1; }));
  EXPECT_FALSE(with([](HashRequest& hashes) { hashes.length = 3; }));
  EXPECT_FALSE(with([](HashRequest& hashes) { hashes.index = 255; }));
  EXPECT_FALSE(with([](HashRequest& hashes) { hashes.base_layer = 0xffffffff; }));
  EXPECT_FALSE(with([](HashRequest& hashes) { hashes.proof_layers = 0xffffffff; }));
}

// ------------------------------------------------------------------------------------------ BEP 6

std::vector<std::uint32_t> allowed(std::size_t count) {
  Sha1Digest info_hash;
  info_hash.fill(0xaa);
  std::vector<std::uint32_t> indices;
  for (PieceIndex const piece :
       allowed_fast_set(world::IpAddress::v4({80, 4, 4, 200}), info_hash, 1313, count))
    indices.push_back(piece.value);
  return indices;
}

TEST(AllowedFast, gives_the_sets_that_BEP_6_prints) {
  EXPECT_EQ(allowed(7), (std::vector<std::uint32_t>{1059, 431, 808, 1217, 287, 376, 1188}));
  EXPECT_EQ(allowed(9),
            (std::vector<std::uint32_t>{1059, 431, 808, 1217, 287, 376, 1188, 353, 508}));
}

TEST(AllowedFast, gives_each_piece_once_also_when_there_are_fewer_than_asked_for) {
  auto set = allowed_fast_set(world::IpAddress::v4({10, 0, 0, 1}), {}, 4, 10);
  std::ranges::sort(set);
  EXPECT_EQ(set, (std::vector{PieceIndex{0}, PieceIndex{1}, PieceIndex{2}, PieceIndex{3}}));
  EXPECT_TRUE(allowed_fast_set(world::IpAddress::v4({10, 0, 0, 1}), {}, 0).empty());
}

TEST(AllowedFast, is_the_same_for_neighbours) {
  EXPECT_EQ(allowed_fast_set(world::IpAddress::v4({80, 4, 4, 200}), {}, 1313),
            allowed_fast_set(world::IpAddress::v4({80, 4, 4, 1}), {}, 1313));
  EXPECT_NE(allowed_fast_set(world::IpAddress::v4({80, 4, 4, 200}), {}, 1313),
            allowed_fast_set(world::IpAddress::v4({80, 4, 5, 200}), {}, 1313));
  EXPECT_EQ(allowed_fast_set(*world::IpAddress::parse("2001:db8::1"), {}, 1313),
            allowed_fast_set(*world::IpAddress::parse("2001:db8::2"), {}, 1313));
}

}  // namespace
}  // namespace mutirao::swarm
