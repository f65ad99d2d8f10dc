#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include "mutirao/base/bytes.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/failure.h"

/// Bulk bytes that a call brings along: a file that is put, an image that is shared.
///
///   struct Store {
///     static constexpr std::string_view kType = "Store";
///     Method<"put", std::uint64_t(std::string, Attachment)> put;
///   };
///   store.put("debian.iso", Attachment{file});          // any ByteSource
///   store.put("note.txt", Attachment::of(bytes));       // what lies in memory
///
/// They never enter the message of the call: they go after it, piece by piece, from where the
/// caller has them to the socket, and only as far as the servant has asked for them. So they may be
/// longer than any message, and a call that is refused has cost nothing.
namespace mutirao::middleware {

/// Bytes that come one piece after the other. One thread at a time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// The next piece, good until the next one is asked for; empty: that was all. May park.
  [[nodiscard]] Outcome<ByteView> next() {
    begun_ = true;
    return take();
  }
  /// Whether the first piece is the next one again: what a second try of a call needs.
  [[nodiscard]] bool rewind() { return !begun_ || restart(); }

 private:
  virtual Outcome<ByteView> take() = 0;
  virtual bool restart() { return false; }
  bool begun_ = false;
};

/// The parameter that stands for them; a method has at most one. A servant takes them with next(),
/// during the call. A copy is the same source.
class Attachment {
 public:
  Attachment() = default;  ///< none
  explicit Attachment(std::shared_ptr<ByteSource> source) noexcept : source_{std::move(source)} {}
  /// `bytes` outlive the call.
  [[nodiscard]] static Attachment of(ByteView bytes) {
    return Attachment{std::make_shared<InMemory>(bytes)};
  }

  [[nodiscard]] Outcome<ByteView> next() const {
    if (source_ == nullptr)
      return std::unexpected{
          Failure{Error{Fault::invalid, "no bytes came with the call", "attach them"},
                  Executed::yes,
                  Retry::never,
                  {},
                  {}}};
    return source_->next();
  }
  [[nodiscard]] ByteSource* source() const noexcept { return source_.get(); }

 private:
  class InMemory final : public ByteSource {
   public:
    explicit InMemory(ByteView bytes) noexcept : all_{bytes}, left_{bytes} {}

   private:
    Outcome<ByteView> take() override { return std::exchange(left_, {}); }
    bool restart() override {
      left_ = all_;
      return true;
    }
    ByteView all_;
    ByteView left_;
  };

  std::shared_ptr<ByteSource> source_;
};

/// In the message there is a nil in their place.
template <>
struct Codec<Attachment> {
  static constexpr Shape shape{.kind = ShapeKind::attachment};
  static void write(wire::MsgpackWriter& out, Attachment const&) { out.nil(); }
  static Attachment read(Decoder& from) {
    from.in.skip();
    return {};
  }
};

namespace detail {
template <class... T>
inline constexpr std::size_t attachments_among =
    (std::size_t{0} + ... + std::is_same_v<std::remove_cvref_t<T>, Attachment>);

/// Of the arguments, the one that is not sent with them.
template <class... A>
[[nodiscard]] ByteSource* attachment_of(A const&... arguments) noexcept {
  ByteSource* found = nullptr;
  [[maybe_unused]] auto const look = [&]<class T>(T const& argument) {
    if constexpr (std::is_same_v<T, Attachment>) found = argument.source();
  };
  (look(arguments), ...);
  return found;
}

/// Puts what came beside the message into its place among the arguments.
template <class... T>
void attach(std::tuple<T...>& values, ByteSource* source) noexcept {
  if constexpr (attachments_among<T...> > 0) {
    if (source != nullptr)  // it belongs to whoever runs the call
      std::get<Attachment>(values) =
          Attachment{std::shared_ptr<ByteSource>{std::shared_ptr<void>{}, source}};
  }
}
}  // namespace detail

}  // namespace mutirao::middleware
