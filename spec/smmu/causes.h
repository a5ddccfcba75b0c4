// SPDX-License-Identifier: MIT
// Why an outcome is possible: where it was read, when that was replaced, and the command that
// nearly removed it, as facts (cause.h) and in words. Never on the hot path.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spec/smmu/view.h"

namespace iommucheck::spec {

/// The nearest miss is looked for among all commands that were sent. Who only asks what a cause is,
/// and may do so thousands of times at one event, leaves it out.
enum class Misses : bool { left_out, told };

Cause cause_of(const CachesView& of, const Outcome& outcome, Misses misses = Misses::told);
Cause cause_of(const CachesView& of, const Item& item, Misses misses = Misses::told);
/// Of a candidate, met at `va`.
Cause cause_of(const CachesView& of, const Candidate& candidate, u64 va,
               Misses misses = Misses::told);
/// Of an ATC entry: when it may have been filled, and the ATC_INV that nearly removed it.
Cause cause_of(const CachesView& of, const AtcItem& item, u64 va, Misses misses = Misses::told);
/// Why a page is a table.
Cause cause_of(const CachesView& of, const Edge& edge);
/// Why the address may fault under the tag; `found` is what Lookups::collect() gave for it.
Cause cause_of_fault(const CachesView& of, u32 tag, u64 va, const std::vector<Candidate>& found,
                     Misses misses = Misses::told);
/// The structures of the stream of which cached words are not what memory says.
std::vector<Cause> causes_of_stream(const CachesView& of, u32 sid, std::optional<u32> ssid,
                                    Misses misses = Misses::told);
/// Of one structure alone.
std::vector<Cause> causes_of_structure(const CachesView& of, const StructureOf& structure);
/// Why structures that lie in the page of `pa` can be fetched: what is cached and leads there.
std::vector<Cause> causes_of_configuration(const CachesView& of, u64 pa);
/// An access of the stream may end with the event by its structures as memory has them now: of what
/// their words decide, false says that it does not.
bool memory_ends_in(const CachesView& of, u32 sid, std::optional<u32> ssid, EventType event);
/// The stream's structures form the regime with that number as memory has them now: nothing that is
/// cached of them has to do with it.
bool memory_forms(const CachesView& of, u32 sid, std::optional<u32> ssid, u32 regime);
/// Why the regime with that number is one: of some of the streams that form it, what of their
/// structures is only cached, or the last of them where memory says all of it.
std::vector<Cause> causes_of_regime(const CachesView& of, u32 regime);
/// The structure in memory by which the stream gets that option.
Cause cause_in_memory(const CachesView& of, u32 sid, std::optional<u32> ssid,
                      const StreamOption& option);
/// The STE and the CD by which memory has the stream translated, or let through: all their words.
/// An L1STD or L1CD where a store to it may not be visible yet.
std::vector<Cause> path_in_memory(const CachesView& of, u32 sid, std::optional<u32> ssid);

/// The cause in words, addresses as the namer has them.
template <class... What>
std::string explained(const CachesView& of, const What&... what) {
  return cause_text(cause_of(of, what...), of.findings.namer());
}
/// Of a fault that a rule alone decides the rule is what does not hold.
inline std::string explained(const CachesView& of, const Outcome& outcome) {
  const Cause cause = cause_of(of, outcome);
  const bool broken = cause.kind == Cause::Kind::rule && outcome.kind == OutcomeKind::fault;
  return (broken ? "does not hold: " : "") + cause_text(cause, of.findings.namer());
}

}  // namespace iommucheck::spec
