// SPDX-License-Identifier: MIT
// Messages and interrupts by which CMD_SYNCs say that they are complete, of the SMMU that is played
// here. IHI 0070 3.18.1, 4.7.3.
#include "base/bits.h"
#include "monitor/marks.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

Marks::Messages Marks::look_for_messages(spec::Choices& choices) {
  if (hardware_ || !smmu_.awaits_messages()) return {};
  settle_marks();  // what the message tells to be complete is visible before it
  smmu_.consume_unseen(choices);
  return write_messages(choices);
}

bool Marks::look_for_interrupt(spec::Choices& choices) {
  if (hardware_) return false;
  settle_marks();
  smmu_.consume_unseen(choices);
  return smmu_.due_interrupt(choices);
}

Marks::Messages Marks::write_messages(spec::Choices& choices) {
  Messages written;
  while (const auto message = smmu_.due_message(choices)) {
    tick();
    emit(
        trace::smmu_agent(),
        trace::DeviceStore{
            .pa = message->pa, .size = 4, .value = message->data, .cause = trace::StoreCause::msi});
    const u64 word = align_down(message->pa, 3);
    const auto low = static_cast<unsigned>(8 * (message->pa - word));
    const spec::Content before = caches_.memory().newest(word);
    caches_.device_store(word, with_bits(before.value, low + 31, low, message->data));
    smmu_.message_written(message->pa, message->data);
    gather();
    written.push_back(*message);
  }
  return written;
}

}  // namespace iommucheck::oracle
