// SPDX-License-Identifier: MIT
// How a driver and the specification are put side by side.
#pragma once

#include <optional>

#include "backends/named.h"
#include "check/claims.h"
#include "check/machine.h"
#include "check/passed_over.h"
#include "check/place.h"
#include "guest/guest.h"
#include "host/driver_host.h"

namespace iommucheck::oracle {

inline constexpr u64 page_4k = 4096;  ///< the smallest that a call maps

struct LockstepOptions {
  Machine machine = default_machine();
  std::optional<MemoryPlace> place{};  ///< absent: where there is room
  u64 window_bytes = u64{16} << 20;
  u64 seed = 1;                  ///< for the header of traces
  Segments* segments = nullptr;  ///< a plug-in's statics: saved by boot(), put back by undo()
  bool scan = false;             ///< the driver writes through pointers
  /// What the core drives in the place of an SMMUv3; null: a driver drives that. Outlives it.
  const NamedBackend* backend = nullptr;
  /// Where Machine::guest is set: the host's driver, null: the built-in one. Outlives it.
  const iommucheck_driver* host = nullptr;
  Guest::MakeSmmu make_smmu{};        ///< of the guest; empty: the one that is right
  StoreCount* store_count = nullptr;  ///< where its stores are counted; null: nobody asks
  RunClaims claims;                   ///< beside what the driver says of itself
  /// The driver's window cannot be written. A process that is forked from this one may not use it.
  bool guard_window = false;
  KnownTo known{};  ///< such findings end no case; empty: each does
  /// Table memory lies where its physical address says; also where the driver asks for it.
  bool identity_window = false;
  u64 steps_max = steps_max_default;  ///< what one call may ask of its platform
  /// Signs of life, also of a boot and of calls that take long since much is judged: called before
  /// each operation, and with each thing that the driver asks of its platform. May be null.
  void (*on_step)(void*) = nullptr;
  void (*on_gone)(void*) = nullptr;  ///< DriverHost::on_gone(), with the same context
  void* step_context = nullptr;
};

struct CheckOptions;
/// What a run asks of a driver; on which machine, what of it is known, and who watches is its own.
LockstepOptions lockstep_options(const CheckOptions& options);

}  // namespace iommucheck::oracle
