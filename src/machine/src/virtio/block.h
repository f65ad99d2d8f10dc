#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "mutirao/machine/block_source.h"

#include "virtio/transport.h"

namespace mutirao::machine {

/// A disk (Virtio 1.2, 5.2).
///
/// The guest lends buffers and goes on; the source may take its time. A request therefore leaves
/// the queue as a `Job` that holds its bytes, is carried out wherever its owner likes, and comes
/// back to where the harts run to be answered. Guest memory is touched only there.
class VirtioBlock final : public VirtioDevice {
 public:
  static constexpr std::uint64_t kSector = 512;

  /// What jobs may hold together; further requests stay with the guest meanwhile.
  static constexpr std::uint64_t kHeldBytesMax = 64 << 20;

  struct Job {
    enum class Kind : std::uint8_t { read, write, flush, discard, write_zeroes };
    struct Extent {
      std::uint64_t offset;
      std::uint64_t size;
    };
    Kind kind;
    std::uint64_t offset = 0;
    Bytes bytes{};                  ///< to write, or room for what is read
    std::vector<Extent> extents{};  ///< to discard, or to fill with zeros
    bool failed = false;
    bool cancelled = false;  ///< not done, because its thread was asked to stop: to be done again
    // Whose it is.
    VirtioBlock* device;
    std::uint64_t generation;
    DescriptorChain chain;
  };
  /// `submit` takes a job and later gives it to `carry_out`, anywhere, and then to `answer`, where
  /// the harts run. `source` and `memory` outlive this; `serial` is what the guest is told, 20
  /// characters at most.
  VirtioBlock(BlockSource& source, std::string serial, std::function<void(Job)> submit,
              GuestMemory& memory)
      : source_{source}, serial_{std::move(serial)}, submit_{std::move(submit)}, memory_{memory} {}

  [[nodiscard]] Kind kind() const override;
  [[nodiscard]] std::uint8_t config(std::uint64_t offset) const override;
  void serve(unsigned queue, VirtQueue& buffers) override;
  /// What the driver left behind is answered no more.
  void reset() override;
  /// Once all jobs are answered.
  [[nodiscard]] Result<void> save(StateWriter& to) const override;
  [[nodiscard]] bool restore(StateReader&) override { return true; }

  /// Does to the source what the guest asked for. On any user thread.
  void carry_out(Job& job, Deadline deadline);
  /// A job that was carried out: its chain is given back when the transport is polled next.
  void answer(Job job);

 private:
  [[nodiscard]] bool begin(DescriptorChain const& chain, VirtQueue& buffers);
  void submit(Job job);
  /// Gives the status of a request that makes no job.
  [[nodiscard]] std::uint8_t begin_extents(DescriptorChain const& chain, Job::Kind kind);
  void give_back(VirtQueue& buffers, DescriptorChain const& chain, std::uint8_t status,
                 std::uint64_t written);

  BlockSource& source_;
  std::string serial_;
  std::function<void(Job)> submit_;
  GuestMemory& memory_;
  std::uint64_t generation_ = 0;
  std::uint64_t held_bytes_ = 0;  // of jobs that are not given back yet, dropped ones too
  std::deque<Job> answered_;
};

}  // namespace mutirao::machine
