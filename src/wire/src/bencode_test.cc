#include "mutirao/wire/bencode.h"

#include <string>

#include <gtest/gtest.h>

namespace mutirao::wire {
namespace {

using base::text_of;
using base::view_of;

Result<BencodeDocument> decode(std::string_view text, BencodeLimits const& limits = {}) {
  return BencodeDocument::decode(view_of(text), limits);
}

Fault fault_of(std::string_view text, BencodeLimits const& limits = {}) {
  auto const decoded = decode(text, limits);
  EXPECT_FALSE(decoded) << text.substr(0, 60);
  return decoded ? Fault::cancelled : decoded.error().fault;
}

TEST(Bencode, reads_the_examples_of_bep_3) {
  EXPECT_EQ(decode("4:spam")->root().string(), "spam");
  EXPECT_EQ(decode("i3e")->root().integer(), 3);
  EXPECT_EQ(decode("i-3e")->root().integer(), -3);
  EXPECT_EQ(decode("i0e")->root().integer(), 0);
  auto const list = decode("l4:spam4:eggse");
  EXPECT_EQ(list->root().size(), 2u);
  auto const dictionary = decode("d4:spaml1:a1:bee");
  EXPECT_EQ(dictionary->root().find("spam")->size(), 2u);
}

TEST(Bencode, holds_the_whole_range_of_64_bits_and_nothing_beyond) {
  EXPECT_EQ(decode("i9223372036854775807e")->root().integer(), INT64_MAX);
  EXPECT_EQ(decode("i-9223372036854775808e")->root().integer(), INT64_MIN);
  EXPECT_EQ(fault_of("i9223372036854775808e"), Fault::corrupt);
  EXPECT_EQ(fault_of("i-9223372036854775809e"), Fault::corrupt);
  EXPECT_EQ(fault_of("i" + std::string(10'000, '9') + "e"), Fault::corrupt);
}

TEST(Bencode, gives_the_encoding_of_a_value_unchanged_so_that_its_hash_is_that_of_the_file) {
  std::string_view const text = "d8:announce3:url4:infod6:lengthi5e4:name1:xee";
  auto const document = decode(text);
  EXPECT_EQ(text_of(document->root().find("info")->encoded()), "d6:lengthi5e4:name1:xe");
  EXPECT_EQ(text_of(document->root().encoded()), text);
}

TEST(Bencode, copies_nothing) {
  std::string const text = "l5:helloe";
  auto const document = decode(text);
  EXPECT_EQ((*document->root().begin()).value.string()->data(), text.data() + 3);
}

TEST(Bencode, walks_containers_by_key_and_in_order) {
  auto const document = decode("d1:ad1:xi1ee1:bli1e2:zzlee1:ci7ee");
  std::string keys;
  for (auto const [key, value] : document->root()) keys += std::string{key} + ' ';
  EXPECT_EQ(keys, "a b c ");
  EXPECT_EQ(document->root().integer("c"), 7);
  std::size_t count = 0;
  auto const list = *document->root().find("b");
  for (auto const entry : list) count += entry.key.empty() ? 1 : 0;
  EXPECT_EQ(count, 3u);
}

TEST(Bencode, asking_for_the_wrong_kind_or_a_missing_key_gives_nothing) {
  auto const document = decode("d1:ai1ee");
  auto const root = document->root();
  EXPECT_FALSE(root.integer());
  EXPECT_FALSE(root.string());
  EXPECT_FALSE(root.string("a"));
  EXPECT_FALSE(root.find("b"));
  EXPECT_FALSE(root.find("a")->find("x"));
  EXPECT_EQ(root.find("a")->size(), 0u);
  auto const number = *root.find("a");
  for ([[maybe_unused]] auto const entry : number) ADD_FAILURE() << "an integer has no elements";
}

TEST(Bencode, refuses_what_is_not_canonical) {
  for (std::string_view const text : {"",
                                      "e",
                                      "x",
                                      "i",
                                      "ie",
                                      "i-e",
                                      "i-0e",
                                      "i00e",
                                      "i03e",
                                      "i-03e",
                                      "i+3e",
                                      "i 3e",
                                      "i3",
                                      "i3.0e",
                                      "i0x3e",
                                      "1",
                                      "1:",
                                      "2:a",
                                      "01:a",
                                      "00:",
                                      "-1:a",
                                      "+1:a",
                                      " 1:a",
                                      "1 :a",
                                      "l",
                                      "li1e",
                                      "d",
                                      "d1:a",
                                      "d1:ae",
                                      "d1:ai1e",
                                      "di1ei2ee",
                                      "dlei1ee",
                                      "ddei1ee",
                                      "d1:bi1e1:ai2ee",
                                      "d1:ai1e1:ai2ee",
                                      "i1ei2e",
                                      "4:spam ",
                                      "lee"})
    EXPECT_EQ(fault_of(text), Fault::corrupt) << text;
}

TEST(Bencode, refuses_lengths_that_overflow_or_pass_the_end) {
  for (std::string_view const text :
       {"4294967296:a", "4294967297:a", "18446744073709551615:a", "18446744073709551616:a",
        "18446744073709551617:a", "99999999999999999999999999999999:a",
        "d18446744073709551620:spami1ee", "3:ab"})
    EXPECT_EQ(fault_of(text), Fault::corrupt) << text;
}

TEST(Bencode, refuses_every_truncation_of_a_good_input) {
  std::string const text =
      "d8:announce9:udp://a:14:infod5:filesld6:lengthi12e4:pathl1:a2:bceee4:name3:foo6:pieces0:ee";
  ASSERT_TRUE(decode(text));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(fault_of(text.substr(0, size)), Fault::corrupt) << size;
}

TEST(Bencode, old_torrents_with_unsorted_keys_are_read_when_asked_for_and_repeated_keys_never) {
  BencodeLimits const lenient{.sorted_keys = false};
  EXPECT_EQ(decode("d1:bi1e1:ai2ee", lenient)->root().integer("a"), 2);
  EXPECT_EQ(fault_of("d1:bi1e1:ai2e1:bi3ee", lenient), Fault::corrupt);
  EXPECT_EQ(fault_of("d1:ai1e1:ai2ee", lenient), Fault::corrupt);
  EXPECT_EQ(fault_of("ld1:bld1:cleeee1:ai2e1:bi3eee", lenient), Fault::corrupt);
}

TEST(Bencode, leaves_the_rest_of_a_metadata_message_over_when_asked_for) {
  auto const document = decode("d8:msg_typei1e5:piecei0eePAYLOAD", {.allow_rest = true});
  EXPECT_EQ(text_of(document->rest()), "PAYLOAD");
  EXPECT_TRUE(decode("i1e", {.allow_rest = true})->rest().empty());
}

TEST(Bencode, stops_at_the_limit_of_depth_without_using_the_stack) {
  EXPECT_TRUE(decode(std::string(100, 'l') + std::string(100, 'e')));
  EXPECT_EQ(fault_of(std::string(101, 'l') + std::string(101, 'e')), Fault::exhausted);
  auto const deep = std::string(2'000'000, 'l') + std::string(2'000'000, 'e');
  EXPECT_TRUE(decode(deep, {.depth_max = 2'000'000}));
}

TEST(Bencode, stops_at_the_limit_of_tokens) {
  std::string text = "l";
  for (int i = 0; i < 2'999'999; ++i) text += "0:";
  EXPECT_TRUE(decode(text + "e"));
  EXPECT_EQ(fault_of(text + "0:e"), Fault::exhausted);
}

TEST(Bencode, stops_at_the_limit_of_bytes) {
  auto const ten = "8:abcdefgh";
  EXPECT_TRUE(decode(ten, {.bytes_max = 10}));
  EXPECT_EQ(fault_of(ten, {.bytes_max = 9}), Fault::exhausted);
}

TEST(Bencode, tells_where_it_went_wrong) {
  EXPECT_EQ(decode("d1:ai1e1:ai2ee").error().what, "bencode: a repeated key at byte 7 of 14");
}

TEST(BencodeWriter, writes_what_the_decoder_reads) {
  BencodeWriter writer;
  writer.begin_dictionary().key("a").integer(-5).key("b").begin_list().string("x").end();
  writer.key("c").begin_dictionary().end().key("d").raw(view_of("i9e")).end();
  auto const encoded = std::move(writer).finish();
  EXPECT_EQ(text_of(encoded), "d1:ai-5e1:bl1:xe1:cde1:di9ee");
  EXPECT_TRUE(BencodeDocument::decode(encoded));
}

TEST(BencodeWriter, the_extremes_of_64_bits_survive) {
  for (auto const value : {INT64_MIN, INT64_MAX, std::int64_t{0}}) {
    BencodeWriter writer;
    writer.integer(value);
    auto const encoded = std::move(writer).finish();
    EXPECT_EQ(BencodeDocument::decode(encoded)->root().integer(), value);
  }
}

TEST(BencodeWriterDeathTest, keys_out_of_order_are_a_bug_of_the_caller) {
  EXPECT_DEATH(BencodeWriter{}.begin_dictionary().key("b").integer(1).key("a"), "");
  EXPECT_DEATH(BencodeWriter{}.begin_dictionary().key("a").integer(1).key("a"), "");
}

TEST(BencodeWriterDeathTest, a_value_without_its_key_is_a_bug_of_the_caller) {
  EXPECT_DEATH(BencodeWriter{}.begin_dictionary().integer(1), "");
  EXPECT_DEATH(BencodeWriter{}.begin_dictionary().key("a").key("b"), "");
  EXPECT_DEATH(BencodeWriter{}.begin_dictionary().key("a").end(), "");
  EXPECT_DEATH(BencodeWriter{}.integer(1).integer(2), "");
  EXPECT_DEATH((void)std::move(BencodeWriter{}.begin_list()).finish(), "");
}

}  // namespace
}  // namespace mutirao::wire
