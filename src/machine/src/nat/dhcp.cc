#include "nat/dhcp.h"

#include <algorithm>

#include "nat/packet.h"

namespace mutirao::machine::nat {
namespace {

// RFC 2131, figure 1, and RFC 2132.
constexpr std::size_t kYourAddressAt = 16, kServerAddressAt = 20, kOptionsAt = 240;
constexpr std::uint8_t kBootRequest = 1, kBootReply = 2;
constexpr std::uint32_t kMagic = 0x63825363;
constexpr std::uint32_t kLeaseSeconds = 86400;
enum Option : std::uint8_t {
  kPad = 0,
  kSubnetMask = 1,
  kRouter = 3,
  kNameServer = 6,
  kBroadcast = 28,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kMessageType = 53,
  kServerIdentifier = 54,
  kEnd = 255,
};
enum MessageType : std::uint8_t {
  kDiscover = 1,
  kOffer = 2,
  kRequest = 3,
  kAcknowledge = 5,
  kRefuse = 6,
  kInform = 8,
};

std::optional<ByteView> find(ByteView options, Option wanted) {
  while (!options.empty() && options[0] != kEnd) {
    if (options[0] == kPad) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2 || options.size() - 2 < options[1]) return std::nullopt;
    if (options[0] == wanted) return options.subspan(2, options[1]);
    options = options.subspan(2 + options[1]);
  }
  return std::nullopt;
}

void add(Bytes& options, Option option, ByteView value) {
  options.push_back(option);
  options.push_back(static_cast<std::uint8_t>(value.size()));
  options.insert(options.end(), value.begin(), value.end());
}

bool is(ByteView value, Ipv4Address address) { return std::ranges::equal(value, address); }

/// Which address a request is about (RFC 2131 4.3.2): an option, or the one that it has.
bool wants_our_address(ByteView message, ByteView options) {
  auto const requested = find(options, kRequestedAddress);
  return is(requested.value_or(message.subspan(12, 4)), kGuestAddress);
}

}  // namespace

std::optional<Bytes> dhcp_answer(ByteView message) {
  if (message.size() < kOptionsAt || message[0] != kBootRequest || message[1] != 1 ||
      message[2] != 6)
    return std::nullopt;
  if (base::load_be<std::uint32_t>(message.subspan(kOptionsAt - 4)) != kMagic) return std::nullopt;
  auto const options = message.subspan(kOptionsAt);
  auto const type = find(options, kMessageType);
  if (!type || type->size() != 1) return std::nullopt;
  std::uint8_t answer;
  switch ((*type)[0]) {
    case kDiscover:
      answer = kOffer;
      break;
    case kRequest: {
      auto const server = find(options, kServerIdentifier);
      if (server && !is(*server, kRouterAddress)) return std::nullopt;  // it chose another
      answer = wants_our_address(message, options) ? kAcknowledge : kRefuse;
      break;
    }
    case kInform:
      answer = kAcknowledge;
      break;
    default:
      return std::nullopt;
  }
  // Transaction, hardware address and the rest as they came.
  Bytes reply(message.begin(), message.begin() + kOptionsAt);
  reply[0] = kBootReply;
  std::fill(reply.begin() + 44, reply.begin() + kOptionsAt - 4, std::uint8_t{0});
  if (answer != kRefuse && (*type)[0] != kInform)
    std::ranges::copy(kGuestAddress, reply.begin() + kYourAddressAt);
  std::ranges::copy(kRouterAddress, reply.begin() + kServerAddressAt);
  add(reply, kMessageType, {&answer, 1});
  add(reply, kServerIdentifier, kRouterAddress);
  if (answer != kRefuse) {
    std::array<std::uint8_t, 4> lease;
    base::store_be(lease, kLeaseSeconds);
    if ((*type)[0] != kInform) add(reply, kLeaseTime, lease);
    add(reply, kSubnetMask, kNetmask);
    add(reply, kRouter, kRouterAddress);
    add(reply, kNameServer, kNameServerAddress);
    add(reply, kBroadcast, kBroadcastAddress);
  }
  reply.push_back(kEnd);
  constexpr std::size_t kBootpBytes = 300;  // what old clients expect (RFC 1542 2.1)
  if (reply.size() < kBootpBytes) reply.resize(kBootpBytes);
  return reply;
}

}  // namespace mutirao::machine::nat
