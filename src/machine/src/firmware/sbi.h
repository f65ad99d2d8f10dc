#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "hart/csr.h"
#include "memory/guest_memory.h"

namespace mutirao::machine {

/// What firmware does for a kernel, done by the monitor: SBI 2.0 with the extensions base, time,
/// IPI, rfence, HSM, system reset and debug console.
///
/// A kernel starts in supervisor mode and finds nothing below it but this. Numbers that a kernel
/// passes are checked like those of any stranger: masks name harts that there are, addresses are
/// RAM.
class Sbi {
 public:
  /// What the calls reach beyond the hart that makes them. Outlives the Sbi.
  class Platform {
   public:
    virtual ~Platform() = default;
    enum class HartState : std::uint8_t { started = 0, stopped = 1, stopping = 3 };
    /// Numbered from 0 without gaps, as their ids are.
    [[nodiscard]] virtual std::size_t hart_count() const = 0;
    [[nodiscard]] virtual Core& core(std::size_t number) = 0;
    [[nodiscard]] virtual HartState state(std::size_t number) const = 0;
    /// Lets a stopped hart enter its kernel, as `caller` asks; false when it is not stopped.
    virtual bool start(std::size_t caller, std::size_t number, GuestAddress entry,
                       std::uint64_t argument) = 0;
    virtual void stop(std::size_t number) = 0;
    /// What the `caller` asks of these harts is done when this returns, and all that they keep of
    /// instructions which were written before is gone.
    virtual void fence(std::size_t caller, std::vector<std::size_t> const& harts,
                       std::optional<RangeFence> const& addresses) = 0;
    virtual void reset(bool reboot, bool failed) = 0;
    virtual void console_write(ByteView bytes) = 0;
    /// What was typed, as much as there is and fits.
    [[nodiscard]] virtual std::size_t console_read(MutableBytes bytes) = 0;
  };
  Sbi(Platform& platform, GuestMemory& memory) : platform_{platform}, memory_{memory} {}

  /// Serves the `ecall` of a hart in supervisor mode: arguments and results are in its registers.
  void call(Hart& hart);

  /// Prepares a hart for its kernel: what firmware in machine mode would have set up before it
  /// left, and the registers of an entry (SBI 2.0, 9.1).
  static void enter_kernel(Core& core, GuestAddress entry, std::uint64_t argument);

 private:
  struct Answer {
    std::int64_t error = 0;
    std::uint64_t value = 0;
  };
  [[nodiscard]] Answer base(std::uint64_t function, std::uint64_t argument) const;
  [[nodiscard]] Answer set_timer(Hart& hart, std::uint64_t when);
  [[nodiscard]] Answer send_ipi(std::uint64_t mask, std::uint64_t mask_base);
  [[nodiscard]] Answer remote_fence(std::uint64_t function, Hart const& hart);
  [[nodiscard]] Answer hart_state(std::uint64_t function, Hart& hart);
  [[nodiscard]] Answer system_reset(std::uint64_t type, std::uint64_t reason);
  [[nodiscard]] Answer debug_console(std::uint64_t function, Hart const& hart);
  /// The harts that a mask names; false if one of them is none.
  [[nodiscard]] bool chosen(std::uint64_t mask, std::uint64_t mask_base,
                            std::vector<std::size_t>& harts) const;

  Platform& platform_;
  GuestMemory& memory_;
};

}  // namespace mutirao::machine
