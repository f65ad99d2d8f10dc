#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::codegen {

/// Memory for code that is made while the program runs. It is mapped twice: where it is written,
/// and where it runs; no page is ever both (W^X), and nothing has to be mapped anew to write.
class CodeMemory {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{1} << 30;  // a jump reaches all of it

  /// Fails with exhausted when there is not that much, or with refused where the system allows
  /// nobody to make code.
  [[nodiscard]] static Result<CodeMemory> make(std::size_t bytes);
  CodeMemory(CodeMemory&& other) noexcept;
  CodeMemory& operator=(CodeMemory&& other) noexcept;
  ~CodeMemory();

  [[nodiscard]] MutableBytes writable() noexcept { return {writable_, bytes_}; }
  /// Where what is written at writable()[0] runs.
  [[nodiscard]] std::uint8_t const* executable() const noexcept { return executable_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  /// Has the system give the pages of [begin, begin + bytes) at once, in both places. Whoever
  /// writes and runs them one after the other waits for each of them, twice, otherwise.
  void prepare(std::size_t begin, std::size_t bytes) noexcept;

 private:
  CodeMemory(std::uint8_t* writable, std::uint8_t* executable, std::size_t bytes) noexcept
      : writable_{writable}, executable_{executable}, bytes_{bytes} {}

  std::uint8_t* writable_ = nullptr;
  std::uint8_t* executable_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace mutirao::codegen
