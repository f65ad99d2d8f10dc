#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/entropy.h"

namespace mutirao::middleware {

/// The order in which messages are worked on, on their way out; in comes the reverse. What is
/// encrypted does not compress, so that is first; then a message is cut into frames, which go out
/// as fast as they may.
enum class MessageStage : std::uint8_t { compress, encrypt, observe, shape };
inline constexpr std::size_t kMessageStages = 4;
[[nodiscard]] std::string_view to_string(MessageStage stage) noexcept;

/// By so much all interceptors together may make a message longer. The longest that a call or
/// answer may have passes with that on top.
inline constexpr std::size_t kGrowthBytesMax = 64;

/// A concern of messages: it sees bytes and knows nothing of objects. Any number of threads.
class MessageInterceptor {
 public:
  virtual ~MessageInterceptor() = default;
  /// Of what it makes of messages: both sides have to have it. Empty: it changes nothing.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual MessageStage stage() const noexcept = 0;
  /// Messages of that size and above are offered to it.
  [[nodiscard]] virtual std::size_t bytes_min() const noexcept { return 0; }
  /// No message may go without it: a peer that does not have it is not spoken to.
  [[nodiscard]] virtual bool required() const noexcept { return false; }

  /// What goes out instead, at most kGrowthBytesMax longer; nothing: the message as it is.
  [[nodiscard]] virtual std::optional<Bytes> outgoing(ByteView /*message*/) { return std::nullopt; }
  /// What was sent; a failure ends the connection.
  [[nodiscard]] virtual Result<Bytes> incoming(ByteView message);
  /// How long a write of so many bytes has to wait.
  [[nodiscard]] virtual Duration hold(std::size_t /*bytes*/, TimePoint /*now*/) { return {}; }
  /// What it has counted, by name, for people.
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> figures() const { return {}; }
};

/// Makes messages small (Zstandard, RFC 8878), where that is worth it. What comes in may not become
/// longer than a message may be.
class Compress final : public MessageInterceptor {
 public:
  explicit Compress(int level = 1, std::size_t bytes_min = 512) noexcept
      : level_{level}, bytes_min_{bytes_min} {}
  [[nodiscard]] std::string_view name() const noexcept override { return "zstd"; }
  [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::compress; }
  [[nodiscard]] std::size_t bytes_min() const noexcept override { return bytes_min_; }
  [[nodiscard]] std::optional<Bytes> outgoing(ByteView message) override;
  [[nodiscard]] Result<Bytes> incoming(ByteView message) override;

 private:
  int level_;
  std::size_t bytes_min_;
};

/// Seals each message with a key that both sides were given (ChaCha20-Poly1305, RFC 8439), where
/// the connection itself does not: whoever has not the key can neither read nor alter a call.
///
/// A nonce is a number that is never used again with the key: 32 random bits of this object and a
/// count of 64 bits that begins anywhere. A message that is played again is not noticed; TLS is for
/// that.
class Seal final : public MessageInterceptor {
 public:
  using Key = std::array<std::uint8_t, 32>;
  Seal(Key const& key, world::Entropy& entropy);
  ~Seal() override;
  [[nodiscard]] std::string_view name() const noexcept override { return "chacha20-poly1305"; }
  [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::encrypt; }
  [[nodiscard]] bool required() const noexcept override { return true; }
  [[nodiscard]] std::optional<Bytes> outgoing(ByteView message) override;
  [[nodiscard]] Result<Bytes> incoming(ByteView message) override;

 private:
  Key key_;
  std::uint32_t const prefix_;
  std::atomic<std::uint64_t> count_;
};

/// At most so many bytes a second go out, with bursts.
class PaceMessages final : public MessageInterceptor {
 public:
  PaceMessages(double bytes_per_s, double burst) noexcept : rate_{bytes_per_s}, burst_{burst} {}
  [[nodiscard]] std::string_view name() const noexcept override { return ""; }
  [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::shape; }
  [[nodiscard]] Duration hold(std::size_t bytes, TimePoint now) override;

 private:
  double rate_;
  double burst_;
  threads::mutex mutex_;
  double tokens_ = 0;
  std::optional<TimePoint> filled_;
};

/// Counts what goes out.
class CountMessages final : public MessageInterceptor {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return ""; }
  [[nodiscard]] MessageStage stage() const noexcept override { return MessageStage::observe; }
  [[nodiscard]] Duration hold(std::size_t bytes, TimePoint now) override;
  [[nodiscard]] std::map<std::string, std::uint64_t> figures() const override {
    return {{"bytes", bytes()}, {"writes", writes()}};
  }
  [[nodiscard]] std::uint64_t writes() const noexcept { return writes_.load(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_.load(); }

 private:
  std::atomic<std::uint64_t> writes_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

/// The message-level interceptors of a node, the same for all of its connections.
///
/// Each message says what was done to it, and a node can undo what its last interceptor of each
/// stage does; so they are changed while messages pass, with no need to agree on the moment. What
/// the other side can undo it tells when a connection begins. Compression can always be undone.
class MessageChain {
 public:
  using Interceptors = std::vector<std::shared_ptr<MessageInterceptor>>;

  MessageChain();
  /// The order in which messages pass them. Refuses two of one stage that change messages.
  [[nodiscard]] static Result<Interceptors> ordered(Interceptors interceptors);
  /// What messages pass from now on, as ordered() has it.
  Result<void> set(Interceptors interceptors);

  /// The same without encryption, for connections that nobody else can read or write: Unix sockets,
  /// and TLS with somebody who is known. So who manages a node by its socket needs no key, and a
  /// key that was given by mistake can be taken away again.
  [[nodiscard]] std::shared_ptr<MessageChain> const& where_private() const noexcept {
    return where_private_;
  }

  /// By name, what this node can undo.
  [[nodiscard]] std::vector<std::string> readable() const;
  [[nodiscard]] std::optional<std::string> required() const;

  /// Whether a message of that size would be offered to anybody: one load.
  [[nodiscard]] bool wants(std::size_t bytes) const noexcept {
    return bytes >= bytes_min_.load(std::memory_order_relaxed);
  }
  /// A message with a first byte that says what was done to it; nothing, when that is nothing.
  [[nodiscard]] std::optional<Bytes> outgoing(ByteView message,
                                              std::vector<std::string> const& theirs) const;
  [[nodiscard]] Result<Bytes> incoming(ByteView message) const;
  [[nodiscard]] Duration hold(std::size_t bytes, TimePoint now) const;

 private:
  explicit MessageChain(std::shared_ptr<MessageChain> where_private);
  [[nodiscard]] Interceptors in_force() const;

  std::shared_ptr<MessageChain> const where_private_;  // its own is null
  mutable threads::mutex mutex_;
  Interceptors in_force_;
  std::array<std::shared_ptr<MessageInterceptor>, 2>
      readers_;  // of the stages that change messages
  std::atomic<std::size_t> bytes_min_{SIZE_MAX};
  std::atomic<bool> holds_{false};
};

}  // namespace mutirao::middleware
