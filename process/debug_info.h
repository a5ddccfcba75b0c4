// SPDX-License-Identifier: MIT
// What an object's file says of an instruction: symbol, line, and what it was inlined into. Read by
// libdw, in this process and without loading the object; debug information that a package has put
// elsewhere is found as debuggers find it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle {

class DebugInfo {
 public:
  /// Of what cannot be read nothing is known.
  explicit DebugInfo(const std::string& path);
  ~DebugInfo();
  DebugInfo(const DebugInfo&) = delete;
  DebugInfo& operator=(const DebugInfo&) = delete;

  /// The file's name, without its folder.
  [[nodiscard]] const std::string& object() const { return object_; }

  struct Symbol {
    std::string name;  ///< demangled
    u64 offset = 0;    ///< of the address in it
  };
  /// The function of a symbol table; static ones too. `address` is counted from where the object
  /// was loaded, here and below.
  [[nodiscard]] std::optional<Symbol> symbol_at(u64 address) const;

  struct Frame {
    std::string function{};  ///< demangled; empty: not known
    std::string file{};      ///< as the compiler was given it; empty: not known
    u64 line = 0;            ///< 0: not known
    u64 declared = 0;        ///< line of the function's declaration, 0: not known
  };
  /// The innermost function first, then those that it was inlined into; none without line tables.
  [[nodiscard]] std::vector<Frame> frames_at(u64 address) const;

 private:
  struct Session;
  std::string object_;
  std::unique_ptr<Session> session_;
};

}  // namespace iommucheck::oracle
