#include "mutirao/base/units.h"
#include "mutirao/node/json.h"

#include "demo.h"
#include "text.h"

namespace mutirao::cli {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>{duration}.count(); }

}  // namespace

std::string demo_summary(DemoOutcome const& outcome, std::vector<DemoNode> const& nodes) {
  auto const rate = seconds(outcome.took) > 0
                        ? static_cast<double>(outcome.delivered_bytes) / seconds(outcome.took)
                        : 0;
  auto const copies = outcome.file.bytes > 0 ? static_cast<double>(outcome.first_sent_bytes) /
                                                   static_cast<double>(outcome.file.bytes)
                                             : 0;
  std::string text = "\n";
  std::vector<std::vector<std::string>> rows;
  for (auto const& node : nodes) {
    bool const first = &node == &nodes.front();
    rows.push_back({"  " + node.name, node.address,
                    first           ? "shared"
                    : node.verified ? "verified"
                                    : "WRONG",
                    first ? "" : "in " + base::format_duration(node.took),
                    first ? "" : "received " + base::format_bytes(node.last.status.downloaded),
                    "sent " + base::format_bytes(node.last.status.uploaded)});
  }
  text += table(rows);
  text += fmt::format("\ndelivered {} in {} ({})\n", base::format_bytes(outcome.delivered_bytes),
                      base::format_duration(outcome.took), base::format_rate(rate));
  text += fmt::format("the first node sent {}: {:.2f} copies for {} nodes\n",
                      base::format_bytes(outcome.first_sent_bytes), copies, outcome.wanted);
  for (auto const& complaint : outcome.complaints)
    text += fmt::format("wrong: {}\n", printable(complaint));
  text += outcome.verified == outcome.wanted
              ? fmt::format("all {} copies verified by SHA-256\n", outcome.wanted)
              : fmt::format("only {} of {} copies are right\n", outcome.verified, outcome.wanted);
  text += machine_summary(outcome.machine);
  return text +
         "\nnext:\n  mutirao share FILE     publish a file of yours; prints its link\n  mutirao "
         "get LINK       fetch it on another machine\n  mutirao status         see what your node "
         "does\n";
}

std::string demo_json(DemoOutcome const& outcome, std::vector<DemoNode> const& nodes) {
  std::string list;
  for (auto const& node : nodes) {
    bool const first = &node == &nodes.front();
    list += fmt::format(
        "{}{{\"name\":{},\"address\":{},\"role\":\"{}\",\"verified\":{},\"seconds\":{:.3f},"
        "\"received_bytes\":{},\"sent_bytes\":{},\"wasted_bytes\":{}}}",
        list.empty() ? "" : ",", node::json_string(node.name), node::json_string(node.address),
        first ? "shares" : "fetches", first || node.verified, seconds(node.took),
        node.last.status.downloaded, node.last.status.uploaded, node.last.status.wasted);
  }
  std::string complaints;
  for (auto const& complaint : outcome.complaints)
    complaints += (complaints.empty() ? "" : ",") + node::json_string(complaint);
  return fmt::format(
      "{{\"file\":{{\"name\":{},\"bytes\":{},\"sha256\":\"{}\"}},\"seconds\":{:.3f},\"delivered_"
      "bytes\":{},\"first_sent_bytes\":{},\"copies_wanted\":{},\"copies_verified\":{},"
      "\"complaints\":[{}],\"nodes\":[{}],\"machine\":{},\"ok\":{}}}\n",
      node::json_string(outcome.file.name), outcome.file.bytes, outcome.file.sha256,
      seconds(outcome.took), outcome.delivered_bytes, outcome.first_sent_bytes, outcome.wanted,
      outcome.verified, complaints, list, machine_json(outcome.machine), outcome.ok());
}

}  // namespace mutirao::cli
