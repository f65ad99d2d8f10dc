#include "node_objects.h"

#include <algorithm>

#include "mutirao/middleware/servant.h"
#include "mutirao/node/objects.h"

namespace mutirao::node {
namespace {

constexpr std::chrono::milliseconds kWatchMin{50};
constexpr std::chrono::milliseconds kWatchMax{60'000};
// A call ends by its own deadline, or when the caller takes it back.
constexpr Deadline kOfTheCall = Deadline::never();

using middleware::on;
using middleware::servant;
using middleware::Yield;

std::shared_ptr<middleware::Servant> library_servant(Library& library) {
  return servant<LibraryObject>(
      on<&LibraryObject::share>(
          [&library](ShareRequest request, Yield<ShareStep>& yield) -> Result<void> {
            auto shared = MUT_TRY(library.share(
                std::move(request),
                [&](swarm::MakeProgress progress) {
                  return yield({.hashing = progress, .shared = std::nullopt}).has_value();
                },
                kOfTheCall));
            MUT_TRY(yield({.hashing = std::nullopt, .shared = std::move(shared)}));
            return {};
          }),
      on<&LibraryObject::get>(
          [&library](GetRequest request) { return library.get(std::move(request), kOfTheCall); }),
      on<&LibraryObject::list>([&library] { return library.list(kOfTheCall); }),
      on<&LibraryObject::show>(
          [&library](std::string const& name) { return library.show(name, kOfTheCall); }),
      on<&LibraryObject::pause>(
          [&library](std::string const& name) { return library.pause(name, kOfTheCall); }),
      on<&LibraryObject::resume>(
          [&library](std::string const& name) { return library.resume(name, kOfTheCall); }),
      on<&LibraryObject::verify>(
          [&library](std::string const& name) { return library.verify(name, kOfTheCall); }),
      on<&LibraryObject::remove>([&library](std::string const& name, bool content) {
        return library.remove(name, content, kOfTheCall);
      }),
      on<&LibraryObject::watch>([&library](std::string const& name,
                                           std::chrono::milliseconds interval,
                                           Yield<std::vector<Transfer>>& yield) {
        return library.watch(
            name, std::clamp(interval, kWatchMin, kWatchMax),
            [&](std::vector<Transfer> const& transfers) { return yield(transfers).has_value(); },
            kOfTheCall);
      }));
}

std::shared_ptr<middleware::Servant> swarm_servant(swarm::Swarm& swarm) {
  return servant<SwarmObject>(
      on<&SwarmObject::list>([&swarm] { return swarm.list(); }),
      on<&SwarmObject::status>([&swarm](std::string const& name) -> Result<swarm::TorrentStatus> {
        return swarm.status(MUT_TRY(swarm.find(name)));
      }),
      on<&SwarmObject::suggest_peer>(
          [&swarm](std::string const& name, std::string const& peer) -> Result<void> {
            auto const endpoint = world::Endpoint::parse(peer);
            if (!endpoint)
              return fail(Fault::invalid, fmt::format("{} is no address of a peer", peer),
                          "such as 10.0.0.3:6881");
            swarm.suggest_peer(MUT_TRY(swarm.find(name)), *endpoint);
            return {};
          }));
}

}  // namespace

Result<void> offer_objects(middleware::ObjectAdapter& objects, NodeParts parts) {
  MUT_TRY(objects.add(std::string{LibraryObject::kName}, library_servant(parts.library),
                      {.about = "what this node shares and fetches"}));
  MUT_TRY(objects.add(std::string{SwarmObject::kName}, swarm_servant(parts.swarm),
                      {.about = "torrents with their peers and trackers"}));
  MUT_TRY(objects.add(std::string{NodeObject::kName},
                      servant<NodeObject>(on<&NodeObject::status>(std::move(parts.status)),
                                          on<&NodeObject::stop>(std::move(parts.stop))),
                      {.about = "the node itself"}));
  return objects.add(
      std::string{ThreadsObject::kName},
      servant<ThreadsObject>(on<&ThreadsObject::report>(&threads::this_runtime_report)),
      {.about = "what its threads do and wait for"});
}

}  // namespace mutirao::node
