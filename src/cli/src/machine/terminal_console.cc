#include "machine/terminal_console.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <optional>
#include <poll.h>
#include <string>
#include <termios.h>
#include <unistd.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "terminal.h"

namespace mutirao::cli {
namespace {

constexpr char kEscape = 0x1d;  // Ctrl-]
constexpr int kInputPoll_ms = 100;

/// What there is on standard input; nothing at its end, empty when nothing came for a while.
std::optional<std::string> typed() {
  std::array<char, 1024> bytes;
  auto const got = threads::blocking([&]() -> ssize_t {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, kInputPoll_ms) <= 0) return -1;
    return ::read(STDIN_FILENO, bytes.data(), bytes.size());
  });
  if (got == 0) return std::nullopt;
  return std::string(bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
}

/// Types what comes until its end; true when that was the key to leave.
Result<bool> type_what_comes(MachineClient& machine, bool leaves) {
  while (!threads::stop_requested()) {
    auto text = typed();
    if (!text) return false;
    auto const escape = leaves ? text->find(kEscape) : std::string::npos;
    text->resize(std::min(text->size(), escape));
    if (!text->empty()) MUT_TRY(machine.type(*text));
    if (escape != std::string::npos) return true;
  }
  return false;
}

}  // namespace

struct RawTerminal::Settings {
  termios of_terminal{};
};

RawTerminal::RawTerminal() : before_{std::make_unique<Settings>()} {
  auto& before = before_->of_terminal;
  if (!is_terminal(stdin) || tcgetattr(STDIN_FILENO, &before) != 0) return;
  termios raw = before;
  cfmakeraw(&raw);
  raw.c_oflag = before.c_oflag;  // the guest's lines end as those of a program
  changed_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (changed_) tcsetattr(STDIN_FILENO, TCSANOW, &before_->of_terminal);
}

Result<ConsoleEnd> show_on_terminal(MachineClient& machine, ConsoleWishes wishes) {
  std::atomic<bool> left = false;
  Result<void> watched;
  threads::scope screen;
  threads::scope keyboard;
  auto const take_keyboard = [&] {
    keyboard.spawn("keyboard",
                   [&] {
                     auto const leaves = type_what_comes(machine, wishes.leaves);
                     if (!leaves || !*leaves) return;
                     left.store(true);
                     screen.request_stop();
                   },
                   {.isolated = true});
  };
  screen.spawn("screen", [&] {
    bool first = true;
    watched = machine.watch(wishes.types, [&](ByteView bytes) {
      // Now it is ours, and not before.
      if (std::exchange(first, false) && wishes.types) take_keyboard();
      std::fwrite(bytes.data(), 1, bytes.size(), stdout);
      std::fflush(stdout);
      return true;
    });
    keyboard.request_stop();
  });
  static_cast<void>(screen.join());
  if (left.load()) return ConsoleEnd::left;
  if (!watched) return std::unexpected{std::move(watched).error()};
  return ConsoleEnd::machine_ended;
}

}  // namespace mutirao::cli
