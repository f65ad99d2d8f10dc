#include "machine/monitor_report.h"

#include <charconv>

#include <fmt/format.h>

#include "mutirao/node/json.h"
#include "mutirao/world/jail.h"

#include "machine/machine_client.h"

namespace mutirao::cli {

Result<MachineEnd> end_told(std::string_view told, int code) {
  while (told.ends_with('\n')) told.remove_suffix(1);
  auto const line = told.substr(told.rfind('\n') + 1);
  if (line.starts_with("{\"error\"")) return std::unexpected{node::error_from_json(line)};
  if (line.starts_with('{'))
    if (auto end = record_from_json<MachineEnd>(line)) return end;
  MachineEnd end{.ended = "killed", .code = static_cast<std::uint32_t>(code)};
  int number = 0;
  auto const* const last = line.data() + line.size();
  auto const parsed = std::from_chars(line.data(), last, number);
  if (code == world::jail::kViolated && parsed.ec == std::errc{} && parsed.ptr == last) {
    end.ended = "violated";
    end.what = fmt::format("the monitor did what it must not: system call {} ({})",
                           world::jail::name_of_call(number), number);
  } else if (code > 128) {
    end.what = fmt::format("the monitor was ended by signal {}", code - 128);
  } else {
    end.what = fmt::format("the monitor ended with {}", code);
  }
  return end;
}

}  // namespace mutirao::cli
