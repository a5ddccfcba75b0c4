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
  all_.add(told, [&](const ToldCd& known) {
    return known.sid == told.sid && known.ssid == told.ssid && known.cd == told.cd;
  });
}

void ToldCds::remove(const InFlight& sent) { all_.remove(sent, ends); }

void ToldCds::revive(const Commands& commands) { all_.revive(commands, ends); }

}  // namespace iommucheck::spec
