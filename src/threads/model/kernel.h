#pragma once

/// The system as the model sees it, put in place of the real calls by the linker (see
/// CMakeLists.txt): an epoll set that can only be called through its eventfd, maps that are used
/// again in each execution, and a clock that the scenario sets.
namespace mutirao::model {

/// A wait in the poller that has a limit ends at once when that has passed, and else only by a
/// call.
void set_time(long nanoseconds) noexcept;
/// At the start of each execution.
void reset_kernel();

}  // namespace mutirao::model
