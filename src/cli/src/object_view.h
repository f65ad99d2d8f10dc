#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/reflection.h"

/// How the objects of a node look to a person, and what a person writes to call them. Pure.
namespace mutirao::cli {

/// A line for each.
[[nodiscard]] std::string object_list(std::vector<middleware::ObjectInfo> const& objects);

/// What it is, its methods, and the fields of the records that they speak of.
[[nodiscard]] std::string object_text(middleware::ObjectDetail const& detail);

/// A tree for each trace, in the order in which they began: name, how long it took, what became of
/// it. What was called by a call that is not among them stands at the left.
[[nodiscard]] std::string span_trees(std::vector<middleware::SpanInfo> const& spans);

struct MethodName {
  std::string object;
  std::string method;
};
/// "library.list"
[[nodiscard]] Result<MethodName> method_name(std::string_view text);

/// The array of the arguments, from one word each, for parameters of those types. A word is JSON;
/// where a string is wanted, it may be just the text.
[[nodiscard]] Result<std::string> arguments_json(std::vector<std::string> const& words,
                                                 std::vector<std::string> const& types);

}  // namespace mutirao::cli
