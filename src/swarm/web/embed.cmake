# Writes a .cc that holds the files of this folder: cmake -DOUT=... -DDIR=... -P embed.cmake
set(types "site.css=text/css\\; charset=utf-8" "live.js=text/javascript\\; charset=utf-8" "icon.svg=image/svg+xml")
set(arrays "")
set(entries "")
set(count 0)
foreach(entry ${types})
  string(REGEX MATCH "^([^=]*)=(.*)$" _ "${entry}")
  set(name "${CMAKE_MATCH_1}")
  string(REPLACE "\\;" ";" type "${CMAKE_MATCH_2}")
  file(READ "${DIR}/${name}" hex HEX)
  file(SHA256 "${DIR}/${name}" version)
  string(SUBSTRING "${version}" 0 12 version)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char kAsset${count}[] = {${bytes}};\n")
  string(APPEND entries "    SiteAsset{\"${name}\", \"${type}\", {kAsset${count}, sizeof kAsset${count}}, \"${version}\"},\n")
  math(EXPR count "${count} + 1")
endforeach()
file(WRITE "${OUT}" "// Made from src/swarm/web by embed.cmake.
#include \"site/site_assets.h\"

#include <array>

namespace mutirao::swarm {
namespace {
${arrays}
constexpr std::array kAssets{
${entries}};
}  // namespace

std::span<SiteAsset const> site_assets() noexcept { return kAssets; }

}  // namespace mutirao::swarm
")
