#include "connection.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

#include "life.h"

// What the two programs do to a connection; connection_wire.cc has what happens in between.
namespace mutirao::sim {

namespace {
constexpr std::size_t kSplitSegmentMax = 1460;  // of TCP in an Ethernet frame
}  // namespace

Connection::Connection(Fabric& fabric, Place connecting, Place accepting)
    : fabric_{fabric},
      routed_{connecting.station->subnet != accepting.station->subnet ||
              connecting.remote != accepting.local || accepting.remote != connecting.local},
      ends_{end_at(connecting), end_at(accepting)} {}

Connection::End Connection::end_at(Place const& place) {
  return {.place = place, .subnet = place.station->subnet, .moves = place.station->moves};
}

Result<std::size_t> Connection::read_some(int side, std::span<MutableBytes const> into,
                                          Deadline deadline) {
  auto& end = ends_[index(side)];
  auto& pipe = pipes_[index(other(side))];
  if (std::ranges::all_of(into, [](auto const& buffer) { return buffer.empty(); })) return 0;
  for (;;) {
    if (end.crashed) return crashed_host();
    if (end.closed) return fail(Fault::closed, "read: this side has closed the connection");
    if (!pipe.received.empty()) break;
    if (pipe.ended) return 0;
    if (end.failure) return std::unexpected{*end.failure};
    MUT_TRY(pipe.reader.wait(deadline, "read", threads::wait_kind::readable));
    if (auto& late = fabric_.faults.late_wakeup; late.fires(0.05))
      static_cast<void>(threads::sleep_for(late.random().up_to(1ms)));
  }
  auto const count = take(pipe.received, into);
  pipe.read += count;
  reopen_window(other(side));
  return count;
}

std::size_t Connection::take(ByteQueue& received, std::span<MutableBytes const> into) {
  auto& brief = fabric_.faults.short_read;
  if (!brief.fires(0.05)) return received.read(into);
  auto const first = *std::ranges::find_if(into, [](auto const& each) { return !each.empty(); });
  auto const most = std::min(first.size(), received.size());
  auto const count = brief.random().chance(0.5) ? 1 : 1 + brief.random().below(most);
  MutableBytes const little = first.first(count);
  return received.read({&little, 1});
}

Result<void> Connection::may_write(int side) const {
  auto const& end = ends_[index(side)];
  if (end.crashed) return crashed_host();
  if (end.closed) return fail(Fault::closed, "write: this side has closed the connection");
  if (end.failure) return std::unexpected{*end.failure};
  if (pipes_[index(side)].finishing)
    return fail(Fault::closed, "write: this side has finished writing");
  return {};
}

Result<void> Connection::write_all(int side, std::span<ByteView const> from, Deadline deadline) {
  auto& pipe = pipes_[index(side)];
  auto remaining =
      std::accumulate(from.begin(), from.end(), std::size_t{0},
                      [](std::size_t sum, ByteView view) { return sum + view.size(); });
  std::size_t skip = 0;  // of the first buffer, already accepted
  for (;;) {
    MUT_TRY(may_write(side));
    take_acks(pipe);
    remaining -= accept_bytes(side, from, skip, remaining);
    offer(side);
    if (remaining == 0) return {};
    pipe.wanted = std::min(remaining, fabric_.options.send_buffer_bytes / 4);
    arm_acks(side);
    MUT_TRY(pipe.writer.wait(deadline, "write", threads::wait_kind::writable));
  }
}

std::size_t Connection::accept_bytes(int side, std::span<ByteView const>& from, std::size_t& skip,
                                     std::size_t remaining) {
  auto& pipe = pipes_[index(side)];
  auto const unacknowledged = static_cast<std::size_t>(pipe.written - pipe.acknowledged);
  auto const room = fabric_.options.send_buffer_bytes -
                    std::min(unacknowledged, fabric_.options.send_buffer_bytes);
  auto left = std::min(room, remaining);
  auto const accepted = left;
  auto& split = fabric_.faults.split_write;
  auto const segment_max = split.fires(0.05) ? 1 + split.random().below(kSplitSegmentMax)
                                             : fabric_.options.segment_bytes_max;
  while (left > 0) {
    auto const view = from.front().subspan(skip);
    auto const count = std::min(left, view.size());
    left -= count;
    fabric_.note_content(station(side), view.first(count));
    pipe.queued.append(view.first(count), segment_max, left);
    skip += count;
    if (skip == from.front().size()) {
      from = from.subspan(1);
      skip = 0;
    }
  }
  pipe.written += accepted;
  return accepted;
}

void Connection::finish_writing(int side) {
  auto const& end = ends_[index(side)];
  if (end.crashed || end.failure || pipes_[index(side)].finishing) return;
  pipes_[index(side)].finishing = true;
  pipes_[index(side)].writer.wake_all();
  offer(side);
}

void Connection::close(int side) {
  // A kernel answers the close of a socket with unread data by a reset: the other side must not
  // believe that all it sent was seen.
  if (!pipes_[index(other(side))].received.empty()) return abort(side);
  auto& end = ends_[index(side)];
  if (std::exchange(end.closed, true)) return;
  finish_writing(side);
  pipes_[index(side)].writer.wake_all();
  pipes_[index(other(side))].reader.wake_all();
}

void Connection::abort(int side) {
  auto& end = ends_[index(side)];
  if (std::exchange(end.closed, true)) return;
  if (!end.crashed && !end.failure) send_reset(other(side));
  drop_outgoing(side);
  pipes_[index(other(side))].received.clear();
  pipes_[index(side)].writer.wake_all();
  pipes_[index(other(side))].reader.wake_all();
}

void Connection::crash(int side, bool tell_peer) {
  auto& end = ends_[index(side)];
  if (end.crashed) return;
  if (tell_peer && !end.failure) send_reset(other(side));
  end.crashed = true;
  // What is already on the wire still arrives.
  pipes_[index(side)].queued.clear();
  pipes_[index(other(side))].received.clear();
  pipes_[index(side)].writer.wake_all();
  pipes_[index(other(side))].reader.wake_all();
}

void Connection::fail_end(int side, Error error) {
  auto& end = ends_[index(side)];
  if (end.crashed || end.failure) return;
  end.failure = std::move(error);
  drop_outgoing(side);
  pipes_[index(side)].writer.wake_all();
  pipes_[index(other(side))].reader.wake_all();
}

void Connection::drop_outgoing(int side) noexcept {
  pipes_[index(side)].queued.clear();
  pipes_[index(side)].finishing = true;
  pipes_[index(side)].finished = true;
}

}  // namespace mutirao::sim
