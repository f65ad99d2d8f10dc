#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/world/file_lock.h"
#include "mutirao/world/world.h"

namespace mutirao::cli {

/// A file of the demo and its SHA-256, counted by OpenSSL and not by the engine that is shown: what
/// the demo claims must not rest on the code that it demonstrates.
struct DemoFile {
  std::string folder;
  std::string name;
  std::uint64_t bytes = 0;
  std::string sha256;  ///< hex
};

/// Writes `bytes` that are a function of the seed.
[[nodiscard]] Result<DemoFile> generate_file(world::World& world, std::string const& folder,
                                             std::string const& name, std::uint64_t bytes,
                                             std::uint64_t seed);
/// Reads a file to its end.
[[nodiscard]] Result<DemoFile> digest_file(world::World& world, std::string const& folder,
                                           std::string const& name);

/// A new folder below $TMPDIR, gone with its content at the end unless kept. Those of the same
/// prefix whose programs were killed are removed when another is made.
class TemporaryFolder {
 public:
  [[nodiscard]] static Result<TemporaryFolder> make(std::string const& prefix, bool keep);
  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  TemporaryFolder(std::string path, std::optional<world::FileLock> held)
      : path_{std::move(path)}, held_{std::move(held)} {}
  std::string path_;
  std::optional<world::FileLock> held_;  ///< as long as its program lives; none when it is kept
};

/// The last lines of a text file, for a message; empty when there is none.
[[nodiscard]] std::string tail_of(world::World& world, std::string const& folder,
                                  std::string const& name);

}  // namespace mutirao::cli
