// What surrounds the info dictionary: piece layers, trackers, web seeds.
#include <algorithm>
#include <unordered_map>

#include "mutirao/base/utf8.h"
#include "mutirao/swarm/hash.h"

#include "metainfo/metainfo_fields.h"
#include "metainfo/metainfo_parts.h"

namespace mutirao::swarm {
namespace {

using wire::BencodeDocument;
using wire::BencodeValue;

constexpr std::size_t kUrlBytesMax = 4096;
constexpr std::size_t kCommentBytesMax = 64 * 1024;

/// Gathers the URLs of one field up to the limit; empty ones, which old programs wrote, are left
/// out.
class UrlReader {
 public:
  explicit UrlReader(std::string_view label) : label_{label} {}

  Result<void> read(BencodeValue value, std::vector<std::string>& out) {
    auto const url = value.string();
    if (!url) return corrupt("'{}' holds something that is not a string", label_);
    if (url->empty()) return {};
    if (url->size() > kUrlBytesMax)
      return too_large("'{}' holds a URL of {} bytes; at most {} are accepted", label_, url->size(),
                       kUrlBytesMax);
    bool const printable = std::ranges::all_of(
        *url, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; });
    if (!printable || !base::is_utf8(*url))
      return corrupt("'{}' holds {}, which is not a URL", label_, base::quoted(*url));
    if (++count_ > Metainfo::kUrlsMax)
      return too_large("'{}' holds more than {} URLs", label_, Metainfo::kUrlsMax);
    out.emplace_back(*url);
    return {};
  }

 private:
  std::string_view label_;
  std::size_t count_ = 0;
};

/// BEP 12; a URL that stands where a tier should, as some programs write, is a tier of its own.
Result<std::vector<std::vector<std::string>>> read_tiers(BencodeValue root) {
  std::vector<std::vector<std::string>> tiers;
  if (auto const list = root.find("announce-list")) {
    if (!list->is_list()) return corrupt("'announce-list' is not a list");
    UrlReader reader{"announce-list"};
    for (auto const& [key, value] : *list) {
      std::vector<std::string> tier;
      if (!value.is_list()) MUT_TRY(reader.read(value, tier));
      if (value.is_list())
        for (auto const& [inner_key, url] : value) MUT_TRY(reader.read(url, tier));
      if (!tier.empty()) tiers.push_back(std::move(tier));
    }
  }
  if (!tiers.empty()) return tiers;
  if (auto const announce = root.find("announce")) {
    std::vector<std::string> tier;
    MUT_TRY(UrlReader{"announce"}.read(*announce, tier));
    if (!tier.empty()) tiers.push_back(std::move(tier));
  }
  return tiers;
}

/// BEP 19: one URL or a list.
Result<std::vector<std::string>> read_web_seeds(BencodeValue root) {
  std::vector<std::string> seeds;
  auto const value = root.find("url-list");
  if (!value) return seeds;
  UrlReader reader{"url-list"};
  if (!value->is_list()) {
    MUT_TRY(reader.read(*value, seeds));
    return seeds;
  }
  for (auto const& [key, url] : *value) MUT_TRY(reader.read(url, seeds));
  return seeds;
}

/// For people only: a comment that is too long, or not text, is left out.
std::string read_comment(BencodeValue root) {
  auto comment = root.string("comment.utf-8");
  if (!comment) comment = root.string("comment");
  if (!comment || comment->size() > kCommentBytesMax || !base::is_utf8(*comment)) return {};
  return std::string{*comment};
}

/// The layers by their root. Layers that no file needs are left out.
class LayerReader {
 public:
  static Result<LayerReader> open(BencodeValue root) {
    LayerReader reader;
    auto const dictionary = root.find("piece layers");
    if (!dictionary) return reader;
    if (!dictionary->is_dictionary()) return corrupt("'piece layers' is not a dictionary");
    for (auto const& [key, value] : *dictionary) {
      auto const hashes = value.string();
      if (!hashes) return corrupt("'piece layers' holds something that is not a string");
      reader.encoded_.emplace(key, *hashes);
    }
    return reader;
  }

  /// nullptr when there is none for this file.
  Result<PieceLayer> layer_of(InfoPart const& info, FileIndex file) {
    std::string_view const root = base::text_of(*info.files[file.value].pieces_root);
    auto const known = checked_.find(root);
    if (known != checked_.end()) {
      MUT_TRY(check_layer_size(info, file, known->second->size()));
      return known->second;
    }
    auto const found = encoded_.find(root);
    if (found == encoded_.end()) return PieceLayer{};
    auto layer = MUT_TRY(decode(found->second, info.files[file.value]));
    MUT_TRY(check_layer(info, file, layer));
    return checked_
        .emplace(root, std::make_shared<std::vector<Sha256Digest> const>(std::move(layer)))
        .first->second;
  }

 private:
  static Result<std::vector<Sha256Digest>> decode(std::string_view hashes,
                                                  TorrentFile const& file) {
    if (hashes.size() % sizeof(Sha256Digest) != 0)
      return corrupt("the piece layer of {} has {} bytes, which is not a multiple of {}",
                     base::quoted(file.path), hashes.size(), sizeof(Sha256Digest));
    std::vector<Sha256Digest> layer(hashes.size() / sizeof(Sha256Digest));
    for (std::size_t i = 0; i < layer.size(); ++i)
      std::ranges::copy(
          base::view_of(hashes.substr(i * sizeof(Sha256Digest), sizeof(Sha256Digest))),
          layer[i].begin());
    return layer;
  }

  std::unordered_map<std::string_view, std::string_view> encoded_;
  std::unordered_map<std::string_view, PieceLayer> checked_;
};

Result<std::vector<PieceLayer>> read_layers(BencodeValue root, InfoPart const& info,
                                            bool required) {
  std::vector<PieceLayer> layers;
  if (!info.hash.v2) return layers;
  auto reader = MUT_TRY(LayerReader::open(root));
  layers.resize(info.files.size());
  for (std::uint32_t i = 0; i < info.files.size(); ++i) {
    if (!needs_layer(info.files[i], info.piece_length)) continue;
    layers[i] = MUT_TRY(reader.layer_of(info, FileIndex{i}));
    if (!layers[i] && required)
      return corrupt("the piece layer of {} is missing", base::quoted(info.files[i].path));
  }
  return layers;
}

Result<BencodeDocument> decode(ByteView bytes, std::string_view what) {
  if (bytes.size() > Metainfo::kBytesMax)
    return too_large("{} has {} bytes; at most {} are accepted", what, bytes.size(),
                     Metainfo::kBytesMax);
  auto document =
      BencodeDocument::decode(bytes, {.bytes_max = Metainfo::kBytesMax, .sorted_keys = false});
  if (!document) return std::unexpected{std::move(document).error().during(what)};
  return document;
}

/// What a magnet link promised is what the dictionary must be: a peer that answers a v1 link with a
/// v2 dictionary of the same hash must not get past here.
Result<void> check_expected(ByteView info, InfoPart const& part, InfoHash const& expected) {
  if (!expected.v1 && !expected.v2)
    return fail(Fault::invalid, "no info hash to check the info dictionary against");
  if (expected.v1 && sha1(info) != *expected.v1)
    return corrupt("the info dictionary does not have the v1 hash {}", base::to_hex(*expected.v1));
  if (expected.v2 && sha256(info) != *expected.v2)
    return corrupt("the info dictionary does not have the v2 hash {}", base::to_hex(*expected.v2));
  if (expected.v1 && !part.hash.v1)
    return corrupt("the info dictionary was named by a v1 hash and has no v1 part");
  if (expected.v2 && !part.hash.v2)
    return corrupt("the info dictionary was named by a v2 hash and has no v2 part");
  return {};
}

}  // namespace

Result<std::shared_ptr<Metainfo const>> Metainfo::parse(ByteView torrent, ParseOptions options) {
  auto const document = MUT_TRY(decode(torrent, "the .torrent"));
  BencodeValue const root = document.root();
  if (!root.is_dictionary()) return corrupt("the .torrent is not a dictionary");
  auto const info = root.find("info");
  if (!info) return corrupt("'info' is missing");
  Parts parts;
  parts.info = std::make_shared<InfoPart const>(MUT_TRY(read_info(*info)));
  parts.layers = MUT_TRY(read_layers(root, *parts.info, options.layers_required));
  parts.tiers = MUT_TRY(read_tiers(root));
  parts.web_seeds = MUT_TRY(read_web_seeds(root));
  parts.comment = read_comment(root);
  return std::make_shared<Metainfo const>(std::move(parts));
}

Result<std::shared_ptr<Metainfo const>> Metainfo::from_info(ByteView info, InfoHash const& expected,
                                                            std::vector<std::string> trackers,
                                                            std::vector<std::string> web_seeds) {
  auto const document = MUT_TRY(decode(info, "the info dictionary"));
  Parts parts;
  parts.info = std::make_shared<InfoPart const>(MUT_TRY(read_info(document.root())));
  MUT_TRY(check_expected(info, *parts.info, expected));
  if (parts.info->hash.v2) parts.layers.resize(parts.info->files.size());
  for (std::string& tracker : trackers) parts.tiers.push_back({std::move(tracker)});
  parts.web_seeds = std::move(web_seeds);
  return std::make_shared<Metainfo const>(std::move(parts));
}

}  // namespace mutirao::swarm
