#include "mutirao/middleware/json_values.h"
#include "mutirao/node/objects.h"
#include "mutirao/threads/this_thread.h"

#include "commands.h"
#include "report.h"
#include "text.h"

namespace mutirao::cli {
namespace {

constexpr Duration kConfigAnswer = 15s;

std::string config_table(std::vector<node::ConfigEntry> const& entries) {
  std::vector<std::vector<std::string>> rows{{"KEY", "VALUE", "FROM", "WHAT IT IS"}};
  for (auto const& each : entries)
    rows.push_back(
        {printable(each.key), printable(each.value), printable(each.from), printable(each.about)});
  return table(rows);
}

}  // namespace

int command_config(Context const& context) {
  return with_world([&](world::World& world) {
    auto const entries =
        node::ControlClient{world, context.place.control()}.config(threads::within(kConfigAnswer));
    if (!entries) return report(entries.error(), context.options.json);
    if (context.options.json)
      fmt::print("{{\"config\":{}}}\n", middleware::json_of(*entries));
    else
      fmt::print("{}", config_table(*entries));
    return static_cast<int>(kDone);
  });
}

}  // namespace mutirao::cli
