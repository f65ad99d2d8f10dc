#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/base/units.h"
#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/sim/testing.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/make_torrent.h"
#include "mutirao/swarm/merkle.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/wire/bencode.h"

// What the tests of the engine share: torrents with known content, and nodes on simulated hosts.
namespace mutirao::swarm::test {

inline constexpr std::uint16_t kPort = 6881;
inline constexpr std::string_view kFolder = "/data";
inline constexpr std::string_view kState = "/state";

/// Bytes that look random and depend on `seed` only.
[[nodiscard]] inline Bytes content_of(std::uint64_t seed, std::size_t size) {
  Bytes bytes(size);
  auto state = seed * 0x9e3779b97f4a7c15u + 1;
  for (std::size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
    }
    bytes[i] = static_cast<std::uint8_t>(state >> (i % 8 * 8));
  }
  return bytes;
}

struct Content {
  std::string name = "file.bin";
  Bytes bytes;
  std::shared_ptr<Metainfo const> metainfo;
};

[[nodiscard]] inline std::string_view digest_text(auto const& digest) {
  return {reinterpret_cast<char const*>(digest.data()), digest.size()};
}

/// One file of `size` bytes and its torrent.
[[nodiscard]] inline Content make_content(std::uint64_t seed, std::size_t size,
                                          TorrentFormat format, std::uint32_t piece_length) {
  Content content{.name = "file.bin", .bytes = content_of(seed, size), .metainfo = {}};
  ByteView const all{content.bytes};
  std::string v1_pieces;
  for (std::size_t at = 0; at < size; at += piece_length) {
    v1_pieces += digest_text(sha1(all.subspan(at, std::min<std::size_t>(piece_length, size - at))));
  }
  std::vector<Sha256Digest> leaves;
  for (std::size_t at = 0; at < size; at += kBlockBytes)
    leaves.push_back(sha256(all.subspan(at, std::min<std::size_t>(kBlockBytes, size - at))));
  std::vector<Sha256Digest> layer;
  auto const per_piece = piece_length / kBlockBytes;
  for (std::size_t at = 0; at < leaves.size(); at += per_piece) {
    layer.push_back(merkle_root(
        std::span{leaves}.subspan(at, std::min<std::size_t>(per_piece, leaves.size() - at)),
        per_piece));
  }
  auto const root = size <= piece_length
                        ? merkle_root_of_leaves(leaves)
                        : merkle_root(layer, std::bit_ceil(layer.size()),
                                      static_cast<unsigned>(std::countr_zero(per_piece)));
  auto const v1 = format != TorrentFormat::v2;
  auto const v2 = format != TorrentFormat::v1;
  wire::BencodeWriter writer;
  writer.begin_dictionary().key("info").begin_dictionary();
  if (v2) {
    writer.key("file tree")
        .begin_dictionary()
        .key(content.name)
        .begin_dictionary()
        .key("")
        .begin_dictionary();
    writer.key("length")
        .integer(static_cast<std::int64_t>(size))
        .key("pieces root")
        .string(digest_text(root));
    writer.end().end().end();
  }
  if (v1) writer.key("length").integer(static_cast<std::int64_t>(size));
  if (v2) writer.key("meta version").integer(2);
  writer.key("name").string(content.name).key("piece length").integer(piece_length);
  if (v1) writer.key("pieces").string(v1_pieces);
  writer.end();
  if (v2) {
    writer.key("piece layers").begin_dictionary();
    if (size > piece_length) {
      std::string text;
      for (auto const& digest : layer) text += digest_text(digest);
      writer.key(digest_text(root)).string(text);
    }
    writer.end();
  }
  auto const torrent = std::move(writer.end()).finish();
  auto parsed = Metainfo::parse(torrent);
  EXPECT_TRUE(parsed) << parsed.error().what;
  if (parsed) content.metainfo = std::move(*parsed);
  return content;
}

inline void write_file(world::World& world, std::string const& name, ByteView bytes) {
  auto const folder = world.disk().open_directory(kFolder, true);
  ASSERT_TRUE(folder) << folder.error().what;
  auto const file = (*folder)->open(name, {.writable = true, .create = true});
  ASSERT_TRUE(file) << file.error().what;
  ASSERT_TRUE((*file)->write_at(0, bytes));
  ASSERT_TRUE((*file)->sync());
  ASSERT_TRUE((*folder)->sync());
}

[[nodiscard]] inline Bytes read_file(world::World& world, std::string const& name) {
  auto const folder = world.disk().open_directory(kFolder, true);
  if (!folder) return {};
  auto const file = (*folder)->open(name, {});
  if (!file) return {};
  auto const info = (*file)->info();
  if (!info) return {};
  Bytes bytes(info->size);
  if (!(*file)->read_exactly(0, bytes)) return {};
  return bytes;
}

/// A node on a host: a Swarm, and a thread that serves its peers.
class Node {
 public:
  explicit Node(world::World& world, world::IpAddress address, SwarmOptions options = {})
      : world_{world}, endpoint_{address, kPort} {
    if (options.state_folder.empty()) options.state_folder = kState;
    options.port = kPort;
    swarm_ = std::make_unique<Swarm>(world, std::move(options));
    auto listener = world.network().listen(endpoint_);
    EXPECT_TRUE(listener) << listener.error().what;
    if (!listener) return;
    listener_ = std::move(*listener);
    scope_ = std::make_unique<threads::scope>();
    scope_->spawn("serve", [this] { static_cast<void>(swarm_->serve(*listener_)); },
                  {.isolated = true});
  }
  explicit Node(sim::Host& host, SwarmOptions options = {})
      : Node{host.world(), host.address(), std::move(options)} {}
  ~Node() {
    if (listener_) listener_->close();
    scope_->request_stop();
    static_cast<void>(scope_->join());
    swarm_.reset();
  }
  Node(Node const&) = delete;
  Node& operator=(Node const&) = delete;

  TorrentId seed(Content const& content) {
    write_file(world_, content.name, content.bytes);
    auto id = swarm_->add({.what = content.metainfo,
                           .folder = std::string{kFolder},
                           .content_is_whole = true,
                           .peers = {},
                           .trackers = {}});
    EXPECT_TRUE(id) << id.error().what;
    return id.value_or("");
  }
  TorrentId leech(Content const& content, std::vector<world::Endpoint> peers) {
    auto id = swarm_->add({.what = content.metainfo,
                           .folder = std::string{kFolder},
                           .peers = std::move(peers),
                           .trackers = {}});
    EXPECT_TRUE(id) << id.error().what;
    return id.value_or("");
  }
  Swarm& operator*() noexcept { return *swarm_; }
  Swarm* operator->() noexcept { return swarm_.get(); }
  [[nodiscard]] world::Endpoint endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] world::World& world() noexcept { return world_; }
  [[nodiscard]] bool has(Content const& content) {
    return read_file(world_, content.name) == content.bytes;
  }

 private:
  world::World& world_;
  world::Endpoint endpoint_;
  std::unique_ptr<Swarm> swarm_;
  std::unique_ptr<world::Listener> listener_;
  std::unique_ptr<threads::scope> scope_;
};

using sim::for_seeds;

}  // namespace mutirao::swarm::test
