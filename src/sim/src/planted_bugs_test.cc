// Whether the simulator finds what it is for: small programs, each with a bug that can be switched
// on. With it some of the first seeds must show it; without it none may.
#include <array>
#include <cstdio>
#include <deque>
#include <map>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/sim/recording.h"
#include "mutirao/sim/testing.h"

#include "conformance.h"

namespace mutirao::sim {
namespace {

/// The first seed of `count` that shows something; 0 when none does.
std::uint64_t first_to_show(char const* bug, std::size_t count,
                            std::function<bool(std::uint64_t)> const& shows) {
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    if (!shows(seed)) continue;
    std::printf("%s: shown by seed %llu of %zu\n", bug, static_cast<unsigned long long>(seed),
                count);
    return seed;
  }
  return 0;
}

// ---- a lost fsync ------------------------------------------------------------------------------

/// Appends numbered entries and acknowledges each; after a power cut, whether one that it had
/// acknowledged is gone.
bool loses_acknowledged(std::uint64_t seed, bool forgets_sync) {
  bool lost = false;
  Simulation simulation{{.seed = seed}};
  simulation.run([&](Simulation& network) {
    auto& host = network.add_host("journal");
    std::uint64_t acknowledged = 0;
    threads::scope program;
    program.spawn("append",
                  [&]() -> Result<void> {
                    auto const folder = MUT_TRY(host.world().disk().open_directory("/", true));
                    auto const file =
                        MUT_TRY(folder->open("entries", {.writable = true, .create = true}));
                    MUT_TRY(folder->sync());
                    for (std::uint64_t entry = 1; entry <= 64; ++entry) {
                      Bytes bytes;
                      base::append_be(bytes, entry);
                      MUT_TRY(file->write_at((entry - 1) * bytes.size(), bytes));
                      if (!forgets_sync) MUT_TRY(file->sync());
                      acknowledged = entry;
                      MUT_TRY(threads::sleep_for(1ms));
                    }
                    return {};
                  },
                  {.isolated = true});
    must(threads::sleep_for(Duration{network.entropy().below(150'000'000)}));
    network.crash(host);
    static_cast<void>(program.join());
    if (acknowledged == 0) return;
    auto const folder = host.restart().disk().open_directory("/", false);
    auto const file = folder ? (*folder)->open("entries", {}) : std::unexpected{folder.error()};
    Bytes found(acknowledged * sizeof(std::uint64_t));
    lost = !file || !(*file)->read_exactly(0, found);
    for (std::uint64_t entry = 1; !lost && entry <= acknowledged; ++entry) {
      auto const at = ByteView{found}.subspan((entry - 1) * sizeof entry);
      lost = base::load_be<std::uint64_t>(at) != entry;
    }
  });
  return lost;
}

TEST(PlantedBugs, a_forgotten_sync_is_shown_within_10_seeds) {
  EXPECT_NE(first_to_show("forgotten sync", 10,
                          [](std::uint64_t seed) { return loses_acknowledged(seed, true); }),
            0u);
  EXPECT_EQ(first_to_show("no bug", 100,
                          [](std::uint64_t seed) { return loses_acknowledged(seed, false); }),
            0u);
}

// ---- a reordered reply -------------------------------------------------------------------------

/// Asks a server for the squares of a few numbers, all at once; whether an answer was taken for
/// that of another question.
bool mistakes_replies(std::uint64_t seed, bool expects_order) {
  constexpr std::uint8_t kQuestions = 4;
  bool mistaken = false;
  Simulation simulation{{.seed = seed, .network = {.link = {.jitter = 1ms}}}};
  simulation.run([&](Simulation& network) {
    auto& server = network.add_host("server");
    auto& client = network.add_host("client");
    auto const listening =
        must(server.world().network().bind_datagram({world::IpAddress::any(), 7}));
    auto const asking = must(client.world().network().bind_datagram({client.address(), 8}));
    threads::scope programs;
    programs.spawn(
        "answer",
        [&]() -> Result<void> {
          Bytes question(16);
          for (;;) {
            auto const received = MUT_TRY(listening->receive(question, Deadline::never()));
            Bytes const answer{question[0], static_cast<std::uint8_t>(question[0] * question[0])};
            MUT_TRY(listening->send_to(answer, received.from, Deadline::never()));
          }
        },
        {.isolated = true});
    std::deque<std::uint8_t> asked;
    for (std::uint8_t number = 1; number <= kQuestions; ++number) {
      must(asking->send_to(Bytes{number}, {server.address(), 7}, Deadline::never()));
      asked.push_back(number);
    }
    Bytes answer(16);
    for (int i = 0; i < kQuestions; ++i) {
      must(asking->receive(answer, threads::within(10s)));
      auto const question = expects_order ? asked.front() : answer[0];
      asked.pop_front();
      mistaken = mistaken || answer[1] != question * question;
    }
    programs.request_stop();
    static_cast<void>(programs.join());
  });
  return mistaken;
}

TEST(PlantedBugs, a_reply_taken_for_another_is_shown_within_5_seeds) {
  EXPECT_NE(first_to_show("reordered reply", 5,
                          [](std::uint64_t seed) { return mistakes_replies(seed, true); }),
            0u);
  EXPECT_EQ(first_to_show("no bug", 100,
                          [](std::uint64_t seed) { return mistakes_replies(seed, false); }),
            0u);
}

// ---- what makes a run no function of its seed
// ----------------------------------------------------

enum class Bug : std::uint8_t { none, order_of_addresses, order_of_a_hash_table, uninitialised };

/// One node tells its neighbours something, one after the other.
void tell_neighbours(std::uint64_t seed, Bug bug, Recording* recording) {
  struct Neighbour {
    world::Endpoint where;
    std::uint8_t number;
  };
  Simulation simulation{{.seed = seed, .recording = recording}};
  simulation.run([&](Simulation& network) {
    auto& teller = network.add_host("teller");
    auto const socket = must(teller.world().network().bind_datagram({teller.address(), 9}));
    std::vector<std::unique_ptr<Neighbour>> neighbours;
    std::vector<std::unique_ptr<world::DatagramSocket>> ears;
    std::set<Neighbour*> by_address;
    std::unordered_map<Neighbour*, int> hashed;
    for (std::uint8_t i = 0; i < 8; ++i) {
      auto& host = network.add_host("neighbour" + std::to_string(i));
      ears.push_back(must(host.world().network().bind_datagram({host.address(), 9})));
      // Of different sizes, as things come and go in a program that has run for a while.
      auto const padding = std::make_unique<Bytes>(std::size_t{100'000} * (i % 3));
      neighbours.push_back(std::make_unique<Neighbour>(world::Endpoint{host.address(), 9}, i));
      by_address.insert(neighbours.back().get());
      hashed.emplace(neighbours.back().get(), i);
    }
    auto const tell = [&](Neighbour const& whom) {
      std::unique_ptr<std::uint8_t[]> const message{new std::uint8_t[64]};
      message[0] = whom.number;
      std::size_t const size = bug == Bug::uninitialised ? 64 : 1;
      must(socket->send_to(ByteView{message.get(), size}, whom.where, Deadline::never()));
      must(threads::sleep_for(1ms));
    };
    switch (bug) {
      case Bug::order_of_addresses:
        for (auto const* each : by_address) tell(*each);
        break;
      case Bug::order_of_a_hash_table:
        for (auto const& each : hashed) tell(*each.first);
        break;
      default:
        for (auto const& each : neighbours) tell(*each);
    }
    must(threads::sleep_for(1s));  // until all have heard
  });
}

std::uint64_t first_to_differ(char const* name, std::size_t count, Bug bug) {
  return first_to_show(name, count, [&](std::uint64_t seed) {
    // In the fresh process only the seed that is asked for is run.
    if (seeds(count).size() == 1 && seeds(count).front() != seed) return false;
    auto const difference = difference_in_fresh_process(
        seed, [&](Recording& recording) { tell_neighbours(seed, bug, &recording); });
    if (difference) std::printf("%s", difference->c_str());
    return difference.has_value();
  });
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kAddressesDiffer = false;  // a sanitizer's allocator gives the same in every process
#else
constexpr bool kAddressesDiffer = true;
#endif

TEST(PlantedBugs, the_order_of_addresses_is_shown_within_10_seeds) {
  if (!kAddressesDiffer) GTEST_SKIP();
  EXPECT_NE(first_to_differ("order of addresses", 10, Bug::order_of_addresses), 0u);
}
TEST(PlantedBugs, the_order_of_a_hash_table_is_shown_within_10_seeds) {
  if (!kAddressesDiffer) GTEST_SKIP();
  EXPECT_NE(first_to_differ("order of a hash table", 10, Bug::order_of_a_hash_table), 0u);
}
TEST(PlantedBugs, an_uninitialised_read_is_shown_within_3_seeds) {
  EXPECT_NE(first_to_differ("uninitialised read", 3, Bug::uninitialised), 0u);
}
TEST(PlantedBugs, a_program_without_them_is_the_same_in_every_process) {
  EXPECT_EQ(first_to_differ("no bug", 10, Bug::none), 0u);
}

// Goal: a test has to say nothing to be compared.
// Method: one that is no function of its seed, and says nothing, in a process of its own.
TEST(PlantedBugs, DISABLED_a_test_that_says_nothing) {
  tell_neighbours(1, Bug::uninitialised, nullptr);
}
TEST(PlantedBugs, are_shown_by_a_test_that_says_nothing) {
  if (!kAddressesDiffer) GTEST_SKIP() << "with a sanitizer each test runs once";
  std::array<char, 4096> self{};
  ASSERT_GT(readlink("/proc/self/exe", self.data(), self.size() - 1), 0);
  auto* const running =
      popen(fmt::format("'{}' --gtest_also_run_disabled_tests "
                        "--gtest_filter=PlantedBugs.DISABLED_a_test_that_says_nothing",
                        self.data())
                .c_str(),
            "r");
  ASSERT_NE(running, nullptr);
  std::string told;
  for (int c; (c = std::fgetc(running)) != EOF;) told += static_cast<char>(c);
  EXPECT_NE(pclose(running), 0);
  EXPECT_NE(told.find("simulation 1 of the test is no function of its seed"), std::string::npos)
      << told;
}

}  // namespace
}  // namespace mutirao::sim
