// SPDX-License-Identifier: MIT
#include "spec/smmu/ats_accesses.h"

#include <algorithm>

#include "spec/arch/descriptor.h"
#include "spec/rules/promises.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

namespace {

/// Of two entries for one page the one may be from before hardware marked it, which says nothing
/// of later writes, and the other from when it was dirty, which does.
bool differ_in_marks(const Outcome& a, const Outcome& b) {
  return a.atc != 0 && b.atc != 0 && a.value != b.value && dirty_bit_modifier(a.value).value;
}

void add_by_ats(std::vector<Outcome>& found, const Outcome& outcome) {
  const auto same = [&](const Outcome& known) {
    return known.same(outcome) && !differ_in_marks(known, outcome);
  };
  if (std::ranges::none_of(found, same)) found.push_back(outcome);
}

Outcome denied(Rule rule) { return {.kind = OutcomeKind::denied, .rule = rule}; }

}  // namespace

bool AtsAccesses::collect(const Access& access, std::vector<Outcome>& found) const {
  std::vector<Outcome> here;
  if (!atcs_.is_on(access.sid)) {
    add_by_ats(here, denied(rule::STE_EATS));
  } else {
    // SMMUEN = 0, or its change not acknowledged: Unsupported Request.
    if (controls_.may_be_off()) add_by_ats(here, denied(rule::DISABLED_PASSES));
    // What it has cached comes first: a request that marks the page now may look alike, and marks.
    for (u32 i = 0; i < atcs_.owners(); ++i) {
      const AtcOwner& owner = atcs_.owner(i);
      const bool its = owner.ssv >= 2 || (owner.ssv != 0) == access.ssv;
      const bool same = !access.ssv || owner.ssv >= 2 || owner.ssid == access.ssid;
      if (atcs_.items_of(i) == 0 || owner.sid != access.sid || !its || !same) continue;
      if (owner.ssv == AtcOwner::contained) {
        use_contained(access, i, here);
      } else {
        use(access, i, here);
      }
    }
    if (controls_.may_be_on() && !ask(access, here)) return false;
    const bool granted =
        std::ranges::any_of(here, [](const Outcome& o) { return o.kind != OutcomeKind::denied; });
    // What was granted may be sent later.
    if (granted && controls_.is_open()) {
      add_by_ats(here, disabled_translated({access.type, access.privileged}));
    }
  }
  for (const Outcome& outcome : here) {
    if (outcome.kind != OutcomeKind::denied || access.route == Route::translated) {
      add_by_ats(found, outcome);
    }
  }
  return true;
}

/// For which of the user's addresses an entry is, nobody knows.
void AtsAccesses::use_contained(const Access& access, u32 owner,
                                std::vector<Outcome>& found) const {
  const Outcome within{
      .kind = OutcomeKind::within, .rule = rule::TRANSLATION_RESULT, .tag = owner | atc_tag_bit};
  if (controls_.may_be_off()) {
    add_by_ats(found, disabled_translated({access.type, access.privileged}));
  }
  if (controls_.may_be_on()) (void)check_translated(access, within, found);
}

void AtsAccesses::use(const Access& sent, u32 owner, std::vector<Outcome>& found) const {
  Access access = sent;
  if (atcs_.owner(owner).ssv == AtcOwner::contained) access.ssv = true;  // which lets it do more
  const AccessKind kind{access.type, access.privileged};
  atcs_.for_each_at(owner, access.va, [&](u32 index, const AtcItem& item) {
    u64 va = access.va;
    if (item.alias_count != 0) {
      if ((va >> 56) - item.alias_first >= item.alias_count) return;
      va = (va & mask(55, 0)) | (item.first & mask(63, 56));
    }
    if (!item.holds(va)) return;
    const Candidate c = lookups_.candidate_of(item, index, va);
    Outcome outcome{.kind = OutcomeKind::any,
                    .rule = rule::WILD_WALK,
                    .origin = c.origin,
                    .value = c.value,
                    .atc = index};
    if (item.from_reset != 0) outcome.rule = rule::UNKNOWN_AFTER_RESET;
    if (c.kind == Candidate::Kind::leaf && c.identity) {
      outcome.kind = OutcomeKind::bypass;
      outcome.pa = va;
    } else if (c.kind == Candidate::Kind::leaf) {
      const Regime<u64>& r = regimes_.of(c.space);
      const AccessKind asked = effective_access(ats_access(kind, access.ssv), item.overrides);
      if (check_e0pd(r, c.space.half, asked) ||
          check_ats_access(c.leaf, kind, access.ssv, item.overrides, r).fault)
        return;
      outcome.kind = OutcomeKind::translation;
      outcome.pa = c.leaf.output + (va - c.va);
      outcome.attr = c.leaf.attr;
      outcome.memory = attributes_of_mair(c.leaf.attr, c.leaf.sh);
    }
    if (controls_.may_be_off()) {
      Outcome refused = disabled_translated(kind);
      refused.atc = index;
      add_by_ats(found, refused);
    }
    if (controls_.may_be_on()) (void)check_translated(access, outcome, found);
  });
}

/// CR0.ATSCHK = 0 lets translated traffic pass; with 1 STE.EATS decides. IHI 0070 3.9.1.3.
bool AtsAccesses::check_translated(const Access& access, const Outcome& outcome,
                                   std::vector<Outcome>& found) const {
  bool checked = controls_.atschk();
  bool unchecked = !checked;
  config_.for_each_of(ConfigKind::ste, access.sid, [&](u32 i) {
    if (config_[i].place != ConfigItem::no_place) return;
    (config_[i].value != 0 ? checked : unchecked) = true;
  });
  if (unchecked) add_by_ats(found, outcome);
  if (!checked) return true;
  Fetches::SteOptions stes;
  if (!fetches_.ste_options(access.sid, stes)) return false;
  for (const Fetches::SteOption& ste : stes) {
    if (ste.unknown || ste.any) {
      add_by_ats(found, outcome);
      continue;
    }
    // What a device holds by split-stage ATS, whoever granted it, is an intermediate address.
    if (ste.decision.kind == SteKind::nested && split_ats(ste.ste, caps_)) {
      add_by_ats(found, accesses_.contained(ste));
      continue;
    }
    // CR2.REC_CFG_ATS, by which configuration errors have a record, is not followed here.
    std::optional<Outcome> refused = Outcome{.kind = OutcomeKind::abort};
    if (ste.is_read()) {
      refused = refused_translated(ste.ste, caps_, access, false);
    }
    if (refused) refused->atc = outcome.atc;
    add_by_ats(found, refused.value_or(outcome));
  }
  return true;
}

/// The device asks for a translation and uses it at once.
bool AtsAccesses::ask(const Access& access, std::vector<Outcome>& found) const {
  const StreamOptions& known = fetches_.options_of(access.sid, access.ssid, access.ssv);
  if (!known.complete) return false;
  for (const StreamOption& option : known.options) {
    if (option.no_ats) add_by_ats(found, denied(rule::STE_EATS));  // and no CD is read
    if (option.any && (option.ats || !option.no_ats)) {
      add_by_ats(found, accesses_.end_of(option, access));
      continue;
    }
    if (option.event != EventType::none) add_by_ats(found, denied(option.rule));
    if (option.contained && option.ats) {
      add_by_ats(found, denied(rule::TRANSLATION_RESULT));
      const Outcome within = accesses_.contained(option.tag);
      // By split-stage ATS the device sends an intermediate address, and stage 2 is asked.
      if (option.no_ats) {
        add_by_ats(found, within);
      } else if (!check_translated(access, within, found)) {
        return false;
      }
      continue;
    }
    if (!option.ats || option.event != EventType::none) continue;
    if (option.kind == SteKind::bypass) {
      const Outcome outcome =
          bypass_outcome(caps_, option.skips_stage1, option.overrides, {}, access);
      const bool refused = outcome.kind == OutcomeKind::fault;
      if (refused) add_by_ats(found, denied(outcome.rule));
      if (!refused && !check_translated(access, outcome, found)) return false;
      continue;
    }
    std::vector<Outcome> plain;
    accesses_.under(access, option, true, plain);
    for (Outcome outcome : plain) {
      if (outcome.kind == OutcomeKind::fault) {
        outcome.kind = OutcomeKind::denied;
        outcome.event = EventType::none;
        outcome.reaction = {};
        outcome.stage2 = false;
        outcome.ipa = 0;
      }
      if (outcome.kind != OutcomeKind::translation) {
        add_by_ats(found, outcome);
        continue;
      }
      if (!check_translated(access, outcome, found)) return false;
      // The request marks the page dirty, later writes by the same answer do not.
      if (outcome.dirty) {
        outcome.dirty = false;
        if (!check_translated(access, outcome, found)) return false;
      }
    }
  }
  return true;
}

}  // namespace iommucheck::spec
