#include "demo_file.h"

#include <cstdlib>
#include <filesystem>
#include <memory>

#include <openssl/evp.h>

#include "mutirao/base/bytes.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::cli {
namespace {

constexpr std::size_t kRunBytes = 1 << 20;
constexpr std::size_t kTailBytes = 1500;
constexpr char kHeld[] = ".held";  // locked by whose folder it is

class Sha256 {
 public:
  Sha256() : context_{EVP_MD_CTX_new(), EVP_MD_CTX_free} {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void update(ByteView run) { EVP_DigestUpdate(context_.get(), run.data(), run.size()); }
  [[nodiscard]] std::string finish() {
    std::array<std::uint8_t, 32> digest;
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return base::to_hex(digest);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

/// SplitMix64 (Steele, Lea, Flood 2014): fast, and nothing that compresses.
void fill(MutableBytes bytes, std::uint64_t& state) {
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    base::store_be<std::uint64_t>(bytes.subspan(at, 8), z ^ (z >> 31));
  }
}

/// Nobody holds them any more, and nobody asked to keep them.
void remove_abandoned(std::filesystem::path const& parent, std::string const& prefix) {
  std::error_code ignored;
  std::filesystem::directory_iterator each{parent, ignored};
  for (; each != std::filesystem::directory_iterator{}; each.increment(ignored)) {
    auto const& path = each->path();
    if (path.filename().string().starts_with(prefix) &&
        world::FileLock::take(path / kHeld, world::FileLock::Kind::alone))
      std::filesystem::remove_all(path, ignored);
  }
}

}  // namespace

Result<DemoFile> generate_file(world::World& world, std::string const& folder,
                               std::string const& name, std::uint64_t bytes, std::uint64_t seed) {
  auto const directory = MUT_TRY(world.disk().open_directory(folder, true));
  auto const file =
      MUT_TRY(directory->open(name, {.writable = true, .create = true, .truncate = true}));
  Sha256 sha256;
  Bytes run(kRunBytes);
  for (std::uint64_t offset = 0; offset < bytes;) {
    fill(run, seed);
    auto const part = ByteView{run}.first(std::min<std::uint64_t>(run.size(), bytes - offset));
    sha256.update(part);
    MUT_TRY(file->write_at(offset, part));
    offset += part.size();
    threads::checkpoint();
  }
  return DemoFile{folder, name, bytes, sha256.finish()};
}

Result<DemoFile> digest_file(world::World& world, std::string const& folder,
                             std::string const& name) {
  auto const directory = MUT_TRY(world.disk().open_directory(folder, false));
  auto const file = MUT_TRY(directory->open(name, {}));
  if (MUT_TRY(file->info()).kind != world::FileKind::regular)
    return fail(Fault::invalid, folder + "/" + name + " is not a file",
                "give one file; folders: mutirao share DIR");
  Sha256 sha256;
  Bytes run(kRunBytes);
  std::uint64_t offset = 0;
  while (auto const got = MUT_TRY(file->read_at(offset, run))) {
    sha256.update(ByteView{run}.first(got));
    offset += got;
    threads::checkpoint();
  }
  return DemoFile{folder, name, offset, sha256.finish()};
}

Result<TemporaryFolder> TemporaryFolder::make(std::string const& prefix, bool keep) {
  std::error_code failed;
  auto const parent = std::filesystem::temp_directory_path(failed);
  if (!failed) remove_abandoned(parent, prefix);
  auto path = (parent / (prefix + "XXXXXX")).string();
  if (failed || mkdtemp(path.data()) == nullptr)
    return std::unexpected{base::system_error(errno, "making a folder in " + path)};
  if (keep) return TemporaryFolder{std::move(path), {}};
  auto held = world::FileLock::take(path + '/' + kHeld, world::FileLock::Kind::alone, true);
  if (!held) return std::unexpected{std::move(held).error()};
  return TemporaryFolder{std::move(path), std::move(*held)};
}

TemporaryFolder::TemporaryFolder(TemporaryFolder&& other) noexcept
    : path_{std::exchange(other.path_, {})}, held_{std::move(other.held_)} {
  other.held_.reset();
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (held_) std::filesystem::remove_all(path_, ignored);
}

std::string tail_of(world::World& world, std::string const& folder, std::string const& name) {
  auto const directory = world.disk().open_directory(folder, false);
  auto const file = directory ? (*directory)->open(name, {}) : std::unexpected{directory.error()};
  auto const info = file ? (*file)->info() : std::unexpected{file.error()};
  if (!info) return {};
  Bytes text(std::min<std::uint64_t>(info->size, kTailBytes));
  auto const got = (*file)->read_at(info->size - text.size(), text);
  return got ? std::string{base::text_of(ByteView{text}.first(*got))} : std::string{};
}

}  // namespace mutirao::cli
