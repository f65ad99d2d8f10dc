#pragma once

#include <initializer_list>
#include <memory>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

namespace mutirao::threads {

/// Signals as something that a thread waits for. Blocks them for the process while it lives; make
/// it before the runtime starts its LWPs so that all of them inherit the mask.
class signal_set {
 public:
  explicit signal_set(std::initializer_list<int> numbers);
  ~signal_set();
  signal_set(signal_set const&) = delete;
  signal_set& operator=(signal_set const&) = delete;

  /// The number of the next signal that arrives.
  Result<int> wait(Deadline deadline = Deadline::never());

  struct state;

 private:
  std::unique_ptr<state> state_;
};

}  // namespace mutirao::threads
