#include "demo.h"

#include <algorithm>

#include "mutirao/base/units.h"
#include "mutirao/net/http_client.h"
#include "mutirao/threads/blocking.h"
#include "mutirao/threads/this_thread.h"

#include "text.h"

namespace mutirao::cli {
namespace {

constexpr std::chrono::seconds kNodesStartMax{60};
constexpr Duration kDemoAnswer = 30s;
constexpr Duration kLook = 400ms;
constexpr Duration kDemoMax = 300s;
constexpr char kGenerated[] = "demo.bin";
constexpr std::size_t kNameColumns = 8;

}  // namespace

Demo::Demo(Context const& context, world::World& world, std::vector<DemoNode>& nodes,
           std::string folder)
    : context_{context},
      world_{world},
      nodes_{nodes},
      folder_{std::move(folder)},
      screen_{Screen::mode_for(context.wants_progress())} {}

Result<DemoOutcome> Demo::run() {
  auto outcome = show_all();
  for (auto& node : nodes_) node.client.reset();  // a client ends on the thread that made it
  return outcome;
}

Result<DemoOutcome> Demo::show_all() {
  MUT_TRY(wait_until_all_answer());
  outcome_.file = MUT_TRY(prepare_file());
  outcome_.wanted = nodes_.size() - 1;
  MUT_TRY(share_and_get());
  MUT_TRY(follow());
  MUT_TRY(verify_copies());
  if (context_.options.check) check_more();
  return outcome_;
}

Result<void> Demo::wait_until_all_answer() {
  for (auto& node : nodes_) {
    node.client = std::make_unique<node::ControlClient>(
        world_, node::ControlPlace{.socket = node.folder + "/mutirao.sock"});
    auto const ready = threads::blocking([&] { return node.process.wait_ready(kNodesStartMax); });
    if (!ready)
      return fail(ready.error().fault,
                  fmt::format("{} does not start: {}\n{}", node.name, ready.error().what,
                              tail_of(world_, node.folder, "node.log")),
                  ready.error().mend);
  }
  if (says())
    fmt::print("{} node processes answer on {} to {}\n", nodes_.size(), nodes_.front().address,
               nodes_.back().address);
  return {};
}

Result<DemoFile> Demo::prepare_file() {
  auto const& options = context_.options;
  std::string folder = folder_ + "/original";
  std::string name = kGenerated;
  std::uint64_t bytes = std::uint64_t{options.size_mb} * 1'000'000;
  if (!options.file.empty()) {
    auto const path = absolute_path(options.file, context_.environment.working_folder);
    auto const slash = path.rfind('/');
    folder = slash == 0 ? "/" : path.substr(0, slash);
    name = path.substr(slash + 1);
    auto const directory = MUT_TRY(world_.disk().open_directory(folder, false));
    bytes = MUT_TRY(directory->info(name)).size;
  }
  auto const temporary = MUT_TRY(world_.disk().open_directory(folder_, true));
  auto const space = MUT_TRY(temporary->space());
  if (space.free_bytes < bytes * nodes_.size())
    return fail(
        Fault::exhausted,
        fmt::format("{} copies of {} need more than the {} that are free in {}", nodes_.size(),
                    base::format_bytes(bytes), base::format_bytes(space.free_bytes), folder_),
        "mutirao demo --size 20, or TMPDIR=/elsewhere mutirao demo");
  auto file = options.file.empty()
                  ? MUT_TRY(generate_file(world_, folder, name, bytes, options.seed))
                  : MUT_TRY(digest_file(world_, folder, name));
  if (says())
    fmt::print(
        "{} {} ({}), sha256 {}\n",
        options.file.empty() ? fmt::format("generated from seed {}:", options.seed) : "given:",
        printable(name), base::format_bytes(file.bytes), file.sha256);
  return file;
}

Result<void> Demo::share_and_get() {
  auto& first = nodes_.front();
  auto const path =
      (outcome_.file.folder == "/" ? "" : outcome_.file.folder) + "/" + outcome_.file.name;
  node::ShareRequest request;
  request.path = path;
  shared_ =
      MUT_TRY(first.client->share(
                  std::move(request), [](auto const&) { return true; }, threads::within(kDemoMax)))
          .transfer;
  if (says()) fmt::print("{} shares it: {}\n", first.name, shared_.links.page);
  std::fflush(stdout);
  for (auto& node : nodes_) {
    if (&node == &first) continue;
    MUT_TRY(node.client->get({.what = shared_.links.magnet, .folder = node.folder + "/copies"},
                             threads::within(kDemoAnswer)));
  }
  return {};
}

Result<void> Demo::look(TimePoint began) {
  for (auto& node : nodes_) {
    if (node.process.wait(std::chrono::milliseconds{0}))
      return fail(Fault::closed, fmt::format("{} ended by itself:\n{}", node.name,
                                             tail_of(world_, node.folder, "node.log")));
    auto transfers = node.client->list(threads::within(kDemoAnswer));
    if (!transfers) return std::unexpected{std::move(transfers).error().during(node.name)};
    if (transfers->empty()) return fail(Fault::not_found, node.name + " forgot the transfer");
    node.last = std::move(transfers->front());
    auto const& status = node.last.status;
    if (status.phase == swarm::TorrentPhase::failed)
      return fail(Fault::io, fmt::format("{}: {}", node.name, status.why), status.mend);
    if (!node.complete && status.phase == swarm::TorrentPhase::seeding) {
      node.complete = true;
      node.took = world_.clock().now() - began;
    }
  }
  return {};
}

Result<void> Demo::follow() {
  auto const began = world_.clock().now();
  auto const deadline = threads::within(
      context_.options.timeout_s == 0 ? kDemoMax
                                      : Duration{std::chrono::seconds{context_.options.timeout_s}});
  auto next_plain = began;
  while (true) {
    MUT_TRY(look(began));
    bool const all = std::ranges::all_of(nodes_, &DemoNode::complete);
    bool const plain_due = world_.clock().now() >= next_plain;
    if (plain_due) next_plain = world_.clock().now() + kPlainInterval;
    show(all || plain_due);
    if (all) break;
    if (deadline.passed(world_.clock().now())) {
      std::string states;
      for (auto const& node : nodes_)
        if (!node.complete) states += "\n  " + line_of(node);
      return fail(Fault::timed_out, "not every copy is complete in time:" + states,
                  "mutirao demo --timeout 900");
    }
    MUT_TRY(threads::sleep_for(kLook));
  }
  outcome_.took = std::ranges::max_element(nodes_, {}, &DemoNode::took)->took;
  for (auto const& node : nodes_)
    if (&node == &nodes_.front())
      outcome_.first_sent_bytes = node.last.status.uploaded;
    else
      outcome_.delivered_bytes += node.last.status.bytes_verified;
  return {};
}

Result<void> Demo::verify_copies() {
  for (auto& node : nodes_) {
    if (&node == &nodes_.front()) continue;
    auto const copy = digest_file(world_, node.folder + "/copies", outcome_.file.name);
    if (!copy) return std::unexpected{copy.error()};
    node.verified = copy->sha256 == outcome_.file.sha256 && copy->bytes == outcome_.file.bytes;
    outcome_.verified += node.verified ? 1 : 0;
  }
  return {};
}

// What the summary does not show: the page of the first node, and that the others helped.
void Demo::check_more() {
  auto const complain = [&](std::string what) { outcome_.complaints.push_back(std::move(what)); };
  if (outcome_.wanted > 1 && outcome_.first_sent_bytes >= outcome_.delivered_bytes &&
      outcome_.delivered_bytes > 0)
    complain(fmt::format("the first node sent {} bytes of {} delivered: nobody else helped",
                         outcome_.first_sent_bytes, outcome_.delivered_bytes));
  net::HttpClient client{world_, {}};
  auto const expect = [&](std::string const& url, std::string const& part) {
    net::HttpRequest request;
    auto parsed = wire::Url::parse(url);
    if (!parsed) return complain(parsed.error().what);
    request.url = *std::move(parsed);
    auto const answer = client.fetch(std::move(request), threads::within(kDemoAnswer));
    if (!answer) return complain(fmt::format("{}: {}", url, answer.error().what));
    if (answer->head.status != 200 || !answer->body.contains(part))
      complain(fmt::format("{} answers with status {} and {} bytes, without \"{}\"", url,
                           answer->head.status, answer->body.size(), part));
  };
  expect(shared_.links.page, outcome_.file.name);
  expect(shared_.links.torrent, "4:info");
}

std::string Demo::line_of(DemoNode const& node) const {
  auto const& status = node.last.status;
  auto const name = padded(node.name, kNameColumns);
  if (&node == &nodes_.front())
    return fmt::format("{} shares, sent {} at {} to {} peers", name,
                       base::format_bytes(status.uploaded), base::format_rate(status.upload_rate),
                       node.last.peers_connected);
  if (node.complete)
    return fmt::format("{} complete in {}, sent {} to others", name,
                       base::format_duration(node.took), base::format_bytes(status.uploaded));
  return fmt::format("{} {}, sent {}", name, progress_line(node.last),
                     base::format_bytes(status.uploaded));
}

void Demo::show(bool also_plain) {
  if (screen_.mode() == Screen::Mode::plain && !also_plain) return;
  std::vector<std::string> lines;
  for (auto const& node : nodes_) lines.push_back(line_of(node));
  screen_.show(lines);
}

}  // namespace mutirao::cli
