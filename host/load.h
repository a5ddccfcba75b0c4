// SPDX-License-Identifier: MIT
// A driver in a shared object (include/iommucheck/driver.h).
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "iommucheck/driver.h"
#include "plugin/shared_object.h"

namespace iommucheck::oracle {

class Plugin {
 public:
  /// Loads it and asks for its driver. It runs the object's constructors, so a file that nobody
  /// knows goes through probe() first. bad_input for anything that is wrong with the file.
  static Expected<Plugin> load(const std::string& path);

  /// The same in a child process that is then gone: whatever the file does, the caller lives.
  /// bad_input also where it crashes or does not end (`seconds`); the driver's name if all is well.
  static Expected<std::string> probe(const std::string& path, double seconds = 10);

  /// A whole struct: members that the plug-in's own is too short for are NULL. Lives as long as
  /// this does.
  const iommucheck_driver& driver() const { return *driver_; }
  /// An address within the object, for Segments::of.
  const void* entry() const { return object_.entry(); }

 private:
  SharedObject object_;
  std::unique_ptr<iommucheck_driver> driver_;
};

/// Copies what the driver's struct has; what is wrong with it, or nothing. `path` is for messages.
Expected<iommucheck_driver> complete(const iommucheck_driver* given, const std::string& path);

}  // namespace iommucheck::oracle
