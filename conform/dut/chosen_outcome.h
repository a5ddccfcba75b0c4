// SPDX-License-Identifier: MIT
// One outcome of those that the specification allows, by choice: what a device is made of whose
// SMMU is the specification.
#pragma once

#include <optional>
#include <random>

#include "conform/dut/device.h"
#include "spec/choices.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

/// The same choices from each begin() on: a case's do not depend on the cases before it.
class SeededChoices final : public spec::Choices {
 public:
  explicit SeededChoices(u64 seed) : seed_(seed), engine_(seed) {}
  void begin() { engine_.seed(seed_); }

 protected:
  u32 pick(spec::ChoiceSite /*site*/, u32 n) override { return static_cast<u32>(engine_() % n); }

 private:
  u64 seed_;
  std::mt19937_64 engine_;
};

/// Words of memory as they are now; where none is, a fetch aborts.
struct MemoryNow {
  const spec::Memory& memory;
  bool (*is_there)(u64 pa);
  bool aborted = false;  ///< some fetch did
  std::optional<u64> read(spec::Structure kind, u64 pa);
};

/// What an engine sends, by the route that is its own choice unless it says that it is translated.
spec::Access access_of(u32 sid, u64 iova, bool write, const DmaAttributes& attributes);

/// Any that the caches allow; nothing: none is known. The engine of the caches knows of no memory
/// that is not there: an access that a fetch from there ends, as memory is now, ends so. Nor does
/// it follow each table: once it met one that it does not, memory as it is now decides. `smmu`:
/// registers, of which SMMUEN is 1 and acknowledged where it is 1. `stale_of_eight`: so often of
/// eight times it is one that memory does not explain any more, where there is one; 0: each is as
/// likely as the others.
std::optional<spec::Outcome> chosen_outcome(const spec::Caches& caches, const spec::SmmuState& smmu,
                                            const spec::Access& access, bool (*is_there)(u64 pa),
                                            spec::Choices& choices, unsigned stale_of_eight = 0);

/// What the engine sees of it.
DmaSeen seen_of(const spec::Outcome& outcome);

}  // namespace iommucheck::oracle
