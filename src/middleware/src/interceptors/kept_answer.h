#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "mutirao/middleware/interceptor.h"

/// What the interceptors share that give one call's answer to others.
namespace mutirao::middleware {

/// What an answer is worth keeping of, so that it can be given to another call.
struct KeptAnswer {
  ByteView body;
  std::shared_ptr<void const> owner;
  std::optional<Failure> failure;

  static KeptAnswer of(Reply reply) {
    if (reply.failed()) return {.body = {}, .owner = nullptr, .failure = reply.failure()};
    auto owner = reply.keep();
    return {.body = reply.body(), .owner = std::move(owner), .failure = std::nullopt};
  }
  [[nodiscard]] Reply give(Call& call) const {
    return failure ? call.fail(*failure) : call.answer(body, owner);
  }
};

/// Somebody else needs the answer as well, so it has to be an encoded one.
[[nodiscard]] inline Reply encoded_answer(Call& call, Next next) {
  auto* const typed = std::exchange(call.typed_result, nullptr);
  auto const reply = next(call);
  call.typed_result = typed;
  return reply;
}

[[nodiscard]] inline Failure gave_up_waiting(Error error) {
  return Failure{std::move(error).during("waiting for the same call of another"),
                 Executed::maybe,
                 Retry::never,
                 {},
                 {}};
}

}  // namespace mutirao::middleware
