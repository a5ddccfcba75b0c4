// SPDX-License-Identifier: MIT
// A device under test: something that answers register accesses and translates the accesses of DMA
// engines behind it. Everything is asked first and answered at settle(), so that a device in
// another process can be fed without waiting for each answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "spec/smmu/page_request.h"
#include "spec/smmu/profile.h"
#include "spec/smmu/registers.h"
#include "trace/types.h"

namespace iommucheck::oracle {

/// Names an answer; valid from the next settle() until the next reset().
using Ticket = u32;

/// What became of an access, as far as the engine can see.
struct DmaSeen {
  bool reached = false;   ///< false: it was terminated, or its data came from nowhere
  std::optional<u64> pa;  ///< where it went; absent: somewhere that carries no name
  bool stalled = false;   ///< it waits, and may still be ended or let through
  friend bool operator==(const DmaSeen&, const DmaSeen&) = default;
};

/// What an engine says of an access besides where to and whether it writes.
struct DmaAttributes {
  bool privileged = false;
  bool instruction = false;        ///< of a read
  std::optional<u32> substream{};  ///< its SubstreamID, below 2^20, if it has one
  bool translated = false;         ///< it says that its address is one that ATS gave
};

/// The answer to a translation request of ATS.
struct AtsSeen {
  trace::AtsResult result{};
  u64 pa = 0;     ///< where the address leads, with any right
  u64 bytes = 0;  ///< a power of two: the aligned range that the answer covers
  trace::Rights rights{};
};

/// An invalidation that the SMMU sends to an endpoint.
struct AtcInvalidation {
  u32 sid = 0;
  std::optional<u32> substream{};
  bool global = false;
  u64 address = 0;
  u64 bytes = 0;  ///< 0: everything
  u32 tag = 0;    ///< by which the endpoint says that it is done
};

/// A pulse on one of its wires.
struct Interrupt {
  trace::IrqKind kind{};
};

/// What is known of a device before anything is asked.
struct DeviceIdentity {
  std::string name;     ///< "qemu", "spec"
  std::string version;  ///< "7.2.22", for the file of known divergences
  spec::IdRegisters id;
  std::vector<u32> sids;  ///< StreamIDs of its DMA engines, at least two
  u64 structures_pa = 0;  ///< memory for queues, configuration, tables
  u64 structures_bytes = 0;
  u64 data_pa = 0;  ///< memory whose words name their address: where leaves should lead
  u64 data_bytes = 0;
  u64 absent_pa = 0;  ///< there no memory is: fetches of the SMMU end in an external abort
  u64 absent_bytes = 0;
  u64 iova_end = 0;     ///< input addresses from here on do not reach the SMMU; 0: all do
  bool prompt = false;  ///< a register read shows everything that earlier writes caused
  /// Waiting for an answer takes long: what a CMD_SYNC did is looked at with what comes after it.
  bool far = false;
  /// DmaSeen::pa is there for every access that passes, also for one that leaves the data memory.
  bool every_pa = false;
  /// Of its engines: DmaAttributes.
  bool sends_privileged = false, sends_instructions = false, sends_substreams = false;
  bool saves = false;             ///< save_restore() does something
  bool wires_interrupts = false;  ///< take_interrupts() has every interrupt
  /// Its engines are endpoints with ATS, whose ATC is the tester's: ats_request() and what follows.
  bool ats = false;
  /// Its engines send page requests: page_request(), take_page_responses().
  bool pri = false;
  bool delegates = false;  ///< it has registers and queues; the SMMU of its host translates
};

/// Without a second page of registers the indices are accessed in the first one, and told as those
/// of the second one: nothing behind that knows of it.
inline spec::Profile with_page1(spec::Profile profile) {
  profile.has_page1 = true;
  return profile;
}

class DeviceUnderTest {
 public:
  virtual ~DeviceUnderTest() = default;
  [[nodiscard]] virtual const DeviceIdentity& identity() const = 0;
  /// What it states beyond its ID registers, by which it is judged. Before the first case.
  void states(const spec::Profile& profile) { profile_ = profile; }
  [[nodiscard]] const spec::Profile& profile() const { return profile_; }
  /// The same, as traces have it.
  [[nodiscard]] spec::Profile judged_by() const { return with_page1(profile_); }

  /// Registers as after a reset, SMMUEN = 0 acknowledged; caches and memory as they happen to be.
  /// Errors: environment, if it cannot be brought back at all.
  virtual Expected<void> reset() = 0;
  /// A reset that leaves nothing of what earlier cases did, not even where reset() may keep it.
  virtual Expected<void> renew() { return reset(); }

  // Asked in order. Offsets and sizes as register_at() has them; `pa` aligned to 8 bytes.
  virtual void mmio_write(u32 offset, unsigned size, u64 value) = 0;
  virtual Ticket mmio_read(u32 offset, unsigned size) = 0;
  virtual void store(u64 pa, u64 value) = 0;
  virtual void fill(u64 pa, u64 words, u64 value) = 0;
  virtual Ticket load(u64 pa) = 0;
  /// Four bytes at `iova`, a multiple of 4, by engine number `engine` of identity().sids, with no
  /// attributes but those that identity() says can be sent.
  virtual Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) = 0;
  /// A translation request for `iova`; `write`: it asks for writing, too. Where identity().ats.
  virtual Ticket ats_request(unsigned /*engine*/, u64 /*iova*/, bool /*write*/,
                             DmaAttributes /*attributes*/) {
    return 0;
  }
  /// The endpoint has done that invalidation; or it answers none of those that it was sent.
  virtual void invalidated(u32 /*tag*/) {}
  virtual void invalidations_time_out() {}
  /// A page request, of the engine that has its StreamID. Where identity().pri.
  virtual void page_request(const spec::PageRequest& /*request*/) {}
  /// The state is saved, and goes on in a device made anew from what was saved. Nothing shows it.
  virtual void save_restore() {}

  /// Waits until everything asked is done. An error with the code unsupported: the device died or
  /// hangs, `message` says how; reset() brings a new one. Other errors: as reset().
  virtual Expected<void> settle() = 0;
  [[nodiscard]] virtual u64 value(Ticket ticket) const = 0;
  [[nodiscard]] virtual DmaSeen seen(Ticket ticket) const = 0;
  [[nodiscard]] virtual AtsSeen answered(Ticket /*ticket*/) const { return {}; }
  /// Invalidations sent up to the last settle(), in their order; each once.
  virtual std::vector<AtcInvalidation> take_invalidations() { return {}; }
  /// Responses to page requests up to the last settle(), in their order; each once.
  virtual std::vector<spec::PageResponse> take_page_responses() { return {}; }
  /// Interrupts up to the last settle(), in their order; each once.
  virtual std::vector<Interrupt> take_interrupts() { return {}; }

 private:
  spec::Profile profile_{};
};

}  // namespace iommucheck::oracle
