// SPDX-License-Identifier: MIT
// Registers that caches depend on, SMMUEN above all, and reset. SEMANTICS 2.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/config_index.h"

namespace iommucheck::spec {

// ---- registers ----------------------------------------------------------------------------------

void Caches::set_e2h(bool e2h) {
  if (controls_.e2h() == e2h) return;
  controls_.set_e2h(e2h);
  reform_all();
}

void Caches::set_gbpa_abort(bool abort) {
  if (controls_.set_gbpa_abort(abort) && controls_.may_be_off()) changes_.mark_all_streams();
}

void Caches::write_gbpa_abort(bool abort) {
  if (controls_.write_gbpa_abort(abort) && controls_.may_be_off()) changes_.mark_all_streams();
}

void Caches::write_smmuen(bool enable) {
  if (controls_.smmuen() == enable) return;
  if (!enable) fail_atc_invs();
  controls_.write_smmuen(enable);
  changes_.mark_all_streams();
  if (!enable || controls_.enabled()) return;
  controls_.enable(true);
  findings_.count(Rule::UNKNOWN_AFTER_RESET);
  const u64 streams = pow2(controls_.stream_table().sid_bits);
  if (!controls_.stream_table().two_level) {
    add_region({.kind = ConfigKind::ste,
                .first = controls_.stream_table().base,
                .bytes = streams * ste_bytes,
                .made_by = ~u32{0}});
  } else {
    const u64 l1stds = std::max<u64>(1, streams >> controls_.stream_table().split);
    add_region({.kind = ConfigKind::l1std,
                .first = controls_.stream_table().base,
                .bytes = l1stds * 8,
                .made_by = ~u32{0}});
    for (u64 n = 0; n < l1stds; ++n) {
      const u64 place = controls_.stream_table().base + 8 * n;
      const Content now = memory_.newest(place);
      if (now.unknown || now.value != 0 || memory_.is_pending(place)) {
        refresh_l2_arrays(static_cast<u32>(n << controls_.stream_table().split));
      }
    }
  }
  // Streams whose STE is anything but invalid or abort, wherever one may stand.
  std::vector<u32> streams_to_form;
  for (u32 i = 0; i < config_.size(); ++i) streams_to_form.push_back(config_[i].sid);
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region region = config_.region(i);
    if (region.kind != ConfigKind::ste) continue;
    for (u64 n = 0; n < region.bytes / ste_bytes; ++n) {
      const u64 place = region.first + n * ste_bytes;
      const Frame& frame = memory_.frame(place);
      if (const u64 zeros = frame.zeros_from(place); zeros >= ste_bytes) {
        n += zeros / ste_bytes - 1;
        continue;
      }
      const Content word = memory_.newest(place);
      const Ste<u64> ste{{word.value}};
      if (word.unknown || (ste.v() & ste.config_translates()).value || memory_.is_pending(place)) {
        streams_to_form.push_back(region.sid + static_cast<u32>(n));
        if (word.unknown) break;  // one report is enough
      }
    }
  }
  for (const u32 sid : streams_to_form) reform({sid});
  reform_all();
  if (from_reset_.refill()) {
    findings_.report(
        Rule::UNKNOWN_AFTER_RESET,
        "SMMUEN is set while cached configuration from before reset may live: no completed "
        "CFGI_ALL");
  }
}

void Caches::acknowledge_smmuen() {
  controls_.acknowledge_smmuen();
  if (controls_.smmuen() || !controls_.enabled()) return;
  // Nothing is fetched any more; what was cached stays. Words of configuration become items, so
  // that they are known whatever happens to their memory.
  std::vector<Vanished> words;
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region& region = config_.region(i);
    const u64 size = leads_on(region.kind) ? 8 : ste_bytes;
    constexpr u64 small = 4096 * ste_bytes;  // of larger tables what is all zeros is left out
    for (u64 place = region.first; place < region.first + region.bytes; place += size) {
      Frame& frame = memory_.frame(place);
      if (region.bytes > small && frame.next_used(0) == frame_words && !memory_.any_pending()) {
        place = frame.address() + (u64{1} << frame_lg2) - size;
        continue;
      }
      bool empty = true;
      for (u64 pa = place; pa < place + size; pa += 8) {
        memory_.visible(pa, [&](Content c) { empty &= !c.unknown && c.value == 0; });
      }
      for (u64 pa = place; pa < place + (empty ? 8 : size); pa += 8) {
        const auto index = static_cast<unsigned>(bits(pa, 11, 3));
        memory_.visible(frame, index, [&](Content content) {
          words.push_back({&frame, index, content, findings_.now()});
        });
      }
    }
  }
  ConfigIndex index(config_);
  for (const Vanished& word : words) config_vanished(word, words, &index);
  const std::vector<u32> unknown_atcs = ats_.of_unknown();
  controls_.enable(false);
  ats_.leave_unknown(immortal, unknown_atcs);
  config_.clear_regions();
  reform_all();
  changes_.mark_all_streams();
}

/// It may be cached with each STE: what it was stays possible for a stream until its CFGI. IHI 0070
/// 6.3.9.2.
void Caches::set_atschk(bool check) {
  if (controls_.atschk() == check) return;
  for (u32 i = 0; i < streams_.size(); ++i) {
    const u32 sid = streams_[i];
    bool cached = controls_.enabled();
    for (u32 k = 0; k < config_.size() && !cached; ++k) {
      cached = config_[k].kind == ConfigKind::ste && config_[k].sid == sid;
    }
    if (!cached) continue;
    config_.keep({.kind = ConfigKind::ste,
                  .word = ConfigItem::atschk_word,
                  .sid = sid,
                  .place = ConfigItem::no_place,
                  .value = controls_.atschk() ? u64{1} : u64{0},
                  .since = findings_.now(),
                  .vanished_at = findings_.now(),
                  .stored_at = findings_.now()},
                 findings_.now());
  }
  controls_.set_atschk(check);
}

/// SMMUEN is cleared, or a CMD_SYNC failed: an ATC_INV that has not completed may be ignored. IHI
/// 0070 4.5.1.
void Caches::fail_atc_invs() {
  commands_.drop_all(Opcode::atc_inv);
  atcs_.revive_all();
}

// ---- outcomes -----------------------------------------------------------------------------------

bool Caches::collect_outcomes(const Access& access, std::vector<Outcome>& found) const {
  const bool by_ats = ats_accesses_.serves(access);
  bool done = true;
  if (access.route != Route::translated) done = accesses_.collect(access, found);
  if (by_ats && !ats_accesses_.collect(access, found)) done = false;
  const auto any = std::ranges::find(found, OutcomeKind::any, &Outcome::kind);
  if (any != found.end()) found = {Outcome{*any}};
  return done && !stands_still();
}

// ---- reset --------------------------------------------------------------------------------------

void Caches::reset() { from_reset_.reset(); }

// ---- recounts -----------------------------------------------------------------------------------

/// Behind each event in short runs, and behind one of 64 in long ones.
void Caches::stop_if_inconsistent() {
  constexpr u64 each = 64, one_of = 2048;
  if (++recounts_asked_ > each && recounts_asked_ % one_of != 0) return;
  const std::string wrong = consistent();
  if (wrong.empty()) return;
  std::fputs(("the specification's state is inconsistent behind event " + std::to_string(now()) +
              ": " + wrong + "\n")
                 .c_str(),
             stderr);
  std::abort();
}

// ---- findings -----------------------------------------------------------------------------------

void Caches::forget_findings() {
  findings_.forget();
  changes_.clear();
  work_.renew();
}

void Caches::clear_findings() {
  forget_findings();
  findings_.clear();
}

Caches::Caches(const Capabilities& caps, const Profile& profile) : caps_(caps), profile_(profile) {
  memory_.set_coherent(caps.cohacc);
}

}  // namespace iommucheck::spec
