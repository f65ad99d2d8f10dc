#include "firmware/device_tree.h"

#include "mutirao/base/check.h"

namespace mutirao::machine {
namespace {

constexpr std::uint32_t kTreeMagic = 0xD00DFEED, kTreeVersion = 17, kCompatibleVersion = 16;
constexpr std::uint32_t kBeginNode = 1, kEndNode = 2, kProperty = 3, kEnd = 9;
constexpr std::uint32_t kTreeHeaderSize = 40, kReservationsSize = 16;
constexpr std::uint32_t kBootHart = 0;

}  // namespace

void DeviceTreeWriter::token(std::uint32_t value) { base::append_be(structure_, value); }

void DeviceTreeWriter::pad() { structure_.resize((structure_.size() + 3) & ~std::size_t{3}); }

DeviceTreeWriter& DeviceTreeWriter::begin_node(std::string_view name) {
  token(kBeginNode);
  structure_.insert(structure_.end(), name.begin(), name.end());
  structure_.push_back(0);
  pad();
  ++depth_;
  properties_allowed_ = true;
  return *this;
}

DeviceTreeWriter& DeviceTreeWriter::end_node() {
  MUT_ASSERT(depth_ > 0);
  --depth_;
  token(kEndNode);
  properties_allowed_ = false;
  return *this;
}

DeviceTreeWriter& DeviceTreeWriter::text(std::string_view name, std::string_view value) {
  return texts(name, {value});
}

DeviceTreeWriter& DeviceTreeWriter::texts(std::string_view name,
                                          std::vector<std::string_view> const& values) {
  Bytes joined;
  for (std::string_view const value : values) {
    joined.insert(joined.end(), value.begin(), value.end());
    joined.push_back(0);
  }
  return bytes(name, joined);
}

DeviceTreeWriter& DeviceTreeWriter::cells(std::string_view name,
                                          std::vector<std::uint32_t> const& values) {
  Bytes encoded;
  for (std::uint32_t const value : values) base::append_be(encoded, value);
  return bytes(name, encoded);
}

DeviceTreeWriter& DeviceTreeWriter::wide_cells(std::string_view name,
                                               std::vector<std::uint64_t> const& values) {
  Bytes encoded;
  for (std::uint64_t const value : values) base::append_be(encoded, value);
  return bytes(name, encoded);
}

DeviceTreeWriter& DeviceTreeWriter::bytes(std::string_view name, ByteView value) {
  MUT_ASSERT(properties_allowed_);
  token(kProperty);
  token(static_cast<std::uint32_t>(value.size()));
  token(name_offset(name));
  structure_.insert(structure_.end(), value.begin(), value.end());
  pad();
  return *this;
}

std::uint32_t DeviceTreeWriter::name_offset(std::string_view name) {
  std::string ended{name};
  ended.push_back('\0');
  // The tail of another name serves as well.
  std::size_t place = names_.find(ended);
  if (place == std::string::npos) {
    place = names_.size();
    names_ += ended;
  }
  return static_cast<std::uint32_t>(place);
}

Bytes DeviceTreeWriter::finish(std::uint32_t room_bytes) && {
  MUT_ASSERT(depth_ == 0);
  token(kEnd);
  auto const structure_size = static_cast<std::uint32_t>(structure_.size());
  auto const names_size = static_cast<std::uint32_t>(names_.size());
  std::uint32_t const structure_at = kTreeHeaderSize + kReservationsSize;
  std::uint32_t const names_at = structure_at + structure_size;
  std::uint32_t const size = names_at + names_size + room_bytes;
  Bytes tree;
  for (std::uint32_t const field :
       {kTreeMagic, size, structure_at, names_at, kTreeHeaderSize, kTreeVersion, kCompatibleVersion,
        kBootHart, names_size, structure_size})
    base::append_be(tree, field);
  tree.resize(structure_at);  // one empty memory reservation ends their list
  tree.insert(tree.end(), structure_.begin(), structure_.end());
  tree.insert(tree.end(), names_.begin(), names_.end());
  tree.resize(size);
  return tree;
}

}  // namespace mutirao::machine
