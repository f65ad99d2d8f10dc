#include <charconv>
#include <iterator>

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
// toml++ asserts what text from outside can break ("[[[") right before it reports it as an error.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include "mutirao/base/utf8.h"
#include "mutirao/scenario/scenario.h"

#include "scenario_keys.h"

// Scenarios as text: what toml++ reads is flattened to (key, line, value), and each key then
// decides what it takes.
namespace mutirao::scenario {
namespace {

/// toml++ 3.3 runs into undefined behaviour at letters beyond ASCII wherever it looks for blanks,
/// so it sees none: each of their bytes, and '~' itself, is written as '~' and two hex digits while
/// it reads.
constexpr char kArmour = '~';

std::string armoured(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (char const letter : text) {
    auto const byte = static_cast<unsigned char>(letter);
    if (byte < 0x80 && letter != kArmour)
      plain += letter;
    else
      fmt::format_to(std::back_inserter(plain), "{}{:02x}", kArmour, byte);
  }
  return plain;
}

std::string without_armour(std::string_view plain) {
  std::string text;
  for (std::size_t at = 0; at < plain.size(); ++at) {
    unsigned byte = 0;
    auto const digits = plain.substr(at + 1, 2);
    if (plain[at] == kArmour &&
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16).ptr ==
            digits.data() + 2) {
      text += static_cast<char>(byte);
      at += 2;
    } else {
      text += plain[at];
    }
  }
  return text;
}

struct Entry {
  std::string name;
  unsigned line;
  Given given;
};

/// "swarm.toml:12: network.loss".
std::string place(std::string_view file, unsigned line, std::string_view name) {
  return fmt::format("{}:{}: {}", file, line, name);
}

Result<Given> given_of(toml::node const& node) {
  if (auto const* const whole = node.as_integer()) return Given{whole->get()};
  if (auto const* const number = node.as_floating_point()) return Given{number->get()};
  if (auto const* const on = node.as_boolean()) return Given{on->get()};
  if (auto const* const text = node.as_string()) return Given{without_armour(text->get())};
  return fail(Fault::invalid, "has a list or a date as its value",
              "a number, a text in quotes, true or false");
}

Result<void> flatten(toml::table const& table, std::string const& prefix, std::size_t depth,
                     std::string_view file, std::vector<Entry>& entries) {
  for (auto const& [key, node] : table) {
    auto const name = prefix + without_armour(key.str());
    auto const line = key.source().begin.line;
    if (auto const* const inner = node.as_table()) {
      if (depth + 1 >= kScenarioDepthMax)
        return fail(Fault::invalid, place(file, line, name) + " lies too deep",
                    fmt::format("at most {} tables in each other", kScenarioDepthMax - 1));
      MUT_TRY(flatten(*inner, name + '.', depth + 1, file, entries));
      continue;
    }
    if (entries.size() >= kScenarioKeysMax)
      return fail(Fault::invalid, fmt::format("{}: too many keys", file),
                  fmt::format("at most {}", kScenarioKeysMax));
    auto given = given_of(node);
    if (!given)
      return fail(Fault::invalid, fmt::format("{} {}", place(file, line, name), given.error().what),
                  given.error().mend);
    entries.push_back({name, line, *std::move(given)});
  }
  return {};
}

Result<void> assign_entry(Scenario& scenario, Entry const& entry, std::string_view file) {
  auto const* const key = find_key(entry.name);
  if (key == nullptr) {
    auto const meant = key_nearest_to(entry.name);
    return fail(Fault::invalid, place(file, entry.line, entry.name) + " is no key of a scenario",
                meant.empty() ? "mutirao sim show swarm lists all keys" : meant);
  }
  auto assigned = assign(scenario, *key, entry.given);
  if (!assigned)
    return fail(Fault::invalid,
                fmt::format("{} = {} {}", place(file, entry.line, entry.name),
                            to_string(entry.given), assigned.error().what),
                assigned.error().mend);
  return {};
}

std::string table_of(std::string_view name) {
  auto const dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string{} : std::string{name.substr(0, dot)};
}

std::string write_toml(Scenario const& scenario, bool everything) {
  Scenario const defaults;
  std::string text;
  std::string table;
  for (auto const& key : scenario_keys()) {
    auto const value = write_value(scenario, key);
    if (!everything && value == write_value(defaults, key)) continue;
    if (auto const in = table_of(key.name); in != table) {
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", in);
      table = in;
    }
    auto const name = table.empty() ? key.name : key.name.substr(table.size() + 1);
    auto line = fmt::format("{} = {}", name, value);
    text += everything ? fmt::format("{:<32} # {}\n", line, key.about) : line + '\n';
  }
  return text;
}

/// The value of an assignment on the command line, where texts need no quotes.
Given given_from(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  std::int64_t whole = 0;
  auto const* const end = text.data() + text.size();
  if (auto const read = std::from_chars(text.data(), end, whole);
      read.ec == std::errc{} && read.ptr == end)
    return whole;
  double number = 0;
  if (auto const read = std::from_chars(text.data(), end, number);
      read.ec == std::errc{} && read.ptr == end)
    return number;
  return std::string{text};
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view text, std::string_view file) {
  if (text.size() > kScenarioBytesMax)
    return fail(Fault::invalid, fmt::format("{} has {} bytes", file, text.size()),
                fmt::format("at most {} bytes", kScenarioBytesMax));
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (!base::is_utf8(text))
    return fail(Fault::invalid, fmt::format("{} is not UTF-8", file), "save it as UTF-8");
  auto const parsed = toml::parse(armoured(text));
  if (!parsed) {
    auto const& error = parsed.error();
    return fail(Fault::invalid,
                fmt::format("{}:{}: {}", file, error.source().begin.line,
                            without_armour(error.description())),
                "mutirao sim show swarm prints a scenario that is right");
  }
  std::vector<Entry> entries;
  MUT_TRY(flatten(parsed.table(), {}, 0, file, entries));
  Scenario scenario;
  for (auto const& entry : entries) MUT_TRY(assign_entry(scenario, entry, file));
  if (auto fits = check_together(scenario); !fits)
    return std::unexpected{std::move(fits).error().during(file)};
  return scenario;
}

Result<void> set_key(Scenario& scenario, std::string_view assignment) {
  auto const equals = assignment.find('=');
  if (equals == std::string_view::npos)
    return fail(Fault::invalid, fmt::format("--set {} has no value", assignment),
                fmt::format("--set {}=VALUE", assignment));
  auto const name = assignment.substr(0, equals);
  auto const value = assignment.substr(equals + 1);
  auto const* const key = find_key(name);
  if (key == nullptr) {
    auto const meant = key_nearest_to(name);
    return fail(Fault::invalid, fmt::format("--set {} is no key of a scenario", name),
                meant.empty() ? "mutirao sim show swarm lists all keys"
                              : fmt::format("--set {}={}", meant, value));
  }
  if (auto assigned = assign(scenario, *key, given_from(value)); !assigned)
    return fail(Fault::invalid, fmt::format("--set {}: {} {}", name, value, assigned.error().what),
                assigned.error().mend);
  return {};
}

std::string to_toml(Scenario const& scenario) { return write_toml(scenario, false); }
std::string to_commented_toml(Scenario const& scenario) { return write_toml(scenario, true); }

}  // namespace mutirao::scenario
