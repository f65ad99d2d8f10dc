// Reads any bytes as values, writes what is accepted in its shortest form, and checks that this
// form reads as the same and stays as it is.
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/wire/msgpack.h"

namespace {

using namespace mutirao;
using wire::MsgpackKind;
using wire::MsgpackReader;
using wire::MsgpackWriter;

void copy_integer(MsgpackReader& reader, MsgpackWriter& writer) {
  auto const here = reader.rest();
  MsgpackReader positive{here};
  auto const value = positive.integer<std::uint64_t>();
  if (!positive.failed()) {
    MUT_ASSERT(reader.integer<std::uint64_t>() == value);
    writer.integer(value);
  } else {
    writer.integer(reader.integer<std::int64_t>());
  }
}

/// As deep as skip() allows, since it went before.
void copy(MsgpackReader& reader, MsgpackWriter& writer) {
  auto const kind = reader.peek();
  MUT_ASSERT(kind);
  switch (*kind) {
    case MsgpackKind::nil:
      reader.nil();
      writer.nil();
      return;
    case MsgpackKind::boolean:
      writer.boolean(reader.boolean());
      return;
    case MsgpackKind::integer:
      copy_integer(reader, writer);
      return;
    case MsgpackKind::number:
      writer.number(reader.number());
      return;
    case MsgpackKind::string:
      writer.string(reader.string());
      return;
    case MsgpackKind::bytes:
      writer.bytes(reader.bytes());
      return;
    case MsgpackKind::extension: {
      auto const extension = reader.extension();
      writer.extension(extension.type, extension.content);
      return;
    }
    case MsgpackKind::array: {
      auto const count = reader.array();
      writer.array(count);
      for (std::size_t i = 0; i < count; ++i) copy(reader, writer);
      return;
    }
    case MsgpackKind::map: {
      auto const count = reader.map();
      writer.map(count);
      for (std::size_t i = 0; i < 2 * count; ++i) copy(reader, writer);
      return;
    }
  }
}

Bytes shortest(ByteView encoded) {
  MsgpackReader reader{encoded};
  MsgpackWriter writer;
  copy(reader, writer);
  MUT_ASSERT(reader.finish());
  return {writer.written().begin(), writer.written().end()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  MsgpackReader reader{{data, size}};
  while (!reader.at_end()) {
    auto const value = reader.skip();
    if (reader.failed()) break;
    auto const once = shortest(value);
    MUT_ASSERT(shortest(once) == once);
  }
  auto const done = reader.finish();
  MUT_ASSERT(done || !done.error().what.empty());
  return 0;
}
