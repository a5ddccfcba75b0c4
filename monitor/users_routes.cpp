// SPDX-License-Identifier: MIT
// What a user's structure says of its route stands in the STEs of its devices, field by field: also
// what no outcome shows as long as its tables are simple. INTERFACE "Nested"; IHI 0070 5.2.
#include <fmt/format.h>

#include "monitor/users.h"
#include "spec/rules/promises.h"
#include "spec/smmu/ste.h"

namespace iommucheck::oracle {

namespace {

struct Field {
  const char* name;
  u64 users;
  u64 hosts;
};

/// 3 is reserved in each of these, and acts like 0: a host may write either.
constexpr u64 as_it_acts(u64 value) { return value == 3 ? 0 : value; }

/// Stalls and ATS are the user's as far as the device has them.
std::optional<Field> other_field(const spec::Ste<u64>& users, const spec::Ste<u64>& hosts,
                                 const spec::sva::DeviceSetup& device, bool may_stall) {
  const bool pasids = users.s1cdmax() != 0;
  const u64 stalld = hosts.s1stalld().value ? 1 : 0;
  const bool counts = may_stall && (device.stall || users.s1stalld().value);
  const Field fields[] = {
      {"S1CDMax", users.s1cdmax(), hosts.s1cdmax()},
      {"S1Fmt", pasids ? as_it_acts(users.s1fmt()) : 0, pasids ? as_it_acts(hosts.s1fmt()) : 0},
      {"S1DSS", pasids ? as_it_acts(users.s1dss()) : 0, pasids ? as_it_acts(hosts.s1dss()) : 0},
      {"S1CIR", users.s1cir(), hosts.s1cir()},
      {"S1COR", users.s1cor(), hosts.s1cor()},
      {"S1CSH", users.s1csh(), hosts.s1csh()},
      {"S1STALLD", counts && users.s1stalld().value ? 1U : 0U, counts ? stalld : 0},
      {"EATS", device.ats ? as_it_acts(users.eats()) : 0,
       device.ats ? as_it_acts(hosts.eats()) : 0}};
  for (const Field& field : fields) {
    if (field.users != field.hosts) return field;
  }
  return std::nullopt;
}

}  // namespace

/// Behind an attach that says that it is done.
void UsersJudge::check_users_routes(u64 domain) {
  const auto structure = interface_.structure_of_user(domain);
  if (hardware_ || !structure || !case_.promises_on) return;
  spec::Ste<u64> users;
  users.dw[0] = (*structure)[0];
  users.dw[1] = (*structure)[1];
  const bool may_stall = caches_.capabilities().stall_model == spec::StallModel::both;
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    if (interface_.domain_of(device) != domain) continue;
    for (const u32 sid : streams_here(device)) {
      spec::Fetches::SteOptions stes;
      // Where more than one may be fetched, others are what a call that timed out has left.
      if (!caches_.fetches().ste_options(sid, stes) || stes.size() != 1) continue;
      for (const spec::Fetches::SteOption& one : stes) {
        // Anything else than a user's stage 1 shows by where its accesses end.
        if (!one.is_read() || one.decision.kind != spec::SteKind::nested) continue;
        const auto other = other_field(users, one.ste, setup_.devices[device], may_stall);
        if (!other || !findings().empty()) continue;
        Finding finding =
            finding_of(spec::rule::PROMISE_OUTCOME,
                       fmt::format("{} of the STE of stream {:#x} is {}; its user has said {}",
                                   other->name, sid, other->hosts, other->users));
        finding.where = {.sid = sid, .device = device};
        find(std::move(finding));
      }
    }
  }
}

}  // namespace iommucheck::oracle
