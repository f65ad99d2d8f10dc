#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/merkle.h"
#include "mutirao/swarm/metainfo.h"
#include "mutirao/wire/bencode.h"

/// For the tests of the store: small torrents of every kind, with their content in memory.
namespace mutirao::swarm::store_test {

enum class Kind { v1, v2, hybrid };

struct Content {
  std::string path;  // below the torrent's folder
  Bytes bytes;
};

/// Bytes that differ everywhere and are the same in every run.
inline Bytes some_bytes(std::size_t size, std::uint64_t salt) {
  Bytes bytes(size);
  std::uint64_t state = salt * 0x9e3779b97f4a7c15 + 1;
  for (std::uint8_t& byte : bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<std::uint8_t>(state >> 32);
  }
  return bytes;
}

inline std::vector<Sha256Digest> leaves_of(ByteView bytes) {
  std::vector<Sha256Digest> leaves;
  for (std::size_t at = 0; at < bytes.size(); at += kBlockBytes)
    leaves.push_back(
        sha256(bytes.subspan(at, std::min<std::size_t>(kBlockBytes, bytes.size() - at))));
  return leaves;
}

struct Torrent {
  std::shared_ptr<Metainfo const> metainfo;
  Bytes space;  // all that the torrent names, padding as zeros

  [[nodiscard]] ByteView piece(std::uint32_t index) const {
    return ByteView{space}.subspan(std::uint64_t{index} * metainfo->piece_length(),
                                   metainfo->piece_size(PieceIndex{index}));
  }
};

class TorrentMaker {
 public:
  TorrentMaker(std::vector<Content> files, std::uint32_t piece_length, Kind kind)
      : files_{std::move(files)}, piece_length_{piece_length}, kind_{kind} {
    std::ranges::sort(files_, {}, &Content::path);
  }

  Torrent make() {
    lay_out();
    Bytes const info = encode_info();
    wire::BencodeWriter torrent;
    torrent.begin_dictionary().key("info").raw(info);
    if (kind_ != Kind::v1) {
      torrent.key("piece layers").begin_dictionary();
      for (auto const& [root, layer] : layers_) {
        torrent.key(base::text_of(root));
        torrent.bytes(layer);
      }
      torrent.end();
    }
    torrent.end();
    Bytes const bytes = std::move(torrent).finish();
    auto parsed = Metainfo::parse(bytes);
    EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().what);
    return {parsed ? *parsed : nullptr, space_};
  }

 private:
  void lay_out() {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      space_.insert(space_.end(), files_[i].bytes.begin(), files_[i].bytes.end());
      bool const last = i + 1 == files_.size();
      if (kind_ != Kind::v1 && !last)
        space_.resize((space_.size() + piece_length_ - 1) / piece_length_ * piece_length_);
    }
  }

  Bytes encode_info() {
    wire::BencodeWriter info;
    info.begin_dictionary();
    if (kind_ != Kind::v1) {
      info.key("file tree").begin_dictionary();
      encode_tree(info, "");
      info.end();
    }
    if (kind_ != Kind::v2) {
      info.key("files").begin_list();
      for (std::size_t i = 0; i < files_.size(); ++i) encode_v1_file(info, i);
      info.end();
    }
    if (kind_ != Kind::v1) info.key("meta version").integer(2);
    info.key("name").string("t");
    info.key("piece length").integer(piece_length_);
    if (kind_ != Kind::v2) {
      Bytes pieces;
      for (std::size_t at = 0; at < space_.size(); at += piece_length_) {
        Sha1Digest const digest = sha1(
            ByteView{space_}.subspan(at, std::min<std::size_t>(piece_length_, space_.size() - at)));
        pieces.insert(pieces.end(), digest.begin(), digest.end());
      }
      info.key("pieces").bytes(pieces);
    }
    info.end();
    return std::move(info).finish();
  }

  void encode_v1_file(wire::BencodeWriter& info, std::size_t i) {
    info.begin_dictionary().key("length").integer(
        static_cast<std::int64_t>(files_[i].bytes.size()));
    info.key("path").begin_list();
    std::string const& path = files_[i].path;
    for (std::size_t at = 0; at <= path.size();) {
      std::size_t const slash = std::min(path.find('/', at), path.size());
      info.string(path.substr(at, slash - at));
      at = slash + 1;
    }
    info.end().end();
    std::size_t const rest = files_[i].bytes.size() % piece_length_;
    if (kind_ != Kind::hybrid || rest == 0 || i + 1 == files_.size()) return;
    std::int64_t const pad = static_cast<std::int64_t>(piece_length_ - rest);
    info.begin_dictionary().key("attr").string("p").key("length").integer(pad);
    info.key("path").begin_list().string(".pad").string(std::to_string(pad)).end().end();
  }

  /// The files below `prefix`, whose folders come in the order of their names.
  void encode_tree(wire::BencodeWriter& info, std::string const& prefix) {
    std::map<std::string, std::vector<Content const*>> entries;
    for (Content const& file : files_) {
      if (!file.path.starts_with(prefix)) continue;
      std::string const rest = file.path.substr(prefix.size());
      entries[rest.substr(0, rest.find('/'))].push_back(&file);
    }
    for (auto const& [name, files] : entries) {
      info.key(name).begin_dictionary();
      if (files.front()->path == prefix + name)
        encode_v2_file(info, files.front()->bytes);
      else
        encode_tree(info, prefix + name + "/");
      info.end();
    }
  }

  void encode_v2_file(wire::BencodeWriter& info, ByteView bytes) {
    info.key("").begin_dictionary().key("length").integer(static_cast<std::int64_t>(bytes.size()));
    if (!bytes.empty()) {
      std::vector<Sha256Digest> const leaves = leaves_of(bytes);
      Sha256Digest const root = merkle_root_of_leaves(leaves);
      info.key("pieces root").bytes(root);
      if (bytes.size() > piece_length_) {
        std::size_t const per_piece = piece_length_ / kBlockBytes;
        Bytes& layer = layers_[root];
        layer.clear();
        for (std::size_t at = 0; at < leaves.size(); at += per_piece) {
          auto const part = std::span{leaves}.subspan(at, std::min(per_piece, leaves.size() - at));
          Sha256Digest const node = merkle_root(part, per_piece);
          layer.insert(layer.end(), node.begin(), node.end());
        }
      }
    }
    info.end();
  }

  std::vector<Content> files_;
  std::uint32_t piece_length_;
  Kind kind_;
  Bytes space_;
  std::map<Sha256Digest, Bytes> layers_;
};

inline Torrent make_torrent(std::vector<Content> files, std::uint32_t piece_length, Kind kind) {
  return TorrentMaker{std::move(files), piece_length, kind}.make();
}

}  // namespace mutirao::swarm::store_test
