// System calls about files. The host does the work: what differs is whose memory and whose numbers
// of open files are meant.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "mutirao/world/system_call.h"

#include "user/kernel.h"
#include "user/program_loader.h"

namespace mutirao::machine::user {
namespace {

using world::argument_of;
using world::system_call;
using Access = AddressSpace::Access;

constexpr std::uint64_t kPieceMax = 1 << 20;  // of a read or a write; the program goes on behind it
constexpr std::uint64_t kBuffersMax = 1024;

std::int64_t as_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

/// The lowest number that is free.
std::int64_t add_file(Files& files, std::int64_t opened, bool close_on_exec, int from = 0) {
  if (opened < 0) return opened;
  auto file = std::make_shared<HostFile>(static_cast<int>(opened));
  for (int number = from; number < Files::kMax; ++number) {
    if (files.open.contains(number)) continue;
    files.open[number] = {std::move(file), close_on_exec};
    return number;
  }
  return -EMFILE;
}

/// The text of a path, and what it means where it speaks of the program itself.
std::optional<std::string> path_at(SystemCall& call, UserAddress at) {
  auto path = call.memory().text(at);
  if (path == "/proc/self/exe") return call.task.path;
  return path;
}

// Reading and writing

/// Whether the task has to let others go on until the file is ready.
bool has_to_wait(SystemCall& call, int host, short events) {
  if (call.kernel.alone() || host < 0) return false;
  pollfd file{host, events, 0};
  std::array<std::int64_t, 2> const at_once{};
  if (system_call(SYS_ppoll, argument_of(&file), 1, argument_of(&at_once), 0) != 0) return false;
  auto const flags = system_call(SYS_fcntl, host, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) return false;
  call.task.waiting = Waiting{.what = Waiting::For::files, .files = {{host, events, 0}}};
  return true;
}

std::int64_t read_into(SystemCall& call, UserAddress at, std::uint64_t size,
                       std::function<std::int64_t(MutableBytes)> const& read) {
  size = std::min(size, kPieceMax);
  if (!call.memory().reaches(at, size, Access::write)) return -EFAULT;
  Bytes bytes(size);
  auto const got = read(bytes);
  if (got > 0 && !call.memory().write(at, ByteView{bytes}.first(static_cast<std::size_t>(got))))
    return -EFAULT;
  return got;
}

std::int64_t write_from(SystemCall& call, UserAddress at, std::uint64_t size,
                        std::function<std::int64_t(ByteView)> const& write) {
  Bytes bytes(std::min(size, kPieceMax));
  if (!call.memory().read(at, bytes)) return -EFAULT;
  auto const put = write(bytes);
  if (put == -EPIPE) static_cast<void>(call.kernel.send_signal(call.task.id, SIGPIPE));
  return put;
}

std::int64_t call_read(SystemCall& call) {
  int const host = call.host(call.a[0]);
  if (has_to_wait(call, host, POLLIN)) return kWaits;
  return read_into(call, call.a[1], call.a[2], [host](MutableBytes bytes) {
    return system_call(SYS_read, host, argument_of(bytes.data()), std::ssize(bytes));
  });
}

std::int64_t call_write(SystemCall& call) {
  int const host = call.host(call.a[0]);
  if (has_to_wait(call, host, POLLOUT)) return kWaits;
  // A pipe takes what is written in whole or makes its writer wait, who would wait here for ever.
  constexpr std::uint64_t kPipeSurely = 4096;
  bool const cut = !call.kernel.alone() && call.a[2] > kPipeSurely;
  return write_from(call, call.a[1], cut ? kPipeSurely : call.a[2], [host](ByteView bytes) {
    return system_call(SYS_write, host, argument_of(bytes.data()), std::ssize(bytes));
  });
}

std::int64_t call_pread(SystemCall& call) {
  return read_into(call, call.a[1], call.a[2], [&call](MutableBytes bytes) {
    return system_call(SYS_pread64, call.host(call.a[0]), argument_of(bytes.data()),
                       std::ssize(bytes), as_signed(call.a[3]));
  });
}

std::int64_t call_pwrite(SystemCall& call) {
  return write_from(call, call.a[1], call.a[2], [&call](ByteView bytes) {
    return system_call(SYS_pwrite64, call.host(call.a[0]), argument_of(bytes.data()),
                       std::ssize(bytes), as_signed(call.a[3]));
  });
}

/// readv and writev, as calls of their parts.
std::int64_t each_buffer(SystemCall& call, Handler handler) {
  auto const [descriptor, at, count, a, b, c] = call.a;
  if (count > kBuffersMax) return -EINVAL;
  std::int64_t total = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto const buffer = call.memory().load<std::array<std::uint64_t, 2>>(at + 16 * i);
    if (!buffer) return total > 0 ? total : -EFAULT;
    auto const [begin, size] = *buffer;
    if (size == 0) continue;
    SystemCall part{call.kernel, call.task, {descriptor, begin, size, 0, 0, 0}};
    auto const done = handler(part);
    if (done == kWaits && total > 0) call.task.waiting.reset();
    if (done < 0) return total > 0 ? total : done;
    total += done;
    if (static_cast<std::uint64_t>(done) < size) break;
  }
  return total;
}
std::int64_t call_readv(SystemCall& call) { return each_buffer(call, call_read); }
std::int64_t call_writev(SystemCall& call) { return each_buffer(call, call_write); }

std::int64_t call_sendfile(SystemCall& call) {
  if (call.a[2] != 0) return -EINVAL;  // a place of its own: programs go on by hand
  int const from = call.host(call.a[1]);
  Bytes bytes(std::min<std::uint64_t>(call.a[3], 4096));
  int const to = call.host(call.a[0]);
  if (has_to_wait(call, to, POLLOUT)) return kWaits;
  auto const got = system_call(SYS_read, from, argument_of(bytes.data()), std::ssize(bytes));
  return got <= 0 ? got : system_call(SYS_write, to, argument_of(bytes.data()), got);
}

std::int64_t call_lseek(SystemCall& call) {
  return system_call(SYS_lseek, call.host(call.a[0]), as_signed(call.a[1]), as_signed(call.a[2]));
}

std::int64_t call_getdents(SystemCall& call) {
  return read_into(call, call.a[1], call.a[2], [&call](MutableBytes bytes) {
    return system_call(SYS_getdents64, call.host(call.a[0]), argument_of(bytes.data()),
                       std::ssize(bytes));
  });
}

// Open files

std::int64_t call_openat(SystemCall& call) {
  auto const path = path_at(call, call.a[1]);
  if (!path) return -EFAULT;
  auto const flags = as_signed(call.a[2]);
  auto const opened =
      system_call(SYS_openat, call.host_folder(call.a[0]), argument_of(path->c_str()),
                  flags | O_CLOEXEC, as_signed(call.a[3]));
  return add_file(call.files(), opened, (flags & O_CLOEXEC) != 0);
}

std::int64_t call_close(SystemCall& call) {
  return call.files().open.erase(static_cast<int>(call.a[0])) == 1 ? 0 : -EBADF;
}

std::int64_t call_dup(SystemCall& call) {
  auto const found = call.files().open.find(static_cast<int>(call.a[0]));
  if (found == call.files().open.end()) return -EBADF;
  // One open file with two numbers: who closes one leaves the other.
  return add_file(call.files(),
                  system_call(SYS_fcntl, found->second.file->descriptor(), F_DUPFD_CLOEXEC, 3),
                  false);
}

std::int64_t call_dup3(SystemCall& call) {
  auto const found = call.files().open.find(static_cast<int>(call.a[0]));
  auto const to = static_cast<int>(call.a[1]);
  if (found == call.files().open.end() || to < 0 || to >= Files::kMax) return -EBADF;
  if (call.a[0] == call.a[1]) return -EINVAL;
  Files::Open const same{found->second.file, (call.a[2] & O_CLOEXEC) != 0};
  call.files().open[to] = same;
  return to;
}

std::int64_t call_pipe2(SystemCall& call) {
  int ends[2];
  auto const flags = as_signed(call.a[1]);
  if (auto const made = system_call(SYS_pipe2, argument_of(ends), flags | O_CLOEXEC); made < 0)
    return made;
  bool const close_on_exec = (flags & O_CLOEXEC) != 0;
  std::array<std::int32_t, 2> numbers{};
  for (std::size_t i = 0; i < 2; ++i)
    numbers[i] = static_cast<std::int32_t>(add_file(call.files(), ends[i], close_on_exec));
  if (numbers[0] < 0 || numbers[1] < 0) return -EMFILE;
  return call.memory().store(call.a[0], numbers) ? 0 : -EFAULT;
}

std::int64_t call_fcntl(SystemCall& call) {
  auto const [descriptor, command, value, a, b, c] = call.a;
  auto const found = call.files().open.find(static_cast<int>(descriptor));
  if (found == call.files().open.end()) return -EBADF;
  int const host = found->second.file->descriptor();
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      if (value >= static_cast<std::uint64_t>(Files::kMax)) return -EINVAL;
      return add_file(call.files(), system_call(SYS_fcntl, host, F_DUPFD_CLOEXEC, 3),
                      command == F_DUPFD_CLOEXEC, static_cast<int>(value));
    case F_GETFD:
      return found->second.close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD:
      found->second.close_on_exec = (value & FD_CLOEXEC) != 0;
      return 0;
    case F_GETFL:
    case F_SETFL:
      return system_call(SYS_fcntl, host, as_signed(command), as_signed(value));
    default:
      return -EINVAL;
  }
}

/// Those of terminals that have the same shape on both.
std::int64_t call_ioctl(SystemCall& call) {
  struct Known {
    std::uint64_t request;
    std::size_t bytes;
    bool gives;  // otherwise it takes
  };
  constexpr std::size_t kTermiosBytes = 36;
  static constexpr std::array<Known, 8> kKnown{{{TCGETS, kTermiosBytes, true},
                                                {TCSETS, kTermiosBytes, false},
                                                {TCSETSW, kTermiosBytes, false},
                                                {TCSETSF, kTermiosBytes, false},
                                                {TIOCGWINSZ, 8, true},
                                                {TIOCGPGRP, 4, true},
                                                {TIOCSPGRP, 4, false},
                                                {FIONREAD, 4, true}}};
  int const host = call.host(call.a[0]);
  if (host < 0) return -EBADF;
  auto const known = std::ranges::find(kKnown, call.a[1], &Known::request);
  if (known == kKnown.end()) return -ENOTTY;
  std::array<std::uint8_t, 64> bytes{};
  auto const part = MutableBytes{bytes}.first(known->bytes);
  if (!known->gives && !call.memory().read(call.a[2], part)) return -EFAULT;
  auto const done = system_call(SYS_ioctl, host, as_signed(call.a[1]), argument_of(bytes.data()));
  if (done < 0 || !known->gives) return done;
  return call.memory().write(call.a[2], part) ? done : -EFAULT;
}

/// Of a timespec, as far as it is worth waiting for.
std::int64_t nanoseconds_in(std::array<std::int64_t, 2> const& time) {
  constexpr std::int64_t kSecondsMax = 1'000'000'000;
  return std::clamp<std::int64_t>(time[0], 0, kSecondsMax) * 1'000'000'000 +
         std::clamp<std::int64_t>(time[1], 0, 999'999'999);
}

std::int64_t call_ppoll(SystemCall& call) {
  auto const [at, count, at_time, at_mask, a, b] = call.a;
  if (count > static_cast<std::uint64_t>(Files::kMax)) return -EINVAL;
  std::vector<pollfd> files(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto const file = call.memory().load<pollfd>(at + 8 * i);
    if (!file) return -EFAULT;
    files[i] = {call.host(static_cast<std::uint64_t>(file->fd)), file->events, 0};
  }
  std::optional<std::array<std::int64_t, 2>> time;
  if (at_time != 0) {
    time = call.memory().load<std::array<std::int64_t, 2>>(at_time);
    if (!time) return -EFAULT;
  }
  bool const alone = call.kernel.alone();
  std::array<std::int64_t, 2> const at_once{};
  auto const ready = system_call(SYS_ppoll, argument_of(files.data()), as_signed(count),
                                 !alone ? argument_of(&at_once)
                                 : time ? argument_of(&*time)
                                        : 0,
                                 0);
  if (ready == 0 && !alone && !call.task.timed_out && time != at_once) {
    Waiting waiting{.what = Waiting::For::files, .files = std::move(files)};
    if (time) waiting.until_ns = Kernel::now_ns() + nanoseconds_in(*time);
    call.task.waiting = std::move(waiting);
    return kWaits;
  }
  for (std::uint64_t i = 0; i < count && ready >= 0; ++i)
    if (!call.memory().store(at + 8 * i + 6, files[i].revents)) return -EFAULT;
  return ready;
}

// Names

/// A call with a folder and one path, and two numbers behind it.
template <long kNumber>
std::int64_t call_with_path(SystemCall& call) {
  auto const path = path_at(call, call.a[1]);
  if (!path) return -EFAULT;
  return system_call(kNumber, call.host_folder(call.a[0]), argument_of(path->c_str()),
                     as_signed(call.a[2]), as_signed(call.a[3]), as_signed(call.a[4]));
}

template <long kNumber>
std::int64_t call_with_two_paths(SystemCall& call) {
  auto const from = call.memory().text(call.a[1]);
  auto const to = call.memory().text(call.a[3]);
  if (!from || !to) return -EFAULT;
  return system_call(kNumber, call.host_folder(call.a[0]), argument_of(from->c_str()),
                     call.host_folder(call.a[2]), argument_of(to->c_str()), as_signed(call.a[4]));
}

std::int64_t call_symlinkat(SystemCall& call) {
  auto const what = call.memory().text(call.a[0]);
  auto const name = call.memory().text(call.a[2]);
  if (!what || !name) return -EFAULT;
  return system_call(SYS_symlinkat, argument_of(what->c_str()), call.host_folder(call.a[1]),
                     argument_of(name->c_str()));
}

std::int64_t call_readlinkat(SystemCall& call) {
  auto const path = call.memory().text(call.a[1]);
  if (!path) return -EFAULT;
  return read_into(call, call.a[2], call.a[3], [&](MutableBytes bytes) -> std::int64_t {
    if (*path != "/proc/self/exe")
      return system_call(SYS_readlinkat, call.host_folder(call.a[0]), argument_of(path->c_str()),
                         argument_of(bytes.data()), std::ssize(bytes));
    auto const size = std::min(bytes.size(), call.task.path.size());
    std::memcpy(bytes.data(), call.task.path.data(), size);
    return static_cast<std::int64_t>(size);
  });
}

std::int64_t call_getcwd(SystemCall& call) {
  auto const path = path_of(*call.files().folder);
  if (path.empty()) return -ENOENT;
  if (path.size() + 1 > call.a[1]) return -ERANGE;
  ByteView const with_nul{reinterpret_cast<std::uint8_t const*>(path.c_str()), path.size() + 1};
  return call.memory().write(call.a[0], with_nul) ? std::ssize(path) + 1 : -EFAULT;
}

std::int64_t change_folder(SystemCall& call, int folder, char const* path) {
  auto const opened =
      system_call(SYS_openat, folder, argument_of(path), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return opened;
  call.files().folder = std::make_shared<HostFile>(static_cast<int>(opened));
  return 0;
}
std::int64_t call_chdir(SystemCall& call) {
  auto const path = call.memory().text(call.a[0]);
  if (!path) return -EFAULT;
  return change_folder(call, call.files().folder->descriptor(), path->c_str());
}
std::int64_t call_fchdir(SystemCall& call) {
  return change_folder(call, call.host(call.a[0]), ".");
}

// What there is to know of a file

/// struct stat of the new architectures (include/uapi/asm-generic/stat.h).
struct UserStat {
  std::uint64_t device, inode;
  std::uint32_t mode, links, user, group;
  std::uint64_t special_device, pad1;
  std::int64_t size;
  std::int32_t block_size, pad2;
  std::int64_t blocks;
  std::int64_t accessed, accessed_ns, modified, modified_ns, changed, changed_ns;
  std::uint32_t unused[2];
};
static_assert(sizeof(UserStat) == 128);

std::int64_t give_stat(SystemCall& call, UserAddress at, std::int64_t got,
                       struct stat const& host) {
  if (got < 0) return got;
  UserStat const stat{.device = host.st_dev,
                      .inode = host.st_ino,
                      .mode = host.st_mode,
                      .links = static_cast<std::uint32_t>(host.st_nlink),
                      .user = host.st_uid,
                      .group = host.st_gid,
                      .special_device = host.st_rdev,
                      .pad1 = 0,
                      .size = host.st_size,
                      .block_size = static_cast<std::int32_t>(host.st_blksize),
                      .pad2 = 0,
                      .blocks = host.st_blocks,
                      .accessed = host.st_atim.tv_sec,
                      .accessed_ns = host.st_atim.tv_nsec,
                      .modified = host.st_mtim.tv_sec,
                      .modified_ns = host.st_mtim.tv_nsec,
                      .changed = host.st_ctim.tv_sec,
                      .changed_ns = host.st_ctim.tv_nsec,
                      .unused = {}};
  return call.memory().store(at, stat) ? 0 : -EFAULT;
}

std::int64_t call_fstat(SystemCall& call) {
  struct stat host{};
  auto const got = system_call(SYS_fstat, call.host(call.a[0]), argument_of(&host));
  return give_stat(call, call.a[1], got, host);
}

std::int64_t call_newfstatat(SystemCall& call) {
  auto const path = path_at(call, call.a[1]);
  if (!path) return -EFAULT;
  struct stat host{};
  auto const got =
      system_call(SYS_newfstatat, call.host_folder(call.a[0]), argument_of(path->c_str()),
                  argument_of(&host), as_signed(call.a[3]));
  return give_stat(call, call.a[2], got, host);
}

std::int64_t call_statx(SystemCall& call) {
  auto const path = path_at(call, call.a[1]);
  if (!path) return -EFAULT;
  std::array<std::uint8_t, 256> stat;  // the same on both
  auto const got = system_call(SYS_statx, call.host_folder(call.a[0]), argument_of(path->c_str()),
                               as_signed(call.a[2]), as_signed(call.a[3]), argument_of(&stat));
  if (got < 0) return got;
  return call.memory().write(call.a[4], stat) ? 0 : -EFAULT;
}

template <long kNumber, bool kByPath>
std::int64_t call_statfs(SystemCall& call) {
  std::array<std::uint8_t, 120> info;  // the same on both
  std::int64_t got = 0;
  if constexpr (kByPath) {
    auto const path = path_at(call, call.a[0]);
    if (!path) return -EFAULT;
    got = system_call(kNumber, argument_of(path->c_str()), argument_of(&info));
  } else {
    got = system_call(kNumber, call.host(call.a[0]), argument_of(&info));
  }
  if (got < 0) return got;
  return call.memory().write(call.a[1], info) ? 0 : -EFAULT;
}

std::int64_t call_utimensat(SystemCall& call) {
  std::array<std::int64_t, 4> times{};
  if (call.a[2] != 0) {
    auto const given = call.memory().load<std::array<std::int64_t, 4>>(call.a[2]);
    if (!given) return -EFAULT;
    times = *given;
  }
  auto const path = call.a[1] == 0 ? std::optional<std::string>{} : path_at(call, call.a[1]);
  if (call.a[1] != 0 && !path) return -EFAULT;
  return system_call(SYS_utimensat, call.host_folder(call.a[0]),
                     path ? argument_of(path->c_str()) : 0,
                     call.a[2] == 0 ? 0 : argument_of(times.data()), as_signed(call.a[3]));
}

/// A call about an open file and numbers.
template <long kNumber>
std::int64_t call_on_file(SystemCall& call) {
  return system_call(kNumber, call.host(call.a[0]), as_signed(call.a[1]), as_signed(call.a[2]),
                     as_signed(call.a[3]));
}

}  // namespace

std::vector<Entry> file_calls() {
  return {
      {17, call_getcwd},
      {23, call_dup},
      {24, call_dup3},
      {25, call_fcntl},
      {29, call_ioctl},
      {34, call_with_path<SYS_mkdirat>},
      {35, call_with_path<SYS_unlinkat>},
      {36, call_symlinkat},
      {37, call_with_two_paths<SYS_linkat>},
      {43, call_statfs<SYS_statfs, true>},
      {44, call_statfs<SYS_fstatfs, false>},
      {46, call_on_file<SYS_ftruncate>},
      {47, call_on_file<SYS_fallocate>},
      {48, call_with_path<SYS_faccessat>},
      {49, call_chdir},
      {50, call_fchdir},
      {52, call_on_file<SYS_fchmod>},
      {53, call_with_path<SYS_fchmodat>},
      {54, call_with_path<SYS_fchownat>},
      {55, call_on_file<SYS_fchown>},
      {56, call_openat},
      {57, call_close},
      {59, call_pipe2},
      {61, call_getdents},
      {62, call_lseek},
      {63, call_read},
      {64, call_write},
      {65, call_readv},
      {66, call_writev},
      {67, call_pread},
      {68, call_pwrite},
      {71, call_sendfile},
      {73, call_ppoll},
      {78, call_readlinkat},
      {79, call_newfstatat},
      {80, call_fstat},
      {82, call_on_file<SYS_fsync>},
      {83, call_on_file<SYS_fdatasync>},
      {88, call_utimensat},
      {223, call_on_file<SYS_fadvise64>},
      {276, call_with_two_paths<SYS_renameat2>},
      {291, call_statx},
      {439, call_with_path<SYS_faccessat2>},
  };
}

}  // namespace mutirao::machine::user
