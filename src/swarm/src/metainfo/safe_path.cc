#include "mutirao/swarm/safe_path.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"

namespace mutirao::swarm {
namespace {

constexpr std::size_t kNameBytesMax = 255;   // NAME_MAX of the file systems in use
constexpr std::size_t kPathBytesMax = 4096;  // PATH_MAX
constexpr std::size_t kFoldersMax = 64;

std::unexpected<Error> refuse(std::string_view component, std::string_view why) {
  return fail(Fault::invalid, fmt::format("the name {} {}", base::quoted(component), why));
}

Result<void> check_component(std::string_view component) {
  if (component.empty()) return refuse(component, "is empty");
  if (component == "." || component == "..") return refuse(component, "would leave its folder");
  if (component.size() > kNameBytesMax)
    return refuse(component, fmt::format("has {} bytes; names have at most {}", component.size(),
                                         kNameBytesMax));
  base::Utf8Reader reader{component};
  while (!reader.at_end()) {
    std::size_t const position = reader.position();
    auto const c = reader.next();
    if (!c) return refuse(component, fmt::format("is not UTF-8 at byte {}", position));
    if (*c == '/' || *c == '\\')
      return refuse(component, fmt::format("has a separator at byte {}", position));
    if (*c < 0x20 || (*c >= 0x7f && *c < 0xa0))
      return refuse(component, fmt::format("has the control character 0x{:02x} at byte {}",
                                           static_cast<unsigned>(*c), position));
  }
  return {};
}

}  // namespace

Result<std::string> safe_path(std::span<std::string_view const> components) {
  if (components.empty()) return fail(Fault::invalid, "the path has no names");
  if (components.size() - 1 > kFoldersMax)
    return fail(Fault::invalid, fmt::format("the path is {} folders deep; at most {} are accepted",
                                            components.size() - 1, kFoldersMax));
  std::string path;
  for (std::string_view const component : components) {
    MUT_TRY(check_component(component));
    if (!path.empty()) path.push_back('/');
    path += component;
  }
  if (path.size() > kPathBytesMax)
    return fail(Fault::invalid, fmt::format("the path has {} bytes; at most {} are accepted",
                                            path.size(), kPathBytesMax));
  return path;
}

Result<void> check_collisions(std::span<std::string const> paths) {
  // '/' becomes the lowest character, so that what lies in a folder sorts right behind the folder.
  constexpr char kSeparator = '\1';
  std::vector<std::string> folded;
  folded.reserve(paths.size());
  for (std::string const& path : paths) {
    if (!base::is_utf8(path))
      return fail(Fault::invalid, fmt::format("the path {} is not UTF-8", base::quoted(path)));
    std::ranges::replace(folded.emplace_back(base::fold_case(path)), '/', kSeparator);
  }
  std::vector<std::size_t> order(paths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return folded[a] < folded[b]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    std::string const& before = folded[order[i - 1]];
    std::string const& after = folded[order[i]];
    std::string const& first = paths[order[i - 1]];
    std::string const& second = paths[order[i]];
    if (first == second)
      return fail(Fault::invalid, fmt::format("two files have the path {}", base::quoted(first)));
    if (before == after)
      return fail(Fault::invalid, fmt::format("the paths {} and {} differ only by case",
                                              base::quoted(first), base::quoted(second)));
    if (after.starts_with(before) && after[before.size()] == kSeparator)
      return fail(Fault::invalid, fmt::format("{} is a file, and also a folder of {}",
                                              base::quoted(first), base::quoted(second)));
  }
  return {};
}

}  // namespace mutirao::swarm
