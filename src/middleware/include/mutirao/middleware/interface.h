#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "mutirao/base/check.h"
#include "mutirao/middleware/attachment.h"
#include "mutirao/middleware/call.h"
#include "mutirao/middleware/codec.h"

/// Interfaces are plain structs of methods, and methods are values that can be called:
///
///   struct Counter {
///     static constexpr std::string_view kType = "Counter";
///     Method<"add", std::int64_t(std::int64_t)> add;
///     Method<"get", std::int64_t(), Idempotent> get;
///     Method<"count", Yields<std::int64_t>(std::int64_t)> count;
///   };
///
/// No compiler of interfaces: a name that was changed is a compile error, and what a method is like
/// is known where interceptors want it.
namespace mutirao::middleware {

/// A name as a template argument.
template <std::size_t N>
struct Name {
  char text[N]{};
  constexpr Name(char const (&literal)[N]) { std::copy_n(literal, N, text); }  // NOLINT
  [[nodiscard]] constexpr std::string_view view() const noexcept { return {text, N - 1}; }
};

// What a method is like.
struct Idempotent {};   ///< calling it twice does what calling it once does
struct Reads {};        ///< changes nothing: for those who may only look; makes it idempotent
struct Commutative {};  ///< calls may reach replicas in any order
template <std::int64_t Milliseconds>
struct Cacheable {};  ///< so long is an answer good; makes it idempotent

/// The result of a method that gives many values, one after the other.
template <class T>
struct Yields {};

namespace detail {
template <class Trait>
inline constexpr bool keeps_answers = false;
template <std::int64_t Milliseconds>
inline constexpr bool keeps_answers<Cacheable<Milliseconds>> = true;

template <class T>
struct Yielded {
  using Item = T;
  static constexpr bool yields = false;
};
template <class T>
struct Yielded<Yields<T>> {
  using Item = T;
  static constexpr bool yields = true;
};

constexpr void apply_trait(MethodInfo& info, Idempotent) { info.idempotent = true; }
constexpr void apply_trait(MethodInfo& info, Reads) { info.reads = info.idempotent = true; }
constexpr void apply_trait(MethodInfo& info, Commutative) { info.commutative = true; }
template <std::int64_t Milliseconds>
constexpr void apply_trait(MethodInfo& info, Cacheable<Milliseconds>) {
  info.idempotent = true;
  info.cacheable = std::chrono::milliseconds{Milliseconds};
}
}  // namespace detail

template <Name kName, class Signature, class... Traits>
class Method;

/// What a single call is to be like.
struct CallOptions {
  /// Absent: what the chain gives it. A call without an end has to be asked for: Deadline::never().
  std::optional<Deadline> deadline{};
  IdempotencyKey key{};
};

template <class R, class... A>
class MethodSignature;

/// One method of an interface: a descriptor, and on a reference something to call.
template <Name kName, class R, class... A, class... Traits>
class Method<kName, R(A...), Traits...> {
 public:
  using Returned = R;
  using Item = typename detail::Yielded<R>::Item;
  /// As they arrive at a servant.
  using Values = std::tuple<std::remove_cvref_t<A>...>;
  /// As they leave a caller of this program.
  using References = std::tuple<std::remove_cvref_t<A> const&...>;
  static constexpr std::array<Shape const*, sizeof...(A)> kParameters{
      &shape_of<std::remove_cvref_t<A>>...};
  static constexpr MethodInfo kInfo = [] {
    MethodInfo info{.name = kName.view(),
                    .parameters = kParameters,
                    .result = &shape_of<Item>,
                    .yields = detail::Yielded<R>::yields};
    (detail::apply_trait(info, Traits{}), ...);
    return info;
  }();
  static_assert(detail::attachments_among<A...> <= 1, "a call brings at most one attachment");
  static_assert(detail::attachments_among<A...> == 0 || !(detail::keeps_answers<Traits> || ...),
                "answers are kept for arguments, of which an attachment is none");

  /// Calls it on the object of the reference that this is a member of.
  auto operator()(std::type_identity_t<A> const&... arguments) const {
    return call({}, arguments...);
  }
  /// The same with a deadline of its own, or a key.
  [[nodiscard]] auto with(CallOptions options) const {
    return [this, options](std::type_identity_t<A> const&... arguments) {
      return call(options, arguments...);
    };
  }

 private:
  friend struct MethodAccess;
  auto call(CallOptions const& options, std::remove_cvref_t<A> const&... arguments) const;

  Target const* target_ = nullptr;
};

/// What binds the methods of a reference to its target, and sees them one by one.
struct MethodAccess {
  template <class M>
  static void bind(M& method, Target const& target) noexcept {
    method.target_ = &target;
  }
  template <class M>
  [[nodiscard]] static Target const& target(M const& method) noexcept {
    MUT_ASSERT(method.target_ != nullptr);  // a method of an interface that is no reference
    return *method.target_;
  }

  /// Calls `see` with each method of an interface, as a tuple would be walked through. An aggregate
  /// has no list of its members; but it can be taken apart by as many names as it has.
  template <class I, class See>
  static constexpr void each(I& methods, See&& see) {
    constexpr auto n = arity<std::remove_const_t<I>>();
    static_assert(n >= 1 && n <= 24, "an interface has 1 to 24 methods");
#define MUT_MEMBERS(N, ...)        \
  if constexpr (n == N) {          \
    auto& [__VA_ARGS__] = methods; \
    walk(see, __VA_ARGS__);        \
  }
    MUT_MEMBERS(1, a)
    MUT_MEMBERS(2, a, b)
    MUT_MEMBERS(3, a, b, c)
    MUT_MEMBERS(4, a, b, c, d)
    MUT_MEMBERS(5, a, b, c, d, e)
    MUT_MEMBERS(6, a, b, c, d, e, f)
    MUT_MEMBERS(7, a, b, c, d, e, f, g)
    MUT_MEMBERS(8, a, b, c, d, e, f, g, h)
    MUT_MEMBERS(9, a, b, c, d, e, f, g, h, i)
    MUT_MEMBERS(10, a, b, c, d, e, f, g, h, i, j)
    MUT_MEMBERS(11, a, b, c, d, e, f, g, h, i, j, k)
    MUT_MEMBERS(12, a, b, c, d, e, f, g, h, i, j, k, l)
    MUT_MEMBERS(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
    MUT_MEMBERS(14, a, b, c, d, e, f, g, h, i, j, k, l, m, o)
    MUT_MEMBERS(15, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p)
    MUT_MEMBERS(16, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q)
    MUT_MEMBERS(17, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r)
    MUT_MEMBERS(18, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s)
    MUT_MEMBERS(19, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t)
    MUT_MEMBERS(20, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u)
    MUT_MEMBERS(21, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, v)
    MUT_MEMBERS(22, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, v, w)
    MUT_MEMBERS(23, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, v, w, x)
    MUT_MEMBERS(24, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, r, s, t, u, v, w, x, y)
#undef MUT_MEMBERS
  }

  template <class I>
  static consteval std::size_t arity() {
    return arity_from<I>();
  }

 private:
  struct Anything {
    template <class T>
    constexpr operator T() const;  // NOLINT
  };
  template <class I, class... Given>
  static consteval std::size_t arity_from() {
    if constexpr (requires { I{Given{}..., Anything{}}; })
      return arity_from<I, Given..., Anything>();
    else
      return sizeof...(Given);
  }
  template <class See, class... M>
  static constexpr void walk(See& see, M&... members) {
    (see(members), ...);
  }
};

template <class I>
inline constexpr auto methods_of = [] {
  std::array<MethodInfo, MethodAccess::arity<I>()> methods{};
  std::size_t next = 0;
  I interface{};
  MethodAccess::each(interface, [&]<class M>(M&) { methods[next++] = M::kInfo; });
  return methods;
}();

/// An interface as data.
template <class I>
inline constexpr InterfaceInfo interface_of{I::kType, methods_of<I>};

}  // namespace mutirao::middleware
