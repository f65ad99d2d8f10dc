#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/base/units.h"
#include "mutirao/machine/block_source.h"
#include "mutirao/machine/network.h"
#include "mutirao/machine/share.h"
#include "mutirao/machine/snapshot.h"
#include "mutirao/world/world.h"

/// A whole computer of another architecture, as one object: harts, RAM, devices and firmware of a
/// RISC-V board that Debian's kernel knows (the map of QEMU's `virt`), on any host.
///
/// A guest is a stranger: whatever it does ends itself at worst.
namespace mutirao::machine {

/// How the guest's instructions are executed.
enum class Engine : std::uint8_t {
  translator,   ///< translated to those of the host while they run
  interpreter,  ///< one by one: the reference
  audit,        ///< both at once, compared; time is that of the instructions
};

/// What the guest's clocks follow.
enum class Timebase : std::uint8_t {
  host,          ///< the world's time
  instructions,  ///< a hundred million of them are a second: the same start gives the same run
};

/// Where what is typed goes. What the guest sends to either comes to the same place.
enum class ConsoleDevice : std::uint8_t {
  serial,  ///< ttyS0
  virtio,  ///< hvc0: many bytes at a time
};

struct MachineOptions {
  std::uint64_t memory_bytes = 512_MiB;  ///< whole pages
  unsigned cpus = 1;                     ///< 1 to 16
  Bytes kernel{};                        ///< an Image, plain or compressed, or an ELF file
  Bytes initrd{};
  std::string append{};  ///< the kernel's command line
  /// Runs in machine mode in place of the built-in SBI, and finds the kernel at 0x80200000.
  Bytes firmware{};
  /// Takes the kernel's place and finds one on a disk: a boot loader for supervisor mode, such as
  /// U-Boot; an ELF file, or bytes that run at 0x80200000.
  Bytes loader{};
  std::vector<std::unique_ptr<BlockSource>> disks{};  ///< vda, vdb and so on; 8 at most
  /// None: the machine has no network card. A seeded machine with one lets as much time of the
  /// world pass as its instructions take.
  std::optional<NetworkOptions> network{};
  std::vector<Share> shares{};  ///< 8 at most
  /// A Unix socket that is made there leads to the guest's virtio sockets: a program that connects
  /// and writes "CONNECT P\n" reaches port P of the guest, once it has read "OK Q\n". What the
  /// guest connects to, port P of the host (CID 2), is whoever listens at this path with "_P"
  /// behind it. Empty: there are none.
  std::string vsock{};
  Engine engine = Engine::translator;
  ConsoleDevice console = ConsoleDevice::serial;
  Timebase timebase = Timebase::host;
  std::uint64_t seed =
      0;  ///< of the entropy that the guest starts with, unless it follows the host
};

/// What a snapshot does not have itself, for the machine that is made from it.
struct RestoreOptions {
  std::vector<std::unique_ptr<BlockSource>> disks{};  ///< as they were when it was saved
  /// Where it had a card, and only there; it may reach something else than before.
  std::optional<NetworkOptions> network{};
  std::vector<Share> shares{};         ///< with the tags that it had, in their order
  std::string vsock{};                 ///< where it had virtio sockets, and only there
  Engine engine = Engine::translator;  ///< any but audit
  bool check_memory = false;  ///< compares all of it with its checksum first: reads all of it
};

/// Why a run ended.
struct MachineExit {
  enum class Kind : std::uint8_t {
    powered_off,   ///< by the guest, with `code`
    reset,         ///< the guest asked for it: make the machine anew
    timed_out,     ///< the deadline passed; it may run on
    instructions,  ///< as many as were asked for; it may run on
    cancelled,     ///< the calling thread was asked to stop; it may run on
    diverged,      ///< of an audit: the engines did not do the same; `what` says where
  };
  Kind kind;
  unsigned code = 0;
  std::string what{};
};

/// One machine, from power on. `run` is called on one user thread at a time; `type` and the
/// counters may be used from others meanwhile. By the world's time each hart computes on an LWP of
/// its own and the calling thread serves console and disks; a machine that follows its
/// instructions, or is in a simulated world, computes on the calling thread, hart by hart, giving
/// way to others.
class Machine {
 public:
  /// Gets what the guest sends to its console, in pieces, on the thread that called `run`. Should
  /// not park for long: the guest's disks wait, and who has said a megabyte waits too.
  using Console = std::function<void(std::string_view)>;

  /// `world` outlives the machine. Fails when the kernel is none, or does not fit, or the network
  /// cannot be had. The machine goes on the thread that made it.
  [[nodiscard]] static Result<std::unique_ptr<Machine>> create(MachineOptions options,
                                                               Console console,
                                                               world::World& world);
  /// Goes on where the snapshot in `file` was made. Memory is read as the guest touches it, so that
  /// the first instruction does not wait for it; the file may be replaced or removed meanwhile, but
  /// not written to. The guest's clocks go on from where they were, and the one on the board tells
  /// the time of day. What can't be taken along is as after an outage: the guest's TCP connections
  /// get a reset, those of its virtio sockets end, and what is gone from a shared folder is stale.
  ///
  /// Fault::corrupt for what is no snapshot, or a damaged one; unsupported when a newer release
  /// made it, or with something in it that this one does not have; invalid when a disk is not the
  /// one that was there, or the options lack something that it had.
  [[nodiscard]] static Result<std::unique_ptr<Machine>> restore(std::unique_ptr<world::File> file,
                                                                RestoreOptions options,
                                                                Console console,
                                                                world::World& world);
  virtual ~Machine() = default;

  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
  [[nodiscard]] virtual MachineExit run(std::uint64_t instructions_max = kNoLimit,
                                        Deadline deadline = Deadline::never()) = 0;

  /// Saves everything but the contents of disks and shared folders; between runs. Disks are
  /// flushed, and must be there as they are when it is restored. What was translated is not saved.
  ///
  /// Fault::unsupported when a device cannot be saved (the error says which), or for an audit;
  /// refused when the machine has ended.
  [[nodiscard]] virtual Result<void> save(SnapshotSink const& sink) = 0;
  /// Into a file, by SnapshotWriter, without a note.
  [[nodiscard]] Result<void> save(world::Directory& folder, std::string_view name);

  /// What is typed at the console; gives how many bytes there was room for.
  virtual std::size_t type(std::string_view bytes) = 0;

  /// A break on the serial line and a key: what Linux takes for its Magic SysRq, whatever its users
  /// do (Documentation/admin-guide/sysrq.rst). 's' writes to disks, 'u' makes them read-only, 'o'
  /// powers off. One at a time: a second before the guest took the first is nothing.
  virtual void system_request(char key) = 0;

  [[nodiscard]] virtual Timebase timebase() const = 0;
  [[nodiscard]] virtual std::uint64_t memory_bytes() const = 0;
  /// Instructions that all harts have begun.
  [[nodiscard]] virtual std::uint64_t instructions() const = 0;
};

}  // namespace mutirao::machine
