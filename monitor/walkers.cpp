// SPDX-License-Identifier: MIT
// Walkers beside the SMMU: a GPU that switches the table of its context bank itself. Nothing of the
// driver's runs then; what it may be blamed for is in the tables. INTERFACE "Dynamic domains".
#include "spec/smmu/walker.h"

#include <bit>

#include "monitor/walkers.h"
#include "spec/rules/interface.h"

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;

/// The format in which the walker reads tables of a domain with that master, of that input size: of
/// a context descriptor which the master's devices use, its own first. None: nobody has said; then
/// what the domain's facts say.
std::optional<spec::Regime<u64>> WalkerEvents::format_for(u32 walker, u64 master,
                                                          u32 input_bits) const {
  std::optional<spec::Regime<u64>> of_another_size;
  const auto of_device = [&](u32 device) -> std::optional<spec::Regime<u64>> {
    if (interface_.domain_of(device) != master || master == 0) return std::nullopt;
    if (!is_here(device)) return std::nullopt;
    const u32 sid = interface_.stream_ids(device).front();
    for (const spec::StreamOption& option : caches_.fetches().options_of(sid, 0, false).options) {
      // A call that moves the device may have left it an STE of stage 2 as well.
      if (option.regime == 0 || spec::is_stage2(caches_.regime(option.regime - 1))) continue;
      // Or one of the domain to which it was to move.
      const spec::Regime<u64>& regime = caches_.regime(option.regime - 1);
      if (regime.half[0].tsz + input_bits == 64) return regime;
      if (!of_another_size) of_another_size = regime;
    }
    return std::nullopt;
  };
  if (walker < interface_.device_count()) {
    if (const auto own = of_device(walker)) return own;
  }
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    if (const auto format = of_device(device)) return format;
  }
  return of_another_size;
}

void WalkerEvents::walker_switches(u32 walker, u64 root) {
  window_ends();
  tick();
  emit(trace::environment_agent, trace::WalkerSwitch{trace::DeviceId{walker}, root});
  if (hardware_) {
    const u32 input_bits = interface_.facts_of_table(root).input_bits;
    interface_.walker_switches(walker, root);
    hardware_->walker_switches(walker, keeps_of(walker) ? root : 0, input_bits);
    return hardware_acted();
  }
  const spec::Regime<u64> format = format_of_table(walker, root);
  interface_.walker_switches(walker, root);
  if (keeps_of(walker)) {
    caches_.walkers().start(walker, spec::walker_regime(format, walker, root));
  } else {
    caches_.walkers().stop(walker);
  }
  gather();
}

spec::Regime<u64> WalkerEvents::format_of_table(u32 walker, u64 root) const {
  const spec::sva::DomainFacts facts = interface_.facts_of_table(root);
  const u64 master = interface_.master_of_table(root);
  if (const auto format = format_for(walker, master, facts.input_bits)) return *format;
  const int page = std::countr_zero(facts.page_sizes);
  const auto granule = page == 14   ? spec::Granule::g16k
                       : page == 16 ? spec::Granule::g64k
                                    : spec::Granule::g4k;
  return spec::plain_format(facts.input_bits, facts.output_bits, granule);
}

/// It has a table, and what it has cached of that is judged.
bool WalkerEvents::keeps_of(u32 walker) const {
  return interface_.table_of_walker(walker) != 0 && !interface_.walks_afresh(walker);
}

bool WalkerEvents::ask_walker(u32 walker, const spec::Access& access,
                              std::vector<spec::Outcome>& found) {
  spec::Walkers& walkers = caches_.walkers();
  if (!interface_.walks_afresh(walker)) return walkers.outcomes(walker, access, found);
  const u64 root = interface_.table_of_walker(walker);
  walkers.start(walker, spec::walker_regime(format_of_table(walker, root), walker, root));
  const bool whole = walkers.outcomes(walker, access, found);
  walkers.stop(walker);
  gather();
  return whole;
}

std::set<MayGet> WalkerEvents::ask_walker(u32 walker, u64 iova, char access) {
  Hardware& hardware = hardware_->hardware();
  if (!interface_.walks_afresh(walker)) return hardware.walker_answers(walker, iova, access);
  const u64 root = interface_.table_of_walker(walker);
  hardware.walker_switches(walker, root, interface_.facts_of_table(root).input_bits);
  std::set<MayGet> may = hardware.walker_answers(walker, iova, access);
  hardware.walker_switches(walker, 0, 0);
  return may;
}

void WalkerEvents::walker_flushes(u32 walker) {
  window_ends();
  tick();
  emit(trace::environment_agent, trace::WalkerFlush{trace::DeviceId{walker}, std::nullopt});
  if (hardware_) {
    hardware_->hardware().walker_flushes(walker);
    interface_.walker_flushes(walker);
    return hardware_acted();
  }
  caches_.walkers().flush(walker);
  interface_.walker_flushes(walker);
  gather();
  // What it may meet changes by what it has dropped; what it is promised, everywhere.
  begin_comparison();
  if (case_.promises_on && findings().empty()) check_walker(walker, 0, ~u64{0});
}

/// A call by which tables may be given back. What its caller says wrongly of its walkers, or does
/// not wait for, is nothing that the driver can be blamed for.
void WalkerEvents::settle_walkers(const Call& call, spec::Rule broken) {
  if (broken == spec::rule::WALKER_UNFLUSHED) {
    interface_.for_each_walker_of(call, [&](u32 walker) {
      hardware_ ? hardware_->hardware().walker_flushes(walker) : caches_.walkers().fix(walker);
    });
  }
  if (call.kind == CallKind::domain_free || call.kind == CallKind::unbind_task) {
    interface_.for_each_walker_of(call, [&](u32 walker) { stop_walker(walker); });
  }
}

void WalkerEvents::stop_walker(u32 walker) {
  if (!hardware_) return caches_.walkers().stop(walker);
  hardware_->walker_switches(walker, 0, 0);
  hardware_acted();
}

}  // namespace iommucheck::oracle
