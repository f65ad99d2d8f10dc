#include "state_db.h"

#include <mutex>
#include <sqlite3.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::node {
namespace {

constexpr int kSchemaVersion = 1;

// synchronous=FULL: a commit in WAL mode survives a power cut. locking_mode=EXCLUSIVE before the
// first access: the lock is taken once and kept, and no shared-memory file is needed.
constexpr char kOpening[] =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "BEGIN EXCLUSIVE; COMMIT;";

constexpr char kSchema[] =
    "BEGIN;"
    "CREATE TABLE torrents ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " folder TEXT NOT NULL, origin TEXT NOT NULL, added_s INTEGER NOT NULL, source TEXT NOT NULL,"
    " trackers TEXT NOT NULL) STRICT;"
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "PRAGMA user_version=1;"
    "COMMIT;";

/// One prepared statement; bound, stepped and read in order.
class Statement {
 public:
  Statement(sqlite3* db, char const* sql) { sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr); }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(Statement const&) = delete;
  Statement& operator=(Statement const&) = delete;

  Statement& bind(std::string_view text) {
    sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(std::int64_t number) {
    sqlite3_bind_int64(statement_, ++bound_, number);
    return *this;
  }
  int step() { return sqlite3_step(statement_); }
  [[nodiscard]] std::string text(int column) {
    auto const* bytes = reinterpret_cast<char const*>(sqlite3_column_text(statement_, column));
    return bytes == nullptr
               ? std::string{}
               : std::string(bytes,
                             static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
  }
  [[nodiscard]] std::int64_t number(int column) { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

std::string join_lines(std::vector<std::string> const& lines) {
  std::string joined;
  for (auto const& line : lines) joined += line + '\n';
  return joined;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    auto const end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace

struct StateDb::State {
  std::string path;
  sqlite3* db = nullptr;
  threads::mutex mutex;  // one statement at a time; taken before the blocking section

  ~State() {
    // Closing writes the journal back: not on the LWP that others need.
    threads::blocking([this] { sqlite3_close(db); });
  }

  /// The error that SQLite reports now, with a fault that a caller can branch on.
  [[nodiscard]] std::unexpected<Error> failure(std::string_view step) const {
    int const code = sqlite3_errcode(db) & 0xff;
    Fault const fault = code == SQLITE_FULL                               ? Fault::exhausted
                        : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? Fault::corrupt
                        : code == SQLITE_READONLY || code == SQLITE_PERM || code == SQLITE_CANTOPEN
                            ? Fault::refused
                            : Fault::io;
    std::string mend;
    if (fault == Fault::corrupt)
      mend = fmt::format("move {} away; what it listed can be shared and fetched again", path);
    if (fault == Fault::refused)
      mend = "choose a state folder that you can write: mutirao --state DIR";
    if (fault == Fault::exhausted) mend = "make room on the disk of the state folder";
    return fail(fault, fmt::format("{}: {}: {}", step, path, sqlite3_errmsg(db)), std::move(mend));
  }

  Result<void> run(char const* sql, std::string_view step) {
    if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(step);
    return {};
  }

  Result<void> prepare_schema() {
    std::int64_t version = 0;
    {
      Statement query{db, "PRAGMA user_version"};
      if (query.step() != SQLITE_ROW) return failure("reading the version of the state");
      version = query.number(0);
    }
    if (version == 0) return run(kSchema, "creating the state");
    if (version > kSchemaVersion)
      return fail(Fault::unsupported,
                  fmt::format("{} was written by a newer Mutirão (schema {}, this one knows {})",
                              path, version, kSchemaVersion),
                  "use the newer program, or another folder: mutirao --state DIR");
    return {};
  }
};

StateDb::StateDb(std::unique_ptr<State> state) : state_{std::move(state)} {}
StateDb::~StateDb() = default;

Result<std::unique_ptr<StateDb>> StateDb::open(std::string const& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  auto opened = threads::blocking([&]() -> Result<void> {
    if (sqlite3_open_v2(path.c_str(), &state->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                        nullptr) != SQLITE_OK)
      return state->failure("opening the state");
    if (auto ready = state->run(kOpening, "opening the state"); !ready) {
      if ((sqlite3_errcode(state->db) & 0xff) == SQLITE_BUSY ||
          (sqlite3_errcode(state->db) & 0xff) == SQLITE_LOCKED)
        return fail(Fault::refused, fmt::format("{} is in use by another process", path));
      return ready;
    }
    return state->prepare_schema();
  });
  if (!opened) return std::unexpected{std::move(opened).error()};
  return std::unique_ptr<StateDb>{new StateDb{std::move(state)}};
}

Result<void> StateDb::put(TorrentRecord const& record) {
  std::lock_guard const lock{state_->mutex};
  return threads::blocking([&]() -> Result<void> {
    Statement insert{
        state_->db,
        "INSERT INTO torrents (id, name, folder, origin, added_s, source, trackers) VALUES "
        "(?,?,?,?,?,?,?) "
        "ON CONFLICT (id) DO UPDATE SET name=excluded.name, folder=excluded.folder, "
        "origin=excluded.origin, "
        "added_s=excluded.added_s, source=excluded.source, trackers=excluded.trackers"};
    insert.bind(record.id).bind(record.name).bind(record.folder);
    insert.bind(record.origin == Origin::shared ? "shared" : "fetched");
    insert.bind(record.added_s).bind(record.source).bind(join_lines(record.trackers));
    if (insert.step() != SQLITE_DONE) return state_->failure("remembering " + record.name);
    return {};
  });
}

Result<void> StateDb::remove(std::string_view id) {
  std::lock_guard const lock{state_->mutex};
  return threads::blocking([&]() -> Result<void> {
    Statement removal{state_->db, "DELETE FROM torrents WHERE id=?"};
    if (removal.bind(id).step() != SQLITE_DONE) return state_->failure("forgetting a torrent");
    return {};
  });
}

Result<std::vector<TorrentRecord>> StateDb::torrents() {
  std::lock_guard const lock{state_->mutex};
  return threads::blocking([&]() -> Result<std::vector<TorrentRecord>> {
    std::vector<TorrentRecord> records;
    Statement query{
        state_->db,
        "SELECT id, name, folder, origin, added_s, source, trackers FROM torrents ORDER BY number"};
    int code = 0;
    while ((code = query.step()) == SQLITE_ROW)
      records.push_back({.id = query.text(0),
                         .name = query.text(1),
                         .folder = query.text(2),
                         .origin = query.text(3) == "shared" ? Origin::shared : Origin::fetched,
                         .added_s = query.number(4),
                         .source = query.text(5),
                         .trackers = split_lines(query.text(6))});
    if (code != SQLITE_DONE) return state_->failure("reading the torrents");
    return records;
  });
}

Result<std::optional<std::string>> StateDb::setting(std::string_view key) {
  std::lock_guard const lock{state_->mutex};
  return threads::blocking([&]() -> Result<std::optional<std::string>> {
    Statement query{state_->db, "SELECT value FROM settings WHERE key=?"};
    int const code = query.bind(key).step();
    if (code == SQLITE_ROW) return query.text(0);
    if (code != SQLITE_DONE) return state_->failure("reading a setting");
    return std::nullopt;
  });
}

Result<void> StateDb::set(std::string_view key, std::string_view value) {
  std::lock_guard const lock{state_->mutex};
  return threads::blocking([&]() -> Result<void> {
    Statement insert{state_->db,
                     "INSERT INTO settings (key, value) VALUES (?,?) ON CONFLICT (key) DO UPDATE "
                     "SET value=excluded.value"};
    if (insert.bind(key).bind(value).step() != SQLITE_DONE)
      return state_->failure("remembering a setting");
    return {};
  });
}

}  // namespace mutirao::node
