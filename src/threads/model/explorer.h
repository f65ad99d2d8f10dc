#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A small model checker for the lock-free parts of `threads`.
///
/// A lost wake-up shows once in a million runs, on somebody else's machine. Here the real sources
/// are compiled against atomics that hand control to an explorer before every access to shared
/// memory, and the explorer runs a scenario of two or three threads in every order that can make a
/// difference.
///
/// What a run may do is what x86 may do (x86-TSO; Owens, Sarkar, Sewell 2009): a store that is not
/// sequentially consistent waits in its thread's buffer and reaches memory at any later time, in
/// order; a read-modify-write, and a sequentially consistent store, first wait for that. What a
/// compiler may reorder beyond that is not explored.
///
/// Orders that differ only by swapping independent accesses are run once (dynamic partial-order
/// reduction with source sets and sleep sets; Abdulla, Aronis, Jonsson, Sagonas 2014), which leaves
/// out nothing that a thread could tell apart.
namespace mutirao::model {

/// What a thread is about to do to a word of shared memory.
enum class act : std::uint8_t {
  load,
  exchange,  ///< a read-modify-write, or a store that is sequentially consistent
  acquire,   ///< waits until the word is 0 and makes it 1
  await,     ///< waits until the word has another value than `compared`
};

/// How an operation is made wrong, to see that the explorer finds it out.
enum class flaw : std::uint8_t {
  torn,  ///< a read-modify-write becomes a load and a store
  lost,  ///< nothing is written
  weak,  ///< a sequentially consistent store may wait in the buffer
};
[[nodiscard]] std::string_view name_of(flaw kind) noexcept;

/// One place in the sources that touches shared memory.
struct site {
  std::string_view file;
  std::string_view function;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool operator==(site const&) const = default;
};
struct mutation {
  site where;
  flaw kind = flaw::torn;
};

inline constexpr unsigned kThreadsMax = 4;
inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

struct options {
  /// Without buffers memory is sequentially consistent.
  bool store_buffers = true;
  std::optional<mutation> planted{};
  /// Runs every order, also those that nobody can tell apart: to check the reduction itself.
  bool reduce = true;
  /// Gives up, incomplete, after so many executions.
  std::uint64_t executions_max = kNoLimit;
  /// An execution of more accesses than that counts as endless.
  std::size_t accesses_max = 1500;
};

struct report {
  std::uint64_t executions = 0;  ///< run to their end; no two of them equivalent
  std::uint64_t redundant = 0;   ///< begun, and found to be equivalent to one that was run
  std::uint64_t accesses = 0;
  bool complete = false;
  std::optional<std::string> failure{};  ///< of the first bad execution, with its steps
  /// Every place that was passed, and with which flaws it can be made wrong.
  std::vector<mutation> mutations{};
};

/// The threads and checks of one execution; `scenario` is called anew for each.
class execution {
 public:
  /// At most kThreadsMax. They start when the scenario's function returns; what they capture must
  /// live in `keep`.
  void thread(std::string_view name, std::move_only_function<void()> body);
  /// One that may be waiting still when the others have ended.
  void background_thread(std::string_view name, std::move_only_function<void()> body);
  /// When all threads have ended.
  void finally(std::move_only_function<void()> check);
  template <class T, class... Arguments>
  T& keep(Arguments&&... arguments) {
    auto owned = std::make_shared<T>(std::forward<Arguments>(arguments)...);
    T& kept = *owned;
    kept_.push_back(std::move(owned));
    return kept;
  }

 private:
  friend class explorer;
  std::vector<std::shared_ptr<void>> kept_;
  std::move_only_function<void()> check_;
};

[[nodiscard]] report explore(std::function<void(execution&)> const& scenario, options chosen = {});

/// What must hold; otherwise the execution ends and is reported.
void require(bool holds, char const* what, char const* file, int line);
#define MODEL_REQUIRE(expression) \
  ::mutirao::model::require(static_cast<bool>(expression), #expression, __FILE__, __LINE__)

/// The number of the model thread that runs; kThreadsMax outside of them.
[[nodiscard]] unsigned current_thread() noexcept;

/// What a word of shared memory tells the explorer.
struct word {
  void* memory = nullptr;
  std::uint8_t size = 0;
  mutable int last_access = -1;
  mutable std::uint64_t execution = 0;
  bool alive = true;
};

/// For the atomics. Each but the first returns when the thread may do what it said.
[[nodiscard]] bool modelled() noexcept;  ///< on a model thread; else memory is touched directly
void about_to(act what, word const& where, std::uint64_t compared, bool may_fail,
              std::source_location from);
[[nodiscard]] std::uint64_t read_own(word const& where) noexcept;  ///< sees the thread's own buffer
void write_later(word const& where, std::uint64_t value);
void write_now(word const& where, std::uint64_t value) noexcept;
[[nodiscard]] bool has_flaw(flaw kind, std::source_location const& where);
void forget(word const& gone) noexcept;

}  // namespace mutirao::model
