// SPDX-License-Identifier: MIT
#include "monitor/hardware_judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/rules/promises.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Alternatives;
using spec::sva::FaultKind;
using spec::sva::Promise;
using spec::sva::State;
using Gets = MayGet::Kind;

constexpr u64 step_bytes = 4096;
constexpr std::size_t points_max = 256;
/// Addresses that a domain of 48 bits has.
constexpr u32 page_bit = 12, bits_end = 48;
/// What is asked for, and whether by the privileged part of the device.
constexpr std::pair<char, bool> kinds_of_access[] = {{'r', false}, {'w', false}, {'x', false},
                                                     {'r', true},  {'w', true},  {'x', true}};

/// By these rights.
bool grants(u32 prot, char access, bool privileged) {
  if ((prot & spec::sva::prot_privileged) != 0 && !privileged) return false;
  if (access == 'w') return (prot & spec::sva::prot_write) != 0;
  if (access == 'x') return (prot & spec::sva::prot_exec) != 0;
  return (prot & spec::sva::prot_access) != 0;
}

/// The other rights imply READ in formats that cannot leave it out; one that can may refuse it.
bool may_refuse(u32 prot, char access) {
  return access == 'r' && (prot & spec::sva::prot_read) == 0;
}

/// Stage 2 knows no privilege.
bool grants_outer(u32 prot, char access) { return grants(prot, access, true); }

/// How a way ends every access (the device goes nowhere, nothing at the PASID, a quiet entry) is
/// the driver's choice: it means what the interface has promised there.
bool is_end(Gets kind) {
  return kind == Gets::blocked || kind == Gets::no_entry || kind == Gets::quiet;
}

bool is_end(State state) {
  return state == State::blocked || state == State::no_pasid || state == State::quiet ||
         state == State::bad_entry;
}

spec::AccessType type_of(char access) {
  if (access == 'w') return spec::AccessType::write;
  return access == 'x' ? spec::AccessType::execute : spec::AccessType::read;
}

May may_of(const MayGet& one, u64 iova) {
  switch (one.kind) {
    case Gets::address:
      return one.pa == iova ? May{.kind = May::Kind::pass, .pa = one.pa}
                            : May{.kind = May::Kind::reach, .pa = one.pa};
    case Gets::blocked:
    case Gets::no_entry:
    case Gets::quiet: return {.kind = May::Kind::terminated};
    case Gets::not_mapped:
    case Gets::denied: return {.kind = May::Kind::fault};
    case Gets::outer_not_mapped:
    case Gets::outer_denied: return {.kind = May::Kind::fault};
    case Gets::waits: return {.kind = May::Kind::fault_waits};
    case Gets::inside:
    case Gets::anything: break;
  }
  return {};
}

}  // namespace

/// What is promised of accesses of one kind, from one address up to where it is the same.
struct HardwareJudge::Allowed {
  const Alternatives& promises;
  FaultKind faults{};
  u64 iova = 0;
  char access = 'r';
  bool privileged = false;
  u64 base = 0;  ///< the address that was asked for: what is mapped grows with it

  template <class Is>
  [[nodiscard]] bool any(Is is) const {
    for (u32 i = 0; i < promises.count; ++i) {
      if (is(promises.promises[i])) return true;
    }
    return false;
  }
  [[nodiscard]] bool refused() const {
    return any([&](const Promise& one) {
      return one.state == State::mapped && !grants(one.prot, access, privileged);
    });
  }
  [[nodiscard]] bool unmapped() const {
    return any([](const Promise& one) { return one.state == State::unmapped; });
  }
};

void HardwareJudge::walker_switches(u32 walker, u64 root, u32 input_bits) {
  if (root != 0) {
    walkers_.insert(walker);
  } else {
    walkers_.erase(walker);
  }
  hardware_.walker_switches(walker, root, input_bits);
  changed_ = true;
}

namespace {

u64 first_page(u64 iova) { return iova & ~(step_bytes - 1); }
u64 last_page(u64 iova, u64 bytes) { return first_page(iova + (bytes == 0 ? 0 : bytes - 1)); }

}  // namespace

void HardwareJudge::look_privileged(u64 iova, u64 bytes) {
  if (!hardware_.knows_privilege() || privileged_points_.size() >= points_max) return;
  privileged_points_.insert(first_page(iova));
  privileged_points_.insert(last_page(iova, bytes));
}

void HardwareJudge::look_at(u64 iova, u64 bytes) {
  if (points_.size() >= points_max) return;
  const u64 first = first_page(iova);
  const u64 last = last_page(iova, bytes);
  points_.insert(first);
  changed_ = true;
  if (first >= step_bytes) points_.insert(first - step_bytes);
  if (last < first) return;
  points_.insert(last);
  points_.insert(first + ((last - first) / 2 & ~(step_bytes - 1)));
  points_.insert(last + step_bytes);
}

void HardwareJudge::look_at(const spec::sva::Call& call) {
  u64 bytes = call.size;
  for (const spec::sva::Segment& segment : call.segments) bytes += segment.size;
  if (bytes != 0) look_at(call.iova, bytes);
  if (bytes != 0 && (call.prot & spec::sva::prot_privileged) != 0)
    look_privileged(call.iova, bytes);
  if (call.pasid != 0) pasids_.insert(call.pasid);
  changed_ = true;
}

std::vector<HardwareJudge::Place> HardwareJudge::places_of(u32 device) const {
  std::vector<Place> all;
  for (u32 stream = 0; stream < devices_[device].stream_ids.size(); ++stream) {
    all.push_back({device, stream, {}});
    for (const u32 number : pasids_) all.push_back({device, stream, spec::sva::substream(number)});
  }
  return all;
}

Where HardwareJudge::where(const Place& place, u64 iova, char access) const {
  Where where{
      .device = place.device, .walker = place.bank, .address = iova, .access = type_of(access)};
  if (!place.bank) where.sid = devices_[place.device].stream_ids[place.stream];
  if (place.at.present) where.pasid = place.at.number;
  return where;
}

std::set<MayGet> HardwareJudge::answers(const MachineAccess& access) {
  std::set<MayGet> all = hardware_.answers(access);
  // A device whose requests are off has a fault of those that are promised where it would wait.
  if (interface_.requests_are_on(access.device).value_or(true)) return all;
  if (all.erase({Gets::waits, 0}) == 0) return all;
  const Alternatives promises = interface_.expected_during(access.device, access.at, access.iova);
  const Allowed allowed{
      .promises = promises, .iova = access.iova, .access = access.access, .base = access.iova};
  all.insert({allowed.refused() ? Gets::denied : Gets::not_mapped, 0});
  return all;
}

std::optional<MachineAccess> HardwareJudge::access_of(const spec::Access& access) const {
  const u32 device = interface_.device_of(access.sid);
  if (device >= devices_.size()) return std::nullopt;
  const auto& ids = devices_[device].stream_ids;
  return MachineAccess{
      .device = device,
      .stream = static_cast<u32>(std::ranges::find(ids, access.sid) - ids.begin()),
      .at = access.ssv ? spec::sva::substream(access.ssid) : spec::sva::Substream{},
      .iova = access.va,
      .access = access.type == spec::AccessType::write     ? 'w'
                : access.type == spec::AccessType::execute ? 'x'
                                                           : 'r',
      .privileged = access.privileged};
}

/// A user's access, of which nobody knows what it meets: a fault, or what the parent maps.
bool HardwareJudge::is_within(const Place& place, const MayGet& one, char access) const {
  if (one.kind == Gets::anything || one.kind == Gets::waits) return false;
  if (one.kind != Gets::address) return true;
  if (!one.ipa) return false;
  const Alternatives parents = interface_.expected_within(place.device, place.at, *one.ipa);
  if (parents.gave_up) return true;
  for (u32 i = 0; i < parents.count; ++i) {
    const Promise& promise = parents.promises[i];
    const bool maps = promise.state == State::mapped && promise.pa == one.pa;
    if (maps && grants_outer(promise.prot, access)) return true;
  }
  return false;
}

/// What an outer space ends, as a domain that is one says it: where no user's may be alone.
std::optional<MayGet> HardwareJudge::as_hosts(const Place& place, const MayGet& one,
                                              const Allowed& allowed, bool within) const {
  const bool unmapped = one.kind == Gets::outer_not_mapped;
  if (hardware_.outer_ends_are_users() || (!unmapped && one.kind != Gets::outer_denied)) {
    return std::nullopt;
  }
  const bool unsure = within || allowed.promises.count > 1;
  if (!unsure && interface_.expected_within(place.device, place.at, allowed.iova).count != 0) {
    return std::nullopt;
  }
  MayGet its = one;
  its.kind = unmapped ? Gets::not_mapped : Gets::denied;
  return its;
}

bool HardwareJudge::fits(const Place& place, const MayGet& one, const Allowed& allowed,
                         bool within) const {
  const bool ends = is_end(one.kind);
  const bool waits = allowed.faults != FaultKind::terminated;
  const bool ends_at_once = allowed.faults != FaultKind::waits;
  // Whether an access that has not the right waits is a property of the entry that it meets. Within
  // a call that moves the device, and behind one that timed out, that may be another domain's,
  // whose processes' faults wait.
  const bool unsure = within || allowed.promises.count > 1;
  const bool meanwhile = unsure && !place.bank && can_wait(place.device) && ends_at_once;
  return allowed.any([&](const Promise& promise) {
    switch (promise.state) {
      case State::unmapped:
        return (one.kind == Gets::waits && waits) || (one.kind == Gets::not_mapped && ends_at_once);
      case State::mapped:
        if (one.kind == Gets::waits || one.kind == Gets::denied) {
          if (grants(promise.prot, allowed.access, allowed.privileged) &&
              !may_refuse(promise.prot, allowed.access)) {
            return false;
          }
          return one.kind == Gets::waits ? waits || meanwhile : ends_at_once;
        }
        if (!grants(promise.prot, allowed.access, allowed.privileged)) return false;
        if (one.kind == Gets::outer_denied) {
          return !grants_outer(promise.outer_prot, allowed.access) ||
                 may_refuse(promise.outer_prot, allowed.access);
        }
        return grants_outer(promise.outer_prot, allowed.access) && one.kind == Gets::address &&
               one.pa == promise.pa + (allowed.iova - allowed.base);
      case State::identity: return one.kind == Gets::address && one.pa == allowed.iova;
      case State::waits: return one.kind == Gets::waits;
      case State::outer_fault: return one.kind == Gets::outer_not_mapped;
      case State::fetch_fault:
      case State::within: return is_within(place, one, allowed.access);
      default: return ends && is_end(promise.state);
    }
  });
}

/// Another one at each comparison: a point that was named but for one bit, as where a walk leaves
/// bits out, and a power of two, as where a range passes.
u64 HardwareJudge::next_far_point() {
  constexpr u32 bits = bits_end - page_bit;
  const u64 number = far_++ + structure_stores_;  // from another one in each sequence
  const u64 bit = u64{1} << (page_bit + number / 2 % bits);
  if (number % 2 == 0 || points_.empty()) return bit;
  const u64 nth = number / 2 % points_.size();
  return *std::next(points_.begin(), static_cast<std::ptrdiff_t>(nth)) ^ bit;
}

/// What reaches memory there though nothing is mapped. How an access ends so far from all that is
/// mapped, hardware may decide by the size of its addresses.
void HardwareJudge::compare_far(const Place& place, u64 iova, Compared& result) {
  const Alternatives promises = place.bank
                                    ? interface_.expected_of_walker(place.device, iova)
                                    : interface_.expected_during(place.device, place.at, iova);
  if (promises.gave_up) return;
  const Allowed allowed{.promises = promises, .iova = iova, .base = iova};
  ++result.judged;
  const std::set<MayGet> may =
      place.bank
          ? hardware_.walker_answers(place.device, iova, 'r')
          : answers({.device = place.device, .stream = place.stream, .at = place.at, .iova = iova});
  for (const MayGet& one : may) {
    if (one.kind != Gets::address || fits(place, one, allowed, false)) continue;
    Finding finding = finding_of(spec::rule::PROMISE_OUTCOME, {});
    finding.where = where(place, iova, 'r');
    finding.hardware.push_back(may_of(one, iova));
    finding.why = one.why.text;
    finding.promised = promised_of(promises);
    result.finding = std::move(finding);
    return;
  }
}

void HardwareJudge::compare_place(const Place& place, bool within, Compared& result) {
  const FaultKind faults =
      place.bank ? FaultKind::terminated : interface_.faults_of(place.device, place.at);
  const auto promised_at = [&](u64 iova) {
    return place.bank ? interface_.expected_of_walker(place.device, iova)
                      : interface_.expected_during(place.device, place.at, iova);
  };
  Alternatives promises;
  std::optional<u64> base;
  for (const u64 iova : points_) {
    if (!base || iova > promises.last) {
      promises = promised_at(iova);
      base = iova;
    }
    const bool both = !place.bank && privileged_points_.contains(iova);
    for (const auto& [access, privileged] : kinds_of_access) {
      if (privileged && !both) continue;
      if (access == 'x' && !hardware_.knows_execution()) continue;
      const Allowed allowed{promises, faults, iova, access, privileged, *base};
      ++result.judged;
      if (promises.gave_up) {
        result.gave_up = true;
        continue;
      }
      const std::set<MayGet> may = place.bank ? hardware_.walker_answers(place.device, iova, access)
                                              : answers({.device = place.device,
                                                         .stream = place.stream,
                                                         .at = place.at,
                                                         .iova = iova,
                                                         .access = access,
                                                         .privileged = privileged});
      for (const MayGet& one : may) {
        if (fits(place, one, allowed, within)) continue;
        const auto hosts = as_hosts(place, one, allowed, within);
        if (hosts && fits(place, *hosts, allowed, within)) continue;
        Finding finding =
            finding_of(within ? spec::rule::PROMISE_TRANSIENT : spec::rule::PROMISE_OUTCOME, {});
        finding.where = where(place, iova, access);
        finding.hardware.push_back(may_of(one, iova));
        // An old way may be one of those that are promised: then what is wrong is the right.
        const Allowed most{promises, faults, iova, 'r', true, *base};
        const bool rights = one.kind == Gets::address && promises.count > 1;
        if (!rights || !fits(place, one, most, within)) finding.why = one.why.text;
        finding.where.privileged = privileged;
        finding.promised = promised_of(promised_at(iova));
        finding.transient = within;
        result.finding = std::move(finding);
        return;
      }
    }
  }
}

HardwareJudge::Compared HardwareJudge::compare(bool within, const std::function<bool(u32)>& gone) {
  Compared result;
  // What is promised within a call is no less than behind it.
  if (!changed_ && within == last_within_) return result;
  changed_ = false;
  last_within_ = within;
  const u64 far = within ? 0 : next_far_point();
  const auto compare_at = [&](const Place& place) {
    if (!result.finding) compare_place(place, within, result);
    if (!result.finding && !within) compare_far(place, far, result);
  };
  for (u32 device = 0; device < devices_.size(); ++device) {
    if (walkers_.contains(device) && interface_.table_of_walker(device) != 0) {
      compare_at({.device = device, .bank = true});
    }
    if (!interface_.device_exists(device) || gone(device)) continue;
    interface_.for_each_substream(device, [&](u32 number) { pasids_.insert(number); });
    for (const Place& place : places_of(device)) compare_at(place);
    if (result.finding) break;
  }
  return result;
}

MachineAccess HardwareJudge::read_of(const Place& place, u64 iova) const {
  return {.device = place.device,
          .stream = place.stream,
          .at = place.at,
          .iova = iova,
          .privileged = privileged_points_.contains(iova)};
}

std::optional<Finding> HardwareJudge::reaches(u64 pa, u64 bytes) {
  for (u32 device = 0; device < devices_.size(); ++device) {
    for (const Place& place : places_of(device)) {
      for (const u64 iova : points_) {
        for (const MayGet& one : hardware_.answers(read_of(place, iova))) {
          if (one.kind != Gets::address || one.pa - pa >= bytes) continue;
          Finding finding = finding_of(
              spec::rule::PAGE_REUSE,
              fmt::format(
                  "the page at {:#x} is given back, and a read access of device {} to {:#x} "
                  "may still reach it",
                  pa, device, iova));
          finding.where = where(place, iova, 'r');
          finding.where.privileged = privileged_points_.contains(iova);
          finding.why = one.why.text;
          return finding;
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<Finding> HardwareJudge::passes() {
  for (u32 device = 0; device < devices_.size(); ++device) {
    for (const Place& place : places_of(device)) {
      const auto passes = [](const MayGet& one) { return one.kind == Gets::address; };
      if (std::ranges::none_of(hardware_.answers(read_of(place, 0)), passes)) {
        continue;
      }
      Finding finding =
          finding_of(spec::rule::PROMISE_OUTCOME,
                     fmt::format("after shutdown a read access of device {} passes", device));
      finding.where = where(place, 0, 'r');
      return finding;
    }
  }
  return std::nullopt;
}

}  // namespace iommucheck::oracle
