// SPDX-License-Identifier: MIT
// What a driver offers of the interface, and what follows for a run: rules that say nothing of a
// driver without the calls that they are about, and in words what was judged.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "check/machine.h"
#include "host/driver_host.h"
#include "monitor/not_claimed.h"
#include "monitor/rule_verdicts.h"

namespace iommucheck::oracle {

/// A bit for each call that the driver has (spec::sva::CallKind), and the ones below for what
/// nobody calls but the environment.
using Abilities = u64;
constexpr Abilities bit_of(spec::sva::CallKind kind) {
  return u64{1} << static_cast<unsigned>(kind);
}
constexpr Abilities has_handle_irq = u64{1} << 63;
constexpr Abilities has_mm_release = u64{1} << 62;
constexpr Abilities has_shutdown = u64{1} << 61;

Abilities abilities_of(const DriverHost& host);

/// A rule that was not exercised since the driver lacks every call that it is about is not claimed:
/// "the driver has no bind_device". One that it could have come to stays what it is.
void tell_missing_calls(std::vector<RuleCount>& rules, Abilities abilities);

/// Of hardware that is no SMMUv3: what is said of an SMMUv3's structures, queues and caches alone
/// is not claimed.
void tell_other_hardware(std::vector<RuleCount>& rules);

/// What the run adds to the driver's own flags.
struct RunClaims {
  NotClaimed besides;
  bool heed_driver = true;  ///< false: what the driver says of it does not count
  [[nodiscard]] NotClaimed of(const iommucheck_driver& driver) const;
};
/// "time-outs,ranges", what is added; "nothing": all is claimed, whatever the driver says.
/// bad_input as of NotClaimed::parse.
Expected<RunClaims> parse_claims(std::string_view text);

/// Rules of which nothing is judged since it is not claimed. One that is broken all the same stays.
void tell_not_claimed(std::vector<RuleCount>& rules, NotClaimed not_claimed);

/// A line for each: what is not asked, and the rules that say less or nothing for that. `shown`:
/// those that nobody has said, and the driver's answers have shown.
std::vector<std::string> not_claimed_lines(NotClaimed not_claimed, NotClaimed shown = {});

/// "stage 1, PASIDs, ATS, stalls": what the machines had and the driver could use, or "no PASID";
/// what else was `seen` at work, and what is not claimed. `judged`: which translation was.
std::string scope_text(Abilities abilities, std::span<const Machine> machines,
                       NotClaimed not_claimed = {}, std::string_view judged = "stage 1",
                       std::span<const std::string> seen = {});

}  // namespace iommucheck::oracle
