#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/swarm/announce.h"

/// The UDP tracker protocol as bytes, both directions (BEP 15, with the options of BEP 41); no I/O.
///
///   client                              tracker
///   connect  (16 bytes)        ->
///                              <-       connection id (16 bytes)
///   announce (98 bytes + options) ->
///                              <-       interval, counts, peers (20 + 6 or 18 each)
///
/// The connection id proves that the client receives at the address that it sends from.
namespace mutirao::swarm {

enum class UdpAction : std::uint32_t { connect = 0, announce = 1, scrape = 2, error = 3 };

inline constexpr std::size_t kUdpAnnounceBytes = 98;
inline constexpr std::size_t kUdpScrapeHashesMax = 74;  // BEP 15: more do not fit a packet

struct UdpConnectQuestion {
  std::uint32_t transaction = 0;
};
struct UdpAnnounceQuestion {
  std::uint64_t connection = 0;
  std::uint32_t transaction = 0;
  AnnounceRequest
      request;           ///< peers_wanted is kPeersWantedDefault where the client leaves it to us
  std::string url_data;  ///< path and query of the tracker's address (BEP 41)
};
struct UdpScrapeQuestion {
  std::uint64_t connection = 0;
  std::uint32_t transaction = 0;
  std::vector<Sha1Digest> info_hashes;
};
using UdpQuestion = std::variant<UdpConnectQuestion, UdpAnnounceQuestion, UdpScrapeQuestion>;

inline constexpr std::uint32_t kPeersWantedDefault = 50;

// Client side.
[[nodiscard]] Bytes write_udp(UdpConnectQuestion const& question);
[[nodiscard]] Bytes write_udp(UdpAnnounceQuestion const& question);
[[nodiscard]] Bytes write_udp(UdpScrapeQuestion const& question);

struct UdpAnswerHead {
  UdpAction action;
  std::uint32_t transaction;
};
/// Empty for what is no answer of this protocol: stray bytes, to be passed over.
[[nodiscard]] std::optional<UdpAnswerHead> read_udp_answer_head(ByteView datagram) noexcept;
[[nodiscard]] Result<std::uint64_t> parse_udp_connect_answer(ByteView datagram);
/// `v6` by the family of the tracker's address, which decides how long a peer is.
[[nodiscard]] Result<AnnounceAnswer> parse_udp_announce_answer(ByteView datagram, bool v6);
[[nodiscard]] Result<ScrapeAnswer> parse_udp_scrape_answer(ByteView datagram);
[[nodiscard]] Error parse_udp_error(ByteView datagram);

// Tracker side.
[[nodiscard]] Result<UdpQuestion> parse_udp_question(ByteView datagram);
/// These replace `out`. Peers are appended by the caller, 6 or 18 bytes each.
void write_udp_connect_answer(Bytes& out, std::uint32_t transaction, std::uint64_t connection);
void write_udp_announce_answer(Bytes& out, std::uint32_t transaction,
                               std::uint32_t interval_seconds, std::uint32_t leeches,
                               std::uint32_t seeds);
void write_udp_scrape_answer(Bytes& out, std::uint32_t transaction);
void append_udp_scrape(Bytes& out, ScrapeAnswer const& counts);
void write_udp_error(Bytes& out, std::uint32_t transaction, std::string_view text);

}  // namespace mutirao::swarm
