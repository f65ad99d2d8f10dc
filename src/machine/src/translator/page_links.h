#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "memory/tlb.h"
#include "translator/block.h"

namespace mutirao::machine {

/// The links between pages that are led on, by the virtual page that they lead into: all of those
/// end when another is mapped there. Each is found from itself, for blocks come and go.
class PageLinks {
 public:
  void add(Link& link) {
    auto& beside = into_[link.target / kPageSize];
    link.place = static_cast<std::uint32_t>(beside.size());
    beside.push_back(&link);
  }
  /// It is there.
  void take(Link const& link) noexcept {
    auto const found = into_.find(link.target / kPageSize);
    auto& beside = found->second;
    beside[link.place] = beside.back();
    beside[link.place]->place = link.place;
    beside.pop_back();
    if (beside.empty()) into_.erase(found);
  }
  /// One of those into the page of an address, or of all; nothing when there is none.
  [[nodiscard]] Link* any_into(std::uint64_t address) const noexcept {
    auto const found = into_.find(address / kPageSize);
    return found != into_.end() ? found->second.back() : nullptr;
  }
  [[nodiscard]] Link* any() const noexcept {
    return into_.empty() ? nullptr : into_.begin()->second.back();
  }
  void clear() noexcept { into_.clear(); }

 private:
  std::unordered_map<std::uint64_t, std::vector<Link*>> into_;
};

}  // namespace mutirao::machine
