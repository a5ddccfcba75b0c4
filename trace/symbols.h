// SPDX-License-Identifier: MIT
// Names for the program counters of a recording: the .syms file beside it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck::trace {

struct Symbol {
  std::string name;
  u64 offset = 0;  ///< of the address from the function's first instruction, in bytes
};

/// A table of functions, each line "address type name" as /proc/kallsyms has it. It may hold a part
/// of the kernel only, so an address far behind a function's start is none of that function.
class SymbolTable {
 public:
  /// Farthest from its start that an address counts as a function's, in bytes.
  static constexpr u64 function_bytes_max = 0x2000;

  /// Plain, .gz or .zst. bad_input with file:line for a line of another form.
  static Expected<SymbolTable> read(const std::string& path);
  static Expected<SymbolTable> parse(std::string_view text, std::string_view name);

  std::optional<Symbol> symbol_of(u64 pc) const;
  /// "__arm_lpae_map+0x324", or "0x…" for an address without a name.
  std::string describe(u64 pc) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    u64 address;
    std::string name;
  };
  Expected<void> add(std::string_view line, std::string_view file, u64 number);
  void sort();
  std::vector<Entry> entries_;
};

/// Where the table of a recording or trace lies: its path up to ".jsonl" or ".trace", and ".syms".
std::string symbols_path(std::string_view recording);

}  // namespace iommucheck::trace
