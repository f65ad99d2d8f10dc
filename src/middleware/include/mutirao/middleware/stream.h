#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "mutirao/middleware/call.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/failure.h"
#include "mutirao/middleware/interface.h"
#include "mutirao/threads/channel.h"
#include "mutirao/threads/thread.h"

namespace mutirao::middleware {

[[nodiscard]] Reply send(Call& call);

/// The values that a call yields, as they come. Destroying it before the end takes the call back.
///
/// The call runs on a thread of its own, which is held back when nobody takes what has come. Stays
/// on the user thread that made the call.
template <class T>
class Stream {
 public:
  /// The next value; nothing at the end. After a failure it fails again.
  [[nodiscard]] Outcome<std::optional<T>> next(Deadline deadline = Deadline::never()) {
    if (auto item = state_->items.receive(deadline))
      return std::optional<T>{*std::move(item)};
    else if (item.error().fault != Fault::closed)
      return std::unexpected{Failure{std::move(item).error(), Executed::maybe, {}, {}, {}}};
    if (thread_.joinable()) static_cast<void>(thread_.join());
    if (state_->failure) return std::unexpected{*state_->failure};
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kItemsAhead = 16;

  struct State final : ItemSink {
    threads::channel<T> items{kItemsAhead};
    std::optional<Failure> failure;

    Outcome<void> put(ByteView encoded) override {
      Decoder from{encoded};
      auto value = read<T>(from);
      auto taken = from.finish();
      if (taken) taken = items.send(std::move(value));
      if (!taken)
        return std::unexpected{Failure{std::move(taken).error(), Executed::yes, {}, {}, {}}};
      return {};
    }
  };

  template <Name kName, class Signature, class... Traits>
  friend class Method;

  template <class M, class... A>
  static Stream begin(Target const& target, CallOptions const& options, A const&... arguments) {
    Stream stream;
    stream.state_ = std::make_shared<State>();
    stream.thread_ = threads::thread{
        std::string{M::kInfo.name}, [state = stream.state_, target = target, options,
                                     values = typename M::Values{arguments...}]() mutable {
          auto const references = std::apply(
              [](auto const&... each) { return typename M::References{each...}; }, values);
          Call call{target, M::kInfo.name, &M::kInfo, Arguments::of(references)};
          call.deadline = options.deadline.value_or(Deadline::never());
          call.endless = options.deadline && options.deadline->is_never();
          call.key = options.key;
          call.items = state.get();
          call.attachment = std::apply(
              [](auto const&... each) { return detail::attachment_of(each...); }, values);
          wire::MsgpackWriter scratch;
          call.scratch = &scratch;
          try {
            auto reply = send(call);
            if (reply.failed()) state->failure = std::move(reply.failure());
          } catch (...) {
            state->failure = Failure{
                threads::detail::escaped_exception(), Executed::maybe, Retry::never, {}, {}};
          }
          state->items.close();
        }};
    return stream;
  }

  std::shared_ptr<State> state_;
  threads::thread thread_;  // ended first: it uses the state
};

}  // namespace mutirao::middleware
