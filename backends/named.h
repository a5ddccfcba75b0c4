// SPDX-License-Identifier: MIT
// Backends by what people call them, and the core over one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backends/machine.h"
#include "base/error.h"
#include "iommucheck/driver.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

struct NamedBackend {
  std::string name{};
  /// A machine for the devices and the width of PASIDs of `setup`.
  std::function<std::unique_ptr<BackendMachine>(const spec::sva::Setup& setup)> make{};
  const void* code = nullptr;  ///< an address within the object that is under test; null: none
  std::string path{};          ///< of that object
};

/// The second one that is built in.
inline constexpr const char* second_backend = "two";

/// "two", or the path of an object (iommucheck/backend.h), which is loaded into this process.
/// bad_input.
Expected<NamedBackend> load_named_backend(const std::string& backend);

/// What a machine needs of a monitor's setup.
spec::sva::Setup machine_setup(const Setup& setup);

/// Its hardware, powered on with memory for processes behind the setup's window; null: it cannot
/// be.
std::unique_ptr<BackendMachine> powered_on(const NamedBackend& backend, const Setup& setup);

/// The same for who judges a trace. `backend` is copied.
std::function<std::unique_ptr<Hardware>(const Setup&)> hardware_of(const NamedBackend& backend);

/// What a driver's init is to a host: the core over the machine's backend. 0 or a negative errno.
/// `started`, if any, gets that.
int start_core(BackendMachine& machine, bool per_device_tables, const iommucheck_platform& platform,
               const iommucheck_config& config, void** state, impl::Backend** started = nullptr);

/// What there is in its machine, as it is asked in a process that is then gone.
struct BackendOffers {
  std::string name{};
  bool stalls = false;
  bool page_requests = false;
  bool request_groups = false;
};
/// bad_input: what is wrong, if it crashes or comes to no end, too.
Expected<BackendOffers> probe_backend(const std::string& backend, double seconds);

}  // namespace iommucheck::oracle
