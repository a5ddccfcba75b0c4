// SPDX-License-Identifier: MIT
// What a command that was sent removes of what lives under a tag, as CR0.VMW, CR2.E2H and the
// regimes of the tag have it. The rules themselves are in removal.h and coverage.h.
#pragma once

#include "spec/smmu/controls.h"
#include "spec/smmu/regimes.h"
#include "spec/smmu/removal.h"

namespace iommucheck::spec {

/// As the registers are now. `apart`: entries that a broadcast may spare where it matches ASIDs.
inline TlbiScope tlbi_scope(const Controls& controls, const Command& command, bool apart) {
  return {static_cast<unsigned>(controls.vmw_of_entries()),
          command.broadcast ? command.cpu_e2h : controls.e2h(), command.broadcast,
          command.broadcast && apart};
}

class Scopes {
 public:
  Scopes(const Controls& controls, const Regimes& regimes)
      : controls_(controls), regimes_(regimes) {}

  [[nodiscard]] TlbiScope of(const Command& command, u32 tag) const {
    return tlbi_scope(controls_, command, command.broadcast && regimes_.any_apart(tag));
  }
  /// An entry keeps the ASET that it was filled by.
  [[nodiscard]] TlbiScope of(const Command& command, const Item& item) const {
    TlbiScope scope = of(command, item.tag);
    if (command.broadcast && regimes_.of(item.space).aset) scope.aset = true;
    return scope;
  }
  [[nodiscard]] bool removes(const Command& command, const Item& item) const {
    return spec::removes(command, regimes_.tag(item.tag).tag, item, of(command, item));
  }
  /// It does, and what it removes was filled before it was exposed.
  [[nodiscard]] bool ends(const InFlight& sent, const Item& item) const {
    const bool behind = item.shadow != 0 ? sent.group > item.since : sent.at >= item.since;
    return behind && removes(sent.command, item);
  }
  /// It removes all combined entries that hold anything of the tag, which is of stage 2.
  [[nodiscard]] bool separates(const InFlight& sent, u32 tag) const {
    return removes_combined(sent.command, regimes_.tag(tag).tag, of(sent.command, tag));
  }
  [[nodiscard]] static bool ends(const InFlight& sent, const ConfigItem& item) {
    return sent.at >= item.since && spec::removes(sent.command, item);
  }

 private:
  const Controls& controls_;
  const Regimes& regimes_;
};

}  // namespace iommucheck::spec
