#include "report.h"

#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "mutirao/node/json.h"

#include "text.h"

namespace mutirao::cli {
namespace {

constexpr std::array<std::pair<int, std::string_view>, 11> kExitCodes{{
    {kDone, "Done"},
    {kFailed, "Failed"},
    {kUsage, "The command line makes no sense"},
    {kNotFound, "What was named does not exist"},
    {kUnreachable, "No node, or no way to another machine"},
    {kRefused, "Refused by the other side, the system or a rule"},
    {kCorrupt, "The data is not what it should be"},
    {kPartial, "Some of it succeeded"},
    {kTryAgain, "Not now: it took too long, or something ran out; try again"},
    {kViolated, "The monitor of a machine did what it must not, and was ended"},
    {kInterrupted, "Interrupted"},
}};

}  // namespace

std::span<std::pair<int, std::string_view> const> exit_codes() noexcept { return kExitCodes; }

int exit_code_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::not_found:
      return kNotFound;
    case Fault::unreachable:
    case Fault::closed:
      return kUnreachable;
    case Fault::refused:
      return kRefused;
    case Fault::corrupt:
      return kCorrupt;
    case Fault::invalid:
      return kUsage;
    case Fault::timed_out:
    case Fault::exhausted:
      return kTryAgain;
    case Fault::cancelled:
      return kInterrupted;
    case Fault::unsupported:
    case Fault::io:
      break;
  }
  return kFailed;
}

int report(Error const& error, bool json) {
  fmt::print(stderr, "error: {}\n", printable(error.what));
  if (!error.mend.empty()) fmt::print(stderr, "try: {}\n", printable(error.mend));
  if (json) fmt::print("{}\n", node::to_json(error));
  return exit_code_of(error.fault);
}

}  // namespace mutirao::cli
