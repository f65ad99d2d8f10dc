#include "disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

#include "directory.h"

namespace mutirao::sim {

namespace {
/// An absolute path, or one relative to the process, which stands at the root.
std::string_view below_root(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

constexpr Duration kSlowCallMax = 200ms;
}  // namespace

SimulatedDisk::SimulatedDisk(DiskOptions options, Fabric& fabric, Station const& station,
                             world::Clock const& clock, FaultRegistry& registry, std::uint64_t seed)
    : options_{options},
      fabric_{fabric},
      station_{station},
      clock_{clock},
      random_{seed, fmt::format("disk of {}", station.name)},
      slow_call_{registry.point("sim.disk.slow_call")},
      tree_{options.capacity_bytes, options.directory_sync_needed} {}

void SimulatedDisk::set_capacity(std::uint64_t bytes) {
  tree_.budget().capacity = bytes / FileContent::kPageBytes;
}
std::uint64_t SimulatedDisk::used_bytes() const {
  return tree_.budget().used * FileContent::kPageBytes;
}

void SimulatedDisk::set_error_chance(double reads, double writes, double syncs) {
  fault(Call::read).chance = reads;
  fault(Call::write).chance = writes;
  fault(Call::sync).chance = syncs;
}

Result<void> SimulatedDisk::flip_bit(std::string_view path, std::uint64_t offset, unsigned bit) {
  auto const parts = MUT_TRY(DiskTree::split(below_root(path)));
  auto const inode = MUT_TRY(tree_.find(tree_.root(), parts));
  if (!inode->content.flip_bit(offset, bit)) {
    return fail(Fault::not_found, fmt::format("{}: nothing is written at {}", path, offset));
  }
  ++bits_inverted_;
  return {};
}

Result<std::size_t> SimulatedDisk::peek(std::string_view path, std::uint64_t offset,
                                        MutableBytes into) const {
  auto const parts = MUT_TRY(DiskTree::split(below_root(path)));
  auto const inode = MUT_TRY(tree_.find(tree_.root(), parts));
  return inode->content.read(offset, into);
}

namespace {
void list_files(Inode const& folder, std::string const& path, std::vector<std::string>& into) {
  for (auto const& [name, inode] : folder.entries) {
    auto const below = fmt::format("{}/{}", path, name);
    if (inode->directory) {
      list_files(*inode, below, into);
    } else {
      into.push_back(below);
    }
  }
}
}  // namespace

std::vector<std::string> SimulatedDisk::files() const {
  std::vector<std::string> all;
  list_files(*tree_.root(), {}, all);
  std::ranges::sort(all);
  return all;
}

std::size_t SimulatedDisk::rot(std::size_t bits) {
  auto const files = tree_.files();
  std::uint64_t bytes = 0;
  for (auto const* file : files) bytes += file->content.allocated_bytes();
  if (bytes == 0) return 0;
  for (std::size_t done = 0; done < bits; ++done) {
    auto at = random_.below(bytes);
    auto const chosen = std::ranges::find_if(files, [&at](Inode const* file) {
      if (at < file->content.allocated_bytes()) return true;
      at -= file->content.allocated_bytes();
      return false;
    });
    (*chosen)->content.flip_allocated_bit(at, static_cast<unsigned>(random_.below(8)));
    ++bits_inverted_;
  }
  return bits;
}

void SimulatedDisk::rot_before_read(FileContent& content, std::uint64_t offset, std::size_t size) {
  if (options_.rot_chance <= 0 || size == 0 || !random_.chance(options_.rot_chance)) return;
  auto const at = offset + random_.below(size);
  if (content.flip_bit(at, static_cast<unsigned>(random_.below(8)))) ++bits_inverted_;
}

void SimulatedDisk::recover() {
  set_full(false);
  fails_until_ = TimePoint::min();
  faults_ = {};
  options_.slowness = {};
  options_.syncs_lie = false;
  options_.rot_chance = 0;
}

std::int64_t SimulatedDisk::civil_ns() const noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.civil().time_since_epoch())
      .count();
}

Duration SimulatedDisk::latency(Call call) const noexcept {
  switch (call) {
    case Call::read:
      return options_.read_latency;
    case Call::write:
      return options_.write_latency;
    case Call::sync:
      return options_.sync_latency;
  }
  return {};
}

Duration SimulatedDisk::time_taken(Call call) {
  auto const& slow = options_.slowness;
  auto time = latency(call);
  if (slow.factor != 1) {
    time = std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::nano>{time} *
                                                slow.factor);
  }
  time += random_.up_to(slow.jitter);
  if (slow.stall_chance > 0 && random_.chance(slow.stall_chance))
    time += random_.up_to(slow.stall_max);
  if (slow_call_.fires(0.02)) time += slow_call_.random().up_to(kSlowCallMax);
  return time;
}

Result<void> SimulatedDisk::begin(Call call, Life const& life) {
  if (life.over) return crashed_host();
  if (auto const time = time_taken(call); time > Duration::zero()) {
    threads::shield const not_a_cancellation_point;
    (void)threads::sleep_for(time);  // a shielded sleep can't fail
    if (life.over) return crashed_host();
  }
  auto& injected = fault(call);
  bool const told = injected.next > 0;
  if (told) --injected.next;
  bool const fails = told || fabric_.events.now() < fails_until_ ||
                     (injected.chance > 0 && random_.chance(injected.chance));
  if (fails) {
    return std::unexpected{base::system_error(EIO, "simulated disk")};
  }
  return {};
}

Result<std::unique_ptr<world::Directory>> DiskView::open_directory(std::string_view path,
                                                                   bool create) {
  if (life_->over) return crashed_host();
  auto const parts = MUT_TRY(DiskTree::split(below_root(path)));
  auto inode = MUT_TRY(disk_.tree().find_directory(disk_.tree().root(), parts, create));
  return std::make_unique<SimulatedDirectory>(disk_, life_, std::move(inode));
}

}  // namespace mutirao::sim
