#pragma once

#include <cstdint>

#include "mutirao/threads/mutex.h"
#include "mutirao/threads/shared_mutex.h"

namespace mutirao::threads {

/// What diagnostics see of a mutex, or of the writer of a shared one.
struct mutex_access {
  /// An address on the stack of whoever holds it.
  [[nodiscard]] static std::uintptr_t holder(mutex const& subject) noexcept {
    return reinterpret_cast<std::uintptr_t>(subject.holder_.load(std::memory_order_relaxed));
  }
  [[nodiscard]] static std::uintptr_t holder(shared_mutex const& subject) noexcept {
    return reinterpret_cast<std::uintptr_t>(subject.holder_.load(std::memory_order_relaxed));
  }
};

}  // namespace mutirao::threads
