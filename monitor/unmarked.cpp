// SPDX-License-Identifier: MIT
// Why a dirty_read does not have a page that was written: the write needed no mark, since what it
// met was cached as dirty; or its mark is not in memory yet; or memory says it, and the driver does
// not look there. SEMANTICS 4; IHI 0070 3.13.
#include <algorithm>

#include "monitor/calls.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/visits.h"

namespace iommucheck::oracle {

namespace {

using spec::Candidate;

/// Writes that meet it leave no mark, and memory says something else by now.
bool writes_unmarked(const Candidate& candidate, const spec::Memory& memory) {
  const bool cached = candidate.item != 0 || candidate.from_atc();
  const spec::Leaf<u64>& leaf = candidate.leaf;
  const bool writable = leaf.privileged.write.value || leaf.unprivileged.write.value;
  if (!cached || !writable || leaf.writable_clean.value) return false;
  const spec::Content now = memory.newest(candidate.origin);
  return now.unknown || now.value != candidate.value;
}

const char* state_of(const spec::Leaf<u64>& leaf) {
  if (leaf.writable_clean.value) return ", which is clean in memory";
  return leaf.dbm.value ? ", which is dirty in memory" : ", which hardware does not mark";
}

/// The leaf translates more than the window of the call has.
bool leaves_window(const Candidate& leaf, const spec::sva::Call& call) {
  const u64 last = leaf.va + ((u64{1} << leaf.extent_lg2) - 1);
  return leaf.va < call.iova || last - call.iova >= call.size;
}

}  // namespace

/// visit(tag) of all that looks up the domain's tables, also behind a user's, or has cached of
/// them. One may come again.
template <class Visit>
void CallEvents::for_each_tag_of(u64 domain, Visit visit) {
  const auto at_place = [&](const Place& place) {
    for (const spec::StreamOption& option : ways_at(place).options) {
      if (option.regime != 0) visit(option.tag);
    }
    atcs_of(caches_.view(), place.sid, [&](u32 tag, const spec::AtcOwner& owner) {
      if (owner.ssv == 2 || (owner.ssv == 1) != place.at.present) return;
      if (!place.at.present || owner.ssid == place.at.number) visit(tag);
    });
  };
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    for (const u32 sid : streams_here(device)) {
      const u64 its = interface_.domain_of(device);
      const bool behind = its != 0 && interface_.parent_of(its) == domain;
      if (its == domain || behind) at_place({device, sid, {}});
      interface_.for_each_substream(device, [&](u32 number) {
        const bool there = interface_.attached_at(device, number) == domain;
        if (there) at_place({device, sid, spec::sva::substream(number)});
      });
    }
  }
}

void CallEvents::explain_unmarked(Finding& finding, u64 domain, u64 iova) {
  std::string in_memory;
  std::optional<spec::Cause> leaf;
  bool is_on_its_way = false, is_marked = false;
  for_each_tag_of(domain, [&](u32 tag) {
    std::vector<Candidate> met;
    caches_.lookups().collect(tag, iova, met);
    for (const Candidate& c : met) {
      if (c.kind != Candidate::Kind::leaf) continue;
      is_on_its_way |= std::ranges::any_of(case_.marks, [&](const Case::Mark& mark) {
        return mark.pa == c.origin && mark.from != mark.to;
      });
      if (finding.causes.empty() && writes_unmarked(c, caches_.memory())) {
        finding.causes.push_back(cause_of(caches_.view(), c, iova));
      }
      if (c.item != 0 || c.from_atc()) continue;
      in_memory = state_of(c.leaf);
      if (leaves_window(c, current().call)) in_memory += ", by a leaf that leaves the window";
      is_marked = c.leaf.dbm.value && !c.leaf.writable_clean.value;
      leaf = cause_of(caches_.view(), c, iova);
    }
  });
  // Its mark is there: what was cached is none of it.
  if (is_marked) finding.causes.clear();
  if (is_on_its_way) {
    finding.causes.clear();
    in_memory = ", by a mark that no completed CMD_SYNC has brought to memory yet";
  }
  if (leaf) finding.causes.push_back(*std::move(leaf));
  finding.wrong += in_memory;
  finding.statement += in_memory;
}

/// Other hardware has said why a write marked nothing when it was made: the last of them counts.
void CallEvents::explain_by_model(Finding& finding, u64 iova, u64 grain) const {
  for (const Case::UnmarkedWrite& write : case_.unmarked) {
    if (write.iova - iova < grain) finding.why = write.why;
  }
}

}  // namespace iommucheck::oracle
