#include "announce/announce_udp_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/units.h"

#include "announce/announce_parts.h"

namespace mutirao::swarm {
namespace {

constexpr Duration kFirstTimeout = std::chrono::seconds{15};    // BEP 15: 15 * 2^n
constexpr unsigned kDoublingsMax = 8;                           // BEP 15: n up to 8
constexpr Duration kConnectionLife = std::chrono::seconds{60};  // BEP 15
constexpr std::size_t kIdleMax = 64;
constexpr std::size_t kAddressesMax = 4;
// The longest answer that means anything, and one byte that tells a longer one.
constexpr std::size_t kUdpAnswerBytesMax = 20 + kAnswerPeersMax * kCompactV6Bytes;

std::string unanswered(UdpTrackerClient::Target const& target, unsigned questions) {
  return fmt::format("udp://{}:{} gave no answer to {} question{}", target.host, target.port,
                     questions, questions == 1 ? "" : "s");
}

}  // namespace

UdpTrackerClient::UdpTrackerClient(world::World& world, net::Reach reach,
                                   std::optional<world::IpAddress> from)
    : world_{world}, reach_{reach}, from_{from} {}

Result<AnnounceAnswer> UdpTrackerClient::announce(Target const& target,
                                                  AnnounceRequest const& request,
                                                  Deadline deadline) {
  auto const answer = MUT_TRY(ask(
      target, UdpAction::announce,
      [&](std::uint64_t connection, std::uint32_t transaction) {
        return write_udp(UdpAnnounceQuestion{connection, transaction, request, target.url_data});
      },
      deadline));
  return parse_udp_announce_answer(answer.datagram, answer.v6);
}

Result<ScrapeAnswer> UdpTrackerClient::scrape(Target const& target, Sha1Digest const& info_hash,
                                              Deadline deadline) {
  auto const answer = MUT_TRY(ask(
      target, UdpAction::scrape,
      [&](std::uint64_t connection, std::uint32_t transaction) {
        return write_udp(UdpScrapeQuestion{connection, transaction, {info_hash}});
      },
      deadline));
  return parse_udp_scrape_answer(answer.datagram);
}

Result<UdpTrackerClient::Answer> UdpTrackerClient::ask(Target const& target, UdpAction action,
                                                       Question const& question,
                                                       Deadline deadline) {
  auto channels = MUT_TRY(channels_to(target, deadline));
  unsigned doublings = 0;
  for (unsigned questions = 1;; ++questions) {
    auto& channel = channels.front();
    auto answer = try_once(channel, action, question, doublings, deadline);
    if (answer) {
      bool const v6 = !channel.tracker.address.is_v4();
      give_back(std::move(channel));
      return Answer{*std::move(answer), v6};
    }
    if (answer.error().fault == Fault::timed_out) {
      if (deadline.passed(world_.clock().now()))
        return fail(Fault::timed_out, unanswered(target, questions));
      doublings = std::min(doublings + 1, kDoublingsMax);
      std::ranges::rotate(channels, channels.begin() + 1);
      continue;
    }
    // The tracker may have been restarted and know our connection id no more: ask for a new one.
    if (answer.error().fault == Fault::refused && std::exchange(channel.from_cache, false)) {
      channel.connection_until = {};
      continue;
    }
    // No way to this address (such as IPv6 without a route); the others may do.
    if (answer.error().fault == Fault::unreachable && channels.size() > 1) {
      channels.erase(channels.begin());
      continue;
    }
    return std::unexpected{
        std::move(answer).error().during(fmt::format("udp://{}:{}", target.host, target.port))};
  }
}

Result<std::vector<UdpTrackerClient::Channel>> UdpTrackerClient::channels_to(Target const& target,
                                                                             Deadline deadline) {
  std::vector<world::IpAddress> addresses;
  if (auto const literal = world::IpAddress::parse(target.host)) {
    addresses = {*literal};
  } else {
    addresses = MUT_TRY(world_.network().resolve(target.host, deadline));
  }
  if (from_) std::erase_if(addresses, [&](auto const& a) { return a.is_v4() != from_->is_v4(); });
  if (addresses.empty())
    return fail(Fault::unreachable, fmt::format("{} has no address that we can use", target.host));
  if (reach_ == net::Reach::public_only) {
    auto const internal = std::ranges::find_if(addresses, &world::IpAddress::is_internal);
    if (internal != addresses.end())
      return fail(Fault::refused,
                  fmt::format("the tracker {} is at the internal address {}", target.host,
                              internal->to_string()),
                  "name this tracker yourself if you trust it");
  }
  if (addresses.size() > kAddressesMax) addresses.resize(kAddressesMax);

  std::vector<Channel> channels;
  std::optional<Error> error;
  for (auto const& address : addresses) {
    if (auto channel = lease({address, target.port})) {
      channels.push_back(*std::move(channel));
    } else {
      error = std::move(channel).error();  // such as no IPv6 on this host
    }
  }
  if (channels.empty()) return std::unexpected{*std::move(error)};
  return channels;
}

Deadline UdpTrackerClient::patience(unsigned doublings, Deadline deadline) {
  return earlier(deadline, Deadline::at(world_.clock().now() + kFirstTimeout * (1u << doublings)));
}

Result<Bytes> UdpTrackerClient::try_once(Channel& channel, UdpAction action,
                                         Question const& question, unsigned& doublings,
                                         Deadline deadline) {
  auto const transaction = [&] { return static_cast<std::uint32_t>(world_.entropy().next()); };
  if (channel.connection_until <= world_.clock().now()) {
    auto const asked_at = world_.clock().now();
    UdpConnectQuestion const connect{transaction()};
    auto const answer = MUT_TRY(exchange(channel, UdpAction::connect, write_udp(connect),
                                         connect.transaction, patience(doublings, deadline)));
    channel.connection = MUT_TRY(parse_udp_connect_answer(answer));
    channel.connection_until = asked_at + kConnectionLife;
    doublings = 0;
  }
  auto const number = transaction();
  return exchange(channel, action, question(channel.connection, number), number,
                  patience(doublings, deadline));
}

Result<Bytes> UdpTrackerClient::exchange(Channel& channel, UdpAction action, Bytes const& question,
                                         std::uint32_t transaction, Deadline until) {
  MUT_TRY(channel.socket->send_to(question, channel.tracker, until));
  Bytes datagram(kUdpAnswerBytesMax + 1);
  for (;;) {
    auto const received = MUT_TRY(channel.socket->receive(datagram, until));
    auto const bytes = ByteView{datagram}.first(received.size);
    auto const head = read_udp_answer_head(bytes);
    // Late answers to earlier questions, and whatever else strangers send to this port.
    if (received.from != channel.tracker || !head || head->transaction != transaction) continue;
    if (head->action == UdpAction::error) return std::unexpected{parse_udp_error(bytes)};
    if (head->action != action) continue;
    if (bytes.size() > kUdpAnswerBytesMax)
      return fail(Fault::corrupt, "the tracker's answer is too long");
    datagram.resize(received.size);
    return datagram;
  }
}

Result<UdpTrackerClient::Channel> UdpTrackerClient::lease(world::Endpoint tracker) {
  {
    auto const now = world_.clock().now();
    std::lock_guard const lock{mutex_};
    std::erase_if(idle_, [&](Channel const& channel) { return channel.connection_until <= now; });
    auto const found = std::ranges::find(idle_, tracker, &Channel::tracker);
    if (found != idle_.end()) {
      Channel channel = std::move(*found);
      idle_.erase(found);
      channel.from_cache = true;
      return channel;
    }
  }
  auto const any = tracker.address.is_v4() ? world::IpAddress::any() : world::IpAddress::v6({});
  auto socket = MUT_TRY(world_.network().bind_datagram({from_.value_or(any), 0}));
  return Channel{tracker, std::move(socket), 0, {}, false};
}

void UdpTrackerClient::give_back(Channel channel) {
  std::lock_guard const lock{mutex_};
  idle_.push_front(std::move(channel));
  if (idle_.size() > kIdleMax) idle_.pop_back();
}

}  // namespace mutirao::swarm
