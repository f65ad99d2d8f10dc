#include "hash/hash_jobs.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mutirao::swarm {
namespace {

constexpr std::size_t kLanesMax = 16;
constexpr std::size_t kWordsMax = 8;

/// Jobs in the lanes of one kernel. The state of all lanes lies word by word, as the kernel wants
/// it.
class Lanes {
 public:
  explicit Lanes(HashFunctions const& functions) noexcept : functions_{functions} {}

  [[nodiscard]] std::size_t busy() const noexcept { return busy_; }

  void take(HashJob const& job) noexcept {
    std::size_t lane = 0;
    while (jobs_[lane].blocks > 0) ++lane;
    jobs_[lane] = job;
    for (std::size_t word = 0; word < functions_.words; ++word) at(word, lane) = job.state[word];
    ++busy_;
  }

  /// Advances all lanes until the first of them is done.
  void step() noexcept {
    std::array<std::uint8_t const*, kLanesMax> data;
    std::size_t blocks = SIZE_MAX;
    std::uint8_t const* any = nullptr;
    for (std::size_t lane = 0; lane < functions_.lane_count; ++lane) {
      if (jobs_[lane].blocks == 0) continue;
      blocks = std::min(blocks, jobs_[lane].blocks);
      any = jobs_[lane].data;
    }
    // A free lane computes along with a busy one; nobody looks at what it gets.
    for (std::size_t lane = 0; lane < functions_.lane_count; ++lane)
      data[lane] = jobs_[lane].blocks > 0 ? jobs_[lane].data : any;
    functions_.lanes(state_, data.data(), blocks);
    for (std::size_t lane = 0; lane < functions_.lane_count; ++lane) advance(lane, blocks);
  }

  /// Frees all lanes; gives what is left to do.
  std::span<HashJob const> drain(std::array<HashJob, kLanesMax>& left) noexcept {
    std::size_t count = 0;
    for (std::size_t lane = 0; lane < functions_.lane_count; ++lane) {
      if (jobs_[lane].blocks == 0) continue;
      left[count++] = jobs_[lane];
      release(lane);
    }
    return std::span{left}.first(count);
  }

 private:
  std::uint32_t& at(std::size_t word, std::size_t lane) noexcept {
    return state_[word * functions_.lane_count + lane];
  }

  void advance(std::size_t lane, std::size_t blocks) noexcept {
    HashJob& job = jobs_[lane];
    if (job.blocks == 0) return;
    job.data += blocks * kernels::kHashBlockBytes;
    job.blocks -= blocks;
    if (job.blocks == 0) release(lane);
  }

  void release(std::size_t lane) noexcept {
    for (std::size_t word = 0; word < functions_.words; ++word)
      jobs_[lane].state[word] = at(word, lane);
    jobs_[lane].blocks = 0;
    --busy_;
  }

  alignas(64) std::uint32_t state_[kWordsMax * kLanesMax] = {};
  HashFunctions const& functions_;
  std::array<HashJob, kLanesMax> jobs_{};
  std::size_t busy_ = 0;
};

/// Two at a time as long as there are two, then one.
void run_pairs(std::span<HashJob const> jobs, HashFunctions const& functions) noexcept {
  std::size_t next = 0;
  HashJob one{};
  HashJob other{};
  auto const refill = [&](HashJob& job) {
    while (job.blocks == 0 && next < jobs.size()) job = jobs[next++];
  };
  auto const advance = [](HashJob& job, std::size_t blocks) {
    job.data += blocks * kernels::kHashBlockBytes;
    job.blocks -= blocks;
  };
  for (refill(one); one.blocks > 0; refill(one)) {
    if (functions.pair != nullptr) refill(other);
    if (other.blocks > 0) {
      auto const blocks = std::min(one.blocks, other.blocks);
      functions.pair({one.state, other.state}, {one.data, other.data}, blocks);
      advance(one, blocks);
      advance(other, blocks);
    } else {
      functions.single(one.state, one.data, one.blocks);
      one.blocks = 0;
    }
    if (one.blocks == 0) std::swap(one, other);
  }
}

}  // namespace

void run_jobs(std::span<HashJob const> jobs, HashFunctions const& functions) noexcept {
  if (functions.lanes == nullptr || jobs.size() < functions.lanes_min) {
    run_pairs(jobs, functions);
    return;
  }
  Lanes lanes{functions};
  for (std::size_t next = 0;;) {
    for (; next < jobs.size() && lanes.busy() < functions.lane_count; ++next)
      if (jobs[next].blocks > 0) lanes.take(jobs[next]);
    if (lanes.busy() < functions.lanes_min) break;
    lanes.step();
  }
  std::array<HashJob, kLanesMax> left;
  run_pairs(lanes.drain(left), functions);
}

}  // namespace mutirao::swarm
