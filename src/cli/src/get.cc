#include <csignal>
#include <cstdio>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/signals.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

#include "commands.h"
#include "interrupts.h"
#include "report.h"
#include "terminal.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr Duration kRedraw = 500ms;
constexpr Duration kJsonInterval = 1s;
constexpr Duration kGetAnswer = 60s;
constexpr Duration kPause = 10s;

/// A link or URL as it is, a file by its full path: the node has another working folder.
std::string full_name(Context const& context) {
  auto const& what = context.options.what;
  bool const is_link = what.starts_with("magnet:") || what.contains("://");
  return is_link ? what : absolute_path(what, context.environment.working_folder);
}

std::string in_quotes(std::string const& word) {
  return word.contains("'") ? "\"" + word + "\"" : "'" + word + "'";
}

/// One `get` from its start to its end.
class Getter {
 public:
  Getter(Context const& context, world::World& world)
      : context_{context},
        client_{world, context.place.control()},
        screen_{Screen::mode_for(context.wants_progress())} {}

  Result<void> begin() {
    node::GetRequest request{
        .what = full_name(context_),
        .folder = absolute_path(context_.options.folder.empty() ? "." : context_.options.folder,
                                context_.environment.working_folder),
        .internal_trackers = context_.options.internal};
    started_ = MUT_TRY(client_.get(std::move(request), threads::within(kGetAnswer)));
    begun_ = true;
    last_ = started_.transfer;
    if (context_.options.json) fmt::print("{}\n", node::to_json(started_));
    std::fflush(stdout);
    return {};
  }

  /// Until the last piece is verified. Fails when the transfer does, or the time is up.
  Result<void> follow() {
    auto const interval = context_.options.json ? kJsonInterval : kRedraw;
    auto const deadline = context_.options.timeout_s == 0
                              ? Deadline::never()
                              : threads::within(std::chrono::seconds{context_.options.timeout_s});
    auto watched = client_.watch(
        last_.status.id, interval, [this](auto const& transfers) { return see(transfers.front()); },
        deadline);
    if (!watched && watched.error().fault == Fault::timed_out)
      return fail(Fault::timed_out,
                  fmt::format("{} is not complete after {} s: {}", last_.status.name,
                              context_.options.timeout_s, progress_line(last_)),
                  "the node goes on with it; wait again with the same command");
    if (!watched && watched.error().fault == Fault::closed)
      return fail(Fault::closed,
                  fmt::format("{} is not complete: {}", last_.status.name, watched.error().what),
                  "mutirao up --detach; the node goes on where it was");
    MUT_TRY(std::move(watched));
    if (last_.status.phase == swarm::TorrentPhase::failed)
      return fail(Fault::io, last_.status.name + ": " + last_.status.why, last_.status.mend);
    if (last_.status.phase == swarm::TorrentPhase::paused)
      return fail(Fault::closed, last_.status.name + " was paused by another command",
                  "mutirao swarm resume " + last_.status.id.substr(0, 12));
    return {};
  }

  void finish() {
    screen_.clear();
    if (context_.options.json)
      fmt::print("{{\"done\":{}}}\n", node::to_json(last_));
    else if (!context_.options.quiet)
      fmt::print("got {} ({}) in {}\nthe node goes on serving it: mutirao status\n",
                 printable(last_.status.name), base::format_bytes(last_.status.bytes_total),
                 printable(last_.folder));
  }

  /// After Ctrl-C: the bytes stop too, unless somebody else waits for them.
  void leave() {
    screen_.clear();
    if (!begun_) return;
    if (started_.watched) {
      fmt::print(stderr, "left; another get still waits for {}\n", printable(last_.status.name));
      return;
    }
    auto const paused = client_.pause(last_.status.id, threads::within(kPause));
    if (!paused) {
      report(paused.error(), context_.options.json);
      return;
    }
    fmt::print(stderr, "paused {} at {}%\nresume with: mutirao get {}\n",
               printable(paused->status.name),
               percent(paused->status.bytes_verified, paused->status.bytes_total),
               in_quotes(context_.options.what));
  }

  [[nodiscard]] node::Transfer const& transfer() const noexcept { return last_; }

 private:
  bool see(node::Transfer const& transfer) {
    last_ = transfer;
    auto const phase = transfer.status.phase;
    bool const ended = phase == swarm::TorrentPhase::seeding ||
                       phase == swarm::TorrentPhase::failed || phase == swarm::TorrentPhase::paused;
    if (context_.options.json) {
      fmt::print("{}\n", node::to_json(std::vector{transfer}));
      std::fflush(stdout);
    } else if (screen_.mode() == Screen::Mode::redrawn || threads::now() >= next_plain_ || ended) {
      next_plain_ = threads::now() + kPlainInterval;
      screen_.show({progress_line(transfer)});
    }
    return !ended;
  }

  Context const& context_;
  node::ControlClient client_;
  Screen screen_;
  node::Started started_;
  bool begun_ = false;
  node::Transfer last_;
  TimePoint next_plain_{};
};

int get(Context const& context, world::World& world, threads::signal_set& signals) {
  Getter getter{context, world};
  Interrupts interrupts{signals};
  auto const done = interrupts.run([&]() -> Result<void> {
    MUT_TRY(getter.begin());
    return context.options.background ? Result<void>{} : getter.follow();
  });
  if (interrupts.interrupted()) {
    getter.leave();
    return kInterrupted;
  }
  if (!done) return report(done.error(), context.options.json);
  if (!context.options.background)
    getter.finish();
  else if (!context.options.quiet && !context.options.json)
    fmt::print(
        "fetching {} in the background into {}\nnext: mutirao status; mutirao swarm show {}\n",
        printable(getter.transfer().status.name), printable(getter.transfer().folder),
        getter.transfer().status.id.substr(0, 12));
  return kDone;
}

}  // namespace

int command_get(Context const& context) {
  if (auto const node = ensure_node(context); !node)
    return report(node.error(), context.options.json);
  threads::signal_set signals{SIGINT, SIGTERM};
  base::StderrLog log{log_level(base::LogLevel::warning)};
  int code = kFailed;
  threads::runtime runtime;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    code = get(context, *world, signals);
  });
  return code;
}

}  // namespace mutirao::cli
