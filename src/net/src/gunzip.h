#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::net {

/// Undoes gzip (RFC 1952) as it arrives. A few kilobytes can stand for gigabytes, so the output has
/// a hard limit: what would pass it fails with Fault::exhausted and nothing more is inflated.
class Gunzip {
 public:
  explicit Gunzip(std::uint64_t output_max);
  ~Gunzip();
  Gunzip(Gunzip const&) = delete;
  Gunzip& operator=(Gunzip const&) = delete;

  /// Appends to `out` what `input` stands for.
  Result<void> feed(ByteView input, std::string& out);
  /// Fault::corrupt when the last member is not complete. No bytes at all stand for none.
  Result<void> finish();

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::net
