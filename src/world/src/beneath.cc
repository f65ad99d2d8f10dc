#include "beneath.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/threads/io.h"

namespace mutirao::world {

namespace {
constexpr std::size_t kPathMax = 4096;
constexpr std::size_t kNameMax = 255;

int negative_error() noexcept { return -threads::last_error_number(); }

int open_part(int folder, std::string const& part, int flags) noexcept {
  int const opened = ::openat(folder, part.c_str(), flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return opened >= 0 ? opened : negative_error();
}

/// One part at a time, so that none can be a link: for kernels and sandboxes without openat2, and
/// for folders that have to be made.
int walk(int root, std::vector<std::string> const& parts, bool create, int flags) {
  Descriptor here;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    int const folder = here ? here.get() : root;
    int const wanted = i + 1 == parts.size() ? flags : O_PATH;
    int opened = open_part(folder, parts[i], wanted);
    if (opened == -ENOENT && create) {
      if (::mkdirat(folder, parts[i].c_str(), 0777) != 0 && threads::last_error_number() != EEXIST)
        return negative_error();
      opened = open_part(folder, parts[i], wanted);
    }
    if (opened < 0) return opened;
    here = Descriptor{opened};
  }
  return here.release();
}
}  // namespace

Result<std::vector<std::string>> split_path(std::string_view path) {
  std::vector<std::string> parts;
  auto const refuse = [&](std::string_view why) {
    return fail(Fault::invalid, fmt::format("path '{}': {}", path.substr(0, 200), why));
  };
  if (path.size() >= kPathMax) return refuse("too long");
  if (path.find('\0') != path.npos) return refuse("has a NUL");
  if (path.starts_with('/')) return refuse("is absolute");
  while (!path.empty()) {
    auto const slash = path.find('/');
    auto const part = path.substr(0, slash);
    if (part.empty() || slash + 1 == path.size()) return refuse("has an empty part");
    if (part == "." || part == "..") return refuse("has a part that is '.' or '..'");
    if (part.size() > kNameMax) return refuse("has a part that is too long");
    parts.emplace_back(part);
    path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
  }
  return parts;
}

int open_folder_beneath(int root, std::vector<std::string> const& parts, bool create,
                        bool readable) {
  int const flags = readable ? O_RDONLY : O_PATH;
  if (parts.empty()) {
    int const opened = ::openat(root, ".", flags | O_DIRECTORY | O_CLOEXEC);
    return opened >= 0 ? opened : negative_error();
  }
  std::string path;
  for (auto const& part : parts) path += (path.empty() ? "" : "/") + part;
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_DIRECTORY | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  auto const opened =
      static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
  if (opened >= 0) return opened;
  int const error = threads::last_error_number();
  // EPERM is how sandboxes refuse a system call; EAGAIN: something was renamed on the way.
  bool const no_such_call = error == ENOSYS || error == EPERM || error == EAGAIN;
  if (no_such_call || (create && error == ENOENT)) return walk(root, parts, create, flags);
  return -error;
}

}  // namespace mutirao::world
