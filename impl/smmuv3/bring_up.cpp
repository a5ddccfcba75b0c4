// SPDX-License-Identifier: MIT
// From any state to SMMUEN = 1 with every stream blocked, and back. IHI 0070 3.11, 6.3.9, arch 1.4.
#include <algorithm>
#include <bit>

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

namespace {

constexpr u32 command_queue_lg2 = 8;  // one page

/// Waits until register `offset` reads `value` under `mask_bits`.
int wait_register(const Platform& platform, u64 offset, u32 mask_bits, u32 value) {
  // With a last look after the time is up: who waits may have been kept from running.
  for (bool in_time = true;; in_time = platform.wait(IOMMUCHECK_WAIT_REGISTER)) {
    if ((platform.read32(offset) & mask_bits) == value) return 0;
    if (!in_time) return -IOMMUCHECK_ETIMEDOUT;
  }
}

/// Why the driver is not for such an SMMU; null if it is.
const char* refusal(const Features& f) {
  if (!f.stage1 && !f.stage2) return "IDR0.S1P = S2P = 0: it does not translate";
  if (!f.aarch64_tables) return "IDR0.TTF[1] = 0: no AArch64 tables";
  if (!f.little_endian) return "IDR0.TTENDIAN = 3: big-endian tables only";
  if (f.page == 0) return "IDR5.GRAN4K = GRAN16K = GRAN64K = 0: no granule";
  if (f.preset_tables) return "IDR1.TABLES_PRESET or QUEUES_PRESET: tables or queues are fixed";
  // Stalls that are forced need a fault handler, which paging domains do not have.
  if (f.stall_model == 2) return "IDR0.STALL_MODEL = 2: faults of every stream stall";
  return nullptr;
}

}  // namespace

int Smmu::probe() {
  features_ = read_features(platform_.read32(reg::idr0), platform_.read32(reg::idr1),
                            platform_.read32(reg::idr3), platform_.read32(reg::idr5));
  platform_.set_coherent(features_.coherent);
  features_.dirty_state &= platform_.has_atomics();
  const Features& f = features_;
  if (const char* why = refusal(f)) {
    platform_.log(IOMMUCHECK_LOG_ERROR, why);
    return -IOMMUCHECK_ENODEV;
  }
  unsigned pasid_bits_max = 0;  // the widest that a device of the platform can send
  for (u32 i = 0; i < config_->device_count; ++i) {
    pasid_bits_max = std::max(pasid_bits_max, pasid_bits(i));
  }
  postponed_ = platform_.arena<Postponed>(std::max<u32>(config_->device_count, 1));
  bool room = postponed_ != nullptr;
  room = room && spaces_.create();
  if (f.stage1) room = room && tables_.create(config_->device_count, pasid_bits_max);
  return room ? 0 : -IOMMUCHECK_ENOMEM;
}

Limits Smmu::limits() const {
  // Intermediate addresses are no wider than physical ones (IHI 0070 3.4: no AArch32 tables).
  if (stage2_alone()) return {input_bits_min, features_.output_bits, features_.output_bits};
  return {input_bits_min, input_bits_max, features_.output_bits};
}

int Smmu::allocate_structures() {
  if (!streams_.created()) {
    u32 max_stream_id = 0;
    for (u32 i = 0; i < config_->device_count; ++i) {
      const iommucheck_device& device = *config_->devices[i];
      for (u32 n = 0; n < device.stream_id_count; ++n) {
        // One that the SMMU has not is refused by device_add.
        if ((u64{device.stream_ids[n]} >> features_.stream_id_bits) != 0) continue;
        max_stream_id = std::max(max_stream_id, device.stream_ids[n]);
      }
    }
    if (!streams_.create(platform_, features_, max_stream_id)) return -IOMMUCHECK_ENOMEM;
  }
  if (!commands_.created()) {
    const u32 wanted = config_->cmdq_log2size != 0 ? config_->cmdq_log2size : command_queue_lg2;
    const u32 lg2 = std::min<u32>(wanted, features_.cmdq_lg2_max);
    if (!commands_.create(platform_, lg2, features_.messages)) return -IOMMUCHECK_ENOMEM;
  }
  if (!events_.create(features_)) return -IOMMUCHECK_ENOMEM;
  if (!requests_.create(features_)) return -IOMMUCHECK_ENOMEM;
  return 0;
}

/// Writes CR0 and waits until the SMMU has followed.
int Smmu::write_cr0(u32 value) {
  cr0_ = value;
  platform_.write32(reg::cr0, value);
  return wait_register(platform_, reg::cr0ack, ~u32{0}, value);
}

/// With SMMUEN = 0 transactions are to be terminated, not let through (GBPA.ABORT).
int Smmu::block_bypass() {
  if (int error = wait_register(platform_, reg::gbpa, reg::gbpa_update, 0)) return error;
  const u32 value = platform_.read32(reg::gbpa) | reg::gbpa_abort | reg::gbpa_update;
  platform_.write32(reg::gbpa, value);
  return wait_register(platform_, reg::gbpa, reg::gbpa_update, 0);
}

int Smmu::begin_reset() {
  if (int error = allocate_structures()) return error;
  if (int error = block_bypass()) return error;
  if (int error = write_cr0(0)) return error;
  platform_.write32(reg::irq_ctrl, 0);
  if (int error = wait_register(platform_, reg::irq_ctrlack, ~u32{0}, 0)) return error;

  // Interrupts are wires: where messages would go is not known after reset (IHI 0070 6.3.21).
  if (features_.message_interrupts) {
    platform_.write64(reg::gerror_irq_cfg0, 0);
    platform_.write64(reg::eventq_irq_cfg0, 0);
    if (features_.page_requests) platform_.write64(reg::priq_irq_cfg0, 0);
  }
  platform_.write32(reg::cr1, reg::cr1_cached);
  platform_.write32(reg::cr2, reg::cr2_recinvsid | (features_.broadcasts ? 0 : reg::cr2_ptm));
  streams_.program(platform_);
  // An error that is active from before would stop the queue.
  platform_.write32(reg::gerrorn, platform_.read32(reg::gerror));
  commands_.program(platform_);
  return write_cr0(reg::cr0_cmdqen);
}

int Smmu::end_reset() {
  events_.program();
  requests_.program();
  // Before SMMUEN, so that translated traffic is never let through unchecked.
  const u32 requests = features_.page_requests ? reg::cr0_priqen : 0;
  const u32 queues =
      reg::cr0_cmdqen | reg::cr0_eventqen | requests | (features_.ats ? reg::cr0_atschk : 0);
  if (int error = write_cr0(queues)) return error;
  const u32 interrupts =
      reg::irq_gerror | reg::irq_eventq | (features_.page_requests ? reg::irq_priq : 0);
  platform_.write32(reg::irq_ctrl, interrupts);
  if (int error = wait_register(platform_, reg::irq_ctrlack, interrupts, interrupts)) return error;
  return write_cr0(queues | reg::cr0_smmuen);
}

int Smmu::block() { return block_bypass(); }

int Smmu::stop() { return write_cr0(cr0_ & ~reg::cr0_smmuen); }

int Smmu::power_off() {
  platform_.write32(reg::irq_ctrl, 0);
  if (int error = wait_register(platform_, reg::irq_ctrlack, ~u32{0}, 0)) return error;
  return write_cr0(0);
}

void Smmu::free_everything() {
  tables_.destroy();
  streams_.destroy(platform_);
  commands_.destroy(platform_);
  events_.destroy();
  requests_.destroy();
}

/// Each global error is told before it is acknowledged. IHI 0070 6.3.17, 7.5.
void Smmu::handle_errors() {
  // An illegal command is dealt with by whoever waits for its batch, if it is waited for.
  commands_.handle_error(platform_);
  const u32 acknowledged = platform_.read32(reg::gerrorn);
  const u32 active = (platform_.read32(reg::gerror) ^ acknowledged) & ~u32{reg::gerror_cmdq_err};
  const auto tell = [&](u32 which, const char* what) {
    if ((active & which) != 0) platform_.log(IOMMUCHECK_LOG_ERROR, what);
  };
  tell(reg::gerror_eventq_abt, "GERROR: EVENTQ_ABT_ERR, an event record was lost");
  tell(reg::gerror_priq_abt, "GERROR: PRIQ_ABT_ERR, a page request was lost");
  tell(reg::gerror_msi_abt, "GERROR: an MSI was aborted");
  tell(reg::gerror_sfm, "GERROR: SFM_ERR, service failure mode: the SMMU is switched off");
  if (active != 0) platform_.write32(reg::gerrorn, acknowledged ^ active);
  if ((active & reg::gerror_sfm) == 0) return;
  // It terminates everything and takes no command any more: whoever waits for one hears ETIMEDOUT.
  commands_.stop();
  write_cr0(0);
}

}  // namespace iommucheck::impl
