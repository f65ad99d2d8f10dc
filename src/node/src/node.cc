#include "mutirao/node/node.h"

#include <mutex>

#include "mutirao/middleware/adaptation_object.h"
#include "mutirao/middleware/broker.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/net/http_server.h"
#include "mutirao/node/remote.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/site.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/swarm/tracker.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/semaphore.h"
#include "mutirao/threads/this_thread.h"

#include "access.h"
#include "config_entries.h"
#include "links.h"
#include "local_library.h"
#include "node_objects.h"
#include "port.h"
#include "state_db.h"

namespace mutirao::node {
namespace {

constexpr std::uint8_t kPeerHandshake = 0x13;  // length of "BitTorrent protocol" (BEP 3)
constexpr Duration kFirstByte = 10s;
constexpr Duration kTend = 3s;
constexpr std::size_t kConnectionsMax = 2000;
// Of other machines at once: strangers are among them until they have shown their keys, and must
// not take what the commands of this machine need.
constexpr std::size_t kControlConnectionsMax = 100;
constexpr char kOwnerFile[] = "node.pid";
constexpr char kAuditFile[] = "audit.log";

/// Who has the state folder, for a message.
std::string owner_of(world::Directory& folder) {
  std::array<std::uint8_t, 20> text;
  auto file = folder.open(kOwnerFile, {});
  auto const size = file ? (*file)->read_at(0, text).value_or(0) : 0;
  std::string digits;
  for (char const c : base::text_of(ByteView{text}.first(size)))
    if (c >= '0' && c <= '9') digits += c;
  return digits.empty() ? "another process" : "process " + digits;
}

void write_owner(world::Directory& folder, std::int64_t process_id) {
  // Only a message needs it: a node whose folder is full must still run.
  if (auto file = folder.open(kOwnerFile, {.writable = true, .create = true, .truncate = true}))
    (void)(*file)->write_at(0, base::view_of(fmt::format("{}\n", process_id)));
}

/// The lock of the folder and the memory of the node in one.
Result<std::unique_ptr<StateDb>> take_state(world::World& world, NodeConfig const& config) {
  auto folder = world.disk().open_directory(config.state_folder, true);
  if (!folder)
    return std::unexpected{std::move(folder)
                               .error()
                               .during("state folder")
                               .with_mend("choose one that you can write: mutirao --state DIR up")};
  auto db = StateDb::open(config.state_folder + "/state.db");
  if (!db) {
    if (db.error().fault != Fault::refused || !db.error().what.contains("in use")) return db;
    return fail(
        Fault::refused,
        fmt::format("the state folder {} is in use by {}", config.state_folder, owner_of(**folder)),
        "talk to that node (mutirao status), end it (mutirao stop), or use another folder: mutirao "
        "--state DIR up");
  }
  write_owner(**folder, config.process_id);
  return db;
}

}  // namespace

struct Node::State {
  world::World& world;
  NodeConfig config;
  TimePoint started;

  // Made in this order and ended in the opposite one: when the control socket is gone, so is the
  // lock of the state folder.
  std::unique_ptr<world::Listener> control_listener;
  std::unique_ptr<StateDb> db;
  std::unique_ptr<middleware::AuditLog> audit;
  std::unique_ptr<Access> access;
  std::optional<net::TlsIdentity> identity;
  std::unique_ptr<world::Listener> remote_listener;
  Ports ports;
  Contact contact;
  std::optional<swarm::Tracker> tracker;
  std::optional<swarm::Swarm> swarm;
  std::optional<swarm::Site> site;
  std::optional<LocalLibrary> library;
  std::optional<net::HttpServer> http;
  std::optional<middleware::Broker> broker;
  std::optional<middleware::Assembly> assembly;
  std::optional<middleware::Adaptation> adaptation;
  threads::semaphore connections{kConnectionsMax};
  std::optional<threads::scope> services;

  threads::mutex mutex;
  threads::condition_variable stopping;
  bool stop_asked = false;

  State(world::World& w, NodeConfig c) : world{w}, config{std::move(c)}, started{w.clock().now()} {}

  void ask_to_stop() noexcept {
    {
      std::lock_guard const lock{mutex};
      stop_asked = true;
    }
    stopping.notify_all();
  }

  Result<void> compose();
  Result<void> compose_access(world::IpAddress address);
  Result<void> compose_objects();
  void serve();
  Result<void> accept_connections();
  void serve_connection(std::unique_ptr<world::Stream> stream);
  NodeStatus status();
  std::vector<ConfigEntry> configuration() const;
};

Result<void> Node::State::compose() {
  db = MUT_TRY(take_state(world, config));
  ports = MUT_TRY(open_ports(world, config.listen, *db));
  auto const bound = ports.tcp->local();
  auto const local = MUT_TRY(world.network().local_addresses());
  contact = Contact::of(bound, local, config.base_url, ports.udp != nullptr);

  swarm::SwarmOptions options;
  options.state_folder = config.state_folder + "/torrents";
  options.port = bound.port;
  options.upload_rate_max = config.upload_rate_max;
  options.download_rate_max = config.download_rate_max;
  options.tracker_reach = config.reach;
  if (!bound.address.is_unspecified()) options.from = bound.address;
  tracker.emplace(world, swarm::TrackerOptions{});
  swarm.emplace(world, options);
  site.emplace(world, *swarm, *tracker, config.base_url);
  library.emplace(world, *swarm, *tracker, *db, config, contact);
  http.emplace(world, net::HttpServerOptions{}, [this](auto const& request, auto& responder) {
    return site->handle(request, responder);
  });
  MUT_TRY(compose_access(bound.address));
  broker.emplace(world, middleware::BrokerOptions{
                            .name = "node",
                            .identity = identity,
                            .accepts = [this](auto const& key) { return access->knows(key); }});
  MUT_TRY(compose_objects());
  MUT_TRY(library->restore());
  control_listener = MUT_TRY(world.network().listen_local(config.control_socket));
  return {};
}

/// Who may control the node, and where from.
Result<void> Node::State::compose_access(world::IpAddress address) {
  auto const folder = MUT_TRY(world.disk().open_directory(config.state_folder, true));
  audit = MUT_TRY(middleware::AuditLog::open(world, *folder, kAuditFile));
  access = MUT_TRY(Access::open(*db, *audit));
  if (!config.control_port) return {};
  identity = MUT_TRY(own_identity(world, config.state_folder));
  remote_listener = MUT_TRY(world.network().listen({address, *config.control_port}));
  return {};
}

/// What commands and programs call, what their calls pass, and how both are changed.
Result<void> Node::State::compose_objects() {
  assembly.emplace(*broker, middleware::Supervision{}, [this](Error const& why) {
    world.log().error("node", "{}", why.what);
    ask_to_stop();
  });
  MUT_TRY(add_components(*assembly, {.library = *library,
                                     .swarm = *swarm,
                                     .status = [this] { return status(); },
                                     .stop = [this] { ask_to_stop(); },
                                     .config = [this] { return configuration(); }}));
  adaptation.emplace(*broker, &*assembly, *audit);
  for (auto& kind : middleware::shipped_kinds(world, std::make_shared<middleware::Trace>(world)))
    adaptation->add_kind(std::move(kind));
  for (auto& kind : middleware::shipped_message_kinds(world)) adaptation->add_kind(std::move(kind));
  auto const auth = std::make_shared<middleware::Auth>(
      [this](middleware::Call const& call) { return access->may(call); });
  adaptation->add_kind(middleware::InterceptorKind{
      .name = "auth",
      .about = "lets callers from other machines do what their keys may (mutirao key)",
      .phase = middleware::Auth::kPhase,
      .client = false,
      .make = [auth](auto const& settings) -> Result<std::shared_ptr<middleware::Interceptor>> {
        if (settings.empty()) return auth;
        return fail(Fault::invalid, "auth has no settings", "mutirao key allow");
      }});
  MUT_TRY(adaptation->begin({"trace", "deadline", "cache", "retry", "hedge", "replicate"},
                            {"trace", "auth", "deadline", "admission", "deduplicate"}));
  auto& objects = broker->objects();
  MUT_TRY(middleware::offer_meta(objects));
  // Without auth in the chain a viewer may do more. It may not become an owner, nor change the node
  // for when auth is there again.
  MUT_TRY(objects.add(
      std::string{KeysObject::kName},
      keys_servant(*access, [this](auto const& key) { broker->end_connections_of(key); }),
      {.about = "who may control this node from other machines",
       .outside_chain = true,
       .guard = auth}));
  return objects.add(std::string{middleware::AdaptationObject::kName},
                     middleware::adaptation_servant(*adaptation, *assembly),
                     {.about = "how this node is changed", .outside_chain = true, .guard = auth});
}

void Node::State::serve() {
  services.emplace();
  // A service that fails takes the node down with its reason: a node that looks alive and accepts
  // nobody would be worse.
  auto const run = [this](std::string name, auto body) {
    services->spawn(name, [this, name, body]() -> Result<void> {
      Result<void> ended = body();
      if (!ended && ended.error().fault != Fault::cancelled) {
        world.log().error("node", "{}: {}", name, ended.error().what);
        ask_to_stop();
      }
      return ended;
    });
  };
  run("accept", [this] { return accept_connections(); });
  run("control", [this] { return broker->serve(*control_listener); });
  if (remote_listener)
    run("remote control", [this] {
      return broker->serve(*remote_listener,
                           {.tls_only = true, .connections_max = kControlConnectionsMax});
    });
  if (ports.udp) run("udp tracker", [this] { return tracker->serve_udp(*ports.udp); });
  run("tend", [this]() -> Result<void> {
    while (true) {
      library->tend();
      MUT_TRY(threads::sleep_for(kTend));
    }
  });
}

Result<void> Node::State::accept_connections() {
  while (true) {
    auto stream = MUT_TRY(ports.tcp->accept(Deadline::never()));
    if (!connections.try_acquire()) continue;  // full: the newcomer is turned away
    services->spawn("connection",
                    [this, stream = std::move(stream)]() mutable {
                      serve_connection(std::move(stream));
                      connections.release();
                    },
                    {.isolated = true});
  }
}

// The first byte tells the protocol; it is handed on, since no byte of a stream can be put back.
void Node::State::serve_connection(std::unique_ptr<world::Stream> stream) {
  std::array<std::uint8_t, 1> first;
  auto const got = stream->read_some(first, threads::within(kFirstByte));
  if (!got || *got == 0) return;
  if (first[0] == kPeerHandshake)
    swarm->serve_peer(std::move(stream), first);
  else
    http->serve_connection(std::move(stream), first);
}

NodeStatus Node::State::status() {
  auto const info = threads::this_runtime_info();
  NodeStatus now{.version = std::string{kVersion},
                 .process_id = config.process_id,
                 .uptime = world.clock().now() - started,
                 .state_folder = config.state_folder,
                 .listen = ports.tcp->local().to_string(),
                 .page = contact.base_url + "/",
                 .tracker = contact.announce_url,
                 .udp_tracker = contact.udp_announce_url,
                 .threads_alive = info.threads_alive,
                 .lwps = info.lwps,
                 .file_engine = info.files,
                 .hash_engine = std::string{swarm::hash_engine()},
                 .transfers = library->list(Deadline::never()).value_or(std::vector<Transfer>{}),
                 .control = remote_listener ? remote_listener->local().to_string() : "",
                 .key = identity ? identity->public_key().fingerprint() : ""};
  for (auto const& transfer : now.transfers) {
    now.download_rate += transfer.status.download_rate;
    now.upload_rate += transfer.status.upload_rate;
    now.downloaded += transfer.status.downloaded;
    now.uploaded += transfer.status.uploaded;
  }
  return now;
}

std::vector<ConfigEntry> Node::State::configuration() const {
  return config_entries(config, ports.tcp->local(),
                        remote_listener ? std::optional{remote_listener->local()} : std::nullopt);
}

Node::Node(std::unique_ptr<State> state) : state_{std::move(state)} {}

Node::~Node() {
  if (!state_) return;
  threads::shield const finish_even_when_stopped;
  state_->services.reset();
  // Calls on them may still be ending, and they go before what those pass.
  for (auto const name : {middleware::AdaptationObject::kName, KeysObject::kName})
    static_cast<void>(state_->broker->objects().remove(name, Deadline::never()));
  state_->world.log().info("node", "stopped");
}

Result<std::unique_ptr<Node>> Node::start(world::World& world, NodeConfig config) {
  auto state = std::make_unique<State>(world, std::move(config));
  MUT_TRY(state->compose());
  std::unique_ptr<Node> node{new Node{std::move(state)}};
  node->state_->serve();
  world.log().info("node", "listens on {}, page {}", node->state_->ports.tcp->local().to_string(),
                   node->state_->contact.base_url);
  return node;
}

Result<void> Node::run_until_stopped() {
  std::unique_lock lock{state_->mutex};
  return state_->stopping.wait(lock, [this] { return state_->stop_asked; });
}

void Node::request_stop() noexcept { state_->ask_to_stop(); }
Library& Node::library() noexcept { return *state_->library; }
NodeStatus Node::status() { return state_->status(); }

}  // namespace mutirao::node
