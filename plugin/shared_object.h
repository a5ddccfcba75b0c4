// SPDX-License-Identifier: MIT
// A shared object that a user names: a driver, a device, a backend.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace iommucheck::oracle {

/// What an object has to be, as messages say it to its author.
struct ObjectKind {
  const char* entry;        ///< the function that it exports
  std::string_view header;  ///< where that is described: driver.h
  std::string_view usage;   ///< what the option takes that named the file
};

/// Messages of errors say what is wrong with the file, without its path: bad_input always.
class SharedObject {
 public:
  /// Reads the file's ELF header and nothing else: whether the dynamic linker could take it.
  static Expected<void> check_file(const std::string& path, const ObjectKind& kind);

  /// Checks the file, loads it and finds its entry. This runs the object's constructors, so a file
  /// that nobody knows is loaded in a process that may crash.
  static Expected<SharedObject> load(const std::string& path, const ObjectKind& kind);

  /// The entry, which is an address within the object, too.
  [[nodiscard]] void* entry() const { return entry_; }
  /// What else it exports, or null.
  [[nodiscard]] void* find(const char* symbol) const;

  /// The object stays loaded until the process ends.
  void keep() { (void)handle_.release(); }

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  std::unique_ptr<void, Close> handle_;
  void* entry_ = nullptr;
};

}  // namespace iommucheck::oracle
