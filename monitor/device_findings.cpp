// SPDX-License-Identifier: MIT
#include "monitor/device_findings.h"

namespace iommucheck::oracle {

DeviceNumbers& DeviceNumbers::operator+=(const DeviceNumbers& more) {
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i] += more.asked[i];
    discriminating[i] += more.discriminating[i];
  }
  accesses += more.accesses;
  any += more.any;
  open += more.open;
  stale_allowed += more.stale_allowed;
  undetermined += more.undetermined;
  records += more.records;
  return *this;
}

Finding& DeviceFindings::find(spec::Rule rule, DeviceKind kind, std::string text) {
  state_.found.push_back(finding_of(rule, std::move(text)));
  state_.found.back().kind = kind_of_device(std::move(kind));
  return state_.found.back();
}

void DeviceFindings::find_of(u32 which, spec::Rule rule, DeviceKind kind, std::string text) {
  Finding& finding = find(rule, std::move(kind), std::move(text));
  finding.access = true;
  finding.which = which;
}

void DeviceFindings::undetermined(std::string missing) {
  ++numbers_.undetermined;
  state_.missing.push_back(std::move(missing));
}

void DeviceFindings::ask(spec::Rule rule, bool discriminating) {
  ++numbers_.asked[spec::number_of(rule)];
  if (discriminating) ++numbers_.discriminating[spec::number_of(rule)];
}

}  // namespace iommucheck::oracle
