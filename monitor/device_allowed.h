// SPDX-License-Identifier: MIT
// What an access of a device under test may meet now: by memory alone, and by what caches may hold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "monitor/ats_allowed.h"
#include "monitor/nested_probes.h"
#include "monitor/table_reader.h"
#include "spec/smmu/smmu.h"

namespace iommucheck::oracle {

class DeviceAllowed {
 public:
  using Features = std::vector<std::string>;

  struct Plain {
    bool known = false;
    bool aborts = false;  ///< a fetch ends in an external abort
    spec::Outcome outcome;
    /// Of hardware that sets AF of a leaf that refuses the access: what stage 2 has against it.
    std::optional<spec::Outcome> other{};
    Features features{};  ///< what is special about the access, the STE or the descriptor
    [[nodiscard]] std::vector<spec::Outcome> outcomes() const {
      std::vector<spec::Outcome> all{outcome};
      if (other) all.push_back(*other);
      return all;
    }
  };

  struct Allowed {
    std::vector<spec::Outcome> outcomes;
    bool judged = false;   ///< they are all that may happen
    bool is_open = false;  ///< some of it SMMUv3.0 leaves open (version_choices.h)
    Plain memory;
  };

  DeviceAllowed(spec::Caches& caches, const spec::Smmu& smmu) : caches_(caches), smmu_(smmu) {}

  void begin_case() {
    state_ = {};
    nested_.begin({});
  }
  void expect_accesses(const std::vector<spec::Access>& accesses) { nested_.begin(accesses); }
  void no_memory_at(AbsentMemory absent) { absent_ = absent; }

  // ---- events, each before memory or the SMMU have it -------------------------------------------
  void stored(u64 pa, u64 words);
  void register_write(u32 offset, u64 value);
  void register_read(u32 offset, u64 value);
  /// An access met what the device's version leaves open: it may be cached, clamped, and what was
  /// translated by that, too.
  void met_open() { state_.left_open = true; }

  [[nodiscard]] Allowed now(const spec::Access& access) const;
  [[nodiscard]] AtsAllowed of_ats() const;
  /// The refusal of a leaf that leads to where the access went, if one is allowed: that is what it
  /// passed over, whichever others caches allow besides. nullptr: none is.
  static const spec::Outcome* refused_at(const std::vector<spec::Outcome>& allowed,
                                         const spec::Access& access, u64 pa);
  /// What of that leaf forbids the access; empty: not the leaf alone.
  static Features why_refused(const spec::Outcome& refusal, const spec::Access& access);

 private:
  [[nodiscard]] Plain plain(const spec::Access& access) const;

  /// What a case leaves here.
  struct State {
    bool enabled_once = false;
    bool changed = false;         ///< something, since SMMUEN = 1
    bool surely_disabled = true;  ///< SMMUEN = 0, and CR0ACK has shown it
    bool left_open = false;       ///< an access met what the device's version leaves open
    bool atschk_changed = false;  ///< while SMMUEN = 1: it may be cached with an STE
  };
  spec::Caches& caches_;
  const spec::Smmu& smmu_;
  AbsentMemory absent_;
  NestedProbes nested_;
  State state_;
};

}  // namespace iommucheck::oracle
