#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"
#include "mutirao/threads/diagnostics.h"

/// The JSON that `--json` speaks; docs/reference/json.md names every key.
/// Keys are stable: new ones may appear, none changes its meaning. The root is always an object.
/// Units are in the names: `_s` seconds, `_rate` bytes per second; amounts of data are bytes. What
/// is unknown is null.
///
/// Encoders never fail: text that is not UTF-8, such as an odd file name, is mended with U+FFFD.
namespace mutirao::node {

[[nodiscard]] std::string to_json(Transfer const& transfer);
[[nodiscard]] std::string to_json(
    std::vector<Transfer> const& transfers);  ///< {"transfers": [...]}
[[nodiscard]] std::string to_json(NodeStatus const& status);
[[nodiscard]] std::string to_json(threads::runtime_report const& report);
[[nodiscard]] std::string to_json(Shared const& shared);
[[nodiscard]] std::string to_json(Started const& started);
[[nodiscard]] std::string to_json(swarm::MakeProgress const& progress);  ///< {"hashing": {...}}
[[nodiscard]] std::string to_json(Error const& error);                   ///< {"error": {...}}

[[nodiscard]] Error error_from_json(std::string_view text);

/// One string in quotes, escaped.
[[nodiscard]] std::string json_string(std::string_view text);

/// Whether it is exactly one value.
[[nodiscard]] bool is_json(std::string_view text);

/// Any value laid out for people: two spaces a level.
[[nodiscard]] std::string pretty_json(std::string_view text);

[[nodiscard]] std::string_view to_string(swarm::TorrentPhase phase) noexcept;
[[nodiscard]] std::string_view to_string(Origin origin) noexcept;

}  // namespace mutirao::node
