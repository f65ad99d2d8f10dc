// Any bytes as a qcow2 image: what is accepted is read from begin to end, as far as patience goes.
#include <algorithm>
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/machine/block_qcow2.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

/// A file that is the input.
class InputFile final : public world::File {
 public:
  explicit InputFile(ByteView content) : content_{content} {}
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override {
    if (offset >= content_.size()) return 0;
    auto const size = std::min<std::size_t>(into.size(), content_.size() - offset);
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), size, into.begin());
    return size;
  }
  Result<void> write_at(std::uint64_t, std::span<ByteView const>) override {
    MUT_ASSERT(false);
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<void> resize(std::uint64_t) override { return {}; }
  Result<world::FileInfo> info() override { return world::FileInfo{.size = content_.size()}; }

 private:
  ByteView content_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const disk = open_block_qcow2(std::make_unique<InputFile>(ByteView{data, size}));
  if (!disk) {
    MUT_ASSERT(!disk.error().what.empty());
    return 0;
  }
  Bytes bytes(8192);
  constexpr std::uint64_t kReadsMax = 64;
  for (std::uint64_t i = 0; i < kReadsMax && i * bytes.size() < (*disk)->size(); ++i) {
    auto const offset = i * bytes.size();
    auto const count = std::min<std::uint64_t>(bytes.size(), (*disk)->size() - offset);
    static_cast<void>((*disk)->read(offset, MutableBytes{bytes}.first(count), BlockPriority::guest,
                                    Deadline::never()));
  }
  return 0;
}
