// SPDX-License-Identifier: MIT
#include "spec/smmu/control_registers.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

/// What is written is seen at once, also while Update is 1. A field that the interconnect or
/// IDR1.ATTR_*_OVR fixes reads as 0 or as written, MemAttr is UNKNOWN then. IHI 0070 6.3.14.
u64 not_as_written_in_gbpa(u64 value, u64 written) {
  u64 wrong = (value ^ written) & gbpa::abort;
  for (const u64 field : gbpa::attributes) {
    if ((value & field) != 0) wrong |= (value ^ written) & field;
  }
  return wrong;
}

}  // namespace

u64* ControlRegisters::storage(u32 offset) {
  switch (offset) {
    case reg::cr1: return &cr1_;
    case reg::cr2: return &cr2_;
    case reg::strtab_base: return &strtab_base_;
    case reg::strtab_base_cfg: return &strtab_base_cfg_;
    default: return nullptr;
  }
}

// ---- CR0 ----------------------------------------------------------------------------------------

u64 ControlRegisters::write_cr0(u64 value) {
  Caches& caches = ground_.caches();
  ground_.count(rule::REGISTER_ACK);
  const u32 fields = cr0_fields(ground_.capabilities());
  ground_.set(reserved_, value & ~u64{fields});
  value &= fields;
  const u64 changed = cr0_ ^ value;
  if ((changed & open()) != 0) {
    ground_.report(rule::REGISTER_ACK, "CR0 bits " + hex(changed & open()) +
                                           " are changed before CR0ACK showed their last change");
  }
  ground_.set(cr0_, value);
  if ((changed & cr0::smmuen) != 0) {
    if ((value & cr0::smmuen) != 0) {
      // What is cached stays; what is fetched is of the table as it is now, also where 0 was never
      // acknowledged.
      caches.acknowledge_smmuen();
      caches.set_stream_table(stream_table_of(strtab_base_, static_cast<u32>(strtab_base_cfg_),
                                              ground_.capabilities()));
      caches.set_e2h((cr2_ & cr2::e2h) != 0);
    }
    caches.write_smmuen((value & cr0::smmuen) != 0);
  }
  if ((changed & cr0::vmw_mask) != 0) {
    const auto before = static_cast<u32>(cr0ack_);
    caches.set_vmw(std::min(cr0::vmw(before), cr0::vmw(static_cast<u32>(value))));
  }
  // Checks are there for sure between the acknowledgement and the next change.
  if ((changed & cr0::atschk) != 0) caches.set_atschk(false);
  return changed;
}

u64 ControlRegisters::acknowledge(u64 mask) {
  const u64 now = (cr0ack_ & ~mask) | (cr0_ & mask);
  const u64 changed = now ^ cr0ack_;
  if (changed == 0) return 0;
  Caches& caches = ground_.caches();
  ground_.set(cr0ack_, now);
  if ((changed & cr0::smmuen) != 0) caches.acknowledge_smmuen();
  if ((changed & cr0::atschk) != 0) caches.set_atschk((now & cr0::atschk) != 0);
  if ((changed & cr0::vmw_mask) != 0) caches.set_vmw(cr0::vmw(static_cast<u32>(now)));
  return changed;
}

u64 ControlRegisters::wrong_in_cr0(u64 value) const {
  const u64 fields = cr0_fields(ground_.capabilities());
  return ((value ^ cr0_) & fields) | (value & ~fields & ~reserved_);
}

std::string ControlRegisters::reserved_in_cr0() const {
  if (reserved_ == 0) return {};
  std::string text = "CR0 was written with " + hex(reserved_) + " in reserved bits";
  if ((reserved_ & cr0::atschk) != 0) text += " (ATSCHK, since IDR0.ATS = 0)";
  if ((reserved_ & cr0::priqen) != 0) text += " (PRIQEN, since IDR0.PRI = 0)";
  return text + ", which CR0ACK never shows";
}

// ---- GBPA ---------------------------------------------------------------------------------------

void ControlRegisters::reset_gbpa(bool abort) {
  gbpa_ = (gbpa_ & ~u64{gbpa::abort}) | (abort ? u64{gbpa::abort} : 0);
  ground_.caches().set_gbpa_abort(abort);
}

void ControlRegisters::write_gbpa(u64 value) {
  ground_.count(rule::REGISTER_GBPA_UPDATE);
  if ((value & gbpa::update) == 0 || updating_ != 0) {
    ground_.report(rule::REGISTER_GBPA_UPDATE,
                   updating_ != 0 ? "GBPA is written while its last Update is not done"
                                  : "GBPA is written without Update = 1: the write may be ignored");
    return;
  }
  ground_.set(gbpa_, value & gbpa::defined & ~u64{gbpa::update});
  ground_.set(updating_, 1);
  ground_.set(gbpa_written_, 1);
  ground_.caches().write_gbpa_abort((gbpa_ & gbpa::abort) != 0);
}

void ControlRegisters::acknowledge_gbpa() {
  if (updating_ == 0) return;
  ground_.set(updating_, 0);
  ground_.caches().set_gbpa_abort((gbpa_ & gbpa::abort) != 0);
}

u64 ControlRegisters::admit_gbpa(u64 value) {
  const GbpaReset states = ground_.caches().profile().gbpa_reset;
  if (gbpa_written_ == 0 && states != GbpaReset::open) {
    const bool aborts = (value & gbpa::abort) != 0;
    if (aborts != (states == GbpaReset::abort)) return gbpa::abort;
  }
  if (gbpa_written_ == 0) {
    ground_.set(gbpa_, value & gbpa::defined & ~u64{gbpa::update});
    ground_.caches().set_gbpa_abort((value & gbpa::abort) != 0);
    return value & gbpa::update;
  }
  if ((value & gbpa::update) == 0) acknowledge_gbpa();
  return not_as_written_in_gbpa(value, gbpa_);
}

}  // namespace iommucheck::spec
