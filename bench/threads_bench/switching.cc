// The switch of stacks alone, without a scheduler, beside that of Boost.Context.
#include <memory>

#include "float_control.h"
#include "measure.h"
#include "switch_fcontext.h"
#include "switch_x86_64.h"

namespace bench {

namespace {
namespace threads = mutirao::threads;
namespace own = mutirao::threads::switch_x86_64;
using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr long kSwitches = 20'000'000;
constexpr std::size_t kStackSize = 64u << 10;

own::saved_stack lwp_side;
own::saved_stack thread_side;

/// The thread's side of context.h: it reads the floating point control, which Boost's does too.
void bounce() {
  auto const usual = threads::read_float_control();
  for (;;) {
    if (threads::read_float_control() != usual) threads::load_float_control(usual);
    own::switch_stack(thread_side, lwp_side);
  }
}

double ours_switch() {
  auto const memory = std::make_unique<std::byte[]>(kStackSize);
  own::prepare_stack(thread_side, memory.get() + kStackSize, kStackSize, bounce);
  auto const usual = threads::read_float_control();
  return ns_each(kSwitches, [&] {
    for (long i = 0; i < kSwitches; i += 2) {
      auto volatile thread_has = usual;
      if (thread_has != usual) threads::load_float_control(usual);
      own::switch_stack(lwp_side, thread_side);
    }
  });
}

void boost_bounce(transfer_t from) {
  for (;;) from = jump_fcontext(from.fctx, nullptr);
}

double boost_switch() {
  auto const memory = std::make_unique<std::byte[]>(kStackSize);
  transfer_t thread{make_fcontext(memory.get() + kStackSize, kStackSize, boost_bounce), nullptr};
  return ns_each(kSwitches, [&] {
    for (long i = 0; i < kSwitches; i += 2) thread = jump_fcontext(thread.fctx, nullptr);
  });
}

Contribution const switching_rows{[] {
  return std::vector<Row>{
      {.name = "raw switch",
       .peer = "Boost.Context",
       .unit = "ns",
       .ours = ours_switch,
       .theirs = boost_switch,
       .gate = 1.0,
       .aim = 0.5},
  };
}};
}  // namespace

}  // namespace bench
