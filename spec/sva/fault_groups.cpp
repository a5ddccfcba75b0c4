// SPDX-License-Identifier: MIT
#include "spec/sva/fault_groups.h"

namespace iommucheck::spec::sva {

namespace {

using records::FurtherPage;
using records::Requests;
using records::Waiting;

constexpr u64 page_mask = ~u64{0xfff};
constexpr u32 asked_rights = prot_read | prot_write | prot_exec;

}  // namespace

GroupPage page_to_tell(const InterfaceState& s, const Waiting& group) {
  GroupPage page{group.iova, group.prot, group.further == 0};
  u32 behind = group.further;
  for (u32 i = 0; i < group.told && behind != 0; ++i) {
    const FurtherPage& next = s.further_pages[behind];
    page = {next.iova, next.prot, next.behind == 0};
    behind = next.behind;
  }
  return page;
}

bool is_page(const GroupPage& page, u64 iova, u32 prot) {
  // Whoever executes reads as well.
  const u32 told = prot & asked_rights;
  const bool same =
      page.prot == told || (page.prot == prot_exec && told == (prot_exec | prot_read));
  return (page.iova & page_mask) == (iova & page_mask) && same;
}

void add_page(InterfaceState& s, u32 group, u64 iova, u32 prot) {
  const u32 added = s.further_pages.allocate(s.trail, {.iova = iova, .prot = prot});
  u32 last = s.waitings[group].further;
  if (last == 0) {
    s.waitings.edit(s.trail, group).further = added;
    return;
  }
  while (s.further_pages[last].behind != 0) last = s.further_pages[last].behind;
  s.further_pages.edit(s.trail, last).behind = added;
}

void tell_page(InterfaceState& s, u32 group) {
  const bool last = page_to_tell(s, s.waitings[group]).last;
  Waiting& told = s.waitings.edit(s.trail, group);
  ++told.told;
  if (last) told.state = FaultState::read;
}

void drop_group(InterfaceState& s, u32 group) {
  for (u32 i = s.waitings[group].further; i != 0;) {
    const u32 behind = s.further_pages[i].behind;
    s.further_pages.edit(s.trail, i) = {};
    s.further_pages.release(s.trail, i);
    i = behind;
  }
  s.waitings.edit(s.trail, group) = {};
  s.waitings.release(s.trail, group);
}

void enable_requests(InterfaceState& s, u32 device) {
  if (s.devices[device].requests == Requests::on) return;
  s.devices.edit(s.trail, device).requests = Requests::on;
}

void disable_requests(InterfaceState& s, u32 device, bool surely) {
  if (!s.device_exists(device)) return;
  Requests& now = s.devices.edit(s.trail, device).requests;
  if (surely) now = Requests::off;
  if (!surely && now == Requests::on) now = Requests::either;
}

}  // namespace iommucheck::spec::sva
