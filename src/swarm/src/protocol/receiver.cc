#include "protocol/receiver.h"

#include <algorithm>
#include <cstring>

#include "mutirao/base/check.h"

namespace mutirao::swarm {

namespace {

constexpr std::size_t kPlainBytesMin = 512;
constexpr std::size_t kPlainBytesMax = 16 * 1024;

std::array<std::uint8_t, kPieceHeaderBytes> header_of(BlockRange const& range) {
  std::array<std::uint8_t, kPieceHeaderBytes> bytes;
  MessageWriter writer{bytes};
  MUT_ASSERT(writer.piece_header(range));
  return bytes;
}

std::unexpected<Error> end_of_stream() {
  return fail(Fault::closed, "the peer closed the connection");
}

}  // namespace

Result<void> Receiver::begin_with(ByteView bytes, ReceiveHandler& handler) {
  if (bytes.empty()) return {};
  return parse(Bytes(bytes.begin(), bytes.end()), handler);
}

Result<void> Receiver::receive(world::Stream& stream, std::span<BlockRange const> expected,
                               std::size_t blocks_at_once, ReceiveHandler& handler,
                               Deadline deadline) {
  if (filling_ && !expected.empty() && expected.front() == filling_->range)
    expected = expected.subspan(1);
  if (!filling_ && (expected.empty() || carry_.size() >= kPieceHeaderBytes || skip_ > 0)) {
    if (expected.empty()) buffers_.clear();
    return receive_plain(stream, handler, deadline);
  }
  return receive_blocks(stream, expected, std::min(blocks_at_once, kBlocksAtOnceMax), handler,
                        deadline);
}

Result<void> Receiver::receive_plain(world::Stream& stream, ReceiveHandler& handler,
                                     Deadline deadline) {
  auto message = std::move(carry_);
  carry_.clear();
  auto const held = message.size();
  auto room = plain_bytes_;
  if (auto const header = MUT_TRY(parse_message_header(message, limits_));
      header && header->payload_bytes > 0) {
    // Grown by what has arrived, not by what the peer announced.
    room = std::min<std::size_t>(header->header_bytes + header->payload_bytes - held,
                                 std::max(held, kPlainBytesMax));
  }
  message.resize(held + room);
  auto const got = stream.read_some(MutableBytes{message}.subspan(held), deadline);
  if (!got) return std::unexpected{got.error()};
  if (*got == 0) return end_of_stream();
  last_read_ = *got;
  last_read_full_ = *got == room;
  plain_bytes_ = last_read_full_ ? std::min(plain_bytes_ * 2, kPlainBytesMax)
                                 : std::max(plain_bytes_ / 2, kPlainBytesMin);
  return parse(ByteView{message}.first(held + *got), handler);
}

Result<void> Receiver::prepare(std::size_t blocks, Deadline deadline) {
  if (buffers_.size() < blocks) pool_.try_take(blocks - buffers_.size(), buffers_);
  if (buffers_.empty() && !filling_) buffers_.push_back(MUT_TRY(pool_.take(deadline)));
  return {};
}

Result<void> Receiver::receive_blocks(world::Stream& stream, std::span<BlockRange const> expected,
                                      std::size_t blocks_at_once, ReceiveHandler& handler,
                                      Deadline deadline) {
  auto const wanted = std::min(expected.size(), blocks_at_once);
  MUT_TRY(prepare(wanted, deadline));
  auto const foretold = expected.first(std::min(wanted, buffers_.size()));
  std::array<MutableBytes, 2 * kBlocksAtOnceMax + 1> parts;
  std::size_t count = 0;
  std::size_t room = 0;
  auto const add = [&](MutableBytes part) {
    parts[count++] = part;
    room += part.size();
  };
  if (filling_) add(filling_->buffer.bytes(filling_->range.length).subspan(filling_->filled));
  auto const held = carry_.size();
  MUT_ASSERT(held < kPieceHeaderBytes && (held == 0 || !filling_));
  for (std::size_t i = 0; i < foretold.size(); ++i) {
    if (i == 0) std::ranges::copy(carry_, heads_[0].begin());
    add(MutableBytes{heads_[i]}.subspan(i == 0 ? held : 0));
    add(buffers_[i].bytes(foretold[i].length));
  }
  auto const got = stream.read_some(std::span{parts}.first(count), deadline);
  if (!got) return std::unexpected{got.error()};
  if (*got == 0) return end_of_stream();
  last_read_ = *got;
  last_read_full_ = *got == room;
  carry_.clear();
  auto bytes = *got;
  MUT_TRY(take_filling(bytes, handler));
  if (bytes == 0 && (held == 0 || filling_)) return {};
  return take_foretold(foretold, held, bytes, handler);
}

Result<void> Receiver::take_filling(std::size_t& bytes, ReceiveHandler& handler) {
  if (!filling_) return {};
  auto const taken = std::min<std::size_t>(bytes, filling_->range.length - filling_->filled);
  filling_->filled += static_cast<std::uint32_t>(taken);
  bytes -= taken;
  if (filling_->filled < filling_->range.length) return {};
  auto whole = std::move(*filling_);
  filling_.reset();
  return handler.on_block(whole.range, std::move(whole.buffer));
}

/// `bytes` arrived behind the `held` ones of the first header.
Result<void> Receiver::take_foretold(std::span<BlockRange const> foretold, std::size_t held,
                                     std::size_t bytes, ReceiveHandler& handler) {
  std::size_t used = 0;
  auto result = Result<void>{};
  for (; used < foretold.size() && bytes + held > 0 && result; ++used, held = 0) {
    auto const& head = heads_[used];
    auto const head_bytes = std::min(bytes + held, kPieceHeaderBytes);
    if (head_bytes < kPieceHeaderBytes) {
      result = parse(ByteView{head}.first(head_bytes), handler);
      break;
    }
    bytes -= kPieceHeaderBytes - held;
    if (head == header_of(foretold[used])) {
      auto const length = foretold[used].length;
      auto const arrived = static_cast<std::uint32_t>(std::min<std::size_t>(bytes, length));
      bytes -= arrived;
      if (arrived == length) {
        result = handler.on_block(foretold[used], std::move(buffers_[used]));
      } else {
        filling_ = Filling{foretold[used], std::move(buffers_[used]), arrived};
      }
      continue;
    }
    // Not what was foretold: from here on a plain stream.
    Bytes spill;
    spill.reserve(head.size() + bytes);
    spill.assign(head.begin(), head.end());
    for (auto i = used; bytes > 0; ++i) {
      if (i > used) {
        auto const from_head = std::min(bytes, kPieceHeaderBytes);
        spill.insert(spill.end(), heads_[i].begin(),
                     heads_[i].begin() + static_cast<std::ptrdiff_t>(from_head));
        bytes -= from_head;
      }
      auto const from_body = std::min<std::size_t>(bytes, foretold[i].length);
      auto const* const body = buffers_[i].data();
      spill.insert(spill.end(), body, body + from_body);
      bytes -= from_body;
    }
    buffers_.erase(buffers_.begin(), buffers_.begin() + static_cast<std::ptrdiff_t>(used));
    return parse(spill, handler);
  }
  std::erase_if(buffers_, [](BlockBuffer const& buffer) { return !buffer; });
  return result;
}

Result<void> Receiver::parse(ByteView stream, ReceiveHandler& handler) {
  while (!stream.empty()) {
    if (skip_ > 0) {
      auto const skipped = std::min<std::size_t>(skip_, stream.size());
      skip_ -= static_cast<std::uint32_t>(skipped);
      stream = stream.subspan(skipped);
      continue;
    }
    auto const header = MUT_TRY(parse_message_header(stream, limits_));
    if (!header) break;
    auto rest = stream.subspan(header->header_bytes);
    if (header->type == MessageType::piece) {
      MUT_TRY(begin_block(header->block, rest, handler));
    } else if (header->type == MessageType::unknown) {
      skip_ = header->payload_bytes;
    } else {
      if (rest.size() < header->payload_bytes) break;
      MUT_TRY(handler.on_message(*header, rest.first(header->payload_bytes)));
      rest = rest.subspan(header->payload_bytes);
    }
    stream = rest;
  }
  carry_.assign(stream.begin(), stream.end());
  return {};
}

Result<void> Receiver::begin_block(BlockRange range, ByteView& stream, ReceiveHandler& handler) {
  if (buffers_.empty()) pool_.try_take(1, buffers_);
  if (buffers_.empty()) {
    MUT_TRY(handler.on_pressure());
    buffers_.push_back(MUT_TRY(pool_.take(Deadline::never())));
  }
  auto buffer = std::move(buffers_.back());
  buffers_.pop_back();
  auto const arrived = std::min<std::size_t>(range.length, stream.size());
  std::memcpy(buffer.data(), stream.data(), arrived);
  stream = stream.subspan(arrived);
  if (arrived == range.length) return handler.on_block(range, std::move(buffer));
  filling_ = Filling{range, std::move(buffer), static_cast<std::uint32_t>(arrived)};
  return {};
}

}  // namespace mutirao::swarm
