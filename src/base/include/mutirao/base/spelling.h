#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// "Did you mean ...?" for names that a person typed.
namespace mutirao::base {

/// Edits between two words: insert, delete, replace, swap neighbours (Damerau-Levenshtein, optimal
/// string alignment).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);
/// The nearest candidate when it is near enough to be what was meant; empty otherwise.
[[nodiscard]] std::string nearest(std::string_view word,
                                  std::vector<std::string> const& candidates);

}  // namespace mutirao::base
