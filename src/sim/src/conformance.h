#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "mutirao/base/units.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/world.h"

namespace mutirao::sim {

/// Two places that can reach each other, and an empty folder at the first.
struct Arena {
  world::World& here;
  world::World& there;
  world::IpAddress there_address;
  std::string folder;
};

/// Runs a test in a fresh world, on a user thread.
using WorldRunner = void (*)(std::function<void(Arena&)> const& body);

/// The same tests run in the real world and in the simulated one: what a node may rely on is what
/// both do.
class NetworkConformance : public testing::TestWithParam<WorldRunner> {};
class DiskConformance : public testing::TestWithParam<WorldRunner> {};

/// Runs `body`; what must() throws is a failure of the test, and does not cross the runtime.
void guarded(std::function<void(Arena&)> const& body, Arena arena);

/// A connected pair: `client` from here to `server` there.
struct StreamPair {
  std::unique_ptr<world::Stream> client;
  std::unique_ptr<world::Stream> server;
};
[[nodiscard]] StreamPair connect_pair(Arena& arena);

[[nodiscard]] std::unique_ptr<world::Directory> open_folder(Arena& arena);

/// Test bytes that show where they come from: no two neighbouring offsets look alike.
[[nodiscard]] Bytes pattern(std::size_t size, std::uint64_t salt = 0);

/// The fault of a failed result; the test fails when it succeeded.
template <class T>
Fault fault_of(Result<T> const& result) {
  if (result) {
    ADD_FAILURE() << "succeeded, a failure was expected";
    return Fault::io;
  }
  return result.error().fault;
}

/// The value of a result; the test fails, with its reason, when there is none.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error{result.error().what};
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Opens a file for writing, made where there was none.
inline std::unique_ptr<world::File> create(world::Directory& folder, std::string_view path) {
  return must(folder.open(path, {.writable = true, .create = true}));
}

}  // namespace mutirao::sim
