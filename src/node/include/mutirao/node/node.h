#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/node/config.h"
#include "mutirao/node/library.h"
#include "mutirao/world/world.h"

namespace mutirao::node {

/// One screen about a node.
struct NodeStatus {
  std::string version;
  std::int64_t process_id = 0;
  Duration uptime{};
  std::string state_folder;
  std::string listen;        ///< "0.0.0.0:6881"
  std::string page;          ///< URL
  std::string tracker;       ///< announce URL over HTTP
  std::string udp_tracker;   ///< announce URL over UDP; empty when that port was not free
  double download_rate = 0;  ///< bytes/s
  double upload_rate = 0;
  std::uint64_t downloaded = 0;  ///< bytes of payload of the torrents listed
  std::uint64_t uploaded = 0;
  std::uint64_t threads_alive = 0;
  std::uint32_t lwps = 0;
  std::string file_engine;  ///< how files are read: io_uring or spare LWPs, with the reason
  std::string hash_engine;
  std::vector<Transfer> transfers;
  std::string control;  ///< where it is controlled from other machines; empty: nowhere
  std::string key;      ///< by which those know it
};

/// A running Mutirão: swarm, tracker, page and control socket composed from one configuration.
///
/// One TCP port speaks two protocols: a connection whose first byte is 0x13 is a peer (BEP 3), any
/// other is HTTP. The UDP tracker has the same number.
class Node {
 public:
  /// Takes the state folder (refused while another node has it), listens, and continues what it
  /// shared and fetched before. When it returns, the node answers. `world` outlives it.
  [[nodiscard]] static Result<std::unique_ptr<Node>> start(world::World& world, NodeConfig config);
  ~Node();  ///< stops; tells trackers, flushes everything

  /// Parks until request_stop(), or a stop by way of the control socket.
  Result<void> run_until_stopped();
  void request_stop() noexcept;

  [[nodiscard]] Library& library() noexcept;
  [[nodiscard]] NodeStatus status();

  struct State;

 private:
  explicit Node(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::node
