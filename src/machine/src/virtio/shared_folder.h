#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "virtio/transport.h"
#include "virtiofs/fuse_server.h"

namespace mutirao::machine {

/// A folder of the host as a file system (Virtio 1.2, 5.11: "virtiofs"). FUSE says what is asked
/// for; this carries it.
///
/// As with a disk, a request leaves its queue as a `Job`, is carried out elsewhere, and is answered
/// where the harts run.
class VirtioSharedFolder final : public VirtioDevice {
 public:
  static constexpr std::size_t kTagMax = 36;
  /// What jobs may hold together; further requests stay with the guest meanwhile.
  static constexpr std::uint64_t kHeldBytesMax = 64 << 20;

  struct Job {
    Bytes request;
    std::size_t room;  // for the answer
    Bytes answer{};
    // Whose it is.
    std::shared_ptr<FuseServer> server;
    VirtioSharedFolder* device;
    unsigned queue;
    std::uint64_t held_bytes;
    DescriptorChain chain;

    /// On any user thread; waits for the disk.
    void carry_out() { answer = server->answer(request, room); }
  };
  /// `submit` takes a job, later lets it be carried out, anywhere, and then gives it to `answer`,
  /// where the harts run. `tag` is how the guest names the folder when it mounts it. `memory`
  /// outlives this.
  VirtioSharedFolder(std::shared_ptr<world::TreeNode> folder, FuseServer::Options options,
                     std::string tag, std::function<void(Job)> submit, GuestMemory& memory);

  [[nodiscard]] std::string const& tag() const noexcept { return tag_; }
  [[nodiscard]] Kind kind() const override;
  [[nodiscard]] std::uint8_t config(std::uint64_t offset) const override;
  void serve(unsigned queue, VirtQueue& buffers) override;
  /// What the driver left behind is answered no more, and nothing that it had is open.
  void reset() override;

  /// Once all jobs are answered.
  [[nodiscard]] Result<void> save(StateWriter& to) const override;
  [[nodiscard]] bool restore(StateReader& from) override;

  /// A job that was carried out: its chain is given back when the transport is polled next.
  void answer(Job job);

 private:
  // One for what must not wait (forgetting), one for the rest.
  static constexpr unsigned kQueues = 2;

  void begin(unsigned queue, DescriptorChain chain);

  std::shared_ptr<world::TreeNode> const folder_;
  FuseServer::Options const options_;
  std::string const tag_;
  std::function<void(Job)> submit_;
  GuestMemory& memory_;
  std::shared_ptr<FuseServer> server_;  // another after each reset
  std::uint64_t held_bytes_ = 0;        // of jobs that are not given back yet, dropped ones too
  std::array<std::deque<Job>, kQueues> answered_;
};

}  // namespace mutirao::machine
