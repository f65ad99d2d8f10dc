#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Bencode for tests: also what our own writer refuses to write.
namespace mutirao::swarm::sample {

using Dict = std::map<std::string, std::string>;  ///< key to encoded value

inline std::string I(long long value) { return "i" + std::to_string(value) + "e"; }
inline std::string S(std::string_view text) {
  return std::to_string(text.size()) + ":" + std::string{text};
}
inline std::string L(std::vector<std::string> const& values) {
  std::string out = "l";
  for (auto const& value : values) out += value;
  return out + "e";
}
inline std::string D(Dict const& values) {
  std::string out = "d";
  for (auto const& [key, value] : values) out += S(key) + value;
  return out + "e";
}

/// A copy with one key set, or removed when `value` is empty.
inline Dict with(Dict dict, std::string const& key, std::string value) {
  if (value.empty()) {
    dict.erase(key);
  } else {
    dict[key] = std::move(value);
  }
  return dict;
}

/// A .torrent around an info dictionary.
inline std::string torrent(Dict const& info, Dict rest = {}) {
  rest["info"] = D(info);
  return D(rest);
}

}  // namespace mutirao::swarm::sample
