#include "mutirao/node/config.h"

namespace mutirao::node {

constinit std::string_view const kVersion = MUTIRAO_VERSION;

}  // namespace mutirao::node
