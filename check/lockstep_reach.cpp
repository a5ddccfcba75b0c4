// SPDX-License-Identifier: MIT
// What devices may meet after a call, in words that do not depend on numbers of the driver's
// choice.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "check/lockstep.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t mappings_max = 8;  // of a space

std::string text_of(const spec::Outcome& outcome) {
  switch (outcome.kind) {
    case spec::OutcomeKind::translation: return fmt::format("{:#x}", outcome.pa);
    case spec::OutcomeKind::bypass: return fmt::format("{:#x} untranslated", outcome.pa);
    case spec::OutcomeKind::fault: return outcome.stalled() ? "it waits" : "a fault";
    case spec::OutcomeKind::abort:
    case spec::OutcomeKind::denied: return "nothing";
    case spec::OutcomeKind::any: return "anything";
    case spec::OutcomeKind::within: return "anything inside of stage 2";
  }
  return "?";
}

std::string text_of(const Lockstep::Aim& aim) {
  return fmt::format(
      "device {}{} {} {:#x}", aim.device,
      aim.pasid == 0 ? std::string() : fmt::format(", PASID {} of its own", aim.pasid),
      aim.access.type == spec::AccessType::read ? "reads" : "writes", aim.access.va);
}

}  // namespace

std::vector<Lockstep::Aim> Lockstep::aims() {
  std::vector<Aim> all;
  const spec::sva::Interface& interface = monitor_.interface();
  for (u32 device = 0; device < interface.device_count(); ++device) {
    std::vector<spec::sva::Substream> places(1);
    for (const u32 number : spaces_.sendable(device))
      places.push_back(spec::sva::substream(number));
    for (std::size_t k = 0; k < places.size(); ++k) {
      std::set<u64> addresses = {0};
      const fuzz::SpaceView space = spaces_.reached_by(device, places[k]);
      for (const fuzz::Mapped& m :
           space.mappings.first(std::min(mappings_max, space.mappings.size()))) {
        addresses.insert({m.iova, m.iova + (m.bytes - 1) / page_4k * page_4k, m.iova + m.bytes});
      }
      for (const u64 va : addresses) {
        for (const spec::AccessType type : {spec::AccessType::read, spec::AccessType::write}) {
          all.push_back({device, k,
                         spec::Access{.sid = interface.stream_ids(device).front(),
                                      .ssid = places[k].number,
                                      .ssv = places[k].present,
                                      .type = type,
                                      .va = va,
                                      .route = spec::Route::untranslated}});
        }
      }
    }
  }
  return all;
}

std::vector<Lockstep::Reach> Lockstep::reach() {
  std::vector<Reach> all;
  for (const Aim& aim : aims()) {
    std::set<std::string> met;
    Monitor& its = monitor_.of_smmu(monitor_.smmu_number_of(aim.device));
    its.caches().outcomes(aim.access,
                          [&](const spec::Outcome& outcome) { met.insert(text_of(outcome)); });
    Reach reach{.access = text_of(aim), .outcomes = {}};
    for (const std::string& one : met)
      reach.outcomes += (reach.outcomes.empty() ? "" : " or ") + one;
    all.push_back(std::move(reach));
  }
  return all;
}

}  // namespace iommucheck::oracle
