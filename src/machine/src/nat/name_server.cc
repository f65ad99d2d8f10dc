#include "nat/name_server.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "mutirao/threads/this_thread.h"

#include "nat/dns.h"

namespace mutirao::machine::nat {

void NameServer::answer(ByteView message, std::uint16_t guest_port) {
  inside_.send(inside_.maker.udp(kNameServerAddress, kDnsPort, guest_port, message));
}

void NameServer::receive(UdpDatagram const& datagram) {
  auto const question = parse_dns_question(datagram.payload);
  if (!question) return;
  auto const at_once = [&](DnsOutcome outcome) {
    answer(dns_answer(*question, outcome), datagram.source_port);
  };
  if (!inside_.policy.may_look_up(question->name)) return at_once(DnsOutcome::refused);
  if (!question->wants_address()) return at_once(DnsOutcome::found);
  if (under_way_ >= kQuestionsMax) return at_once(DnsOutcome::failed);
  ++under_way_;
  inside_.spawn("nat-dns",
                [this, guest_port = datagram.source_port,
                 message = Bytes(datagram.payload.begin(), datagram.payload.end())]() mutable {
                  look_up(std::move(message), guest_port);
                });
}

void NameServer::look_up(Bytes message, std::uint16_t guest_port) {
  auto const question = *parse_dns_question(message);
  auto const found = inside_.world.network().resolve(question.name, threads::within(kPatience));
  std::vector<Ipv4Address> addresses;
  auto outcome = DnsOutcome::found;
  if (!found) {
    outcome =
        found.error().fault == Fault::not_found ? DnsOutcome::no_such_name : DnsOutcome::failed;
  } else {
    for (auto const& each : *found) {
      if (!each.is_v4()) continue;
      std::ranges::copy(each.bytes(), addresses.emplace_back().begin());
    }
  }
  std::lock_guard const lock{inside_.mutex};
  --under_way_;
  answer(dns_answer(question, outcome, addresses), guest_port);
}

}  // namespace mutirao::machine::nat
