#include "footprint.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <unistd.h>

#include <fmt/format.h>

namespace soak {

namespace {
std::size_t entries(char const* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder}, {}));
}
}  // namespace

Footprint footprint() {
  ::malloc_trim(0);  // what the allocator keeps for later is not growth
  Footprint now;
  std::size_t pages = 0;
  std::ifstream{"/proc/self/statm"} >> pages >> pages;
  now.resident_kib = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
  now.lwps = entries("/proc/self/task");
  now.descriptors = entries("/proc/self/fd");
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) ++now.mappings;
  return now;
}

Footprint footprint_at_rest() {
  for (int look = 0; look < 5000 && entries("/proc/self/task") != 1; ++look) ::usleep(1000);
  return footprint();
}

Footprint larger(Footprint const& a, Footprint const& b) {
  return {std::max(a.resident_kib, b.resident_kib), std::max(a.lwps, b.lwps),
          std::max(a.descriptors, b.descriptors), std::max(a.mappings, b.mappings)};
}

std::string to_string(Footprint const& one) {
  return fmt::format("{} KiB, {} LWPs, {} descriptors, {} mappings", one.resident_kib, one.lwps,
                     one.descriptors, one.mappings);
}

}  // namespace soak
