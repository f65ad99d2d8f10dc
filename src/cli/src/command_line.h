#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"

#include "options.h"

namespace mutirao::cli {

struct FlagInfo {
  std::vector<std::string> names;  ///< "--output", "-o"
  std::string value;               ///< what follows ("DIR"); empty for a switch
  std::string about;
};

struct ArgumentInfo {
  std::string name;  ///< "PATH"
  std::string about;
  bool required = false;
  bool repeated = false;
};

/// The commands as a tree: what help, completions, the manual page and did-you-mean are made from.
struct CommandInfo {
  std::string name;
  std::string about;
  std::string group;
  std::vector<FlagInfo> flags;
  std::vector<ArgumentInfo> arguments;
  std::vector<CommandInfo> commands;

  [[nodiscard]] CommandInfo const* find(std::string_view command) const noexcept;
};

[[nodiscard]] CommandInfo const& command_tree();

/// Understands the words after the program's name. What does not fit is Fault::invalid, with the
/// nearest command or flag as its mend. Asking for help gives the verb "help" and its topic.
[[nodiscard]] Result<Options> parse_command_line(std::vector<std::string> const& words);

/// Every word must exist in the tree, before the parser proper looks at values: an unknown one is
/// refused with the nearest that exists.
[[nodiscard]] Result<void> check_words(CommandInfo const& root,
                                       std::vector<std::string> const& words);

/// The words of a help topic must name a verb.
[[nodiscard]] Result<void> check_topic(CommandInfo const& root,
                                       std::vector<std::string> const& topic);

[[nodiscard]] std::string help_text(CommandInfo const& root, std::vector<std::string> const& topic);
[[nodiscard]] Result<std::string> completion_script(CommandInfo const& root,
                                                    std::string_view shell);
[[nodiscard]] std::string manual_page(CommandInfo const& root);

}  // namespace mutirao::cli
