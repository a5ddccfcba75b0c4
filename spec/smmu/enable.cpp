// SPDX-License-Identifier: MIT
// Registers that caches depend on, SMMUEN above all, and reset. SEMANTICS 2.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/smmu/caches.h"

namespace iommucheck::spec {

// ---- registers ----------------------------------------------------------------------------------

void Caches::set_stream_table(const StreamTable& table) {
  configuration_.list_all();
  controls_.set_stream_table(table);
}

void Caches::set_e2h(bool e2h) {
  if (controls_.e2h() == e2h) return;
  controls_.set_e2h(e2h);
  configuration_.reform_all();
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
  configuration_.list_all();
  controls_.enable(true);
  findings_.count(rule::UNKNOWN_AFTER_RESET);
  configuration_.begin();
  if (from_reset_.refill()) {
    findings_.report(
        rule::UNKNOWN_AFTER_RESET,
        "SMMUEN is set while cached configuration from before reset may live: no completed "
        "CFGI_ALL");
  }
}

void Caches::acknowledge_smmuen() {
  controls_.acknowledge_smmuen();
  if (controls_.smmuen() || !controls_.enabled()) return;
  // Nothing is fetched any more; what was cached stays.
  config_fills_.keep_all();
  const std::vector<u32> unknown_atcs = ats_.of_unknown();
  controls_.enable(false);
  ats_.leave_unknown(immortal, unknown_atcs);
  configuration_.end();
  changes_.mark_all_streams();
}

void Caches::set_atschk(bool check) {
  if (controls_.atschk() == check) return;
  configuration_.list_all();
  config_fills_.keep_atschk();
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

void Caches::reset() {
  if (profile_.empty_at_reset) return;
  from_reset_.reset(profile_.caches_config, profile_.caches_walks || profile_.caches_leaves);
}

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
