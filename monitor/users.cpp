// SPDX-License-Identifier: MIT
// What users of stage 2 domains write into their own memory. INTERFACE "Nested".
#include "monitor/users.h"
#include "monitor/call_conversion.h"
#include "monitor/permits.h"
#include "spec/smmu/causes.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

/// Each user's copy of what is written is stored before any of them is told of: other hardware is
/// looked at when all are.
void UsersJudge::users_memory_is_told() { hardware_ ? hardware_->changed() : window_ends(); }

void UsersJudge::user_table_made(u64 parent, const spec::sva::UserTable& table) {
  tick();
  emit(trace::environment_agent, trace::UserTable{.parent = domain_id(parent),
                                                  .root = table.root,
                                                  .input_bits = table.input_bits,
                                                  .first = table.first,
                                                  .length = table.bytes,
                                                  .pa = table.pa});
  interface_.user_table_made(parent, table);
  hardware_changed();
}

void UsersJudge::user_fetched(u32 sid, spec::sva::Substream at, u64 va, std::vector<u64>* words) {
  tick();
  trace::UserFetch fetch{.sid = sid, .ssid = std::nullopt, .va = va};
  if (at.present) fetch.ssid = at.number;
  const u32 device = interface_.device_of(sid);
  emit(trace::device_agent(static_cast<u16>(device)), fetch);
  if (!hardware_) caches_.fill_nested(sid, at.number, at.present, va, words, words);
}

void UsersJudge::user_maps(u64 parent, u64 root, u64 va, u64 bytes, u64 ipa, u32 prot) {
  tick();
  emit(trace::environment_agent, trace::UserMap{.parent = domain_id(parent),
                                                .root = root,
                                                .va = va,
                                                .length = bytes,
                                                .ipa = ipa,
                                                .rights = rights_of(prot)});
  interface_.user_maps(parent, root, va, bytes, ipa, prot);
  if (hardware_) hardware_->look_at(va, bytes);
  users_memory_is_told();
}

void UsersJudge::user_unmaps(u64 parent, u64 root, u64 va, u64 bytes) {
  tick();
  emit(trace::environment_agent, trace::UserMap{.parent = domain_id(parent),
                                                .root = root,
                                                .va = va,
                                                .length = bytes,
                                                .ipa = std::nullopt,
                                                .rights = {}});
  interface_.user_unmaps(parent, root, va, bytes);
  if (hardware_) hardware_->look_at(va, bytes);
  users_memory_is_told();
}

void UsersJudge::user_takes_out(u64 parent, u64 root, u64 va, u64 bytes) {
  tick();
  emit(trace::environment_agent,
       trace::UserTakesOut{.parent = domain_id(parent), .root = root, .va = va, .length = bytes});
  interface_.user_takes_out(parent, root, va, bytes);
  if (hardware_) hardware_->look_at(va, bytes);
  users_memory_is_told();
}

void UsersJudge::user_sets_entry(u64 parent, u64 entry, const spec::sva::UserEntry& content) {
  tick();
  trace::UserEntry event{.parent = domain_id(parent),
                         .entry = entry,
                         .kind = static_cast<trace::UserEntryKind>(content.kind),
                         .root = std::nullopt,
                         .asid = std::nullopt,
                         .stalls = std::nullopt};
  if (content.kind == spec::sva::UserEntryKind::table) {
    event.root = content.root;
    event.asid = content.asid;
  }
  if (content.stalls) event.stalls = true;
  emit(trace::environment_agent, event);
  interface_.user_sets_entry(parent, entry, content);
  users_memory_is_told();
}

void UsersJudge::check_users_access(u32 sid, spec::sva::Substream at, u64 va) {
  if (wrong_of_user({interface_.device_of(sid), sid, at}, va)) user_probed(sid, at, va);
}

std::optional<UsersJudge::UsersOutcome> UsersJudge::wrong_of_user(const Place& place, u64 va) {
  // Of other hardware all that it may do is compared with what is promised, wherever that changes.
  if (hardware_ || vanishes(place.device) || caches_.stands_still()) return std::nullopt;
  const spec::sva::Alternatives allowed = interface_.expected_during(place.device, place.at, va);
  if (allowed.gave_up || promises_state(allowed, spec::sva::State::within)) return std::nullopt;
  for (const auto type : {spec::AccessType::read, spec::AccessType::write}) {
    spec::Access access = access_at(place, va);
    access.type = type;
    std::optional<UsersOutcome> wrong;
    const bool whole = caches_.nested().outcomes(access, [&](const spec::Outcome& outcome) {
      if (!wrong && !permits_of_user(allowed, type, outcome)) wrong = {type, outcome, allowed};
    });
    if (!whole) {
      give_up_on(place);
      return std::nullopt;
    }
    if (wrong) return wrong;
  }
  return std::nullopt;
}

void UsersJudge::user_probed(u32 sid, spec::sva::Substream at, u64 va) {
  tick();
  const Place place{interface_.device_of(sid), sid, at};
  trace::UserProbe probe{.sid = sid, .ssid = std::nullopt, .va = va};
  if (at.present) probe.ssid = at.number;
  emit(trace::device_agent(static_cast<u16>(place.device)), probe);
  const std::optional<UsersOutcome> wrong = wrong_of_user(place, va);
  if (!wrong) return;
  Finding finding = finding_of(rule_for(wrong->allowed), {});
  finding.where = where(place);
  finding.where.address = va;
  finding.where.access = wrong->type;
  finding.hardware.push_back(may_of(wrong->outcome));
  finding.promised = promised_of(wrong->allowed);
  finding.causes = causes_of_stream(caches_.view(), sid, finding.where.pasid);
  const auto path = path_in_memory(caches_.view(), sid, finding.where.pasid);
  finding.causes.insert(finding.causes.end(), path.begin(), path.end());
  finding.causes.push_back(cause_of(caches_.view(), wrong->outcome));
  find(std::move(finding));
}

}  // namespace iommucheck::oracle
