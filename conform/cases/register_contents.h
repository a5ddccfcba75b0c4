// SPDX-License-Identifier: MIT
// What registers hold as far as the manual fixes it: fields of read-write registers read as they
// were last written, whole or by halves of 32 bits, and writes that have to be ignored change
// nothing. IHI 0070 6.2, 6.3. What a device acknowledges or counts by itself is the monitor's.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "spec/smmu/registers.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class RegisterContents {
 public:
  explicit RegisterContents(const spec::IdRegisters& id);

  /// From reset on: nothing is known, all enables are 0.
  void reset();
  void write(const trace::MmioWrite& write);

  struct Mismatch {
    std::string kind, text;
  };
  /// The answer, where no device may give it.
  std::optional<Mismatch> read(const trace::MmioRead& read);

 private:
  struct Contents {
    u64 value = 0;
    u64 known = 0;                    ///< bits that are surely as in `value`
    bool ignored = false;             ///< the last write had to change nothing
    u64 refused = 0, refused_at = 0;  ///< what that one wrote, and to which bits
    bool by_half = false;             ///< the last write was one of 32 bits
  };
  enum class Gate : u8 { open, shut, unsure };

  [[nodiscard]] Gate gate(u32 control, u32 fields) const;
  [[nodiscard]] Gate gate_of(spec::Guard guard) const;
  [[nodiscard]] u64 stored(u32 offset, u64 value) const;
  void control_written(u32 offset, u64 value);

  /// CR0 or IRQ_CTRL: what was written, and the fields of it that are acknowledged.
  struct Control {
    u64 value = 0, settled = ~u64{0};
    unsigned waits = 0;  ///< reads of the acknowledgement that did not show it
  };
  spec::Capabilities caps_;
  Control cr0_, irq_ctrl_;
  std::map<u32, Contents> contents_;
};

}  // namespace iommucheck::oracle
