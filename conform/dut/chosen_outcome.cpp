// SPDX-License-Identifier: MIT
#include "conform/dut/chosen_outcome.h"

#include <vector>

namespace iommucheck::oracle {

std::optional<u64> MemoryNow::read(spec::Structure /*kind*/, u64 pa) {
  if (is_there(pa)) return memory.newest(pa).value;
  aborted = true;
  return std::nullopt;
}

spec::Access access_of(u32 sid, u64 iova, bool write, const DmaAttributes& attributes) {
  spec::Access access{.sid = sid, .va = iova};
  access.type = write                    ? spec::AccessType::write
                : attributes.instruction ? spec::AccessType::execute
                                         : spec::AccessType::read;
  access.privileged = attributes.privileged;
  access.ssv = attributes.substream.has_value();
  access.ssid = attributes.substream.value_or(0);
  if (attributes.translated) access.route = spec::Route::translated;
  return access;
}

std::optional<spec::Outcome> chosen_outcome(const spec::Caches& caches, const spec::SmmuState& smmu,
                                            const spec::Access& access, bool (*is_there)(u64 pa),
                                            spec::Choices& choices, unsigned stale_of_eight) {
  MemoryNow memory{caches.memory(), is_there};
  std::optional<spec::Outcome> now;
  if (smmu.smmuen) now = spec::untranslated_transaction(memory, smmu, access);
  // What caches hold of what is not modelled is not followed.
  if (memory.aborted || (now && !caches.unsupported().empty())) return now;
  // What is cached as clean has to be written, and stage 2 refuses that as it is now.
  if (now && now->stage2 && now->input == spec::Stage2Input::stage1_update) return now;
  std::vector<spec::Outcome> outcomes;
  (void)caches.outcomes(access, [&](const spec::Outcome& o) { outcomes.push_back(o); });
  if (outcomes.empty()) return std::nullopt;
  const auto choose = [&](u32 n) { return choices.choose(spec::ChoiceSite::outcome, n); };
  if (now && outcomes.size() > 1 && stale_of_eight != 0 && choose(8) < stale_of_eight) {
    std::erase_if(outcomes, [&](const spec::Outcome& o) { return o.same(*now); });
  }
  const spec::Outcome& chosen = outcomes[choose(static_cast<u32>(outcomes.size()))];
  if (chosen.kind != spec::OutcomeKind::within) return chosen;
  // One that it may cache, of those that fill_nested() was told.
  const spec::Outcome newest = caches.nested().newest(access);
  outcomes.clear();
  (void)caches.nested().outcomes(access, [&](const spec::Outcome& o) {
    if (o.kind != spec::OutcomeKind::any) outcomes.push_back(o);
  });
  if (outcomes.size() > 1 && stale_of_eight != 0 && choose(8) < stale_of_eight) {
    std::erase_if(outcomes, [&](const spec::Outcome& o) { return o.same(newest); });
  }
  if (outcomes.empty()) return newest;
  return outcomes[choose(static_cast<u32>(outcomes.size()))];
}

DmaSeen seen_of(const spec::Outcome& outcome) {
  using spec::OutcomeKind;
  DmaSeen seen;
  if (outcome.passes()) {
    seen.reached = true;
    seen.pa = outcome.pa;
  }
  seen.stalled = outcome.stalled();
  return seen;
}

}  // namespace iommucheck::oracle
