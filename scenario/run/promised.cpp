// SPDX-License-Identifier: MIT
#include <algorithm>

#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::FaultKind;
using spec::sva::State;

/// By these rights; of a privileged mapping nobody here makes an access.
bool permits(u32 prot, char access) {
  if ((prot & spec::sva::prot_privileged) != 0) return false;
  if (access == 'w') return (prot & spec::sva::prot_write) != 0;
  if (access == 'x') return (prot & spec::sva::prot_exec) != 0;
  return (prot & spec::sva::prot_access) != 0;
}

void add_fault(Reachable& set, std::string name) { set.insert({false, 0, std::move(name)}); }

/// A translation or permission fault, as the device and its space can answer it.
void add_translation_fault(Reachable& set, FaultKind kind, const char* terminated) {
  if (kind != FaultKind::terminated) add_fault(set, "F.wait");
  if (kind != FaultKind::waits) add_fault(set, terminated);
}

}  // namespace

namespace {

/// A walker of its own by its table; nullopt: none has it.
std::optional<u32> walker_with(const spec::sva::Interface& interface, u64 table) {
  std::optional<u32> found;
  interface.for_each_walker([&](u32 walker) {
    const bool own = walker >= interface.device_count();
    if (own && interface.table_of_walker(walker) == table) found = walker;
  });
  return found;
}

/// Whose caches answer, if it is not the IOMMU.
std::optional<u32> answering(const spec::sva::Interface& interface, const Probing& probing) {
  if (probing.by == Probing::By::walker) return walker_with(interface, probing.table);
  const bool has = probing.by == Probing::By::context_bank && interface.has_walker(probing.device);
  return has ? std::optional(probing.device) : std::nullopt;
}

}  // namespace

std::optional<u32> walker_of(Subject& subject, const Probing& probing) {
  const spec::sva::Interface& interface = subject.interface();
  if (probing.by == Probing::By::walker && !answering(interface, probing)) {
    u32 next = interface.device_count();
    interface.for_each_walker([&](u32 walker) { next = std::max(next, walker + 1); });
    if (interface.master_of_table(probing.table) != 0) subject.switch_walker(next, probing.table);
  }
  return answering(interface, probing);
}

Reachable promised(const spec::sva::Interface& interface, const Probing& probing) {
  Reachable set;
  const std::optional<u32> walker = answering(interface, probing);
  if (walker ? interface.table_of_walker(*walker) == 0 : probing.by == Probing::By::walker) {
    return {{false, 0, "?there is no table any more"}};
  }
  const spec::sva::Alternatives allowed =
      walker ? interface.expected_of_walker(*walker, probing.iova)
             : interface.expected_during(probing.device, probing.at, probing.iova);
  if (allowed.gave_up) add_fault(set, "?the specification gave up");
  const FaultKind faults =
      walker ? FaultKind::terminated : interface.faults_of(probing.device, probing.at);
  for (u32 i = 0; i < allowed.count; ++i) {
    const spec::sva::Promise& promise = allowed.promises[i];
    switch (promise.state) {
      case State::blocked: add_fault(set, "F.dev"); break;
      case State::unmapped: add_translation_fault(set, faults, "F.unmapped"); break;
      case State::mapped:
        if (!permits(promise.outer_prot & ~spec::sva::prot_privileged, probing.access) &&
            permits(promise.prot, probing.access)) {
          add_fault(set, "F.s2perm");
        } else if (permits(promise.prot, probing.access)) {
          set.insert({true, promise.pa, {}});
        } else {
          add_translation_fault(set, faults, "F.perm");
        }
        break;
      case State::identity: set.insert({true, probing.iova, {}}); break;
      case State::no_pasid: add_fault(set, "F.pasid"); break;
      case State::waits: add_fault(set, "F.wait"); break;
      case State::quiet: add_fault(set, "F.quiet"); break;
      case State::outer_fault:
        // Its own translation judges the access before stage 2 sees its output. IHI 0070 7.3.22.
        if (permits(promise.prot, probing.access)) {
          add_fault(set, "F.s2unmapped");
        } else {
          add_translation_fault(set, faults, "F.perm");
        }
        break;
      case State::fetch_fault: add_fault(set, "F.s2unmapped"); break;
      case State::bad_entry: add_fault(set, "F.badcd"); break;
      case State::within: add_fault(set, "?anything that the parent maps"); break;
      default: add_fault(set, "?a state that is not elementary");
    }
  }
  return set;
}

}  // namespace iommucheck::oracle::stories
