// Machines as they are asked for, and what they begin with.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "board/virt_machine.h"
#include "firmware/loader.h"
#include "hart/interpreter.h"
#include "translator/translator.h"

namespace mutirao::machine {

namespace {
using namespace board;

constexpr std::size_t kDisksMax = 8;
constexpr std::size_t kSharesMax = 8;
constexpr std::uint64_t kLargePage = 2_MiB;
// Of translated code, of all harts together and of each at least: the boot of a kernel fits. What
// is known of blocks takes up to seven fourths of that, so that a monitor stays below 128 MiB.
// When one is full it is thrown away, and what is still needed comes back within milliseconds.
constexpr std::size_t kCodeBytes = 32_MiB, kCodeBytesMin = 2_MiB;
}  // namespace

VirtMachine::VirtMachine(MachineOptions& options, Console console, world::World& world,
                         std::unique_ptr<GuestMemory> memory)
    : timebase_{options.timebase},
      console_device_{options.console},
      random_state_{options.seed},
      firmware_inside_{options.firmware.empty()},
      console_{std::move(console)},
      world_{world},
      memory_{std::move(memory)},
      bus_{*memory_},
      harts_{options.cpus, options.timebase == Timebase::host && threads::bound_thread::available(),
             *memory_, *this},
      sbi_{*this, *memory_},
      plic_{harts_.states()},
      clint_{harts_.states(), *this},
      uart_{[this](std::uint8_t byte) { write_console({&byte, 1}); }, {plic_, kUartInterrupt}},
      rtc_{[this] { return civil_ns(); }, {plic_, kRtcInterrupt}},
      syscon_{[this](Syscon::Request request, unsigned code) {
        leave({request == Syscon::Request::reset ? MachineExit::Kind::reset
                                                 : MachineExit::Kind::powered_off,
               code});
      }},
      pci_{plic_, kPciInterrupt, kPciWindow, kPciWindowSize},
      fast_console_{[this](ByteView bytes) { write_console(bytes); }, *memory_},
      entropy_{[this](MutableBytes bytes) { fill_random(bytes); }, *memory_},
      balloon_{*memory_},
      fast_console_function_{fast_console_, *memory_},
      entropy_function_{entropy_, *memory_},
      balloon_function_{balloon_, *memory_} {
  bus_.attach(kSyscon, Syscon::kSize, syscon_);
  bus_.attach(kRtc, Rtc::kSize, rtc_);
  bus_.attach(kClint, Clint::kSize, clint_);
  bus_.attach(kPlic, Plic::kSize, plic_);
  bus_.attach(kUart, Uart::kSize, uart_);
  bus_.attach(kEcam, PciHost::kEcamSize, pci_.ecam());
  bus_.attach(kPciWindow, kPciWindowSize, pci_.window());
  pci_.add(1, fast_console_function_);
  pci_.add(2, entropy_function_);
  pci_.add(kBalloonSlot, balloon_function_);
  for (std::unique_ptr<BlockSource>& source : options.disks) add_disk(std::move(source));
  for (Share& share : options.shares) add_share(std::move(share));
  power_on_ = world_.clock().now();
}

Result<void> VirtMachine::make_engines(Engine engine) {
  auto const code_bytes = std::max(kCodeBytesMin, kCodeBytes / harts_.size());
  for (auto const& hart : harts_) {
    if (engine == Engine::interpreter)
      hart->engine = std::make_unique<Interpreter>(hart->hart(), bus_, *this);
    else
      hart->engine = MUT_TRY(Translator::make(hart->frame(), bus_, *this, code_bytes));
  }
  return {};
}

Result<void> VirtMachine::load(MachineOptions options) {
  GuestMemory& memory = *memory_;
  GuestAddress free = kRam;
  std::optional<Loaded> firmware;
  if (!firmware_inside_) {
    firmware = MUT_TRY(load_firmware(memory, kRam, std::move(options.firmware)));
    free = firmware->end;
  }
  std::optional<Loaded> kernel;
  if (!options.loader.empty())
    kernel = MUT_TRY(load_boot_loader(memory, kKernelBehindFirmware, std::move(options.loader)));
  else if (!options.kernel.empty() || firmware_inside_)
    // An Image says itself how far from the start of memory it wants to be.
    kernel = MUT_TRY(load_kernel(memory, kRam, std::move(options.kernel)));
  if (kernel) {
    if (firmware && kernel->entry < firmware->end)
      return fail(Fault::invalid, "the firmware and the kernel want the same memory",
                  "give a smaller firmware");
    free = std::max(free, kernel->end);
  }
  auto const initrd = MUT_TRY(load_bytes(memory, free, kLargePage, options.initrd, "the initrd"));

  std::array<std::uint8_t, 64> seed;
  fill_random(seed);
  Bytes const tree = describe_board({.memory_bytes = memory.size(),
                                     .cpus = static_cast<unsigned>(harts_.size()),
                                     .append = options.append,
                                     .initrd_begin = initrd.entry,
                                     .initrd_end = initrd.end,
                                     .rng_seed = seed});
  auto const placed_tree =
      MUT_TRY(load_bytes(memory, initrd.end, kLargePage, tree, "the device tree"));

  if (firmware_inside_) {
    Sbi::enter_kernel(harts_[0].engine->core(), kernel->entry, placed_tree.entry);
    harts_[0].set_state(HartState::started);
    return {};
  }
  // What OpenSBI's fw_dynamic takes in a2 (its docs/firmware/fw_dynamic.md): magic, version, where
  // to go next and in which mode, options, boot hart.
  std::uint64_t const next = kernel ? kernel->entry : kKernelBehindFirmware;
  std::array<std::uint64_t, 6> const dynamic{0x4942534F, 2, next, 1, 0, 0};
  auto const placed_dynamic =
      MUT_TRY(load_bytes(memory, placed_tree.end, 8,
                         {reinterpret_cast<std::uint8_t const*>(dynamic.data()), sizeof dynamic},
                         "the firmware's data"));
  for (auto const& unit : harts_) {
    Hart& hart = unit->hart();
    hart.pc = firmware->entry;
    hart.x[10] = hart.id;
    hart.x[11] = placed_tree.entry;
    hart.x[12] = placed_dynamic.entry;
    unit->set_state(HartState::started);
  }
  return {};
}

Result<std::unique_ptr<InspectedMachine>> make_machine(MachineOptions options,
                                                       Machine::Console console,
                                                       world::World& world) {
  if (options.cpus == 0 || options.cpus > kCpusMax)
    return fail(Fault::invalid, fmt::format("a machine with {} processors", options.cpus),
                fmt::format("give 1 to {}", kCpusMax));
  if (options.disks.size() > kDisksMax)
    return fail(Fault::invalid, fmt::format("a machine with {} disks", options.disks.size()),
                fmt::format("give at most {}", kDisksMax));
  if (options.shares.size() > kSharesMax)
    return fail(Fault::invalid,
                fmt::format("a machine with {} shared folders", options.shares.size()),
                fmt::format("give at most {}", kSharesMax));
  for (Share const& share : options.shares)
    if (share.tag.empty() || share.tag.size() > VirtioSharedFolder::kTagMax)
      return fail(Fault::invalid, fmt::format("a shared folder with the tag '{}'", share.tag),
                  fmt::format("give a tag of 1 to {} characters", VirtioSharedFolder::kTagMax));
  auto memory = MUT_TRY(GuestMemory::create(kRam, options.memory_bytes));
  auto machine =
      std::make_unique<VirtMachine>(options, std::move(console), world, std::move(memory));
  MUT_TRY(machine->make_engines(options.engine));
  MUT_TRY(machine->connect(options));
  MUT_TRY(machine->load(std::move(options)));
  return machine;
}

Result<std::unique_ptr<Machine>> Machine::create(MachineOptions options, Console console,
                                                 world::World& world) {
  if (options.engine == Engine::audit)
    return make_audited_machine(std::move(options), std::move(console), world);
  return MUT_TRY(make_machine(std::move(options), std::move(console), world));
}

}  // namespace mutirao::machine
