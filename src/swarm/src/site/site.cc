#include "mutirao/swarm/site.h"

#include "site/site_handler.h"

namespace mutirao::swarm {
namespace {

class SwarmSource final : public SiteSource {
 public:
  SwarmSource(world::World& world, Swarm& swarm) : world_{world}, swarm_{swarm} {}

  [[nodiscard]] std::vector<TorrentStatus> list() const override { return swarm_.list(); }
  [[nodiscard]] Result<std::shared_ptr<Metainfo const>> metainfo(
      TorrentId const& id) const override {
    return swarm_.metainfo(id, Deadline::at(world_.clock().now()));
  }
  [[nodiscard]] Result<Bitfield> pieces(TorrentId const& id) const override {
    return swarm_.pieces(id);
  }
  Result<void> read(TorrentId const& id, FileIndex file, std::uint64_t offset, MutableBytes into,
                    Deadline deadline) override {
    return swarm_.read(id, file, offset, into, deadline);
  }

 private:
  world::World& world_;
  Swarm& swarm_;
};

}  // namespace

struct Site::State {
  State(world::World& world, Swarm& swarm, Tracker& tracker, std::string base_url)
      : source{world, swarm}, handler{world, source, tracker, std::move(base_url)} {}
  SwarmSource source;
  SiteHandler handler;
};

Site::Site(world::World& world, Swarm& swarm, Tracker& tracker, std::string base_url)
    : state_{std::make_unique<State>(world, swarm, tracker, std::move(base_url))} {}

Site::~Site() = default;

Result<void> Site::handle(net::HttpServerRequest const& request, net::HttpResponder& responder) {
  return state_->handler.handle(request, responder);
}

}  // namespace mutirao::swarm
