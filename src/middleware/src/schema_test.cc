#include "mutirao/middleware/schema.h"

#include <algorithm>
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test_objects.h"

namespace mutirao::middleware {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Schema ledger_schema() {
  std::array const interfaces{&interface_of<test_objects::Ledger>};
  auto schema = Schema::of(std::span<InterfaceInfo const* const>{interfaces}).value();
  schema.objects = {{"ledger", "Ledger"}};
  return schema;
}

SchemaMethod& method_named(Schema& schema, std::string_view name) {
  return *std::ranges::find(schema.interfaces[0].methods, name, &SchemaMethod::name);
}

TEST(Schema, is_a_text_that_comes_back) {
  auto const text = ledger_schema().to_json();
  EXPECT_EQ(text,
            R"({
 "objects":[
  {"name":"ledger","interface":"Ledger"}
 ],
 "interfaces":[
  {"name":"Ledger","methods":[
   {"name":"add","parameters":["int64"],"result":"int64","yields":false,"idempotent":false,"commutative":false,"cacheable_ms":0,"reads":false},
   {"name":"count","parameters":["int64"],"result":"int64","yields":true,"idempotent":false,"commutative":false,"cacheable_ms":0,"reads":false},
   {"name":"echo","parameters":["bytes"],"result":"bytes","yields":false,"idempotent":true,"commutative":false,"cacheable_ms":0,"reads":false},
   {"name":"mirror","parameters":["Point"],"result":"Point","yields":false,"idempotent":true,"commutative":false,"cacheable_ms":0,"reads":false},
   {"name":"nap","parameters":["int64"],"result":"nothing","yields":false,"idempotent":false,"commutative":false,"cacheable_ms":0,"reads":false},
   {"name":"sum","parameters":["int64","int64"],"result":"int64","yields":false,"idempotent":true,"commutative":false,"cacheable_ms":0,"reads":false},
   {"name":"total","parameters":[],"result":"int64","yields":false,"idempotent":true,"commutative":false,"cacheable_ms":2000,"reads":false},
   {"name":"trouble","parameters":["string"],"result":"nothing","yields":false,"idempotent":false,"commutative":false,"cacheable_ms":0,"reads":false}
  ]}
 ],
 "records":[
  {"name":"Point","fields":[
   {"number":1,"name":"x","type":"int32"},
   {"number":2,"name":"y","type":"int32"},
   {"number":5,"name":"label","type":"string"}
  ]}
 ]
}
)");
  auto const again = Schema::from_json(text);
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(again->to_json(), text);
  EXPECT_EQ(Schema::from_json(Schema{}.to_json()).value().to_json(), Schema{}.to_json());
  EXPECT_FALSE(Schema::from_json("{\"objects\":3}"));
}

TEST(Schema, additions_break_nobody) {
  auto const old = ledger_schema();
  auto now = old;
  now.objects.push_back({"other", "Ledger"});
  now.interfaces[0].methods.push_back({.name = "extra", .parameters = {}, .result = "bool"});
  method_named(now, "add").parameters.push_back("string");
  method_named(now, "add").idempotent = true;
  method_named(now, "nap").result = "bool";
  now.records[0].fields.push_back({6, "z", "int32"});
  EXPECT_THAT(breaking_changes(old, now), IsEmpty());
  EXPECT_THAT(breaking_changes(old, old), IsEmpty());
}

TEST(Schema, what_would_break_callers_is_told) {
  auto old = ledger_schema();
  method_named(old, "total").reads = true;
  auto now = old;
  now.objects.clear();
  std::erase_if(now.interfaces[0].methods, [](auto const& each) { return each.name == "echo"; });
  method_named(now, "add").parameters = {"string"};
  method_named(now, "sum").parameters = {"int64"};
  method_named(now, "nap").parameters = {"string", "int64"};
  method_named(now, "total").cacheable_ms = 0;
  method_named(now, "total").reads = false;
  method_named(now, "mirror").idempotent = false;
  method_named(now, "count").yields = false;
  EXPECT_THAT(
      breaking_changes(old, now),
      ElementsAre(
          "the object ledger is gone", "parameter 1 of Ledger.add was int64 and is string",
          "Ledger.count gave a stream of int64 and gives int64", "Ledger.echo is gone",
          "Ledger.mirror is not idempotent any more: callers that try again would do it twice",
          "parameter 1 of Ledger.nap, string, was put in before others: new ones go to the end",
          "Ledger.sum took 2 parameters and takes 1",
          "Ledger.total is not cacheable any more: it can't be called by GET",
          "Ledger.total does more than read: those who may only look can't call it any more"));
  now = old;
  now.objects[0].interface = "Purse";
  now.interfaces[0].name = "Purse";
  EXPECT_THAT(
      breaking_changes(old, now),
      ElementsAre("the object ledger was a Ledger and is a Purse", "the interface Ledger is gone"));
}

TEST(Schema, a_number_of_a_field_is_never_used_again) {
  auto const old = ledger_schema();
  auto const after = [&](std::vector<SchemaField> fields) {
    auto now = old;
    now.records[0].fields = std::move(fields);
    return breaking_changes(old, now);
  };
  EXPECT_THAT(after({{1, "x", "int32"}, {2, "colour", "string"}, {5, "label", "string"}}),
              ElementsAre("number 2 of Point was y and is colour: a number is never used again"));
  EXPECT_THAT(after({{1, "x", "int64"}, {3, "y", "int32"}, {5, "title", "string"}}),
              ElementsAre("Point.x was int32 and is int64", "Point.y had number 2 and has 3",
                          "Point.label is called title now: callers by JSON know it by its name"));
  EXPECT_THAT(after({{1, "x", "int32"}, {5, "label", "string"}}), ElementsAre("Point.y is gone"));
}

struct OtherLedger {
  static constexpr std::string_view kType = "Ledger";
  Method<"add", std::int64_t(std::int64_t)> add;
};

TEST(Schema, two_interfaces_of_one_name_are_refused) {
  std::array const interfaces{&interface_of<test_objects::Ledger>, &interface_of<OtherLedger>};
  auto const schema = Schema::of(std::span<InterfaceInfo const* const>{interfaces});
  ASSERT_FALSE(schema);
  EXPECT_EQ(schema.error().what, "two interfaces are called Ledger");
}

}  // namespace
}  // namespace mutirao::middleware
