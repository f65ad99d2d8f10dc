#include "mutirao/middleware/schema.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "mutirao/middleware/json_values.h"

namespace mutirao::middleware {

namespace {

/// Collects the records that a shape speaks of.
class RecordCollector {
 public:
  Result<void> add(Shape const& shape) {
    if (shape.kind == ShapeKind::record) {
      auto const [place, added] = records_.try_emplace(shape.name, &shape);
      if (!added && place->second != &shape)
        return fail(Fault::invalid, fmt::format("two records are called {}", shape.name),
                    "give one of them another name");
      if (!added) return {};
      for (auto const& each : shape.fields) MUT_TRY(add(*each.type));
    }
    for (auto const* each : shape.elements) MUT_TRY(add(*each));
    return {};
  }
  [[nodiscard]] std::vector<SchemaRecord> all() const {
    std::vector<SchemaRecord> all;
    for (auto const& [name, shape] : records_) {
      SchemaRecord record{.name = std::string{name}, .fields = {}};
      for (auto const& each : shape->fields)
        record.fields.push_back({each.number, std::string{each.name}, to_string(*each.type)});
      std::ranges::sort(record.fields, {}, &SchemaField::number);
      all.push_back(std::move(record));
    }
    return all;
  }

 private:
  std::map<std::string_view, Shape const*> records_;
};

SchemaMethod schema_method(MethodInfo const& info) {
  SchemaMethod method{.name = std::string{info.name},
                      .parameters = {},
                      .result = to_string(*info.result),
                      .yields = info.yields,
                      .idempotent = info.idempotent,
                      .commutative = info.commutative,
                      .cacheable_ms = info.cacheable / std::chrono::milliseconds{1},
                      .reads = info.reads};
  for (auto const* each : info.parameters) method.parameters.push_back(to_string(*each));
  return method;
}

template <class T>
std::string schema_line(T const& value) {
  wire::MsgpackWriter out;
  write(out, value);
  // What a program is made of is far below any limit.
  return json_from(out.written(), &shape_of<T>).value();
}

/// Elements a line each, indented; empty lists in one line.
template <class T, class Line>
std::string schema_list(std::vector<T> const& values, std::string_view indent, Line line) {
  std::string text = "[";
  for (auto const& each : values)
    text += fmt::format("{}\n{} {}", text.size() == 1 ? "" : ",", indent, line(each));
  return text.size() == 1 ? "[]" : text + fmt::format("\n{}]", indent);
}

template <class T, class Key>
T const* by_key(std::vector<T> const& all, auto T::* member, Key const& key) {
  auto const found = std::ranges::find(all, key, member);
  return found == all.end() ? nullptr : &*found;
}

std::string type_of(SchemaMethod const& method) {
  return method.yields ? fmt::format("a stream of {}", method.result) : method.result;
}

class BreakingChanges {
 public:
  std::vector<std::string> found;

  void compare(Schema const& old, Schema const& now) {
    for (auto const& each : old.objects) {
      auto const* const same = by_key(now.objects, &SchemaObject::name, each.name);
      if (same == nullptr)
        add("the object {} is gone", each.name);
      else if (same->interface != each.interface)
        add("the object {} was a {} and is a {}", each.name, each.interface, same->interface);
    }
    for (auto const& each : old.interfaces) {
      if (auto const* const same = by_key(now.interfaces, &SchemaInterface::name, each.name))
        compare(each, *same);
      else
        add("the interface {} is gone", each.name);
    }
    // A record that is gone shows where it was used.
    for (auto const& each : old.records)
      if (auto const* const same = by_key(now.records, &SchemaRecord::name, each.name))
        compare(each, *same);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    found.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  void compare(SchemaInterface const& old, SchemaInterface const& now) {
    for (auto const& each : old.methods) {
      auto const name = fmt::format("{}.{}", old.name, each.name);
      auto const* const same = by_key(now.methods, &SchemaMethod::name, each.name);
      if (same == nullptr) {
        add("{} is gone", name);
        continue;
      }
      parameters(name, each.parameters, same->parameters);
      // Who expects nothing takes anything.
      if (type_of(each) != type_of(*same) && type_of(each) != "nothing")
        add("{} gave {} and gives {}", name, type_of(each), type_of(*same));
      else if (each.yields != same->yields)
        add("{} gave {} and gives {}", name, type_of(each), type_of(*same));
      if (each.idempotent && !same->idempotent)
        add("{} is not idempotent any more: callers that try again would do it twice", name);
      else if (each.cacheable_ms > 0 && same->cacheable_ms == 0)
        add("{} is not cacheable any more: it can't be called by GET", name);
      if (each.reads && !same->reads)
        add("{} does more than read: those who may only look can't call it any more", name);
    }
  }
  void parameters(std::string const& name, std::vector<std::string> const& old,
                  std::vector<std::string> const& now) {
    auto const [in_old, in_now] = std::ranges::mismatch(old, now);
    if (in_old == old.end()) return;
    auto const place = in_old - old.begin() + 1;
    if (in_now == now.end()) {
      add("{} took {} parameters and takes {}", name, old.size(), now.size());
      return;
    }
    auto at = now.begin();
    for (auto const& each : old) {
      at = std::find(at, now.end(), each);
      if (at == now.end()) break;
      ++at;
    }
    bool const inserted = now.size() > old.size() && (at != now.end() || old.back() == now.back());
    if (inserted)
      add("parameter {} of {}, {}, was put in before others: new ones go to the end", place, name,
          *in_now);
    else
      for (std::size_t i = 0; i < std::min(old.size(), now.size()); ++i)
        if (old[i] != now[i])
          add("parameter {} of {} was {} and is {}", i + 1, name, old[i], now[i]);
    if (now.size() < old.size())
      add("{} took {} parameters and takes {}", name, old.size(), now.size());
  }
  void compare(SchemaRecord const& old, SchemaRecord const& now) {
    for (auto const& each : old.fields) {
      auto const* const same = by_key(now.fields, &SchemaField::number, each.number);
      if (same == nullptr) {
        if (auto const* const moved = by_key(now.fields, &SchemaField::name, each.name))
          add("{}.{} had number {} and has {}", old.name, each.name, each.number, moved->number);
        else
          add("{}.{} is gone", old.name, each.name);
      } else if (same->name != each.name && same->type != each.type) {
        add("number {} of {} was {} and is {}: a number is never used again", each.number, old.name,
            each.name, same->name);
      } else if (same->name != each.name) {
        add("{}.{} is called {} now: callers by JSON know it by its name", old.name, each.name,
            same->name);
      } else if (same->type != each.type) {
        add("{}.{} was {} and is {}", old.name, each.name, each.type, same->type);
      }
    }
  }
};

}  // namespace

Result<Schema> Schema::of(std::span<InterfaceInfo const* const> interfaces) {
  std::map<std::string_view, InterfaceInfo const*> by_name;
  RecordCollector records;
  Schema schema;
  for (auto const* each : interfaces) {
    auto const [place, added] = by_name.try_emplace(each->name, each);
    if (!added && place->second != each)
      return fail(Fault::invalid, fmt::format("two interfaces are called {}", each->name),
                  "give one of them another name");
  }
  for (auto const& [name, info] : by_name) {
    SchemaInterface interface{.name = std::string{name}, .methods = {}};
    for (auto const& method : info->methods) {
      interface.methods.push_back(schema_method(method));
      for (auto const* each : method.parameters) MUT_TRY(records.add(*each));
      MUT_TRY(records.add(*method.result));
    }
    std::ranges::sort(interface.methods, {}, &SchemaMethod::name);
    schema.interfaces.push_back(std::move(interface));
  }
  schema.records = records.all();
  return schema;
}

Result<Schema> Schema::of(std::span<ObjectAdapter::Listed const> objects) {
  std::vector<InterfaceInfo const*> interfaces;
  for (auto const& each : objects) interfaces.push_back(each.interface);
  auto schema = MUT_TRY(of(interfaces));
  for (auto const& each : objects)
    schema.objects.push_back({each.name, std::string{each.interface->name}});
  std::ranges::sort(schema.objects, {}, &SchemaObject::name);
  return schema;
}

Result<Schema> Schema::from_json(std::string_view text) {
  wire::MsgpackWriter out;
  MUT_TRY(msgpack_from_json(out, text, &shape_of<Schema>, "schema"));
  Decoder from{out.written()};
  auto schema = read<Schema>(from);
  MUT_TRY(from.finish());
  return schema;
}

std::string Schema::to_json() const {
  auto const name_of = [](std::string const& name) {
    std::string text;
    append_json_string(text, name);
    return text;
  };
  auto const interface_text = [&](SchemaInterface const& each) {
    return fmt::format(
        R"({{"name":{},"methods":{}}})", name_of(each.name),
        schema_list(each.methods, "  ", [](auto const& method) { return schema_line(method); }));
  };
  auto const record_text = [&](SchemaRecord const& each) {
    return fmt::format(
        R"({{"name":{},"fields":{}}})", name_of(each.name),
        schema_list(each.fields, "  ", [](auto const& field) { return schema_line(field); }));
  };
  return fmt::format(
      "{{\n \"objects\":{},\n \"interfaces\":{},\n \"records\":{}\n}}\n",
      schema_list(objects, " ", [](auto const& object) { return schema_line(object); }),
      schema_list(interfaces, " ", interface_text), schema_list(records, " ", record_text));
}

std::vector<std::string> breaking_changes(Schema const& old, Schema const& now) {
  BreakingChanges changes;
  changes.compare(old, now);
  return std::move(changes.found);
}

}  // namespace mutirao::middleware
