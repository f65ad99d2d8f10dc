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
}  // namespace

SimulatedDisk::SimulatedDisk(DiskOptions options, Fabric& fabric, Station const& station,
                             world::Clock const& clock, std::uint64_t seed)
    : options_{options},
      fabric_{fabric},
      station_{station},
      clock_{clock},
      random_{seed, fmt::format("disk of {}", station.name)},
      tree_{options.capacity_bytes, options.directory_sync_needed} {}

void SimulatedDisk::set_capacity(std::uint64_t bytes) {
  tree_.budget().capacity = bytes / FileContent::kPageBytes;
}
void SimulatedDisk::set_full(bool full) { tree_.budget().full = full; }
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

Result<void> SimulatedDisk::begin(Call call, Life const& life) {
  if (life.over) return crashed_host();
  auto const slowed = std::chrono::duration<double, std::nano>{latency(call)} * slowness_;
  if (auto const time = std::chrono::duration_cast<Duration>(slowed); time > Duration::zero()) {
    threads::shield const not_a_cancellation_point;
    (void)threads::sleep_for(time);  // a shielded sleep can't fail
    if (life.over) return crashed_host();
  }
  auto& injected = fault(call);
  bool const told = injected.next > 0;
  if (told) --injected.next;
  if (told || (injected.chance > 0 && random_.chance(injected.chance))) {
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
