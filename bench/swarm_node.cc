#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "mutirao/base/log.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/signals.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

// One node of a benchmark as its own process: a seed or a leech of one torrent, without tracker or
// control. Prints a line of JSON when it has everything, and one with its figures when it ends.
//
// With --read COUNT it fetches nothing but what it reads: COUNT distinct random ranges, one after
// another, and prints the milliseconds of each.
namespace {

using namespace mutirao;

struct Arguments {
  std::string torrent;
  std::string folder;
  bool seed = false;
  bool exit_when_done = false;
  bool verbose = false;
  std::size_t reads = 0;
  std::uint64_t read_bytes = 256 * 1024;
  world::Endpoint listen;
  std::vector<world::Endpoint> peers;
};

constexpr std::string_view kUsage =
    "usage: swarm_node (--seed TORRENT | --leech TORRENT) --dir FOLDER --listen IP:PORT [--peer "
    "IP:PORT]... [--exit-when-done] [--verbose]\n"
    "       with --leech: [--read COUNT [--read-bytes BYTES]]\n";

std::optional<std::uint64_t> parse_count(std::string const& text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

std::optional<Arguments> parse(std::span<char*> words) {
  Arguments arguments;
  for (std::size_t i = 1; i < words.size(); ++i) {
    std::string word = words[i];
    if (word == "--exit-when-done") {
      arguments.exit_when_done = true;
      continue;
    }
    if (word == "--verbose") {
      arguments.verbose = true;
      continue;
    }
    std::string value;
    if (auto const equals = word.find('='); equals != std::string::npos) {
      value = word.substr(equals + 1);
      word.resize(equals);
    } else if (++i < words.size()) {
      value = words[i];
    } else {
      return std::nullopt;
    }
    auto const endpoint = world::Endpoint::parse(value);
    auto const count = parse_count(value);
    if (word == "--seed" || word == "--leech") {
      arguments.torrent = value;
      arguments.seed = word == "--seed";
    } else if (word == "--dir") {
      arguments.folder = value;
    } else if (word == "--listen" && endpoint) {
      arguments.listen = *endpoint;
    } else if (word == "--peer" && endpoint) {
      arguments.peers.push_back(*endpoint);
    } else if (word == "--read" && count) {
      arguments.reads = *count;
    } else if (word == "--read-bytes" && count) {
      arguments.read_bytes = *count;
    } else {
      return std::nullopt;
    }
  }
  if (arguments.torrent.empty() || arguments.folder.empty() || arguments.listen.port == 0)
    return std::nullopt;
  return arguments;
}

double cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto const seconds = [](timeval const& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Resident anonymous memory now, in KiB: the kernel keeps no peak of it.
long anonymous_kib() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stol(line.substr(8));
  }
  return 0;
}

void print(std::string const& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

/// Reads of distinct ranges in a random order, each begun when the one before has arrived.
Result<void> read_at_random(swarm::Swarm& swarm, swarm::TorrentId const& id,
                            Arguments const& arguments) {
  while (MUT_TRY(swarm.status(id)).peers.empty()) MUT_TRY(threads::sleep_for(10ms));
  MUT_TRY(threads::sleep_for(1s));
  auto const size = MUT_TRY(swarm.metainfo(id, threads::within(60s)))->files()[0].length;
  std::vector<std::uint64_t> ranges(size / arguments.read_bytes);
  std::iota(ranges.begin(), ranges.end(), 0);
  std::shuffle(ranges.begin(), ranges.end(), std::mt19937{7});
  ranges.resize(std::min(ranges.size(), arguments.reads));
  Bytes bytes(arguments.read_bytes);
  for (auto const range : ranges) {
    auto const began = threads::now();
    MUT_TRY(swarm.read(id, swarm::FileIndex{0}, range * arguments.read_bytes, bytes,
                       threads::within(60s), 7));
    print(fmt::format("{:.3f}",
                      std::chrono::duration<double, std::milli>(threads::now() - began).count()));
  }
  return {};
}

Result<void> run(Arguments const& arguments, base::Log& log, threads::signal_set& signals) {
  auto const world = world::make_real_world(log);
  std::ifstream file{arguments.torrent, std::ios::binary};
  std::string const torrent{std::istreambuf_iterator<char>{file}, {}};
  auto metainfo = MUT_TRY(swarm::Metainfo::parse(base::view_of(torrent)));
  auto const state = fmt::format("{}/.state-{}", arguments.folder, ::getpid());
  swarm::Swarm swarm{*world,
                     {.state_folder = state,
                      .from = arguments.listen.address,
                      .port = arguments.listen.port,
                      .network_key = {}}};
  auto const started = threads::now();
  auto const cpu_before = cpu_s();
  auto const id = MUT_TRY(swarm.add({.what = std::move(metainfo),
                                     .folder = arguments.folder,
                                     .content_is_whole = arguments.seed,
                                     .on_demand = arguments.reads > 0,
                                     .peers = arguments.peers,
                                     .trackers = {}}));
  if (arguments.seed) MUT_TRY(swarm.wait_until_complete(id, threads::within(60s)));
  auto listener = MUT_TRY(world->network().listen(arguments.listen));
  threads::scope scope;
  scope.spawn("serve", [&] { return swarm.serve(*listener); });
  long peak_kib = anonymous_kib();
  scope.spawn("watch", [&] {
    while (threads::sleep_for(20ms)) peak_kib = std::max(peak_kib, anonymous_kib());
  });
  if (arguments.reads > 0) {
    MUT_TRY(read_at_random(swarm, id, arguments));
  } else if (!arguments.seed) {
    MUT_TRY(swarm.wait_until_complete(id, Deadline::never()));
    auto const wall = std::chrono::duration<double>(threads::now() - started).count();
    print(
        fmt::format(R"({{"event":"done","wall_s":{:.3f},"cpu_s":{:.3f},"anonymous_peak_kib":{}}})",
                    wall, cpu_s() - cpu_before, peak_kib));
  }
  if (!arguments.exit_when_done && arguments.reads == 0) static_cast<void>(signals.wait());
  if (auto const status = swarm.status(id); status && arguments.reads == 0) {
    print(fmt::format(
        R"({{"event":"end","cpu_s":{:.3f},"anonymous_peak_kib":{},"downloaded":{},"uploaded":{},"wasted":{},"hash":"{}"}})",
        cpu_s() - cpu_before, peak_kib, status->downloaded, status->uploaded, status->wasted,
        swarm::hash_engine()));
  }
  listener->close();
  scope.request_stop();
  static_cast<void>(scope.join());
  return {};
}

}  // namespace

int main(int count, char** words) {
  auto const arguments = parse({words, static_cast<std::size_t>(count)});
  if (!arguments) {
    std::fputs(kUsage.data(), stderr);
    return 2;
  }
  base::StderrLog log{arguments->verbose ? base::LogLevel::debug : base::LogLevel::warning};
  threads::signal_set signals{SIGINT, SIGTERM};
  threads::runtime runtime;
  int code = 0;
  runtime.run([&] {
    if (auto const done = run(*arguments, log, signals); !done) {
      std::fprintf(stderr, "swarm_node: %s\n", done.error().what.c_str());
      code = 1;
    }
  });
  return code;
}
