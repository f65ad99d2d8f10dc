#include "torrent/peer.h"

#include <algorithm>
#include <cstring>

#include "mutirao/base/check.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/engine.h"
#include "torrent/torrent.h"

namespace mutirao::swarm {

namespace {

constexpr auto kKeepAlive = std::chrono::seconds{110};  // BEP 3: 2 min
constexpr auto kWriteMax = std::chrono::seconds{60};    // for one batch
constexpr std::size_t kUploadBytesMin = 32 * 1024;
constexpr std::size_t kUploadBytesMax = 256 * 1024;
constexpr double kUploadBatch_s = 0.25;
constexpr double kReadBatch_s = 0.004;
constexpr std::size_t kBatchMax = 64;

}  // namespace

Peer::Peer(Engine& engine, std::shared_ptr<Torrent> torrent, std::unique_ptr<world::Stream> stream,
           Handshake theirs, bool incoming, world::Endpoint endpoint, ConnectionId id)
    : engine_{engine},
      torrent_{std::move(torrent)},
      stream_{std::move(stream)},
      theirs_{theirs},
      incoming_{incoming},
      endpoint_{endpoint},
      id_{id},
      receiver_{torrent_->pool_} {
  engine_.world.entropy().fill(challenge_);
}

Peer::~Peer() = default;

void Peer::close(std::string reason) {
  if (closed_.exchange(true)) return;
  {
    std::lock_guard const lock{reason_mutex_};
    reason_ = std::move(reason);
  }
  outbox.close();
  stream_->close();
}

Error Peer::run(ByteView read_ahead) {
  Error error{Fault::closed, "closed", {}};
  {
    threads::scope scope;
    scope.spawn("peer writer", [this] {
      if (auto const written = write_loop(); !written) close(written.error().what);
    });
    if (auto read = read_loop(read_ahead); !read) error = std::move(read).error();
    close(error.what);
    static_cast<void>(scope.join());
  }
  std::lock_guard const lock{reason_mutex_};
  error.what = reason_;
  return error;
}

std::optional<world::Endpoint> Peer::listens_at() const {
  if (!incoming_) return endpoint_;
  if (auto const port = shared.extensions.listen_port; port && *port != 0)
    return world::Endpoint{endpoint_.address, *port};
  return std::nullopt;
}

std::string Peer::client() const {
  if (!shared.extensions.client.empty()) return shared.extensions.client;
  // BEP 20: "-XX1234-" and then chance.
  std::string text;
  for (auto const byte : std::span{theirs_.peer_id}.first(8))
    text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  return text;
}

// ------------------------------------------------------------------------------------- reading

Result<void> Peer::read_loop(ByteView read_ahead) {
  MUT_TRY(receiver_.begin_with(read_ahead, *this));
  MUT_TRY(flush_batch());
  std::vector<BlockRange> expected;
  while (!closed_) {
    expected.clear();
    std::size_t at_once = 1;
    {
      std::lock_guard const lock{torrent_->mutex_};
      MessageLimits limits;
      if (torrent_->metainfo_ && shared.in_picker)
        limits.piece_count = torrent_->metainfo_->piece_count();
      limits.extended_bytes_max = 64 * 1024;
      receiver_.set_limits(limits);
      // No more buffers than the stream fills: twice what it brought last time.
      auto const by_rate = shared.window.bytes_per_s() * kReadBatch_s / kBlockBytes + 1;
      auto const by_last = static_cast<double>(receiver_.last_read()) * 2 / kBlockBytes + 2;
      at_once = static_cast<std::size_t>(
          std::min<double>({by_rate, by_last, Receiver::kBlocksAtOnceMax}));
      for (auto const& request : shared.in_flight) {
        if (expected.size() > at_once) break;
        expected.push_back(request.range);
      }
    }
    MUT_TRY(receiver_.receive(*stream_, expected, at_once, *this, threads::within(kSilenceMax)));
    MUT_TRY(flush_batch());
    if (outbox.overflowed()) return fail(Fault::refused, "it asks for more than it reads");
  }
  return fail(Fault::closed, "closed");
}

Result<void> Peer::on_block(BlockRange range, BlockBuffer buffer) {
  last_message_ns = engine_.world.clock().now().time_since_epoch().count();
  downloaded += range.length;
  batch_.push_back({range, std::move(buffer)});
  if (batch_.size() >= kBatchMax) return flush_batch();
  return {};
}

Result<void> Peer::on_pressure() { return flush_batch(); }

Result<void> Peer::flush_batch() {
  if (batch_.empty()) return {};
  if (engine_.download.rate() > 0) {
    std::uint64_t bytes = 0;
    for (auto const& each : batch_) bytes += each.range.length;
    MUT_TRY(engine_.download.acquire(bytes, Deadline::never()));
  }
  return torrent_->deliver(*this, batch_);
}

// ------------------------------------------------------------------------------------- writing

Result<void> Peer::write_loop() {
  Bytes control;
  UploadBuffer buffer;
  std::vector<BlockRange> blocks;
  auto batch_bytes = kUploadBytesMin;
  while (true) {
    blocks.clear();
    if (outbox.blocks_waiting() == 0) buffer = {};
    auto const taken = outbox.take(control, blocks, batch_bytes, threads::within(kKeepAlive));
    if (!taken && taken.error().fault == Fault::timed_out) {
      outbox.post(4, [](MessageWriter& writer) { writer.keep_alive(); });
      continue;
    }
    MUT_TRY(taken);
    auto const begun = threads::now();
    MUT_TRY(send(control, blocks, buffer));
    auto const took = std::chrono::duration<double>(threads::now() - begun).count();
    // A batch is what the peer takes in a quarter of a second: whoever cancels or hurries waits no
    // longer than that.
    auto const fits = took > 0 ? static_cast<double>(batch_bytes) * kUploadBatch_s / took
                               : static_cast<double>(kUploadBytesMax);
    batch_bytes =
        std::clamp(static_cast<std::size_t>(std::min(fits, 1e9)), kUploadBytesMin, kUploadBytesMax);
  }
}

Result<void> Peer::send(Bytes const& control, std::vector<BlockRange> const& blocks,
                        UploadBuffer& buffer) {
  std::size_t total = 0;
  for (auto const& block : blocks) total += block.length;
  if (total > 0) MUT_TRY(engine_.upload.acquire(total, Deadline::never()));
  auto const room = buffer.at_least(total);
  std::array<std::uint8_t, kPieceHeaderBytes*(kUploadBytesMax / 1024)> heads;
  MessageWriter writer{heads};
  std::vector<ByteView> parts;
  parts.reserve(1 + 2 * blocks.size());
  if (!control.empty()) parts.emplace_back(control);
  std::size_t at = 0;
  for (std::size_t first = 0; first < blocks.size();) {
    // Blocks in a row are read in one go.
    auto length = blocks[first].length;
    auto next = first + 1;
    while (next < blocks.size() && blocks[next].piece == blocks[first].piece &&
           blocks[next].begin == blocks[first].begin + length) {
      length += blocks[next++].length;
    }
    auto const run = room.subspan(at, length);
    MUT_TRY(torrent_->read_for_upload(blocks[first].piece, blocks[first].begin, run));
    for (; first < next; ++first) {
      auto const before = writer.written().size();
      if (!writer.piece_header(blocks[first])) return fail(Fault::refused, "it asks for crumbs");
      parts.push_back(writer.written().subspan(before));
      parts.emplace_back(room.subspan(at, blocks[first].length));
      at += blocks[first].length;
    }
  }
  MUT_TRY(stream_->write_all(parts, threads::within(kWriteMax)));
  uploaded += total;
  torrent_->uploaded_ += total;
  return {};
}

// -------------------------------------------------------------- posting, with the torrent's mutex

void Peer::post(MessageType type) {
  outbox.post(5, [&](MessageWriter& writer) { writer.plain(type); });
}
void Peer::post_piece(MessageType type, PieceIndex piece) {
  outbox.post(9, [&](MessageWriter& writer) { writer.about_piece(type, piece); });
}
void Peer::post_block(MessageType type, BlockRange const& range) {
  outbox.post(17, [&](MessageWriter& writer) { writer.about_block(type, range); });
}
void Peer::post_extended(std::uint8_t extended_id, ByteView payload) {
  outbox.post(payload.size() + 6,
              [&](MessageWriter& writer) { writer.extended(extended_id, payload); });
}
void Peer::post_hashes(MessageType type, HashRequest const& request) {
  outbox.post(kMessageHeaderBytesMax,
              [&](MessageWriter& writer) { writer.about_hashes(type, request); });
}

void Peer::choke() {
  if (shared.we_choke) return;
  shared.we_choke = true;
  post(MessageType::choke);
  auto const waiting = outbox.cancel_all();
  if (!fast()) return;
  for (auto const& range : waiting) post_block(MessageType::reject, range);
}

void Peer::unchoke() {
  if (!shared.we_choke) return;
  shared.we_choke = false;
  post(MessageType::unchoke);
}

bool Peer::forget_request(BlockRange const& range, TimePoint* asked_at) {
  auto const found = std::ranges::find(shared.in_flight, range, &Request::range);
  if (found == shared.in_flight.end()) return false;
  if (asked_at != nullptr) *asked_at = found->at;
  shared.in_flight.erase(found);
  return true;
}

}  // namespace mutirao::swarm
