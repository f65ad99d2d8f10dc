#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "mutirao/base/time.h"

namespace mutirao::cli {

/// Between two reports of progress where lines can't be redrawn.
inline constexpr Duration kPlainInterval = std::chrono::seconds{5};
inline constexpr Duration kScreenInterval = std::chrono::milliseconds{100};

/// The screen that a person looks at, if there is one: whether, how wide, and lines that stay in
/// place while their text changes. Progress goes to standard error, so that results can be piped.
class Screen {
 public:
  /// How lines that change are shown.
  enum class Mode { redrawn, plain, none };

  explicit Screen(Mode mode) noexcept : mode_{mode} {}
  ~Screen() { clear(); }
  Screen(Screen const&) = delete;
  Screen& operator=(Screen const&) = delete;

  /// `redrawn` on a terminal, `plain` elsewhere, `none` when nobody wants progress.
  [[nodiscard]] static Mode mode_for(bool wanted) noexcept;

  [[nodiscard]] Mode mode() const noexcept { return mode_; }
  /// Puts `lines` in the place of those shown last; each is cut to the width that the terminal has
  /// now. In plain mode prints them below.
  void show(std::vector<std::string> const& lines);
  /// Takes the lines away, before something is printed that stays.
  void clear();

 private:
  Mode mode_;
  std::vector<std::size_t> shown_;  // columns of each line on the screen
};

/// Columns of the terminal behind standard error; 80 when it can't say.
[[nodiscard]] std::size_t terminal_columns() noexcept;
[[nodiscard]] bool is_terminal(std::FILE* stream) noexcept;
/// One line that a person types on standard input; empty at its end.
[[nodiscard]] std::string ask(std::string const& question);

}  // namespace mutirao::cli
