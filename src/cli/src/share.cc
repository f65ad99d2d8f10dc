#include <algorithm>
#include <cstdio>
#include <memory>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "report.h"
#include "standard_input.h"
#include "terminal.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr std::string_view kInput = "-";

node::ShareRequest request_for(Context const& context, std::string const& path) {
  auto const& options = context.options;
  auto const format = options.format == "v1"   ? swarm::TorrentFormat::v1
                      : options.format == "v2" ? swarm::TorrentFormat::v2
                                               : swarm::TorrentFormat::hybrid;
  return {.path = path == kInput ? "" : absolute_path(path, context.environment.working_folder),
          .format = format,
          .trackers = options.trackers,
          .is_private = options.is_private,
          .comment = options.comment};
}

void print_shared(Context const& context, node::Shared const& shared) {
  auto const& transfer = shared.transfer;
  if (context.options.json) {
    fmt::print("{}\n", node::to_json(transfer));
    return;
  }
  if (context.options.quiet) {
    fmt::print("{}\n", transfer.links.magnet);
    return;
  }
  fmt::print("shared {} ({}, {} file{})\n", printable(transfer.status.name),
             base::format_bytes(transfer.status.bytes_total), transfer.files_total,
             transfer.files_total == 1 ? "" : "s");
  fmt::print("  magnet   {}\n  page     {}\n  torrent  {}\n  folder   {}\n  id       {}\n",
             transfer.links.magnet, transfer.links.page, transfer.links.torrent,
             printable(transfer.folder), transfer.status.id);
  for (auto const& path : shared.skipped)
    fmt::print(stderr, "skipped {}: neither a file nor a folder\n", printable(path));
  fmt::print("next, on another machine: mutirao get '{}'\n", transfer.links.magnet);
}

Result<node::Shared> share_one(Context const& context, node::ControlClient& client,
                               std::string const& path) {
  Screen screen{Screen::mode_for(context.wants_progress())};
  auto const interval = screen.mode() == Screen::Mode::plain ? kPlainInterval : kScreenInterval;
  auto next = threads::now() + (screen.mode() == Screen::Mode::plain ? kPlainInterval : 0s);
  auto const show = [&](auto const& line) {
    if (context.options.json || threads::now() < next) return;
    screen.show({line()});
    next = threads::now() + interval;
  };
  bool const from_input = path == kInput;
  auto const hashing = [&](swarm::MakeProgress progress) {
    if (context.options.json) fmt::print("{}\n", node::to_json(progress));
    show([&] { return hashing_line(from_input ? context.options.as : path, progress); });
    return true;
  };
  if (!from_input) return client.share(request_for(context, path), hashing, Deadline::never());
  auto const input = std::make_shared<StandardInput>([&](std::uint64_t bytes) {
    show([&] {
      return fmt::format("{} storing {}", printable(context.options.as), base::format_bytes(bytes));
    });
  });
  return client.put(context.options.as, request_for(context, path), middleware::Attachment{input},
                    hashing, Deadline::never());
}

}  // namespace

int command_share(Context const& context) {
  auto const& paths = context.options.paths;
  bool const from_input = std::ranges::find(paths, kInput) != paths.end();
  if (from_input != !context.options.as.empty())
    return report({Fault::invalid,
                   from_input ? "what comes from standard input has no name"
                              : "--name is for what comes from standard input",
                   "tar c FOLDER | mutirao share - --name FOLDER.tar"},
                  context.options.json);
  if (std::ranges::count(paths, kInput) > 1)
    return report({Fault::invalid, "there is one standard input", "name it once"},
                  context.options.json);
  if (auto const node = ensure_node(context); !node)
    return report(node.error(), context.options.json);
  return with_world([&](world::World& world) {
    node::ControlClient client{world, context.place.control()};
    std::size_t failed = 0;
    int code = kDone;
    for (auto const& path : context.options.paths) {
      auto const shared = share_one(context, client, path);
      if (shared) {
        print_shared(context, *shared);
      } else {
        ++failed;
        code = report(shared.error(), context.options.json);
      }
    }
    return failed == 0                             ? static_cast<int>(kDone)
           : failed < context.options.paths.size() ? static_cast<int>(kPartial)
                                                   : code;
  });
}

}  // namespace mutirao::cli
