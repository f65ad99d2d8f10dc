#include <algorithm>

#include <fmt/format.h>

#include "command_line.h"

namespace mutirao::cli {
namespace {

std::string usage_of(ArgumentInfo const& argument) {
  auto const name = argument.repeated ? argument.name + "..." : argument.name;
  return argument.required ? name : "[" + name + "]";
}

std::string label_of(FlagInfo const& flag) {
  return fmt::format("{}{}{}", fmt::join(flag.names, ", "), flag.value.empty() ? "" : " ",
                     flag.value);
}

void append_rows(std::string& text, std::vector<std::pair<std::string, std::string>> const& rows) {
  std::size_t width = 0;
  for (auto const& [label, about] : rows) width = std::max(width, label.size());
  for (auto const& [label, about] : rows)
    text += fmt::format("  {:<{}}  {}\n", label, width, about);
}

void append_commands(std::string& text, CommandInfo const& command) {
  std::vector<std::string> groups;
  for (auto const& sub : command.commands)
    if (std::ranges::find(groups, sub.group) == groups.end()) groups.push_back(sub.group);
  for (auto const& group : groups) {
    text += fmt::format("\n{}:\n", group.empty() ? "Verbs" : group);
    std::vector<std::pair<std::string, std::string>> rows;
    for (auto const& sub : command.commands) {
      if (sub.group != group) continue;
      std::string label = sub.name;
      for (auto const& argument : sub.arguments) label += " " + usage_of(argument);
      if (!sub.commands.empty()) {
        std::vector<std::string> names;
        for (auto const& verb : sub.commands) names.push_back(verb.name);
        label += fmt::format(" {}", fmt::join(names, "|"));
      }
      rows.emplace_back(label, sub.about);
    }
    append_rows(text, rows);
  }
}

void append_flags(std::string& text, std::string_view title, std::vector<FlagInfo> const& flags) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (auto const& flag : flags)
    if (flag.names.front() != "-h") rows.emplace_back(label_of(flag), flag.about);
  if (rows.empty()) return;
  text += fmt::format("\n{}:\n", title);
  append_rows(text, rows);
}

}  // namespace

std::string help_text(CommandInfo const& root, std::vector<std::string> const& topic) {
  auto const* command = &root;
  std::string path = root.name;
  for (auto const& word : topic) {
    auto const* next = command->find(word);
    if (next == nullptr) break;
    command = next;
    path += " " + word;
  }
  std::string text = fmt::format("{}\n\nUsage: {}", command->about, path);
  if (!command->commands.empty()) text += " VERB";
  for (auto const& argument : command->arguments) text += " " + usage_of(argument);
  text += " [FLAGS]\n";
  append_commands(text, *command);
  if (!command->arguments.empty()) {
    text += "\nArguments:\n";
    std::vector<std::pair<std::string, std::string>> rows;
    for (auto const& argument : command->arguments)
      rows.emplace_back(argument.name, argument.about);
    append_rows(text, rows);
  }
  if (command != &root) append_flags(text, "Flags", command->flags);
  append_flags(text, "Flags of every command", root.flags);
  if (command == &root)
    text += "\nFirst steps: mutirao demo; mutirao share FILE; mutirao help VERB\n";
  return text;
}

}  // namespace mutirao::cli
