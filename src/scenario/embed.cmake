# Writes a .cc that holds the scenarios of a folder: cmake -DOUT=... -DDIR=... -P embed.cmake
file(GLOB files "${DIR}/*.toml")
list(SORT files)
set(entries "")
foreach(path ${files})
  get_filename_component(name "${path}" NAME_WE)
  string(MAKE_C_IDENTIFIER "${name}" variable)
  file(READ "${path}" hex HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char kText_${variable}[] = {${bytes}};\n")
  string(APPEND entries "    ShippedScenario{\"${name}\", {kText_${variable}, sizeof kText_${variable}}},\n")
endforeach()
file(WRITE "${OUT}" "// Made from scenarios/ by embed.cmake.
#include \"mutirao/scenario/scenario.h\"

namespace mutirao::scenario {
namespace {
${arrays}
constexpr std::array kShipped{
${entries}};
}  // namespace

std::span<ShippedScenario const> shipped_scenarios() noexcept { return kShipped; }

}  // namespace mutirao::scenario
")
