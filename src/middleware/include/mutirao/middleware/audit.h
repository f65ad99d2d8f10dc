#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/world.h"

namespace mutirao::middleware {

/// One thing that was changed, by a person or by a control loop.
struct AuditEntry {
  std::uint64_t number = 0;
  std::int64_t time_ms = 0;  ///< since 1970
  std::string who{};
  std::string what{};     ///< "interceptor.add server rate-limit"
  std::string reason{};   ///< why, in the words of whoever did it
  std::string outcome{};  ///< "applied, revision 4", "reverted: not confirmed"
  std::string hash{};     ///< SHA-256 of this entry and of the hash before it, in hex
};

/// What was changed, in a file that only grows: a line of JSON for each entry, each bound to the
/// one before it by its hash, so that nothing can be taken out or altered without a trace.
///
/// An entry is on disk before append() returns. Any number of threads. Only its owner may read the
/// file: reasons are for those who may manage the node.
class AuditLog {
 public:
  /// Reads what is there and checks the chain: a broken one is Fault::corrupt, and names the entry.
  /// A last line that a crash has cut is left away.
  [[nodiscard]] static Result<std::unique_ptr<AuditLog>> open(world::World& world,
                                                              world::Directory& folder,
                                                              std::string name);
  /// Kept in memory alone.
  explicit AuditLog(world::World& world);
  ~AuditLog();

  /// Fills in number, time and hash. When it fails there is no such entry: what was about to be
  /// done is not to be done.
  Result<AuditEntry> append(AuditEntry entry);
  /// What has happened already, and stands whether it can be written or not: it is in last(), and
  /// is written at the latest before the next append().
  void record(AuditEntry entry);
  /// The last ones, the oldest first.
  [[nodiscard]] std::vector<AuditEntry> last(std::size_t count) const;

 private:
  AuditEntry const& add(AuditEntry entry);
  Result<void> write_out();

  world::World& world_;
  mutable threads::mutex mutex_;
  std::unique_ptr<world::File> file_;
  std::uint64_t end_ = 0;  // of what is surely written
  bool torn_ = false;      // there may be something behind it
  std::vector<AuditEntry> entries_;
  std::size_t written_ = 0;  // of the entries
};

}  // namespace mutirao::middleware
