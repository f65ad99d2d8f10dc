#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mutirao/node/control_client.h"

#include "commands.h"
#include "demo_file.h"
#include "demo_machine.h"
#include "process.h"
#include "terminal.h"

namespace mutirao::cli {

/// One node of the demo: a real process with a loopback address and a state folder of its own.
struct DemoNode {
  std::string name;     ///< "node 1"
  std::string address;  ///< "127.0.0.11"
  std::string folder;   ///< its state; copies lie in `folder`/copies
  Process process;
  std::unique_ptr<node::ControlClient> client;
  node::Transfer last;  ///< as seen last
  bool complete = false;
  Duration took{};        ///< from the first get to its last byte
  bool verified = false;  ///< its copy has the digest of the original
};

/// What a run came to.
struct DemoOutcome {
  DemoFile file;
  Duration took{};
  std::uint64_t delivered_bytes = 0;
  std::uint64_t first_sent_bytes = 0;
  std::size_t wanted = 0;
  std::size_t verified = 0;
  std::vector<std::string> complaints;  ///< of --check; empty when all is well
  DemoMachine machine;
  [[nodiscard]] bool ok() const noexcept {
    return wanted > 0 && verified == wanted && complaints.empty() &&
           machine.booted == machine.wanted;
  }
};

/// Shows a file travelling from one node to the others, and proves it.
class Demo {
 public:
  Demo(Context const& context, world::World& world, std::vector<DemoNode>& nodes,
       std::string folder);
  Result<DemoOutcome> run();
  void clear_screen() { screen_.clear(); }

 private:
  Result<DemoOutcome> show_all();
  Result<void> wait_until_all_answer();
  Result<DemoFile> prepare_file();
  Result<void> share_and_get();
  Result<void> follow();
  Result<void> look(TimePoint began);
  Result<void> verify_copies();
  void check_more();
  void show(bool also_plain);
  [[nodiscard]] std::string line_of(DemoNode const& node) const;
  [[nodiscard]] bool says() const noexcept {
    return !context_.options.json && !context_.options.quiet;
  }

  Context const& context_;
  world::World& world_;
  std::vector<DemoNode>& nodes_;
  std::string folder_;
  Screen screen_;
  DemoOutcome outcome_;
  node::Transfer shared_;
};

[[nodiscard]] std::string demo_summary(DemoOutcome const& outcome,
                                       std::vector<DemoNode> const& nodes);
[[nodiscard]] std::string demo_json(DemoOutcome const& outcome, std::vector<DemoNode> const& nodes);

}  // namespace mutirao::cli
