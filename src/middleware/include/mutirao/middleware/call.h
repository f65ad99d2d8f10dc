#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/failure.h"
#include "mutirao/middleware/message_bytes.h"
#include "mutirao/middleware/shape.h"
#include "mutirao/wire/msgpack.h"

namespace mutirao::middleware {

class ByteSource;
class Call;
class LiveChain;
class Reply;

/// One method of an interface, as data. Static; one for each method of a program's interfaces.
struct MethodInfo {
  std::string_view name;
  std::span<Shape const* const> parameters{};
  Shape const* result = nullptr;  ///< of a method that yields: of each item
  bool yields = false;            ///< many values, one after the other
  bool idempotent = false;        ///< calling it twice does what calling it once does
  bool reads = false;             ///< it changes nothing
  bool commutative = false;       ///< calls of several clients may reach replicas in any order
  Duration cacheable{};           ///< how long an answer is good for the same arguments; 0: never
};

/// What an object can do, as data.
struct InterfaceInfo {
  std::string_view name;
  std::span<MethodInfo const> methods;

  [[nodiscard]] MethodInfo const* find(std::string_view method) const noexcept {
    for (auto const& each : methods)
      if (each.name == method) return &each;
    return nullptr;
  }
};

/// Which call of which request this is, through all nodes that take part (W3C Trace Context). All
/// zero: not traced.
struct TraceContext {
  std::array<std::uint8_t, 16> trace{};
  std::uint64_t span = 0;  ///< of the caller
  bool sampled = false;

  [[nodiscard]] bool present() const noexcept { return span != 0; }
};

/// Says that two calls are one: a server that has answered this key answers the same again. All
/// zero: none.
struct IdempotencyKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  [[nodiscard]] bool present() const noexcept { return (high | low) != 0; }
  friend auto operator<=>(IdempotencyKey, IdempotencyKey) = default;
};

/// Takes calls where they are to go: to an object of this node, over a connection, to replicas.
class Route {
 public:
  virtual ~Route() = default;
  [[nodiscard]] virtual Reply send(Call& call) = 0;
  /// For people: "here", "10.0.0.3:6881".
  [[nodiscard]] virtual std::string where() const = 0;
};

/// An object, wherever it is: what a reference refers to.
struct Target {
  std::string object;                  ///< its name on its node
  std::string type{};                  ///< of its interface
  std::uint64_t epoch = 0;             ///< of the object's state; 0: any
  std::string capability{};            ///< what allows to call it; empty: nothing is needed
  std::shared_ptr<LiveChain> chain{};  ///< what calls pass before they go their way
  std::shared_ptr<Route> route{};
  /// Other places where the same object is. A call goes to one of them when the first can't serve
  /// it, or, when the object is replicated, to all.
  std::vector<std::shared_ptr<Route>> replicas{};
  bool replicated = false;
};

/// Takes the items that a streaming call yields, each an encoded value. May park: that is what
/// holds a fast servant back.
class ItemSink {
 public:
  virtual ~ItemSink() = default;
  [[nodiscard]] virtual Outcome<void> put(ByteView item) = 0;
};

/// The arguments of a call: typed while it stays inside one program, encoded when it came over the
/// wire or somebody asks for that.
class Arguments {
 public:
  Arguments() = default;
  /// `encoded` is the array of them; it outlives this.
  explicit Arguments(ByteView encoded) noexcept : encoded_{encoded} {}
  /// `tuple` of references, which outlives this.
  template <class Tuple>
  static Arguments of(Tuple const& tuple) noexcept {
    Arguments arguments;
    arguments.tuple_ = &tuple;
    arguments.write_ = [](wire::MsgpackWriter& out, void const* erased) {
      auto const& values = *static_cast<Tuple const*>(erased);
      out.array(std::tuple_size_v<Tuple>);
      std::apply([&](auto const&... each) { (middleware::write(out, each), ...); }, values);
    };
    arguments.hint_ = [](void const* erased) noexcept {
      return std::apply(
          [](auto const&... each) { return (std::size_t{8} + ... + middleware::size_hint(each)); },
          *static_cast<Tuple const*>(erased));
    };
    return arguments;
  }

  [[nodiscard]] bool typed() const noexcept { return tuple_ != nullptr; }
  [[nodiscard]] void const* tuple() const noexcept { return tuple_; }
  /// Unless typed().
  [[nodiscard]] ByteView encoded() const noexcept { return encoded_; }
  [[nodiscard]] std::size_t size_hint() const noexcept {
    return tuple_ != nullptr ? hint_(tuple_) : encoded_.size();
  }
  void write(wire::MsgpackWriter& out) const {
    if (tuple_ != nullptr)
      write_(out, tuple_);
    else
      out.raw(encoded_);
  }

 private:
  void const* tuple_ = nullptr;
  void (*write_)(wire::MsgpackWriter&, void const*) = nullptr;
  std::size_t (*hint_)(void const*) noexcept = nullptr;
  ByteView encoded_;
};

/// What became of a call: a value, encoded or in the place that the caller gave, or a failure. It
/// lies in its Call; a Reply is the way to it.
struct Answer {
  mutable ByteView body;
  mutable std::shared_ptr<void const> owner;  // of what `body` points to, unless the call
  mutable wire::MsgpackWriter const* gathered = nullptr;  // the encoding, when it is in parts
  std::optional<Failure> failure;
  bool encoded = false;  // else the value, if there is one, is in Call::typed_result

  void join() const;
};

/// Says that a call has been answered, and gives the answer. A handle of one word, which an
/// interceptor that only passes calls on hands through by a jump; good while the call is, and until
/// the call is answered anew.
class [[nodiscard]] Reply {
 public:
  [[nodiscard]] bool failed() const noexcept { return answer_->failure.has_value(); }
  [[nodiscard]] Failure& failure() const noexcept { return *answer_->failure; }
  /// Otherwise the value is in Call::typed_result.
  [[nodiscard]] bool encoded() const noexcept { return answer_->encoded; }
  /// The value in one piece.
  [[nodiscard]] ByteView body() const {
    if (answer_->gathered != nullptr) answer_->join();
    return answer_->body;
  }
  /// The encoding in parts, when it is that.
  [[nodiscard]] wire::MsgpackWriter const* gathered() const noexcept { return answer_->gathered; }
  [[nodiscard]] std::shared_ptr<void const> const& owner() const noexcept { return answer_->owner; }
  /// Makes the value outlive the call; returns what it lives in.
  std::shared_ptr<void const> const& keep() const;

 private:
  friend class Call;
  explicit Reply(Answer& answer) noexcept : answer_{&answer} {}
  Answer* answer_;
};

/// One call under way, as request-level interceptors see it. They may change what is not const.
class Call {
 public:
  Call(Target const& to, std::string_view method, MethodInfo const* info,
       Arguments arguments) noexcept
      : target{&to}, method_name{method}, method{info}, arguments{arguments} {}
  Call(Call const&) = delete;
  Call& operator=(Call const&) = delete;

  Target const* target;
  std::string_view method_name;
  MethodInfo const* method;  ///< absent when this side does not know the interface
  Arguments arguments;

  Deadline deadline = Deadline::never();
  bool endless = false;  ///< the caller asked for no deadline
  TraceContext trace;
  IdempotencyKey key;
  /// What it brings along, and does not lie in its message; absent: nothing. Some of it may have
  /// been taken when a call has failed.
  ByteSource* attachment = nullptr;
  /// What interceptors of both sides tell each other; names in lower case.
  std::vector<std::pair<std::string, std::string>> fields;

  // On the side of the server:
  bool incoming = false;      ///< it came over the wire
  Duration waited{};          ///< in line, before anybody looked at it
  std::string_view caller{};  ///< who calls, as the connection knows it
  ByteView message{};         ///< all of it, as it came: arguments may be views into it

  // Where the answer goes. A caller in this program that knows the type gives a place for it, and
  // whoever executes the call may use that instead of encoding.
  void* typed_result = nullptr;  ///< std::optional<R>*
  ItemSink* items = nullptr;     ///< of a method that yields
  MessageBytes received;         ///< an answer that came over the wire
  wire::MsgpackWriter* scratch =
      nullptr;  ///< where an answer may be encoded; good while the call is

  // The ways to answer it.
  /// With what lies in typed_result.
  Reply done() noexcept {
    answer_ = {};
    return Reply{answer_};
  }
  /// With one encoded value, which lives as long as the call, or as long as `owner`.
  Reply answer(ByteView body, std::shared_ptr<void const> owner = nullptr) noexcept {
    answer_ = {.body = body, .owner = std::move(owner), .failure = std::nullopt, .encoded = true};
    return Reply{answer_};
  }
  /// With what was written, of which parts may be referred to: those live as long as the call, or
  /// as long as `owner`.
  Reply answer(wire::MsgpackWriter const& written, std::shared_ptr<void const> owner = nullptr) {
    answer_ = {.body = written.written(),
               .owner = std::move(owner),
               .gathered = written.references().empty() ? nullptr : &written,
               .failure = std::nullopt,
               .encoded = true};
    return Reply{answer_};
  }
  Reply fail(Failure failure) {
    answer_ = {.body = {}, .owner = nullptr, .failure = std::move(failure)};
    return Reply{answer_};
  }
  /// With the answer to another call, which it takes.
  Reply take(Reply other) {
    if (!other.failed() && other.encoded()) other.keep();
    answer_ = std::move(*other.answer_);
    return Reply{answer_};
  }

  [[nodiscard]] std::string_view field(std::string_view name) const noexcept {
    for (auto const& [key_of, value] : fields)
      if (key_of == name) return value;
    return {};
  }
  void set_field(std::string_view name, std::string value) {
    for (auto& [key_of, old] : fields) {
      if (key_of != name) continue;
      old = std::move(value);
      return;
    }
    fields.emplace_back(name, std::move(value));
  }

 private:
  Answer answer_;
};

}  // namespace mutirao::middleware
