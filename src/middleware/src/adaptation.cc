#include "mutirao/middleware/adaptation.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/base/spelling.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

namespace {
constexpr std::size_t kRevisionsKept = 64;
constexpr std::array<unsigned, 2> kTrialShares{10, 100};  // per mille

std::vector<std::string> names_of(auto const& places) {
  std::vector<std::string> all;
  for (auto const& each : places) all.push_back(each.status.name);
  return all;
}

/// Without the settings, which may be secret.
std::string told(Edit const& edit) {
  if (edit.what == "component.swap")
    return fmt::format("{} {} by {}", edit.what, edit.name, edit.kind);
  std::string text = fmt::format("{} {} {}", edit.what, edit.side, edit.name);
  if (!edit.kind.empty() && edit.kind != edit.name) text += fmt::format(" of kind {}", edit.kind);
  return text;
}

Error no_such_kind(std::string_view kind, std::string_view of, auto const& kinds) {
  std::vector<std::string> names;
  for (auto const& [name, unused] : kinds) names.push_back(name);
  auto const near = base::nearest(kind, names);
  return {Fault::not_found, fmt::format("there is no kind of interceptor{} called {}", of, kind),
          near.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                       : fmt::format("do you mean {}?", near)};
}

MessageChain::Interceptors of_messages(auto const& places) {
  MessageChain::Interceptors all;
  for (auto const& each : places) all.push_back(each.of_messages);
  return all;
}

std::string in_one_line(Error const& error) {
  return error.mend.empty() ? error.what : fmt::format("{} ({})", error.what, error.mend);
}
}  // namespace

std::vector<Adaptation::Place>* Adaptation::Revision::side(std::string_view name) {
  return name == "client"    ? &client
         : name == "server"  ? &server
         : name == "message" ? &message
                             : nullptr;
}

Adaptation::Adaptation(Broker& broker, Assembly* assembly, AuditLog& log)
    : broker_{broker}, assembly_{assembly}, log_{log} {
  revisions_.push_back({.number = 1});
}

Adaptation::~Adaptation() = default;

void Adaptation::add_kind(InterceptorKind kind) {
  std::lock_guard const lock{mutex_};
  auto name = kind.name;
  kinds_.insert_or_assign(std::move(name), std::move(kind));
}

void Adaptation::add_kind(MessageInterceptorKind kind) {
  std::lock_guard const lock{mutex_};
  auto name = kind.name;
  message_kinds_.insert_or_assign(std::move(name), std::move(kind));
}

Result<void> Adaptation::begin(std::vector<std::string> client, std::vector<std::string> server) {
  std::vector<Edit> edits;
  for (auto& name : client)
    edits.push_back({.what = "interceptor.add", .side = "client", .name = std::move(name)});
  for (auto& name : server)
    edits.push_back({.what = "interceptor.add", .side = "server", .name = std::move(name)});
  auto made = draft(edits);
  if (!made.plan.conflicts.empty())
    return fail(Fault::invalid, fmt::format("{}", fmt::join(made.plan.conflicts, "; ")));
  MUT_TRY(put_in_force(made.next, {}));
  std::lock_guard const lock{mutex_};
  revisions_.back() = std::move(made.next);
  revisions_.back().number = 1;
  return {};
}

std::uint64_t Adaptation::revision() const {
  std::lock_guard const lock{mutex_};
  return revisions_.back().number;
}

std::vector<InterceptorStatus> Adaptation::interceptors() const {
  std::lock_guard const lock{mutex_};
  std::vector<InterceptorStatus> all;
  auto const& now = revisions_.back();
  for (auto const* side : {&now.client, &now.server, &now.message})
    for (auto const& each : *side) {
      all.push_back(each.status);
      if (each.of_messages != nullptr) all.back().figures = each.of_messages->figures();
    }
  return all;
}

std::vector<InterceptorStatus> Adaptation::kinds() const {
  std::lock_guard const lock{mutex_};
  std::vector<InterceptorStatus> all;
  for (auto const& [name, kind] : kinds_)
    all.push_back({.side = kind.client && kind.server ? "both"
                           : kind.client              ? "client"
                                                      : "server",
                   .name = name,
                   .kind = name,
                   .phase = std::string{to_string(kind.phase)},
                   .about = kind.about});
  for (auto const& [name, kind] : message_kinds_)
    all.push_back({.side = "message",
                   .name = name,
                   .kind = name,
                   .phase = std::string{to_string(kind.stage)},
                   .about = kind.about});
  return all;
}

Result<Adaptation::Place> Adaptation::make(Edit const& edit) const {
  auto const& kind_name = edit.kind.empty() ? edit.name : edit.kind;
  auto const found = kinds_.find(kind_name);
  if (found == kinds_.end() && message_kinds_.contains(kind_name))
    return fail(Fault::invalid, fmt::format("{} is for messages, not for calls", kind_name),
                fmt::format("mutirao interceptor add message {}", kind_name));
  if (found == kinds_.end()) return std::unexpected{no_such_kind(kind_name, "", kinds_)};
  auto const& kind = found->second;
  if (!(edit.side == "client" ? kind.client : kind.server))
    return fail(Fault::invalid,
                fmt::format("{} makes no sense on the side of the {}", kind_name, edit.side));
  auto interceptor = kind.make(edit.settings);
  if (!interceptor) return std::unexpected{std::move(interceptor).error().during(edit.name)};
  return Place{.status = {.side = edit.side,
                          .name = edit.name,
                          .kind = kind_name,
                          .phase = std::string{to_string(kind.phase)},
                          .about = kind.about,
                          .settings = edit.settings},
               .placed = {.name = edit.name,
                          .phase = kind.phase,
                          .interceptor = *std::move(interceptor),
                          .before = {},
                          .after = kind.after}};
}

Result<Adaptation::Place> Adaptation::make_of_messages(Edit const& edit) const {
  auto const& kind_name = edit.kind.empty() ? edit.name : edit.kind;
  auto const found = message_kinds_.find(kind_name);
  if (found == message_kinds_.end() && kinds_.contains(kind_name))
    return fail(Fault::invalid, fmt::format("{} is for calls, not for messages", kind_name),
                "on the side of the client or of the server");
  if (found == message_kinds_.end())
    return std::unexpected{no_such_kind(kind_name, " of messages", message_kinds_)};
  auto const& kind = found->second;
  auto settings = edit.settings;
  auto interceptor = kind.make(settings);
  if (!interceptor) return std::unexpected{std::move(interceptor).error().during(edit.name)};
  return Place{.status = {.side = edit.side,
                          .name = edit.name,
                          .kind = kind_name,
                          .phase = std::string{to_string(kind.stage)},
                          .about = kind.about,
                          .settings = std::move(settings)},
               .of_messages = *std::move(interceptor)};
}

Result<void> Adaptation::edit_side(Draft& draft, Edit const& edit, std::string& told) const {
  auto* const places = draft.next.side(edit.side);
  if (places == nullptr)
    return fail(Fault::invalid,
                fmt::format("\"{}\" is no side: client, server or message", edit.side));
  auto const there = std::ranges::find_if(
      *places, [&](auto const& each) { return each.status.name == edit.name; });
  if (edit.what == "interceptor.add") {
    if (there != places->end())
      return fail(Fault::invalid,
                  fmt::format("the {} side has an interceptor {} already", edit.side, edit.name));
    auto place = MUT_TRY(edit.side == "message" ? make_of_messages(edit) : make(edit));
    for (auto const& [key, value] : place.status.settings)
      told += fmt::format(" {}={}", key, value);
    places->push_back(std::move(place));
    return {};
  }
  if (edit.what != "interceptor.remove")
    return fail(Fault::invalid, fmt::format("\"{}\" is nothing that can be done", edit.what));
  if (there == places->end()) {
    auto const near = base::nearest(edit.name, names_of(*places));
    return fail(Fault::invalid,
                fmt::format("the {} side has no interceptor {}", edit.side, edit.name),
                near.empty() ? "" : fmt::format("do you mean {}?", near));
  }
  places->erase(there);
  return {};
}

/// Into the order in which calls will pass.
Result<void> Adaptation::sort(std::vector<Place>& calls) const {
  std::vector<Placed> placed;
  for (auto const& each : calls) placed.push_back(each.placed);
  auto const chain = MUT_TRY(Chain::make(std::move(placed), broker_.last()));
  std::vector<Place> sorted;
  for (auto const& each : chain->placed())
    sorted.push_back(*std::ranges::find_if(
        calls, [&](auto const& place) { return place.status.name == each.name; }));
  calls = std::move(sorted);
  return {};
}

Adaptation::Draft Adaptation::draft(std::vector<Edit> const& edits) const {
  std::lock_guard const lock{mutex_};
  Draft draft;
  draft.next = revisions_.back();
  draft.plan.revision = draft.next.number;
  auto const note = [&](Result<void> const& done) {
    if (!done) draft.plan.conflicts.push_back(in_one_line(done.error()));
  };
  for (auto const& edit : edits) {
    auto step = told(edit);
    if (edit.what == "component.swap") {
      if (assembly_ == nullptr) note(fail(Fault::invalid, "this node has no components"));
      draft.swaps.push_back(&edit);
    } else {
      note(edit_side(draft, edit, step));
    }
    draft.plan.steps.push_back(std::move(step));
  }
  note(sort(draft.next.client));
  note(sort(draft.next.server));
  // Two of one stage are a conflict, and stay as they were named.
  auto& message = draft.next.message;
  std::ranges::stable_sort(message, {}, [](auto const& each) { return each.of_messages->stage(); });
  if (auto const fits = MessageChain::ordered(of_messages(message)); !fits)
    draft.plan.conflicts.push_back(in_one_line(fits.error()));
  draft.plan.client = names_of(draft.next.client);
  draft.plan.server = names_of(draft.next.server);
  draft.plan.message = names_of(message);
  return draft;
}

Plan Adaptation::plan(std::vector<Edit> const& edits) const { return draft(edits).plan; }

Result<void> Adaptation::try_out(LiveChain& live, std::unique_ptr<Chain> next,
                                 std::chrono::milliseconds trial) {
  MUT_TRY(live.begin_trial(std::move(next), live.version(), kTrialShares[0]));
  std::optional<std::string> bad;
  Result<void> waited;
  for (auto const share : kTrialShares) {
    live.set_trial_share(share);
    auto const end = threads::now() + trial;
    while (waited && !bad && threads::now() < end) {
      waited = threads::sleep_for(std::min<Duration>(trial / 10, end - threads::now()));
      auto const [old, tried] = live.trial_figures();
      bad = left_band(old, tried, {});
    }
  }
  live.end_trial(waited && !bad);
  MUT_TRY(std::move(waited));
  if (bad) return fail(Fault::refused, "taken back on trial: " + *bad);
  return {};
}

Result<void> Adaptation::put_in_force(Revision const& next, std::chrono::milliseconds trial) {
  auto const chain_of = [](std::vector<Place> const& places,
                           std::shared_ptr<Interceptor> const& last) {
    std::vector<Placed> placed;
    for (auto const& each : places) placed.push_back(each.placed);
    return Chain::make(std::move(placed), last);
  };
  auto client = MUT_TRY(chain_of(next.client, broker_.last()));
  auto server = MUT_TRY(chain_of(next.server, broker_.objects().last()));
  MUT_TRY(MessageChain::ordered(of_messages(next.message)));
  auto& at_client = broker_.chain();
  auto& at_server = broker_.objects().chain();
  auto old_server = MUT_TRY(Chain::make(at_server.pin()->placed(), broker_.objects().last()));
  bool const tries = trial > std::chrono::milliseconds{};
  auto const put = [&](LiveChain& live, std::unique_ptr<Chain> chain,
                       std::vector<Place> const& places) -> Result<void> {
    if (std::ranges::equal(live.pin()->placed(), places, {}, &Placed::interceptor,
                           [](auto const& place) { return place.placed.interceptor; }))
      return {};
    if (tries) return try_out(live, std::move(chain), trial);
    MUT_TRY(live.replace(std::move(chain), live.version()));
    return {};
  };
  MUT_TRY(put(at_server, std::move(server), next.server));
  if (auto const done = put(at_client, std::move(client), next.client); !done) {
    MUT_TRY(at_server.replace(std::move(old_server), at_server.version()));
    return done;
  }
  return broker_.messages().set(of_messages(next.message));
}

Result<std::uint64_t> Adaptation::apply(std::vector<Edit> const& edits,
                                        ApplyOptions const& options) {
  std::lock_guard const one{changing_};
  if (options.reason.empty())
    return fail(Fault::invalid, "a change needs a reason", "say why: --reason TEXT");
  if (options.expected != revision())
    return fail(
        Fault::refused,
        fmt::format("the node is at revision {} by now, not {}", revision(), options.expected),
        "look at it again, and decide again");
  {
    std::lock_guard const lock{mutex_};
    if (unconfirmed_ != 0)
      return fail(Fault::refused, fmt::format("revision {} waits to be confirmed", unconfirmed_),
                  fmt::format("mutirao interceptor confirm {}", unconfirmed_));
  }
  if (options.trial > std::chrono::milliseconds{} &&
      std::ranges::find(edits, "message", &Edit::side) != edits.end())
    return fail(Fault::invalid, "messages have no trial: connections have one chain",
                "have it taken back unless it is confirmed: --confirm-within SECONDS");
  auto made = draft(edits);
  auto const what = fmt::format("{}", fmt::join(made.plan.steps, "; "));
  if (!made.plan.conflicts.empty())
    return fail(Fault::invalid, fmt::format("{}", fmt::join(made.plan.conflicts, "; ")),
                "nothing was changed: mutirao interceptor list, kinds");
  AuditEntry entry{.who = options.who, .what = what, .reason = options.reason};
  // Written down before anything happens: what can't be written down is not done.
  entry.outcome = "begun";
  MUT_TRY(log_.append(entry));
  Result<void> done;
  for (auto const* edit : made.swaps)
    if (done) done = assembly_->swap(edit->name, edit->kind.empty() ? edit->name : edit->kind);
  auto const number = made.next.number + 1;
  made.next.number = number;
  if (done) done = put_in_force(made.next, options.trial);
  if (!done) {
    entry.outcome = "failed: " + done.error().what;
    log_.record(std::move(entry));
    return std::unexpected{std::move(done).error()};
  }
  bool const waits = options.confirm_within > std::chrono::milliseconds{};
  keep(std::move(made.next), waits ? number : 0);
  entry.outcome = fmt::format("applied, revision {}", number);
  log_.record(std::move(entry));
  if (waits)
    scope_.spawn("confirm window",
                 [this, number, within = options.confirm_within] {
                   revert_unless_confirmed(number, within);
                 },
                 {.isolated = true});
  return number;
}

void Adaptation::keep(Revision next, std::uint64_t unconfirmed) {
  {
    std::lock_guard const lock{mutex_};
    revisions_.push_back(std::move(next));
    if (revisions_.size() > kRevisionsKept) revisions_.erase(revisions_.begin());
    unconfirmed_ = unconfirmed;
  }
  confirmed_.notify_all();
}

void Adaptation::revert_unless_confirmed(std::uint64_t revision, std::chrono::milliseconds within) {
  {
    std::unique_lock lock{mutex_};
    auto const waited =
        confirmed_.wait(lock, [&] { return unconfirmed_ != revision; }, threads::within(within));
    if (waited || waited.error().fault != Fault::timed_out) return;
  }
  std::lock_guard const one{changing_};
  {
    std::lock_guard const lock{mutex_};
    if (unconfirmed_ != revision) return;  // the word came at the last moment
  }
  // A change that shuts its author out must go, also when the disk is full.
  AuditEntry entry{.who = "the confirm window",
                   .what = fmt::format("back to revision {}", revision - 1),
                   .reason = fmt::format("revision {} was not confirmed", revision)};
  auto const done = go_back(revision - 1);
  entry.outcome =
      done ? fmt::format("applied, revision {}", *done) : "failed: " + done.error().what;
  log_.record(std::move(entry));
}

Result<void> Adaptation::confirm(std::uint64_t revision, std::string who) {
  std::lock_guard const one{changing_};
  {
    std::lock_guard const lock{mutex_};
    if (unconfirmed_ != revision)
      return fail(Fault::not_found, fmt::format("revision {} waits for nobody's word", revision),
                  unconfirmed_ != 0 ? fmt::format("{} does", unconfirmed_)
                                    : "mutirao interceptor history tells what became of it");
  }
  MUT_TRY(log_.append({.who = std::move(who),
                       .what = fmt::format("confirm revision {}", revision),
                       .reason = "it is as wanted",
                       .outcome = "confirmed"}));
  {
    std::lock_guard const lock{mutex_};
    unconfirmed_ = 0;
  }
  confirmed_.notify_all();
  return {};
}

Result<Adaptation::Revision> Adaptation::known(std::uint64_t number) const {
  std::lock_guard const lock{mutex_};
  auto const found = std::ranges::find(revisions_, number, &Revision::number);
  if (found == revisions_.end())
    return fail(Fault::not_found, fmt::format("revision {} is not known any more", number),
                fmt::format("from {} to {}", revisions_.front().number, revisions_.back().number));
  return *found;
}

Result<std::uint64_t> Adaptation::go_back(std::uint64_t to) {
  auto next = MUT_TRY(known(to));
  auto const number = next.number = revision() + 1;
  MUT_TRY(put_in_force(next, {}));
  keep(std::move(next), 0);
  return number;
}

Result<std::uint64_t> Adaptation::rollback(std::uint64_t to, std::string who, std::string reason) {
  std::lock_guard const one{changing_};
  if (reason.empty())
    return fail(Fault::invalid, "a change needs a reason", "say why: --reason TEXT");
  MUT_TRY(known(to));
  AuditEntry entry{.who = std::move(who),
                   .what = fmt::format("back to revision {}", to),
                   .reason = std::move(reason),
                   .outcome = "begun"};
  MUT_TRY(log_.append(entry));
  auto const done = go_back(to);
  entry.outcome =
      done ? fmt::format("applied, revision {}", *done) : "failed: " + done.error().what;
  log_.record(std::move(entry));
  return done;
}

std::vector<AuditEntry> Adaptation::history(std::size_t count) const { return log_.last(count); }

}  // namespace mutirao::middleware
