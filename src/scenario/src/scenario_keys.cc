#include "scenario_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/base/spelling.h"
#include "mutirao/scenario/quantity.h"
#include "mutirao/sim/faults.h"

namespace mutirao::scenario {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

struct FaultName {
  FaultKind kind;
  std::string_view name;
  std::string_view about;
};
constexpr std::array<FaultName, kFaultKinds> kFaultNames{{
    {FaultKind::churn, "churn", "a peer leaves properly and comes back"},
    {FaultKind::kill, "kill", "the process of a peer is killed"},
    {FaultKind::crash, "crash", "the power of a peer is cut; what was not synced is at risk"},
    {FaultKind::isolate, "isolate", "nothing reaches a peer and nothing leaves it"},
    {FaultKind::partition, "partition", "a part of the peers is cut off from all others"},
    {FaultKind::full_disk, "full_disk", "no write finds room"},
    {FaultKind::slow_disk, "slow_disk", "every disk call takes a hundred times as long"},
    {FaultKind::disk_errors, "disk_errors", "one disk call in ten fails"},
    {FaultKind::bit_rot, "bit_rot", "a bit of the file turns over, silently"},
    {FaultKind::tracker_down, "tracker_down", "nobody reaches the tracker"},
    {FaultKind::clock_jump, "clock_jump", "the civil clock of a peer is wrong by up to a day"},
    {FaultKind::address_change, "address_change",
     "a peer is off the network and comes back with another address"},
    {FaultKind::router_reboot, "router_reboot",
     "the router of a peer is off, and has forgotten all when it is back"},
}};

struct GatewayName {
  GatewayKind kind;
  std::string_view name;
  std::string_view about;
};
constexpr std::array<GatewayName, kGatewayKinds> kGatewayNames{{
    {GatewayKind::full_cone, "full_cone", "a NAT that lets in whoever knows a port in use"},
    {GatewayKind::address_restricted, "address_restricted",
     "a NAT that lets in, from any port, whom the peer has sent to"},
    {GatewayKind::port_restricted, "port_restricted", "a NAT that lets in answers only"},
    {GatewayKind::symmetric, "symmetric",
     "a NAT with another external port for each whom the peer sends to"},
    {GatewayKind::symmetric_predictable, "symmetric_predictable",
     "the same, and each port comes after the last"},
    {GatewayKind::leaky, "leaky", "a Linux router that only masquerades"},
    {GatewayKind::carrier, "carrier", "a NAT behind that of the provider, which many share"},
    {GatewayKind::no_inbound, "no_inbound", "a firewall that lets in answers only"},
    {GatewayKind::no_udp, "no_udp", "a firewall that stops all datagrams"},
}};

bool is_of_whole_run(FaultKind kind) noexcept {
  return kind == FaultKind::partition || kind == FaultKind::tracker_down;
}

void add_fault_keys(std::vector<Key>& keys) {
  for (auto const& [kind, name, about] : kFaultNames) {
    auto const prefix = fmt::format("faults.{}.", name);
    keys.push_back({prefix + "per_minute",
                    NumberKey{[kind](Scenario& s) -> double& { return s.fault(kind).per_minute; },
                              0, is_of_whole_run(kind) ? 60.0 : 10.0},
                    fmt::format("{}: so many times a minute{}", about,
                                is_of_whole_run(kind) ? "" : ", each peer")});
    keys.push_back(
        {prefix + "least",
         TimeKey{[kind](Scenario& s) -> Duration& { return s.fault(kind).least; }, 0s, 1h},
         "shortest"});
    keys.push_back(
        {prefix + "most",
         TimeKey{[kind](Scenario& s) -> Duration& { return s.fault(kind).most; }, 0s, 1h},
         "longest"});
  }
}

void add_gateway_keys(std::vector<Key>& keys) {
  for (auto const& [kind, name, about] : kGatewayNames)
    keys.push_back(
        {fmt::format("gateways.{}", name),
         NumberKey{[kind](Scenario& s) -> double& { return s.share_behind(kind); }, 0, 1},
         fmt::format("share of the peers behind {}", about)});
}

std::vector<Key> make_keys() {
  std::vector<Key> keys{
      {"title", TextKey{[](Scenario& s) -> std::string& { return s.title; }, 200},
       "what it shows, in a sentence"},
      {"program", ChoiceKey{[](Scenario& s) -> std::string& { return s.program; }, {"swarm"}},
       "what the hosts run"},
      {"peers", CountKey{[](Scenario& s) -> std::uint64_t& { return s.peers; }, 1, 10'000},
       "hosts that fetch"},
      {"seeds", CountKey{[](Scenario& s) -> std::uint64_t& { return s.seeds; }, 1, 100},
       "hosts that have the file from the start; nothing happens to them"},
      {"arrival", TimeKey{[](Scenario& s) -> Duration& { return s.arrival; }, 0s, 24h},
       "peers come one by one in this time"},
      {"content.size",
       BytesKey{[](Scenario& s) -> std::uint64_t& { return s.file_bytes; }, 1, 1_GiB},
       "of the file"},
      {"content.piece",
       BytesKey{[](Scenario& s) -> std::uint64_t& { return s.piece_bytes; }, 16_KiB, 16_MiB},
       "a power of two"},
      {"content.format",
       ChoiceKey{[](Scenario& s) -> std::string& { return s.format; }, {"v1", "v2", "hybrid"}},
       "kind of torrent"},
      {"discovery.tracker", SwitchKey{[](Scenario& s) -> bool& { return s.tracker; }},
       "a tracker tells peers of each other"},
      {"discovery.answer_max",
       CountKey{[](Scenario& s) -> std::uint64_t& { return s.answer_max; }, 1, 200},
       "peers that the tracker names at a time"},
      {"discovery.known_peers",
       CountKey{[](Scenario& s) -> std::uint64_t& { return s.known_peers; }, 0, 100},
       "addresses that each peer is given at its start, a seed's first"},
      {"node.connections",
       CountKey{[](Scenario& s) -> std::uint64_t& { return s.connections; }, 1, 500},
       "most of each peer"},
      {"node.uploads", CountKey{[](Scenario& s) -> std::uint64_t& { return s.uploads; }, 1, 100},
       "peers that each serves at a time"},
      {"network.latency", TimeKey{[](Scenario& s) -> Duration& { return s.latency; }, 0s, 10s},
       "one way, between any two"},
      {"network.jitter", TimeKey{[](Scenario& s) -> Duration& { return s.jitter; }, 0s, 10s},
       "up to so much more"},
      {"network.loss", NumberKey{[](Scenario& s) -> double& { return s.loss; }, 0, 0.5},
       "chance that a segment or datagram is lost"},
      {"network.uplink",
       BytesKey{[](Scenario& s) -> std::uint64_t& { return s.uplink_bytes_per_s; }, 0, 10_GiB,
                true},
       "of each host"},
      {"network.downlink",
       BytesKey{[](Scenario& s) -> std::uint64_t& { return s.downlink_bytes_per_s; }, 0, 10_GiB,
                true},
       "of each host"},
  };
  add_gateway_keys(keys);
  std::vector<Key> const phases{
      {"safety.duration", TimeKey{[](Scenario& s) -> Duration& { return s.safety; }, 0s, 24h},
       "of the phase in which faults happen"},
      {"liveness.limit", TimeKey{[](Scenario& s) -> Duration& { return s.liveness_max; }, 0s, 24h},
       "when faults have ended, everybody must be done by then"},
      {"faults.draw", SwitchKey{[](Scenario& s) -> bool& { return s.draw_faults; }},
       "each seed leaves out a part of the faults"},
      {"faults.by_name.share",
       NumberKey{[](Scenario& s) -> double& { return s.named_faults; }, 0, 1},
       "chance of each fault by name that a seed has it; these strike all hosts"},
      {"faults.by_name.forbidden",
       NamesKey{[](Scenario& s) -> std::vector<std::string>& { return s.named_faults_forbidden; },
                sim::kWorldFaults},
       "no seed has these"},
  };
  keys.insert(keys.end(), phases.begin(), phases.end());
  add_fault_keys(keys);
  return keys;
}

template <class T>
std::unexpected<Error> out_of_range(T const& least, T const& most) {
  return fail(Fault::invalid, "is out of range", fmt::format("from {} to {}", least, most));
}

Result<void> assign_count(Scenario& scenario, CountKey const& key, Given const& given) {
  auto const* const number = std::get_if<std::int64_t>(&given);
  if (number == nullptr) return fail(Fault::invalid, "is no whole number", "a whole number");
  if (*number < 0 || static_cast<std::uint64_t>(*number) < key.least ||
      static_cast<std::uint64_t>(*number) > key.most)
    return out_of_range(key.least, key.most);
  key.in(scenario) = static_cast<std::uint64_t>(*number);
  return {};
}

Result<void> assign_bytes(Scenario& scenario, BytesKey const& key, Given const& given) {
  constexpr std::string_view kPerS = "/s";
  auto const* const text = std::get_if<std::string>(&given);
  auto const example = key.per_s ? "a rate such as \"2 MB/s\", or \"0 B/s\" for no limit"
                                 : "a size such as \"1 MiB\"";
  if (text == nullptr) return fail(Fault::invalid, "is no text", example);
  std::string_view amount = *text;
  if (key.per_s) {
    if (!amount.ends_with(kPerS)) return fail(Fault::invalid, "is no rate", example);
    amount.remove_suffix(kPerS.size());
  }
  auto const bytes = parse_bytes(amount);
  if (!bytes) return fail(Fault::invalid, key.per_s ? "is no rate" : "is no size", example);
  if (*bytes < key.least || *bytes > key.most)
    return out_of_range(write_bytes(key.least), write_bytes(key.most));
  key.in(scenario) = *bytes;
  return {};
}

Result<void> assign_time(Scenario& scenario, TimeKey const& key, Given const& given) {
  auto const* const text = std::get_if<std::string>(&given);
  auto const time = text != nullptr ? parse_duration(*text) : std::nullopt;
  if (!time)
    return fail(Fault::invalid, "is no time",
                "a time such as \"20 ms\"; units are us, ms, s, min and h");
  if (*time < key.least || *time > key.most)
    return out_of_range(write_duration(key.least), write_duration(key.most));
  key.in(scenario) = *time;
  return {};
}

Result<void> assign_number(Scenario& scenario, NumberKey const& key, Given const& given) {
  double number = 0;
  if (auto const* const whole = std::get_if<std::int64_t>(&given)) {
    number = static_cast<double>(*whole);
  } else if (auto const* const broken = std::get_if<double>(&given)) {
    number = *broken;
  } else {
    return fail(Fault::invalid, "is no number", "a number");
  }
  // Written so that what is no number at all is refused too.
  if (!(number >= key.least && number <= key.most)) return out_of_range(key.least, key.most);
  key.in(scenario) = number;
  return {};
}

Result<void> assign_switch(Scenario& scenario, SwitchKey const& key, Given const& given) {
  auto const* const on = std::get_if<bool>(&given);
  if (on == nullptr) return fail(Fault::invalid, "is neither true nor false", "true or false");
  key.in(scenario) = *on;
  return {};
}

Result<void> assign_choice(Scenario& scenario, ChoiceKey const& key, Given const& given) {
  auto const* const text = std::get_if<std::string>(&given);
  if (text == nullptr || std::ranges::find(key.choices, *text) == key.choices.end())
    return fail(Fault::invalid, "is no choice", fmt::format("{}", fmt::join(key.choices, ", ")));
  key.in(scenario) = *text;
  return {};
}

Result<void> assign_text(Scenario& scenario, TextKey const& key, Given const& given) {
  auto const* const text = std::get_if<std::string>(&given);
  if (text == nullptr) return fail(Fault::invalid, "is no text", "a text in quotes");
  if (text->size() > key.bytes_max)
    return fail(Fault::invalid, "is too long", fmt::format("at most {} bytes", key.bytes_max));
  if (std::ranges::any_of(*text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return fail(Fault::invalid, "has control characters", "a text of one line");
  key.in(scenario) = *text;
  return {};
}

Result<void> assign_names(Scenario& scenario, NamesKey const& key, Given const& given) {
  auto const* const text = std::get_if<std::string>(&given);
  if (text == nullptr) return fail(Fault::invalid, "is no text", "names in quotes: \"a, b\"");
  std::vector<std::string> names;
  for (std::string_view rest = *text; !rest.empty();) {
    auto const comma = std::min(rest.find(','), rest.size());
    auto const first = std::min(rest.find_first_not_of(' '), comma);
    std::string const name{rest.substr(first, comma - first)};
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (std::ranges::find(key.known, name) == key.known.end()) {
      std::vector<std::string> const known{key.known.begin(), key.known.end()};
      auto const meant = base::nearest(name, known);
      return fail(Fault::invalid, fmt::format("has an unknown name, \"{}\"", name),
                  meant.empty() ? fmt::format("{}", fmt::join(known, ", ")) : meant);
    }
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  std::ranges::sort(names);
  key.in(scenario) = std::move(names);
  return {};
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char const c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string_view to_string(FaultKind kind) noexcept {
  return kFaultNames[static_cast<std::size_t>(kind)].name;
}

std::array<FaultKind, kFaultKinds> all_fault_kinds() noexcept {
  std::array<FaultKind, kFaultKinds> kinds;
  std::ranges::transform(kFaultNames, kinds.begin(), &FaultName::kind);
  return kinds;
}

std::string_view to_string(GatewayKind kind) noexcept {
  return kGatewayNames[static_cast<std::size_t>(kind)].name;
}

std::array<GatewayKind, kGatewayKinds> all_gateway_kinds() noexcept {
  std::array<GatewayKind, kGatewayKinds> kinds;
  std::ranges::transform(kGatewayNames, kinds.begin(), &GatewayName::kind);
  return kinds;
}

std::span<Key const> scenario_keys() {
  static std::vector<Key> const keys = make_keys();
  return keys;
}

Key const* find_key(std::string_view name) {
  auto const keys = scenario_keys();
  auto const found = std::ranges::find(keys, name, &Key::name);
  return found == keys.end() ? nullptr : &*found;
}

std::string to_string(Given const& given) {
  return std::visit(Overloaded{[](std::string const& text) { return quoted(text.substr(0, 80)); },
                               [](auto const& value) { return fmt::format("{}", value); }},
                    given);
}

Result<void> assign(Scenario& scenario, Key const& key, Given const& given) {
  return std::visit(
      Overloaded{[&](CountKey const& kind) { return assign_count(scenario, kind, given); },
                 [&](BytesKey const& kind) { return assign_bytes(scenario, kind, given); },
                 [&](TimeKey const& kind) { return assign_time(scenario, kind, given); },
                 [&](NumberKey const& kind) { return assign_number(scenario, kind, given); },
                 [&](SwitchKey const& kind) { return assign_switch(scenario, kind, given); },
                 [&](ChoiceKey const& kind) { return assign_choice(scenario, kind, given); },
                 [&](TextKey const& kind) { return assign_text(scenario, kind, given); },
                 [&](NamesKey const& kind) { return assign_names(scenario, kind, given); }},
      key.kind);
}

std::string write_value(Scenario const& scenario, Key const& key) {
  auto copy = scenario;  // the keys give references to write through
  return std::visit(
      Overloaded{
          [&](CountKey const& kind) { return fmt::format("{}", kind.in(copy)); },
          [&](BytesKey const& kind) {
            return quoted(write_bytes(kind.in(copy)) + (kind.per_s ? "/s" : ""));
          },
          [&](TimeKey const& kind) { return quoted(write_duration(kind.in(copy))); },
          [&](NumberKey const& kind) { return fmt::format("{}", kind.in(copy)); },
          [&](SwitchKey const& kind) { return std::string{kind.in(copy) ? "true" : "false"}; },
          [&](ChoiceKey const& kind) { return quoted(kind.in(copy)); },
          [&](TextKey const& kind) { return quoted(kind.in(copy)); },
          [&](NamesKey const& kind) {
            return quoted(fmt::format("{}", fmt::join(kind.in(copy), ", ")));
          }},
      key.kind);
}

namespace {
Result<void> check_gateways(Scenario const& scenario) {
  constexpr double kRounding = 1e-9;  // ten tenths are not quite one
  auto const all = std::accumulate(scenario.gateways.begin(), scenario.gateways.end(), 0.0);
  if (all > 1 + kRounding)
    return fail(Fault::invalid, fmt::format("the shares of all gateways make {:.3g}", all),
                "at most 1; the rest of the peers stands on the Internet itself");
  if (scenario.share_behind(GatewayKind::no_udp) > 0 && scenario.known_peers == 0)
    return fail(Fault::invalid,
                "peers behind gateways.no_udp don't reach the tracker, and "
                "discovery.known_peers is 0",
                "discovery.known_peers = 1: a seed");
  if (scenario.fault(FaultKind::router_reboot).per_minute > 0 && all == 0)
    return fail(Fault::invalid, "faults.router_reboot has no router to strike",
                "put a share of the peers behind one: gateways.port_restricted = 0.5");
  return {};
}
}  // namespace

Result<void> check_together(Scenario const& scenario) {
  if (!std::has_single_bit(scenario.piece_bytes))
    return fail(Fault::invalid, "content.piece is no power of two", "\"32 KiB\", for example");
  if (!scenario.tracker && scenario.known_peers == 0)
    return fail(Fault::invalid, "discovery.tracker is off and discovery.known_peers is 0",
                "switch the tracker on, or let each peer know some others");
  MUT_TRY(check_gateways(scenario));
  for (auto const kind : all_fault_kinds()) {
    auto const& plan = scenario.fault(kind);
    if (plan.least > plan.most)
      return fail(Fault::invalid,
                  fmt::format("faults.{}.least is more than faults.{}.most", to_string(kind),
                              to_string(kind)),
                  "the shortest time first");
  }
  // What a run keeps in memory: the file of each host, twice while it is not synced.
  constexpr std::uint64_t kAllFilesMax = 64_GiB;
  if ((scenario.peers + scenario.seeds) * scenario.file_bytes > kAllFilesMax)
    return fail(Fault::invalid, "content.size of all peers is more than 64 GiB",
                "fewer peers, or a smaller file");
  return {};
}

std::string key_nearest_to(std::string_view name) {
  std::vector<std::string> names;
  for (auto const& key : scenario_keys()) names.push_back(key.name);
  return base::nearest(name, names);
}

}  // namespace mutirao::scenario
