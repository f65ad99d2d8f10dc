#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

/// bencode (BEP 3): integers, byte strings, lists and dictionaries.
///
/// What is decoded comes from strangers, and recursive decoders have been crashed by depth, by
/// token count and by lengths that overflow. This one makes one pass without recursion over the
/// input, writes a flat table of tokens that point into it (nothing is copied), and refuses: what
/// is deeper, longer or has more tokens than the limits (Fault::exhausted); integers and lengths
/// with leading zeros, "-0" or beyond 64 bits; keys that are not strings, not sorted, or repeated;
/// and bytes after the value (Fault::corrupt, with the byte where it went wrong).
namespace mutirao::wire {

struct BencodeLimits {
  std::size_t bytes_max = 10 << 20;    ///< 4 GiB at most
  std::size_t tokens_max = 3'000'000;  ///< values and keys; 500 million at most
  std::size_t depth_max = 100;         ///< lists and dictionaries inside each other
  /// Old programs wrote unsorted dictionaries: .torrent files in the wild are read with this off.
  /// Repeated keys are refused always.
  bool sorted_keys = true;
  /// Bytes after the value, as in ut_metadata messages (BEP 9), are left over instead of refused.
  bool allow_rest = false;
};

class BencodeDocument;
class BencodeDecoder;

/// One value inside a document; a cheap view that must not outlive the document and its input.
/// Asking for the wrong kind, or for a key that is missing, gives an empty optional.
class BencodeValue {
 public:
  enum class Kind : std::uint8_t { integer, string, list, dictionary };

  [[nodiscard]] Kind kind() const noexcept;
  [[nodiscard]] std::optional<std::int64_t> integer() const noexcept;
  [[nodiscard]] std::optional<std::string_view> string() const noexcept;
  [[nodiscard]] bool is_list() const noexcept { return kind() == Kind::list; }
  [[nodiscard]] bool is_dictionary() const noexcept { return kind() == Kind::dictionary; }

  /// Elements of a list, or values of a dictionary; 0 for the others.
  [[nodiscard]] std::size_t size() const noexcept;

  /// The value of a key of a dictionary. Linear in the number of keys.
  [[nodiscard]] std::optional<BencodeValue> find(std::string_view key) const noexcept;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const noexcept;
  [[nodiscard]] std::optional<std::string_view> string(std::string_view key) const noexcept;

  /// The value's own encoding, such as the info dictionary whose hash names a torrent.
  [[nodiscard]] ByteView encoded() const noexcept;

  class Iterator;
  /// Walks a list or a dictionary; `key` is empty for list elements. Constant time a step. Name the
  /// value first: C++20 ends the life of the optional in `for (... : *root.find("x"))` too early.
  [[nodiscard]] Iterator begin() const noexcept;
  [[nodiscard]] Iterator end() const noexcept;

 private:
  friend class BencodeDocument;
  friend class Iterator;
  BencodeValue(BencodeDocument const* document, std::uint32_t token) noexcept
      : document_{document}, token_{token} {}
  BencodeDocument const* document_;
  std::uint32_t token_;
};

class BencodeValue::Iterator {
 public:
  struct Entry {
    std::string_view key;
    BencodeValue value;
  };
  [[nodiscard]] Entry operator*() const noexcept;
  Iterator& operator++() noexcept;
  friend bool operator==(Iterator const& a, Iterator const& b) noexcept {
    return a.token_ == b.token_;
  }

 private:
  friend class BencodeValue;
  BencodeDocument const* document_ = nullptr;
  std::uint32_t token_ = 0;
  bool dictionary_ = false;
};

/// A decoded input. The input must outlive it.
class BencodeDocument {
 public:
  [[nodiscard]] static Result<BencodeDocument> decode(ByteView input,
                                                      BencodeLimits const& limits = {});
  [[nodiscard]] BencodeValue root() const noexcept { return BencodeValue{this, 0}; }
  /// What follows the value, with allow_rest.
  [[nodiscard]] ByteView rest() const noexcept;

 private:
  friend class BencodeValue;
  friend class BencodeValue::Iterator;
  friend class BencodeDecoder;
  struct Token {
    std::uint32_t offset;       // of the encoding, in the input
    std::uint32_t end;          // of the encoding
    std::uint32_t next;         // token after this value and all it holds
    std::uint32_t header : 29;  // strings: bytes before the content; containers: number of values
    std::uint32_t kind : 3;
  };
  ByteView input_;
  std::vector<Token> tokens_;
};

/// Writes one value in bencode, in the order of the calls. Asserted, as the caller's bug: keys come
/// sorted and unrepeated, each followed by its value; one value at the outside; ends match begins.
class BencodeWriter {
 public:
  BencodeWriter& integer(std::int64_t value);
  BencodeWriter& string(std::string_view value);
  BencodeWriter& bytes(ByteView value);
  BencodeWriter& begin_list();
  BencodeWriter& begin_dictionary();
  BencodeWriter& key(std::string_view key);
  /// An encoding made elsewhere, as it is.
  BencodeWriter& raw(ByteView encoded);
  BencodeWriter& end();
  /// All containers must be ended.
  [[nodiscard]] Bytes finish() &&;

 private:
  struct Open {
    bool dictionary = false;
    bool any_key = false;
    bool key_waits = false;    // a key was written, its value was not
    std::size_t last_key = 0;  // where the content of the last key lies in out_
    std::size_t last_key_size = 0;
  };
  void before_value();
  void append_string(std::string_view value);

  Bytes out_;
  std::vector<Open> open_;
};

}  // namespace mutirao::wire
