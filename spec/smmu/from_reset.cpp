// SPDX-License-Identifier: MIT
#include "spec/smmu/from_reset.h"

#include <algorithm>
#include <vector>

namespace iommucheck::spec {

void FromReset::reset(bool configuration, bool translations) {
  translations_ = translations;
  trail_.save_object(known_);
  known_.config = configuration ? 1 : 0;
  known_.tlb_el1 = known_.tlb_el2 = translations ? 1 : 0;
}

bool FromReset::refill() {
  if (known_.config == 0) return false;
  if (!translations_) return true;
  trail_.save_object(known_);
  known_.tlb_el1 = known_.tlb_el2 = 1;
  known_.tlb_el1_dies = known_.tlb_el2_dies = immortal;
  vmids_.clear(trail_);
  return true;
}

void FromReset::remove(const InFlight& sent, const Capabilities& caps, bool two_level,
                       bool may_fetch) {
  if (empty()) return;
  trail_.save_object(known_);
  const Command& c = sent.command;
  const u64 group = sent.group;
  if (covers_every_stream(c, caps)) {
    known_.config_dies = std::min(known_.config_dies, group);
  } else if (c.op == Opcode::cfgi_ste_range) {
    const SidBlock block = cfgi_block(c);
    streams_.push(trail_, {block.first, block.last, group});
  } else if (c.op == Opcode::cfgi_ste && (!c.leaf || !two_level)) {
    const auto sid = static_cast<u32>(c.sid);
    streams_.push(trail_, {sid, sid, group});
  } else if (may_fetch && known_.config != 0 && known_.config_dies >= group) {
    return;
  } else if (c.op == Opcode::tlbi_nsnh_all) {
    known_.tlb_el1_dies = std::min(known_.tlb_el1_dies, group);
  } else if (c.op == Opcode::tlbi_el2_all) {
    known_.tlb_el2_dies = std::min(known_.tlb_el2_dies, group);
  } else if (c.op == Opcode::tlbi_nh_all || c.op == Opcode::tlbi_s12_vmall) {
    const bool both = c.op == Opcode::tlbi_s12_vmall;
    vmids_.push(trail_, {.vmid = c.vmid, .both = both ? u64{1} : 0, .dies = group});
  }
}

void FromReset::complete(Group group) {
  if (known_.config_dies > group && known_.tlb_el1_dies > group && known_.tlb_el2_dies > group) {
    return;
  }
  trail_.save_object(known_);
  if (known_.config_dies <= group) known_.config = 0, known_.config_dies = immortal;
  if (known_.tlb_el1_dies <= group) known_.tlb_el1 = 0, known_.tlb_el1_dies = immortal;
  if (known_.tlb_el2_dies <= group) known_.tlb_el2 = 0, known_.tlb_el2_dies = immortal;
}

void FromReset::revive(const Capabilities& caps, bool two_level, bool may_fetch) {
  trail_.save_object(known_);
  known_.config_dies = known_.tlb_el1_dies = known_.tlb_el2_dies = immortal;
  for (u32 i = streams_.size(); i != 0; --i) {
    if (!commands_.is_complete(streams_[i - 1].dies)) streams_.remove_unordered(trail_, i - 1);
  }
  for (u32 i = vmids_.size(); i != 0; --i) {
    if (!commands_.is_complete(vmids_[i - 1].dies)) vmids_.remove_unordered(trail_, i - 1);
  }
  std::vector<InFlight> left;
  commands_.for_each([&](const InFlight& sent) { left.push_back(sent); });
  std::ranges::sort(left, {}, &InFlight::number);
  for (const InFlight& sent : left) remove(sent, caps, two_level, may_fetch);
}

bool FromReset::has_config(u32 sid) const {
  if (known_.config == 0) return false;
  for (u32 i = 0; i < streams_.size(); ++i) {
    const Streams& gone = streams_[i];
    if (commands_.is_complete(gone.dies) && sid >= gone.first && sid <= gone.last) return false;
  }
  return true;
}

bool FromReset::has_translations(const Tag<u64>& tag) const {
  if (tag.world == StreamWorld::foreign) return false;  // no reset of the SMMU's empties it
  if (tag.world != StreamWorld::el1) return known_.tlb_el2 != 0;
  if (known_.tlb_el1 == 0) return false;
  for (u32 i = 0; i < vmids_.size(); ++i) {
    const bool its = tag.stage != Stage::stage2 || vmids_[i].both != 0;
    if (its && commands_.is_complete(vmids_[i].dies) && vmids_[i].vmid == tag.vmid) return false;
  }
  return true;  // NH_ASID leaves the global one
}

}  // namespace iommucheck::spec
