// SPDX-License-Identifier: MIT
#include "monitor/register_events.h"

#include "trace/agent.h"

namespace iommucheck::oracle {

// ---- registers ----------------------------------------------------------------------------------

void RegisterEvents::mmio_write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered) {
  // An ordered write makes the stores before it visible; what they replaced is cached then, so the
  // window is compared after that.
  tick();
  if (ordered || !setup_.barriers_known) make_visible(by);
  window_ends();
  emit(by,
       trace::MmioWrite{
           .offset = offset, .size = static_cast<u8>(size), .value = value, .ordered = ordered});
  if (hardware_) {
    hardware_->hardware().write(offset, value);
    return hardware_acted();
  }
  if (device_rules_) device_rules_->register_write(offset, value);
  if (offset == spec::reg::cr1 && size == 4) note_cr1(value);
  smmu_.write(by, offset, size, value, ordered || !setup_.barriers_known);
  gather();
  if (setup_.other_smmu != nullptr) setup_.other_smmu->write(offset, size, value);
}

void RegisterEvents::mmio_read(AgentId by, u32 offset, unsigned size, u64 value) {
  tick();
  emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value});
  if (hardware_) {
    window_ends();
    if (hardware_->hardware().read(offset) != value) undetermined("what the hardware answers");
    return hardware_acted();
  }
  if (device_rules_ && device_rules_->register_read(offset, value)) {
    gather_device();
    return;
  }
  smmu_.observe_read(offset, size, value);
  gather();
  gather_device();
}

u64 RegisterEvents::device_read(AgentId by, u32 offset, unsigned size, spec::Choices& choices) {
  if (setup_.other_smmu != nullptr) {
    const u64 value = setup_.other_smmu->read(offset, size);
    mmio_read(by, offset, size, value);
    return value;
  }
  tick();
  if (hardware_) {
    window_ends();
    const u64 value = hardware_->hardware().read(offset);
    emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value});
    hardware_acted();
    return value;
  }
  // What this read may tell to be complete makes them visible.
  const bool tells = offset == spec::reg::cmdq_cons || offset == spec::reg::cr0ack;
  if (!case_.marks.empty() && tells) settle_marks();
  const u64 value = smmu_.read(offset, size, choices);
  emit(by, trace::MmioRead{.offset = offset, .size = static_cast<u8>(size), .value = value});
  if (offset == spec::reg::cmdq_cons) write_messages(choices);
  return value;
}

void RegisterEvents::command_consumed(u32 slot, const std::optional<spec::CommandWords>& words) {
  window_ends();
  tick();
  trace::CommandConsumed event{.slot = slot};
  if (words) event.command = trace::CommandWords{words->dw0, words->dw1};
  emit(trace::smmu_agent(), event);
  smmu_.command_consumed(slot, words);
  gather();
}

void RegisterEvents::irq(AgentId by, u32 source) {
  tick();
  const auto kind = static_cast<trace::IrqKind>(source);
  emit(by, trace::Irq{.kind = kind});
  if (kind == trace::IrqKind::event_queue) interrupt_of_event_queue();
  if (kind == trace::IrqKind::page_request_queue) interrupt_of_page_queue();
  if (kind == trace::IrqKind::command_sync) interrupt_of_sync();
  if (kind == trace::IrqKind::global_error) interrupt_of_error();
}

void RegisterEvents::interrupt_of_error() {
  if (recording_ || hardware_) return;
  smmu_.interrupt_of_error();
  gather();
}

void RegisterEvents::interrupt_of_sync() {
  if (recording_ || hardware_) return;
  smmu_.interrupt_of_sync();
  gather();
}

void RegisterEvents::interrupt_of_page_queue() {
  if (recording_) return;
  smmu_.interrupt_of_page_queue();
  check_refused();
  interface_.faults_are_read(false, true);
  for (Case::Untagged& one : case_.untagged) one.told = true;
  if (smmu_.is_stuck()) {
    interface_.forget_refused();
    for (Case::Untagged& one : case_.untagged) one.unsure = true;
  }
  gather();
}

/// In a recording the driver may still be at work on the last one.
void RegisterEvents::interrupt_of_event_queue() {
  if (recording_) return;
  if (!hardware_) smmu_.interrupt_of_event_queue(!in_call() && !any_waits());
  check_refused();
  interface_.faults_are_read(true, false);
  // Its answers do not get through: when the queue goes on nobody knows which did.
  if (smmu_.is_stuck()) interface_.forget_refused();
  gather();
}

void RegisterEvents::queue_stuck(bool stuck) {
  tick();
  emit(trace::environment_agent, trace::StuckQueue{.stuck = stuck});
  smmu_.set_stuck(stuck);
  if (hardware_) hardware_->hardware().set_stuck(stuck);
  if (setup_.other_smmu != nullptr) setup_.other_smmu->set_stuck(stuck);
  if (!stuck) return;
  interface_.forget_refused();
  for (Case::Untagged& one : case_.untagged) one.unsure = true;
}

}  // namespace iommucheck::oracle
