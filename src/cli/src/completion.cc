#include <algorithm>

#include <fmt/format.h>

#include "command_line.h"

namespace mutirao::cli {
namespace {

/// Calls `see(words, command)` for every command, the root first.
template <class See>
void walk(CommandInfo const& command, std::string const& words, See const& see) {
  see(words, command);
  for (auto const& sub : command.commands)
    walk(sub, words.empty() ? sub.name : words + " " + sub.name, see);
}

std::vector<std::string> names_of(CommandInfo const& command) {
  std::vector<std::string> names;
  for (auto const& sub : command.commands) names.push_back(sub.name);
  return names;
}

std::vector<std::string> flags_of(CommandInfo const& command) {
  std::vector<std::string> names;
  for (auto const& flag : command.flags)
    names.insert(names.end(), flag.names.begin(), flag.names.end());
  return names;
}

std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (char const c : text) out += c == '\'' ? std::string{"'\\''"} : std::string(1, c);
  return out + "'";
}

// Names of torrents come from the running node; a node that does not answer costs one short call.
constexpr char kNames[] =
    "mutirao swarm list --json 2>/dev/null | grep -o '\"name\":\"[^\"]*\"' | cut -d'\"' -f4";

std::string bash(CommandInfo const& root) {
  std::string cases;
  walk(root, "", [&](std::string const& words, CommandInfo const& command) {
    auto candidates = names_of(command);
    auto const own = flags_of(command);
    candidates.insert(candidates.end(), own.begin(), own.end());
    if (&command != &root) {
      auto const common = flags_of(root);
      candidates.insert(candidates.end(), common.begin(), common.end());
    }
    cases += fmt::format("    {}) candidates={} ;;\n", shell_quoted(words),
                         shell_quoted(fmt::format("{}", fmt::join(candidates, " "))));
  });
  std::string valued;
  walk(root, "", [&](std::string const&, CommandInfo const& command) {
    for (auto const& flag : command.flags)
      if (!flag.value.empty())
        for (auto const& name : flag.names) valued += (valued.empty() ? "" : "|") + name;
  });
  std::string nouns;
  for (auto const& sub : root.commands)
    if (!sub.commands.empty()) nouns += (nouns.empty() ? "" : "|") + sub.name;
  return fmt::format(R"sh(# bash completion for mutirao
_mutirao() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words="" word skip="" candidates="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${{COMP_WORDS[i]}}"
    if [ -n "$skip" ]; then skip=""; continue; fi
    case "$word" in
      {valued}) skip=1 ;;
      -*) ;;
      *)
        case "$words" in
          "") words="$word" ;;
          {nouns}) words="$words $word" ;;
        esac ;;
    esac
  done
  if [ -n "$skip" ]; then COMPREPLY=($(compgen -f -- "$current")); return; fi
  case "$words" in
{cases}  esac
  case "$words" in
    "completion") candidates="$candidates bash zsh fish" ;;
    "swarm show"|"swarm verify"|"swarm remove"|"swarm pause"|"swarm resume")
      [[ "$current" == -* ]] || candidates="$candidates $({names})" ;;
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
  case "$words" in share|get) COMPREPLY+=($(compgen -f -- "$current")) ;; esac
}}
complete -o filenames -F _mutirao mutirao
)sh",
                     fmt::arg("valued", valued), fmt::arg("nouns", nouns), fmt::arg("cases", cases),
                     fmt::arg("names", kNames));
}

std::string zsh_flags(CommandInfo const& command) {
  std::string lines;
  for (auto const& flag : command.flags)
    for (auto const& name : flag.names) {
      std::string about;
      for (char const c : flag.about)
        about += c == '[' || c == ']' || c == ':' ? std::string{"\\"} + c : std::string(1, c);
      lines += fmt::format(
          " {}", shell_quoted(fmt::format("{}[{}]{}", name, about,
                                          flag.value.empty() ? "" : ":" + flag.value + ":_files")));
    }
  return lines;
}

std::string zsh_described(CommandInfo const& command) {
  std::string entries;
  for (auto const& sub : command.commands)
    entries += " " + shell_quoted(sub.name + ":" + sub.about);
  return entries;
}

std::string zsh(CommandInfo const& root) {
  std::string cases;
  for (auto const& sub : root.commands) {
    std::string body =
        fmt::format("_arguments{}{} '*:argument:_files'", zsh_flags(sub), zsh_flags(root));
    if (!sub.commands.empty())
      body = fmt::format(
          "if (( CURRENT == 3 )); then local -a verbs=({} ); _describe verb verbs; else "
          "_arguments{} '*:name:($({}))'; fi",
          zsh_described(sub), zsh_flags(root), kNames);
    cases += fmt::format("    {}) {} ;;\n", sub.name, body);
  }
  return fmt::format(R"sh(#compdef mutirao
_mutirao() {{
  if (( CURRENT == 2 )); then
    local -a verbs=({} )
    _describe verb verbs
    _arguments{}
    return
  fi
  case "$words[2]" in
{}  esac
}}
_mutirao "$@"
)sh",
                     zsh_described(root), zsh_flags(root), cases);
}

std::string fish(CommandInfo const& root) {
  std::string lines = "# fish completion for mutirao\ncomplete -c mutirao -f\n";
  std::string const all = fmt::format("{}", fmt::join(names_of(root), " "));
  walk(root, "", [&](std::string const& words, CommandInfo const& command) {
    std::string condition;
    if (words.empty()) {
      condition = "not __fish_seen_subcommand_from " + all;
    } else {
      auto const space = words.find(' ');
      condition = "__fish_seen_subcommand_from " + words.substr(0, space);
      if (space != std::string::npos)
        condition += "; and __fish_seen_subcommand_from " + words.substr(space + 1);
    }
    for (auto const& sub : command.commands)
      lines += fmt::format("complete -c mutirao -n {} -a {} -d {}\n", shell_quoted(condition),
                           sub.name, shell_quoted(sub.about));
    for (auto const& flag : command.flags) {
      lines += "complete -c mutirao";
      if (!words.empty()) lines += " -n " + shell_quoted(condition);
      for (auto const& name : flag.names)
        lines += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!flag.value.empty()) lines += " -r -F";
      lines += " -d " + shell_quoted(flag.about) + "\n";
    }
    if (words == "share" || words == "get")
      lines += fmt::format("complete -c mutirao -n {} -F\n", shell_quoted(condition));
  });
  return lines;
}

}  // namespace

Result<std::string> completion_script(CommandInfo const& root, std::string_view shell) {
  if (shell == "bash") return bash(root);
  if (shell == "zsh") return zsh(root);
  if (shell == "fish") return fish(root);
  return fail(Fault::invalid, fmt::format("no completions for \"{}\"", shell),
              "mutirao completion bash|zsh|fish");
}

}  // namespace mutirao::cli
