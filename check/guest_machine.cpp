// SPDX-License-Identifier: MIT
#include "check/guest_machine.h"

#include "impl/driver.h"

namespace iommucheck::oracle {

LockstepOptions fit_guest(LockstepOptions options) {
  if (!options.machine.guest) return options;
  options.machine = machine_of_guest(std::move(options.machine));
  const GuestPlaces places;
  options.place = MemoryPlace{.id = spec::make_id_registers(options.machine.caps),
                              .window_pa = places.window_pa,
                              .window_bytes = places.window_bytes,
                              .process_bytes = places.process_bytes,
                              .pages_pa = places.pages_pa,
                              .pages_bytes = places.pages_bytes};
  return options;
}

std::unique_ptr<Guest> guest_of(const LockstepOptions& options) {
  if (!options.machine.guest) return nullptr;
  const iommucheck_driver& host = options.host != nullptr ? *options.host : *impl::builtin_driver();
  const GuestSetup setup{.caps = options.machine.caps, .devices = options.machine.devices};
  return std::make_unique<Guest>(host, setup, options.make_smmu);
}

}  // namespace iommucheck::oracle
