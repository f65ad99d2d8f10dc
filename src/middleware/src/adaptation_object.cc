#include "mutirao/middleware/adaptation_object.h"

#include "mutirao/middleware/interceptors.h"

namespace mutirao::middleware {

std::string who_calls(Call const& call, std::string said) {
  bool const own = call.caller.empty() || call.caller == kLocalCaller;
  return own ? std::move(said) : std::string{call.caller};
}

namespace {

/// Knows who calls: what is written down of a stranger is what the connection knows, not what it
/// says.
class AdaptationServant final : public Servant {
 public:
  AdaptationServant(Adaptation& adaptation, Assembly& assembly) noexcept
      : adaptation_{adaptation}, assembly_{assembly} {}
  InterfaceInfo const& interface() const noexcept override {
    return interface_of<AdaptationObject>;
  }
  Reply execute(std::size_t method, Call& call) override {
    return bodies(call)->execute(method, call);
  }

 private:
  [[nodiscard]] std::shared_ptr<Servant> bodies(Call const& call) {
    auto& adaptation = adaptation_;
    return servant<AdaptationObject>(
        on<&AdaptationObject::revision>([&] { return adaptation.revision(); }),
        on<&AdaptationObject::interceptors>([&] { return adaptation.interceptors(); }),
        on<&AdaptationObject::kinds>([&] { return adaptation.kinds(); }),
        on<&AdaptationObject::components>([this] { return assembly_.list(); }),
        on<&AdaptationObject::plan>(
            [&](std::vector<Edit> const& edits) { return adaptation.plan(edits); }),
        on<&AdaptationObject::apply>([&](std::vector<Edit> const& edits, ApplyOptions options) {
          options.who = who_calls(call, std::move(options.who));
          return adaptation.apply(edits, options);
        }),
        on<&AdaptationObject::confirm>([&](std::uint64_t revision, std::string who) {
          return adaptation.confirm(revision, who_calls(call, std::move(who)));
        }),
        on<&AdaptationObject::rollback>([&](std::uint64_t to, std::string who, std::string reason) {
          return adaptation.rollback(to, who_calls(call, std::move(who)), std::move(reason));
        }),
        on<&AdaptationObject::history>(
            [&](std::uint32_t count) { return adaptation.history(count); }));
  }

  Adaptation& adaptation_;
  Assembly& assembly_;
};

}  // namespace

std::shared_ptr<Servant> adaptation_servant(Adaptation& adaptation, Assembly& assembly) {
  return std::make_shared<AdaptationServant>(adaptation, assembly);
}

}  // namespace mutirao::middleware
