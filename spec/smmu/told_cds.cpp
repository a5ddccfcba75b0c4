// SPDX-License-Identifier: MIT
#include "spec/smmu/told_cds.h"

namespace iommucheck::spec {

namespace {

bool ends(const InFlight& sent, const ToldCd& told) {
  const ConfigTarget target{.kind = ConfigKind::cd,
                            .sid_first = told.sid,
                            .sid_last = told.sid,
                            .ssid_first = told.ssid,
                            .ssid_last = told.ssid};
  return sent.at >= told.since && is_cfgi(sent.command.op) && covers_config(sent.command, target);
}

}  // namespace

void ToldCds::add(const ToldCd& told) {
  for (u32 i = 0; i < all_.size(); ++i) {
    const ToldCd& known = all_[i];
    if (known.sid != told.sid || known.ssid != told.ssid || !(known.cd == told.cd)) continue;
    all_.edit(trail_, i) = told;
    return;
  }
  if (all_.size() < max) all_.push(trail_, told);
}

void ToldCds::remove(const InFlight& sent) {
  for (u32 i = 0; i < all_.size(); ++i) {
    if (all_[i].dies > sent.group && ends(sent, all_[i])) all_.edit(trail_, i).dies = sent.group;
  }
}

void ToldCds::drop(Group group) {
  for (u32 i = all_.size(); i != 0; --i) {
    if (all_[i - 1].dies <= group) all_.remove_unordered(trail_, i - 1);
  }
}

void ToldCds::revive(const Commands& commands) {
  for (u32 i = 0; i < all_.size(); ++i) {
    const auto still = [&](const InFlight& sent) { return ends(sent, all_[i]); };
    if (all_[i].dies == immortal || commands.is_ended_by(all_[i].dies, still)) continue;
    all_.edit(trail_, i).dies = immortal;
  }
}

}  // namespace iommucheck::spec
