// Decodes any bytes, walks every value, and checks that what is accepted encodes again to the same.
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/wire/bencode.h"

namespace {

using namespace mutirao;
using wire::BencodeDocument;
using wire::BencodeValue;

void write(wire::BencodeWriter& writer, BencodeValue value) {
  switch (value.kind()) {
    case BencodeValue::Kind::integer:
      writer.integer(*value.integer());
      return;
    case BencodeValue::Kind::string:
      writer.string(*value.string());
      return;
    case BencodeValue::Kind::list: {
      std::size_t count = 0;
      writer.begin_list();
      for (auto const entry : value) {
        write(writer, entry.value);
        ++count;
      }
      writer.end();
      MUT_ASSERT(count == value.size());
      return;
    }
    case BencodeValue::Kind::dictionary:
      writer.begin_dictionary();
      for (auto const [key, element] : value) {
        MUT_ASSERT(value.find(key)->encoded().data() == element.encoded().data());
        writer.key(key);
        write(writer, element);
      }
      writer.end();
      return;
  }
}

void walk(BencodeValue value, ByteView input) {
  auto const encoded = value.encoded();
  MUT_ASSERT(encoded.data() >= input.data() &&
             encoded.data() + encoded.size() <= input.data() + input.size());
  for (auto const entry : value) walk(entry.value, input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  ByteView const input{data, size};
  if (auto const document = BencodeDocument::decode(input)) {
    wire::BencodeWriter writer;
    write(writer, document->root());
    auto const again = std::move(writer).finish();
    MUT_ASSERT(base::text_of(again) == base::text_of(input));
  }
  wire::BencodeLimits const lenient{
      .tokens_max = 1000, .depth_max = 20, .sorted_keys = false, .allow_rest = true};
  if (auto const document = BencodeDocument::decode(input, lenient)) {
    walk(document->root(), input);
    MUT_ASSERT(document->root().encoded().size() + document->rest().size() == size);
  }
  return 0;
}
