#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/attachment.h"
#include "mutirao/middleware/call.h"
#include "mutirao/middleware/message_interceptor.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/park.h"
#include "mutirao/threads/scope.h"
#include "mutirao/wire/msgpack.h"
#include "mutirao/world/network.h"

#include "connection/dispatcher.h"
#include "connection/job.h"
#include "connection/protocol.h"

namespace mutirao::middleware {

/// One connection between two nodes, over which both may call.
///
/// Two threads serve it. The reader takes all frames that one read brings; replies wake their
/// callers, calls go to the dispatcher. The writer sends in one write all that was put down since
/// the last: with many calls under way, that is many calls a system call. Short messages never wait
/// behind long ones: those go frame by frame, in turns, and only as much of them as the other side
/// asked for, so that what lies in the kernel's buffers stays small.
///
/// What a bad or slow peer can make us keep is bounded: messages that come in, what waits to go
/// out, calls under way; beyond it the connection ends with a reason.
class Connection final : public Route, public std::enable_shared_from_this<Connection> {
 public:
  struct Options {
    std::string node;     ///< our name, told to the other side
    std::string caller;   ///< who the other side is, for interceptors and messages
    bool opened = false;  ///< we made the connection: the preface is ours to send
    std::uint32_t calls_max = kCallsMax;
    Duration write_timeout = std::chrono::seconds{30};
    std::shared_ptr<MessageChain> messages{};
  };
  /// Without a dispatcher nobody is served here: calls are answered not_found.
  Connection(std::unique_ptr<world::Stream> stream, Dispatcher* dispatcher, Options options);
  ~Connection() override;

  /// Reads until either side ends it; `read_ahead` has come already. Says why it ended.
  Result<void> serve(ByteView read_ahead);

  Reply send(Call& call) override;
  [[nodiscard]] std::string where() const override { return options_.caller; }
  [[nodiscard]] std::string_view caller() const noexcept { return options_.caller; }

  /// Ends it: callers of both sides learn why. Any thread.
  void close(Error why);
  [[nodiscard]] bool closed() const;

  /// The reply to a job; each has one. `scratch` may be taken, when the reply lies there and is
  /// long.
  void answer(Job& job, Reply reply, wire::MsgpackWriter& scratch);
  /// For a job that can't be answered: its caller learns from the connection's end.
  void give_up(Job& job, Error why);
  /// One value that it yields. Parks while the caller has not taken what came before.
  Outcome<void> yield_item(Job& job, ByteView item);
  /// The next piece of what the caller attached; empty at the end. Parks until it comes.
  Outcome<ByteView> next_attached(Job& job);

 private:
  struct Waiting;   // a caller of this side
  struct Place;     // among the calls of this side
  struct Outgoing;  // a long message on its way out
  struct Incoming;  // a long message on its way in
  using Lock = std::unique_lock<threads::mutex>;

  // Sending
  Result<void> write_all_out();
  [[nodiscard]] bool anything_to_write() const noexcept;
  void wake_writer() noexcept;
  void put_frame(FrameHead head, ByteView payload);
  void put_long(std::unique_ptr<Outgoing> message);
  void forget(std::list<std::unique_ptr<Outgoing>>& messages);
  static void wait_for_write(Lock& lock, Outgoing*& message);
  static void wait_for_step(Lock& lock, Outgoing& message);
  std::unique_ptr<Outgoing> long_answer(Job& job, Reply reply, wire::MsgpackWriter& scratch);
  void collect_long(std::vector<ByteView>& out);
  void say_why(Error const& why);

  // Receiving
  Result<void> read_frames(ByteView read_ahead);
  Result<std::size_t> take_frames(ByteView bytes);
  Result<void> take_all(ByteView bytes, std::size_t& used, JobLine& jobs,
                        std::vector<threads::park_token*>& woken);
  Result<void> take(FrameHead head, ByteView payload, JobLine& jobs,
                    std::vector<threads::park_token*>& woken);
  void make_room(Bytes& bytes, std::size_t size);
  [[nodiscard]] Result<void> check_opening(FrameHead head) const;
  Result<void> begin_part(FrameHead head, ByteView payload);
  Result<void> go_on_with_part(ByteView bytes, std::size_t& used, JobLine& jobs,
                               std::vector<threads::park_token*>& woken);
  Result<void> take_message(FrameHead head, ByteView whole, Bytes* owned, JobLine& jobs,
                            std::vector<threads::park_token*>& woken);
  Result<void> take_plain(FrameHead head, ByteView whole, Bytes* owned, JobLine& jobs,
                          std::vector<threads::park_token*>& woken);
  Result<void> take_call(std::uint32_t id, ByteView message, Bytes* owned, JobLine& jobs);
  void take_reply(FrameHead head, ByteView message, Bytes* owned,
                  std::vector<threads::park_token*>& woken);
  Result<void> take_item(std::uint32_t id, ByteView item, std::vector<threads::park_token*>& woken);
  Result<void> take_attached(FrameHead head, ByteView piece, Bytes* owned,
                             std::vector<threads::park_token*>& woken);
  void take_credit(FrameHead head, std::uint32_t bytes, std::vector<threads::park_token*>& woken);
  void take_item_credit(std::uint32_t id, std::uint32_t bytes,
                        std::vector<threads::park_token*>& woken);
  void take_attachment_credit(std::uint32_t id, std::uint32_t bytes,
                              std::vector<threads::park_token*>& woken);

  // Messages, before they are cut into frames
  [[nodiscard]] std::optional<Bytes> changed(wire::MsgpackWriter const& message) const;
  [[nodiscard]] std::optional<Bytes> changed(ByteView message) const;
  void put_message(FrameHead head, Bytes message);
  [[nodiscard]] Result<void> hold(std::vector<ByteView> const& parts) const;
  [[nodiscard]] Result<void> check_required() const;
  [[nodiscard]] Result<void> wait_for_hello(Lock& lock, Deadline deadline);

  // Calling
  Result<std::uint32_t> enter(Lock& lock, Waiting& waiting, Deadline deadline);
  Reply wait_for(Lock& lock, Waiting& waiting, std::uint32_t id, Call& call);
  Reply attach_and_wait(Lock& lock, Waiting& waiting, std::uint32_t id, Call& call);
  void attach(Waiting& waiting, std::uint32_t id, ByteSource& source);
  std::size_t wait_to_attach(Waiting& waiting);
  bool put_attached(Waiting& waiting, FrameHead head, ByteView piece, std::uint8_t flags);
  void allow_attached(Job& job, std::size_t bytes);
  void forsake(Waiting const& waiting, std::uint32_t id);
  bool let_go(Lock& lock, Waiting& waiting, std::uint32_t id);
  bool withdraw(Lock& lock, Outgoing*& message);
  void leave(std::uint32_t id) noexcept;
  Failure lost(Executed executed) const;

  std::unique_ptr<world::Stream> stream_;
  Dispatcher* dispatcher_;
  Options options_;

  mutable threads::mutex mutex_;
  std::optional<Error> why_closed_;
  bool finishing_ = false;  // the writer ends when all has gone
  bool opened_up_ = false;  // their hello has come
  std::uint32_t their_calls_max_ = kCallsMax;
  std::vector<std::string> their_reads_;  // set before opened_up_, and never again
  threads::condition_variable hello_;

  wire::MsgpackWriter short_;    // whole frames, the next to go out
  wire::MsgpackWriter writing_;  // those that go out now; the writer's
  threads::park_token* writer_ = nullptr;
  std::list<std::unique_ptr<Outgoing>> long_;
  std::list<std::unique_ptr<Outgoing>> sent_;  // whose last frame goes out now; the writer's
  std::vector<std::array<std::uint8_t, kFrameHeadBytes + 4>>
      heads_;  // of long frames; the writer's
  std::size_t long_bytes_ = 0;
  std::int64_t window_ = kWindowBytes;  // what of them may still be sent
  threads::condition_variable drained_;

  std::vector<Place> places_;
  std::vector<std::uint32_t> free_places_;
  threads::condition_variable place_free_;

  std::vector<Job*> jobs_;     // under way, by the place that their caller gave them
  std::size_t job_bytes_ = 0;  // of their messages

  // The reader's:
  bool told_why_ = false;  // the other side ends it
  std::unordered_map<std::uint64_t, Incoming> incoming_;
  std::size_t incoming_bytes_ = 0;
  Incoming* part_ = nullptr;  // whose frame is being read
  FrameHead part_head_;
  std::size_t part_left_ = 0;
  std::shared_ptr<BufferPool> buffers_ = std::make_shared<BufferPool>();
  std::uint32_t to_grant_ = 0;
};

/// What a servant yields, on its way to a caller.
class ConnectionSink final : public ItemSink {
 public:
  ConnectionSink(Connection& connection, Job& job) noexcept : connection_{connection}, job_{job} {}
  Outcome<void> put(ByteView item) override { return connection_.yield_item(job_, item); }

 private:
  Connection& connection_;
  Job& job_;
};

/// What a caller attached, on its way to the servant.
class ConnectionSource final : public ByteSource {
 public:
  ConnectionSource(Connection& connection, Job& job) noexcept
      : connection_{connection}, job_{job} {}

 private:
  Outcome<ByteView> take() override { return connection_.next_attached(job_); }

  Connection& connection_;
  Job& job_;
};

}  // namespace mutirao::middleware
