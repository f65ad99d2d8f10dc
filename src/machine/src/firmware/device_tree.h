#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"

namespace mutirao::machine {

/// Writes a flattened device tree, by which a kernel learns what machine it is on (Devicetree
/// Specification 0.4, chapter 5: format version 17).
///
/// Nodes and properties in the order of the calls; asserted, as the caller's bug: properties of a
/// node come before its children, and ends match begins.
class DeviceTreeWriter {
 public:
  DeviceTreeWriter& begin_node(std::string_view name);
  DeviceTreeWriter& end_node();

  DeviceTreeWriter& flag(std::string_view name) { return bytes(name, {}); }
  DeviceTreeWriter& text(std::string_view name, std::string_view value);
  DeviceTreeWriter& texts(std::string_view name, std::vector<std::string_view> const& values);
  DeviceTreeWriter& cells(std::string_view name, std::vector<std::uint32_t> const& values);
  /// Pairs of cells: addresses and sizes.
  DeviceTreeWriter& wide_cells(std::string_view name, std::vector<std::uint64_t> const& values);
  DeviceTreeWriter& bytes(std::string_view name, ByteView value);

  /// The whole tree, with so much free space of its own behind it. All nodes are ended.
  [[nodiscard]] Bytes finish(std::uint32_t room_bytes = 0) &&;

 private:
  void token(std::uint32_t value);
  void pad();
  [[nodiscard]] std::uint32_t name_offset(std::string_view name);

  Bytes structure_;
  std::string names_;  // each ended by a zero byte
  unsigned depth_ = 0;
  bool properties_allowed_ = false;
};

}  // namespace mutirao::machine
