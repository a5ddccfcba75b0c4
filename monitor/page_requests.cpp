// SPDX-License-Identifier: MIT
// Devices that ask for pages: what becomes of their requests at the SMMU, and the answers that they
// are sent. IHI 0070 8.
#include <algorithm>

#include <fmt/format.h>

#include "monitor/call_conversion.h"
#include "monitor/waits.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle {

namespace {

constexpr u32 groups_begin = 0x100;  // of those that the device chooses by itself
constexpr u32 groups_behind = 0x200;

spec::PageRequest request_of(const spec::Access& access, Waits::PageAsked asked) {
  const bool writes = access.type == spec::AccessType::write;
  return {.sid = access.sid,
          .ssid = access.ssid,
          .address = access.va & ~u64{0xfff},
          .prg_index = asked.group,
          .last = asked.last,
          .write = writes,
          .read = !writes,
          .execute = access.type == spec::AccessType::execute,
          .privileged = access.privileged};
}

}  // namespace

bool Waits::still_waits_for(u32 sid, u32 name) const {
  if (hardware_) return hardware_->hardware().is_waiting(name);
  if ((name & request_bit) == 0) return smmu_.has_stall_tag(sid, name);
  return std::ranges::any_of(case_.stalled_accesses, [&](const StalledAccess& one) {
    return one.sid == sid && one.stag == name && !one.lost;
  });
}

/// An index of which nothing of the stream waits. A device that has used all of them does not ask.
std::optional<u32> Waits::free_group(u32 sid) const {
  for (u32 group = groups_begin; group < groups_behind; ++group) {
    const bool used = std::ranges::any_of(case_.stalled_accesses, [&](const StalledAccess& one) {
      return one.sid == sid && (one.stag & request_bit) != 0 && (one.stag & 0x1ff) == group;
    });
    if (!used) return group;
  }
  return std::nullopt;
}

/// A message of a device, and what becomes of it at the SMMU. Where the SMMU answers by itself the
/// response has the PASID, as a driver says by STE.PPAR that wants to be understood.
spec::PageRequestOutcome Waits::send(const spec::PageRequest& request) {
  const spec::PageRequestOutcome end =
      spec::page_request_outcomes(request, smmu_.page_queue(), caches_.capabilities(),
                                  {.ppar = spec::Ppar::pasid})
          .front();
  if (sink_ != nullptr) {
    trace::PageRequest sent{.sid = request.sid, .iova = request.address};
    if (request.ssid) sent.ssid = trace::substream(*request.ssid);
    sent.rights = trace::Rights{request.read, request.write, request.execute};
    // What has no PASID, or asks for nothing, says nothing of privilege.
    if (request.ssid && !spec::is_stop_marker(request)) sent.privileged = request.privileged;
    sent.page_group = static_cast<u16>(request.prg_index);
    sent.last = request.last;
    const u32 device = interface_.device_of(request.sid);
    emit(trace::device_agent(static_cast<u16>(device)), sent);
  }
  smmu_.take_page_request(request, end);
  if (end.overflows) lose_begun_groups();
  return end;
}

/// Between calls, where the process's fault handler is promised to be asked, and the SMMU says
/// "failure" by itself since nobody has switched its queue on (IHI 0070 8.2).
bool Waits::is_asked_in_vain(const spec::Access& access, u32 device) const {
  const spec::sva::Substream at = spec::sva::substream(access.ssid);
  if (in_call() || any_waits() || !case_.promises_on) return false;
  if ((smmu_.cr0() & (spec::cr0::smmuen | spec::cr0::priqen)) != spec::cr0::smmuen) return false;
  const spec::sva::Alternatives allowed = interface_.expected_during(device, at, access.va);
  return allowed.count == 1 && allowed.promises[0].state == spec::sva::State::waits;
}

/// As a device and its SMMU. True: there was a record.
bool Waits::page_requested(const spec::Access& access, PageAsked asked) {
  const spec::PageRequest request = request_of(access, asked);
  const u32 device = interface_.device_of(access.sid);
  const u32 name = spec::sva::request_name(access.ssid, asked.group);
  const bool late = over_at(device, spec::sva::substream(access.ssid)) != Over::no;
  const bool in_vain = is_asked_in_vain(access, device);
  const spec::PageRequestOutcome end = send(request);
  if (in_vain && end.response && findings().empty()) {
    still_waits(spec::rule::PROMISE_OUTCOME, access.sid, device, access.ssid,
                "asks for a page, and the SMMU answers \"failure\" by itself: CR0.PRIQEN is 0");
  }
  const bool recorded = end.end == spec::PageRequestEnd::recorded;
  case_.stalled_accesses.push_back({.id = ++case_.stalls_seen,
                                    .sid = access.sid,
                                    .stag = name,
                                    .access = access,
                                    .lost = !recorded,
                                    .late = late});
  if (end.response) end_group(*end.response, false);
  if (!recorded) return false;
  case_.stalled.push_back({access.sid, access.ssid, access.ssid});
  emit(trace::smmu_agent(), trace::PageRequestQueued{});
  interface_.page_is_requested({.device = device,
                                .pasid = access.ssid,
                                .iova = access.va,
                                .prot = prot_wanted(access),
                                .last = asked.last},
                               access.sid, name);
  return true;
}

bool Waits::stop_marker(u32 sid, u32 pasid) {
  const u32 device = interface_.device_of(sid);
  if (hardware_ || !interface_.requests_are_on(device).value_or(true)) return false;
  tick();
  const spec::PageRequest marker{.sid = sid, .ssid = pasid, .last = true};
  if (send(marker).end != spec::PageRequestEnd::recorded) return false;
  emit(trace::smmu_agent(), trace::PageRequestQueued{});
  return true;
}

bool Waits::page_requested_untagged(u32 sid, u64 va, bool write, PageAsked asked) {
  const u32 device = interface_.device_of(sid);
  if (hardware_ || !interface_.requests_are_on(device).value_or(true)) return false;
  // No device gives the index of a group that waits to another.
  if (untagged_group(sid, asked.group, true) != case_.untagged.end()) return false;
  tick();
  const spec::PageRequest request{.sid = sid,
                                  .address = va & ~u64{0xfff},
                                  .prg_index = asked.group,
                                  .last = asked.last,
                                  .write = write,
                                  .read = !write};
  const spec::PageRequestOutcome end = send(request);
  if (end.response) end_group(*end.response, false);
  if (end.end != spec::PageRequestEnd::recorded) return false;
  const auto begun = untagged_group(sid, asked.group, false);
  if (begun == case_.untagged.end()) {
    case_.untagged.push_back({.sid = sid, .group = asked.group, .whole = asked.last});
  } else {
    begun->whole = asked.last;
  }
  emit(trace::smmu_agent(), trace::PageRequestQueued{});
  return true;
}

/// One that is whole, or has begun, of the device as it is now.
std::vector<CaseState::Untagged>::iterator Waits::untagged_group(u32 sid, u32 group,
                                                                 bool is_whole) {
  return std::ranges::find_if(case_.untagged, [&](const Case::Untagged& one) {
    return one.sid == sid && one.group == group && one.whole == is_whole && !one.of_before;
  });
}

/// False: there is no such group. An answer to a record from before the device went reaches the
/// device that came, which may take it for its own.
bool Waits::end_untagged(u32 sid, u32 group) {
  const auto its = untagged_group(sid, group, true);
  const auto before = std::ranges::find_if(case_.untagged, [&](const Case::Untagged& one) {
    return one.sid == sid && one.group == group && one.of_before;
  });
  if (before != case_.untagged.end()) {
    if (its != case_.untagged.end()) its->unsure = true;
    case_.untagged.erase(before);
    return true;
  }
  if (its == case_.untagged.end()) return false;
  case_.untagged.erase(its);
  return true;
}

/// Of those that were read before. Records from before a device went are used up then.
void Waits::check_untagged() {
  if (!smmu_.is_stuck()) {
    std::erase_if(case_.untagged,
                  [](const Case::Untagged& one) { return one.of_before && one.told; });
  }
  for (const Case::Untagged& one : case_.untagged) {
    const u32 device = interface_.device_of(one.sid);
    const bool owed = one.told && one.whole && !one.unsure;
    if (!owed || !interface_.device_exists(device)) continue;
    if (!findings().empty()) return;
    count(spec::rule::FAULT_REFUSED);
    Finding finding = finding_of(
        spec::rule::FAULT_REFUSED,
        fmt::format("a group of page requests of stream {:#x} without a PASID, index {}, still "
                    "waits for an answer",
                    one.sid, one.group));
    finding.where = {.sid = one.sid, .device = device};
    find(std::move(finding));
  }
}

/// Nobody can know of them whether they go on.
void Waits::lose_begun_groups() {
  interface_.begun_groups_are_lost();
  std::erase_if(case_.untagged, [](const Case::Untagged& one) { return !one.whole; });
  const auto still = interface_.waiting_names();
  for (StalledAccess& one : case_.stalled_accesses) {
    const bool is_request = (one.stag & request_bit) != 0;
    const auto same = [&](const auto& name) {
      return name.sid == one.sid && name.stag == one.stag;
    };
    if (is_request && std::ranges::none_of(still, same)) one.lost = true;
  }
}

/// Commands have answered some.
void Waits::groups_end() {
  for (const spec::PageResponse& one : std::exchange(smmu_.page_responses(), {})) {
    end_group(one, true);
  }
}

/// The device has it: its accesses that wait for that end, or are made again.
void Waits::end_group(const spec::PageResponse& response, bool by_driver) {
  const u32 device = interface_.device_of(response.sid);
  const u32 name =
      spec::sva::request_name(response.ssid.value_or(~u32{0} >> 12) & 0xfffff, response.prg_index);
  bool any = !response.ssid && end_untagged(response.sid, response.prg_index);
  if (any) return;
  for (auto at = case_.stalled_accesses.begin(); at != case_.stalled_accesses.end();) {
    if (!response.ssid || at->sid != response.sid || at->stag != name) {
      ++at;
      continue;
    }
    any = true;
    at->again = response.code == spec::ResponseCode::success;
    case_.answered.push_back(*at);
    at = case_.stalled_accesses.erase(at);
  }
  if (!by_driver || !case_.promises_on || !interface_.asks_for_pages(device)) return;
  if (!any && interface_.device_exists(device)) {
    count(spec::rule::FAULT_ANSWERED);
    Finding finding = finding_of(
        spec::rule::FAULT_ANSWERED,
        fmt::format("{}: no such group waits; it was answered before, or is another PASID's",
                    spec::describe(response)));
    finding.where = {.sid = response.sid, .device = device};
    if (response.ssid) finding.where.pasid = *response.ssid;
    find(std::move(finding));
    return;
  }
  const u32 code = response.code == spec::ResponseCode::success   ? spec::sva::response_success
                   : response.code == spec::ResponseCode::failure ? spec::sva::response_failure
                                                                  : spec::sva::response_invalid;
  const spec::sva::Verdict verdict = interface_.group_answered(response.sid, name, code);
  if (!verdict.ok) find(verdict.rule, verdict.message);
}

}  // namespace iommucheck::oracle
