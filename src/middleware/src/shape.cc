#include "mutirao/middleware/shape.h"

#include <fmt/format.h>

#include "mutirao/middleware/failure.h"

namespace mutirao::middleware {

std::string to_string(Shape const& shape) {
  switch (shape.kind) {
    case ShapeKind::nothing:
      return "nothing";
    case ShapeKind::boolean:
      return "bool";
    case ShapeKind::integer:
      return fmt::format("{}int{}", shape.is_signed ? "" : "u", shape.bits);
    case ShapeKind::number:
      return "number";
    case ShapeKind::string:
      return "string";
    case ShapeKind::bytes:
      return "bytes";
    case ShapeKind::list:
      return fmt::format("[{}]", to_string(*shape.elements[0]));
    case ShapeKind::optional:
      return to_string(*shape.elements[0]) + "?";
    case ShapeKind::map:
      return fmt::format("{{string: {}}}", to_string(*shape.elements[0]));
    case ShapeKind::tuple: {
      std::string text;
      for (auto const* each : shape.elements) text += (text.empty() ? "" : ", ") + to_string(*each);
      return "(" + text + ")";
    }
    case ShapeKind::record:
      return std::string{shape.name};
    case ShapeKind::attachment:
      return "attachment";
  }
  return "nothing";
}

std::string_view to_string(Executed executed) noexcept {
  switch (executed) {
    case Executed::no:
      return "no";
    case Executed::maybe:
      return "maybe";
    case Executed::yes:
      return "yes";
  }
  return "maybe";
}

std::string_view to_string(Retry retry) noexcept {
  switch (retry) {
    case Retry::never:
      return "never";
    case Retry::elsewhere:
      return "elsewhere";
    case Retry::later:
      return "later";
  }
  return "never";
}

}  // namespace mutirao::middleware
