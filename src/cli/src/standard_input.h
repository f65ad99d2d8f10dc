#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "mutirao/middleware/attachment.h"

namespace mutirao::cli {

/// What is piped into the command, for a call that brings it along.
class StandardInput final : public middleware::ByteSource {
 public:
  /// `told` hears how many bytes there were so far.
  explicit StandardInput(std::function<void(std::uint64_t bytes)> told = {})
      : told_{std::move(told)}, buffer_(256 << 10) {}

 private:
  middleware::Outcome<ByteView> take() override;

  std::function<void(std::uint64_t)> told_;
  Bytes buffer_;
  std::uint64_t bytes_ = 0;
};

}  // namespace mutirao::cli
