#include <fmt/format.h>

#include "mutirao/node/config.h"

#include "command_line.h"
#include "report.h"

namespace mutirao::cli {
namespace {

/// troff: a hyphen that is meant, and no line that begins like a request.
std::string escaped(std::string_view text) {
  std::string out;
  for (char const c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if ((c == '.' || c == '\'') && out.empty())
      out += std::string{"\\&"} + c;
    else
      out += c;
  }
  return out;
}

void append_flag(std::string& page, FlagInfo const& flag) {
  page += ".TP\n";
  std::string names;
  for (auto const& name : flag.names)
    names += (names.empty() ? "" : ", ") + fmt::format("\\fB{}\\fR", escaped(name));
  page += names + (flag.value.empty() ? "" : " \\fI" + escaped(flag.value) + "\\fR") + "\n" +
          escaped(flag.about) + ".\n";
}

void append_command(std::string& page, CommandInfo const& command, std::string const& path) {
  if (command.commands.empty()) {
    page += ".SS \"" + escaped(path);
    for (auto const& argument : command.arguments)
      page += " " + escaped(argument.required ? argument.name : "[" + argument.name + "]") +
              (argument.repeated ? "..." : "");
    page += "\"\n" + escaped(command.about) + ".\n";
    for (auto const& argument : command.arguments)
      page +=
          fmt::format(".TP\n\\fI{}\\fR\n{}.\n", escaped(argument.name), escaped(argument.about));
    for (auto const& flag : command.flags)
      if (flag.names.front() != "-h") append_flag(page, flag);
  }
  for (auto const& sub : command.commands) append_command(page, sub, path + " " + sub.name);
}

constexpr char kFiles[] = R"(.SH FILES
.TP
\fI$XDG_STATE_HOME/mutirao\fR, else \fI~/.local/state/mutirao\fR
State of the node: database, maps of what is verified, log.
.TP
\fI$XDG_RUNTIME_DIR/mutirao.sock\fR, else in the state folder
The control socket, for the owner only.
.SH ENVIRONMENT
.TP
.B MUTIRAO_STATE_DIR
The state folder, as with \fB\-\-state\fR.
.TP
.B MUTIRAO_LOG
Least level of the log: debug, info, warning or error.
.TP
.B NO_COLOR
Set to anything: no colours.
)";

}  // namespace

std::string manual_page(CommandInfo const& root) {
  std::string page = fmt::format(
      ".TH MUTIRAO 1 \"\" \"Mutirão {}\" \"User commands\"\n.SH NAME\nmutirao \\- {}\n",
      node::kVersion, "share and fetch files among machines, with no server in between");
  page +=
      ".SH SYNOPSIS\n.B mutirao\n\\fIVERB\\fR [\\fIARGUMENTS\\fR] [\\fIFLAGS\\fR]\n.SH COMMANDS\n";
  for (auto const& command : root.commands)
    append_command(page, command, "mutirao " + command.name);
  page += ".SH FLAGS OF EVERY COMMAND\n";
  for (auto const& flag : root.flags) append_flag(page, flag);
  page += ".SH EXIT STATUS\n";
  for (auto const& [code, meaning] : exit_codes())
    page += fmt::format(".TP\n.B {}\n{}.\n", code, escaped(meaning));
  return page + kFiles;
}

}  // namespace mutirao::cli
