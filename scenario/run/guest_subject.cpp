// SPDX-License-Identifier: MIT
// What is other of a driver that is a guest's: its SMMU is what a host plays over the calls of the
// host's driver. Scenarios are judged by what the guest's driver owes, as elsewhere; beside that
// everything that may become of an access in the host has to be what may become of it at an SMMU,
// and the host's driver has a monitor of its own.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "scenario/run/driver_subject.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;

constexpr unsigned block_lg2 = 21;
constexpr u64 block_bytes = u64{1} << block_lg2;
constexpr std::size_t mapped_max = 32;  // each for each device and PASID, and few are followed

/// The pages of the world, in blocks of the host's.
GuestPlaces places_of(const World& world) {
  GuestPlaces places;
  if (world.pages.empty()) return places;
  u64 first = ~u64{0}, end = 0;
  for (const auto& [name, page] : world.pages) {
    first = std::min(first, page.pa);
    end = std::max(end, page.pa + page.bytes);
  }
  places.pages_pa = align_down(first, block_lg2);
  places.pages_bytes = align_down(end - places.pages_pa + block_bytes - 1, block_lg2);
  return places;
}

}  // namespace

/// Of what a driver has on an SMMU of its own. guest_capabilities().
Offers DriverSubject::offers_of_guest(Offers offers) {
  offers.stalls = offers.page_requests = offers.request_groups = offers.ats = false;
  offers.users = offers.users_pasids = offers.users_events = false;
  offers.walkers = false;  // they go through the host's stage 2, which nobody looks at
  offers.sticks = false;   // commands are the host's to be done, and all at once
  return offers;
}

std::string DriverSubject::start_guest(Setup& setup) {
  const spec::Capabilities caps = guest_capabilities(capabilities_of(world_));
  setup.id = spec::make_id_registers(caps);
  setup.devices = guest_devices(std::move(setup.devices), caps);
  const GuestSetup its{.caps = caps, .devices = setup.devices, .places = places_of(world_)};
  setup.window_pa = its.places.window_pa;
  setup.window_bytes = its.places.window_bytes;
  setup.process_bytes = its.places.process_bytes;
  const iommucheck_driver& host = guests_host_ != nullptr ? *guests_host_ : *impl::builtin_driver();
  guest_ = std::make_unique<Guest>(host, its, make_smmu_);
  setup.other_smmu = &guest_->smmu();
  return guest_->host().boot();
}

// ---- what the host may have cached of the guest's tables ----------------------------------------

void DriverSubject::guest_may_cache(const Call& call) {
  const CallKind kind = spec::sva::as_domain_call(call.kind);
  const bool maps = kind == CallKind::map || kind == CallKind::map_sg;
  if (maps) return guest_may_cache(call.iova);
  follow_guest();
}

void DriverSubject::guest_may_cache(u64 va) {
  const u64 page = align_down(va, 12);
  const bool is_new = std::ranges::find(mapped_, page) == mapped_.end();
  if (is_new && mapped_.size() < mapped_max) mapped_.push_back(page);
  follow_guest();
}

/// By each table to which the guest's memory leads its devices now.
void DriverSubject::follow_guest() {
  if (!guest_ || mapped_.empty()) return;
  for (u32 device = 0; device < world_.devices.size(); ++device) {
    const auto tables = standing(device);
    if (!tables || tables->empty()) continue;
    for (const u32 sid : interface().stream_ids(device)) {
      for (const Standing& table : *tables) {
        for (const u64 va : mapped_) {
          guest_->smmu().follow(
              {.sid = sid, .ssid = table.at.number, .ssv = table.at.present, .va = va});
        }
      }
    }
  }
}

// ---- verdicts -----------------------------------------------------------------------------------

void DriverSubject::ask_guest(const Probing& probing) {
  const spec::Access access = access_of(probing);
  monitor_->check_other_smmu(access);
  guest_->smmu().follow(access);
}

void DriverSubject::take_troubles_below(std::vector<Trouble>& troubles) {
  const std::vector<Finding>& found = guest_->host().monitor().findings();
  for (; findings_below_ < found.size(); ++findings_below_) {
    const Finding& finding = found[findings_below_];
    troubles.push_back({finding.rule, spec::rule_info(finding.rule).keeper,
                        "the host of the guest: " + one_line(finding)});
  }
}

std::string DriverSubject::no_verdict_below() const {
  if (!guest_) return {};
  const Monitor& host = guest_->host().monitor();
  if (!host.unsupported().empty()) return "in the host " + host.unsupported() + " is not modelled";
  if (host.gave_up()) return "in the host a bound of the specification was hit: " + host.bound();
  const u64 unknown = guest_->smmu().numbers().unknown;
  if (unknown == 0) return {};
  return fmt::format("of {} accesses nobody can tell what they meet in the host", unknown);
}

}  // namespace iommucheck::oracle::stories
