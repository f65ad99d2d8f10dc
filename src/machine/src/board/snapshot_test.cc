#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/machine/machine.h"
#include "mutirao/sim/testing.h"

#include "board/memory_map.h"
#include "snapshot/snapshot_file.h"
#include "snapshot/state.h"
#include "testing/assembler.h"
#include "testing/disks.h"
#include "testing/files.h"
#include "virtio/transport.h"

namespace mutirao::machine {
namespace {

namespace as = assembler;
using testing::HasSubstr;

/// Says the letters from 'a' to 'z', a millisecond apart by the timer, computing and storing in
/// between, and powers off with 7.
Bytes speaking_kernel() {
  as::Code code;
  code << as::li(as::s0, board::kUart) << as::li(as::s1, 'a')
       << as::li(as::s2, board::kRam + 0x900000) << as::li(as::t0, 1 << 5)
       << as::csrw(0x104, as::t0);
  as::Code letter;
  letter << as::sb(as::s1, as::s0) << as::ld(as::t1, as::s2) << as::add(as::t1, as::t1, as::s1)
         << as::sd(as::t1, as::s2) << as::addi(as::s2, as::s2, 1000);
  letter << as::csrr(as::t2, 0xC01) << as::li(as::t0, 10'000) << as::add(as::t2, as::t2, as::t0)
         << as::csrw(0x14D, as::t2) << as::wfi() << as::addi(as::s1, as::s1, 1)
         << as::li(as::t0, 'z' + 1);
  letter << as::bne(as::s1, as::t0, -static_cast<std::int32_t>(letter.size_bytes()));
  code << letter.words();
  code << as::li(as::t0, board::kSyscon) << as::li(as::t1, 7 << 16 | 0x3333)
       << as::sw(as::t1, as::t0) << as::j(0);
  return image_of(code.words());
}

struct SnapshotRun {
  std::string console;
  unsigned code = 0;
  std::uint64_t instructions = 0;
  friend bool operator==(SnapshotRun const&, SnapshotRun const&) = default;
};

void with_folder(std::function<void(world::World&, world::Directory&)> const& body) {
  sim::for_seeds(1, [&](sim::Simulation& network, std::uint64_t) {
    auto& host = network.add_host("host");
    auto const folder = *host.world().disk().open_directory("/snapshots", true);
    body(host.world(), *folder);
  });
}

MachineOptions speaking(Engine engine, Timebase timebase) {
  return {
      .memory_bytes = 16_MiB, .kernel = speaking_kernel(), .engine = engine, .timebase = timebase};
}

Result<std::unique_ptr<Machine>> restore(world::Directory& folder, RestoreOptions options,
                                         Machine::Console console, world::World& world) {
  return Machine::restore(MUT_TRY(folder.open("one", {})), std::move(options), std::move(console),
                          world);
}

/// Saves after so many instructions, goes on in another machine, and gives what both did.
SnapshotRun run_in_two(world::World& world, world::Directory& folder, std::uint64_t before,
                       Engine first, Engine second) {
  SnapshotRun run;
  auto const console = [&](std::string_view text) { run.console += text; };
  {
    auto const machine = *Machine::create(speaking(first, Timebase::instructions), console, world);
    EXPECT_EQ(machine->run(before).kind, MachineExit::Kind::instructions);
    auto const saved = machine->save(folder, "one");
    EXPECT_TRUE(saved) << saved.error().what;
  }
  auto const machine = restore(folder, {.engine = second, .check_memory = true}, console, world);
  EXPECT_TRUE(machine) << machine.error().what;
  if (!machine) return run;
  EXPECT_EQ((*machine)->instructions(), before);
  run.code = (*machine)->run().code;
  run.instructions = (*machine)->instructions();
  return run;
}

TEST(Snapshot, goes_on_as_if_nothing_had_been_under_either_engine) {
  with_folder([](world::World& world, world::Directory& folder) {
    SnapshotRun whole;
    auto const machine = *Machine::create(
        speaking(Engine::translator, Timebase::instructions),
        [&](std::string_view text) { whole.console += text; }, world);
    whole.code = machine->run().code;
    whole.instructions = machine->instructions();
    EXPECT_EQ(whole.console, "abcdefghijklmnopqrstuvwxyz");
    EXPECT_EQ(whole.code, 7u);
    for (std::uint64_t const before : {1u, 10u, 77u, 200u, 333u})
      for (auto const first : {Engine::translator, Engine::interpreter})
        for (auto const second : {Engine::translator, Engine::interpreter})
          EXPECT_EQ(run_in_two(world, folder, before, first, second), whole) << before;
  });
}

TEST(Snapshot, lets_the_clock_of_the_guest_go_on_from_where_it_was) {
  with_folder([](world::World& world, world::Directory& folder) {
    std::string console;
    auto const hear = [&](std::string_view text) { console += text; };
    {
      auto const machine =
          *Machine::create(speaking(Engine::translator, Timebase::host), hear, world);
      EXPECT_EQ(machine->run(Machine::kNoLimit, Deadline::at(world.clock().now() + 12ms)).kind,
                MachineExit::Kind::timed_out);
      ASSERT_TRUE(machine->save(folder, "one"));
    }
    auto const said = console.size();
    EXPECT_GE(said, 10u);
    ASSERT_TRUE(threads::sleep_for(1h));  // in which the guest is nowhere
    auto const begin = world.clock().now();
    EXPECT_EQ((*restore(folder, {}, hear, world))->run().code, 7u);
    EXPECT_EQ(console, "abcdefghijklmnopqrstuvwxyz");
    // A millisecond for each letter, no less and not much more.
    EXPECT_GE(world.clock().now() - begin, static_cast<std::int64_t>(26 - said - 1) * 1ms);
    EXPECT_LT(world.clock().now() - begin, 40ms);
  });
}

/// What a file that was changed is refused with.
std::string refusal(world::World& world, Bytes const& bytes, bool check_memory = false) {
  auto const folder = *world.disk().open_directory("/changed", true);
  auto const file = *folder->open("one", {.writable = true, .create = true, .truncate = true});
  EXPECT_TRUE(file->write_at(0, bytes));
  auto const machine =
      restore(*folder, {.check_memory = check_memory}, [](std::string_view) {}, world);
  return machine ? "" : machine.error().what;
}

/// The file of a machine that has said a few letters.
Bytes saved_bytes(world::World& world, world::Directory& folder) {
  auto const machine = *Machine::create(
      speaking(Engine::translator, Timebase::instructions), [](std::string_view) {}, world);
  static_cast<void>(machine->run(100));
  EXPECT_TRUE(machine->save(folder, "one"));
  auto const file = *folder.open("one", {});
  Bytes bytes(file->info()->size);
  EXPECT_TRUE(file->read_exactly(0, bytes));
  return bytes;
}

/// With the state of the file, as sections, changed.
Bytes with_sections(Bytes const& file, std::function<void(Bytes& state)> const& change) {
  auto layout = *read_snapshot_header(file);
  Bytes state{file.begin() + static_cast<std::ptrdiff_t>(layout.state_at()), file.end()};
  change(state);
  layout.state_bytes = state.size();
  Bytes changed{file.begin(), file.begin() + static_cast<std::ptrdiff_t>(layout.state_at())};
  std::ranges::copy(write_snapshot_header(layout), changed.begin());
  changed.insert(changed.end(), state.begin(), state.end());
  return changed;
}

TEST(Snapshot, refuses_files_that_are_cut_or_damaged_and_says_what_is_wrong) {
  with_folder([](world::World& world, world::Directory& folder) {
    Bytes const whole = saved_bytes(world, folder);
    EXPECT_EQ(refusal(world, whole), "");
    auto const state_at = read_snapshot_header(whole)->state_at();
    for (std::size_t const size :
         {std::size_t{0}, std::size_t{20}, std::size_t{40}, state_at, whole.size() - 1}) {
      Bytes const cut{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
      EXPECT_THAT(refusal(world, cut), HasSubstr("snapshot")) << size;
    }
    for (std::size_t at = 0; at < SnapshotLayout::kHeaderBytes; at += 5) {
      Bytes damaged = whole;
      damaged[at] ^= 0x10;
      EXPECT_THAT(refusal(world, damaged), HasSubstr("snapshot")) << at;
    }
    for (std::size_t at = state_at; at < whole.size(); at += 301) {
      Bytes damaged = whole;
      damaged[at] ^= 0x10;
      EXPECT_THAT(refusal(world, damaged), HasSubstr("snapshot")) << at;
    }
    Bytes memory = whole;
    memory[SnapshotLayout::kMemoryAt + 0x200000 + 70] ^= 1;  // of the kernel
    EXPECT_THAT(refusal(world, memory, true), HasSubstr("memory"));
  });
}

TEST(Snapshot, refuses_by_name_what_a_newer_release_wrote) {
  with_folder([](world::World& world, world::Directory& folder) {
    Bytes const whole = saved_bytes(world, folder);
    auto const unknown = with_sections(
        whole, [](Bytes& state) { append_section(state, "pci-9-toaster", 1, Bytes{1, 2, 3}); });
    EXPECT_THAT(refusal(world, unknown), HasSubstr("pci-9-toaster"));
    auto const changed = [&](std::string_view name, std::uint32_t version, std::size_t cut) {
      return with_sections(whole, [&](Bytes& state) {
        Bytes const before = state;
        auto const sections = *read_sections(before);
        state.clear();
        for (auto const& section : sections) {
          bool const it = section.name == name;
          append_section(state, section.name, it ? version : section.version,
                         section.content.first(section.content.size() - (it ? cut : 0)));
        }
      });
    };
    EXPECT_THAT(refusal(world, changed("rtc", 99, 0)), HasSubstr("rtc in version 99"));
    EXPECT_THAT(refusal(world, changed("machine", 3, 0)), HasSubstr("machine in version 3"));
    EXPECT_THAT(refusal(world, changed("plic", 1, 1)), HasSubstr("plic makes no sense"));
    auto const missing = with_sections(whole, [](Bytes& state) {
      Bytes const before = state;
      auto const sections = *read_sections(before);
      state.clear();
      for (auto const& section : sections)
        if (section.name != "uart")
          append_section(state, section.name, section.version, section.content);
    });
    EXPECT_THAT(refusal(world, missing), HasSubstr("uart"));
  });
}

TEST(Snapshot, wants_the_disks_that_were_there) {
  with_folder([](world::World& world, world::Directory& folder) {
    auto const disk = [](std::uint8_t content, std::size_t size = 64 << 10) {
      std::vector<std::unique_ptr<BlockSource>> disks;
      disks.push_back(std::make_unique<MemoryDisk>(Bytes(size, content)));
      return disks;
    };
    auto options = speaking(Engine::translator, Timebase::instructions);
    options.disks = disk('x');
    auto const machine = *Machine::create(std::move(options), [](std::string_view) {}, world);
    static_cast<void>(machine->run(100));
    ASSERT_TRUE(machine->save(folder, "one"));
    auto const fault = [&](std::vector<std::unique_ptr<BlockSource>> disks) {
      auto const restored =
          restore(folder, {.disks = std::move(disks)}, [](std::string_view) {}, world);
      return restored ? std::nullopt : std::optional{restored.error().fault};
    };
    EXPECT_EQ(fault(disk('x')), std::nullopt);
    EXPECT_EQ(fault(disk('y')), Fault::invalid);
    EXPECT_EQ(fault(disk('x', 32 << 10)), Fault::invalid);
    EXPECT_EQ(fault({}), Fault::invalid);
  });
}

/// Some of a machine's outside, as it is given when one is made and when one is restored.
struct Outside {
  std::optional<NetworkOptions> network{};
  std::string vsock{};
  std::vector<std::string> tags{};

  static std::vector<Share> shares_of(std::vector<std::string> const& tags) {
    std::vector<Share> shares;
    for (auto const& tag : tags) shares.push_back({world::make_memory_tree(), tag});
    return shares;
  }
  RestoreOptions to_restore() const {
    return {.network = network, .shares = shares_of(tags), .vsock = vsock};
  }
};

TEST(Snapshot, wants_the_network_the_sockets_and_the_folders_that_were_there) {
  with_folder([](world::World& world, world::Directory& folder) {
    Outside const had{.network = NetworkOptions{}, .vsock = "/run/vsock", .tags = {"one", "two"}};
    {
      auto options = speaking(Engine::translator, Timebase::host);
      options.network = had.network;
      options.vsock = had.vsock;
      options.shares = Outside::shares_of(had.tags);
      auto const machine = *Machine::create(std::move(options), [](std::string_view) {}, world);
      static_cast<void>(machine->run(100));
      auto const saved = machine->save(folder, "one");
      ASSERT_TRUE(saved) << saved.error().what;
    }
    auto const mend = [&](Outside const& given) {
      auto const machine = restore(folder, given.to_restore(), [](std::string_view) {}, world);
      if (machine) return (*machine)->run().code == 7 ? std::string{"runs"} : "runs in error";
      EXPECT_EQ(machine.error().fault, Fault::invalid);
      return machine.error().what + ": " + machine.error().mend;
    };
    EXPECT_EQ(mend(had), "runs");
    auto with = [&](auto const& change) {
      Outside other = had;
      change(other);
      return mend(other);
    };
    EXPECT_THAT(with([](Outside& o) { o.network.reset(); }), HasSubstr("network card"));
    EXPECT_THAT(with([](Outside& o) { o.vsock.clear(); }), HasSubstr("virtio sockets"));
    EXPECT_THAT(with([](Outside& o) { o.tags = {"one"}; }), HasSubstr("one, two"));
    EXPECT_THAT(with([](Outside& o) { o.tags = {"two", "one"}; }), HasSubstr("one, two"));
  });
}

TEST(Snapshot, keeps_a_note_that_is_of_whoever_writes_the_file) {
  with_folder([](world::World& world, world::Directory& folder) {
    auto const machine = *Machine::create(
        speaking(Engine::translator, Timebase::instructions), [](std::string_view) {}, world);
    auto const note_in = [&] { return *read_snapshot_note(**folder.open("one", {})); };
    ASSERT_TRUE(machine->save(folder, "one"));
    EXPECT_EQ(note_in(), "");
    auto const writer = *SnapshotWriter::create(folder, "one");
    ASSERT_TRUE(
        machine->save([&](std::uint64_t at, ByteView bytes) { return writer->write(at, bytes); }));
    // Who hands the machine over can't leave one.
    for (std::uint64_t const at : {1u, 4096u, 4104u})
      EXPECT_EQ(writer->write(at, Bytes(64, 'x')).error().fault, Fault::corrupt) << at;
    EXPECT_EQ(writer->finish(std::string(kSnapshotNoteMax + 1, 'x')).error().fault,
              Fault::exhausted);
    ASSERT_TRUE(writer->finish("what it was started with"));
    EXPECT_EQ(note_in(), "what it was started with");
    EXPECT_TRUE(restore(folder, {}, [](std::string_view) {}, world));
    auto const file = *folder.open("one", {.writable = true});
    ASSERT_TRUE(file->write_at(4104, base::view_of("W")));
    EXPECT_EQ(read_snapshot_note(*file).error().fault, Fault::corrupt);
  });
}

TEST(Snapshot, leaves_the_former_one_whole_when_it_is_given_up) {
  with_folder([](world::World& world, world::Directory& folder) {
    Bytes const former = saved_bytes(world, folder);
    auto const machine = *Machine::create(
        speaking(Engine::translator, Timebase::instructions), [](std::string_view) {}, world);
    static_cast<void>(machine->run(200));
    {
      auto const writer = *SnapshotWriter::create(folder, "one");
      unsigned pieces = 0;
      auto const saved = machine->save([&](std::uint64_t at, ByteView bytes) -> Result<void> {
        if (++pieces == 2) return fail(Fault::exhausted, "the disk is full");
        return writer->write(at, bytes);
      });
      EXPECT_EQ(saved.error().fault, Fault::exhausted);
      EXPECT_TRUE(folder.info("one.unfinished"));
    }
    EXPECT_FALSE(folder.info("one.unfinished"));
    auto const file = *folder.open("one", {});
    Bytes now(file->info()->size);
    ASSERT_TRUE(file->read_exactly(0, now));
    EXPECT_EQ(now, former);
    EXPECT_EQ(machine->run().code, 7u) << "and the machine goes on";
  });
}

TEST(Snapshot, is_none_of_a_machine_that_has_ended_or_of_an_audit) {
  with_folder([](world::World& world, world::Directory& folder) {
    auto const ended = *Machine::create(
        speaking(Engine::translator, Timebase::instructions), [](std::string_view) {}, world);
    EXPECT_EQ(ended->run().kind, MachineExit::Kind::powered_off);
    EXPECT_EQ(ended->save(folder, "one").error().fault, Fault::refused);
    auto const audit = *Machine::create(
        speaking(Engine::audit, Timebase::instructions), [](std::string_view) {}, world);
    EXPECT_EQ(audit->save(folder, "one").error().fault, Fault::unsupported);
    EXPECT_FALSE(folder.info("one"));
    EXPECT_FALSE(folder.info("one.unfinished"));
  });
}

/// A device whose maker thought of no snapshots.
struct Forgetful final : VirtioDevice {
  Kind kind() const override { return {.id = 19, .class_code = 0, .queues = 1}; }
  void serve(unsigned, VirtQueue&) override {}
};

TEST(Snapshot, says_which_device_cannot_be_saved) {
  auto const memory = *GuestMemory::create(0x80000000, 1 << 20);
  Forgetful device;
  VirtioPci const function{device, *memory};
  Bytes state;
  auto const saved = append_section(state, std::string{"pci-3-"}.append(function.what()), function);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().fault, Fault::unsupported);
  EXPECT_THAT(saved.error().what, HasSubstr("pci-3-vsock"));
}

}  // namespace
}  // namespace mutirao::machine
