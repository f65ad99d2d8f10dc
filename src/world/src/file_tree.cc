#include "mutirao/world/file_tree.h"

#include <cerrno>

namespace mutirao::world {

TreeResult<void> check_tree_name(std::string_view name) {
  constexpr std::size_t kNameMax = 255;
  if (name.size() > kNameMax) return std::unexpected{ErrorNumber{ENAMETOOLONG}};
  bool const one_name = !name.empty() && name != "." && name != ".." &&
                        name.find('/') == name.npos && name.find('\0') == name.npos;
  if (!one_name) return std::unexpected{ErrorNumber{EINVAL}};
  return {};
}

}  // namespace mutirao::world
