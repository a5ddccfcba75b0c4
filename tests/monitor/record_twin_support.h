// SPDX-License-Identifier: MIT
// The specification as a device, whose event records pass through something that loses, doubles,
// merges or changes them.
#pragma once

#include <functional>
#include <map>

#include "conform/dut/spec_device.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class RecordTwin final : public DeviceUnderTest {
 public:
  /// What comes of a record: none, one, several.
  using Change = std::function<std::vector<trace::EventRecord>(const trace::EventRecord&)>;
  RecordTwin(u64 seed, Change change);

  [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
  Expected<void> reset() override;
  void mmio_write(u32 offset, unsigned size, u64 value) override;
  Ticket mmio_read(u32 offset, unsigned size) override;
  void store(u64 pa, u64 value) override { inner_.store(pa, value); }
  void fill(u64 pa, u64 words, u64 value) override { inner_.fill(pa, words, value); }
  Ticket load(u64 pa) override;
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override;
  Expected<void> settle() override { return {}; }
  [[nodiscard]] u64 value(Ticket ticket) const override { return values_.at(ticket); }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override { return seen_.at(ticket); }

 private:
  Ticket answer(u64 value);
  void take_records(u64 prod);

  SpecDevice inner_;
  DeviceIdentity identity_;  // its interrupts are not seen: they are those of other records
  Change change_;
  u64 base_ = 0;
  unsigned lg2_ = 0;
  u64 enabled_ = 0;           // as CR0 says
  u64 taken_ = 0;             // of the device's own queue
  u64 prod_ = 0, cons_ = 0;   // as the driver sees them
  std::map<u64, u64> words_;  // of the queue that it sees
  std::vector<u64> values_;
  std::map<Ticket, DmaSeen> seen_;
};

}  // namespace iommucheck::oracle
