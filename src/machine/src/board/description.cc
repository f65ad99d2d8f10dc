#include "board/description.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "board/memory_map.h"
#include "devices/clint.h"
#include "devices/pci.h"
#include "devices/plic.h"
#include "devices/rtc.h"
#include "devices/syscon.h"
#include "devices/uart.h"
#include "firmware/device_tree.h"
#include "hart/hart.h"

namespace mutirao::machine {
namespace {

using namespace board;
using Cells = std::vector<std::uint32_t>;

// In the order of Unpriv. 36 (ISA extension naming).
std::vector<std::string_view> const kExtensions = {
    "i",      "m",     "a",        "f",           "d",       "c",     "zicbom", "zicboz",
    "zicntr", "zicsr", "zifencei", "zihintpause", "zacas",   "zawrs", "zba",    "zbb",
    "zbc",    "zbs",   "sstc",     "svadu",       "svnapot", "svpbmt"};

// Of the tree, for what a boot loader adds to it where it lies: U-Boot takes it that there is some,
// and writes over what is behind (its boot_relocate_fdt).
constexpr std::uint32_t kRoomBytes = 16 << 10;

std::string joined_isa() {
  std::string isa = "rv64";
  bool letters = true;
  for (std::string_view const extension : kExtensions) {
    letters = letters && extension.size() == 1;
    if (!letters) isa += '_';
    isa += extension;
  }
  return isa;
}

// Phandles: harts' own interrupt controllers come first.
constexpr std::uint32_t kPlicHandle = 0x100, kSysconHandle = 0x101;
constexpr std::uint32_t hart_handle(unsigned hart) { return hart + 1; }

void describe_harts(DeviceTreeWriter& tree, unsigned cpus) {
  tree.begin_node("cpus").cells("#address-cells", {1}).cells("#size-cells", {0});
  tree.cells("timebase-frequency", {static_cast<std::uint32_t>(kTicksPerSecond)});
  for (unsigned hart = 0; hart < cpus; ++hart) {
    tree.begin_node(fmt::format("cpu@{:x}", hart))
        .text("device_type", "cpu")
        .cells("reg", {hart})
        .text("status", "okay")
        .text("compatible", "riscv")
        .text("riscv,isa", joined_isa())
        .text("riscv,isa-base", "rv64i")
        .texts("riscv,isa-extensions", kExtensions)
        .cells("riscv,cbom-block-size", {64})
        .cells("riscv,cboz-block-size", {64})
        .text("mmu-type", "riscv,sv48")
        .begin_node("interrupt-controller")
        .cells("#interrupt-cells", {1})
        .flag("interrupt-controller")
        .text("compatible", "riscv,cpu-intc")
        .cells("phandle", {hart_handle(hart)})
        .end_node()
        .end_node();
  }
  tree.end_node();
}

/// For each hart, its controller and which of its two interrupts.
Cells to_all_harts(unsigned cpus, unsigned first, unsigned second) {
  Cells cells;
  for (unsigned hart = 0; hart < cpus; ++hart)
    cells.insert(cells.end(), {hart_handle(hart), first, hart_handle(hart), second});
  return cells;
}

/// The bridge, as PCI Bus Binding to Open Firmware 2.1 has it.
void describe_pci(DeviceTreeWriter& tree) {
  constexpr std::uint32_t k32BitMemory = 0x02000000;
  auto const low = [](std::uint64_t value) { return static_cast<std::uint32_t>(value); };
  Cells map;
  for (unsigned slot = 0; slot < PciHost::kWires; ++slot)
    for (unsigned pin = 0; pin < PciHost::kWires; ++pin)
      map.insert(map.end(), {slot << 11, 0, 0, pin + 1, kPlicHandle,
                             kPciInterrupt + PciHost::wire_of(slot + pin)});
  tree.begin_node(fmt::format("pci@{:x}", kEcam))
      .text("compatible", "pci-host-ecam-generic")
      .text("device_type", "pci")
      .cells("#address-cells", {3})
      .cells("#size-cells", {2})
      .cells("#interrupt-cells", {1})
      .wide_cells("reg", {kEcam, PciHost::kEcamSize})
      .cells("bus-range", {0, 255})
      .cells("linux,pci-domain", {0})
      .flag("dma-coherent")
      .cells("ranges",
             {k32BitMemory, 0, low(kPciWindow), 0, low(kPciWindow), 0, low(kPciWindowSize)})
      // Slots that are four apart share their wires.
      .cells("interrupt-map-mask", {(PciHost::kWires - 1) << 11, 0, 0, 7})
      .cells("interrupt-map", map)
      .end_node();
}

void describe_devices(DeviceTreeWriter& tree, unsigned cpus) {
  tree.begin_node("soc")
      .cells("#address-cells", {2})
      .cells("#size-cells", {2})
      .text("compatible", "simple-bus")
      .flag("ranges");
  tree.begin_node(fmt::format("clint@{:x}", kClint))
      .texts("compatible", {"sifive,clint0", "riscv,clint0"})
      .wide_cells("reg", {kClint, Clint::kSize})
      .cells("interrupts-extended",
             to_all_harts(cpus, interrupt::kMachineSoftware, interrupt::kMachineTimer))
      .end_node();
  tree.begin_node(fmt::format("plic@{:x}", kPlic))
      .texts("compatible", {"sifive,plic-1.0.0", "riscv,plic0"})
      .wide_cells("reg", {kPlic, Plic::kSize})
      .cells("#interrupt-cells", {1})
      .cells("#address-cells", {0})
      .flag("interrupt-controller")
      .cells("riscv,ndev", {Plic::kSources - 1})
      .cells("interrupts-extended",
             to_all_harts(cpus, interrupt::kMachineExternal, interrupt::kSupervisorExternal))
      .cells("phandle", {kPlicHandle})
      .end_node();
  tree.begin_node(fmt::format("serial@{:x}", kUart))
      .text("compatible", "ns16550a")
      .wide_cells("reg", {kUart, Uart::kSize})
      .cells("clock-frequency", {3'686'400})
      .cells("interrupt-parent", {kPlicHandle})
      .cells("interrupts", {kUartInterrupt})
      .end_node();
  tree.begin_node(fmt::format("rtc@{:x}", kRtc))
      .text("compatible", "google,goldfish-rtc")
      .wide_cells("reg", {kRtc, Rtc::kSize})
      .cells("interrupt-parent", {kPlicHandle})
      .cells("interrupts", {kRtcInterrupt})
      .end_node();
  describe_pci(tree);
  tree.begin_node(fmt::format("test@{:x}", kSyscon))
      .texts("compatible", {"sifive,test1", "sifive,test0", "syscon"})
      .wide_cells("reg", {kSyscon, Syscon::kSize})
      .cells("phandle", {kSysconHandle})
      .end_node();
  tree.end_node();
  auto const by_syscon = [&](std::string_view name, std::uint32_t value) {
    tree.begin_node(name)
        .text("compatible", fmt::format("syscon-{}", name))
        .cells("regmap", {kSysconHandle})
        .cells("offset", {0})
        .cells("value", {value})
        .end_node();
  };
  by_syscon("poweroff", Syscon::kPowerOff);
  by_syscon("reboot", Syscon::kReset);
}

}  // namespace

Bytes describe_board(BoardDescription const& board) {
  DeviceTreeWriter tree;
  tree.begin_node("")
      .cells("#address-cells", {2})
      .cells("#size-cells", {2})
      .text("compatible", "riscv-virtio")
      .text("model", "mutirao,virt");
  std::string const console = fmt::format("/soc/serial@{:x}", kUart);
  tree.begin_node("chosen").text("bootargs", board.append).text("stdout-path", console);
  if (board.initrd_end != board.initrd_begin)
    tree.wide_cells("linux,initrd-start", {board.initrd_begin})
        .wide_cells("linux,initrd-end", {board.initrd_end});
  if (!board.rng_seed.empty()) tree.bytes("rng-seed", board.rng_seed);
  tree.end_node();
  tree.begin_node("aliases").text("serial0", console).end_node();
  tree.begin_node(fmt::format("memory@{:x}", kRam))
      .text("device_type", "memory")
      .wide_cells("reg", {kRam, board.memory_bytes})
      .end_node();
  describe_harts(tree, board.cpus);
  describe_devices(tree, board.cpus);
  tree.end_node();
  return std::move(tree).finish(kRoomBytes);
}

}  // namespace mutirao::machine
