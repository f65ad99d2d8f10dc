#include <charconv>

#include <fmt/format.h>

#include "mutirao/middleware/adaptation.h"
#include "mutirao/middleware/interceptors.h"

namespace mutirao::middleware {

namespace {
using Settings = std::map<std::string, std::string>;

/// Settings by name, each read once; what is left at the end is unknown.
class SettingsReader {
 public:
  explicit SettingsReader(Settings settings) : left_{std::move(settings)} {}

  double number(std::string const& name, double otherwise, double least, double most) {
    auto const found = left_.find(name);
    if (found == left_.end()) return otherwise;
    auto const text = std::move(found->second);
    left_.erase(found);
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() ||
        !(value >= least && value <= most))
      refuse(fmt::format("{}={}: a number from {:g} to {:g} is wanted", name, text, least, most));
    return value;
  }
  Duration milliseconds(std::string const& name, double otherwise) {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double, std::milli>{number(name, otherwise, 0.001, 86'400'000)});
  }
  std::string word(std::string const& name, std::string otherwise) {
    auto const found = left_.find(name);
    if (found == left_.end()) return otherwise;
    auto text = std::move(found->second);
    left_.erase(found);
    return text;
  }
  void refuse(std::string why) {
    if (!why_) why_ = std::move(why);
  }
  [[nodiscard]] Result<void> finish() {
    for (auto const& [name, unused] : left_) refuse(fmt::format("it has no setting {}", name));
    if (why_) return fail(Fault::invalid, *why_);
    return {};
  }

 private:
  Settings left_;
  std::optional<std::string> why_;
};

template <class Make>
auto kind_maker(Make make) {
  return [make](Settings const& settings) -> Result<std::shared_ptr<Interceptor>> {
    SettingsReader from{settings};
    std::shared_ptr<Interceptor> made = make(from);
    MUT_TRY(from.finish());
    return made;
  };
}

std::shared_ptr<Interceptor> make_replicate(SettingsReader& from) {
  auto const word = from.word("policy", "quorum");
  auto const policy = word == "all"     ? Replicate::Policy::all
                      : word == "first" ? Replicate::Policy::first
                                        : Replicate::Policy::quorum;
  if (word != "all" && word != "first" && word != "quorum")
    from.refuse(fmt::format("policy={}: all, quorum or first", word));
  return std::make_shared<Replicate>(policy);
}
}  // namespace

std::vector<InterceptorKind> shipped_kinds(world::World& world,
                                           std::shared_ptr<Interceptor> trace) {
  std::vector<InterceptorKind> kinds;
  kinds.push_back({.name = "trace",
                   .about = "follows requests through the nodes that take part",
                   .phase = Trace::kPhase,
                   .make = kind_maker([trace](SettingsReader&) { return trace; })});
  kinds.push_back({.name = "deadline",
                   .about = "gives calls an end (default-ms)",
                   .phase = DefaultDeadline::kPhase,
                   .make = kind_maker([](SettingsReader& from) {
                     return std::make_shared<DefaultDeadline>(
                         from.milliseconds("default-ms", 10'000));
                   })});
  kinds.push_back({.name = "admission",
                   .about = "refuses calls that waited too long in line (target-ms, interval-ms)",
                   .phase = Admission::kPhase,
                   .client = false,
                   .make = kind_maker([](SettingsReader& from) {
                     return std::make_shared<Admission>(QueueDelayLimit::Options{
                         .target = from.milliseconds("target-ms", 5),
                         .interval = from.milliseconds("interval-ms", 100)});
                   })});
  kinds.push_back({.name = "rate-limit",
                   .about = "at most so many calls a second of one caller (per-second, burst)",
                   .phase = RateLimit::kPhase,
                   .make = kind_maker([](SettingsReader& from) {
                     auto const rate = from.number("per-second", 100, 0.001, 1e9);
                     return std::make_shared<RateLimit>(rate, from.number("burst", rate, 1, 1e9));
                   })});
  kinds.push_back({.name = "cache",
                   .about = "answers again what is still good (mb)",
                   .phase = Cache::kPhase,
                   .make = kind_maker([](SettingsReader& from) {
                     return std::make_shared<Cache>(
                         static_cast<std::size_t>(from.number("mb", 8, 0.001, 65'536) * 1'000'000));
                   })});
  kinds.push_back(
      {.name = "deduplicate",
       .about = "executes a call with a key once (keys, minutes)",
       .phase = Deduplicate::kPhase,
       .client = false,
       .make = kind_maker([](SettingsReader& from) {
         Deduplicate::Options options;
         options.keys_max = static_cast<std::size_t>(from.number("keys", 10'000, 1, 1e7));
         options.kept = std::chrono::duration_cast<Duration>(
             std::chrono::duration<double, std::ratio<60>>{from.number("minutes", 5, 0.01, 1440)});
         return std::make_shared<Deduplicate>(options);
       })});
  kinds.push_back({.name = "retry",
                   .about = "makes calls again where that is safe (tries, budget)",
                   .phase = RetryCalls::kPhase,
                   .server = false,
                   .make = kind_maker([&world](SettingsReader& from) {
                     RetryOptions options;
                     options.tries_max = static_cast<unsigned>(from.number("tries", 3, 1, 100));
                     options.budget.share = from.number("budget", 0.1, 0, 1);
                     return std::make_shared<RetryCalls>(world, options);
                   })});
  kinds.push_back({.name = "hedge",
                   .about = "asks another place when an answer takes long (first-guess-ms)",
                   .phase = Hedge::kPhase,
                   .server = false,
                   .after = {"retry"},
                   .make = kind_maker([](SettingsReader& from) {
                     return std::make_shared<Hedge>(from.milliseconds("first-guess-ms", 50));
                   })});
  kinds.push_back({.name = "replicate",
                   .about = "calls all replicas of an object (policy: all, quorum, first)",
                   .phase = Replicate::kPhase,
                   .server = false,
                   .make = kind_maker(make_replicate)});
  return kinds;
}

}  // namespace mutirao::middleware
