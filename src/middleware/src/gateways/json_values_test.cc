#include "mutirao/middleware/json_values.h"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "mutirao/middleware/codec.h"
#include "mutirao/threads/runtime.h"

#include "gateways/named_values.h"

namespace mutirao::middleware {

namespace json_values_test {
struct Point {
  std::int32_t x = 0;
  std::optional<double> weight;
};
struct Path {
  std::string name;
  std::vector<Point> points;
  std::map<std::string, Bytes> blobs;
};
}  // namespace json_values_test

template <>
inline constexpr auto record_of<json_values_test::Point> =
    record("Point", field(1, "x", &json_values_test::Point::x),
           field(4, "weight", &json_values_test::Point::weight));
template <>
inline constexpr auto record_of<json_values_test::Path> =
    record("Path", field(1, "name", &json_values_test::Path::name),
           field(2, "points", &json_values_test::Path::points),
           field(3, "blobs", &json_values_test::Path::blobs));

namespace {
using json_values_test::Path;
using json_values_test::Point;

template <class T>
std::string json_of(T const& value) {
  wire::MsgpackWriter out;
  write(out, value);
  return json_from(out.written(), &shape_of<T>).value_or("FAILED");
}

template <class T>
Result<T> value_of_json(std::string_view json) {
  wire::MsgpackWriter out;
  MUT_TRY(msgpack_from_json(out, json, &shape_of<T>, "value"));
  Decoder from{out.written()};
  auto value = read<T>(from);
  MUT_TRY(from.finish());
  return value;
}

template <class T>
std::string why_not(std::string_view json) {
  auto const value = value_of_json<T>(json);
  return value ? "accepted" : value.error().what;
}

TEST(JsonValues, a_record_has_its_names_and_comes_back) {
  Path const path{.name = "to \"Rio\"\n",
                  .points = {{.x = -1, .weight = 0.5}, {.x = 2, .weight = {}}},
                  .blobs = {{"a", {0, 0xff, 0x10, 0x80}}}};
  auto const json = json_of(path);
  EXPECT_EQ(json,
            R"({"name":"to \"Rio\"\n","points":[{"x":-1,"weight":0.5},{"x":2,"weight":null}],)"
            R"("blobs":{"a":"AP8QgA=="}})");
  auto const again = value_of_json<Path>(json);
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(again->name, path.name);
  EXPECT_EQ(again->points.at(0).weight, 0.5);
  EXPECT_EQ(again->blobs, path.blobs);
}

TEST(JsonValues, integers_are_exact) {
  EXPECT_EQ(json_of(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(json_of(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(value_of_json<std::int64_t>("-9223372036854775808"),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value_of_json<std::uint64_t>("18446744073709551615"),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(value_of_json<std::int64_t>("9007199254740993"), 9007199254740993);
  EXPECT_EQ(value_of_json<std::int32_t>("1e3"), 1000);
  EXPECT_EQ(value_of_json<double>("7"), 7);
  EXPECT_EQ(json_of(-0.0), "-0.0");
}

TEST(JsonValues, integers_that_do_not_fit_are_refused) {
  EXPECT_EQ(why_not<std::int8_t>("128"), "value: '128' does not fit int8");
  EXPECT_EQ(why_not<std::int8_t>("-129"), "value: '-129' does not fit int8");
  EXPECT_EQ(why_not<std::uint64_t>("-1"), "value: '-1' does not fit uint64");
  EXPECT_EQ(why_not<std::uint64_t>("18446744073709551616"),
            "value: '18446744073709551616' where uint64 is wanted");
  EXPECT_EQ(why_not<std::int32_t>("0.5"), "value: '0.5' where int32 is wanted");
}

TEST(JsonValues, numbers_that_json_lacks_are_strings) {
  EXPECT_EQ(json_of(std::nan("")), "\"NaN\"");
  EXPECT_EQ(json_of(-HUGE_VAL), "\"-Infinity\"");
  EXPECT_TRUE(std::isnan(value_of_json<double>("\"NaN\"").value()));
  EXPECT_EQ(value_of_json<double>("\"Infinity\""), HUGE_VAL);
}

TEST(JsonValues, odd_text_is_mended) {
  EXPECT_EQ(json_of(std::string{"a\xff\xfe\x01z"}), "\"a\xef\xbf\xbd\xef\xbf\xbd\\u0001z\"");
}

TEST(JsonValues, errors_name_the_place) {
  EXPECT_EQ(why_not<Path>(R"({"points":[{"x":1},{"x":"two"}]})"),
            "value.points[1].x: a string where an integer is wanted");
  EXPECT_EQ(why_not<Path>(R"({"blobs":{"k":"?"}})"), "value.blobs.k: '?' is no base64");
  EXPECT_EQ(why_not<Path>(R"({"name":null})"), "value.name: null where a string is wanted");
  EXPECT_EQ(why_not<Path>(R"({"name":"a","name":"b"})"), "value.name: it is there twice");
  EXPECT_EQ(why_not<Path>("[]"), "value: an array where an object Path is wanted");
  EXPECT_EQ((why_not<std::tuple<int, bool>>("[1,true,3]")), "value[2]: there are only 2");
  EXPECT_EQ(why_not<bool>("tru"), "value: this is not JSON: at byte 4, near 'tru'");
}

TEST(JsonValues, an_unknown_field_is_refused_with_the_nearest_name) {
  auto const slip = value_of_json<Path>(R"({"point":[]})");
  ASSERT_FALSE(slip);
  EXPECT_EQ(slip.error().what, "value.point: Path has no such field");
  EXPECT_EQ(slip.error().mend, "do you mean points?");
  auto const far = value_of_json<Path>(R"({"colour":1})");
  ASSERT_FALSE(far);
  EXPECT_EQ(far.error().mend, "it has: name, points, blobs");
}

TEST(JsonValues, fields_of_a_newer_version_are_skipped) {
  wire::MsgpackWriter out;
  out.map(2).integer(9).array(1).string("new");
  out.integer(1).integer(5);
  EXPECT_EQ(json_from(out.written(), &shape_of<Point>), R"({"x":5})");
}

TEST(JsonValues, a_value_without_a_shape_is_told_as_well_as_it_can_be) {
  wire::MsgpackWriter out;
  out.map(2).integer(1).array(2).nil().bytes(base::view_of("hi"));
  out.string("k").number(1.5);
  EXPECT_EQ(json_from(out.written(), nullptr), R"({"1":[null,"aGk="],"k":1.5})");
  wire::MsgpackWriter back;
  ASSERT_TRUE(msgpack_from_json(back, R"({"1":[null,-3,true]})", nullptr, "value"));
  EXPECT_EQ(json_from(back.written(), nullptr), R"({"1":[null,-3,true]})");
}

TEST(JsonValues, bombs_are_refused) {
  wire::MsgpackWriter out;
  std::string const deep(100'000, '[');
  EXPECT_EQ(msgpack_from_json(out, deep, nullptr, "value").error().fault, Fault::exhausted);
  std::string many = "[0";
  for (int i = 0; i < 1'000'000; ++i) many += ",0";
  EXPECT_EQ(msgpack_from_json(out, many + "]", nullptr, "value").error().fault, Fault::exhausted);
  EXPECT_EQ(msgpack_from_json(out, "[1,2]", nullptr, "value", {.bytes_max = 4}).error().fault,
            Fault::exhausted);
  wire::MsgpackWriter nested;
  for (int i = 0; i < 60; ++i) nested.array(1);
  nested.nil();
  EXPECT_EQ(json_from(nested.written(), nullptr).error().fault, Fault::exhausted);
}

// Calls are answered on the small stack of a user thread.
TEST(JsonValues, the_deepest_value_fits_the_stack_of_a_user_thread) {
  threads::runtime runtime;
  runtime.run([] {
    std::string json;
    for (int i = 0; i < 24; ++i) json += R"({"branches":[)";
    for (int i = 0; i < 24; ++i) json += "]}";
    Shape shape{.kind = ShapeKind::record, .name = "Tree"};
    std::array<Shape const*, 1> const branch{&shape};
    Shape const branches{.kind = ShapeKind::list, .elements = branch};
    std::array<FieldShape, 1> const fields{{{1, "branches", &branches}}};
    shape.fields = fields;
    wire::MsgpackWriter encoded;
    ASSERT_TRUE(msgpack_from_json(encoded, json, &shape, "value"));
    EXPECT_EQ(json_from(encoded.written(), &shape), json);
    wire::MsgpackWriter named;
    wire::MsgpackReader in{encoded.written()};
    ASSERT_TRUE(append_named(named, in, &shape));
    EXPECT_EQ(json_from(named.written(), nullptr), json);
    wire::MsgpackWriter again;
    wire::MsgpackReader back{named.written()};
    ASSERT_TRUE(append_numbered(again, back, &shape, "value"));
    EXPECT_EQ(json_from(again.written(), &shape), json);
    EXPECT_FALSE(msgpack_from_json(encoded, R"({"branches":[)" + json + "]}", &shape, "value"));
  });
}

}  // namespace
}  // namespace mutirao::middleware
