#include "mutirao/node/remote.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/net/tls_stream.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::node {
namespace {

constexpr char kIdentityFile[] = "identity.pem";
constexpr char kKnownFile[] = "known_nodes";
constexpr char kKnownFresh[] = "known_nodes.new";
constexpr std::size_t kIdentityBytesMax = 4096;
constexpr std::size_t kKnownBytesMax = 1 << 20;
constexpr unsigned kLooks = 20;
constexpr Duration kBetweenLooks = 20ms;

Result<std::string> all_of(world::File& file, std::size_t bytes_max) {
  auto const info = MUT_TRY(file.info());
  if (info.size > bytes_max) return fail(Fault::exhausted, "the file is too long");
  Bytes bytes(info.size);
  MUT_TRY(file.read_exactly(0, bytes));
  return std::string{base::text_of(bytes)};
}

/// Whoever makes the file writes it a moment later.
Result<std::string> identity_text(world::File& file) {
  for (unsigned look = 0;; ++look) {
    auto text = MUT_TRY(all_of(file, kIdentityBytesMax));
    if (text.ends_with("-----\n") || look == kLooks) return text;
    MUT_TRY(threads::sleep_for(kBetweenLooks));
  }
}

using KnownNodes = std::map<std::string, net::PublicKey, std::less<>>;

Result<KnownNodes> read_known(world::Directory& folder) {
  KnownNodes known;
  auto const file = folder.open(kKnownFile, {});
  if (!file && file.error().fault == Fault::not_found) return known;
  if (!file) return std::unexpected{file.error()};
  auto const text = MUT_TRY(all_of(**file, kKnownBytesMax));
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    auto const end = std::min(text.find('\n', begin), text.size());
    auto const line = std::string_view{text}.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    auto const space = line.find(' ');
    auto const key = space == std::string_view::npos
                         ? std::nullopt
                         : net::PublicKey::parse(line.substr(space + 1));
    if (!key)
      return fail(Fault::corrupt, fmt::format("line {} is no place and key of a node", number),
                  "take the line out");
    known.insert_or_assign(std::string{line.substr(0, space)}, *key);
  }
  return known;
}

Error of_file(Error error, std::string const& folder, char const* name) {
  return std::move(error).during(fmt::format("{}/{}", folder, name));
}

}  // namespace

Result<net::TlsIdentity> own_identity(world::World& world, std::string const& state_folder) {
  auto const folder = MUT_TRY(world.disk().open_directory(state_folder, true));
  auto file = folder->open(
      kIdentityFile, {.writable = true, .create = true, .exclusive = true, .owner_only = true});
  if (file) {
    auto made = net::TlsIdentity::make(world.entropy());
    auto const pem = made.to_pem();
    auto wrote = (*file)->write_at(0, base::view_of(pem));
    if (wrote) wrote = (*file)->sync();
    if (wrote) wrote = folder->sync();
    if (wrote) return made;
    static_cast<void>(folder->remove(kIdentityFile));
    return std::unexpected{of_file(wrote.error(), state_folder, kIdentityFile)};
  }
  file = folder->open(kIdentityFile, {});
  if (!file) return std::unexpected{file.error()};
  auto const text = identity_text(**file);
  if (!text) return std::unexpected{of_file(text.error(), state_folder, kIdentityFile)};
  auto identity = net::TlsIdentity::load(base::view_of(*text));
  if (!identity)
    return std::unexpected{
        of_file(identity.error(), state_folder, kIdentityFile)
            .with_mend("put it elsewhere: a new key is made, which others have to be told of")};
  return identity;
}

Result<std::string> remote_name(std::string_view text) {
  auto const colon = text.rfind(':');
  bool const has_port = colon != std::string_view::npos && colon > 0;
  auto const port = has_port ? world::Endpoint::parse(fmt::format("0.0.0.0{}", text.substr(colon)))
                             : std::nullopt;
  std::string name{text};
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  bool const plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view{".-_:[]"}.contains(c);
  });
  if (!port || port->port == 0 || !plain)
    return fail(Fault::invalid, fmt::format("{} is no place of a node", base::quoted(text)),
                "HOST:PORT, as mutirao status tells it on that machine");
  if (auto const endpoint = world::Endpoint::parse(name)) return endpoint->to_string();
  if (name.find(':') != colon)
    return fail(Fault::invalid, fmt::format("{} is no place of a node", base::quoted(text)),
                "an IPv6 address stands in brackets: [::1]:6880");
  return name;
}

Result<std::optional<net::PublicKey>> known_node(world::World& world,
                                                 std::string const& state_folder,
                                                 std::string_view at) {
  auto const folder = world.disk().open_directory(state_folder, false);
  if (!folder && folder.error().fault == Fault::not_found) return std::nullopt;
  if (!folder) return std::unexpected{folder.error()};
  auto const known = read_known(**folder);
  if (!known) return std::unexpected{of_file(known.error(), state_folder, kKnownFile)};
  auto const found = known->find(at);
  if (found == known->end()) return std::nullopt;
  return found->second;
}

Result<void> trust_node(world::World& world, std::string const& state_folder, std::string_view at,
                        net::PublicKey const& key) {
  auto const folder = MUT_TRY(world.disk().open_directory(state_folder, true));
  auto known = read_known(*folder);
  if (!known) return std::unexpected{of_file(known.error(), state_folder, kKnownFile)};
  known->insert_or_assign(std::string{at}, key);
  std::string text;
  for (auto const& [place, its] : *known) text += fmt::format("{} {}\n", place, its.fingerprint());
  auto const file = MUT_TRY(folder->open(
      kKnownFresh, {.writable = true, .create = true, .truncate = true, .owner_only = true}));
  MUT_TRY(file->write_at(0, base::view_of(text)));
  MUT_TRY(file->sync());
  MUT_TRY(folder->rename(kKnownFresh, kKnownFile));
  return folder->sync();
}

Result<net::PublicKey> shown_key(world::World& world, std::string_view at, Deadline deadline) {
  std::string const text{at};
  auto& network = world.network();
  std::unique_ptr<world::Stream> stream;
  if (auto const endpoint = world::Endpoint::parse(text)) {
    stream = MUT_TRY(network.connect(*endpoint, {}, deadline));
  } else {
    auto const colon = text.rfind(':');
    auto const port = world::Endpoint::parse("0.0.0.0" + text.substr(colon));
    if (!port) return fail(Fault::invalid, fmt::format("{} is no place of a node", text));
    Result<std::unique_ptr<world::Stream>> connected =
        fail(Fault::unreachable, fmt::format("{} has no address", text));
    for (auto const& each : MUT_TRY(network.resolve(text.substr(0, colon), deadline)))
      if (!connected) connected = network.connect({each, port->port}, {}, deadline);
    stream = MUT_TRY(std::move(connected));
  }
  // Refused as soon as it is seen: a key made for the purpose is all that the other side could see.
  std::optional<net::PublicKey> shown;
  auto const refused = net::tls_connect(std::move(stream), net::TlsIdentity::make(world.entropy()),
                                        {.accepts =
                                             [&](net::PublicKey const& key) {
                                               shown = key;
                                               return false;
                                             }},
                                        deadline);
  if (shown) return *shown;
  return std::unexpected{refused ? Error{Fault::corrupt, "it has shown no key", {}}
                                 : refused.error()};
}

}  // namespace mutirao::node
