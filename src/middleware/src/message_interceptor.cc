#include "mutirao/middleware/message_interceptor.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <zstd.h>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "mutirao/base/check.h"

#include "connection/protocol.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
static_assert(1 + kNonceBytes + kTagBytes <= kGrowthBytesMax);
constexpr char kSameOnBothSides[] = "give both nodes the same message-level interceptors";

std::uint8_t bit_of(MessageStage stage) noexcept {
  return static_cast<std::uint8_t>(1u << std::to_underlying(stage));
}

bool changes(MessageInterceptor const& one) noexcept { return !one.name().empty(); }

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;
}  // namespace

std::string_view to_string(MessageStage stage) noexcept {
  switch (stage) {
    case MessageStage::compress:
      return "compress";
    case MessageStage::encrypt:
      return "encrypt";
    case MessageStage::observe:
      return "observe";
    case MessageStage::shape:
      return "shape";
  }
  return "observe";
}

Result<Bytes> MessageInterceptor::incoming(ByteView message) {
  return Bytes{message.begin(), message.end()};
}

// ---- compression

std::optional<Bytes> Compress::outgoing(ByteView message) {
  Bytes small(ZSTD_compressBound(message.size()));
  auto const size =
      ZSTD_compress(small.data(), small.size(), message.data(), message.size(), level_);
  // A tenth less is what the other side's work is worth.
  if (ZSTD_isError(size) != 0 || size > message.size() - message.size() / 10) return std::nullopt;
  small.resize(size);
  return small;
}

Result<Bytes> Compress::incoming(ByteView message) {
  auto const size = ZSTD_getFrameContentSize(message.data(), message.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
    return fail(Fault::corrupt, "a compressed message does not say how long it is");
  if (size > kMessageBytesMax)
    return fail(Fault::exhausted, fmt::format("a message of {} bytes is too long", size));
  Bytes whole(size);
  auto const got = ZSTD_decompress(whole.data(), whole.size(), message.data(), message.size());
  if (ZSTD_isError(got) != 0 || got != size)
    return fail(Fault::corrupt, "a compressed message does not say what it should");
  return whole;
}

// ---- encryption

Seal::Seal(Key const& key, world::Entropy& entropy)
    : key_{key}, prefix_{static_cast<std::uint32_t>(entropy.next())}, count_{entropy.next()} {}
Seal::~Seal() { OPENSSL_cleanse(key_.data(), key_.size()); }

std::optional<Bytes> Seal::outgoing(ByteView message) {
  Bytes sealed(kNonceBytes + message.size() + kTagBytes);
  auto const count = count_.fetch_add(1, std::memory_order_relaxed);
  base::store_be<std::uint32_t>(sealed, prefix_);
  base::store_be<std::uint64_t>(MutableBytes{sealed}.subspan(4), count);
  Cipher const cipher{EVP_CIPHER_CTX_new()};
  int written = 0;
  int rest = 0;
  auto* const body = sealed.data() + kNonceBytes;
  bool const well = cipher != nullptr &&
                    EVP_EncryptInit_ex(cipher.get(), EVP_chacha20_poly1305(), nullptr, key_.data(),
                                       sealed.data()) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), body, &written, message.data(),
                                      static_cast<int>(message.size())) == 1 &&
                    EVP_EncryptFinal_ex(cipher.get(), body + written, &rest) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                                        body + message.size()) == 1;
  MUT_ASSERT(well);
  return sealed;
}

Result<Bytes> Seal::incoming(ByteView message) {
  if (message.size() < kNonceBytes + kTagBytes)
    return fail(Fault::corrupt, "a sealed message is too short");
  auto const body = message.subspan(kNonceBytes, message.size() - kNonceBytes - kTagBytes);
  auto tag = message.last(kTagBytes);
  Bytes open(body.size());
  Cipher const cipher{EVP_CIPHER_CTX_new()};
  int written = 0;
  int rest = 0;
  bool const well = cipher != nullptr &&
                    EVP_DecryptInit_ex(cipher.get(), EVP_chacha20_poly1305(), nullptr, key_.data(),
                                       message.data()) == 1 &&
                    EVP_DecryptUpdate(cipher.get(), open.data(), &written, body.data(),
                                      static_cast<int>(body.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes,
                                        const_cast<std::uint8_t*>(tag.data())) == 1 &&
                    EVP_DecryptFinal_ex(cipher.get(), open.data() + written, &rest) == 1;
  if (!well)
    return fail(Fault::corrupt, "a sealed message was altered, or sealed with another key",
                "give both nodes the same key");
  return open;
}

// ---- pace and count

Duration PaceMessages::hold(std::size_t bytes, TimePoint now) {
  std::lock_guard const lock{mutex_};
  if (!filled_) tokens_ = burst_;
  auto const passed = filled_ ? std::chrono::duration<double>{now - *filled_}.count() : 0;
  filled_ = now;
  // May go below zero: who comes next waits for it.
  tokens_ = std::min(burst_, tokens_ + passed * rate_) - static_cast<double>(bytes);
  if (tokens_ >= 0) return {};
  return std::chrono::ceil<Duration>(std::chrono::duration<double>{-tokens_ / rate_});
}

Duration CountMessages::hold(std::size_t bytes, TimePoint /*now*/) {
  writes_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return {};
}

// ---- the chain

MessageChain::MessageChain()
    : MessageChain{std::shared_ptr<MessageChain>{new MessageChain{nullptr}}} {}

MessageChain::MessageChain(std::shared_ptr<MessageChain> where_private)
    : where_private_{std::move(where_private)} {
  readers_[0] = std::make_shared<Compress>();
}

Result<MessageChain::Interceptors> MessageChain::ordered(Interceptors interceptors) {
  std::ranges::stable_sort(interceptors, {}, [](auto const& each) { return each->stage(); });
  for (std::size_t i = 1; i < interceptors.size(); ++i) {
    auto const& one = *interceptors[i - 1];
    auto const& other = *interceptors[i];
    if (one.stage() == other.stage() && changes(one) && changes(other))
      return fail(Fault::invalid,
                  fmt::format("two interceptors {} messages: {} and {}", to_string(one.stage()),
                              one.name(), other.name()),
                  "take one of them away");
  }
  return interceptors;
}

Result<void> MessageChain::set(Interceptors interceptors) {
  interceptors = MUT_TRY(ordered(std::move(interceptors)));
  if (where_private_ != nullptr) {
    auto others = interceptors;
    std::erase_if(others, [](auto const& each) { return each->stage() == MessageStage::encrypt; });
    MUT_TRY(where_private_->set(std::move(others)));
  }
  std::lock_guard const lock{mutex_};
  std::size_t least = SIZE_MAX;
  bool holds = false;
  for (auto const& each : interceptors) {
    if (changes(*each)) {
      MUT_ASSERT(each->stage() <= MessageStage::encrypt);
      readers_[std::to_underlying(each->stage())] = each;
      least = std::min(least, each->bytes_min());
    } else {
      holds = true;
    }
  }
  in_force_ = std::move(interceptors);
  bytes_min_.store(least, std::memory_order_relaxed);
  holds_.store(holds, std::memory_order_relaxed);
  return {};
}

MessageChain::Interceptors MessageChain::in_force() const {
  std::lock_guard const lock{mutex_};
  return in_force_;
}

std::vector<std::string> MessageChain::readable() const {
  std::lock_guard const lock{mutex_};
  std::vector<std::string> names;
  for (auto const& each : readers_)
    if (each != nullptr) names.emplace_back(each->name());
  return names;
}

std::optional<std::string> MessageChain::required() const {
  for (auto const& each : in_force())
    if (each->required()) return std::string{each->name()};
  return std::nullopt;
}

std::optional<Bytes> MessageChain::outgoing(ByteView message,
                                            std::vector<std::string> const& theirs) const {
  auto const size = message.size();
  if (size > kMessageBytesMax) return std::nullopt;  // it is refused as it is
  std::uint8_t done = 0;
  Bytes now;
  for (auto const& each : in_force()) {
    if (!changes(*each) || message.size() < each->bytes_min() ||
        std::ranges::find(theirs, each->name()) == theirs.end())
      continue;
    auto changed = each->outgoing(message);
    if (!changed) continue;
    if (1 + changed->size() > size + kGrowthBytesMax) {
      MUT_ASSERT(!each->required());  // it may not go without, and nobody would take it so
      continue;
    }
    now = *std::move(changed);
    message = now;
    done |= bit_of(each->stage());
  }
  if (done == 0) return std::nullopt;
  now.insert(now.begin(), done);
  return now;
}

Result<Bytes> MessageChain::incoming(ByteView message) const {
  if (message.empty()) return fail(Fault::corrupt, "a message does not say what was done to it");
  auto const done = message[0];
  decltype(readers_) readers;
  {
    std::lock_guard const lock{mutex_};
    readers = readers_;
    for (auto const& each : in_force_)
      if (each->required() && (done & bit_of(each->stage())) == 0)
        return fail(Fault::refused, fmt::format("a message came without {}", each->name()),
                    kSameOnBothSides);
  }
  constexpr auto kKnown = static_cast<std::uint8_t>((1u << 2) - 1);
  if ((done & ~kKnown) != 0)
    return fail(Fault::unsupported, "something was done to a message that this node does not know");
  Bytes now{message.begin() + 1, message.end()};
  for (auto const stage : {MessageStage::encrypt, MessageStage::compress}) {
    if ((done & bit_of(stage)) == 0) continue;
    auto const& reader = readers[std::to_underlying(stage)];
    if (reader == nullptr)
      return fail(Fault::unsupported, "a message is encrypted, and this node has no key",
                  "give both nodes the same key");
    now = MUT_TRY(reader->incoming(now));
  }
  if (now.size() > kMessageBytesMax)
    return fail(Fault::exhausted, fmt::format("a message of {} bytes is too long", now.size()));
  return now;
}

Duration MessageChain::hold(std::size_t bytes, TimePoint now) const {
  if (!holds_.load(std::memory_order_relaxed)) return {};
  Duration longest{};
  for (auto const& each : in_force()) longest = std::max(longest, each->hold(bytes, now));
  return longest;
}

}  // namespace mutirao::middleware
