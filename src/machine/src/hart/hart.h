#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

/// The state of one hart, as the privileged architecture has it (Priv. 20240411).
///
/// Plain data at fixed offsets: interpreter and translated code work on the same struct, and a
/// snapshot is a copy of it. What each field may hold is the business of `csr.h`; who changes the
/// privilege or a CSR that translation depends on tells the `Mmu`.
namespace mutirao::machine {

enum class Privilege : std::uint8_t { user = 0, supervisor = 1, machine = 3 };

/// Exception codes of mcause and scause (Priv. table 14).
enum class Cause : std::uint8_t {
  instruction_misaligned = 0,
  instruction_access = 1,
  illegal_instruction = 2,
  breakpoint = 3,
  load_misaligned = 4,
  load_access = 5,
  store_misaligned = 6,  // and AMO, as all with "store"
  store_access = 7,
  ecall_user = 8,
  ecall_supervisor = 9,
  ecall_machine = 11,
  instruction_page = 12,
  load_page = 13,
  store_page = 15,
};

/// A synchronous exception on its way to a trap handler.
struct Exception {
  Cause cause;
  std::uint64_t value;  ///< what xtval shows
};

/// Bits of mip and mie (Priv. 3.1.9).
namespace interrupt {
inline constexpr unsigned kSupervisorSoftware = 1, kMachineSoftware = 3, kSupervisorTimer = 5,
                          kMachineTimer = 7, kSupervisorExternal = 9, kMachineExternal = 11;
inline constexpr std::uint64_t kSsip = 1u << 1, kMsip = 1u << 3, kStip = 1u << 5, kMtip = 1u << 7,
                               kSeip = 1u << 9, kMeip = 1u << 11;
inline constexpr std::uint64_t kSupervisor = kSsip | kStip | kSeip;
inline constexpr std::uint64_t kMachine = kMsip | kMtip | kMeip;
}  // namespace interrupt

/// Bits of mstatus (Priv. 3.1.6).
namespace status {
inline constexpr std::uint64_t kSie = 1u << 1, kMie = 1u << 3, kSpie = 1u << 5, kMpie = 1u << 7,
                               kSpp = 1u << 8, kMpp = 3u << 11, kFs = 3u << 13, kMprv = 1u << 17,
                               kSum = 1u << 18, kMxr = 1u << 19, kTvm = 1u << 20, kTw = 1u << 21,
                               kTsr = 1u << 22, kUxl = 3ull << 32, kSxl = 3ull << 34,
                               kSd = 1ull << 63;
inline constexpr unsigned kMppShift = 11, kFsShift = 13;
}  // namespace status

/// Bits of menvcfg and senvcfg (Priv. 3.1.18, 10.1.10).
namespace envcfg {
inline constexpr std::uint64_t kFiom = 1, kCbie = 3u << 4, kCbcfe = 1u << 6, kCbze = 1u << 7,
                               kAdue = 1ull << 61, kPbmte = 1ull << 62, kStce = 1ull << 63;
}  // namespace envcfg

inline constexpr unsigned kPmpEntries = 16;

/// Lets a hart's thread know at once that something changed: it may sleep, or compute for long.
class HartCaller {
 public:
  virtual ~HartCaller() = default;
  /// `Hart::attention` is set. From any thread.
  virtual void called() noexcept = 0;
};

struct Hart {
  std::uint64_t x[32] = {};  ///< x[0] is zero between instructions
  std::uint64_t f[32] = {};  ///< binary32 values are boxed in ones (Unpriv. 21.2)
  std::uint64_t pc = 0;
  Privilege privilege = Privilege::machine;
  std::uint8_t frm = 0;
  std::uint8_t fflags = 0;
  bool waiting = false;        ///< in wfi, until an enabled interrupt is pending
  bool timer_reached = false;  ///< stimecmp, when the time was last looked at
  std::uint64_t id = 0;

  // Machine mode
  std::uint64_t mstatus = 2ull << 32 | 2ull << 34;  // UXL and SXL say 64 bits, always
  std::uint64_t medeleg = 0;
  std::uint64_t mideleg = 0;
  std::uint64_t mie = 0;
  std::uint64_t mip_written = 0;  ///< the bits of mip that software sets: SSIP, STIP, SEIP
  std::uint64_t mtvec = 0;
  std::uint64_t mscratch = 0;
  std::uint64_t mepc = 0;
  std::uint64_t mcause = 0;
  std::uint64_t mtval = 0;
  std::uint64_t menvcfg = 0;
  std::uint32_t mcounteren = 0;
  std::uint32_t mcountinhibit = 0;
  std::uint8_t pmpcfg[kPmpEntries] = {};
  std::uint64_t pmpaddr[kPmpEntries] = {};

  // Supervisor mode; sstatus, sie and sip are views of the above
  std::uint64_t stvec = 0;
  std::uint64_t sscratch = 0;
  std::uint64_t sepc = 0;
  std::uint64_t scause = 0;
  std::uint64_t stval = 0;
  std::uint64_t satp = 0;
  std::uint64_t senvcfg = 0;
  std::uint64_t stimecmp = ~std::uint64_t{0};
  std::uint32_t scounteren = 0;

  /// Instructions begun, and those of them that ended in an exception and do not count as retired.
  /// mcycle and minstret count from the offsets; while inhibited the offset holds the value.
  std::uint64_t steps = 0;
  std::uint64_t steps_trapped = 0;
  std::uint64_t mcycle_offset = 0;
  std::uint64_t minstret_offset = 0;

  /// lr's reservation: the value is remembered and sc is a compare-exchange with it.
  struct Reservation {
    std::uint64_t address = 0;  ///< physical
    std::uint64_t value = 0;
    std::uint8_t size = 0;  ///< 0 when there is none
  } reservation;

  /// What the devices around raise: MSIP, MTIP, MEIP, SEIP; and SSIP, by the call of another hart.
  /// Set from any thread.
  std::atomic<std::uint64_t> lines{0};
  /// Asks the engine to return at the next jump, since something outside changed. From any thread.
  std::atomic<bool> attention{false};
  HartCaller* caller = nullptr;  ///< none where the engine is asked often enough

  /// Something outside changed: the hart looks soon. From any thread.
  void call() noexcept {
    attention.store(true);
    if (caller != nullptr) caller->called();
  }
};

static_assert(offsetof(Hart, x) == 0 && offsetof(Hart, f) == 256 && offsetof(Hart, pc) == 512,
              "translated code addresses these");

/// What a hart asks of the machine around it. Outlives the hart.
class HartHost {
 public:
  virtual ~HartHost() = default;
  /// The CSR `time`, in ticks of the timebase.
  [[nodiscard]] virtual std::uint64_t time() = 0;
  /// `ecall` in supervisor mode, when the monitor is the firmware: true when it was served, and the
  /// hart goes on behind it; false makes it an exception as in a machine with firmware of its own.
  virtual bool supervisor_call(Hart& hart) {
    static_cast<void>(hart);
    return false;
  }
  /// The hart wrote stimecmp: the next timer interrupt may come earlier than the machine thinks.
  virtual void timer_changed(Hart& hart) { static_cast<void>(hart); }
};

}  // namespace mutirao::machine
