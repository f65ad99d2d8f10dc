#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/swarm/safe_path.h"

/// The names of a path, one a line; what is accepted must stay below the folder it is put in.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view text = mutirao::base::text_of({data, size});
  std::vector<std::string_view> names;
  while (true) {
    std::size_t const end = text.find('\n');
    names.push_back(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  auto const path = mutirao::swarm::safe_path(names);
  if (!path) return 0;
  std::string const framed = "/" + *path + "/";
  for (std::string_view const forbidden : {"/../", "/./", "//", "\\"})
    if (framed.find(forbidden) != framed.npos) std::abort();
  if (path->find('\0') != path->npos || path->size() > 4096) std::abort();
  std::vector<std::string> const twice{*path, *path + "/x"};
  if (mutirao::swarm::check_collisions(twice)) std::abort();
  return 0;
}
