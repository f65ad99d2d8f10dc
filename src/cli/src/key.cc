#include "mutirao/middleware/json_values.h"
#include "mutirao/middleware/reference.h"
#include "mutirao/node/objects.h"
#include "mutirao/node/remote.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "report.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr Duration kKeyAnswer = 15s;

std::string key_table(std::vector<node::AllowedKey> const& keys) {
  if (keys.empty()) return "no other machine may control this node; next: mutirao key allow KEY\n";
  std::vector<std::vector<std::string>> rows{{"NAME", "ROLE", "KEY"}};
  for (auto const& each : keys)
    rows.push_back({each.name.empty() ? "-" : printable(each.name), printable(each.role),
                    printable(each.key)});
  return table(rows);
}

/// What is printed as text, and as JSON.
struct Said {
  std::string text;
  std::string json;
};

template <class T>
std::string json_line(std::string_view key, T const& value) {
  return fmt::format("{{\"{}\":{}}}\n", key, middleware::json_of(value));
}

Result<Said> show_key(Context const& context, world::World& world) {
  auto const key = MUT_TRY(node::own_identity(world, context.place.state_folder)).public_key();
  return Said{key.fingerprint() + "\n", json_line("key", key.fingerprint())};
}

Result<Said> trust(Context const& context, world::World& world) {
  auto const place = MUT_TRY(node::remote_name(context.options.place));
  auto const key = net::PublicKey::parse(context.options.key);
  if (!key)
    return fail(Fault::invalid, fmt::format("{} is no key", context.options.key),
                "such as ed25519:..., as mutirao key show prints it on that machine");
  MUT_TRY(node::trust_node(world, context.place.state_folder, place, *key));
  return Said{
      fmt::format("the node at {} has that key; next: mutirao --at {} status\n", place, place),
      fmt::format("{{\"trusted\":{{\"at\":{},\"key\":{}}}}}\n", middleware::json_of(place),
                  middleware::json_of(key->fingerprint()))};
}

/// Those that ask the node.
Result<Said> said_of_keys(Context const& context, node::ControlClient& client) {
  auto const& options = context.options;
  middleware::Ref<node::KeysObject> const keys{MUT_TRY(client.object(node::KeysObject::kName))};
  middleware::CallOptions const soon{.deadline = threads::within(kKeyAnswer)};
  auto const told = [&](auto& outcome) {
    return std::unexpected{client.told(std::move(outcome).error())};
  };
  if (options.verb == "key list") {
    auto all = keys.list.with(soon)();
    if (!all) return told(all);
    return Said{key_table(*all), json_line("keys", *all)};
  }
  if (options.verb == "key allow") {
    node::AllowedKey const wanted{.key = options.key, .role = options.role, .name = options.name};
    auto done = keys.allow.with(soon)(wanted);
    if (!done) return told(done);
    return Said{fmt::format("{} may control the node, as {}\n",
                            options.name.empty() ? options.key : options.name, options.role),
                json_line("allowed", wanted)};
  }
  auto gone = keys.revoke.with(soon)(options.key);
  if (!gone) return told(gone);
  return Said{fmt::format("{} may control the node no more\n",
                          printable(gone->name.empty() ? gone->key : gone->name)),
              json_line("revoked", *gone)};
}

}  // namespace

int command_key(Context const& context) {
  return with_world([&](world::World& world) {
    auto const& verb = context.options.verb;
    auto const said = [&]() -> Result<Said> {
      if (verb == "key show") return show_key(context, world);
      if (verb == "key trust") return trust(context, world);
      node::ControlClient client{world, context.place.control()};
      return said_of_keys(context, client);
    }();
    if (!said) return report(said.error(), context.options.json);
    if (context.options.json)
      fmt::print("{}", said->json);
    else if (!context.options.quiet || verb == "key show" || verb == "key list")
      fmt::print("{}", said->text);
    return static_cast<int>(kDone);
  });
}

}  // namespace mutirao::cli
