// SPDX-License-Identifier: MIT
#include "spec/sva/interface_users.h"

#include "spec/sva/dirty.h"
#include "spec/sva/nested.h"

namespace iommucheck::spec::sva {

bool InterfaceUsers::user_table_made(u64 parent, const UserTable& table) {
  return sva::user_table_made(state(), parent, table);
}

bool InterfaceUsers::user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot) {
  return sva::user_maps(state(), parent, root, va, bytes, ipa, prot);
}

bool InterfaceUsers::user_unmaps(u64 parent, u64 root, u64 va, u64 bytes) {
  return sva::user_unmaps(state(), parent, root, va, bytes);
}

bool InterfaceUsers::user_takes_out(u64 parent, u64 root, u64 va, u64 bytes) {
  return sva::user_takes_out(state(), parent, root, va, bytes);
}

bool InterfaceUsers::user_sets_entry(u64 parent, u64 entry, const UserEntry& content) {
  return sva::user_sets_entry(state(), parent, entry, content);
}

u64 InterfaceUsers::parent_of(u64 handle) const {
  const u32 parent = sva::parent_of(state(), state().find(handle));
  return parent != 0 ? state().spaces[parent].handle : 0;
}

bool InterfaceUsers::has_users(u64 handle) const {
  const u32 index = state().find_stage2(handle);
  return index != 0 && has_nested(state(), index);
}

bool InterfaceUsers::translates_by_users_table(const Call& call) const {
  if (state().user_format == nullptr || !is_nested(call.domain_kind)) return false;
  const auto route = state().user_format->route(call.structure);
  return route && route->kind == UserRoute::Kind::stage1;
}

u32 InterfaceUsers::pasid_bits_of_user(u64 handle) const {
  const u32 index = state().find(handle);
  if (index == 0 || !is_nested(state().spaces[index]) || state().user_format == nullptr) return 0;
  const auto route = state().user_format->route(state().spaces[index].structure);
  return route ? route->pasid_bits : 0;
}

std::optional<std::array<u64, 2>> InterfaceUsers::structure_of_user(u64 handle) const {
  const u32 index = state().find(handle);
  if (index == 0 || !is_nested(state().spaces[index])) return std::nullopt;
  return state().spaces[index].structure;
}

std::optional<u64> InterfaceUsers::number_of(u64 parent, u32 device) const {
  return sva::number_of(state(), state().find_stage2(parent), device);
}

void InterfaceUsers::descriptor_written(u64 pa, bool sure) {
  sva::descriptor_written(state(), pa, sure);
}

void InterfaceUsers::device_wrote(u32 device, Substream at, u64 iova, std::optional<u64> pa,
                                  bool sure) {
  sva::device_wrote(state(), device, at, iova, pa, sure);
}

bool InterfaceUsers::may_read_bits(const Call& call, const std::vector<u64>& bits) const {
  return check_bits(state(), call, {.bits = bits}).text.empty();
}

std::vector<u64> InterfaceUsers::written_bits(const Call& call) const {
  return sva::written_bits(state(), call);
}

}  // namespace iommucheck::spec::sva
