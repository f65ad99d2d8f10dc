#include "mutirao/middleware/adaptation_object.h"

namespace mutirao::middleware {

std::shared_ptr<Servant> adaptation_servant(Adaptation& adaptation, Assembly& assembly) {
  return servant<AdaptationObject>(
      on<&AdaptationObject::revision>([&] { return adaptation.revision(); }),
      on<&AdaptationObject::interceptors>([&] { return adaptation.interceptors(); }),
      on<&AdaptationObject::kinds>([&] { return adaptation.kinds(); }),
      on<&AdaptationObject::components>([&] { return assembly.list(); }),
      on<&AdaptationObject::plan>(
          [&](std::vector<Edit> const& edits) { return adaptation.plan(edits); }),
      on<&AdaptationObject::apply>(
          [&](std::vector<Edit> const& edits, ApplyOptions const& options) {
            return adaptation.apply(edits, options);
          }),
      on<&AdaptationObject::confirm>([&](std::uint64_t revision, std::string const& who) {
        return adaptation.confirm(revision, who);
      }),
      on<&AdaptationObject::rollback>(
          [&](std::uint64_t to, std::string const& who, std::string const& reason) {
            return adaptation.rollback(to, who, reason);
          }),
      on<&AdaptationObject::history>(
          [&](std::uint32_t count) { return adaptation.history(count); }));
}

}  // namespace mutirao::middleware
