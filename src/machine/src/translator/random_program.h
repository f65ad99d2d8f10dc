#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "hart/hart.h"
#include "isa/decode.h"
#include "isa/instruction.h"

/// Programs for comparing engines: instructions of all kinds in random order, with registers that
/// make something of them.
namespace mutirao::machine {

/// Where a random program may be at home.
struct RandomProgramPlace {
  std::uint64_t code = 0;     ///< virtual
  std::uint64_t data = 0;     ///< a few pages
  std::uint64_t nowhere = 0;  ///< an address that is not mapped
};

class RandomProgram {
 public:
  RandomProgram(std::uint64_t seed, RandomProgramPlace place) : random_{seed}, place_{place} {}

  /// So many instructions, some compressed; as halfwords. Only those that `also` admits.
  std::vector<std::uint16_t> code(
      std::size_t count, bool (*also)(Instruction const&) = [](auto const&) { return true; }) {
    std::vector<std::uint16_t> halves;
    for (std::size_t n = 0; n < count;) {
      auto const word = below(4) == 0 ? compressed() : full();
      auto const decoded = is_compressed(static_cast<std::uint16_t>(word))
                               ? decode(static_cast<std::uint16_t>(word))
                               : decode(word);
      if (!wanted(decoded) || !also(decoded)) continue;
      halves.push_back(static_cast<std::uint16_t>(word));
      if (decoded.length == 4) halves.push_back(static_cast<std::uint16_t>(word >> 16));
      ++n;
    }
    return halves;
  }

  /// Addresses of data and code, small numbers, the ends of ranges, and anything.
  std::uint64_t value() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        return place_.data + below(3 * 4096);
      case 3:
        return (place_.data + below(3 * 4096)) & ~std::uint64_t{7};
      case 4:
        return below(4) == 0 ? place_.code + below(256) * 2 : below(128);
      case 5: {
        static constexpr std::uint64_t kEnds[]{
            0, 1, ~0ull, 1ull << 63, ~0ull >> 1, 0x7fffffff, 0x80000000, 0xffffffff, ~0ull << 31,
        };
        return kEnds[below(std::size(kEnds))];
      }
      case 6:
        return below(6) == 0 ? place_.nowhere + below(4096) : random_();
      default:
        return random_();
    }
  }
  /// Numbers, their ends, and what is none; some in single precision.
  std::uint64_t number() {
    static constexpr std::uint64_t kSpecial[]{
        0,
        1ull << 63,
        0x3ff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0x7ff0000000000001,
        1,
        0x000fffffffffffff,
        0x7fefffffffffffff,
        0x43e0000000000000,
        0xc3e0000000000000,
    };
    static constexpr std::uint32_t kSpecialSingle[]{0,          1u << 31,   0x3f800000, 0x7f800000,
                                                    0xff800000, 0x7fc00000, 0x7f800001, 1,
                                                    0x007fffff, 0x7f7fffff, 0x4f000000, 0x5f000000};
    constexpr std::uint64_t kBox = 0xffffffff00000000;
    switch (below(4)) {
      case 0:
        return kSpecial[below(std::size(kSpecial))];
      case 1:
        return kBox | kSpecialSingle[below(std::size(kSpecialSingle))];
      case 2:
        return kBox | (random_() & 0xffffffff);
      default:
        return random_();
    }
  }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }

 private:
  /// What a program may hold: nothing that turns off what the comparison stands on.
  static bool wanted(Instruction const& i) {
    switch (i.op) {
      case Op::mret:
      case Op::sret:
      case Op::wfi:
      case Op::illegal:
        return false;
      case Op::csrrw:
      case Op::csrrs:
      case Op::csrrc:
      case Op::csrrwi:
      case Op::csrrsi:
      case Op::csrrci: {
        auto const csr = static_cast<unsigned>(i.imm);
        return csr <= 3 || csr == 0x340 || csr == 0x140 || (csr >= 0xc00 && csr <= 0xc02);
      }
      default:
        return true;
    }
  }
  std::uint32_t compressed() {
    auto word = static_cast<std::uint32_t>(random_() & 0xffff);
    if ((word & 3) == 3) word ^= 1 + below(3);
    return word & 3 ? word : word | 1;
  }
  std::uint32_t full() {
    // Opcodes by how often they should come.
    static constexpr std::uint32_t kOpcodes[]{0x03, 0x03, 0x03, 0x13, 0x13, 0x13, 0x1b, 0x23,
                                              0x23, 0x23, 0x33, 0x33, 0x33, 0x3b, 0x3b, 0x63,
                                              0x63, 0x6f, 0x67, 0x37, 0x17, 0x07, 0x27, 0x53,
                                              0x53, 0x43, 0x47, 0x4b, 0x4f, 0x2f, 0x73, 0x0f};
    auto const opcode = kOpcodes[below(std::size(kOpcodes))];
    auto word = static_cast<std::uint32_t>(random_()) & ~0x7fu;
    auto const function3 = word >> 12 & 7;
    switch (opcode) {
      case 0x33:
      case 0x3b: {
        static constexpr std::uint32_t kFunctions[]{0x00, 0x00, 0x20, 0x01, 0x01, 0x04,
                                                    0x05, 0x10, 0x14, 0x24, 0x30, 0x34};
        word = (word & 0x01ffffff) | kFunctions[below(std::size(kFunctions))] << 25;
        break;
      }
      case 0x13:
      case 0x1b:
        if (function3 == 1 || function3 == 5) {
          static constexpr std::uint32_t kFunctions[]{0x00, 0x10, 0x0a, 0x12, 0x1a, 0x18};
          word = (word & 0x03ffffff) | kFunctions[below(std::size(kFunctions))] << 26;
        }
        break;
      case 0x53: {  // one of the precisions there are, of the operations there are
        static constexpr std::uint32_t kFunctions[]{0x00, 0x04, 0x08, 0x0c, 0x2c, 0x10, 0x14,
                                                    0x20, 0x50, 0x60, 0x68, 0x70, 0x78};
        word = (word & 0x01ffffff) | (kFunctions[below(std::size(kFunctions))] | below(2)) << 25;
        break;
      }
      case 0x43:
      case 0x47:
      case 0x4b:
      case 0x4f:
        word = (word & ~(3u << 25)) | static_cast<std::uint32_t>(below(2)) << 25;
        break;
      case 0x63:
      case 0x6f:
        // Short ways: branches to near by, jumps likewise.
        if (opcode == 0x63)
          word = (word & 0x01fff07f) | static_cast<std::uint32_t>(below(2)) << 31 | (word & 0xf00) |
                 (word >> 31 ? 0x7e000080u : 0);
        else
          word = (word & 0xf80) | static_cast<std::uint32_t>(below(24)) << 22;
        break;
      case 0x73: {  // what there is of CSRs, most of all of floating point
        static constexpr std::uint32_t kCsrs[]{1, 1, 2, 2, 3, 3, 0x140, 0x340, 0xc00, 0xc01, 0xc02};
        word = (word & 0x000fffff) | kCsrs[below(std::size(kCsrs))] << 20;
        break;
      }
      case 0x0f:
        word &= ~(6u << 12);  // fence and fence.i
        break;
      default:
        break;
    }
    return word | opcode;
  }

  std::mt19937_64 random_;
  RandomProgramPlace place_;
};

}  // namespace mutirao::machine
