#include "object_view.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"

#include "text.h"

namespace mutirao::cli {
namespace {

using middleware::SchemaMethod;
using middleware::SpanInfo;

constexpr std::size_t kFailureColumns = 100;

std::string guard_of(middleware::ObjectInfo const& object) {
  return object.guarded ? "needs a capability" : "";
}

std::string traits_of(SchemaMethod const& method) {
  std::vector<std::string> traits;
  if (method.cacheable_ms > 0)
    traits.push_back(fmt::format("cacheable {} ms", method.cacheable_ms));
  else if (method.idempotent && !method.reads)
    traits.emplace_back("idempotent");
  if (method.reads) traits.emplace_back("reads");
  if (method.commutative) traits.emplace_back("commutative");
  return fmt::format("{}", fmt::join(traits, ", "));
}

/// Most calls take less than what a person waits for.
std::string took_text(Duration took) {
  return took < 1ms ? fmt::format("{} µs", took / std::chrono::microseconds{1})
                    : base::format_duration(took);
}

/// The spans of one trace.
class SpanTree {
 public:
  void add(SpanInfo const& span) {
    ids_.insert(span.span);
    children_[span.parent].push_back(&span);
  }
  /// The longest ago first, on each level.
  std::string text() {
    for (auto& [parent, spans] : children_)
      std::ranges::stable_sort(spans, std::ranges::greater{}, &SpanInfo::began_ago);
    std::vector<SpanInfo const*> roots;
    for (auto const& [parent, spans] : children_)
      if (!ids_.contains(parent)) roots.insert(roots.end(), spans.begin(), spans.end());
    std::ranges::stable_sort(roots, std::ranges::greater{}, &SpanInfo::began_ago);
    for (auto const* each : roots) add_rows(*each, 0);
    return table(rows_);
  }

 private:
  // As deep as requests are, and no deeper than there are spans: each is a row once.
  void add_rows(SpanInfo const& span, std::size_t depth) {
    if (!shown_.insert(&span).second) return;
    rows_.push_back(
        {fmt::format("  {}{}.{}{}", std::string(2 * depth, ' '), printable(span.object),
                     printable(span.method), span.incoming ? "" : " (sent)"),
         took_text(span.took),
         span.failure.empty() ? "well" : cut_to(printable(span.failure), kFailureColumns)});
    auto const found = children_.find(span.span);
    if (found == children_.end()) return;
    for (auto const* each : found->second) add_rows(*each, depth + 1);
  }

  std::set<std::string_view> ids_;
  std::map<std::string_view, std::vector<SpanInfo const*>> children_;  // by parent
  std::set<SpanInfo const*> shown_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace

std::string object_list(std::vector<middleware::ObjectInfo> const& objects) {
  std::vector<std::vector<std::string>> rows{{"OBJECT", "TYPE", "CALLS", "RUNNING", "ABOUT"}};
  for (auto const& each : objects) {
    auto const guard = guard_of(each);
    rows.push_back({printable(each.name), printable(each.type), std::to_string(each.calls),
                    std::to_string(each.running),
                    printable(each.about) + (guard.empty() ? "" : fmt::format(" ({})", guard))});
  }
  return table(rows);
}

std::string object_text(middleware::ObjectDetail const& detail) {
  auto const& object = detail.object;
  auto text = fmt::format("{} is a {}{}{}\n", printable(object.name), printable(object.type),
                          object.about.empty() ? "" : ": ", printable(object.about));
  text += fmt::format("  epoch {}, {} calls, {} running{}{}\n\n", object.epoch, object.calls,
                      object.running, object.guarded ? ", " : "", guard_of(object));
  std::vector<std::vector<std::string>> methods{{"METHOD", "GIVES", ""}};
  for (auto const& each : detail.methods)
    methods.push_back(
        {printable(fmt::format("{}({})", each.name, fmt::join(each.parameters, ", "))),
         (each.yields ? "a stream of " : "") + printable(each.result), traits_of(each)});
  text += table(methods);
  if (detail.records.empty()) return text;
  std::vector<std::vector<std::string>> fields{{"RECORD", "FIELD", "TYPE"}};
  for (auto const& record : detail.records) {
    auto name = printable(record.name);
    for (auto const& each : record.fields) {
      fields.push_back({name, printable(each.name), printable(each.type)});
      name.clear();  // once is enough
    }
  }
  return text + "\n" + table(fields);
}

std::string span_trees(std::vector<SpanInfo> const& spans) {
  std::map<std::string_view, SpanTree> trees;
  std::map<std::string_view, Duration> began;
  for (auto const& each : spans) {
    trees[each.trace].add(each);
    auto& oldest = began[each.trace];
    oldest = std::max(oldest, each.began_ago);
  }
  std::vector<std::pair<Duration, std::string_view>> order;
  for (auto const& [trace, ago] : began) order.emplace_back(ago, trace);
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [](auto const& each) { return each.first; });
  std::string text;
  for (auto const& [ago, trace] : order)
    text += fmt::format("trace {}, {} ago\n{}", printable(trace), base::format_duration(ago),
                        trees[trace].text());
  return text;
}

Result<MethodName> method_name(std::string_view text) {
  auto const dot = text.rfind('.');
  if (dot == std::string_view::npos)
    return fail(Fault::invalid, fmt::format("{} names no method: OBJECT.METHOD is wanted", text),
                fmt::format("mutirao object show {}", text));
  if (dot == 0 || dot + 1 == text.size())
    return fail(Fault::invalid, fmt::format("{} is not OBJECT.METHOD", text),
                "mutirao object list");
  return MethodName{std::string{text.substr(0, dot)}, std::string{text.substr(dot + 1)}};
}

Result<std::string> arguments_json(std::vector<std::string> const& words,
                                   std::vector<std::string> const& types) {
  std::string json = "[";
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const& word = words[i];
    auto const type = i < types.size() ? std::string_view{types[i]} : std::string_view{};
    bool const text_wanted = type.starts_with("string") || type.starts_with("bytes");
    bool const is_value = node::is_json(word);
    // Digits of an id are a number to JSON, and yet the text that was meant.
    bool const fits_text = word.starts_with('"') || (type.ends_with('?') && word == "null");
    if (i > 0) json += ',';
    if (is_value && (!text_wanted || fits_text))
      json += word;
    else if (text_wanted)
      json += node::json_string(word);
    else
      return fail(Fault::invalid,
                  fmt::format("arguments[{}]: {} is no JSON{}", i, word,
                              type.empty() ? "" : fmt::format(", and {} is wanted", type)),
                  R"(such as 5, true, '"text"', '[1, 2]' or '{"field": 1}')");
  }
  return json + "]";
}

}  // namespace mutirao::cli
