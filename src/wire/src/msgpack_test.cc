// MessagePack: every form of the specification, and what strangers make of it.
#include "mutirao/wire/msgpack.h"

#include <cmath>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::wire {
namespace {

using testing::HasSubstr;

Bytes hex(std::string_view text) { return base::from_hex(text).value(); }

std::string written(std::function<void(MsgpackWriter&)> const& write) {
  MsgpackWriter writer;
  write(writer);
  return base::to_hex(writer.written());
}

/// How it fails to read all of `text`; empty when it does not.
std::string failure_of(std::string_view text, std::function<void(MsgpackReader&)> const& read) {
  auto const input = hex(text);
  MsgpackReader reader{input};
  read(reader);
  auto const done = reader.finish();
  return done ? std::string{} : done.error().what;
}
void skip_one(MsgpackReader& reader) { reader.skip(); }

TEST(Msgpack, writes_integers_in_their_shortest_form) {
  auto const encoding = [](auto value) {
    return written([&](MsgpackWriter& writer) { writer.integer(value); });
  };
  EXPECT_EQ(encoding(0), "00");
  EXPECT_EQ(encoding(127), "7f");
  EXPECT_EQ(encoding(128), "cc80");
  EXPECT_EQ(encoding(255), "ccff");
  EXPECT_EQ(encoding(256), "cd0100");
  EXPECT_EQ(encoding(65535), "cdffff");
  EXPECT_EQ(encoding(65536), "ce00010000");
  EXPECT_EQ(encoding(4294967295u), "ceffffffff");
  EXPECT_EQ(encoding(4294967296u), "cf0000000100000000");
  EXPECT_EQ(encoding(UINT64_MAX), "cfffffffffffffffff");
  EXPECT_EQ(encoding(-1), "ff");
  EXPECT_EQ(encoding(-32), "e0");
  EXPECT_EQ(encoding(-33), "d0df");
  EXPECT_EQ(encoding(-128), "d080");
  EXPECT_EQ(encoding(-129), "d1ff7f");
  EXPECT_EQ(encoding(-32769), "d2ffff7fff");
  EXPECT_EQ(encoding(INT64_MIN), "d38000000000000000");
}

TEST(Msgpack, reads_an_integer_from_every_form_that_holds_it) {
  for (auto const* const text : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005",
                                 "d10005", "d200000005", "d30000000000000005"}) {
    auto const input = hex(text);
    MsgpackReader reader{input};
    EXPECT_EQ(reader.integer<std::uint8_t>(), 5) << text;
    EXPECT_TRUE(reader.finish()) << text;
  }
  for (auto const* const text : {"fb", "d0fb", "d1fffb", "d2fffffffb", "d3fffffffffffffffb"}) {
    auto const input = hex(text);
    MsgpackReader reader{input};
    EXPECT_EQ(reader.integer<std::int8_t>(), -5) << text;
    EXPECT_TRUE(reader.finish()) << text;
  }
}

TEST(Msgpack, refuses_an_integer_that_does_not_fit) {
  auto const byte = [](MsgpackReader& reader) { std::ignore = reader.integer<std::uint8_t>(); };
  EXPECT_EQ(failure_of("cd0100", byte), "MessagePack, byte 0: an integer out of range");
  EXPECT_THAT(failure_of("ff", byte), HasSubstr("out of range"));
  EXPECT_THAT(
      failure_of("cfffffffffffffffff",
                 [](MsgpackReader& reader) { std::ignore = reader.integer<std::int64_t>(); }),
      HasSubstr("out of range"));
}

TEST(Msgpack, writes_lengths_and_counts_in_their_shortest_form) {
  auto const start = [](std::string const& encoding) { return encoding.substr(0, 10); };
  auto const string = [&](std::size_t size) {
    return start(written([&](MsgpackWriter& writer) { writer.string(std::string(size, 'a')); }));
  };
  EXPECT_EQ(string(0), "a0");
  EXPECT_EQ(string(31), "bf61616161");
  EXPECT_EQ(string(32), "d920616161");
  EXPECT_EQ(string(256), "da01006161");
  EXPECT_EQ(string(65536), "db00010000");
  auto const bytes = [&](std::size_t size) {
    return start(written([&](MsgpackWriter& writer) { writer.bytes(Bytes(size, 1)); }));
  };
  EXPECT_EQ(bytes(0), "c400");
  EXPECT_EQ(bytes(256), "c501000101");
  EXPECT_EQ(bytes(65536), "c600010000");
  auto const extension = [&](std::size_t size) {
    return start(written([&](MsgpackWriter& writer) { writer.extension(-2, Bytes(size, 1)); }));
  };
  EXPECT_EQ(extension(0), "c700fe");
  EXPECT_EQ(extension(1), "d4fe01");
  EXPECT_EQ(extension(16), "d8fe010101");
  EXPECT_EQ(extension(17), "c711fe0101");
  EXPECT_EQ(extension(256), "c80100fe01");
  EXPECT_EQ(extension(65536), "c900010000");
  EXPECT_EQ(written([](MsgpackWriter& writer) { writer.array(15).array(16).array(65536); }),
            "9fdc0010dd00010000");
  EXPECT_EQ(written([](MsgpackWriter& writer) { writer.map(15).map(16).map(65536); }),
            "8fde0010df00010000");
}

TEST(Msgpack, reads_back_what_it_wrote) {
  MsgpackWriter writer;
  for (int round = 0; round < 2; ++round) {  // the second with the buffer of the first
    writer.clear();
    writer.array(8).nil().boolean(true).boolean(false).number(-0.5).string("não");
    writer.bytes(base::view_of("\x01\x02")).map(1).string("key").integer(-7);
    writer.extension(5, base::view_of("abc"));
    MsgpackReader reader{writer.written()};
    EXPECT_EQ(reader.array(), 8u);
    EXPECT_EQ(reader.peek(), MsgpackKind::nil);
    reader.nil();
    EXPECT_TRUE(reader.boolean());
    EXPECT_FALSE(reader.boolean());
    EXPECT_EQ(reader.number(), -0.5);
    EXPECT_EQ(reader.string(), "não");
    EXPECT_EQ(base::text_of(reader.bytes()), "\x01\x02");
    EXPECT_EQ(reader.map(), 1u);
    EXPECT_EQ(reader.string(), "key");
    EXPECT_EQ(reader.integer<int>(), -7);
    auto const extension = reader.extension();
    EXPECT_EQ(extension.type, 5);
    EXPECT_EQ(base::text_of(extension.content), "abc");
    EXPECT_TRUE(reader.finish());
  }
}

TEST(Msgpack, takes_whole_numbers_and_short_ones_where_a_number_is_due) {
  auto const input = hex("03ffca3fc00000cb7ff8000000000000");
  MsgpackReader reader{input};
  EXPECT_EQ(reader.number(), 3);
  EXPECT_EQ(reader.number(), -1);
  EXPECT_EQ(reader.number(), 1.5);
  EXPECT_TRUE(std::isnan(reader.number()));
  EXPECT_TRUE(reader.finish());
}

TEST(Msgpack, fails_once_and_then_gives_nothing) {
  auto const input = hex("930102a161");
  MsgpackReader reader{input};
  EXPECT_EQ(reader.array(), 3u);
  EXPECT_EQ(reader.integer<int>(), 1);
  EXPECT_EQ(reader.string(), "");
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.string(), "") << "though a string is next";
  EXPECT_FALSE(reader.peek());
  auto const done = reader.finish();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().fault, Fault::corrupt);
  EXPECT_EQ(done.error().what, "MessagePack, byte 2: something else where a string was due");
}

TEST(Msgpack, says_what_is_left_over) {
  EXPECT_EQ(failure_of("0102", skip_one), "MessagePack, byte 1: more than was due");
  EXPECT_EQ(failure_of("", skip_one), "MessagePack, byte 0: the end, where a value was due");
}

TEST(Msgpack, skips_a_value_with_all_it_holds) {
  auto const input = hex("82a161920102a162c40101c0");
  MsgpackReader reader{input};
  EXPECT_EQ(base::to_hex(reader.skip()), "82a161920102a162c40101");
  reader.nil();
  EXPECT_TRUE(reader.finish());
}

TEST(Msgpack, notices_the_end_inside_every_kind_of_value) {
  for (auto const* const text : {"cc80",
                                 "cdffff",
                                 "ceffffffff",
                                 "cfffffffffffffffff",
                                 "d080",
                                 "d38000000000000000",
                                 "ca3fc00000",
                                 "cb7ff8000000000000",
                                 "a3616263",
                                 "d903616263",
                                 "da0003616263",
                                 "db00000003616263",
                                 "c4020102",
                                 "c500020102",
                                 "c6000000020102",
                                 "920102",
                                 "dc00020102",
                                 "dd000000020102",
                                 "81a16101",
                                 "de0001a16101",
                                 "df00000001a16101",
                                 "d4fe01",
                                 "c703fe010203",
                                 "c80003fe010203",
                                 "c900000003fe010203"}) {
    EXPECT_EQ(failure_of(text, skip_one), "") << text;
    auto const whole = std::string_view{text};
    for (std::size_t cut = 0; cut < whole.size(); cut += 2)
      EXPECT_NE(failure_of(whole.substr(0, cut), skip_one), "") << whole.substr(0, cut);
  }
}

TEST(Msgpack, refuses_bombs) {
  EXPECT_THAT(failure_of("ddffffffff01", skip_one), HasSubstr("an array of more than there is"));
  EXPECT_THAT(failure_of("dfffffffff0101", skip_one), HasSubstr("a map of more than there is"));
  EXPECT_THAT(failure_of("dbffffffff61", skip_one), HasSubstr("the end, within a value"));
  EXPECT_THAT(failure_of("c6ffffffff61", skip_one), HasSubstr("the end, within a value"));
  std::string deep;
  for (std::size_t i = 0; i < MsgpackReader::kDepthMax; ++i) deep += "91";
  EXPECT_EQ(failure_of(deep + "01", skip_one), "");
  EXPECT_THAT(failure_of("91" + deep + "01", skip_one), HasSubstr("without end"));
}

TEST(Msgpack, refuses_text_that_is_not_utf8_and_the_byte_without_meaning) {
  auto const text = [](MsgpackReader& reader) { std::ignore = reader.string(); };
  EXPECT_THAT(failure_of("a2c328", text), HasSubstr("not UTF-8"));
  EXPECT_THAT(failure_of("aa61616161616161616180", text), HasSubstr("not UTF-8"));
  EXPECT_THAT(failure_of("92a161a180", skip_one), HasSubstr("byte 3: a string that is not UTF-8"));
  EXPECT_THAT(failure_of("91c1", skip_one), HasSubstr("byte 1: the byte c1"));
}

TEST(Msgpack, takes_old_strings_as_bytes) {
  auto const input = hex("a2c328c402c328");
  MsgpackReader reader{input};
  EXPECT_EQ(base::to_hex(reader.bytes()), "c328");
  EXPECT_EQ(base::to_hex(reader.bytes()), "c328");
  EXPECT_TRUE(reader.finish());
}

TEST(MsgpackWriter, writes_a_list_of_integers_as_one_by_one) {
  std::vector<std::int64_t> const values{
      0,    127,  128,    255,    256,       65535,      65536,      -1,        -32,      -33,
      -128, -129, -32768, -32769, INT32_MIN, 4294967295, 4294967296, INT64_MIN, INT64_MAX};
  MsgpackWriter together;
  together.integers(std::span<std::int64_t const>{values});
  MsgpackWriter each;
  each.array(values.size());
  for (auto const value : values) each.integer(value);
  EXPECT_EQ(base::to_hex(together.written()), base::to_hex(each.written()));
}

TEST(MsgpackWriter, refers_to_long_content_and_gathers_it_in_order) {
  Bytes const content(100, 7);
  MsgpackWriter copied;
  copied.array(3).bytes(content).integer(5).bytes(content);
  MsgpackWriter referred;
  referred.refer_from(100);
  referred.array(3).bytes(content).integer(5).bytes(content);
  EXPECT_EQ(referred.references().size(), 2u);
  Bytes gathered;
  for (auto const part : referred.gathered())
    gathered.insert(gathered.end(), part.begin(), part.end());
  EXPECT_EQ(base::to_hex(gathered), base::to_hex(copied.written()));
}

}  // namespace
}  // namespace mutirao::wire
