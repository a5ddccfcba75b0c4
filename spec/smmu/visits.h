// SPDX-License-Identifier: MIT
// What is there, one after the other.
#pragma once

#include <utility>

#include "spec/smmu/view.h"

namespace iommucheck::spec {

/// Everything that a TLB or walk cache may hold and memory no longer says:
/// visit(const Tag<u64>&, const Item&).
template <class Visit>
void for_each_item(const CachesView& of, Visit&& visit) {
  for (u32 t = 0; t < of.regimes.tags(); ++t) {
    for (u32 i = of.items.first(t); i != 0; i = of.items[i].next) {
      visit(of.regimes.tag(t).tag, of.items[i]);
    }
  }
}

/// Words of STEs, CDs and their descriptors likewise: visit(const ConfigItem&). None where SMMUEN is
/// 0 and memory says all that is cached (ConfigCache::holds_all()).
template <class Visit>
void for_each_cached_word(const CachesView& of, Visit&& visit) {
  for (u32 i = 0; i < of.config.size(); ++i) visit(of.config[i]);
}

/// What ATCs hold that devices may use now (SMMUEN): visit(const AtcOwner&, const AtcItem&).
template <class Visit>
void for_each_atc_item(const CachesView& of, Visit&& visit) {
  if (of.atcs.items() == 0 || !of.controls.may_be_on()) return;
  for (u32 i = 0; i < of.atcs.owners(); ++i) {
    of.atcs.for_each_of(i, [&](u32, const AtcItem& item) { visit(of.atcs.owner(i), item); });
  }
}

/// ATCs of the stream that hold anything: visit(tag, const AtcOwner&).
template <class Visit>
void atcs_of(const CachesView& of, u32 sid, Visit&& visit) {
  for (u32 i = 0; i < of.atcs.owners(); ++i) {
    const AtcOwner& owner = of.atcs.owner(i);
    if (owner.sid == sid && of.atcs.items_of(i) != 0) visit(i | atc_tag_bit, owner);
  }
}

/// Streams (StreamID, SubstreamID) whose configuration may use the tag: visit(sid, ssid).
template <class Visit>
void streams_of(const CachesView& of, u32 tag, Visit&& visit) {
  if (is_atc_tag(tag)) {
    const AtcOwner& owner = of.atcs.owner(tag & ~atc_tag_bit);
    visit(owner.sid, owner.ssid);
    return;
  }
  of.regimes.streams_of(tag, visit);
}

/// SubstreamIDs of the stream under which a regime can be formed, or an ATC holds something; where
/// there is no substream, 0. One may come more than once.
template <class Visit>
void substreams_of(const CachesView& of, u32 sid, Visit&& visit) {
  for (u32 i = 0; i < of.regimes.formed(); ++i) {
    if (of.regimes.formed(i).sid == sid) visit(of.regimes.formed(i).ssid);
  }
  if (of.atcs.items() == 0) return;
  atcs_of(of, sid,
          [&](u32, const AtcOwner& owner) { visit(owner.ssv == 0 ? u32{0} : owner.ssid); });
}

/// visit(sid) for streams whose STE was seen to be anything but invalid or abort since reset.
template <class Visit>
void for_each_translating_stream(const CachesView& of, Visit&& visit) {
  for (u32 i = 0; i < of.streams.size(); ++i) visit(of.streams[i]);
}

/// visit(StreamID, Group) for each ATC_INV that is not known to be complete.
template <class Visit>
void for_each_atc_inv(const CachesView& of, Visit&& visit) {
  of.commands.for_each([&](const InFlight& sent) {
    if (sent.command.op == Opcode::atc_inv) visit(static_cast<u32>(sent.command.sid), sent.group);
  });
}

}  // namespace iommucheck::spec
