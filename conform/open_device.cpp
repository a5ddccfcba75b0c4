// SPDX-License-Identifier: MIT
#include "conform/open_device.h"

#include "conform/dut/door_device.h"
#include "conform/dut/qemu.h"
#include "conform/dut/spec_device.h"

namespace iommucheck::oracle {

namespace {

Expected<std::unique_ptr<DeviceUnderTest>> open_named(const std::string& name, u64 seed,
                                                      double hang_seconds) {
  if (name == "qemu" || name.starts_with("qemu:")) {
    auto device = QemuDevice::start(qemu_options(name));
    if (!device) return std::unexpected(device.error());
    return std::unique_ptr<DeviceUnderTest>(std::move(*device));
  }
  if (names_a_peer(name)) {
    auto device = DoorDevice::start({.device = name, .seed = seed, .hang_seconds = hang_seconds});
    if (!device) return std::unexpected(device.error());
    return std::unique_ptr<DeviceUnderTest>(std::move(*device));
  }
  return fail(ErrorCode::bad_input,
              "there is no device '" + name +
                  "'; there are spec, fast, qemu, qemu:PATH, the path of a shared "
                  "object (./mine.so), exec:COMMAND and unix:PATH");
}

}  // namespace

Expected<std::unique_ptr<DeviceUnderTest>> open_device(const std::string& name, u64 seed,
                                                       double hang_seconds, const Stating& states) {
  if (name == "spec") {
    DeviceStatement stated{.profile = {}, .id = drawn_spec_device_id(seed)};
    if (states) {
      auto with_them = states(stated.id);
      if (!with_them) return std::unexpected(with_them.error());
      stated = *with_them;
    }
    return std::make_unique<SpecDevice>(seed, stated.id, stated.profile);
  }
  auto device = open_named(name, seed, hang_seconds);
  if (!device || !states) return device;
  const spec::IdRegisters& id = (*device)->identity().id;
  const auto stated = states(id);
  if (!stated) return std::unexpected(stated.error());
  if (!(stated->id == id)) {
    return fail(ErrorCode::bad_input,
                "the profile states ID registers that device " + name + " has not got");
  }
  (*device)->states(stated->profile);
  return device;
}

}  // namespace iommucheck::oracle
