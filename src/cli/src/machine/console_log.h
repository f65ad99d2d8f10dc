#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::cli {

/// What a machine sent to its console, for those who look at it, be it now or later.
///
/// The last `bytes_max` bytes are kept. Nobody holds the machine up: who is slower than the console
/// goes on with what is left. One of those who look may type. Any number of threads.
class ConsoleLog {
 public:
  static constexpr std::size_t kBytesMax = 256 << 10;
  explicit ConsoleLog(std::size_t bytes_max = kBytesMax) noexcept : bytes_max_{bytes_max} {}

  void append(std::string_view text);
  /// Nothing more comes.
  void close();

  /// One who looks, from the oldest that is kept.
  class Reader {
   public:
    explicit Reader(ConsoleLog& log) noexcept : log_{log} {}
    /// What came since, at least a byte; nothing at the end.
    [[nodiscard]] Result<std::optional<std::string>> next(Deadline deadline);

   private:
    ConsoleLog& log_;
    std::uint64_t at_ = 0;  // of all bytes that ever came
  };

  /// The keyboard, held by one client. Gives it back in the end.
  class Keyboard {
   public:
    /// Fails with refused while somebody else has it.
    [[nodiscard]] static Result<Keyboard> take(ConsoleLog& log, std::uint64_t client);
    Keyboard(Keyboard&& other) noexcept : log_{std::exchange(other.log_, nullptr)} {}
    Keyboard& operator=(Keyboard&&) = delete;
    ~Keyboard();

   private:
    explicit Keyboard(ConsoleLog& log) noexcept : log_{&log} {}
    ConsoleLog* log_;
  };
  [[nodiscard]] bool may_type(std::uint64_t client) const;

 private:
  std::size_t const bytes_max_;
  mutable threads::mutex mutex_;
  threads::condition_variable came_;
  std::string kept_;
  std::uint64_t dropped_ = 0;  // bytes before the first that is kept
  bool closed_ = false;
  std::optional<std::uint64_t> typist_;
};

}  // namespace mutirao::cli
