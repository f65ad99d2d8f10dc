#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/spelling.h"

#include "command_line.h"

namespace mutirao::cli {

using base::nearest;

CommandInfo const* CommandInfo::find(std::string_view command) const noexcept {
  auto const found = std::ranges::find(commands, command, &CommandInfo::name);
  return found == commands.end() ? nullptr : &*found;
}

namespace {

FlagInfo const* find_flag(CommandInfo const& command, std::string_view name) {
  for (auto const& flag : command.flags)
    if (std::ranges::find(flag.names, name) != flag.names.end()) return &flag;
  return nullptr;
}

/// Hidden flags, meant for the program itself, are in no tree.
bool is_hidden(std::string_view name) { return name == "--ready-fd"; }

Result<void> unknown_flag(CommandInfo const& root, CommandInfo const& command,
                          std::string const& path, std::string_view name) {
  std::vector<std::string> candidates;
  for (auto const* known : {&root, &command})
    for (auto const& flag : known->flags)
      candidates.insert(candidates.end(), flag.names.begin(), flag.names.end());
  auto const meant = nearest(name, candidates);
  return fail(Fault::invalid, fmt::format("{} has no flag \"{}\"", path, name),
              meant.empty() ? path + " --help" : fmt::format("{} {}", path, meant));
}

Result<void> unknown_verb(CommandInfo const& command, std::string const& path,
                          std::string_view word) {
  std::vector<std::string> candidates;
  for (auto const& known : command.commands) candidates.push_back(known.name);
  auto const meant = nearest(word, candidates);
  return fail(Fault::invalid, fmt::format("{} has no verb \"{}\"", path, word),
              meant.empty() ? path + " --help" : fmt::format("{} {}", path, meant));
}

/// A verb that is a family of verbs says which.
Result<void> check_complete(CommandInfo const& root, CommandInfo const& command,
                            std::string const& path) {
  if (command.commands.empty() || &command == &root) return {};
  std::vector<std::string> names;
  for (auto const& each : command.commands) names.push_back(each.name);
  return fail(Fault::invalid, fmt::format("{} needs a verb: {}", path, fmt::join(names, ", ")),
              path + " --help");
}

}  // namespace

Result<void> check_topic(CommandInfo const& root, std::vector<std::string> const& topic) {
  CommandInfo const* command = &root;
  std::string path = root.name;
  for (auto const& word : topic) {
    auto const* next = command->find(word);
    if (next == nullptr) return unknown_verb(*command, path, word);
    command = next;
    path += " " + word;
  }
  return {};
}

Result<void> check_words(CommandInfo const& root, std::vector<std::string> const& words) {
  CommandInfo const* command = &root;
  std::string path = root.name;
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const& word = words[i];
    if (word == "--") break;
    bool const negative = word.size() > 1 && word[1] >= '0' && word[1] <= '9';  // a number
    if (word.size() > 1 && word.starts_with('-') && !negative) {
      if (word == "--help" || word == "-h" || word == "--version") return {};
      auto const name = word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
      auto const* flag = find_flag(*command, name);
      if (flag == nullptr) flag = find_flag(root, name);
      bool const hidden = is_hidden(name);
      if (flag == nullptr && !hidden) return unknown_flag(root, *command, path, name);
      bool const value_follows = (hidden || !flag->value.empty()) && word == name;
      if (value_follows) ++i;
      continue;
    }
    if (command->commands.empty()) continue;  // an argument: the parser proper judges it
    auto const* next = command->find(word);
    if (next == nullptr) return unknown_verb(*command, path, word);
    command = next;
    path += " " + next->name;
  }
  return check_complete(root, *command, path);
}

}  // namespace mutirao::cli
