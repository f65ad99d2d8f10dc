#include "machine/console_log.h"

#include <algorithm>
#include <mutex>

namespace mutirao::cli {

void ConsoleLog::append(std::string_view text) {
  std::lock_guard const lock{mutex_};
  kept_ += text;
  // Seldom, and half of it: so that a byte is moved twice on average, however short the pieces are.
  if (kept_.size() > 2 * bytes_max_) {
    auto const gone = kept_.size() - bytes_max_;
    kept_.erase(0, gone);
    dropped_ += gone;
  }
  came_.notify_all();
}

void ConsoleLog::close() {
  std::lock_guard const lock{mutex_};
  closed_ = true;
  came_.notify_all();
}

Result<std::optional<std::string>> ConsoleLog::Reader::next(Deadline deadline) {
  std::unique_lock lock{log_.mutex_};
  auto const end = [this] { return log_.dropped_ + log_.kept_.size(); };
  MUT_TRY(log_.came_.wait(lock, [&] { return at_ < end() || log_.closed_; }, deadline));
  if (at_ == end()) return std::nullopt;
  auto const oldest = end() - std::min<std::uint64_t>(log_.kept_.size(), log_.bytes_max_);
  at_ = std::max(at_, oldest);
  std::string text{log_.kept_, at_ - log_.dropped_};
  at_ = end();
  return text;
}

Result<ConsoleLog::Keyboard> ConsoleLog::Keyboard::take(ConsoleLog& log, std::uint64_t client) {
  std::lock_guard const lock{log.mutex_};
  if (log.typist_)
    return fail(Fault::refused, "somebody else types at this console",
                "look only: mutirao machine console NAME --watch");
  log.typist_ = client;
  return Keyboard{log};
}

ConsoleLog::Keyboard::~Keyboard() {
  if (log_ == nullptr) return;
  std::lock_guard const lock{log_->mutex_};
  log_->typist_.reset();
}

bool ConsoleLog::may_type(std::uint64_t client) const {
  std::lock_guard const lock{mutex_};
  return typist_ == client;
}

}  // namespace mutirao::cli
