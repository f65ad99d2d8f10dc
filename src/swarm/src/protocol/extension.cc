#include "protocol/extension.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/wire/bencode.h"

namespace mutirao::swarm {
namespace {

// No client says more than a few dozen things; the message itself is limited by the codec in front.
constexpr wire::BencodeLimits kHandshakeLimits{.bytes_max = 64 * 1024,
                                               .tokens_max = 1024,
                                               .depth_max = 8,
                                               .sorted_keys = false,
                                               .allow_rest = true};
constexpr wire::BencodeLimits kMetadataLimits{.bytes_max = 64 * 1024,
                                              .tokens_max = 64,
                                              .depth_max = 4,
                                              .sorted_keys = false,
                                              .allow_rest = true};

template <class T>
std::optional<T> number_in(std::optional<std::int64_t> value, std::int64_t least,
                           std::int64_t most) {
  if (!value || *value < least || *value > most) return std::nullopt;
  return static_cast<T>(*value);
}

/// What a person may be shown: control characters, and what could not be UTF-8, become '?'.
std::string printable(std::string_view text, std::size_t bytes_max) {
  text = text.substr(0, bytes_max);
  std::string shown;
  for (std::size_t i = 0; i < text.size();) {
    auto const lead = static_cast<std::uint8_t>(text[i]);
    std::size_t const length = lead < 0x80                   ? 1
                               : lead >= 0xc2 && lead < 0xe0 ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                                                             : 0;
    bool good = length > 0 && i + length <= text.size() && lead >= 0x20 && lead != 0x7f;
    for (std::size_t k = 1; good && k < length; ++k)
      good = (static_cast<std::uint8_t>(text[i + k]) & 0xc0) == 0x80;
    // U+0080 to U+009F are control characters, too; overlong forms and surrogates are not
    // characters.
    if (good && length == 2 && lead == 0xc2) good = static_cast<std::uint8_t>(text[i + 1]) >= 0xa0;
    if (good && lead == 0xe0) good = static_cast<std::uint8_t>(text[i + 1]) >= 0xa0;
    if (good && lead == 0xed) good = static_cast<std::uint8_t>(text[i + 1]) < 0xa0;
    shown += good ? text.substr(i, length) : std::string_view{"?"};
    i += good ? length : 1;
  }
  return shown;
}

std::vector<ExtensionName> parse_names(wire::BencodeValue const& names) {
  std::vector<ExtensionName> extensions;
  for (auto const& [key, value] : names) {
    auto const id = number_in<std::uint8_t>(value.integer(), 0, 255);
    if (!id || key.empty() || key.size() > ExtensionHandshake::kNameBytesMax) continue;
    if (extensions.size() == ExtensionHandshake::kNamesMax) break;
    extensions.push_back({std::string{key}, *id});
  }
  return extensions;
}

}  // namespace

// ------------------------------------------------------------------------------------- handshake

std::uint8_t ExtensionHandshake::id_of(std::string_view name) const noexcept {
  auto const found = std::ranges::find(extensions, name, &ExtensionName::name);
  return found == extensions.end() ? 0 : found->id;
}

void ExtensionHandshake::apply(ExtensionHandshake later) {
  for (ExtensionName& extension : later.extensions) {
    auto const known = std::ranges::find(extensions, extension.name, &ExtensionName::name);
    if (known != extensions.end())
      known->id = extension.id;
    else if (extensions.size() < kNamesMax)
      extensions.push_back(std::move(extension));
  }
  if (!later.client.empty()) client = std::move(later.client);
  auto const take = [](auto& mine, auto const& theirs) {
    if (theirs) mine = theirs;
  };
  take(listen_port, later.listen_port);
  take(requests_max, later.requests_max);
  take(metadata_size, later.metadata_size);
  take(your_ip, later.your_ip);
  take(upload_only, later.upload_only);
}

Result<ExtensionHandshake> parse_extension_handshake(ByteView payload) {
  auto const document = wire::BencodeDocument::decode(payload, kHandshakeLimits);
  if (!document) return std::unexpected{Error{document.error()}.during("extension handshake")};
  wire::BencodeValue const root = document->root();
  if (!root.is_dictionary()) return fail(Fault::corrupt, "extension handshake: not a dictionary");

  ExtensionHandshake handshake;
  if (auto const names = root.find("m"); names && names->is_dictionary())
    handshake.extensions = parse_names(*names);
  if (auto const client = root.string("v"))
    handshake.client = printable(*client, ExtensionHandshake::kClientBytesMax);
  handshake.listen_port = number_in<std::uint16_t>(root.integer("p"), 1, 65535);
  handshake.requests_max = number_in<std::uint32_t>(root.integer("reqq"), 1, INT32_MAX);
  handshake.metadata_size =
      number_in<std::uint32_t>(root.integer("metadata_size"), 1, kMetadataBytesMax);
  if (auto const ip = root.string("yourip"))
    handshake.your_ip = world::IpAddress::from_bytes(base::view_of(*ip));
  if (auto const only = root.integer("upload_only")) handshake.upload_only = *only != 0;
  return handshake;
}

Bytes to_payload(ExtensionHandshake const& handshake) {
  auto names = handshake.extensions;
  std::ranges::sort(names, {}, &ExtensionName::name);
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("m").begin_dictionary();
  for (ExtensionName const& name : names) writer.key(name.name).integer(name.id);
  writer.end();
  if (handshake.metadata_size) writer.key("metadata_size").integer(*handshake.metadata_size);
  if (handshake.listen_port) writer.key("p").integer(*handshake.listen_port);
  if (handshake.requests_max) writer.key("reqq").integer(*handshake.requests_max);
  if (handshake.upload_only) writer.key("upload_only").integer(*handshake.upload_only ? 1 : 0);
  if (!handshake.client.empty()) writer.key("v").string(handshake.client);
  if (handshake.your_ip) writer.key("yourip").bytes(handshake.your_ip->bytes());
  writer.end();
  return std::move(writer).finish();
}

// -------------------------------------------------------------------------------------- metadata

std::uint32_t metadata_piece_bytes(std::uint32_t total_size, std::uint32_t piece) noexcept {
  std::uint64_t const begin = std::uint64_t{piece} * kBlockBytes;
  return begin >= total_size
             ? 0
             : static_cast<std::uint32_t>(std::min<std::uint64_t>(kBlockBytes, total_size - begin));
}

Result<std::optional<MetadataMessage>> parse_metadata_message(ByteView payload) {
  auto const document = wire::BencodeDocument::decode(payload, kMetadataLimits);
  if (!document) return std::unexpected{Error{document.error()}.during("ut_metadata")};
  wire::BencodeValue const root = document->root();
  auto const kind = root.integer("msg_type");
  if (!kind) return fail(Fault::corrupt, "ut_metadata: no msg_type");
  if (*kind < 0 || *kind > 2) return std::nullopt;

  MetadataMessage message;
  message.kind = static_cast<MetadataMessage::Kind>(*kind);
  auto const piece =
      number_in<std::uint32_t>(root.integer("piece"), 0, kMetadataBytesMax / kBlockBytes - 1);
  if (!piece) return fail(Fault::corrupt, "ut_metadata: no piece, or one beyond 10 MiB");
  message.piece = *piece;
  if (message.kind != MetadataMessage::Kind::data) return message;

  auto const total = number_in<std::uint32_t>(root.integer("total_size"), 1, kMetadataBytesMax);
  if (!total) return fail(Fault::corrupt, "ut_metadata: no total_size, or one beyond 10 MiB");
  message.total_size = *total;
  message.data = document->rest();
  std::uint32_t const due = metadata_piece_bytes(*total, *piece);
  if (due == 0 || message.data.size() != due)
    return fail(Fault::corrupt, fmt::format("ut_metadata: piece {} with {} bytes instead of {}",
                                            *piece, message.data.size(), due));
  return message;
}

Bytes to_payload(MetadataMessage const& message) {
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("msg_type").integer(static_cast<std::int64_t>(message.kind));
  writer.key("piece").integer(message.piece);
  if (message.kind == MetadataMessage::Kind::data)
    writer.key("total_size").integer(message.total_size);
  writer.end();
  Bytes payload = std::move(writer).finish();
  payload.insert(payload.end(), message.data.begin(), message.data.end());
  return payload;
}

}  // namespace mutirao::swarm
