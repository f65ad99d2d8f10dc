#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "mutirao/codegen/x64.h"

/// Which registers of the host translated code uses for what. The hottest of the guest live in
/// registers in all blocks, so that going from block to block moves nothing; the others are in the
/// frame.
namespace mutirao::machine {

struct Pin {
  unsigned guest;
  codegen::Reg host;
};
/// sp, s0, s1, a0 to a6, s2: what compilers use most.
inline constexpr std::array<Pin, 11> kPins{{{2, codegen::Reg::rbx},
                                            {8, codegen::Reg::r12},
                                            {9, codegen::Reg::r13},
                                            {10, codegen::Reg::rdi},
                                            {11, codegen::Reg::rsi},
                                            {12, codegen::Reg::r8},
                                            {13, codegen::Reg::r9},
                                            {14, codegen::Reg::r10},
                                            {15, codegen::Reg::r11},
                                            {16, codegen::Reg::r14},
                                            {18, codegen::Reg::r15}}};

/// Where the guest's registers are while translated code runs; nothing: in the frame.
struct RegisterMap {
  std::array<std::optional<codegen::Reg>, 32> x{};
  std::array<std::optional<codegen::Xmm>, 32> f{};
  std::optional<codegen::Reg> budget{};
};
/// Of blocks, and between regions.
inline constexpr auto kCommonMap = [] {
  RegisterMap map;
  for (auto const& [guest, host] : kPins) map.x[guest] = host;
  return map;
}();

/// Points into the frame; see kFrameBias.
inline constexpr codegen::Reg kFrame = codegen::Reg::rbp;
// Hold nothing between instructions of the guest: rax, rcx, rdx.

[[nodiscard]] constexpr codegen::Mem in_frame(std::int32_t offset) noexcept {
  return {kFrame, offset};
}

}  // namespace mutirao::machine
