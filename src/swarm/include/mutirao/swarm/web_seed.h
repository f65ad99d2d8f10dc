#pragma once

#include <memory>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/net/http_client.h"
#include "mutirao/swarm/metainfo.h"

namespace mutirao::swarm {

/// A web server that has the files of a torrent (BEP 19): one more place to fetch pieces from. What
/// it sends is unverified, as from any peer.
class WebSeed {
 public:
  WebSeed(net::HttpClient& client, std::string url, std::shared_ptr<Metainfo const> metainfo);
  ~WebSeed();
  [[nodiscard]] std::string const& url() const noexcept;
  /// Fills `into` from an offset of the torrent's space; padding becomes zeros without asking. A
  /// short, long or wrong range is an error, never a guess.
  Result<void> read(std::uint64_t offset, MutableBytes into, Deadline deadline);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::swarm
