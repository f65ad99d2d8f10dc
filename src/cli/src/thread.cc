#include <csignal>

#include "mutirao/node/json.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "report.h"
#include "terminal.h"
#include "thread_view.h"

namespace mutirao::cli {
namespace {

constexpr Duration kReportAnswer = 15s;
constexpr Duration kTopInterval = 1s;

int list(Context const& context) {
  return with_world([&](world::World& world) {
    auto const report = node::ControlClient{world, context.place.control()}.thread_report(
        threads::within(kReportAnswer));
    if (!report) return cli::report(report.error(), context.options.json);
    if (context.options.json)
      fmt::print("{}\n", node::to_json(*report));
    else
      fmt::print("{}", thread_list(*report));
    return static_cast<int>(kDone);
  });
}

/// Redrawn every second on a terminal; elsewhere a block of lines, and a line of JSON for programs.
class Top {
 public:
  Top(Context const& context, world::World& world)
      : context_{context},
        client_{world, context.place.control()},
        screen_{context.options.json ? Screen::Mode::none : Screen::mode_for(true)} {}

  Result<void> follow() {
    bool const redrawn = screen_.mode() == Screen::Mode::redrawn;
    Duration const interval = redrawn || context_.options.json ? kTopInterval : kPlainInterval;
    for (;;) {
      show(MUT_TRY(client_.thread_report(threads::within(kReportAnswer))));
      MUT_TRY(threads::sleep_for(interval));
    }
  }

 private:
  void show(threads::runtime_report report) {
    auto const now = threads::now();
    if (context_.options.json) {
      fmt::print("{}\n", node::to_json(report));
    } else {
      auto const lines = thread_top(report, before_, now - shown_);
      if (screen_.mode() == Screen::Mode::redrawn) {
        screen_.show(lines);
      } else {
        for (auto const& line : lines) fmt::print("{}\n", line);
        fmt::print("\n");
      }
    }
    std::fflush(stdout);
    before_ = std::move(report);
    shown_ = now;
  }

  Context const& context_;
  node::ControlClient client_;
  Screen screen_;
  std::optional<threads::runtime_report> before_;
  TimePoint shown_{};
};

int top(Context const& context) {
  return with_world_until_interrupted(
      context, true, [&](world::World& world) { return Top{context, world}.follow(); });
}

}  // namespace

int command_thread(Context const& context) {
  return context.options.verb == "thread list" ? list(context) : top(context);
}

}  // namespace mutirao::cli
