// SPDX-License-Identifier: MIT
// What a finding is called in every run and on every machine, and where a review shows it.
#pragma once

#include <string>

#include "monitor/finding.h"

namespace iommucheck::oracle {

/// The rules that say that something is reached are one where the kind names the cause: which of
/// them shows it is a matter of the moment.
spec::Rule rule_of_cause(spec::Rule rule, const FindingKind& kind);
/// Which of a cause's rules that one is among.
spec::Rule rule_of_cause(spec::Rule rule);

/// Of rule_of_cause() and kind: neither a number of an event nor an address. Empty where there is
/// no kind.
std::string fingerprint_of(spec::Rule rule, const FindingKind& kind);
inline std::string fingerprint_of(const Finding& finding) {
  return fingerprint_of(finding.rule, finding.kind);
}

/// The event at which the finding stands in the driver's source: the one that shows it, else the
/// last that the driver did to it. Null: no place in the source is known.
const NamedEvent* event_in_source(const Violation& finding);

/// A file below the folder that the command runs in, by its way from there: what a service shows
/// beside a change is named so.
std::string from_here(const std::string& file);

}  // namespace iommucheck::oracle
