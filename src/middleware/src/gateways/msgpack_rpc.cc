#include "gateways/msgpack_rpc.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/units.h"
#include "mutirao/base/utf8.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "gateways/foreign_call.h"
#include "gateways/message_scanner.h"
#include "gateways/named_values.h"

namespace mutirao::middleware {
namespace {

using wire::MsgpackKind;
using wire::MsgpackReader;
using wire::MsgpackWriter;

constexpr std::size_t kRpcReadBytes = 16 << 10;
constexpr std::size_t kRpcUnsentMax = 1 << 20;

struct RpcRequest {
  std::optional<std::uint32_t> id;  // none: a notification
  std::string_view name;
  ByteView arguments;
};

Result<RpcRequest> read_request(ByteView message) {
  MsgpackReader in{message};
  RpcRequest request;
  auto const count = in.array();
  auto const type = in.integer<std::uint8_t>();
  if (!in.failed() && !((type == 0 && count == 4) || (type == 2 && count == 3)))
    return fail(Fault::corrupt, "neither a request nor a notification");
  if (type == 0) request.id = in.integer<std::uint32_t>();
  request.name = base::text_of(in.bytes());
  request.arguments = in.skip();
  MUT_TRY(in.finish());
  return request;
}

void write_rpc_error(MsgpackWriter& out, Failure const& failure) {
  out.array(3).string(to_string(failure.fault));
  auto const text = [&](std::string_view value) {
    if (base::is_utf8(value))
      out.string(value);
    else
      out.string(base::quoted(value));
  };
  text(failure.what);
  out.map(5).string("mend");
  text(failure.mend);
  out.string("executed").string(to_string(failure.executed));
  out.string("retry").string(to_string(failure.retry));
  out.string("retry_after_ms").integer(failure.retry_after / std::chrono::milliseconds{1});
  out.string("origin");
  text(failure.origin);
}

class RpcConnection {
 public:
  RpcConnection(ObjectAdapter& adapter, world::Stream& stream, std::string const& caller,
                MsgpackRpcOptions const& options)
      : adapter_{adapter},
        stream_{stream},
        caller_{caller},
        options_{options},
        scanner_{options.message_bytes_max} {}

  Result<void> serve(ByteView read_ahead) {
    MUT_TRY(take(read_ahead));
    Bytes buffer(kRpcReadBytes);
    for (;;) {
      auto const patience = message_.empty() ? Deadline::never() : message_deadline_;
      auto const count = MUT_TRY(stream_.read_some(buffer, patience));
      if (count == 0) break;
      MUT_TRY(take(ByteView{buffer}.first(count)));
    }
    // Who only closed its own direction still waits for answers.
    MUT_TRY(calls_.join());
    if (!message_.empty()) return fail(Fault::closed, "the connection ended inside a message");
    return {};
  }

 private:
  Result<void> take(ByteView bytes) {
    while (!bytes.empty()) {
      if (message_.empty()) message_deadline_ = threads::within(options_.message_timeout);
      auto const taken = MUT_TRY(scanner_.feed(bytes));
      message_.insert(message_.end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
      if (!scanner_.done()) continue;
      scanner_.reset();
      MUT_TRY(begin(std::exchange(message_, {})));
    }
    return {};
  }

  /// Starts a call, once there is room for one.
  Result<void> begin(Bytes message) {
    MUT_TRY(read_request(message));
    auto const size = message.size();
    {
      std::unique_lock lock{mutex_};
      MUT_TRY(changed_.wait(lock, [&] {
        return failed_ ||
               (calls_under_way_ < options_.calls_max &&
                (calls_under_way_ == 0 || bytes_under_way_ + size <= options_.bytes_under_way_max));
      }));
      if (failed_) return std::unexpected{*failed_};
      ++calls_under_way_;
      bytes_under_way_ += size;
    }
    calls_.spawn("msgpack-rpc call",
                 [this, message = std::move(message)] {
                   // Parsed once more: the views of the first time went with the message.
                   run(*read_request(message));
                   {
                     std::lock_guard const lock{mutex_};
                     --calls_under_way_;
                     bytes_under_way_ -= message.size();
                   }
                   changed_.notify_all();
                 },
                 {.isolated = true});
    return {};
  }

  void run(RpcRequest const& request) {
    MsgpackWriter answer;
    answer.array(4).integer(1).integer(request.id.value_or(0)).nil();
    auto const head = answer.written().size();
    auto outcome = call(request, answer);
    if (outcome && answer.written().size() > options_.message_bytes_max)
      outcome =
          std::unexpected{Failure{Error{Fault::exhausted,
                                        fmt::format("the answer is longer than {}",
                                                    base::format_bytes(options_.message_bytes_max)),
                                        {}},
                                  Executed::yes,
                                  Retry::never,
                                  {},
                                  {}}};
    if (!request.id) return;
    if (!outcome) {
      answer.truncate(head - 1);
      write_rpc_error(answer, outcome.error());
      answer.nil();
    }
    put(answer.written());
  }

  Outcome<void> call(RpcRequest const& request, MsgpackWriter& answer) {
    auto const dot = request.name.rfind('.');
    if (dot == std::string_view::npos || dot == 0)
      return std::unexpected{
          not_executed(Fault::not_found,
                       fmt::format("{} names no method of an object", base::quoted(request.name)),
                       "such as counter.add")};
    ForeignCall call{.object = std::string{request.name.substr(0, dot)},
                     .method = std::string{request.name.substr(dot + 1)},
                     .arguments = {},
                     .caller = caller_,
                     .deadline = threads::within(options_.call_timeout)};
    auto const* const method = method_of(adapter_, call.object, call.method);
    MsgpackWriter arguments;
    MsgpackReader in{request.arguments};
    Shape const parameters{
        .kind = ShapeKind::tuple,
        .elements = method != nullptr ? method->parameters : std::span<Shape const* const>{}};
    auto const numbered =
        append_numbered(arguments, in, method != nullptr ? &parameters : nullptr, "arguments");
    if (!numbered)
      return std::unexpected{
          not_executed(Fault::invalid, numbered.error().what, numbered.error().mend)};
    call.arguments = arguments.written();
    CollectedItems items;
    bool const yields = method != nullptr && method->yields;
    if (yields) call.items = &items;
    return execute(adapter_, call, [&](ByteView value) -> Outcome<void> {
      std::array<Shape const*, 1> const item{method != nullptr ? method->result : nullptr};
      Shape const list{.kind = ShapeKind::list, .elements = item};
      MsgpackReader reader{yields ? items.all() : value};
      auto const named = append_named(answer, reader, yields ? &list : item[0]);
      if (!named)
        return std::unexpected{Failure{named.error(), Executed::yes, Retry::never, {}, {}}};
      return {};
    });
  }

  /// Whoever finds nobody writing writes for all: many answers, one system call.
  void put(ByteView answer) {
    std::unique_lock lock{mutex_};
    // No stop here: whoever is told to stop still says so.
    threads::shield const finish;
    static_cast<void>(
        changed_.wait(lock, [&] { return failed_ || unsent_.size() < kRpcUnsentMax; }));
    if (failed_) return;
    unsent_.insert(unsent_.end(), answer.begin(), answer.end());
    if (std::exchange(writing_, true)) return;
    Bytes going;
    while (!failed_ && !unsent_.empty()) {
      going.clear();
      going.swap(unsent_);
      lock.unlock();
      changed_.notify_all();
      auto written = stream_.write_all(going, threads::within(options_.write_timeout));
      lock.lock();
      if (written) continue;
      failed_ = std::move(written).error();
      stream_.close();
    }
    writing_ = false;
    lock.unlock();
    changed_.notify_all();
  }

  ObjectAdapter& adapter_;
  world::Stream& stream_;
  std::string const& caller_;
  MsgpackRpcOptions const& options_;

  // The reader's:
  MessageScanner scanner_;
  Bytes message_;
  Deadline message_deadline_ = Deadline::never();

  threads::mutex mutex_;
  threads::condition_variable changed_;
  std::size_t calls_under_way_ = 0;
  std::size_t bytes_under_way_ = 0;
  Bytes unsent_;
  bool writing_ = false;
  std::optional<Error> failed_;
  threads::scope calls_;  // ended first
};

}  // namespace

Result<void> serve_msgpack_rpc(ObjectAdapter& adapter, world::Stream& stream, ByteView read_ahead,
                               std::string const& caller, MsgpackRpcOptions const& options) {
  RpcConnection connection{adapter, stream, caller, options};
  auto served = connection.serve(read_ahead);
  if (!served) stream.close();  // nobody is to wait for a client that went wrong
  return served;
}

}  // namespace mutirao::middleware
