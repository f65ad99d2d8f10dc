#include <csignal>
#include <cstdio>
#include <filesystem>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/signals.h"
#include "mutirao/world/real_world.h"

#include "demo.h"
#include "interrupts.h"
#include "report.h"

namespace mutirao::cli {
namespace {

constexpr std::chrono::seconds kEndMax{10};

/// Loopback addresses from 127.0.0.11 on: each node is its own host to the others.
std::string address_of(std::uint32_t number) { return fmt::format("127.0.0.{}", 11 + number); }

Result<std::vector<DemoNode>> start_nodes(Context const& context, std::string const& folder) {
  std::vector<DemoNode> nodes;
  nodes.reserve(context.options.nodes);
  for (std::uint32_t number = 0; number < context.options.nodes; ++number) {
    auto const own = fmt::format("{}/node{}", folder, number + 1);
    std::error_code failed;
    std::filesystem::create_directories(own, failed);
    if (failed) return fail(Fault::io, fmt::format("{}: {}", own, failed.message()));
    auto process = MUT_TRY(Process::start(
        {.arguments = {"up", "--quiet", "--state", own, "--listen", address_of(number) + ":0"},
         .log_file = own + "/node.log"}));
    nodes.push_back({.name = fmt::format("node {}", number + 1),
                     .address = address_of(number),
                     .folder = own,
                     .process = std::move(process),
                     .client = nullptr,
                     .last = {}});
  }
  return nodes;
}

/// Asks all nodes to end and waits; names those that do not end well.
std::vector<std::string> end_nodes(std::vector<DemoNode>& nodes) {
  std::vector<std::string> complaints;
  for (auto& node : nodes) node.process.interrupt();
  for (auto& node : nodes) {
    auto const code = node.process.wait(kEndMax);
    if (!code)
      complaints.push_back(fmt::format("{} did not end when asked to", node.name));
    else if (*code != 0)
      complaints.push_back(fmt::format("{} ended with exit code {}", node.name, *code));
  }
  return complaints;
}

}  // namespace

int command_demo(Context const& context) {
  bool const json = context.options.json;
  threads::signal_set signals{SIGINT, SIGTERM};
  auto const folder = TemporaryFolder::make("mutirao-demo-", context.options.keep);
  if (!folder) return report(folder.error(), json);
  // From the first LWP, which lives as long as the program: the children's lives hang on it.
  auto nodes = start_nodes(context, folder->path());
  if (!nodes) return report(nodes.error(), json);

  base::StderrLog log{log_level(base::LogLevel::warning)};
  Result<DemoOutcome> outcome = fail(Fault::cancelled, "interrupted");
  bool interrupted = false;
  threads::runtime runtime;
  runtime.run([&] {
    auto const world = world::make_real_world(log);
    Demo demo{context, *world, *nodes, folder->path()};
    Interrupts interrupts{signals};
    auto const ran = interrupts.run([&]() -> Result<void> {
      outcome = MUT_TRY(demo.run());
      return {};
    });
    interrupted = interrupts.interrupted();
    if (!ran) outcome = std::unexpected{ran.error()};
    if (!outcome) demo.clear_screen();
    for (auto& node : *nodes) node.client.reset();
  });
  auto const complaints = end_nodes(*nodes);
  if (interrupted) {
    fmt::print(stderr, "interrupted; all nodes ended and their files are removed\n");
    return kInterrupted;
  }
  if (!outcome) return report(outcome.error(), json);
  outcome->machine = show_machine(context, folder->path(), signals);
  if (context.options.check)
    outcome->complaints.insert(outcome->complaints.end(), complaints.begin(), complaints.end());
  auto const text = json ? demo_json(*outcome, *nodes) : demo_summary(*outcome, *nodes);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (context.options.keep && !json) fmt::print("kept: {}\n", folder->path());
  return outcome->ok() ? kDone : outcome->verified < outcome->wanted ? kCorrupt : kFailed;
}

}  // namespace mutirao::cli
