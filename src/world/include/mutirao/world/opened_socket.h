#pragma once

#include <memory>
#include <string>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/world/network.h"

namespace mutirao::world {

/// A Unix socket that listens already and belongs to no runtime yet: for a process that will not be
/// able to open one, since it goes into a jail (jail.h) before its runtime begins. Connections wait
/// until somebody accepts them.
class OpenedSocket {
 public:
  /// As Network::listen_local, for its owner alone. Whoever made it removes the file in the end.
  [[nodiscard]] static Result<OpenedSocket> listen_local(std::string path);
  OpenedSocket(OpenedSocket&& other) noexcept
      : descriptor_{std::exchange(other.descriptor_, -1)}, path_{std::move(other.path_)} {}
  OpenedSocket& operator=(OpenedSocket&&) = delete;
  ~OpenedSocket();

  /// Takes it over, on a user thread of a runtime that is not simulated.
  [[nodiscard]] std::unique_ptr<Listener> listener() &&;
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  OpenedSocket(int descriptor, std::string path) noexcept
      : descriptor_{descriptor}, path_{std::move(path)} {}
  int descriptor_;
  std::string path_;
};

}  // namespace mutirao::world
