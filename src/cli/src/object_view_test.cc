#include "object_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

using middleware::ObjectDetail;
using middleware::ObjectInfo;
using middleware::SpanInfo;

TEST(ObjectList, has_a_line_for_each_and_keeps_names_from_the_terminal) {
  EXPECT_EQ(object_list({{.name = "library", .type = "Library", .about = "files", .calls = 12},
                         {.name = "sa\x1b"
                                  "fe",
                          .type = "Safe",
                          .about = "gold",
                          .guarded = true,
                          .running = 1}}),
            "OBJECT   TYPE     CALLS  RUNNING  ABOUT\n"
            "library  Library  12     0        files\n"
            "sa?fe    Safe     0      1        gold (needs a capability)\n");
}

TEST(ObjectText, shows_methods_as_they_are_called_and_the_fields_of_records) {
  ObjectDetail detail;
  detail.object = {.name = "library", .type = "Library", .about = "files", .epoch = 2, .calls = 1};
  detail.methods = {
      {.name = "list", .parameters = {}, .result = "[Transfer]", .idempotent = true},
      {.name = "remove", .parameters = {"string", "bool"}, .result = "Transfer"},
      {.name = "watch", .parameters = {"string"}, .result = "Transfer", .yields = true},
      {.name = "size",
       .parameters = {},
       .result = "int64",
       .idempotent = true,
       .commutative = true,
       .cacheable_ms = 2000}};
  detail.records = {{"Links", {{1, "magnet", "string"}, {2, "page", "string"}}},
                    {"Transfer", {{1, "links", "Links?"}}}};
  EXPECT_EQ(object_text(detail),
            "library is a Library: files\n"
            "  epoch 2, 1 calls, 0 running\n"
            "\n"
            "METHOD                GIVES\n"
            "list()                [Transfer]            idempotent\n"
            "remove(string, bool)  Transfer\n"
            "watch(string)         a stream of Transfer\n"
            "size()                int64                 cacheable 2000 ms, commutative\n"
            "\n"
            "RECORD    FIELD   TYPE\n"
            "Links     magnet  string\n"
            "          page    string\n"
            "Transfer  links   Links?\n");
}

SpanInfo span(std::string trace, std::string id, std::string parent, Duration ago) {
  return {.trace = std::move(trace),
          .span = std::move(id),
          .parent = std::move(parent),
          .incoming = true,
          .object = "library",
          .method = "list",
          .began_ago = ago,
          .took = 2ms,
          .failure = {}};
}

TEST(SpanTrees, put_each_call_below_the_one_that_made_it) {
  auto outer = span("aa", "1", "", 9s);
  outer.object = "meta";
  outer.method = "call";
  auto inner = span("aa", "2", "1", 8s);
  inner.failure = "no\ntorrent";
  auto sent = span("aa", "3", "2", 7s);
  sent.incoming = false;
  sent.took = 120us;
  auto const stray = span("bb", "4", "ff", 12s);  // its caller is on another node
  // As they end: the innermost first.
  EXPECT_EQ(span_trees({stray, sent, inner, outer}),
            "trace bb, 12 s ago\n"
            "  library.list  2 ms  well\n"
            "trace aa, 9.0 s ago\n"
            "  meta.call                2 ms    well\n"
            "    library.list           2 ms    no?torrent\n"
            "      library.list (sent)  120 µs  well\n");
  EXPECT_EQ(span_trees({}), "");
}

TEST(MethodName, is_an_object_and_the_last_of_its_words) {
  EXPECT_EQ(method_name("shop.till.open").value().object, "shop.till");
  EXPECT_EQ(method_name("shop.till.open").value().method, "open");
  EXPECT_EQ(method_name("library").error().mend, "mutirao object show library");
  for (char const* const wrong : {"library.", ".list", "."}) EXPECT_FALSE(method_name(wrong));
}

TEST(ArgumentsJson, takes_a_word_for_text_where_text_is_wanted) {
  std::vector<std::string> const types{"string", "int64", "string?", "Point"};
  EXPECT_EQ(arguments_json({}, types).value(), "[]");
  EXPECT_EQ(arguments_json({"some file.bin", "-5", "null", R"({"x":1})"}, types).value(),
            R"(["some file.bin",-5,null,{"x":1}])");
  // An id may be all digits; who wants quotes in a text writes JSON.
  EXPECT_EQ(arguments_json({"123456", "5", "a\"b"}, types).value(), R"(["123456",5,"a\"b"])");
  EXPECT_EQ(arguments_json({R"("quoted")"}, types).value(), R"(["quoted"])");
  EXPECT_EQ(arguments_json({R"("open)"}, types).value(), R"(["\"open"])");
}

TEST(ArgumentsJson, refuses_what_is_no_json_and_names_its_place) {
  auto const wrong = arguments_json({"a", "five"}, {"string", "int64"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().what, "arguments[1]: five is no JSON, and int64 is wanted");
  // Nor does a word become two arguments.
  EXPECT_FALSE(arguments_json({"1,2"}, {"int64"}));
  EXPECT_EQ(arguments_json({"a", "1", "more"}, {"string", "int64"}).error().what,
            "arguments[2]: more is no JSON");
}

}  // namespace
}  // namespace mutirao::cli
