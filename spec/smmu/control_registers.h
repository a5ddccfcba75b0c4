// SPDX-License-Identifier: MIT
// CR0 to CR2, GBPA and STRTAB_BASE: what was written, what is acknowledged, and what of it the
// caches are told. A field of CR0 is not changed again before CR0ACK has shown it; GBPA not before
// its Update is done. IHI 0070 6.3.9 to 6.3.12, 6.3.14, 6.3.24, 6.3.25.
#pragma once

#include <string>

#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class ControlRegisters {
 public:
  explicit ControlRegisters(Ground& ground) : ground_(ground) {}

  // ---- CR0 --------------------------------------------------------------------------------------
  [[nodiscard]] u64 cr0() const { return cr0_; }
  [[nodiscard]] u64 cr0ack() const { return cr0ack_; }
  /// As written, one of these.
  [[nodiscard]] bool enables(u64 fields) const { return (cr0_ & fields) != 0; }
  /// As written and acknowledged, all of these.
  [[nodiscard]] bool surely_enables(u64 fields) const {
    return (cr0_ & cr0ack_ & fields) == fields;
  }
  /// None of these, as written and acknowledged. arch 1.4.
  [[nodiscard]] bool surely_off(u64 fields) const { return ((cr0_ | cr0ack_) & fields) == 0; }
  [[nodiscard]] bool smmuen() const { return enables(cr0::smmuen); }
  /// Fields whose last change is not acknowledged.
  [[nodiscard]] u64 open() const { return cr0_ ^ cr0ack_; }
  /// The fields that change. What follows for the command queue is the caller's.
  u64 write_cr0(u64 value);
  /// CR0ACK follows in the fields of `mask`: what changes of it.
  u64 acknowledge(u64 mask);
  /// Bits that the register may not show; 0: the value is right.
  [[nodiscard]] u64 wrong_in_cr0(u64 value) const;
  [[nodiscard]] u64 wrong_in_cr0ack(u64 value) const { return (value ^ cr0ack_) & ~open(); }
  /// Smmu::reserved_in_cr0().
  [[nodiscard]] std::string reserved_in_cr0() const;

  // ---- GBPA -------------------------------------------------------------------------------------
  [[nodiscard]] u64 gbpa() const { return gbpa_ | (updating_ != 0 ? u64{gbpa::update} : 0); }
  [[nodiscard]] bool gbpa_updates() const { return updating_ != 0; }
  /// What its ABORT is in the beginning, as the implementation states.
  void reset_gbpa(bool abort);
  void write_gbpa(u64 value);
  void acknowledge_gbpa();
  /// The answer is taken; bits of it that may not be so.
  u64 admit_gbpa(u64 value);

  // ---- the others -------------------------------------------------------------------------------
  [[nodiscard]] u64 cr1() const { return cr1_; }
  [[nodiscard]] u64 cr2() const { return cr2_; }
  /// Where the register at `offset` keeps what is written; nothing: it is not one of these.
  u64* storage(u32 offset);

 private:
  Ground& ground_;
  u64 cr0_ = 0, cr0ack_ = 0, cr1_ = 0, cr2_ = 0;
  u64 reserved_ = 0;  // written to reserved bits of CR0: they may read so, or as 0
  u64 gbpa_ = 0x1000, updating_ = 0;
  u64 gbpa_written_ = 0;  // before, its fields are IMPLEMENTATION DEFINED
  u64 strtab_base_ = 0, strtab_base_cfg_ = 0;
};

}  // namespace iommucheck::spec
