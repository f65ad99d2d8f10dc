#include "node_objects.h"

#include <algorithm>

#include "mutirao/middleware/adaptation_object.h"
#include "mutirao/middleware/reflection.h"
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

std::function<bool(swarm::MakeProgress)> hashing_to(Yield<ShareStep>& yield) {
  return [&yield](swarm::MakeProgress progress) {
    return yield({.hashing = progress, .shared = std::nullopt}).has_value();
  };
}

std::shared_ptr<middleware::Servant> library_servant(Library& library) {
  return servant<LibraryObject>(
      on<&LibraryObject::share>(
          [&library](ShareRequest request, Yield<ShareStep>& yield) -> Result<void> {
            auto shared = MUT_TRY(library.share(std::move(request), hashing_to(yield), kOfTheCall));
            MUT_TRY(yield({.hashing = std::nullopt, .shared = std::move(shared)}));
            return {};
          }),
      on<&LibraryObject::put>([&library](std::string name, ShareRequest request,
                                         middleware::Attachment const& content,
                                         Yield<ShareStep>& yield) -> Result<void> {
        auto shared = MUT_TRY(library.put(std::move(name), std::move(request), content,
                                          hashing_to(yield), kOfTheCall));
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

/// A component whose state is elsewhere: it offers one object, made anew when it is replaced.
class ObjectComponent final : public middleware::Component {
 public:
  explicit ObjectComponent(std::shared_ptr<middleware::Servant> servant) noexcept
      : servant_{std::move(servant)} {}
  std::shared_ptr<middleware::Servant> port(std::string_view /*the only one*/) override {
    return servant_;
  }

 private:
  std::shared_ptr<middleware::Servant> servant_;
};

/// Knows who calls, for the audit log.
class KeysServant final : public middleware::Servant {
 public:
  KeysServant(Access& access, std::function<void(net::PublicKey const&)> end_those_of)
      : access_{access}, end_those_of_{std::move(end_those_of)} {}
  middleware::InterfaceInfo const& interface() const noexcept override {
    return middleware::interface_of<KeysObject>;
  }
  middleware::Reply execute(std::size_t method, middleware::Call& call) override {
    auto const who = middleware::who_calls(call, "command line");
    auto const bodies = servant<KeysObject>(
        on<&KeysObject::list>([this] { return access_.list(); }),
        on<&KeysObject::allow>([&](AllowedKey key) { return access_.allow(std::move(key), who); }),
        on<&KeysObject::revoke>([&](std::string const& key) -> Result<AllowedKey> {
          auto gone = MUT_TRY(access_.revoke(key, who));
          end_those_of_(*net::PublicKey::parse(gone.key));
          return gone;
        }));
    return bodies->execute(method, call);
  }

 private:
  Access& access_;
  std::function<void(net::PublicKey const&)> end_those_of_;
};

template <class Object>
middleware::ComponentKind kind_of(std::string about, std::vector<middleware::Need> needs,
                                  std::function<std::shared_ptr<middleware::Servant>()> make) {
  std::string const name{Object::kName};
  return {.name = name,
          .about = std::move(about),
          .provides = {{.name = name, .type = std::string{Object::kType}}},
          .needs = std::move(needs),
          .make = [make = std::move(make)]() -> Result<std::unique_ptr<middleware::Component>> {
            return std::make_unique<ObjectComponent>(make());
          }};
}

template <class Object>
middleware::Need need() {
  return {.port = std::string{Object::kName}, .type = std::string{Object::kType}};
}

}  // namespace

middleware::Schema node_schema() {
  std::vector<middleware::ObjectAdapter::Listed> objects;
  auto const add = [&]<class Object>(std::type_identity<Object>) {
    objects.push_back({.name = std::string{Object::kName},
                       .interface = &middleware::interface_of<Object>,
                       .about = {},
                       .guarded = false,
                       .epoch = 1,
                       .calls = 0,
                       .running = 0});
  };
  add(std::type_identity<LibraryObject>{});
  add(std::type_identity<SwarmObject>{});
  add(std::type_identity<NodeObject>{});
  add(std::type_identity<ThreadsObject>{});
  add(std::type_identity<middleware::Meta>{});
  add(std::type_identity<middleware::AdaptationObject>{});
  add(std::type_identity<KeysObject>{});
  auto schema = middleware::Schema::of(objects);
  MUT_ASSERT(schema);  // no two interfaces or records of one name
  return *std::move(schema);
}

std::shared_ptr<middleware::Servant> keys_servant(
    Access& access, std::function<void(net::PublicKey const&)> end_those_of) {
  return std::make_shared<KeysServant>(access, std::move(end_those_of));
}

Result<void> add_components(middleware::Assembly& assembly, NodeParts parts) {
  auto const add = [&](middleware::ComponentKind kind) {
    auto const name = kind.name;
    assembly.add_kind(std::move(kind));
    return assembly.add(name, name);
  };
  MUT_TRY(add(kind_of<SwarmObject>("torrents with their peers and trackers", {},
                                   [&swarm = parts.swarm] { return swarm_servant(swarm); })));
  MUT_TRY(
      add(kind_of<LibraryObject>("what this node shares and fetches", {need<SwarmObject>()},
                                 [&library = parts.library] { return library_servant(library); })));
  MUT_TRY(add(kind_of<NodeObject>(
      "the node itself", {need<LibraryObject>()},
      [status = parts.status, stop = parts.stop, config = parts.config] {
        return servant<NodeObject>(on<&NodeObject::status>(status), on<&NodeObject::stop>(stop),
                                   on<&NodeObject::config>(config));
      })));
  return add(kind_of<ThreadsObject>("what its threads do and wait for", {}, [] {
    return servant<ThreadsObject>(on<&ThreadsObject::report>(&threads::this_runtime_report));
  }));
}

}  // namespace mutirao::node
