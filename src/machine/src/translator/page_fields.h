#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/codegen/assembler.h"

#include "translator/frame.h"
#include "translator/registers.h"

namespace mutirao::machine {

/// The fields of the page that a base register points into.
struct PageFields {
  using Page = TranslationState::Page;

  PageFields(Privilege privilege, unsigned base, bool is_store)
      : at{(is_store ? MUT_FRAME_OFFSET(translation.pages[0].stores)
                     : MUT_FRAME_OFFSET(translation.pages[0].loads)) +
           static_cast<std::int32_t>(page_set_of(privilege) * sizeof(TranslationState::PageSet)) +
           TranslationState::Pages::offset_of(base)} {}
  /// For so many bytes.
  [[nodiscard]] codegen::Mem room(std::int32_t span) const {
    std::size_t n = 0;
    while (TranslationState::kSpans[n] < span) ++n;
    return of(offsetof(Page, room) + 8 * n);
  }
  [[nodiscard]] codegen::Mem begin() const { return of(offsetof(Page, begin)); }
  [[nodiscard]] codegen::Mem addend() const { return of(offsetof(Page, addend)); }
  [[nodiscard]] codegen::Mem of(std::size_t field) const {
    return in_frame(at + static_cast<std::int32_t>(field));
  }
  std::int32_t at;
};

}  // namespace mutirao::machine
