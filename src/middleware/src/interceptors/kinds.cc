#include <charconv>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

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

std::optional<Seal::Key> key_from(std::string_view text) {
  auto bytes = base::from_hex(text);
  Seal::Key key;
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::ranges::copy(*bytes, key.begin());
  OPENSSL_cleanse(bytes->data(), bytes->size());
  return key;
}

/// By which people see whether two nodes have the same key. Nobody guesses 256 random bits from it.
std::string fingerprint_of(Seal::Key const& key) {
  constexpr std::string_view kPurpose = "key of mutirao messages";
  Bytes bytes{kPurpose.begin(), kPurpose.end()};
  bytes.insert(bytes.end(), key.begin(), key.end());
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(bytes.data(), bytes.size(), digest.data());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return base::to_hex(ByteView{digest}.first(8));
}

Result<std::string> text_of_key_file(world::World& world, std::string const& path) {
  constexpr std::size_t kBytesMax = 80;  // of the digits, and an end of line
  auto const slash = path.rfind('/');
  if (!path.starts_with('/') || slash + 1 == path.size())
    return fail(Fault::invalid, fmt::format("key-file={}: it is no absolute path", path));
  auto const folder = MUT_TRY(world.disk().open_directory(path.substr(0, slash + 1), false));
  auto const file = MUT_TRY(folder->open(path.substr(slash + 1), {}));
  Bytes bytes(kBytesMax);
  bytes.resize(MUT_TRY(file->read_at(0, bytes)));
  std::string text{base::text_of(bytes)};
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<std::shared_ptr<MessageInterceptor>> make_seal(world::World& world, Settings& settings) {
  SettingsReader from{settings};
  auto text = from.word("key", "");
  auto const file = from.word("key-file", "");
  MUT_TRY(from.finish());
  settings.erase("key");
  if (text.empty() == file.empty())
    return fail(Fault::invalid, "it needs a key: key-file=PATH, or key=DIGITS",
                "openssl rand -hex 32 > FILE, readable by you alone, the same on all nodes");
  if (!file.empty()) text = MUT_TRY(text_of_key_file(world, file));
  auto const key = key_from(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (!key)  // nothing of it is told: it may be a key all the same
    return fail(Fault::invalid, "a key is 64 hexadecimal digits", "openssl rand -hex 32");
  settings["fingerprint"] = fingerprint_of(*key);
  return std::make_shared<Seal>(*key, world.entropy());
}

template <class Make>
auto message_kind_maker(Make make) {
  return [make](Settings& settings) -> Result<std::shared_ptr<MessageInterceptor>> {
    SettingsReader from{settings};
    std::shared_ptr<MessageInterceptor> made = make(from);
    MUT_TRY(from.finish());
    return made;
  };
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
       .about = "executes a call with a key once (keys, mb, minutes)",
       .phase = Deduplicate::kPhase,
       .client = false,
       .make = kind_maker([](SettingsReader& from) {
         Deduplicate::Options options;
         options.keys_max = static_cast<std::size_t>(from.number("keys", 10'000, 1, 1e7));
         options.bytes_max =
             static_cast<std::size_t>(from.number("mb", 16, 0.001, 65'536) * 1'000'000);
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

std::vector<MessageInterceptorKind> shipped_message_kinds(world::World& world) {
  std::vector<MessageInterceptorKind> kinds;
  kinds.push_back({.name = "zstd",
                   .about = "compresses messages where that is worth it (level, bytes-min)",
                   .stage = MessageStage::compress,
                   .make = message_kind_maker([](SettingsReader& from) {
                     auto const level = static_cast<int>(from.number("level", 1, 1, 19));
                     return std::make_shared<Compress>(
                         level, static_cast<std::size_t>(from.number("bytes-min", 512, 0, 16e6)));
                   })});
  kinds.push_back(
      {.name = "chacha20-poly1305",
       .about = "seals messages with a key, where the connection is not secret (key-file, key)",
       .stage = MessageStage::encrypt,
       .make = [&world](Settings& settings) { return make_seal(world, settings); }});
  kinds.push_back({.name = "pace",
                   .about = "at most so many bytes a second go out (rate, burst)",
                   .stage = MessageStage::shape,
                   .make = message_kind_maker([](SettingsReader& from) {
                     // Slower, and the word that takes it away would not come through.
                     auto const rate = from.number("rate", 10e6, 10e3, 1e12);
                     return std::make_shared<PaceMessages>(rate,
                                                           from.number("burst", rate, 1, 1e12));
                   })});
  kinds.push_back({.name = "count",
                   .about = "counts what goes out",
                   .stage = MessageStage::observe,
                   .make = message_kind_maker(
                       [](SettingsReader&) { return std::make_shared<CountMessages>(); })});
  return kinds;
}

}  // namespace mutirao::middleware
