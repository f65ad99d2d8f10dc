#include "mutirao/codegen/code_memory.h"

#include <cerrno>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::codegen {

namespace {
constexpr std::size_t kPage = 4096;

std::unexpected<Error> refused(std::size_t bytes) {
  auto const why = errno;
  return fail(why == EACCES || why == EPERM ? Fault::refused : Fault::exhausted,
              fmt::format("no {} bytes for code: {}", bytes, std::generic_category().message(why)),
              "raise the limit of memory (ulimit -v), or allow this program to make code");
}
}  // namespace

Result<CodeMemory> CodeMemory::make(std::size_t bytes) {
  MUT_ASSERT(bytes > 0 && bytes <= kBytesMax);
  int const file = memfd_create("code", MFD_CLOEXEC);
  if (file < 0) return refused(bytes);
  CodeMemory made{nullptr, nullptr, bytes};
  Result<void> mapped;
  auto const map = [&](int protection) -> std::uint8_t* {
    auto* const at = mmap(nullptr, bytes, protection, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) return static_cast<std::uint8_t*>(at);
    mapped = refused(bytes);
    return nullptr;
  };
  if (ftruncate(file, static_cast<off_t>(bytes)) == 0) {
    made.writable_ = map(PROT_READ | PROT_WRITE);
    made.executable_ = map(PROT_READ | PROT_EXEC);
  } else {
    mapped = refused(bytes);
  }
  close(file);
  MUT_TRY(std::move(mapped));
  return made;
}

CodeMemory::CodeMemory(CodeMemory&& other) noexcept
    : writable_{std::exchange(other.writable_, nullptr)},
      executable_{std::exchange(other.executable_, nullptr)},
      bytes_{std::exchange(other.bytes_, 0)} {}

CodeMemory& CodeMemory::operator=(CodeMemory&& other) noexcept {
  std::swap(writable_, other.writable_);
  std::swap(executable_, other.executable_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void CodeMemory::prepare(std::size_t begin, std::size_t bytes) noexcept {
  MUT_ASSERT(begin % kPage == 0 && begin + bytes <= bytes_);
  madvise(writable_ + begin, bytes, MADV_POPULATE_WRITE);  // Linux 5.14; else as before
  madvise(executable_ + begin, bytes, MADV_POPULATE_READ);
}

CodeMemory::~CodeMemory() {
  if (writable_ != nullptr) munmap(writable_, bytes_);
  if (executable_ != nullptr) munmap(executable_, bytes_);
}

}  // namespace mutirao::codegen
