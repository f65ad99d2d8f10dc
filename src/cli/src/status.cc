#include <cstdio>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "report.h"
#include "terminal.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr Duration kStatusAnswer = 15s;
constexpr Duration kRemove = 120s;
constexpr std::size_t kIdShown = 12;

std::string list_of(std::vector<node::Transfer> const& transfers) {
  std::vector<std::vector<std::string>> rows{
      {"ID", "NAME", "STATE", "DONE", "SIZE", "PEERS", "DOWN", "UP", "WHY"}};
  for (auto const& transfer : transfers) {
    auto const& status = transfer.status;
    rows.push_back(
        {status.id.substr(0, kIdShown), cut_to(printable(status.name), 40),
         std::string{node::to_string(status.phase)},
         fmt::format("{}%", percent(status.bytes_verified, status.bytes_total)),
         base::format_bytes(status.bytes_total), std::to_string(transfer.peers_connected),
         base::format_rate(status.download_rate), base::format_rate(status.upload_rate),
         fmt::format("{} ({})", printable(status.why), base::format_duration(status.since))});
  }
  return table(rows);
}

}  // namespace

std::string control_text(node::NodeStatus const& status) {
  if (status.control.empty()) return "";
  return fmt::format("  control  {}, by those whom it knows; its key is {}\n", status.control,
                     status.key);
}

namespace {

std::string status_text(node::NodeStatus const& status) {
  std::string text = fmt::format("node {}, process {}, up {}\n", status.version, status.process_id,
                                 base::format_duration(status.uptime));
  text +=
      fmt::format("  page     {}\n  listens  {}\n  tracker  {}{}{}\n{}  state    {}\n", status.page,
                  status.listen, status.tracker, status.udp_tracker.empty() ? "" : " and ",
                  status.udp_tracker, control_text(status), printable(status.state_folder));
  text +=
      fmt::format("  moving   {} down, {} up; {} received, {} sent\n",
                  base::format_rate(status.download_rate), base::format_rate(status.upload_rate),
                  base::format_bytes(status.downloaded), base::format_bytes(status.uploaded));
  text += fmt::format("  runs on  {} user threads over {} LWPs; files by {}; hashes by {}\n\n",
                      status.threads_alive, status.lwps, status.file_engine, status.hash_engine);
  return text + (status.transfers.empty()
                     ? "nothing shared or fetched yet; next: mutirao share FILE\n"
                     : list_of(status.transfers));
}

/// Light to full blocks for 0 to 100 percent, so that the map needs no colour.
std::string map_text(std::vector<std::uint8_t> const& map) {
  std::string text;
  for (auto const cell : map)
    text += cell == 100 ? "█" : cell >= 67 ? "▓" : cell >= 34 ? "▒" : cell > 0 ? "░" : "·";
  return text;
}

void append_peers(std::string& text, node::Transfer const& transfer) {
  if (transfer.status.peers.empty()) return;
  std::vector<std::vector<std::string>> rows{{"  PEER", "CLIENT", "HAS", "DOWN", "UP", "STATE"}};
  for (auto const& peer : transfer.status.peers)
    rows.push_back(
        {"  " + peer.endpoint.to_string(), printable(peer.client),
         fmt::format("{:.0f}%", peer.progress * 100), base::format_rate(peer.download_rate),
         base::format_rate(peer.upload_rate),
         fmt::format("{}{}{}{}", peer.incoming ? "came to us" : "we went to it",
                     peer.they_choke ? ", chokes us" : "", peer.we_choke ? ", choked by us" : "",
                     peer.own_network ? ", own network" : "")});
  text += table(rows);
}

std::string show_text(node::Transfer const& transfer) {
  auto const& status = transfer.status;
  auto text = progress_line(transfer) + "\n";
  text += fmt::format("  state    {}: {} ({})\n", node::to_string(status.phase),
                      printable(status.why), base::format_duration(status.since));
  if (!status.mend.empty()) text += "  try      " + printable(status.mend) + "\n";
  text += fmt::format("  id       {}\n  folder   {} ({})\n", status.id, printable(transfer.folder),
                      node::to_string(transfer.origin));
  text += fmt::format("  pieces   {}/{} {}\n", status.pieces_verified, status.pieces_total,
                      map_text(transfer.piece_map));
  text += fmt::format("  bytes    {} of {} verified; {} received ({} wasted), {} sent\n",
                      base::format_bytes(status.bytes_verified),
                      base::format_bytes(status.bytes_total), base::format_bytes(status.downloaded),
                      base::format_bytes(status.wasted), base::format_bytes(status.uploaded));
  text += fmt::format("  magnet   {}\n", transfer.links.magnet);
  if (!transfer.links.torrent.empty())
    text += fmt::format("  torrent  {}\n", transfer.links.torrent);
  text += fmt::format("  peers    {} connected, {} connecting, {} known\n",
                      transfer.peers_connected, status.connecting, status.known_peers);
  append_peers(text, transfer);
  for (auto const& tracker : status.trackers)
    text += fmt::format("  tracker  {}: {}: {}\n", printable(tracker.url), tracker.state,
                        printable(tracker.why));
  for (auto const& seed : status.web_seeds)
    text += fmt::format("  web seed {}: {}: {}\n", printable(seed.url), seed.state,
                        printable(seed.why));
  for (auto const& file : transfer.files)
    text +=
        fmt::format("  file     {} ({})\n", printable(file.path), base::format_bytes(file.bytes));
  if (transfer.files.size() < transfer.files_total)
    text += fmt::format("  and {} more files\n", transfer.files_total - transfer.files.size());
  return text;
}

bool may_remove(Context const& context, node::Transfer const& transfer) {
  if (context.options.yes) return true;
  if (!is_terminal(stdin)) return false;
  auto const question =
      context.options.content
          ? fmt::format("delete {} and its files in {}? [y/N]", printable(transfer.status.name),
                        printable(transfer.folder))
          : fmt::format("forget {}? Its files stay. [y/N]", printable(transfer.status.name));
  auto const answer = ask(question);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int print(Context const& context, std::string const& text, std::string const& json) {
  if (context.options.json)
    fmt::print("{}\n", json);
  else
    fmt::print("{}", text);
  return kDone;
}

int remove(Context const& context, node::ControlClient& client) {
  auto const transfer = client.show(context.options.name, threads::within(kStatusAnswer));
  if (!transfer) return report(transfer.error(), context.options.json);
  auto const name = printable(transfer->status.name);
  if (context.options.dry_run)
    return print(
        context,
        fmt::format("would {} {}\n",
                    context.options.content ? "delete the files of and forget" : "forget", name),
        node::to_json(*transfer));
  if (!may_remove(context, *transfer))
    return report({Fault::cancelled, "nothing was removed: nobody said yes",
                   "mutirao swarm remove --yes " + transfer->status.id.substr(0, kIdShown)},
                  context.options.json);
  auto const removed =
      client.remove(transfer->status.id, context.options.content, threads::within(kRemove));
  if (!removed) return report(removed.error(), context.options.json);
  return print(
      context,
      fmt::format("removed {}{}\n", name,
                  context.options.content ? " and its files"
                                          : "; its files stay in " + printable(transfer->folder)),
      node::to_json(*removed));
}

int swarm(Context const& context, node::ControlClient& client) {
  auto const verb = context.options.verb.substr(context.options.verb.find(' ') + 1);
  auto const& name = context.options.name;
  auto const deadline = threads::within(kStatusAnswer);
  if (verb == "list") {
    auto const transfers = client.list(deadline);
    if (!transfers) return report(transfers.error(), context.options.json);
    return print(context,
                 transfers->empty() ? "nothing shared or fetched yet; next: mutirao share FILE\n"
                                    : list_of(*transfers),
                 node::to_json(*transfers));
  }
  if (verb == "remove") return remove(context, client);
  auto const transfer = verb == "verify"   ? client.verify(name, deadline)
                        : verb == "pause"  ? client.pause(name, deadline)
                        : verb == "resume" ? client.resume(name, deadline)
                                           : client.show(name, deadline);
  if (!transfer) return report(transfer.error(), context.options.json);
  return print(context, verb == "show" ? show_text(*transfer) : progress_line(*transfer) + "\n",
               node::to_json(*transfer));
}

}  // namespace

int command_status(Context const& context) {
  return with_world([&](world::World& world) {
    auto const status =
        node::ControlClient{world, context.place.control()}.status(threads::within(kStatusAnswer));
    if (!status) return report(status.error(), context.options.json);
    return print(context, status_text(*status), node::to_json(*status));
  });
}

int command_swarm(Context const& context) {
  return with_world([&](world::World& world) {
    node::ControlClient client{world, context.place.control()};
    return swarm(context, client);
  });
}

}  // namespace mutirao::cli
