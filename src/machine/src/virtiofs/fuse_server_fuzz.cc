// A client that means no good: the input is one request after the other, each a byte for what it
// asks and one for the node, how much room there is for the answer, and its body. Handles and nodes
// are small numbers, so that guesses hit. One in four headers is the input's own.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <linux/fuse.h>

#include "mutirao/base/check.h"

#include "virtiofs/fuse_server.h"

namespace {

using namespace mutirao;
using namespace mutirao::machine;

constexpr std::size_t kHeadSize = 6, kFuzzedNodesMax = 16, kFuzzedFilesMax = 8;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView input{data, size};
  std::shared_ptr<world::TreeNode> const tree = world::make_memory_tree();
  static_cast<void>(tree->make("f", 0100644, {}));
  static_cast<void>(tree->make("d", 0040755, {}));
  static_cast<void>(tree->make_symlink("l", "/etc", {}));
  bool const read_only = !input.empty() && input[0] == 0xFF;
  FuseServer server{
      tree, {.read_only = read_only, .nodes_max = kFuzzedNodesMax, .files_max = kFuzzedFilesMax}};
  while (input.size() >= kHeadSize) {
    auto const body_size =
        std::min<std::size_t>(input[2] | (input[3] & 0x3Fu) << 8, input.size() - kHeadSize);
    std::size_t const room = input[4] | input[5] << 8;
    ByteView const body = input.subspan(kHeadSize, body_size);
    Bytes request;
    if (input[3] < 0xC0) {
      fuse_in_header header{};
      header.len = static_cast<std::uint32_t>(sizeof header + body.size());
      header.opcode = input[0];
      header.nodeid = input[1];
      request.resize(sizeof header);
      std::memcpy(request.data(), &header, sizeof header);
    }
    request.insert(request.end(), body.begin(), body.end());
    Bytes const answer = server.answer(request, room);
    MUT_ASSERT(answer.size() <= room);
    MUT_ASSERT(answer.empty() || answer.size() >= sizeof(fuse_out_header));
    MUT_ASSERT(server.nodes_known() <= kFuzzedNodesMax && server.files_open() <= kFuzzedFilesMax);
    input = input.subspan(kHeadSize + body_size);
  }
  return 0;
}
