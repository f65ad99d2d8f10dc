#include "command_line.h"

#include <algorithm>
#include <array>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "mutirao/node/config.h"

namespace mutirao::cli {
namespace {

constexpr char kEveryday[] = "Everyday";
constexpr char kMore[] = "More";
constexpr char kProgram[] = "About the program";

CLI::App* verb(CLI::App& under, std::string const& name, std::string const& about,
               std::string const& group) {
  auto* command = under.add_subcommand(name, about);
  command->group(group);
  command->fallthrough();  // --json and --state also after the verb
  return command;
}

void add_up(CLI::App& app, Options& options) {
  auto* up = verb(app, "up", "Run a node here", kEveryday);
  up->add_flag("--detach", options.detach,
               "Return once the node answers; it goes on in the background");
  up->add_option("--listen", options.listen,
                 "ADDRESS:PORT for peers, page and tracker (default: port 6881 on every address)")
      ->type_name("ADDRESS");
  up->add_option("--control-port", options.control_port,
                 "Let commands of other machines reach this node there, those whose keys it knows "
                 "(mutirao key allow)")
      ->type_name("PORT");
  up->add_option("--url", options.url,
                 "How others reach this node, when it is not by its own addresses")
      ->type_name("URL");
  up->add_option("--folder", options.folder, "Where downloads go when a request names no folder")
      ->type_name("DIR");
  up->add_flag("--allow-internal", options.internal,
               "Let torrents lead to trackers and web seeds at internal addresses");
  up->add_option("--upload-limit", options.upload_limit,
                 "Most bytes a second that the node sends (16MB; default: no limit)")
      ->transform(CLI::AsSizeValue(true))
      ->type_name("BYTES");
  up->add_option("--download-limit", options.download_limit, "Most bytes a second that it receives")
      ->transform(CLI::AsSizeValue(true))
      ->type_name("BYTES");
  up->add_option("--ready-fd", options.ready_fd, "")->group("");
}

void add_share(CLI::App& app, Options& options) {
  auto* share = verb(app, "share", "Publish files or folders; prints links to them", kEveryday);
  share
      ->add_option("PATH", options.paths,
                   "Files or folders, which stay where they are; - is standard input")
      ->required();
  share->add_option("--format", options.format, "Kind of torrent: hybrid (default), v1 or v2")
      ->type_name("KIND")
      ->check(CLI::IsMember({"hybrid", "v1", "v2"}));
  share
      ->add_option("--tracker", options.trackers,
                   "One more tracker, besides this node; may be repeated")
      ->type_name("URL")

      ->allow_extra_args(false);
  share->add_flag("--private", options.is_private, "Only the trackers may introduce peers");
  share->add_option("--comment", options.comment, "A text for those who get it")->type_name("TEXT");
  share
      ->add_option("--name", options.as,
                   "Name of what comes from standard input; the node keeps it in its folder")
      ->type_name("NAME");
}

void add_get(CLI::App& app, Options& options) {
  auto* get =
      verb(app, "get", "Fetch a magnet link, a .torrent file, or the URL of one", kEveryday);
  get->add_option("WHAT", options.what, "Magnet link, .torrent file or http(s) URL")->required();
  get->add_option("-o,--output", options.folder, "Folder for the files (default: this one)")
      ->type_name("DIR");
  get->add_flag("--allow-internal", options.internal,
                "Also talk to trackers at internal addresses that a .torrent names");
  get->add_flag("--background", options.background, "Do not wait until it is complete");
  get->add_option("--timeout", options.timeout_s,
                  "Give up waiting after so many seconds; the download goes on")
      ->type_name("SECONDS");
}

void add_swarm(CLI::App& app, Options& options) {
  auto* swarm = verb(app, "swarm", "What this node shares and fetches", kMore);
  swarm->require_subcommand(1);
  verb(*swarm, "list", "One line for each torrent", "");
  auto const named = [&](char const* name, char const* about) {
    auto* command = verb(*swarm, name, about, "");
    command->add_option("NAME", options.name, "Name, id, or the first 6 or more digits of the id")
        ->required();
    return command;
  };
  named("show", "Pieces, peers, trackers and files of a torrent");
  named("verify", "Check all content against its hashes; what is wrong is fetched again");
  auto* remove = named("remove", "Forget a torrent");
  remove->add_flag("--content", options.content,
                   "Delete its files as well, also those shared in place");
  remove->add_flag("--yes", options.yes, "Do not ask");
  remove->add_flag("--dry-run", options.dry_run, "Only say what would be removed");
  named("pause", "Stop moving a torrent's bytes");
  named("resume", "Go on with a paused torrent");
}

void add_boot(CLI::App& app, Options& options) {
  auto* boot =
      verb(app, "boot", "Run a whole system for RISC-V, its console on this terminal", kMore);
  boot->add_option("IMAGE", options.image,
                   "Its first disk, with a system on it that a boot loader starts; see --disk")
      ->type_name("");
  boot->add_option("--loader", options.loader,
                   "The boot loader: U-Boot for supervisor mode (default: that of the package "
                   "u-boot-qemu)")
      ->type_name("FILE");
  boot->add_option("--kernel", options.kernel,
                   "Linux as an Image, plain or compressed, or an ELF file")
      ->type_name("FILE");
  boot->add_option("--initrd", options.initrd, "Its first file system")->type_name("FILE");
  boot->add_option("--append", options.append, "Its command line: console=ttyS0")
      ->type_name("TEXT");
  boot->add_option("--firmware", options.firmware,
                   "Runs first, in machine mode, in place of what is built in: OpenSBI")
      ->type_name("FILE");
  boot->add_option("--disk", options.disks,
                   "A disk: a raw image that is written, or one in qcow2, whose changes go to "
                   "IMAGE.overlay; "
                   "with ,overlay=FILE they go there; may be repeated")
      ->type_name("IMAGE")
      ->allow_extra_args(false);
  boot->add_flag("--snapshot", options.snapshot,
                 "Leave all disks as they are: what is written to them is gone when it ends");
  boot->add_option("--share", options.shares,
                   "A folder, as FOLDER:TAG, that it mounts by its tag as virtiofs; FOLDER:TAG:ro "
                   "only to read; may be repeated")
      ->type_name("FOLDER")
      ->allow_extra_args(false);
  boot->add_option("--cpus", options.cpus, "Processors (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 16));
  boot->add_option("--memory", options.memory_mb, "Memory in MiB (default 1024)")
      ->type_name("MIB")
      ->check(CLI::Range(16, 1 << 20));
  boot->add_option("--network", options.network,
                   "What it reaches: off (default), the internet, or the lan as well; never this "
                   "host, unless allowed")
      ->type_name("REACH")
      ->check(CLI::IsMember({"off", "internet", "lan"}));
  boot->add_option("--allow", options.allowed,
                   "It reaches this too; 127.0.0.1:8080 is 10.0.2.2:8080 inside; may be repeated")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false);
  boot->add_option("--publish", options.published,
                   "A port here (of 127.0.0.1, or of an address in front) that leads to one of its "
                   "own: 2222:22, 0.0.0.0:5353:53/udp; may be repeated")
      ->type_name("PORT:PORT")
      ->allow_extra_args(false);
  boot->add_flag("--vsock", options.vsock,
                 "Programs of this host and its own talk over virtio sockets; needs a name, by "
                 "which they are found");
  boot->add_option(
          "--engine", options.engine,
          "How instructions are executed: jit (default), interp, or audit, which does both "
          "and compares")
      ->type_name("KIND")
      ->check(CLI::IsMember({"jit", "interp", "audit"}));
  boot->add_flag("--deterministic", options.deterministic,
                 "Time follows the instructions: the same start gives the same run");
  boot->add_option("--seed", options.seed,
                   "Of the entropy that it starts with, with --deterministic")
      ->type_name("N");
  boot->add_option("--name", options.name, "What mutirao machine knows it by")->type_name("NAME");
  boot->add_flag("--detach", options.detach,
                 "Return once it runs; it goes on in the background, and needs a name");
  boot->add_option("--isolation", options.isolation,
                   "Walls around it: as far as the system allows (possible, the default), or all "
                   "of them or nothing (required)")
      ->type_name("KIND")
      ->check(CLI::IsMember({"possible", "required"}));
  boot->add_option("--ready-fd", options.ready_fd, "")->group("");
}

void add_restore(CLI::App& machine, Options& options) {
  auto* restore = verb(machine, "restore",
                       "Go on with a snapshot, its console on this terminal, with all that the "
                       "machine had; only with a file that you trust",
                       "");
  restore->add_option("FILE", options.file, "As mutirao machine snapshot made it")->required();
  restore->add_option("--name", options.name, "Another name than it had")->type_name("NAME");
  restore->add_flag("--detach", options.detach,
                    "Return once it runs; it goes on in the background");
  auto const list = [&](char const* flag, std::vector<std::string>& values, char const* about,
                        char const* type) {
    restore->add_option(flag, values, about)->type_name(type)->allow_extra_args(false);
  };
  list("--disk", options.disks,
       "Where its disks are now, as IMAGE or IMAGE,overlay=FILE, all of them in their order; "
       "repeated",
       "IMAGE");
  list("--share", options.shares,
       "Its folders now, all of them by the tags that they had; repeated", "FOLDER");
  restore->add_option("--network", options.network_now, "Another reach than it had")
      ->type_name("REACH")
      ->check(CLI::IsMember({"off", "internet", "lan"}));
  list("--allow", options.allowed, "In place of all that it was allowed; may be repeated",
       "HOST:PORT");
  list("--publish", options.published, "In place of all ports that it had; may be repeated",
       "PORT:PORT");
  restore->add_option("--engine", options.engine_now, "jit or interp")
      ->type_name("KIND")
      ->check(CLI::IsMember({"jit", "interp"}));
  restore
      ->add_option("--isolation", options.isolation, "As of mutirao boot; never less than it had")
      ->type_name("KIND")
      ->check(CLI::IsMember({"possible", "required"}));
  restore->add_option("--ready-fd", options.ready_fd, "")->group("");
}

void add_machine(CLI::App& app, Options& options) {
  auto* machine = verb(app, "machine", "The machines that were booted with a name", kMore);
  machine->require_subcommand(1);
  verb(*machine, "list", "One line for each: whether it runs, its size, since when, from what", "");
  auto const named = [&](char const* name, char const* about) {
    auto* command = verb(*machine, name, about, "");
    command->add_option("NAME", options.name, "Name of the machine")->required();
    return command;
  };
  named("console", "Its console on this terminal; Ctrl-] leaves, and the machine goes on")
      ->add_flag("--watch", options.watch, "Look only: somebody else may type");
  named("show", "All about one");
  named("stop", "Ask it to end; it is ended when it does not")
      ->add_option("--patience", options.patience_s,
                   "So many seconds it has for that (default 10); 0 ends it at once")
      ->type_name("SECONDS");
  named("remove", "Forget a machine that does not run; its disks stay where they are");
  auto* snapshot = named("snapshot", "Take one that runs to a file, as it is; it goes on");
  snapshot->add_option("FILE", options.file, "Where to; what is there is replaced at the end")
      ->required();
  snapshot->add_flag("--stop", options.stop, "It ends once it is saved; one that has disks must");
  add_restore(*machine, options);
  auto* exec = verb(*machine, "exec", "Run a program for Linux on RISC-V, without a machine", "");
  exec->add_option("PROGRAM", options.program, "An ELF file, linked statically")->required();
  exec->add_option("ARGUMENT", options.arguments, "What it is given; flags too, behind its name");
  exec->add_flag("--trace", options.trace_calls, "Say which system calls it misses");
  exec->add_option("--engine", options.engine,
                   "How instructions are executed: jit (default) or interp")
      ->type_name("KIND")
      ->check(CLI::IsMember({"jit", "interp"}));
}

void add_sim(CLI::App& app, Options& options) {
  auto* sim = verb(app, "sim", "Play a scenario in a simulated network, faults and all", kMore);
  sim->require_subcommand(1);
  auto const of_scenario = [&](char const* name, char const* about) {
    auto* command = verb(*sim, name, about, "");
    command
        ->add_option("SCENARIO", options.scenario,
                     "Name of a shipped scenario (mutirao sim list), or a file")
        ->required();
    command
        ->add_option("--set", options.settings,
                     "Another value for a key of the scenario: network.loss=0.1; may be repeated")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false);
    command->add_option("--peers", options.peers, "Another number of peers")->type_name("N");
    return command;
  };
  auto const seeded = [&](CLI::App* command, char const* about) {
    command->add_option("--seed", options.seed, about)->type_name("S");
  };
  auto* run = of_scenario("run", "Run it; fails when something goes wrong that must not");
  seeded(run, "Seed of the run, the first one of several (default 1)");
  run->add_option("--seeds", options.seed_count, "Run so many seeds, one after another")
      ->type_name("N")
      ->check(CLI::Range(1, 1'000'000));
  run->add_option("--jobs", options.jobs, "Seeds that run at the same time (default 1)")
      ->type_name("J")
      ->check(CLI::Range(1, 256));
  run->add_flag("--twice", options.twice,
                "Run each seed again in a process of its own and compare the traces");
  auto* replay = of_scenario("replay", "Run one seed again, with the logs of its hosts");
  seeded(replay, "Seed of the run (default 1)");
  replay->add_option("--until", options.until, "End at that virtual time, such as \"90 s\"")
      ->type_name("TIME");
  replay
      ->add_option("--events", options.events,
                   "Print these events of the trace and nothing else, such as 1000..1100")
      ->type_name("A..B");
  replay->add_option("--trace", options.trace, "Trace of an earlier run, to compare with")
      ->type_name("HASH");
  auto* minimise = of_scenario("minimise", "Make a failing run as small as it can be");
  seeded(minimise, "Seed of the run that fails (default 1)");
  verb(*sim, "list", "The shipped scenarios", "");
  of_scenario("show", "Print a scenario, with every key and what it is for");
}

void add_thread(CLI::App& app) {
  auto* thread = verb(app, "thread", "What the threads of this node do and wait for", kMore);
  thread->require_subcommand(1);
  verb(*thread, "list", "One line for each, indented by the scope it lives in", "");
  verb(*thread, "top", "Who is busy and who has waited longest, anew every second until Ctrl-C",
       "");
}

void add_object(CLI::App& app, Options& options) {
  auto* object = verb(app, "object", "What this node can be asked to do, and to do it", kMore);
  object->require_subcommand(1);
  verb(*object, "list", "One line for each object", "");
  verb(*object, "show", "Methods of an object, and the records they speak of", "")
      ->add_option("NAME", options.name, "Name of the object: library")
      ->required();
  auto* call = verb(*object, "call", "Call a method; prints its value as JSON", "");
  call->add_option("NAME.METHOD", options.name, "The method of an object: library.list")
      ->required();
  call->add_option("JSON", options.arguments,
                   "A JSON value for each parameter; a string may go without its quotes");
  call->add_option("--items", options.items,
                   "End a method that yields after so many values (default 100)")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000));
  call->add_option("--timeout", options.timeout_s,
                   "Give up waiting after so many seconds (default 60)")
      ->type_name("SECONDS");
  call->add_option("--capability", options.capability,
                   "What allows to call a guarded object (default: $MUTIRAO_CAPABILITY)")
      ->type_name("TEXT");
  verb(*object, "trace", "The last calls and the calls that they made, as trees", "")
      ->add_flag("--follow", options.follow, "Go on with those that come, until Ctrl-C");
  verb(*object, "schema", "Print all that a node of this version offers; asks no node", "");
}

void add_interceptor(CLI::App& app, Options& options) {
  auto* interceptor =
      verb(app, "interceptor", "What every call and message of this node passes", kMore);
  interceptor->require_subcommand(1);
  auto const changes = [&](CLI::App* command) {
    command->add_option("--reason", options.reason, "Why; it is written down")->type_name("TEXT");
    command->final_callback([&options] {
      if (options.reason.empty() && !options.dry_run) throw CLI::RequiredError("--reason");
    });
    command
        ->add_option("--confirm-within", options.confirm_within_s,
                     "Take it back unless it is confirmed within so many seconds")
        ->type_name("SECONDS");
  };
  auto const edits = [&](char const* name, char const* about) {
    auto* command = verb(*interceptor, name, about, "");
    command
        ->add_option("SIDE", options.side,
                     "server: calls of others; client: calls of this node; message: what goes over "
                     "connections")
        ->required()
        ->check(CLI::IsMember({"server", "client", "message"}));
    command->add_option("NAME", options.name, "Name of the interceptor")->required();
    changes(command);
    command
        ->add_option("--trial", options.trial_s,
                     "Try it on 1 % of the calls, then on 10 %, for so many seconds each; take it "
                     "back when it does harm")
        ->type_name("SECONDS");
    command->add_flag("--dry-run", options.dry_run,
                      "Only say what would be done; fails when it can't be");
    return command;
  };
  verb(*interceptor, "list",
       "The chains of all sides, in the order in which calls and messages pass", "");
  verb(*interceptor, "kinds", "What can be added, and its settings", "");
  auto* add = edits("add", "Put one into a chain, live");
  add->add_option("--kind", options.kind, "What it is, when its name does not say so")
      ->type_name("KIND");
  add->add_option("--set", options.settings, "A setting; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  edits("remove", "Take one out of a chain, live");
  auto* confirm = verb(*interceptor, "confirm", "Keep a change that waits for it", "");
  confirm->add_option("REVISION", options.revision, "The number of the change")->required();
  auto* rollback = verb(*interceptor, "rollback", "Make the chains what they were", "");
  rollback->add_option("REVISION", options.revision, "The revision to go back to")->required();
  rollback->add_option("--reason", options.reason, "Why; it is written down")
      ->type_name("TEXT")
      ->required();
  verb(*interceptor, "history", "What was changed, by whom, why, and what came of it", "");
}

void add_component(CLI::App& app, Options& options) {
  auto* component = verb(app, "component", "What this node is made of", kMore);
  component->require_subcommand(1);
  verb(*component, "list", "One line for each: its state, and what needs what", "");
  auto* swap = verb(*component, "swap", "Replace one while calls come", "");
  swap->add_option("NAME", options.name, "Name of the component")->required();
  swap->add_option("--kind", options.kind, "What takes its place (default: the same kind, anew)")
      ->type_name("KIND");
  swap->add_option("--reason", options.reason, "Why; it is written down")
      ->type_name("TEXT")
      ->required();
}

void add_key(CLI::App& app, Options& options) {
  auto* key = verb(app, "key", "Who may control a node from another machine", kMore);
  key->require_subcommand(1);
  verb(*key, "show", "Print the key of this machine, for others to allow or to trust", "");
  verb(*key, "list", "The keys that may control the node, one line for each", "");
  auto* allow = verb(*key, "allow", "Let a key control the node", "");
  allow->add_option("KEY", options.key, "As mutirao key show prints it on the other machine")
      ->required();
  allow->add_option("--role", options.role, "viewer: may look (default); owner: may do everything")
      ->type_name("ROLE")
      ->check(CLI::IsMember({"viewer", "owner"}));
  allow->add_option("--name", options.name, "Whose it is, for people")->type_name("TEXT");
  verb(*key, "revoke", "Let it control the node no more; its connections end", "")
      ->add_option("KEY", options.key, "The key, or its name")
      ->required();
  auto* trust = verb(*key, "trust", "Trust that a node of another machine has that key", "");
  trust->add_option("HOST:PORT", options.place, "Where that node is controlled")->required();
  trust->add_option("KEY", options.key, "As mutirao key show prints it there")->required();
}

void add_rest(CLI::App& app, Options& options) {
  verb(app, "status", "This node and its transfers on one screen", kEveryday);
  verb(app, "stop", "End the node; it continues at the next start", kEveryday);
  verb(app, "doctor", "Check what the node stands on, with the mend for what is not well",
       kEveryday);
  auto* demo =
      verb(app, "demo", "See a real file travel: one node shares it, six fetch it", kEveryday);
  demo->add_option("--file", options.file, "The file to send (default: a generated one)")
      ->type_name("PATH");
  demo->add_option("--size", options.size_mb, "Size of the generated file, in MB (default 200)")
      ->type_name("MB")
      ->check(CLI::Range(1, 100'000));
  demo->add_option("--seed", options.seed, "What the generated file is generated from (default 1)")
      ->type_name("N");
  demo->add_option("--nodes", options.nodes,
                   "Nodes in all, the one that shares included (default 7)")
      ->type_name("N")
      ->check(CLI::Range(2, 64));
  demo->add_option("--timeout", options.timeout_s, "Fail when it takes longer (default 300)")
      ->type_name("SECONDS");
  demo->add_flag("--check", options.check,
                 "Also check page, tracker and amounts; fail when one is off");
  demo->add_option("--kernel", options.kernel,
                   "A kernel for RISC-V, which a machine boots in the end; ./run gives one")
      ->type_name("FILE");
  demo->add_option("--initrd", options.initrd, "Its first file system")->type_name("FILE");
  demo->add_flag("--keep", options.keep, "Leave the folder with the copies and logs");
  add_boot(app, options);
  add_machine(app, options);
  add_swarm(app, options);
  add_thread(app);
  add_object(app, options);
  add_component(app, options);
  add_interceptor(app, options);
  add_key(app, options);
  auto* config = verb(app, "config", "What this node was told, and by what", kMore);
  config->require_subcommand(1);
  verb(*config, "list", "One line for each value: what it is, and where it came from", "");
  add_sim(app, options);
  verb(app, "version", "Print the version", kProgram);
  auto* completion = verb(app, "completion", "Print completions for a shell", kProgram);
  completion->add_option("SHELL", options.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb(app, "manpage", "Print the manual page", kProgram);
  auto* help = verb(app, "help", "Explain a command", kProgram);
  help->add_option("COMMAND", options.topic, "The command to explain");
}

/// CLI11 takes "[1,2]" for a list of two words where several may stand. A mark in front of it keeps
/// the word whole, and is taken off before anybody sees it.
constexpr char kWholeWord = '\x1f';

std::string marked_whole(std::string const& word) {
  return word.starts_with('[') && word.ends_with(']') ? kWholeWord + word : word;
}

void take_words_whole(CLI::App& app) {
  for (auto* option : app.get_options())
    option->transform([](std::string word) {
      if (word.starts_with(kWholeWord)) word.erase(0, 1);
      return word;
    });
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; }))
    take_words_whole(*command);
}

/// How many words are ours: those behind the program of `machine exec` are for it, whatever they
/// look like.
std::size_t words_of_ours(std::vector<std::string> const& words) {
  constexpr std::array<std::string_view, 3> kWithValue{"--engine", "--state", "--at"};
  constexpr std::array<std::string_view, 2> kExec{"machine", "exec"};
  auto const exec = std::ranges::search(words, kExec);
  auto at = exec.end();
  while (at != words.end() && at->starts_with("-")) {
    bool const takes_next = std::ranges::find(kWithValue, *at) != kWithValue.end();
    at += takes_next && at + 1 != words.end() ? 2 : 1;
  }
  if (exec.empty() || at == words.end()) return words.size();
  return static_cast<std::size_t>(at - words.begin()) + 1;
}

struct Grammar {
  Options options;
  CLI::App app{"Shares and fetches files among machines, with no server in between"};

  Grammar() {
    app.name("mutirao");
    app.require_subcommand(0, 1);
    app.set_help_flag("-h,--help", "Explain a command");
    app.add_option(
           "--state", options.state,
           "Folder of the node to use (default: $MUTIRAO_STATE_DIR, else ~/.local/state/mutirao)")
        ->type_name("DIR");
    app.add_option("--at", options.at,
                   "HOST:PORT of a node on another machine, by its control port (default: "
                   "$MUTIRAO_AT, else the node of this machine)")
        ->type_name("HOST:PORT");
    app.add_flag("--version", options.version, "Print the version");
    app.add_flag("--json", options.json,
                 "Print JSON for programs; docs/reference/json.md names the keys");
    app.add_flag("-q,--quiet", options.quiet, "Print results and errors only");
    app.add_flag("--no-progress", options.no_progress, "Do not show progress");
    add_up(app, options);
    add_share(app, options);
    add_get(app, options);
    add_rest(app, options);
    take_words_whole(app);
  }
};

void describe_option(CLI::Option const& option, CommandInfo& into) {
  if (option.get_group().empty()) return;
  if (option.get_positional()) {
    into.arguments.push_back({option.get_single_name(), option.get_description(),
                              option.get_required(), option.get_items_expected_max() > 1});
    return;
  }
  FlagInfo flag;
  for (auto const& name : option.get_snames()) flag.names.push_back("-" + name);
  for (auto const& name : option.get_lnames()) flag.names.push_back("--" + name);
  // The validators follow the name of the type after a colon.
  if (option.get_items_expected_max() > 0)
    flag.value = option.get_type_name().substr(0, option.get_type_name().find(':'));
  flag.about = option.get_description();
  into.flags.push_back(std::move(flag));
}

CommandInfo describe(CLI::App const& app) {
  CommandInfo info;
  info.name = app.get_name();
  info.about = app.get_description();
  info.group = app.get_group();
  for (auto const* option : app.get_options()) describe_option(*option, info);
  for (auto const* command : app.get_subcommands([](CLI::App const*) { return true; }))
    info.commands.push_back(describe(*command));
  return info;
}

/// The words of the chosen command, from the outermost.
std::vector<std::string> chosen(CLI::App const& app) {
  std::vector<std::string> words;
  for (auto const* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    words.push_back(at->get_name());
  }
  return words;
}

}  // namespace

CommandInfo const& command_tree() {
  static CommandInfo const tree = describe(Grammar{}.app);
  return tree;
}

Result<Options> parse_command_line(std::vector<std::string> const& all_words) {
  auto const ours = words_of_ours(all_words);
  std::vector<std::string> const words{all_words.begin(),
                                       all_words.begin() + static_cast<std::ptrdiff_t>(ours)};
  if (auto known = check_words(command_tree(), words); !known)
    return std::unexpected{std::move(known).error()};
  Grammar grammar;
  std::vector<std::string> reversed;
  std::ranges::transform(words.rbegin(), words.rend(), std::back_inserter(reversed), marked_whole);
  try {
    grammar.app.parse(reversed);
  } catch (CLI::CallForHelp const&) {
    grammar.options.topic = chosen(grammar.app);
    grammar.options.verb = "help";
    return grammar.options;
  } catch (CLI::Error const& error) {
    std::string command = "mutirao";
    for (auto const& word : chosen(grammar.app)) command += " " + word;
    std::string what = error.what();
    std::erase(what, kWholeWord);
    return fail(Fault::invalid, std::move(what), command + " --help");
  }
  if (auto known = check_topic(command_tree(), grammar.options.topic); !known)
    return std::unexpected{std::move(known).error()};
  if (grammar.options.version) {
    grammar.options.verb = "version";
    return grammar.options;
  }
  for (auto const& word : chosen(grammar.app))
    grammar.options.verb += (grammar.options.verb.empty() ? "" : " ") + word;
  if (grammar.options.verb.empty()) grammar.options.verb = "help";
  grammar.options.arguments.insert(grammar.options.arguments.end(),
                                   all_words.begin() + static_cast<std::ptrdiff_t>(ours),
                                   all_words.end());
  return grammar.options;
}

}  // namespace mutirao::cli
