#include "mutirao/world/real_world.h"

#include <sys/random.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "real_disk.h"
#include "real_network.h"

namespace mutirao::world {

namespace {
class RealClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const noexcept override { return threads::now(); }
  [[nodiscard]] std::chrono::system_clock::time_point civil() const noexcept override {
    return std::chrono::system_clock::now();
  }
};

class RealEntropy final : public Entropy {
 public:
  void fill(MutableBytes bytes) override {
    while (!bytes.empty()) {
      auto const got = ::getrandom(bytes.data(), bytes.size(), 0);
      // EINTR alone: the kernel's generator has been ready since early in the boot.
      if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
  }
};

class RealWorld final : public World {
 public:
  explicit RealWorld(base::Log& log) noexcept : log_{log} {}
  [[nodiscard]] Clock& clock() noexcept override { return clock_; }
  [[nodiscard]] Network& network() noexcept override { return network_; }
  [[nodiscard]] Disk& disk() noexcept override { return disk_; }
  [[nodiscard]] Entropy& entropy() noexcept override { return entropy_; }
  [[nodiscard]] base::Log& log() noexcept override { return log_; }

 private:
  base::Log& log_;
  RealClock clock_;
  RealEntropy entropy_;
  RealDisk disk_;
  RealNetwork network_;
};
}  // namespace

std::unique_ptr<World> make_real_world(base::Log& log) { return std::make_unique<RealWorld>(log); }

}  // namespace mutirao::world
