#include "kernel_view.h"

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace mutirao::threads {

bool sleeps_in_kernel(int kernel_thread) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/task/%d/stat", kernel_thread);
  int const file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 128> text;
  auto const size = ::read(file, text.data(), text.size());
  ::close(file);
  if (size <= 0) return false;
  // "NUMBER (NAME) STATE ...", where the name may contain anything (proc(5)).
  std::string_view const line{text.data(), static_cast<std::size_t>(size)};
  auto const name_ends = line.rfind(") ");
  if (name_ends == line.npos || name_ends + 2 >= line.size()) return false;
  char const state = line[name_ends + 2];
  return state == 'S' || state == 'D';
}

}  // namespace mutirao::threads
