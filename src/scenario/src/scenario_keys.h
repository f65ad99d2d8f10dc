#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mutirao/scenario/scenario.h"

namespace mutirao::scenario {

struct CountKey {
  std::function<std::uint64_t&(Scenario&)> in;
  std::uint64_t least;
  std::uint64_t most;
};
struct BytesKey {
  std::function<std::uint64_t&(Scenario&)> in;
  std::uint64_t least;
  std::uint64_t most;
  bool per_s = false;  ///< a rate; 0: no limit
};
struct TimeKey {
  std::function<Duration&(Scenario&)> in;
  Duration least;
  Duration most;
};
struct NumberKey {
  std::function<double&(Scenario&)> in;
  double least;
  double most;
};
struct SwitchKey {
  std::function<bool&(Scenario&)> in;
};
struct ChoiceKey {
  std::function<std::string&(Scenario&)> in;
  std::vector<std::string> choices;
};
struct TextKey {
  std::function<std::string&(Scenario&)> in;
  std::size_t bytes_max;
};

/// Names with commas in between, as one text.
struct NamesKey {
  std::function<std::vector<std::string>&(Scenario&)> in;
  std::span<std::string_view const> known;
};

/// One key of a scenario: the parser, the writer and the documentation know it from here.
struct Key {
  std::string name;  ///< "network.loss"
  std::variant<CountKey, BytesKey, TimeKey, NumberKey, SwitchKey, ChoiceKey, TextKey, NamesKey>
      kind;
  std::string about;
};

/// In the order in which they are written.
[[nodiscard]] std::span<Key const> scenario_keys();
[[nodiscard]] Key const* find_key(std::string_view name);

/// A value as it was given, before it is known what it should be.
using Given = std::variant<std::int64_t, double, bool, std::string>;
[[nodiscard]] std::string to_string(Given const& given);

/// The error has what is wrong with the value, and in `mend` what it may be.
Result<void> assign(Scenario& scenario, Key const& key, Given const& given);
/// As TOML.
[[nodiscard]] std::string write_value(Scenario const& scenario, Key const& key);
/// What must hold between several keys. The error names one of them.
[[nodiscard]] Result<void> check_together(Scenario const& scenario);
/// The mend of a name that is no key.
[[nodiscard]] std::string key_nearest_to(std::string_view name);

}  // namespace mutirao::scenario
