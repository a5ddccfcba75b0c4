// SPDX-License-Identifier: MIT
// What a read of a register answers: chosen by a device, or admitted by a judge. IHI 0070 6.3.
#include "spec/smmu/smmu.h"

#include "base/text.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/register_fields.h"

namespace iommucheck::spec {

u64 Smmu::read(u32 offset, unsigned size, Choices& choices) {
  if (offset != reg::cmdq_cons) {  // that one is polled
    ground_.count(rule::REGISTER_WIDTH);
    check_alias(offset);
  }
  if (is_absent(offset)) return 0;
  offset = place_of(offset);
  const auto info = register_at(offset);
  if (info) has_width(*info, offset, size, "read");
  indices_.note(offset);
  if (size == 8) {
    const u64 low = read_register(offset, choices);
    if (info && info->bytes == 8) return low;
    return low | (read_register(offset + 4, choices) << 32);
  }
  if (info && info->bytes == 8 && offset != info->offset) {
    return read_register(info->offset, choices) >> 32;
  }
  return read_register(offset, choices) & 0xffffffff;
}

/// What happens to the register as the driver looks.
void Smmu::look_at(u32 offset, Choices& choices) {
  u32 chosen = 0;
  switch (offset) {
    case reg::cmdq_cons: consumption_.look(choices); break;
    case reg::gerror:  // at which command, and why, is there before it. IHI 0070 7.1
      errors_.note_read();
      if (errors_.command_error()) commands_.observe_cons(commands_.exposed());
      break;
    case reg::cr0ack:
      if (const u64 open = controls_.open();
          open != 0 && progress_.look(ChoiceSite::acknowledge, 3, choices, chosen)) {
        // Each field is updated for itself; the lowest one alone, or all.
        acknowledge(chosen != 2                      ? ~u64{0}
                    : (open & cr0::vmw_mask) == open ? open
                                                     : open & (~open + 1));
      }
      break;
    case reg::irq_ctrlack:
      if (irq_.irq_ctrl() != irq_.irq_ctrlack() &&
          progress_.look(ChoiceSite::acknowledge, 2, choices, chosen)) {
        irq_.acknowledge();
        progress_.make();
      }
      break;
    case reg::gbpa:
      if (controls_.gbpa_updates() && progress_.look(ChoiceSite::gbpa_update, 2, choices, chosen)) {
        controls_.acknowledge_gbpa();
      }
      break;
    default: break;
  }
}

u64 Smmu::read_register(u32 offset, Choices& choices) {
  look_at(offset, choices);
  switch (offset) {
    case reg::idr0:
    case reg::idr1:
    case reg::idr2:
    case reg::idr3:
    case reg::idr4:
    case reg::idr5: return id_.idr[offset / 4];
    case reg::iidr: return id_.iidr;
    case reg::aidr: return id_.aidr;
    case reg::cr0: return controls_.cr0();
    case reg::cr0ack: return controls_.cr0ack();
    case reg::gbpa: return controls_.gbpa();
    case reg::irq_ctrl: return irq_.irq_ctrl();
    case reg::irq_ctrlack: return irq_.irq_ctrlack();
    case reg::gerror: return errors_.gerror();
    case reg::gerrorn: return errors_.gerrorn();
    case reg::cmdq_prod: return commands_.prod();
    case reg::cmdq_cons: return commands_.cons() | (command_errors_.code() << 24);
    case reg::eventq_cons: return outputs_.events().cons();
    case reg::priq_cons: return outputs_.requests().cons();
    default: break;
  }
  const u64* place = storage(offset);
  const u64 value = place != nullptr ? *place : 0;
  outputs_.note_read(offset, value);
  return value;
}

bool Smmu::observe_read(u32 offset, unsigned size, u64 value) {
  check_alias(offset);
  const bool reads_as_0 = caches().profile().queue_indices == QueueIndices::raz_wi;
  if (is_absent(offset) || (reads_as_0 && reg::is_page0_index(offset))) return value == 0;
  offset = place_of(offset);
  const auto info = register_at(offset);
  if (!info) return true;
  if (!has_width(*info, offset, size, "read")) return true;
  indices_.note(offset);
  if (size != info->bytes) return true;  // halves of what the driver stored
  ground_.count(rule::REGISTER_READ);
  const u64 wrong = admit_register(offset, value);
  if (wrong == 0) return true;
  const std::string names = field_names(offset, wrong);
  ground_.report(rule::REGISTER_READ, std::string(info->name) + " reads as " + hex(value) +
                                          ", which no device may answer now" +
                                          (names.empty() ? "" : ": ") + names);
  return false;
}

/// The bits of the answer that no device may show; of a register that is judged as a whole, all.
u64 Smmu::admit_register(u32 offset, u64 value) {
  const auto whole = [](bool admitted) { return admitted ? 0 : ~u64{0}; };
  switch (offset) {
    case reg::cmdq_cons: return whole(refusals_.admit_cons(value));
    case reg::cr0ack: {
      const u64 wrong = controls_.wrong_in_cr0ack(value);
      if (wrong == 0) acknowledge(value ^ controls_.cr0ack());
      return wrong;
    }
    case reg::irq_ctrlack: return irq_.admit_irq_ctrlack(value);
    case reg::gbpa: return controls_.admit_gbpa(value);
    case reg::idr0:
    case reg::idr1:
    case reg::idr2:
    case reg::idr3:
    case reg::idr4:
    case reg::idr5: return value ^ id_.idr[offset / 4];
    case reg::cr0: return controls_.wrong_in_cr0(value);
    case reg::cmdq_prod: return value ^ commands_.prod();
    case reg::gerror: return ground_.is_recording() ? 0 : admit_gerror(value);
    case reg::gerrorn: return ground_.is_recording() ? 0 : value ^ errors_.gerrorn();
    case reg::eventq_cons: return ground_.is_recording() ? 0 : value ^ outputs_.events().cons();
    case reg::eventq_prod: return whole(outputs_.admit_eventq_prod(value));
    case reg::priq_prod: return whole(outputs_.admit_priq_prod(value));
    default: return 0;  // not followed yet
  }
}

/// Each bit is as it was last seen, or as it has become since. What else a device may find is in
/// nobody's hands: an abort where no memory is, service failure mode, a command that it may refuse.
/// No message aborts that is not sent: that of a queue or of errors without an address, of a
/// CMD_SYNC without one. IHI 0070 6.3.19, 7.5.
u64 Smmu::admit_gerror(u64 value) {
  const u64 found = errors_.observe_gerror(value);
  if (found == 0) return 0;
  const u64 wrong = found & (errors_.active() | ~u64{gerror_fields(capabilities())});
  if (wrong != 0) return wrong;
  u64 allowed = gerror::sfm_err;
  if (messages_.any_was_sent()) allowed |= gerror::msi_cmdq_abt;
  if (irq_.may_have_sent(irq_ctrl::eventq_irqen)) allowed |= gerror::msi_eventq_abt;
  if (irq_.may_have_sent(irq_ctrl::priq_irqen)) allowed |= gerror::msi_priq_abt;
  if (irq_.may_have_sent(irq_ctrl::gerror_irqen)) allowed |= gerror::msi_gerror_abt;
  if (may_abort(outputs_.events())) allowed |= gerror::eventq_abt_err;
  if (may_abort(outputs_.requests())) allowed |= gerror::priq_abt_err;
  const bool stops = (found & gerror::cmdq_err) != 0;
  if (stops && !refusals_.may_stop()) {
    ground_.report(rule::COMMAND_LEGAL,
                   "GERROR.CMDQ_ERR is active although every command is legal");
    return 0;
  }
  const u64 not_due = found & ~allowed & ~u64{gerror::cmdq_err};
  if (not_due != 0) return not_due;
  errors_.toggle(found);
  if (stops) command_errors_.claim();
  return 0;
}

}  // namespace iommucheck::spec
