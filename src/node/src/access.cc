#include "access.h"

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/middleware/reflection.h"

namespace mutirao::node {
namespace {

constexpr char kAllowedKeys[] = "allowed_keys";
constexpr std::string_view kOwner = "owner";
constexpr std::string_view kViewer = "viewer";
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kKeysMax = 1000;

/// A line for each: role, key, name.
std::string text_of_keys(auto const& keys) {
  std::string text;
  for (auto const& [unused, each] : keys)
    text += fmt::format("{} {} {}\n", each.role, each.key, each.name);
  return text;
}

Result<net::PublicKey> checked(AllowedKey const& wanted) {
  auto const key = net::PublicKey::parse(wanted.key);
  if (!key)
    return fail(Fault::invalid, fmt::format("{} is no key", base::quoted(wanted.key)),
                "such as ed25519:..., as mutirao key show prints it on the other machine");
  if (wanted.role != kOwner && wanted.role != kViewer)
    return fail(Fault::invalid, fmt::format("{} is no role", base::quoted(wanted.role)),
                "viewer: may look; owner: may do everything");
  bool const plain = std::ranges::none_of(
      wanted.name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (!plain || wanted.name.size() > kNameBytesMax || !base::is_utf8(wanted.name) ||
      wanted.name.starts_with("ed25519:"))
    return fail(Fault::invalid, fmt::format("{} is no name for a key", base::quoted(wanted.name)),
                fmt::format("at most {} bytes in one line", kNameBytesMax));
  return *key;
}

std::string told(std::string_view what, AllowedKey const& key) {
  return fmt::format("key.{} {} {}{}", what, key.role, key.key,
                     key.name.empty() ? "" : " for " + key.name);
}

/// That it is called is no more than that somebody calls: what it calls is judged on its own.
bool calls_for_another(middleware::Call const& call) noexcept {
  auto const& meta = middleware::interface_of<middleware::Meta>;
  return call.method == meta.find(decltype(middleware::Meta::call)::kInfo.name);
}

}  // namespace

Result<std::unique_ptr<Access>> Access::open(StateDb& db, middleware::AuditLog& log) {
  std::unique_ptr<Access> access{new Access{db, log}};
  auto const text = MUT_TRY(db.setting(kAllowedKeys)).value_or("");
  for (std::size_t begin = 0; begin < text.size();) {
    auto const end = std::min(text.find('\n', begin), text.size());
    auto const line = std::string_view{text}.substr(begin, end - begin);
    begin = end + 1;
    auto const first = line.find(' ');
    auto const second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos)
      return fail(Fault::corrupt, "the keys that may control this node can't be read",
                  "forget them all: sqlite3 state.db \"delete from settings where "
                  "key='allowed_keys'\" in the state folder");
    AllowedKey each{.key = std::string{line.substr(first + 1, second - first - 1)},
                    .role = std::string{line.substr(0, first)},
                    .name = std::string{line.substr(second + 1)}};
    auto const key = MUT_TRY(checked(each));
    access->keys_.emplace(key, std::move(each));
  }
  return access;
}

bool Access::knows(net::PublicKey const& key) const {
  std::lock_guard const lock{mutex_};
  return keys_.contains(key);
}

Result<void> Access::may(middleware::Call const& call) const {
  if (call.caller.empty() || call.caller == middleware::kLocalCaller) return {};
  auto const key = net::PublicKey::parse(call.caller);
  if (!key)
    return fail(Fault::refused, fmt::format("nobody knows who calls from {}", call.caller),
                "call by TLS, in the protocol of nodes: mutirao --at HOST:PORT");
  std::string role;
  {
    std::lock_guard const lock{mutex_};
    auto const found = keys_.find(*key);
    if (found != keys_.end()) role = found->second.role;
  }
  if (role == kOwner) return {};
  if (role.empty())
    return fail(Fault::refused, fmt::format("the key {} may not control this node", call.caller),
                fmt::format("run on the node: mutirao key allow {}", call.caller));
  // What this node does not know it can't call harmless.
  if (call.method != nullptr && (call.method->reads || calls_for_another(call))) return {};
  return fail(Fault::refused,
              fmt::format("the key {} may only look, and {}.{} does more", call.caller,
                          call.target->object, call.method_name),
              fmt::format("run on the node: mutirao key allow {} --role owner", call.caller));
}

std::vector<AllowedKey> Access::list() const {
  std::vector<AllowedKey> all;
  {
    std::lock_guard const lock{mutex_};
    for (auto const& [unused, each] : keys_) all.push_back(each);
  }
  std::ranges::stable_sort(all, {}, &AllowedKey::name);
  return all;
}

Result<void> Access::change(std::string what, std::string who, Keys next) {
  middleware::AuditEntry entry{.who = std::move(who), .what = std::move(what)};
  entry.outcome = "begun";
  MUT_TRY(log_.append(entry));
  auto const kept = db_.set(kAllowedKeys, text_of_keys(next));
  if (kept) {
    std::lock_guard const lock{mutex_};
    keys_ = std::move(next);
  }
  entry.outcome = kept ? "applied" : "failed: " + kept.error().what;
  log_.record(std::move(entry));
  return kept;
}

Result<void> Access::allow(AllowedKey wanted, std::string who) {
  auto const key = MUT_TRY(checked(wanted));
  std::lock_guard const one{changing_};
  auto next = keys_;
  if (next.size() >= kKeysMax && !next.contains(key))
    return fail(Fault::exhausted, fmt::format("there are {} keys", next.size()),
                "mutirao key revoke those that are not needed");
  for (auto const& [other, each] : next)
    if (other != key && !wanted.name.empty() && each.name == wanted.name)
      return fail(Fault::refused, fmt::format("{} is the name of another key", wanted.name),
                  fmt::format("mutirao key revoke {}, or choose another name", wanted.name));
  auto what = told("allow", wanted);
  next.insert_or_assign(key, std::move(wanted));
  return change(std::move(what), std::move(who), std::move(next));
}

Result<AllowedKey> Access::revoke(std::string_view key_or_name, std::string who) {
  std::lock_guard const one{changing_};
  auto next = keys_;
  auto const found = std::ranges::find_if(next, [&](auto const& each) {
    return each.second.key == key_or_name ||
           (!key_or_name.empty() && each.second.name == key_or_name);
  });
  if (found == next.end())
    return fail(Fault::not_found,
                fmt::format("no key {} is allowed here", base::quoted(key_or_name)),
                "mutirao key list");
  auto gone = found->second;
  next.erase(found);
  MUT_TRY(change(told("revoke", gone), std::move(who), std::move(next)));
  return gone;
}

}  // namespace mutirao::node
