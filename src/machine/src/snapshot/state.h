#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

/// The state of a machine's parts, as bytes that describe themselves.
///
/// A snapshot outlives the program that made it: the next release has devices that this one does
/// not know, and more in those that it does. So each part has a section of its own with its name,
/// the version of its layout, its length and a checksum; a section that is not known, or is newer
/// than the part that reads it, is refused by name, and an older one may be shorter.
namespace mutirao::machine {

/// Puts down the fields of one part, in order, little-endian.
class StateWriter {
 public:
  template <class T>
    requires std::integral<T> || std::is_enum_v<T>
  void put(T value) {
    auto const at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  /// With their number before.
  void put(ByteView bytes) {
    put(static_cast<std::uint32_t>(bytes.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  [[nodiscard]] Bytes const& bytes() const noexcept { return bytes_; }

 private:
  Bytes bytes_;
};

/// Takes them up again. A part reads all that its writer put down, checks what must not be
/// anything, and asks in the end whether that was all.
class StateReader {
 public:
  StateReader(ByteView bytes, std::uint32_t version) noexcept : rest_{bytes}, version_{version} {}

  /// Of the layout.
  [[nodiscard]] std::uint32_t version() const noexcept { return version_; }
  /// False when there is nothing more; then the rest reads as false too.
  template <class T>
    requires std::integral<T>
  [[nodiscard]] bool get(T& value) noexcept {
    if (rest_.size() < sizeof value) return wrong();
    if constexpr (std::same_as<T, bool>) {
      auto const byte = rest_[0];
      rest_ = rest_.subspan(1);
      value = byte != 0;
      return byte <= 1 || wrong();
    } else {
      std::memcpy(&value, rest_.data(), sizeof value);
      rest_ = rest_.subspan(sizeof value);
      return true;
    }
  }
  [[nodiscard]] bool get(Bytes& bytes, std::size_t size_max) {
    std::uint32_t size = 0;
    if (!get(size)) return false;
    if (size > size_max || size > rest_.size()) return wrong();
    bytes.assign(rest_.begin(), rest_.begin() + size);
    rest_ = rest_.subspan(size);
    return true;
  }
  /// For a value that cannot be: the section is refused.
  bool wrong() noexcept {
    rest_ = {};
    wrong_ = true;
    return false;
  }
  /// Whether everything was there, and nothing else.
  [[nodiscard]] bool complete() const noexcept { return !wrong_ && rest_.empty(); }

 private:
  ByteView rest_;
  std::uint32_t version_;
  bool wrong_ = false;
};

/// A part of a machine that can be saved, while no hart runs.
class Saved {
 public:
  virtual ~Saved() = default;
  /// Of the layout that `save` writes. It is raised when that changes; `restore` reads this and
  /// those before.
  [[nodiscard]] virtual std::uint32_t state_version() const { return 1; }
  /// Fails with unsupported for a part that cannot be saved.
  [[nodiscard]] virtual Result<void> save(StateWriter& to) const = 0;
  /// Into a part as it is after power on. What comes from a file may be anything: false for what no
  /// `save` can have written.
  [[nodiscard]] virtual bool restore(StateReader& from) = 0;
};

/// One section.
struct StateSection {
  static constexpr std::size_t kNameMax = 64;
  std::string name;
  std::uint32_t version = 0;
  ByteView content{};
};

inline constexpr std::size_t kStateSectionsMax = 256;
inline constexpr std::size_t kStateBytesMax = 64 << 20;  ///< of all sections together

/// Adds a section at the end.
void append_section(Bytes& to, std::string_view name, std::uint32_t version, ByteView content);
[[nodiscard]] Result<void> append_section(Bytes& to, std::string_view name, Saved const& part);

/// Views of `bytes`, which outlives them. Fault::corrupt when they are not what was written.
[[nodiscard]] Result<std::vector<StateSection>> read_sections(ByteView bytes);

/// Gives a part the section of its name, and takes that from the list. Fault::corrupt when there is
/// none or it makes no sense, unsupported when it is newer than the part.
[[nodiscard]] Result<void> restore_section(std::vector<StateSection>& sections,
                                           std::string_view name, Saved& part);

}  // namespace mutirao::machine
