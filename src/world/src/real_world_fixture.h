#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"
#include "mutirao/world/real_world.h"

namespace mutirao::world {

/// A folder of its own for each test, and the real world on a user thread.
class RealWorldTest : public ::testing::Test {
 protected:
  RealWorldTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "mutirao-world-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RealWorldTest() override { std::filesystem::remove_all(folder_); }

  static void run(std::move_only_function<void(World&)> body,
                  threads::runtime_options options = {.processors = 2}) {
    threads::runtime real{std::move(options)};
    real.run([&] {
      base::SilentLog log;
      auto const world = make_real_world(log);
      body(*world);
    });
  }

  std::string folder_;
};

}  // namespace mutirao::world
