#pragma once

#include <cstddef>
#include <cstdint>

#include "mutirao/codegen/assembler.h"

#include "translator/frame.h"
#include "translator/registers.h"

namespace mutirao::machine {

/// The fields of the page that a base register points into.
struct PageFields {
  explicit PageFields(unsigned base, bool is_store)
      : at{(is_store ? MUT_FRAME_OFFSET(translation.store_pages)
                     : MUT_FRAME_OFFSET(translation.load_pages)) +
           8 * static_cast<std::int32_t>(base)} {}
  [[nodiscard]] codegen::Mem room(std::size_t span_class) const {
    return of(offsetof(TranslationState::Pages, room) + 8 * 32 * span_class);
  }
  [[nodiscard]] codegen::Mem begin() const { return of(offsetof(TranslationState::Pages, begin)); }
  [[nodiscard]] codegen::Mem addend() const {
    return of(offsetof(TranslationState::Pages, addend));
  }
  [[nodiscard]] codegen::Mem of(std::size_t field) const {
    return in_frame(at + static_cast<std::int32_t>(field));
  }
  std::int32_t at;
};

/// The page of the address in rax, whose addend is in rdx, is known from now on. Changes rax.
inline void remember_page(codegen::Assembler& to, PageFields const& page) {
  using codegen::Reg;
  using codegen::Width;
  to.store(Width::qword, page.addend(), Reg::rdx);
  to.alu(codegen::Alu::and_, Width::qword, Reg::rax, -static_cast<std::int32_t>(kPageSize));
  to.store(Width::qword, page.begin(), Reg::rax);
  for (std::size_t n = 0; n < TranslationState::kSpans.size(); ++n)
    to.store(Width::qword, page.room(n), TranslationState::room_of(n));
}

}  // namespace mutirao::machine
