#pragma once

#include <cstddef>

/// What the address and the thread sanitizer want to know about stacks that the compiler did not
/// make; nothing at all in ordinary builds.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define MUT_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define MUT_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define MUT_THREAD_SANITIZER 1
#endif

// Functions around a switch of stacks are in line, so that few return after it. The thread
// sanitizer keeps a shadow call stack for each context, on which they must not appear: a thread
// that ends never returns from them, and its context is used again. A function that it does not
// instrument can't be in line in one that it does.
#define MUT_SWITCHES_OUT_OF_LINE [[gnu::noinline]] __attribute__((no_sanitize("thread"))) inline
#if defined(MUT_THREAD_SANITIZER)
#define MUT_SWITCHES MUT_SWITCHES_OUT_OF_LINE
#else
#define MUT_SWITCHES [[gnu::always_inline]] inline
#endif

namespace mutirao::threads {

#if defined(MUT_ADDRESS_SANITIZER) || defined(MUT_THREAD_SANITIZER)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// The thread sanitizer dies at 8,128 live contexts, so they are reused with their stacks.
inline void* make_fiber() noexcept {
#if defined(MUT_THREAD_SANITIZER)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}
inline void* current_fiber() noexcept {
#if defined(MUT_THREAD_SANITIZER)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}
inline void destroy_fiber([[maybe_unused]] void* fiber) noexcept {
#if defined(MUT_THREAD_SANITIZER)
  if (fiber != nullptr) __tsan_destroy_fiber(fiber);
#endif
}

/// A reused stack still has the red zones of frames that never returned.
inline void forget_poison([[maybe_unused]] void* low, [[maybe_unused]] std::size_t size) noexcept {
#if defined(MUT_ADDRESS_SANITIZER)
  __asan_unpoison_memory_region(low, size);
#endif
}

}  // namespace mutirao::threads
