#include "tracker/tracker_udp.h"

#include <chrono>
#include <variant>

namespace mutirao::swarm {
namespace {
template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
}  // namespace

void TrackerUdp::answer(ByteView datagram, world::Endpoint const& from, std::uint32_t now_s,
                        Bytes& answer) {
  answer.clear();
  auto const question = parse_udp_question(datagram);
  if (!question) return;
  auto const proven = [&](auto const& asked) {
    if (!ids_.check(asked.connection, from.address, now_s)) {
      // Lets an honest client, whose id is too old, ask for a new one at once.
      write_udp_error(answer, asked.transaction, "connection id is unknown");
      if (answer.size() > datagram.size()) answer.clear();
      return false;
    }
    if (allow_(from.address)) return true;
    write_udp_error(answer, asked.transaction, "too many announces from your address");
    return false;
  };
  std::visit(Overloaded{
                 [&](UdpConnectQuestion const& asked) {
                   write_udp_connect_answer(answer, asked.transaction,
                                            ids_.make(from.address, now_s));
                 },
                 [&](UdpAnnounceQuestion const& asked) {
                   if (proven(asked)) announce(asked, from, now_s, answer);
                 },
                 [&](UdpScrapeQuestion const& asked) {
                   if (proven(asked)) scrape(asked, now_s, answer);
                 },
             },
             *question);
}

void TrackerUdp::announce(UdpAnnounceQuestion const& question, world::Endpoint const& from,
                          std::uint32_t now_s, Bytes& answer) {
  auto const interval_s =
      std::chrono::duration_cast<std::chrono::seconds>(options_.interval).count();
  write_udp_announce_answer(answer, question.transaction, static_cast<std::uint32_t>(interval_s), 0,
                            0);
  auto const done = registry_.announce(question.request, from.address, now_s, answer, nullptr);
  if (!done)
    return write_udp_error(answer, question.transaction, "this torrent is not tracked here");
  // The counts are known only after the peers have been appended.
  base::store_be<std::uint32_t>(MutableBytes{answer}.subspan(12), done->leeches);
  base::store_be<std::uint32_t>(MutableBytes{answer}.subspan(16), done->seeds);
}

void TrackerUdp::scrape(UdpScrapeQuestion const& question, std::uint32_t now_s, Bytes& answer) {
  write_udp_scrape_answer(answer, question.transaction);
  for (auto const& info_hash : question.info_hashes) {
    auto const counts = registry_.counts(info_hash, now_s).value_or(TrackerRegistry::Announced{});
    append_udp_scrape(answer, {counts.seeds, counts.completed, counts.leeches});
  }
}

}  // namespace mutirao::swarm
