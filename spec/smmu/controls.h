// SPDX-License-Identifier: MIT
// The registers that caches depend on: STRTAB_BASE, CR0, CR2 and GBPA, as written and as
// acknowledged. What follows where one changes, says Caches (enable.cpp, dropped.cpp). IHI
// 0070 6.3.
#pragma once

#include <algorithm>

#include "base/pool.h"
#include "spec/smmu/items.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::spec {

class Controls {
 public:
  explicit Controls(Trail& trail) : trail_(trail) {}

  // ---- STRTAB_BASE ------------------------------------------------------------------------------
  [[nodiscard]] const StreamTable& stream_table() const { return strtab_; }
  void set_stream_table(const StreamTable& table) {
    static_assert(sizeof(StreamTable) % 8 == 0);
    if (strtab_set_ != 0 && strtab_ == table) return;
    trail_.save(reinterpret_cast<u64*>(&strtab_), sizeof(strtab_) / 8);
    strtab_ = table;
    trail_.set(strtab_set_, 1);
  }

  // ---- CR0.SMMUEN -------------------------------------------------------------------------------
  /// As written.
  [[nodiscard]] bool smmuen() const { return smmuen_ != 0; }
  /// A change was written and is not acknowledged yet: both values are in effect.
  [[nodiscard]] bool is_open() const { return smmuen_open_ != 0; }
  [[nodiscard]] bool may_be_on() const { return smmuen() || is_open(); }
  [[nodiscard]] bool may_be_off() const { return !smmuen() || is_open(); }
  [[nodiscard]] bool is_on() const { return !may_be_off(); }
  /// May anything be fetched: since 1 was written, until 0 is acknowledged.
  [[nodiscard]] bool enabled() const { return enabled_ != 0; }
  void write_smmuen(bool enable) {
    trail_.set(smmuen_, enable ? 1 : 0);
    trail_.set(smmuen_open_, 1);
    if (enable && e2h_open_ != 0) trail_.set(e2h_open_, 0);
  }
  void acknowledge_smmuen() { trail_.set(smmuen_open_, 0); }
  void enable(bool fetches) { trail_.set(enabled_, fetches ? 1 : 0); }

  // ---- CR0.ATSCHK and GBPA ----------------------------------------------------------------------
  /// Translated accesses are checked against STE.EATS.
  [[nodiscard]] bool atschk() const { return atschk_ != 0; }
  void set_atschk(bool check) { trail_.set(atschk_, check ? 1 : 0); }
  /// What SMMUEN = 0 does may be bypass, or to terminate.
  [[nodiscard]] bool may_bypass() const { return gbpa_abort_ != 2; }
  [[nodiscard]] bool may_abort() const { return gbpa_abort_ != 1; }
  /// GBPA.ABORT is written, and until it is acknowledged may have either value. True: that changes
  /// what may be in effect.
  bool write_gbpa_abort(bool abort) { return now_gbpa_is(gbpa_abort_ | (abort ? 2 : 1)); }
  bool set_gbpa_abort(bool abort) { return now_gbpa_is(abort ? 2 : 1); }

  // ---- CR2.E2H ----------------------------------------------------------------------------------
  [[nodiscard]] bool e2h() const { return e2h_ != 0; }
  /// Written since SMMUEN was set last, and so not in effect for sure: IHI 0070 6.3.12.3.
  [[nodiscard]] bool e2h_is_open() const { return e2h_open_ != 0; }
  void set_e2h(bool e2h) {
    trail_.set(e2h_, e2h ? 1 : 0);
    if (e2h_open_ == 0) trail_.set(e2h_open_, 1);
  }

  // ---- CR0.VMW ----------------------------------------------------------------------------------
  [[nodiscard]] u64 vmw() const { return vmw_; }
  /// The least that an entry may have been cached with.
  [[nodiscard]] u64 vmw_of_entries() const { return vmw_of_entries_; }
  /// `anew`: nothing is cached with another one.
  void set_vmw(unsigned bits, bool anew) {
    trail_.set(vmw_, bits);
    trail_.set(vmw_of_entries_, anew ? bits : std::min<u64>(vmw_of_entries_, bits));
    trail_.set(vmw_renewal_, 0);
  }
  /// A TLBI of the group leaves no entry of another VMW.
  void renew_vmw(Group group) {
    if (vmw_of_entries_ != vmw_) trail_.set(vmw_renewal_, u64{group} + 1);
  }
  /// Perhaps none does.
  void forget_renewal() {
    if (vmw_renewal_ != 0) trail_.set(vmw_renewal_, 0);
  }
  void complete(Group group) {
    if (vmw_renewal_ == 0 || vmw_renewal_ > u64{group} + 1) return;
    trail_.set(vmw_renewal_, 0);
    trail_.set(vmw_of_entries_, vmw_);
  }

 private:
  bool now_gbpa_is(u64 may_be) {
    if (gbpa_abort_ == may_be) return false;
    trail_.set(gbpa_abort_, may_be);
    return true;
  }

  Trail& trail_;
  StreamTable strtab_{};  // trailed as a whole
  u64 strtab_set_ = 0;
  u64 e2h_ = 0;
  u64 e2h_open_ = 0;
  u64 vmw_ = 0;
  u64 vmw_of_entries_ = 0;
  u64 vmw_renewal_ = 0;  // 1 + the group whose TLBI leaves none of another VMW; 0: none
  u64 smmuen_ = 0;
  u64 smmuen_open_ = 0;
  u64 enabled_ = 0;
  u64 atschk_ = 0;
  u64 gbpa_abort_ = 1;  // bit 0: ABORT may be 0, bit 1: it may be 1
};

}  // namespace iommucheck::spec
