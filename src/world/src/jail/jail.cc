// The walls around files and privileges.
#include "mutirao/world/jail.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/threads/io.h"

#include "descriptor.h"
#include "system_errors.h"

namespace mutirao::world::jail {

namespace {
/// Something that surely is a folder: the empty file system is mounted over it for a moment.
constexpr char kAnyFolder[] = "/proc";

std::unexpected<Error> no_empty_files(int error, std::string_view step) {
  return std::unexpected{Error{
      Fault::refused, fmt::format("no empty file system: {}", base::system_error(error, step).what),
      "allow user namespaces (sysctl user.max_user_namespaces, "
      "kernel.apparmor_restrict_unprivileged_userns)"}};
}

void write_map(char const* path, std::string const& text) {
  Descriptor const file{::open(path, O_WRONLY | O_CLOEXEC)};
  if (file) static_cast<void>(!::write(file.get(), text.data(), text.size()));
}

/// A namespace of mounts of its own, by its own right or by that of a new user namespace. Then it
/// keeps its numbers: files that it made are still its own.
int own_mounts() {
  if (::unshare(CLONE_NEWNS) == 0) return 0;
  auto const user = ::geteuid();
  auto const group = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return threads::last_error_number();
  write_map("/proc/self/setgroups", "deny");
  write_map("/proc/self/uid_map", fmt::format("{0} {0} 1", user));
  write_map("/proc/self/gid_map", fmt::format("{0} {0} 1", group));
  return 0;
}

/// The beginning of a file, if it can be read.
std::optional<std::string> text_of(std::string const& path) {
  constexpr std::size_t kBytesMax = 64 << 10;
  Descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return std::nullopt;
  std::string text(kBytesMax, '\0');
  auto const got = ::read(file.get(), text.data(), text.size());
  if (got < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(got));
  return text;
}

/// Below the working folder: "/etc/hosts" as "etc/hosts".
bool put_copy(std::string const& path, std::string const& text) {
  auto const below = path.substr(1);
  for (auto at = below.find('/'); at != below.npos; at = below.find('/', at + 1))
    static_cast<void>(::mkdir(below.substr(0, at).c_str(), 0755));
  Descriptor const file{::open(below.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444)};
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}
}  // namespace

Result<void> leave_files(std::span<std::string_view const> kept) {
  std::vector<std::pair<std::string, std::string>> copies;
  for (auto const path : kept)
    if (auto text = text_of(std::string{path})) copies.emplace_back(path, *std::move(text));
  if (int const error = own_mounts(); error != 0) return no_empty_files(error, "unshare");
  auto const must = [](bool done, std::string_view step) -> Result<void> {
    if (!done) return no_empty_files(threads::last_error_number(), step);
    return {};
  };
  // What happens here is seen by nobody else.
  MUT_TRY(must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount /"));
  constexpr unsigned long kNothingSpecial = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  MUT_TRY(must(::mount("tmpfs", kAnyFolder, "tmpfs", kNothingSpecial, "size=1m,mode=0555") == 0,
               "mount tmpfs"));
  MUT_TRY(must(::chdir(kAnyFolder) == 0, "chdir"));
  for (auto const& [path, text] : copies) MUT_TRY(must(put_copy(path, text), path));
  MUT_TRY(must(
      ::mount(nullptr, kAnyFolder, nullptr, MS_REMOUNT | MS_RDONLY | kNothingSpecial, nullptr) == 0,
      "mount tmpfs to be read"));
  // Over itself: then the old root lies on top, and goes (pivot_root(2), "pivot_root(".", ".")").
  MUT_TRY(must(::syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root"));
  MUT_TRY(must(::umount2(".", MNT_DETACH) == 0, "umount2"));
  MUT_TRY(must(::chdir("/") == 0, "chdir"));
  return {};
}

Result<void> give_up_privileges() {
  for (unsigned long each = 0; ::prctl(PR_CAPBSET_READ, each, 0, 0, 0) >= 0; ++each)
    // Without CAP_SETPCAP it has no privilege that could be dropped.
    static_cast<void>(::prctl(PR_CAPBSET_DROP, each, 0, 0, 0));
  static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct const none[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return system_failure("dropping capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_failure("setting no_new_privs");
  return {};
}

}  // namespace mutirao::world::jail
