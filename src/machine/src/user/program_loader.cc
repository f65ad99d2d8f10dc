#include "user/program_loader.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <system_error>

#include <fmt/format.h>

#include "mutirao/world/system_call.h"

#include "firmware/elf.h"

namespace mutirao::machine::user {
namespace {

using world::argument_of;
using world::system_call;

constexpr std::uint64_t kProgramBytesMax = 256 << 20;
constexpr UserAddress kMovesTo = 0x2AAA'AA00'0000 & (kUserEnd - 1);
constexpr std::uint64_t kStackBytes = 8 << 20;
constexpr UserAddress kStackEnd = kUserEnd - kPageSize;
constexpr std::size_t kWordBytesMax = 2 << 20;

// The auxiliary vector (include/uapi/linux/auxvec.h).
enum Auxiliary : std::uint64_t {
  kEnd = 0,
  kHeaders = 3,
  kHeaderSize = 4,
  kHeaderCount = 5,
  kPageBytes = 6,
  kEntryPoint = 9,
  kUser = 11,
  kEffectiveUser = 12,
  kGroup = 13,
  kEffectiveGroup = 14,
  kCapabilities = 16,
  kTicks = 17,
  kSecure = 23,
  kRandom = 25,
  kPath = 31,
};
/// A bit for each letter of rv64imafdc.
constexpr std::uint64_t kLetters = 1 << ('i' - 'a') | 1 << ('m' - 'a') | 1 << ('a' - 'a') |
                                   1 << ('f' - 'a') | 1 << ('d' - 'a') | 1 << ('c' - 'a');

std::unexpected<Error> no_room() {
  return fail(Fault::exhausted, "the program does not fit into its memory");
}

Result<void> load_segment(AddressSpace& space, ElfFile::Segment const& segment, UserAddress at) {
  auto const begin = at & ~kPageMask;
  if (at >= kUserEnd || segment.memory_size > kUserEnd - at) return no_room();
  auto const size = (at - begin) + segment.memory_size;
  if (size == 0) return {};
  if (space.map(begin, size, {.protection = {.read = true, .write = true}}) < 0) return no_room();
  if (!space.write(at, segment.bytes)) return no_room();
  Protection const wanted{segment.readable, segment.writable, segment.executable};
  if (space.protect(begin, size, wanted) < 0) return no_room();
  return {};
}

/// Pushes what a program finds on its stack; each push that does not fit shows at the end.
class Stack {
 public:
  explicit Stack(AddressSpace& space) : space_{space} {}
  UserAddress push(ByteView bytes, std::uint64_t alignment = 1) {
    top_ = (top_ - bytes.size()) & ~(alignment - 1);
    whole_ = whole_ && space_.write(top_, bytes);
    return top_;
  }
  UserAddress push(std::string const& text) {
    return push({reinterpret_cast<std::uint8_t const*>(text.c_str()), text.size() + 1});
  }
  [[nodiscard]] bool whole() const noexcept { return whole_; }

 private:
  AddressSpace& space_;
  UserAddress top_ = kStackEnd;
  bool whole_ = true;
};

}  // namespace

std::string path_of(HostFile const& file) {
  auto const link = fmt::format("/proc/self/fd/{}", file.descriptor());
  std::array<char, 4096> path;
  auto const size = system_call(SYS_readlinkat, AT_FDCWD, argument_of(link.c_str()),
                                argument_of(path.data()), std::ssize(path));
  return size < 0 ? std::string{} : std::string{path.data(), static_cast<std::size_t>(size)};
}

Result<ProgramFile> read_program(int folder, std::string const& path) {
  auto const opened =
      system_call(SYS_openat, folder, argument_of(path.c_str()), O_RDONLY | O_CLOEXEC);
  auto const why = [&](std::int64_t error) {
    return std::unexpected{base::system_error(static_cast<int>(-error), path)};
  };
  if (opened < 0) return why(opened);
  HostFile const file{static_cast<int>(opened)};
  Bytes bytes;
  for (;;) {
    constexpr std::size_t kPiece = 1 << 20;
    auto const had = bytes.size();
    if (had > kProgramBytesMax)
      return fail(Fault::exhausted, fmt::format("{} has more than 256 MiB", path));
    bytes.resize(had + kPiece);
    auto const got = system_call(SYS_read, file.descriptor(), argument_of(bytes.data() + had),
                                 static_cast<std::int64_t>(kPiece));
    if (got < 0) return why(got);
    bytes.resize(had + static_cast<std::size_t>(got));
    if (got == 0) return ProgramFile{std::move(bytes), path_of(file)};
  }
}

Result<ProgramStart> load_program(AddressSpace& space, ByteView file, ProgramWords const& words) {
  auto const elf = MUT_TRY(ElfFile::parse(file));
  if (elf.is_dynamic())
    return fail(Fault::unsupported, fmt::format("{} wants shared libraries", words.path),
                "give one that is linked statically: gcc -static");
  UserAddress const moved = elf.moves() ? kMovesTo : 0;
  UserAddress end = 0;
  UserAddress headers = 0;
  for (auto const& segment : elf.segments()) {
    MUT_TRY(load_segment(space, segment, segment.virtual_address + moved));
    end = std::max(end, segment.virtual_address + moved + segment.memory_size);
    auto const offset = static_cast<std::uint64_t>(segment.bytes.data() - file.data());
    if (elf.headers_offset() >= offset && elf.headers_offset() < offset + segment.bytes.size())
      headers = segment.virtual_address + moved + (elf.headers_offset() - offset);
  }
  space.heap_begin = space.heap_end = (end + kPageMask) & ~kPageMask;
  if (space.map(kStackEnd - kStackBytes, kStackBytes,
                {.protection = {.read = true, .write = true}}) < 0)
    return no_room();

  std::size_t bytes = 0;
  for (auto const* list : {&words.arguments, &words.environment})
    for (auto const& each : *list) bytes += each.size() + 9;
  if (bytes > kWordBytesMax)
    return fail(Fault::exhausted, "the arguments and the environment are too long");
  Stack stack{space};
  std::array<std::uint8_t, 16> random;
  static_cast<void>(system_call(SYS_getrandom, argument_of(random.data()), random.size()));
  auto const at_random = stack.push(random, 16);
  auto const at_path = stack.push(words.path);
  std::vector<std::uint64_t> table{words.arguments.size()};
  for (auto const& each : words.arguments) table.push_back(stack.push(each));
  table.push_back(0);
  for (auto const& each : words.environment) table.push_back(stack.push(each));
  table.push_back(0);
  auto const id = [](long call) { return static_cast<std::uint64_t>(system_call(call)); };
  for (auto const& [key, value] : std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{
           {kHeaders, headers},
           {kHeaderSize, 56},
           {kHeaderCount, elf.headers()},
           {kPageBytes, kPageSize},
           {kEntryPoint, elf.entry() + moved},
           {kUser, id(SYS_getuid)},
           {kEffectiveUser, id(SYS_geteuid)},
           {kGroup, id(SYS_getgid)},
           {kEffectiveGroup, id(SYS_getegid)},
           {kCapabilities, kLetters},
           {kTicks, 100},
           {kSecure, 0},
           {kRandom, at_random},
           {kPath, at_path},
           {kEnd, 0}}) {
    table.push_back(key);
    table.push_back(value);
  }
  auto const at = stack.push(
      {reinterpret_cast<std::uint8_t const*>(table.data()), table.size() * sizeof table[0]}, 16);
  if (!stack.whole()) return no_room();
  return ProgramStart{elf.entry() + moved, at};
}

}  // namespace mutirao::machine::user
