// SPDX-License-Identifier: MIT
#include "spec/sva/interface_walkers.h"

#include "spec/sva/spaces.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

bool InterfaceWalkers::walks_token_of(u32 walker, u32 device) const {
  const Walker* record = find_walker(state(), walker);
  const u32 space = record == nullptr ? 0 : record->space;
  return space != 0 && state().spaces[space].owner == Owner::task &&
         state().spaces[space].maker == device;
}

void InterfaceWalkers::walker_switches(u32 walker, u64 root) {
  sva::walker_switches(state(), walker, root);
}

void InterfaceWalkers::walker_flushes(u32 walker) { sva::walker_flushes(state(), walker); }

bool InterfaceWalkers::has_walker(u32 walker) const {
  return find_walker(state(), walker) != nullptr;
}

bool InterfaceWalkers::walks_afresh(u32 walker) const {
  const Walker* record = find_walker(state(), walker);
  return record != nullptr && record->space != 0 && is_private_table(state(), record->space);
}

u64 InterfaceWalkers::table_of_walker(u32 walker) const {
  const Walker* record = find_walker(state(), walker);
  return record == nullptr || record->space == 0 ? 0 : state().spaces[record->space].table;
}

u64 InterfaceWalkers::master_of_table(u64 root) const {
  const u32 index = space_of_table(state(), root);
  return index == 0 ? 0 : state().spaces[state().spaces[index].domain].handle;
}

DomainFacts InterfaceWalkers::facts_of_table(u64 root) const {
  return facts_of_space(state(), space_of_table(state(), root));
}

Alternatives InterfaceWalkers::expected_of_walker(u32 walker, u64 iova) const {
  return sva::expected_of_walker(state(), walker, iova);
}

}  // namespace iommucheck::spec::sva
