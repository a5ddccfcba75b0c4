// SPDX-License-Identifier: MIT
#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::FaultKind;
using spec::sva::State;

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

Reachable promised(const spec::sva::Interface& interface, const Probing& probing) {
  Reachable set;
  const spec::sva::Alternatives allowed =
      interface.expected_during(probing.device, probing.at, probing.iova);
  if (allowed.gave_up) add_fault(set, "?the specification gave up");
  const FaultKind faults = interface.faults_of(probing.device, probing.at);
  for (u32 i = 0; i < allowed.count; ++i) {
    const spec::sva::Promise& promise = allowed.promises[i];
    switch (promise.state) {
      case State::blocked: add_fault(set, "F.dev"); break;
      case State::unmapped: add_translation_fault(set, faults, "F.unmapped"); break;
      case State::mapped:
        if (permits(promise.prot, probing.access)) {
          set.insert({true, promise.pa, {}});
        } else {
          add_translation_fault(set, faults, "F.perm");
        }
        break;
      case State::identity: set.insert({true, probing.iova, {}}); break;
      case State::no_pasid: add_fault(set, "F.pasid"); break;
      case State::waits: add_fault(set, "F.wait"); break;
      case State::quiet: add_fault(set, "F.quiet"); break;
      default: add_fault(set, "?a state that is not elementary");
    }
  }
  return set;
}

}  // namespace iommucheck::oracle::stories
