#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mutirao/base/check.h"
#include "mutirao/middleware/call.h"
#include "mutirao/middleware/interface.h"
#include "mutirao/middleware/stream.h"

namespace mutirao::middleware {

/// An object that may be anywhere, as one of ours: `counter.add(5)`.
///
/// A value: copies refer to the same object. Calls park the calling thread and may be made by any
/// number of threads at once.
template <class I>
class Ref : public I {
 public:
  explicit Ref(Target target) : Ref{std::make_shared<Target const>(std::move(target))} {}
  explicit Ref(std::shared_ptr<Target const> target) : target_{std::move(target)} {
    MethodAccess::each(static_cast<I&>(*this),
                       [&](auto& method) { MethodAccess::bind(method, *target_); });
  }
  [[nodiscard]] Target const& target() const noexcept { return *target_; }

 private:
  std::shared_ptr<Target const> target_;
};

/// The call as a message: [target, method, arguments]. It passes the chain of the target, then goes
/// its way.
[[nodiscard]] Reply send(Call& call);

namespace detail {
template <class T>
[[nodiscard]] Outcome<T> value_of(Reply const& reply, std::optional<T>& typed) {
  if (reply.failed()) return std::unexpected{std::move(reply.failure())};
  if (!reply.encoded()) {
    MUT_ASSERT(typed);  // a reply without a body promises that
    return *std::move(typed);
  }
  Decoder from{reply.body()};
  auto value = read<T>(from);
  if (auto read_well = from.finish(); !read_well)
    return std::unexpected{Failure{
        std::move(read_well).error().during("the answer"), Executed::yes, Retry::never, {}, {}}};
  return value;
}
}  // namespace detail

/// The stub: makes a call of a method and its arguments, sends it, and reads the answer.
template <class M, class... A>
[[nodiscard]] Outcome<typename M::Returned> invoke(Target const& target, CallOptions const& options,
                                                   A const&... arguments) {
  using R = typename M::Returned;
  typename M::References const values{arguments...};
  Call call{target, M::kInfo.name, &M::kInfo, Arguments::of(values)};
  call.deadline = options.deadline.value_or(Deadline::never());
  call.endless = options.deadline && options.deadline->is_never();
  call.key = options.key;
  call.attachment = detail::attachment_of(arguments...);
  wire::MsgpackWriter scratch;
  call.scratch = &scratch;
  if constexpr (std::is_void_v<R>) {
    auto const reply = send(call);
    if (reply.failed()) return std::unexpected{std::move(reply.failure())};
    return {};
  } else {
    std::optional<R> typed;
    call.typed_result = &typed;
    auto const reply = send(call);
    return detail::value_of(reply, typed);
  }
}

/// The textbook's form: `invoke(counter, &Counter::add, 5)` is `counter.add(5)`.
template <class I, class M, class... A>
[[nodiscard]] auto invoke(Ref<I> const& object, M I::* method, A&&... arguments) {
  return (static_cast<I const&>(object).*method)(std::forward<A>(arguments)...);
}

template <Name kName, class R, class... A, class... Traits>
auto Method<kName, R(A...), Traits...>::call(CallOptions const& options,
                                             std::remove_cvref_t<A> const&... arguments) const {
  auto const& target = MethodAccess::target(*this);
  if constexpr (detail::Yielded<R>::yields)
    return Stream<Item>::template begin<Method>(target, options, arguments...);
  else
    return invoke<Method>(target, options, arguments...);
}

}  // namespace mutirao::middleware
