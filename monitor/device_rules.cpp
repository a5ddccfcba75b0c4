// SPDX-License-Identifier: MIT
#include "monitor/device_rules.h"

namespace iommucheck::oracle {

DeviceRules::DeviceRules(spec::Caches& caches, spec::Smmu& smmu, u64 first, u64 bytes)
    : allowed_(caches, smmu),
      registers_(smmu, findings_),
      records_(caches, smmu, allowed_, findings_),
      outcomes_(caches, smmu, allowed_, records_, findings_, first, bytes),
      ats_(caches, smmu, allowed_, outcomes_, records_, findings_) {
  if (caches.profile().gbpa_reset == spec::GbpaReset::open) {
    caches.write_gbpa_abort(true);  // what it resets to is IMPLEMENTATION DEFINED
  }
}

void DeviceRules::begin_case() {
  findings_.begin_case();
  allowed_.begin_case();
  registers_.begin_case();
  records_.begin_case();
  outcomes_.begin_case();
}

void DeviceRules::stored(u64 pa, u64 words) {
  if (!records_.stored(pa, words)) allowed_.stored(pa, words);
}

void DeviceRules::register_write(u32 offset, u64 value) {
  records_.stalled_meet();
  allowed_.register_write(offset, value);
  records_.register_written(offset);
  registers_.write(offset, value);
}

bool DeviceRules::register_read(u32 offset, u64 value) {
  registers_.read(offset, value);
  allowed_.register_read(offset, value);
  return records_.register_read(offset, value);
}

void DeviceRules::access(const trace::Dma& dma) {
  dma.kind == trace::TransactionKind::translated ? ats_.translated(dma) : outcomes_.access(dma);
}

}  // namespace iommucheck::oracle
