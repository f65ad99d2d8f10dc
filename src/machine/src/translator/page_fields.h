#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/codegen/assembler.h"

#include "translator/frame.h"
#include "translator/registers.h"

namespace mutirao::machine {

/// The fields of the page that a base register points into.
class PageFields {
 public:
  PageFields(Privilege privilege, unsigned base, bool is_store)
      : pages_{(is_store ? MUT_FRAME_OFFSET(translation.pages[0].stores)
                         : MUT_FRAME_OFFSET(translation.pages[0].loads)) +
               static_cast<std::int32_t>(page_set_of(privilege) *
                                         sizeof(TranslationState::PageSet))},
        base_{base} {}
  /// For so many bytes.
  [[nodiscard]] codegen::Mem room(std::int32_t span) const {
    std::size_t n = 0;
    while (TranslationState::kSpans[n] < span) ++n;
    return at(Pages::offset_of(base_) + offsetof(Page, room) + 8 * n);
  }
  [[nodiscard]] codegen::Mem begin() const { return at(offsetof(Pages, begin) + 8 * base_); }
  [[nodiscard]] codegen::Mem addend() const {
    return at(Pages::offset_of(base_) + offsetof(Page, addend));
  }

 private:
  using Page = TranslationState::Page;
  using Pages = TranslationState::Pages;

  [[nodiscard]] codegen::Mem at(std::size_t offset) const {
    return in_frame(pages_ + static_cast<std::int32_t>(offset));
  }

  std::int32_t pages_;
  unsigned base_;
};

}  // namespace mutirao::machine
