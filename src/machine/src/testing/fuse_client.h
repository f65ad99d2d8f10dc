#pragma once

#include <cstring>
#include <linux/fuse.h>
#include <string_view>

#include "virtiofs/fuse_server.h"

namespace mutirao::machine {

/// A request of FUSE, put together from structures, names and plain bytes.
class FuseRequest {
 public:
  FuseRequest(std::uint32_t opcode, std::uint64_t node) {
    header_.opcode = opcode;
    header_.nodeid = node;
    header_.unique = 42;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T> && (!std::is_convertible_v<T, std::string_view>) &&
             (!std::is_convertible_v<T, ByteView>)
  FuseRequest& operator<<(T const& part) {
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(&part);
    body_.insert(body_.end(), bytes, bytes + sizeof part);
    return *this;
  }
  /// A name, with the NUL behind it.
  FuseRequest& operator<<(std::string_view name) {
    body_.insert(body_.end(), name.begin(), name.end());
    body_.push_back(0);
    return *this;
  }
  FuseRequest& operator<<(ByteView bytes) {
    body_.insert(body_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  /// `lie` is added to the length that the header says.
  [[nodiscard]] Bytes bytes(std::uint32_t lie = 0) const {
    auto header = header_;
    header.len = static_cast<std::uint32_t>(sizeof header + body_.size()) + lie;
    Bytes out(sizeof header);
    std::memcpy(out.data(), &header, sizeof header);
    out.insert(out.end(), body_.begin(), body_.end());
    return out;
  }

 private:
  fuse_in_header header_{};
  Bytes body_;
};

/// The answer to one.
struct FuseReply {
  int error = -1;  // an error number, 0 for none, -1 for no answer at all
  Bytes body{};

  template <class T>
  [[nodiscard]] T as(std::size_t offset = 0) const {
    T value{};
    if (body.size() >= offset + sizeof value)
      std::memcpy(&value, body.data() + offset, sizeof value);
    return value;
  }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<char const*>(body.data()), body.size()};
  }
};

[[nodiscard]] inline FuseReply ask(FuseServer& server, FuseRequest const& request,
                                   std::size_t room = 1 << 20) {
  Bytes const answer = server.answer(request.bytes(), room);
  if (answer.size() < sizeof(fuse_out_header)) return {};
  fuse_out_header header;
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.len != answer.size() || header.unique != 42) return {};
  return {-header.error, Bytes(answer.begin() + sizeof header, answer.end())};
}

}  // namespace mutirao::machine
