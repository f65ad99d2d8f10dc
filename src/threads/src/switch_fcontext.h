#pragma once

#include <cstddef>

#include <boost/context/detail/fcontext.hpp>

#include "sanitizers.h"

namespace mutirao::threads::switch_fcontext {

struct saved_stack {
  void* context = nullptr;
  void (*first)() = nullptr;
};

/// The lowest of what lies on it: what is read first when it goes on.
inline void const* lowest(saved_stack const& saved) noexcept { return saved.context; }

/// What one side tells the other; lies on the stack that is being left.
struct transfer {
  saved_stack* from;
  saved_stack* to;
};

/// Notes where the side that came from can go on; and who it meant.
MUT_SWITCHES saved_stack& note_sender(boost::context::detail::transfer_t came) noexcept {
  auto const [from, to] = *static_cast<transfer*>(came.data);
  from->context = came.fctx;
  return *to;
}

MUT_SWITCHES_OUT_OF_LINE void begin(boost::context::detail::transfer_t came) {
  note_sender(came).first();
}

inline void prepare_stack(saved_stack& saved, std::byte* top, std::size_t size,
                          void (*first)()) noexcept {
  saved = {boost::context::detail::make_fcontext(top, size, begin), first};
}

MUT_SWITCHES void switch_stack(saved_stack& from, saved_stack& to) noexcept {
  transfer going{&from, &to};
  note_sender(boost::context::detail::jump_fcontext(to.context, &going));
}

}  // namespace mutirao::threads::switch_fcontext
