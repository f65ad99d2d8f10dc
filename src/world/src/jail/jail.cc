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
#include <vector>

#include <fmt/format.h>

#include "mutirao/threads/io.h"

#include "descriptor.h"
#include "system_errors.h"

namespace mutirao::world::jail {

namespace {
/// Something that surely is a folder: the empty file system is mounted over it for a moment.
constexpr char kAnyFolder[] = "/proc";
constexpr char kAllowNamespaces[] =
    "allow user namespaces (sysctl user.max_user_namespaces, "
    "kernel.apparmor_restrict_unprivileged_userns)";
constexpr unsigned long kBarren = MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr std::size_t kKeptBytesMax = 64 << 10;

std::unexpected<Error> no_empty_files(int error, std::string_view step) {
  return std::unexpected{Error{
      Fault::refused, fmt::format("no empty file system: {}", base::system_error(error, step).what),
      kAllowNamespaces}};
}

struct Copy {
  std::string path;
  std::string content;
};

/// What there is of the files, before they are out of reach.
std::vector<Copy> contents_of(std::span<std::string const> paths) {
  std::vector<Copy> copies;
  for (auto const& path : paths) {
    Descriptor const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string content(kKeptBytesMax, '\0');
    auto const got = file ? ::read(file.get(), content.data(), content.size()) : -1;
    if (got < 0) continue;
    content.resize(static_cast<std::size_t>(got));
    copies.push_back({path, std::move(content)});
  }
  return copies;
}

/// Below the working folder, where the path was below the root.
void make_folders_above(std::string const& path) {
  for (auto at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    ::mkdir(("." + path.substr(0, at)).c_str(), 0755);
}

/// The same. What fails is missed by whoever looks for it.
void put_copy(Copy const& copy) {
  make_folders_above(copy.path);
  Descriptor const file{::open(("." + copy.path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
  if (file) static_cast<void>(!::write(file.get(), copy.content.data(), copy.content.size()));
}

/// The same.
bool put_folder(std::string const& path) {
  make_folders_above(path + "/");
  return ::mount(path.c_str(), ("." + path).c_str(), nullptr, MS_BIND, nullptr) == 0;
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
}  // namespace

Result<void> leave_files(std::span<std::string const> kept, std::span<std::string const> folders) {
  auto const files = contents_of(kept);
  if (int const error = own_mounts(); error != 0) return no_empty_files(error, "unshare");
  auto const must = [](bool done, std::string_view step) -> Result<void> {
    if (!done) return no_empty_files(threads::last_error_number(), step);
    return {};
  };
  // What happens here is seen by nobody else.
  MUT_TRY(must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "mount /"));
  MUT_TRY(must(::mount("tmpfs", kAnyFolder, "tmpfs", kBarren, "size=512k,mode=0755") == 0,
               "mount tmpfs"));
  MUT_TRY(must(::chdir(kAnyFolder) == 0, "chdir"));
  for (auto const& each : files) put_copy(each);
  for (auto const& each : folders) MUT_TRY(must(put_folder(each), each));
  // Over itself: then the old root lies on top, and goes (pivot_root(2), "pivot_root(".", ".")").
  MUT_TRY(must(::syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root"));
  MUT_TRY(must(::umount2(".", MNT_DETACH) == 0, "umount2"));
  MUT_TRY(must(::chdir("/") == 0, "chdir"));
  unsigned long const read_only = MS_REMOUNT | MS_BIND | MS_RDONLY | kBarren;
  return must(::mount(nullptr, "/", nullptr, read_only, nullptr) == 0, "mount /");
}

Result<void> leave_network() {
  if (::unshare(CLONE_NEWNET) == 0) return {};
  return std::unexpected{system_failure("leaving the network").error().with_mend(kAllowNamespaces)};
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
