#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "text.h"

namespace mutirao::cli {

std::size_t terminal_columns() noexcept {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool is_terminal(std::FILE* stream) noexcept { return isatty(fileno(stream)) == 1; }

std::string ask(std::string const& question) {
  fmt::print(stderr, "{} ", question);
  std::fflush(stderr);
  std::string line;
  for (int c = std::getchar(); c != EOF && c != '\n'; c = std::getchar())
    line += static_cast<char>(c);
  return line;
}

Screen::Mode Screen::mode_for(bool wanted) noexcept {
  if (!wanted) return Mode::none;
  char const* kind = std::getenv("TERM");
  bool const can_move = kind != nullptr && std::string_view{kind} != "dumb";
  return is_terminal(stderr) && can_move ? Mode::redrawn : Mode::plain;
}

void Screen::show(std::vector<std::string> const& lines) {
  if (mode_ == Mode::none) return;
  std::string text;
  if (mode_ == Mode::plain) {
    for (auto const& line : lines) text += line + '\n';
  } else {
    clear();
    auto const width = terminal_columns();
    for (auto const& line : lines) {
      // One column stays free: a full line would wrap on some terminals.
      auto const cut = cut_to(line, width - 1);
      shown_.push_back(columns_of(cut));
      text += cut + '\n';
    }
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

// A terminal that became narrower has wrapped what was shown: count the rows that it takes now.
void Screen::clear() {
  if (shown_.empty()) return;
  auto const width = terminal_columns();
  std::size_t rows = 0;
  for (auto const columns : shown_) rows += columns == 0 ? 1 : (columns + width - 1) / width;
  shown_.clear();
  fmt::print(stderr, "\x1b[{}A\r\x1b[J", rows);
  std::fflush(stderr);
}

}  // namespace mutirao::cli
