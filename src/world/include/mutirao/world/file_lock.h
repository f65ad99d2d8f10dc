#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "mutirao/base/result.h"

namespace mutirao::world {

/// Keeps programs of this kind from using a file at once that one of them writes. A note beside the
/// file's name in the kernel, which others who do not ask for it do not see (flock(2)); it is gone
/// with whoever holds it, however that ends.
///
/// For processes of the real world alone; stays with the process that took it, also in a jail.
class FileLock {
 public:
  enum class Kind : std::uint8_t {
    alone,   ///< no other has the file
    shared,  ///< all others have it shared too
  };
  /// `path` is absolute. With `create` a file that is missing is made, empty. Fails with refused
  /// when another has it; where the file system knows no locks nobody has.
  [[nodiscard]] static Result<FileLock> take(std::string const& path, Kind kind,
                                             bool create = false);
  FileLock(FileLock&& other) noexcept : descriptor_{std::exchange(other.descriptor_, -1)} {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) noexcept : descriptor_{descriptor} {}
  int descriptor_;
};

}  // namespace mutirao::world
