// SPDX-License-Identifier: MIT
// What was in caches at reset, of which nothing is known: configuration of any stream, translations
// of any tag, until commands have surely removed it. SEMANTICS 2; IHI 0070 3.11.
#pragma once

#include "spec/smmu/commands.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {

class FromReset {
 public:
  FromReset(Trail& trail, const Commands& commands) : trail_(trail), commands_(commands) {}

  /// Anything may be in the caches that there are.
  void reset(bool configuration, bool translations);
  /// Configuration that is left fills TLBs again, whatever was invalidated; false: there is none.
  bool refill();

  /// What a command which may act removes. `may_fetch`: structures can be fetched, so that
  /// configuration which is left fills again what a TLBI removes.
  void remove(const InFlight& sent, const Capabilities& caps, bool two_level, bool may_fetch);
  /// The group is complete.
  void complete(Group group);
  /// Commands were lost: what they alone were to remove lives on.
  void revive(const Capabilities& caps, bool two_level, bool may_fetch);

  [[nodiscard]] bool has_config() const { return known_.config != 0; }
  [[nodiscard]] bool empty() const {
    return known_.config == 0 && known_.tlb_el1 == 0 && known_.tlb_el2 == 0;
  }
  /// Configuration of the stream may live.
  [[nodiscard]] bool has_config(u32 sid) const;
  /// Translations under the tag may live.
  [[nodiscard]] bool has_translations(const Tag<u64>& tag) const;

 private:
  struct Kinds {
    u64 config = 0;  // alive for every stream but those below
    u64 config_dies = immortal;
    u64 tlb_el1 = 0, tlb_el1_dies = immortal;
    u64 tlb_el2 = 0, tlb_el2_dies = immortal;
  };
  struct Vmid {  // whose stage 1 translations are invalidated, or those of both stages
    u64 vmid = 0;
    u64 both = 0;
    u64 dies = immortal;
  };
  struct Streams {  // whose configuration is invalidated
    u32 first = 0, last = 0;
    u64 dies = immortal;
  };

  Trail& trail_;
  const Commands& commands_;
  bool translations_ = true;  // there are caches of them
  Kinds known_;
  TrailArray<Vmid> vmids_;
  TrailArray<Streams> streams_;
};

}  // namespace iommucheck::spec
