#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mutirao/middleware/call.h"
#include "mutirao/middleware/interface.h"

namespace mutirao::middleware {

/// What executes the calls of an object. Any number of threads at once.
class Servant {
 public:
  virtual ~Servant() = default;
  [[nodiscard]] virtual InterfaceInfo const& interface() const noexcept = 0;
  /// The method of that number in the interface. Exceptions come through.
  virtual Reply execute(std::size_t method, Call& call) = 0;
};

/// What a servant's method yields its values through. Fails when nobody wants them any more.
template <class T>
class Yield {
 public:
  explicit Yield(ItemSink& sink) noexcept : sink_{sink} {}
  Outcome<void> operator()(T const& value) {
    scratch_.clear();
    write(scratch_, value);
    return sink_.put(scratch_.written());
  }

 private:
  ItemSink& sink_;
  wire::MsgpackWriter scratch_;
};

namespace detail {
/// The value of a method's body, whichever of R, Result<R> and Outcome<R> it returns; what fails
/// inside a method was executed.
template <class R, class Body>
Outcome<R> outcome_of(Body&& body) {
  using Given = decltype(body());
  if constexpr (std::is_void_v<Given>) {
    static_assert(std::is_void_v<R>, "the servant returns nothing, the method does");
    body();
    return {};
  } else if constexpr (requires(Given given) { given.error(); }) {
    Given given = body();
    if (given) {
      if constexpr (std::is_void_v<R>)
        return {};
      else
        return *std::move(given);
    }
    if constexpr (std::is_convertible_v<Given, Outcome<R>>)
      return std::unexpected{std::move(given).error()};
    else
      return std::unexpected{
          Failure{std::move(given).error(), Executed::yes, Retry::never, {}, {}}};
  } else {
    return body();
  }
}

/// What a body gives: T of T, Result<T> and Outcome<T>.
template <class Given>
struct ValueOf {
  using Type = Given;
};
template <class Given>
  requires requires(Given given) { given.error(); }
struct ValueOf<Given> {
  using Type = typename Given::value_type;
};

template <class T>
inline constexpr bool is_view = std::is_same_v<T, ByteView> || std::is_same_v<T, std::string_view>;

/// What travels from the body of a method that gives R: a body may give a view where R owns.
template <class R, class Given>
using Carried =
    std::conditional_t<is_view<typename ValueOf<Given>::Type>, typename ValueOf<Given>::Type, R>;

inline constexpr std::size_t kReferredBytesMin = 16 << 10;

/// Encodes a value; long content of it is referred to. For that a view lies in the message of the
/// call, and anything else is kept.
template <class T>
Reply encoded(Call& call, T&& value) {
  auto& out = *call.scratch;
  out.clear();
  using Value = std::remove_cvref_t<T>;
  if (size_hint(value) < kReferredBytesMin) {
    write<Value>(out, value);
    return call.answer(out);
  }
  if constexpr (is_view<Value>) {
    auto const* const first = reinterpret_cast<std::uint8_t const*>(value.data());
    auto const* const begin = call.message.data();
    bool const of_message = std::less_equal<>{}(begin, first) &&
                            std::less_equal<>{}(first + value.size(), begin + call.message.size());
    if (of_message) out.refer_from(kReferredBytesMin / 4);
    write<Value>(out, value);
    out.refer_from(SIZE_MAX);
    return call.answer(out);
  } else {
    auto kept = std::make_shared<Value const>(std::forward<T>(value));
    out.refer_from(kReferredBytesMin / 4);
    write<Value>(out, *kept);
    out.refer_from(SIZE_MAX);
    return call.answer(out, std::move(kept));
  }
}

/// To the place that the caller gave, or encoded.
template <class M, class Value>
Reply reply_of(Call& call, Outcome<Value>&& outcome) {
  using R = typename M::Returned;
  if (!outcome) return call.fail(std::move(outcome).error());
  if constexpr (std::is_void_v<R>) {
    call.scratch->clear();
    call.scratch->nil();
    return call.answer(*call.scratch);
  } else {
    if (call.typed_result != nullptr && call.method == &M::kInfo) {
      auto& place = *static_cast<std::optional<R>*>(call.typed_result);
      if constexpr (std::is_constructible_v<R, Value>)
        place.emplace(*std::move(outcome));
      else
        place.emplace(outcome->begin(), outcome->end());
      return call.done();
    }
    return encoded(call, *std::move(outcome));
  }
}

template <class M, class Body, class... Values>
Reply run_body(Body& body, Call& call, Values const&... values) {
  if constexpr (Yielded<typename M::Returned>::yields) {
    static_assert(std::is_invocable_v<Body&, Values const&..., Yield<typename M::Item>&>,
                  "the servant does not fit the method: it takes the arguments and a Yield<T>&");
    if (call.items == nullptr)
      return call.fail(
          not_executed(Fault::invalid, "this method yields many values", "call it as a stream"));
    Yield<typename M::Item> yield{*call.items};
    auto ended = outcome_of<void>([&] { return body(values..., yield); });
    if (!ended) return call.fail(std::move(ended).error());
    call.scratch->clear();
    call.scratch->nil();
    return call.answer(*call.scratch);
  } else {
    static_assert(std::is_invocable_v<Body&, Values const&...>,
                  "the servant does not fit the signature of the method");
    using Value = Carried<typename M::Returned, std::invoke_result_t<Body&, Values const&...>>;
    return reply_of<M, Value>(call, outcome_of<Value>([&] { return body(values...); }));
  }
}

/// Runs the body with the arguments of the call: as they are when both ends were compiled together,
/// else decoded.
template <class M, class Body>
Reply execute(Body& body, Call& call) {
  if (call.arguments.typed() && call.method == &M::kInfo) {
    auto const& values = *static_cast<typename M::References const*>(call.arguments.tuple());
    return std::apply([&](auto const&... each) { return run_body<M>(body, call, each...); },
                      values);
  }
  wire::MsgpackWriter encoded;
  if (call.arguments.typed()) call.arguments.write(encoded);
  Decoder from{call.arguments.typed() ? encoded.written() : call.arguments.encoded()};
  auto values = read<typename M::Values>(from);
  if (auto const well = from.finish(); !well)
    return call.fail(not_executed(Fault::invalid,
                                  "the arguments do not fit the method: " + well.error().what,
                                  "mutirao object show tells what it takes"));
  attach(values, call.attachment);
  return std::apply([&](auto const&... each) { return run_body<M>(body, call, each...); },
                    std::as_const(values));
}

template <class T>
struct MemberOf;
template <class I, class M>
struct MemberOf<M I::*> {
  using Interface = I;
  using Method = M;
};

template <auto kMethod, class Body>
struct Bound {
  using Interface = typename MemberOf<decltype(kMethod)>::Interface;
  using Method = typename MemberOf<decltype(kMethod)>::Method;
  Body body;
};

template <class I, class... Bindings>
class BoundServant final : public Servant {
 public:
  explicit BoundServant(Bindings... bindings) : bindings_{std::move(bindings)...} {}
  InterfaceInfo const& interface() const noexcept override { return interface_of<I>; }
  Reply execute(std::size_t method, Call& call) override { return (this->*kBodies[method])(call); }

 private:
  using Body = Reply (BoundServant::*)(Call&);
  template <std::size_t kIndex>
  Reply run(Call& call) {
    auto& binding = std::get<kIndex>(bindings_);
    using M = typename std::remove_reference_t<decltype(binding)>::Method;
    return detail::execute<M>(binding.body, call);
  }
  /// Which binding is the method's; as many as there are when none is.
  static constexpr std::size_t binding_of(std::string_view method) noexcept {
    std::size_t index = 0;
    static_cast<void>(((Bindings::Method::kInfo.name == method || (++index, false)) || ...));
    return index;
  }
  static_assert(std::ranges::all_of(methods_of<I>,
                                    [](auto const& method) {
                                      return binding_of(method.name) < sizeof...(Bindings);
                                    }),
                "a method of the interface has no body");
  static constexpr auto kBodies = []<std::size_t... kMethod>(std::index_sequence<kMethod...>) {
    return std::array<Body, sizeof...(Bindings)>{
        &BoundServant::template run<binding_of(methods_of<I>[kMethod].name)>...};
  }(std::index_sequence_for<Bindings...>{});

  std::tuple<Bindings...> bindings_;
};
}  // namespace detail

/// The body of one method: something that takes its arguments and returns its result, a Result of
/// it or an Outcome. A signature that does not fit is a compile error.
template <auto kMethod, class Body>
[[nodiscard]] auto on(Body body) {
  return detail::Bound<kMethod, Body>{std::move(body)};
}

/// A servant from the bodies of all methods of the interface I:
///   servant<Counter>(on<&Counter::add>([&](std::int64_t n) { return total += n; }), ...)
template <class I, class... Bindings>
[[nodiscard]] std::shared_ptr<Servant> servant(Bindings... bindings) {
  static_assert((std::is_same_v<typename Bindings::Interface, I> && ...),
                "a body for a method of another interface");
  static_assert(sizeof...(Bindings) == MethodAccess::arity<I>(),
                "each method of the interface needs one body");
  return std::make_shared<detail::BoundServant<I, Bindings...>>(std::move(bindings)...);
}

}  // namespace mutirao::middleware
