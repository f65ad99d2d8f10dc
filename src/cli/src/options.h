#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mutirao::cli {

/// The command line, understood. `verb` is the words of the command ("swarm list").
struct Options {
  std::string verb;

  // Every command
  bool version = false;  ///< instead of any verb
  std::string state;     ///< --state; empty: as the environment says
  std::string at;        ///< --at, the same
  bool json = false;
  bool quiet = false;
  bool no_progress = false;

  // up
  bool detach = false;
  std::string listen;
  std::optional<std::uint16_t> control_port;
  std::string url;
  std::string folder;  ///< where downloads go; of get: -o
  bool internal = false;
  std::uint64_t upload_limit = 0;    ///< bytes/s, 0: none
  std::uint64_t download_limit = 0;  ///< bytes/s, 0: none
  int ready_fd = -1;                 ///< where a detached node tells its starter that it answers

  // share
  std::vector<std::string> paths;
  std::string format = "hybrid";
  std::vector<std::string> trackers;
  bool is_private = false;
  std::string comment;
  std::string as;  ///< the name of what comes from standard input

  // get
  std::string what;
  bool background = false;
  std::uint32_t timeout_s = 0;  ///< 0: none; also of demo

  // swarm
  std::string name;
  bool content = false;
  bool yes = false;
  bool dry_run = false;

  // object; its name is that of swarm, its --timeout that of get
  std::vector<std::string> arguments;  ///< a JSON value each
  std::uint32_t items = 100;           ///< at most so many of a method that yields
  std::string capability;              ///< empty: as the environment says
  bool follow = false;

  // boot; its seed is that of demo, its name that of swarm, its --detach that of up
  std::string image;  ///< a disk, and what is on it is started
  std::string loader;
  std::string kernel;
  std::string initrd;
  std::string append;
  std::string firmware;
  std::vector<std::string> disks;   ///< IMAGE[,overlay=FILE]; the image is one too
  bool snapshot = false;            ///< what is written to disks is not kept
  std::vector<std::string> shares;  ///< FOLDER:TAG[:ro]
  std::string engine = "jit";
  unsigned cpus = 1;
  std::uint32_t memory_mb = 1024;
  std::string network = "off";  ///< how far the guest reaches
  std::vector<std::string> allowed;
  std::vector<std::string> published;
  bool vsock = false;
  bool deterministic = false;
  std::string isolation = "possible";

  // machine; its name is that of swarm, the arguments of a program are those of object
  std::string program;
  bool trace_calls = false;
  bool watch = false;
  std::uint32_t patience_s = 10;  ///< how long a machine may take to end by itself
  // of a snapshot; its file is that of demo, and what a restored machine is given is that of boot
  bool stop = false;
  std::string restored_from;            ///< goes on with it in place of booting
  std::string network_now, engine_now;  ///< empty: as it had

  // demo; its guest is that of boot
  std::string file;
  std::uint32_t nodes = 7;
  std::uint32_t size_mb = 200;
  std::uint64_t seed = 1;
  bool check = false;
  bool keep = false;

  // sim; --seed is the demo's
  std::string scenario;  ///< a shipped one, or a file
  std::optional<std::uint64_t> peers;
  std::uint32_t seed_count = 1;
  std::uint32_t jobs = 1;
  std::vector<std::string> settings;  ///< KEY=VALUE
  bool twice = false;
  std::string until;   ///< a time such as "90 s"
  std::string events;  ///< A..B
  std::string trace;   ///< the hash of an earlier run

  // interceptor, component; --set is the scenario's, NAME and --dry-run those of swarm
  std::string kind;
  std::string side;
  std::string reason;
  std::uint32_t confirm_within_s = 0;
  std::uint32_t trial_s = 0;
  std::uint64_t revision = 0;

  // key; its NAME is that of swarm
  std::string key;
  std::string place;  ///< HOST:PORT
  std::string role = "viewer";

  // completion, help
  std::string shell;
  std::vector<std::string> topic;
};

}  // namespace mutirao::cli
