#include "mutirao/middleware/audit.h"

#include <array>
#include <mutex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/sha.h>

#include "mutirao/base/bytes.h"

namespace mutirao::middleware {

namespace {
using Json = nlohmann::ordered_json;
constexpr std::uint64_t kFileBytesMax = 64 << 20;

Json json_of(AuditEntry const& entry) {
  return {{"number", entry.number}, {"time_ms", entry.time_ms}, {"who", entry.who},
          {"what", entry.what},     {"reason", entry.reason},   {"outcome", entry.outcome}};
}

std::string text_of(Json const& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string hash_of(std::string const& before, AuditEntry const& entry) {
  auto const bound = before + "\n" + text_of(json_of(entry));
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<unsigned char const*>(bound.data()), bound.size(), digest.data());
  return base::to_hex(digest);
}

std::string line_of(AuditEntry const& entry) {
  auto json = json_of(entry);
  json["hash"] = entry.hash;
  return text_of(json) + "\n";
}

Result<AuditEntry> entry_of(std::string_view line) {
  try {
    auto const json = Json::parse(line);
    return AuditEntry{.number = json.at("number").get<std::uint64_t>(),
                      .time_ms = json.at("time_ms").get<std::int64_t>(),
                      .who = json.at("who").get<std::string>(),
                      .what = json.at("what").get<std::string>(),
                      .reason = json.at("reason").get<std::string>(),
                      .outcome = json.at("outcome").get<std::string>(),
                      .hash = json.at("hash").get<std::string>()};
  } catch (std::exception const& error) {
    return fail(Fault::corrupt, error.what());
  }
}
}  // namespace

AuditLog::AuditLog(world::World& world) : world_{world} {}
AuditLog::~AuditLog() = default;

Result<std::unique_ptr<AuditLog>> AuditLog::open(world::World& world, world::Directory& folder,
                                                 std::string name) {
  auto log = std::make_unique<AuditLog>(world);
  log->file_ = MUT_TRY(folder.open(name, {.writable = true, .create = true, .owner_only = true}));
  auto const info = MUT_TRY(log->file_->info());
  if (info.size > kFileBytesMax)
    return fail(Fault::exhausted, fmt::format("{} is too long", name),
                "put it elsewhere: a new one begins");
  Bytes bytes(info.size);
  MUT_TRY(log->file_->read_exactly(0, bytes));
  auto const text = base::text_of(bytes);
  std::string before;
  for (std::size_t begin = 0; begin < text.size();) {
    auto const end = text.find('\n', begin);
    if (end == std::string_view::npos) {  // cut by a crash
      log->torn_ = true;
      break;
    }
    auto entry = entry_of(text.substr(begin, end - begin));
    bool const whole = entry && entry->number == log->entries_.size() + 1 &&
                       entry->hash == hash_of(before, *entry);
    if (!whole)
      return fail(
          Fault::corrupt,
          fmt::format("{}: entry {} is not what was written", name, log->entries_.size() + 1),
          "somebody altered it: keep it, and put it elsewhere; a new one begins");
    before = entry->hash;
    log->entries_.push_back(*std::move(entry));
    begin = end + 1;
    log->end_ = begin;
  }
  log->written_ = log->entries_.size();
  return log;
}

AuditEntry const& AuditLog::add(AuditEntry entry) {
  entry.number = entries_.size() + 1;
  entry.time_ms =
      std::chrono::floor<std::chrono::milliseconds>(world_.clock().civil().time_since_epoch())
          .count();
  entry.hash = hash_of(entries_.empty() ? "" : entries_.back().hash, entry);
  return entries_.emplace_back(std::move(entry));
}

/// All entries that are not on disk yet. A failure may leave some of their bytes there.
Result<void> AuditLog::write_out() {
  if (file_ == nullptr || written_ == entries_.size()) return {};
  std::string lines;
  for (auto i = written_; i < entries_.size(); ++i) lines += line_of(entries_[i]);
  if (torn_) MUT_TRY(file_->resize(end_));
  torn_ = true;
  MUT_TRY(file_->write_at(end_, base::view_of(lines)));
  MUT_TRY(file_->sync());
  torn_ = false;
  end_ += lines.size();
  written_ = entries_.size();
  return {};
}

Result<AuditEntry> AuditLog::append(AuditEntry entry) {
  std::lock_guard const lock{mutex_};
  auto const added = add(std::move(entry));
  if (auto const written = write_out(); !written) {
    entries_.pop_back();
    return std::unexpected{Error{written.error()}
                               .during("the audit log")
                               .with_mend("what can't be written down is not done: make room, and "
                                          "do it again")};
  }
  return added;
}

void AuditLog::record(AuditEntry entry) {
  std::lock_guard const lock{mutex_};
  auto const& added = add(std::move(entry));
  if (auto const written = write_out(); !written)
    world_.log().error("audit", "entry {} ({}: {}) is not on disk yet: {}", added.number,
                       added.what, added.outcome, written.error().what);
}

std::vector<AuditEntry> AuditLog::last(std::size_t count) const {
  std::lock_guard const lock{mutex_};
  auto const from = entries_.size() - std::min(count, entries_.size());
  return {entries_.begin() + static_cast<std::ptrdiff_t>(from), entries_.end()};
}

}  // namespace mutirao::middleware
