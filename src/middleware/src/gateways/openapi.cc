#include "gateways/openapi.h"

#include <map>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "mutirao/middleware/json_values.h"

namespace mutirao::middleware {
namespace {

constexpr std::string_view kFailureSchema =
    R"("Failure":{"type":"object","required":["error"],"properties":{"error":{"type":"object",)"
    R"("required":["fault","what"],"properties":{"fault":{"type":"string"},)"
    R"("what":{"type":"string"},"mend":{"type":"string"},)"
    R"("executed":{"enum":["no","maybe","yes"]},"retry":{"enum":["never","elsewhere","later"]},)"
    R"("retry_after_ms":{"type":"integer"},"origin":{"type":"string"}}}}})";

std::string json_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

class OpenApi {
 public:
  /// JSON Schema 2020-12, which OpenAPI 3.1 speaks.
  std::string schema(Shape const& shape) {
    switch (shape.kind) {
      case ShapeKind::nothing:
      case ShapeKind::attachment:
        return R"({"type":"null"})";
      case ShapeKind::boolean:
        return R"({"type":"boolean"})";
      case ShapeKind::integer:
        return fmt::format(R"({{"type":"integer","format":"{}int{}"}})", shape.is_signed ? "" : "u",
                           shape.bits);
      case ShapeKind::number:
        return R"({"type":"number"})";
      case ShapeKind::string:
        return R"({"type":"string"})";
      case ShapeKind::bytes:
        return R"({"type":"string","contentEncoding":"base64"})";
      case ShapeKind::list:
        return fmt::format(R"({{"type":"array","items":{}}})", schema(*shape.elements[0]));
      case ShapeKind::optional:
        return fmt::format(R"({{"anyOf":[{},{{"type":"null"}}]}})", schema(*shape.elements[0]));
      case ShapeKind::map:
        return fmt::format(R"({{"type":"object","additionalProperties":{}}})",
                           schema(*shape.elements[0]));
      case ShapeKind::tuple:
        return tuple(shape.elements);
      case ShapeKind::record:
        return fmt::format(R"({{"$ref":"#/components/schemas/{}"}})", name_of(shape));
    }
    return "{}";
  }
  std::string tuple(std::span<Shape const* const> elements) {
    if (elements.empty()) return R"({"type":"array","maxItems":0})";
    std::string all;
    for (auto const* each : elements) all += (all.empty() ? "" : ",") + schema(*each);
    return fmt::format(R"({{"type":"array","prefixItems":[{}],"items":false}})", all);
  }

  std::string operation(ObjectAdapter::Listed const& object, MethodInfo const& method,
                        bool by_get) {
    std::string text = fmt::format(
        R"({{"operationId":{},"tags":[{}],)",
        json_text(fmt::format("{}{}.{}", by_get ? "get." : "", object.name, method.name)),
        json_text(object.name));
    auto const arguments = tuple(method.parameters);
    bool const attached = std::ranges::any_of(
        method.parameters, [](Shape const* each) { return each->kind == ShapeKind::attachment; });
    if (by_get || attached)
      text += fmt::format(
          R"("parameters":[{{"name":"arguments","in":"query","content":{{"application/json":{{"schema":{}}}}}}}],)",
          arguments);
    if (attached)
      text += R"("requestBody":{"content":{"application/octet-stream":{}}},)";
    else if (!by_get)
      text += fmt::format(R"("requestBody":{{"content":{{"application/json":{{"schema":{}}}}}}},)",
                          arguments);
    if (object.guarded) text += R"("security":[{"capability":[]}],)";
    auto const item = schema(*method.result);
    auto const json = method.yields ? fmt::format(R"({{"type":"array","items":{}}})", item) : item;
    text += fmt::format(
        R"("responses":{{"200":{{"description":"the value","content":{{"application/json":{{"schema":{}}}{}}}}},)",
        json, method.yields ? R"(,"text/event-stream":{"schema":{"type":"string"}})" : "");
    text += R"("default":{"description":"why not","content":{"application/json":)"
            R"({"schema":{"$ref":"#/components/schemas/Failure"}}}}}})";
    return text;
  }

  std::string components() {
    std::string all{kFailureSchema};
    // A record may name others, which are told as well.
    for (std::size_t i = 0; i < records_.size(); ++i) {
      auto const& record = *records_[i];
      std::string properties;
      for (auto const& each : record.fields)
        properties += fmt::format("{}{}:{}", properties.empty() ? "" : ",", json_text(each.name),
                                  schema(*each.type));
      all +=
          fmt::format(R"(,{}:{{"type":"object","properties":{{{}}},"additionalProperties":false}})",
                      json_text(name_of(record)), properties);
    }
    return fmt::format(
        R"({{"schemas":{{{}}},"securitySchemes":{{"capability":{{"type":"http","scheme":"bearer"}}}}}})",
        all);
  }

 private:
  std::string name_of(Shape const& record) {
    auto const found = names_.find(&record);
    if (found != names_.end()) return found->second;
    std::string name;
    for (char const letter : record.name)
      name += std::isalnum(static_cast<unsigned char>(letter)) != 0 ? letter : '_';
    auto unique = name;
    for (int i = 2; !taken_.insert(unique).second; ++i) unique = fmt::format("{}_{}", name, i);
    names_.emplace(&record, unique);
    records_.push_back(&record);
    return unique;
  }

  std::map<Shape const*, std::string> names_;
  std::set<std::string> taken_{"Failure"};
  std::vector<Shape const*> records_;
};

}  // namespace

std::string openapi(std::string_view title, std::span<ObjectAdapter::Listed const> objects) {
  OpenApi api;
  std::string paths;
  std::string tags;
  for (auto const& object : objects) {
    tags += fmt::format(
        R"({}{{"name":{},"description":{}}})", tags.empty() ? "" : ",", json_text(object.name),
        json_text(object.about.empty() ? std::string{object.interface->name} : object.about));
    for (auto const& method : object.interface->methods) {
      auto const path = fmt::format("/o/{}/{}", object.name, method.name);
      paths += fmt::format(R"({}{}:{{"post":{})", paths.empty() ? "" : ",", json_text(path),
                           api.operation(object, method, false));
      if (method.cacheable.count() > 0)
        paths += fmt::format(R"(,"get":{})", api.operation(object, method, true));
      paths += '}';
    }
  }
  return fmt::format(
      R"({{"openapi":"3.1.0","info":{{"title":{},"version":"1"}},"tags":[{}],"paths":{{{}}},"components":{}}})",
      json_text(title), tags, paths, api.components());
}

}  // namespace mutirao::middleware
