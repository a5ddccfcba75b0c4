// SPDX-License-Identifier: MIT
// A case of conform as what a qtest of QEMU does, one thing after the other, whatever form it is
// written in.
#pragma once

#include <set>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The form.
class QtestWriter {
 public:
  virtual ~QtestWriter() = default;
  /// The device with that StreamID; `reads`: its accesses read, too. Before all else.
  virtual void open(u32 sid, bool reads) = 0;
  /// 4 or 8 bytes of memory or of the SMMU's registers, by their address.
  virtual void write(unsigned bytes, u64 at, u64 value) = 0;
  virtual void expect(unsigned bytes, u64 at, u64 answer) = 0;
  virtual void clear(u64 at, u64 bytes) = 0;
  /// Eight bytes of a device's registers; and until the one at `from` has bit 0 clear.
  virtual void engine_write(u32 sid, u64 offset, u64 value) = 0;
  virtual void engine_wait(u32 sid, u64 offset) = 0;
  /// At the end: so many pulses came of the SMMU's wire `wire` (qemu_map.h). Errors: unsupported.
  virtual Expected<void> expect_interrupts(unsigned wire, u64 pulses) = 0;
  /// Whether a device that only writes says by itself what became of it: then write_access() is it.
  [[nodiscard]] virtual bool writers_say() const = 0;
  /// `pa`: where it went; absent: it is not known. Not `passed`: it was terminated.
  virtual void write_access(u32 sid, u64 iova, bool passed, std::optional<u64> pa) = 0;
};

/// Errors: bad_input, if it is no trace of conform; unsupported, if QEMU's engines cannot send its
/// accesses.
Expected<void> write_qtest(const trace::Trace& trace, QtestWriter& to);

}  // namespace iommucheck::oracle
