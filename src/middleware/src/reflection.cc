#include "mutirao/middleware/reflection.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "mutirao/base/bytes.h"
#include "mutirao/middleware/json_values.h"
#include "mutirao/middleware/servant.h"
#include "mutirao/threads/this_thread.h"

#include "gateways/foreign_call.h"

namespace mutirao::middleware {
namespace {

constexpr auto const& kMetaCall = decltype(Meta::call)::kInfo;
constexpr auto const& kMetaSpans = decltype(Meta::spans)::kInfo;

ObjectInfo object_info(ObjectAdapter::Listed const& listed) {
  return {.name = listed.name,
          .type = std::string{listed.interface->name},
          .about = listed.about,
          .guarded = listed.guarded,
          .epoch = listed.epoch,
          .calls = listed.calls,
          .running = listed.running};
}

/// In the order in which the interface has its methods, which is the one that was meant.
Result<ObjectDetail> object_detail(ObjectAdapter::Listed const& listed) {
  std::array const interfaces{listed.interface};
  auto schema = MUT_TRY(Schema::of(std::span<InterfaceInfo const* const>{interfaces}));
  ObjectDetail detail{.object = object_info(listed), .methods = {}, .records = {}};
  auto& sorted = schema.interfaces.at(0).methods;
  for (auto const& each : listed.interface->methods)
    detail.methods.push_back(std::move(*std::ranges::find(sorted, each.name, &SchemaMethod::name)));
  detail.records = std::move(schema.records);
  return detail;
}

SpanInfo span_info(Trace::Span const& span, TimePoint now) {
  return {.trace = base::to_hex(span.trace),
          .span = fmt::format("{:016x}", span.id),
          .parent = span.parent == 0 ? "" : fmt::format("{:016x}", span.parent),
          .incoming = span.incoming,
          .object = span.object,
          .method = span.method,
          .began_ago = now - span.started,
          .took = span.took,
          .failure = span.failure};
}

/// Takes the values that a method yields, and ends it when there are enough.
class FirstItems final : public ItemSink {
 public:
  explicit FirstItems(std::uint32_t items_max) noexcept : left_{items_max}, bounded_{left_ > 0} {}

  Outcome<void> put(ByteView item) override {
    if (!enough()) {
      if (auto taken = items_.put(item); !taken) return taken;
      if (bounded_) --left_;
    }
    if (!enough()) return {};
    return std::unexpected{Failure{
        Error{Fault::cancelled, "that many values were asked for", {}}, Executed::yes, {}, {}, {}}};
  }
  [[nodiscard]] bool enough() const noexcept { return bounded_ && left_ == 0; }
  [[nodiscard]] ByteView all() { return items_.all(); }

 private:
  CollectedItems items_;
  std::uint32_t left_;
  bool bounded_;
};

/// A call of which names and arguments are data.
class CallByName {
 public:
  CallByName(ObjectAdapter& objects, Call const& outer) noexcept
      : objects_{objects}, outer_{outer} {}

  Outcome<std::string> operator()(std::string const& object, std::string const& method,
                                  std::string const& arguments, std::uint32_t items_max,
                                  std::string const& capability) {
    info_ = method_of(objects_, object, method);
    // Each of them would hold a thread's stack, and a text may hold many.
    if (info_ != nullptr && info_ == interface_of<Meta>.find(kMetaCall.name))
      return std::unexpected{not_executed(Fault::invalid,
                                          fmt::format("{}.{} does not call itself", object, method),
                                          "call what you mean by its own name")};
    wire::MsgpackWriter encoded;
    if (auto written = write_arguments(encoded, arguments); !written)
      return std::unexpected{not_executed(written.error().fault, std::move(written.error().what),
                                          std::move(written.error().mend))};
    FirstItems items{items_max};
    ForeignCall call{.object = object,
                     .method = method,
                     .arguments = encoded.written(),
                     .caller = std::string{outer_.caller},
                     .capability = capability,
                     .deadline = outer_.deadline,
                     .trace = outer_.trace};
    bool const yields = info_ != nullptr && info_->yields;
    if (yields) call.items = &items;
    std::string json;
    auto done = execute(objects_, call, [&](ByteView value) -> Outcome<void> {
      auto text = yields ? list_json(items.all()) : value_json(value);
      if (!text) return std::unexpected{std::move(text).error()};
      json = *std::move(text);
      return {};
    });
    if (!done && yields && items.enough()) return list_json(items.all());
    if (!done) return std::unexpected{std::move(done).error()};
    return json;
  }

 private:
  /// Without the method they are checked by nobody: the chain may know what to do with the call.
  Result<void> write_arguments(wire::MsgpackWriter& out, std::string const& json) const {
    if (json.find_first_not_of(" \t\r\n") == std::string::npos) {
      out.array(0);
      return {};
    }
    if (info_ == nullptr) return msgpack_from_json(out, json, nullptr, "arguments");
    Shape const parameters{.kind = ShapeKind::tuple, .elements = info_->parameters};
    return msgpack_from_json(out, json, &parameters, "arguments");
  }
  static Outcome<std::string> told(Result<std::string> json) {
    if (json) return *std::move(json);
    return std::unexpected{Failure{std::move(json).error(), Executed::yes, Retry::never, {}, {}}};
  }
  Outcome<std::string> value_json(ByteView value) const {
    return told(json_from(value, info_ != nullptr ? info_->result : nullptr));
  }
  Outcome<std::string> list_json(ByteView items) const {
    std::array<Shape const*, 1> const item{info_->result};
    Shape const list{.kind = ShapeKind::list, .elements = item};
    return told(json_from(items, &list));
  }

  ObjectAdapter& objects_;
  Call const& outer_;
  MethodInfo const* info_ = nullptr;
};

class MetaServant final : public Servant {
 public:
  MetaServant(ObjectAdapter& objects, ReflectionOptions options)
      : objects_{objects}, options_{std::move(options)}, others_{bodies()} {}

  InterfaceInfo const& interface() const noexcept override { return interface_of<Meta>; }
  Reply execute(std::size_t method, Call& call) override {
    if (interface().methods[method].name != kMetaCall.name) return others_->execute(method, call);
    CallByName body{objects_, call};
    return detail::execute<decltype(Meta::call)>(body, call);
  }

 private:
  std::shared_ptr<Servant> bodies() {
    return servant<Meta>(
        on<&Meta::list>([this] {
          std::vector<ObjectInfo> all;
          for (auto const& each : objects_.list()) all.push_back(object_info(each));
          return all;
        }),
        on<&Meta::show>([this](std::string const& name) -> Result<ObjectDetail> {
          return object_detail(MUT_TRY(objects_.find(name)));
        }),
        on<&Meta::call>([](std::string const&, std::string const&, std::string const&,
                           std::uint32_t, std::string const&) -> Result<std::string> {
          MUT_ASSERT(false);  // execute() takes it
          return std::string{};
        }),
        on<&Meta::schema>([this]() -> Result<std::string> {
          auto const listed = objects_.list();
          return MUT_TRY(Schema::of(std::span<ObjectAdapter::Listed const>{listed})).to_json();
        }),
        on<&Meta::spans>([this](std::uint32_t count) { return spans(count); }));
  }

  Result<std::vector<SpanInfo>> spans(std::uint32_t count) const {
    auto const trace = options_.trace != nullptr ? options_.trace : trace_of_chain();
    if (trace == nullptr)
      return fail(Fault::unsupported, "nothing in the chain of the objects traces calls",
                  "put a Trace into it");
    auto const now = threads::now();
    std::vector<SpanInfo> all;
    for (auto const& each : trace->spans())
      // Who looks again and again wants to see what others do.
      if (each.object != Meta::kName || each.method != kMetaSpans.name)
        all.push_back(span_info(each, now));
    if (count != 0 && all.size() > count)
      all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(count));
    return all;
  }
  std::shared_ptr<Trace const> trace_of_chain() const {
    auto const pin = objects_.chain().pin();
    for (auto const& each : pin->placed())
      if (auto trace = std::dynamic_pointer_cast<Trace const>(each.interceptor)) return trace;
    return nullptr;
  }

  ObjectAdapter& objects_;
  ReflectionOptions options_;
  std::shared_ptr<Servant> others_;
};

template <class T>
std::string reflected_json(T const& value) {
  wire::MsgpackWriter out;
  write(out, value);
  // Made by us and no deeper than its type; an answer of a node is far below any limit.
  return json_from(out.written(), &shape_of<T>).value_or("null");
}

}  // namespace

Result<void> offer_meta(ObjectAdapter& objects, ReflectionOptions options) {
  return objects.add(std::string{Meta::kName},
                     std::make_shared<MetaServant>(objects, std::move(options)),
                     {.about = "what objects there are, and what they can do"});
}

std::string to_json(std::vector<ObjectInfo> const& objects) {
  return fmt::format(R"({{"objects":{}}})", reflected_json(objects));
}
std::string to_json(ObjectDetail const& detail) { return reflected_json(detail); }
std::string to_json(std::vector<SpanInfo> const& spans) {
  return fmt::format(R"({{"spans":{}}})", reflected_json(spans));
}

}  // namespace mutirao::middleware
