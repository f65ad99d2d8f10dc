// What a crash leaves on a simulated disk, and the faults it can be told to have.
#include <set>

#include "mutirao/sim/seeds.h"
#include "mutirao/sim/simulation.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

constexpr std::size_t kPage = 4096;

void simulate(std::uint64_t seed, std::function<void(Simulation&, Host&)> const& body,
              DiskOptions disk = {}) {
  Simulation simulation{{.seed = seed}};
  simulation.run([&](Simulation& inside) {
    try {
      body(inside, inside.add_host("host", {.disk = disk}));
    } catch (std::exception const& error) {
      ADD_FAILURE() << error.what() << ", " << replay_hint(seed);
    }
  });
}

std::unique_ptr<world::Directory> root(Host& host) {
  return must(host.world().disk().open_directory("/", false));
}

Bytes content(world::Directory& folder, std::string_view path) {
  auto const file = must(folder.open(path, {}));
  Bytes bytes(must(file->info()).size);
  must(file->read_exactly(0, bytes));
  return bytes;
}

std::string text(world::Directory& folder, std::string_view path) {
  return std::string{base::text_of(content(folder, path))};
}

TEST(SimulatedDisk, keeps_what_was_synced_through_every_crash) {
  for (auto const seed : seeds(50)) {
    simulate(seed, [&](Simulation& simulation, Host& host) {
      auto const bytes = pattern(100'000, seed);
      {
        auto const folder = root(host);
        auto const file = create(*folder, "file");
        must(file->write_at(0, bytes));
        must(file->sync());
        must(folder->sync());
        simulation.crash(host);
      }
      host.restart();
      EXPECT_EQ(content(*root(host), "file"), bytes) << replay_hint(seed);
      EXPECT_EQ(host.disk().unsynced_bytes(), 0u);
    });
  }
}

TEST(SimulatedDisk, puts_each_unsynced_page_at_risk_on_its_own) {
  std::size_t kept = 0, lost = 0, torn = 0, short_files = 0;
  for (auto const seed : seeds(30)) {
    simulate(seed, [&](Simulation& simulation, Host& host) {
      constexpr std::size_t kPages = 20;
      {
        auto const folder = root(host);
        auto const file = create(*folder, "file");
        must(file->write_at(0, Bytes(kPage * kPages, 'o')));
        must(file->sync());
        must(folder->sync());
        must(file->write_at(0, Bytes(kPage * (kPages + 2), 'n')));
        simulation.crash(host);
      }
      host.restart();
      auto const bytes = content(*root(host), "file");
      if (bytes.size() == kPage * kPages) ++short_files;
      for (std::size_t at = 0; at < kPage * kPages; at += kPage) {
        ByteView const page{bytes.data() + at, kPage};
        auto const old_bytes = static_cast<std::size_t>(std::ranges::count(page, 'o'));
        ASSERT_EQ(old_bytes + static_cast<std::size_t>(std::ranges::count(page, 'n')), kPage);
        ASSERT_EQ(old_bytes % 512, 0u) << "a sector is whole";
        ++(old_bytes == 0 ? kept : old_bytes == kPage ? lost : torn);
      }
    });
  }
  if (seeds(30).size() < 30) return;  // the replay of one seed shows nothing about chances
  EXPECT_GT(kept, 100u);
  EXPECT_GT(lost, 100u);
  EXPECT_GT(torn, 100u);
  EXPECT_GT(short_files, 0u);
  EXPECT_LT(short_files, 30u);
}

TEST(SimulatedDisk, may_lose_a_new_name_until_its_folder_is_synced) {
  std::size_t lost = 0, kept = 0;
  for (auto const seed : seeds(30)) {
    for (bool const sync_folder : {false, true}) {
      simulate(seed, [&](Simulation& simulation, Host& host) {
        {
          auto const folder = root(host);
          auto const file = create(*folder, "file");
          must(file->write_at(0, base::view_of("text")));
          must(file->sync());
          if (sync_folder) must(folder->sync());
          simulation.crash(host);
        }
        host.restart();
        auto const info = root(host)->info("file");
        if (sync_folder) {
          EXPECT_TRUE(info) << replay_hint(seed);
        } else {
          ++(info ? kept : lost);
          if (info) {
            EXPECT_EQ(text(*root(host), "file"), "text");
          }
        }
      });
    }
  }
  if (seeds(30).size() < 30) return;
  EXPECT_GT(lost, 0u);
  EXPECT_GT(kept, 0u);
}

TEST(SimulatedDisk, replaces_atomically_by_rename) {
  std::set<std::string> seen;
  for (auto const seed : seeds(40)) {
    simulate(seed, [&](Simulation& simulation, Host& host) {
      {
        auto const folder = root(host);
        auto const old = create(*folder, "config");
        must(old->write_at(0, base::view_of("old")));
        must(old->sync());
        must(folder->sync());
        auto const fresh = create(*folder, "config.new");
        must(fresh->write_at(0, base::view_of("new!")));
        must(fresh->sync());
        must(folder->rename("config.new", "config"));
        simulation.crash(host);
      }
      host.restart();
      seen.insert(text(*root(host), "config"));
    });
  }
  EXPECT_TRUE(seen == (std::set<std::string>{"old", "new!"}) || seeds(40).size() < 40)
      << testing::PrintToString(seen);
}

TEST(SimulatedDisk, shows_the_bug_of_renaming_before_syncing_the_content) {
  bool torn = false;
  for (auto const seed : seeds(40)) {
    simulate(seed, [&](Simulation& simulation, Host& host) {
      {
        auto const folder = root(host);
        must(create(*folder, "config.new")->write_at(0, base::view_of("new!")));
        must(folder->rename("config.new", "config"));
        must(folder->sync());
        simulation.crash(host);
      }
      host.restart();
      torn = torn || text(*root(host), "config") != "new!";
    });
  }
  EXPECT_TRUE(torn || seeds(40).size() < 40);
}

TEST(SimulatedDisk, never_keeps_a_change_whose_premise_was_lost) {
  for (auto const seed : seeds(200)) {
    simulate(seed, [&](Simulation& simulation, Host& host) {
      {
        // Chains of changes over a few names; what survives must be a tree, and files must be
        // whole.
        auto const folder = root(host);
        auto& entropy = simulation.entropy();
        auto const name = [&] { return std::string(1, static_cast<char>('a' + entropy.below(4))); };
        for (int i = 0; i < 60; ++i) {
          auto const path = name() + "/" + name();
          switch (entropy.below(6)) {
            case 0:
              (void)folder->open_directory(path, true);
              break;
            case 1:
              (void)folder->open(path + "/f", {.writable = true, .create = true});
              break;
            case 2:
              (void)folder->rename(path, name());
              break;
            case 3:
              (void)folder->rename(name(), path);
              break;
            case 4:
              (void)folder->remove(path);
              break;
            case 5:
              if (auto const some = folder->open_directory(path, false)) must((*some)->sync());
              break;
          }
        }
        simulation.crash(host);
      }
      host.restart();
      auto const folder = root(host);
      std::set<std::uint64_t> inodes;
      std::vector<std::string> rest{"."};
      while (!rest.empty()) {
        auto const path = rest.back();
        rest.pop_back();
        for (auto const& entry : must(folder->list(path))) {
          ASSERT_TRUE(inodes.insert(entry.info.inode).second) << path << ' ' << replay_hint(seed);
          if (entry.info.kind == world::FileKind::directory)
            rest.push_back(path + "/" + entry.name);
        }
      }
    });
  }
}

TEST(SimulatedDisk, of_a_killed_process_loses_nothing) {
  simulate(1, [&](Simulation& simulation, Host& host) {
    {
      must(create(*root(host), "file")->write_at(0, base::view_of("cached")));
      simulation.crash(host, {.reset_streams = true, .lose_unsynced = false});
    }
    host.restart();
    EXPECT_EQ(text(*root(host), "file"), "cached");
    EXPECT_GT(host.disk().unsynced_bytes(), 0u) << "a power cut may still take it";
  });
}

TEST(SimulatedDisk, without_journal_delay_keeps_names_at_once) {
  for (auto const seed : seeds(20)) {
    simulate(seed,
             [&](Simulation& simulation, Host& host) {
               (void)create(*root(host), "a/b");
               simulation.crash(host);
               host.restart();
               EXPECT_TRUE(root(host)->info("a/b"));
             },
             {.directory_sync_needed = false});
  }
}

TEST(SimulatedDisk, refuses_writes_when_full_and_goes_on_when_there_is_room) {
  simulate(1,
           [&](Simulation&, Host& host) {
             auto const folder = root(host);
             auto const file = create(*folder, "file");
             EXPECT_EQ(fault_of(file->write_at(0, pattern(200'000))), Fault::exhausted);
             EXPECT_EQ(must(folder->space()).free_bytes, 0u);
             EXPECT_TRUE(file->write_at(0, base::view_of("what is there may change")));
             host.disk().set_capacity(1_MiB);
             EXPECT_TRUE(file->write_at(0, pattern(200'000)));
             EXPECT_EQ(host.disk().used_bytes(), 49 * kPage);
             host.disk().set_full(true);
             EXPECT_EQ(fault_of(file->write_at(300'000, base::view_of("x"))), Fault::exhausted);
             host.disk().set_full(false);
             must(file->resize(kPage));
             EXPECT_EQ(host.disk().used_bytes(), kPage);
           },
           {.capacity_bytes = 100'000});
}

TEST(SimulatedDisk, gives_back_the_room_of_removed_files_once_they_are_closed) {
  simulate(1,
           [&](Simulation&, Host& host) {
             auto const folder = root(host);
             must(create(*folder, "file")->write_at(0, pattern(10 * kPage)));
             auto open = must(folder->open("file", {}));
             must(folder->remove("file"));
             must(folder->sync());
             EXPECT_EQ(host.disk().used_bytes(), 10 * kPage);
             open.reset();
             EXPECT_EQ(host.disk().used_bytes(), 0u);
           },
           {.directory_sync_needed = false});
}

TEST(SimulatedDisk, fails_when_told_to) {
  simulate(1, [&](Simulation&, Host& host) {
    auto const folder = root(host);
    auto const file = create(*folder, "file");
    Bytes bytes(4);
    host.disk().fail_next_writes(1);
    EXPECT_EQ(fault_of(file->write_at(0, base::view_of("lost"))), Fault::io);
    EXPECT_EQ(must(file->info()).size, 0u);
    must(file->write_at(0, base::view_of("text")));
    host.disk().fail_next_syncs(2);
    EXPECT_EQ(fault_of(file->sync()), Fault::io);
    EXPECT_EQ(fault_of(folder->sync()), Fault::io);
    must(file->sync());
    host.disk().fail_next_reads(1);
    EXPECT_EQ(fault_of(file->read_at(0, bytes)), Fault::io);
    must(file->read_exactly(0, bytes));
    EXPECT_EQ(base::text_of(bytes), "text");
    host.disk().set_error_chance(0.5, 0, 0);
    std::size_t failed = 0;
    for (int i = 0; i < 100; ++i) failed += !file->read_at(0, bytes);
    EXPECT_GT(failed, 20u);
    EXPECT_LT(failed, 80u);
  });
}

TEST(SimulatedDisk, flips_the_bit_it_is_told_to) {
  simulate(1, [&](Simulation&, Host& host) {
    auto const folder = root(host);
    must(create(*folder, "sub/file")->write_at(0, base::view_of("text")));
    must(host.disk().flip_bit("/sub/file", 1, 0));
    EXPECT_EQ(text(*folder, "sub/file"), "tdxt");
    EXPECT_EQ(fault_of(host.disk().flip_bit("/sub/file", 100, 0)), Fault::not_found);
    EXPECT_EQ(fault_of(host.disk().flip_bit("/absent", 0, 0)), Fault::not_found);
  });
}

TEST(SimulatedDisk, shows_a_checker_what_is_there_without_time_or_trace) {
  simulate(1, [](Simulation& simulation, Host& host) {
    {
      auto const folder = root(host);
      auto const file = create(*folder, "a/file");
      must(file->write_at(0, pattern(10'000, 1)));
      must(file->sync());
      must(must(folder->open_directory("a", false))->sync());
      must(folder->sync());
      must(create(*folder, "b")->sync());
      simulation.crash(host);
    }
    auto const before = std::pair{threads::now(), simulation.trace_hash()};
    EXPECT_EQ(host.disk().files().front(), "/a/file");
    Bytes some(5000);
    EXPECT_EQ(must(host.disk().peek("/a/file", 8000, some)), 2000u);
    EXPECT_TRUE(std::equal(some.begin(), some.begin() + 2000, pattern(10'000, 1).begin() + 8000));
    EXPECT_FALSE(host.disk().peek("/nothing", 0, some));
    EXPECT_EQ((std::pair{threads::now(), simulation.trace_hash()}), before);
  });
}

TEST(SimulatedDisk, takes_as_many_times_its_latency_as_it_is_told_to) {
  simulate(1, [](Simulation&, Host& host) {
    auto const folder = root(host);
    auto const file = create(*folder, "file");
    auto const takes = [&] {
      auto const began = threads::now();
      must(file->sync());
      return threads::now() - began;
    };
    auto const well = takes();
    host.disk().set_slowness({.factor = 100});
    EXPECT_EQ(takes(), 100 * well);
    host.disk().set_slowness({});
    EXPECT_EQ(takes(), well);
  });
}

TEST(SimulatedDisk, calls_take_virtual_time_and_are_not_cancellation_points) {
  simulate(1,
           [&](Simulation&, Host& host) {
             auto const file = create(*root(host), "file");
             auto const start = threads::now();
             threads::scope scope;
             scope.spawn("stopped", [&]() -> Result<void> {
               scope.request_stop();
               MUT_TRY(file->write_at(0, base::view_of("text")));
               return file->sync();
             });
             must(scope.join());
             EXPECT_EQ(threads::now() - start, 3ms);
           },
           {.write_latency = 1ms, .sync_latency = 2ms});
}

}  // namespace
}  // namespace mutirao::sim
