// SPDX-License-Identifier: MIT
#include "spec/sva/interface_facts.h"

#include <algorithm>

#include "spec/sva/spaces.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

const std::vector<u32>& InterfaceFacts::stream_ids(u32 device) const {
  return state().constants.at(device).stream_ids;
}

bool InterfaceFacts::is_mapped(u64 handle) const {
  const u32 index = state().find(handle);
  return index != 0 && is_mapped_by_driver(state().spaces[index].kind);
}

bool InterfaceFacts::is_paging(u64 handle) const { return state().find_paging(handle) != 0; }

u64 InterfaceFacts::master_of(u64 handle) const {
  const u32 index = state().find_dynamic(handle);
  return index == 0 ? 0 : state().spaces[state().spaces[index].domain].handle;
}

DomainFacts InterfaceFacts::facts_of_token(u64 handle) const {
  const u32 token = state().find_token(handle);
  return facts_of_space(state(), token == 0 ? 0 : state().tokens[token].space);
}

u64 InterfaceFacts::table_of_token(u64 handle) const {
  const u32 token = state().find_token(handle);
  const u32 space = token == 0 ? 0 : state().tokens[token].space;
  return space == 0 ? 0 : state().spaces[space].table;
}

u64 InterfaceFacts::table_of(u64 handle) const {
  const u32 index = state().find(handle);
  return index == 0 ? 0 : state().spaces[index].table;
}

bool InterfaceFacts::is_master(u64 handle) const {
  const u32 index = state().find(handle);
  return index != 0 && has_dynamic(state(), index);
}

DomainFacts InterfaceFacts::facts_of(u64 handle) const {
  return facts_of_space(state(), state().find(handle));
}

DomainFacts InterfaceFacts::facts_of_io_mm(u64 handle) const {
  return facts_of_space(state(), state().find_private(handle));
}

Substream InterfaceFacts::pasid_of_io_mm(u64 handle) const {
  const u32 index = state().find_private(handle);
  if (index == 0 || state().spaces[index].number == 0) return {};
  return substream(state().numbers[state().spaces[index].number].value);
}

u64 InterfaceFacts::attached_at(u32 device, u32 pasid) const {
  u64 handle = 0;
  state().for_each_attachment([&](u32 i) {
    const Attachment& at = state().attachments[i];
    if (at.device != device || state().numbers[at.number].value != pasid || at.domain == 0) return;
    handle = state().spaces[at.domain].handle;
  });
  return handle;
}

bool InterfaceFacts::is_linked(u64 handle, u32 device) const {
  const u32 index = state().find_private(handle);
  return index != 0 && state().is_linked(state().spaces[index], device);
}

u64 InterfaceFacts::domain_of_io_mm(u64 handle) const {
  const u32 index = state().find_private(handle);
  return index == 0 ? 0 : state().spaces[state().spaces[index].domain].handle;
}

Substream InterfaceFacts::pasid_of_process(u64 mm) const {
  const u32 number = state().main_number(state().find_process(mm));
  return number == 0 ? Substream{} : substream(state().numbers[number].value);
}

std::optional<u32> InterfaceFacts::pasid_in_quarantine() const {
  for (u32 i = 1; i < state().numbers.bound(); ++i) {
    const auto& number = state().numbers[i];
    if (number.state == NumberState::doubtful) return number.value;
  }
  return std::nullopt;
}

bool InterfaceFacts::is_bound(u64 mm) const {
  const u32 process = state().find_process(mm);
  return process != 0 && state().is_watched(process);
}

bool InterfaceFacts::is_stale(u64 mm) const {
  const u32 index = state().find_process(mm);
  if (index == 0) return false;
  const Space& process = state().spaces[index];
  const auto has_any = [&](u64 layer) {
    return state().forest.first_mapped_in(layer, 0, whole_space).found;
  };
  return has_any(process.stale) || std::ranges::any_of(process.older, has_any);
}

}  // namespace iommucheck::spec::sva
