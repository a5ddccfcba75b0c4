// SPDX-License-Identifier: MIT
// A backend and the model of its hardware in a shared object (include/iommucheck/backend.h), as a
// machine. Nothing that they answer is trusted.
#pragma once

#include <memory>
#include <string>

#include "backends/machine.h"
#include "base/error.h"
#include "iommucheck/backend.h"

namespace iommucheck::oracle {

/// The object's structs, whole: what they are too short for is NULL. The object stays loaded.
struct BackendDoor {
  std::string path;
  std::string name;
  u32 flags = 0;
  u32 tags_max = 0;  ///< 0: nobody runs out
  iommucheck_backend_ops backend{};
  iommucheck_hardware_ops hardware{};
  iommucheck_user_format users{};  ///< with IOMMUCHECK_BACKEND_USERS
  const void* code = nullptr;      ///< an address within the object
};

/// bad_input for anything that is wrong with the file or its structs. It runs the object's
/// constructors, so it is for a process that may crash.
Expected<std::shared_ptr<const BackendDoor>> load_backend(const std::string& path);

/// What is wrong with the structs, or the door. `path` is for messages.
Expected<BackendDoor> complete_backend(const iommucheck_backend* given, const std::string& path);

std::unique_ptr<BackendMachine> make_door_machine(std::shared_ptr<const BackendDoor> door,
                                                  const spec::sva::Setup& setup);

}  // namespace iommucheck::oracle
