#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "mutirao/machine/machine.h"

#include "hart/hart.h"
#include "memory/guest_memory.h"

namespace mutirao::machine {

/// A machine that shows what is inside, between runs.
class InspectedMachine : public Machine {
 public:
  [[nodiscard]] virtual std::vector<Hart const*> harts() const = 0;
  [[nodiscard]] virtual GuestMemory const& memory() const = 0;
};

/// With the engine interpreter or translator.
[[nodiscard]] Result<std::unique_ptr<InspectedMachine>> make_machine(MachineOptions options,
                                                                     Machine::Console console,
                                                                     world::World& world);

/// Two machines that are given the same, one interpreted and one translated, compared after every
/// few hundred instructions; it ends as diverged where they differ. Its time is that of its
/// instructions, whatever the options say.
[[nodiscard]] Result<std::unique_ptr<Machine>> make_audited_machine(MachineOptions options,
                                                                    Machine::Console console,
                                                                    world::World& world);

}  // namespace mutirao::machine
