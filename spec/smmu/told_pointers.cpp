// SPDX-License-Identifier: MIT
#include "spec/smmu/told_pointers.h"

#include "spec/smmu/scopes.h"

namespace iommucheck::spec {

bool ToldPointers::ends(const InFlight& sent, const ToldPointer& told) const {
  const TlbiScope scope = tlbi_scope(controls_, sent.command, told.apart != 0);
  return sent.at >= told.item.since && removes(sent.command, told.tag, told.item, scope);
}

void ToldPointers::add(const ToldPointer& told) {
  const auto is_same = [&](const ToldPointer& known) {
    return known.tag == told.tag && known.item.space == told.item.space &&
           known.item.level == told.item.level && known.item.va == told.item.va &&
           known.item.origin == told.item.origin && known.item.value == told.item.value;
  };
  all_.add(told, is_same);
}

void ToldPointers::remove(const InFlight& sent) {
  all_.remove(sent,
              [this](const InFlight& one, const ToldPointer& told) { return ends(one, told); });
}

void ToldPointers::revive(const Commands& commands) {
  all_.revive(commands,
              [this](const InFlight& one, const ToldPointer& told) { return ends(one, told); });
}

}  // namespace iommucheck::spec
