#include "nat/dns.h"

#include <algorithm>

namespace mutirao::machine::nat {
namespace {

constexpr std::size_t kHeader = 12, kLabelMax = 63, kNameMax = 253;
constexpr std::uint16_t kInternetClass = 1;
constexpr std::uint8_t kResponse = 0x80, kOpcode = 0x78, kRecursionDesired = 1,
                       kRecursionAvailable = 0x80;
constexpr std::size_t kAddressesMax = 8;
constexpr std::uint32_t kLifetimeSeconds = 30;  // the host knows better, and is asked again

bool of_a_host_name(std::uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

}  // namespace

std::optional<DnsQuestion> parse_dns_question(ByteView message) {
  if (message.size() < kHeader || (message[2] & (kResponse | kOpcode)) != 0) return std::nullopt;
  if (base::load_be<std::uint16_t>(message.subspan(4)) != 1) return std::nullopt;
  std::string name;
  std::size_t at = kHeader;
  for (;;) {
    if (at >= message.size()) return std::nullopt;
    std::size_t const label = message[at++];
    if (label == 0) break;
    if (label > kLabelMax || label > message.size() - at) return std::nullopt;
    if (!name.empty()) name.push_back('.');
    for (auto const c : message.subspan(at, label)) {
      if (!of_a_host_name(c)) return std::nullopt;
      name.push_back(static_cast<char>(c));
    }
    if (name.size() > kNameMax) return std::nullopt;
    at += label;
  }
  if (message.size() - at < 4 || name.empty()) return std::nullopt;
  if (base::load_be<std::uint16_t>(message.subspan(at + 2)) != kInternetClass) return std::nullopt;
  return DnsQuestion{std::move(name), base::load_be<std::uint16_t>(message.subspan(at)),
                     message.first(kHeader), message.subspan(kHeader, at + 4 - kHeader)};
}

Bytes dns_answer(DnsQuestion const& question, DnsOutcome outcome,
                 std::span<Ipv4Address const> addresses) {
  addresses = addresses.first(std::min(addresses.size(), kAddressesMax));
  Bytes answer(question.header.begin(), question.header.begin() + 2);  // its number
  answer.push_back(kResponse | (question.header[2] & kRecursionDesired));
  answer.push_back(kRecursionAvailable | static_cast<std::uint8_t>(outcome));
  base::append_be<std::uint16_t>(answer, 1);
  base::append_be(answer, static_cast<std::uint16_t>(addresses.size()));
  base::append_be<std::uint32_t>(answer, 0);  // neither authorities nor anything else
  answer.insert(answer.end(), question.question.begin(), question.question.end());
  for (Ipv4Address const& address : addresses) {
    constexpr std::uint16_t kNameOfQuestion = 0xC000 | kHeader;
    base::append_be(answer, kNameOfQuestion);
    base::append_be(answer, DnsQuestion::kAddress);
    base::append_be(answer, kInternetClass);
    base::append_be(answer, kLifetimeSeconds);
    base::append_be<std::uint16_t>(answer, 4);
    answer.insert(answer.end(), address.begin(), address.end());
  }
  return answer;
}

}  // namespace mutirao::machine::nat
