#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/io.h"

#include "real_disk.h"
#include "system_errors.h"

namespace mutirao::world {

namespace {
constexpr std::size_t kBuffersMax = 64;  // handed to the kernel at a time

class RealFile final : public File {
 public:
  RealFile(Descriptor file, std::string name) : file_{std::move(file)}, name_{std::move(name)} {}

  using File::write_at;

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override {
    auto got = threads::read_file(file_.get(), into, offset);
    if (!got) return std::unexpected{std::move(got).error().during(name_)};
    return got;
  }

  Result<void> write_at(std::uint64_t offset, std::span<ByteView const> from) override {
    std::array<iovec, kBuffersMax> buffers;
    while (!from.empty()) {
      auto const some = from.first(std::min(from.size(), kBuffersMax));
      std::uint64_t size = 0;
      for (std::size_t i = 0; i < some.size(); ++i) {
        buffers[i] = {const_cast<std::uint8_t*>(some[i].data()), some[i].size()};
        size += some[i].size();
      }
      auto put = threads::write_file(file_.get(), {buffers.data(), some.size()}, offset);
      if (!put) return failed(std::move(put).error());
      offset += size;
      from = from.subspan(some.size());
    }
    return {};
  }

  Result<void> sync() override {
    auto done = threads::sync_file(file_.get());
    if (!done) return failed(std::move(done).error());
    return {};
  }

  Result<void> resize(std::uint64_t size) override {
    if (threads::blocking([&] { return ::ftruncate(file_.get(), static_cast<off_t>(size)); }) == 0)
      return {};
    return system_failure(fmt::format("resize {} to {} bytes", name_, size));
  }

  Result<void> map_copy(std::uint64_t offset, MutableBytes memory) override {
    auto* const mapped =
        ::mmap(memory.data(), memory.size(), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file_.get(), static_cast<off_t>(offset));
    if (mapped == memory.data()) return {};
    return system_failure(fmt::format("map {}", name_));
  }

  Result<void> discard(std::uint64_t offset, std::uint64_t size) override {
    auto const punched = threads::blocking([&] {
      return ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         static_cast<off_t>(offset), static_cast<off_t>(size));
    });
    // A file system without holes keeps what it has.
    if (punched == 0 || threads::last_error_number() == EOPNOTSUPP) return {};
    return system_failure(fmt::format("give back {} bytes of {}", size, name_));
  }

  Result<FileInfo> info() override {
    struct stat info{};
    if (::fstat(file_.get(), &info) != 0) return system_failure(fmt::format("look at {}", name_));
    return file_info_of(info);
  }

 private:
  std::unexpected<Error> failed(Error error) const {
    if (error.fault == Fault::exhausted)
      error.mend = fmt::format("free some space on the disk of {}", name_);
    return std::unexpected{std::move(error).during(name_)};
  }

  Descriptor file_;
  std::string name_;
};
}  // namespace

std::unique_ptr<File> make_real_file(Descriptor file, std::string name) {
  return std::make_unique<RealFile>(std::move(file), std::move(name));
}

FileInfo file_info_of(struct stat const& info) noexcept {
  FileInfo result;
  result.kind = S_ISREG(info.st_mode)   ? FileKind::regular
                : S_ISDIR(info.st_mode) ? FileKind::directory
                : S_ISLNK(info.st_mode) ? FileKind::symlink
                                        : FileKind::other;
  result.size = static_cast<std::uint64_t>(info.st_size);
  result.allocated = static_cast<std::uint64_t>(info.st_blocks) * 512;
  result.modified_ns =
      static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  result.inode = info.st_ino;
  result.executable = (info.st_mode & S_IXUSR) != 0;
  return result;
}

}  // namespace mutirao::world
