#include "virtio/console.h"

#include <algorithm>
#include <array>

namespace mutirao::machine {
namespace {
constexpr unsigned kReceiveQueue = 0;
constexpr std::size_t kPieceBytes = 4096;
}  // namespace

std::size_t VirtioConsole::type(std::string_view bytes) {
  std::size_t const taken = std::min(bytes.size(), kInputMax - input_.size());
  input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  return taken;
}

void VirtioConsole::serve(unsigned queue, VirtQueue& buffers) {
  std::array<std::uint8_t, kPieceBytes> piece;
  if (queue == kReceiveQueue) {
    while (!input_.empty()) {
      auto const chain = buffers.take();
      if (!chain) return;
      std::size_t const count =
          std::min({input_.size(), piece.size(), static_cast<std::size_t>(chain->writable_size())});
      std::copy_n(input_.begin(), count, piece.begin());
      std::size_t const written = chain->write(memory_, 0, {piece.data(), count});
      input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(written));
      buffers.give_back(*chain, static_cast<std::uint32_t>(written));
    }
    return;
  }
  while (auto const chain = buffers.take()) {
    std::uint64_t const size = chain->readable_size();
    for (std::uint64_t at = 0; at < size;) {
      std::size_t const count = chain->read(memory_, at, piece);
      if (count == 0) break;
      output_({piece.data(), count});
      at += count;
    }
    buffers.give_back(*chain, 0);
  }
}

bool VirtioConsole::restore(StateReader& from) {
  Bytes input;
  if (!from.get(input, kInputMax)) return false;
  input_.assign(input.begin(), input.end());
  return true;
}

}  // namespace mutirao::machine
