// SPDX-License-Identifier: MIT
// The sections of an object's file, without loading it.
#pragma once

#include <elf.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle {

class ElfFile {
 public:
  /// Of what cannot be read, or is no 64-bit ELF file, there are no sections.
  explicit ElfFile(const std::string& path);

  [[nodiscard]] const std::vector<Elf64_Shdr>& sections() const { return sections_; }
  /// The symbols of a table of symbols; nothing where the file does not have them.
  std::optional<std::vector<Elf64_Sym>> symbols_of(const Elf64_Shdr& section);
  /// What a section has in the file.
  std::optional<std::string> content_of(const Elf64_Shdr& section);
  /// A name of the table of names that belongs to `section`; empty if there is none.
  std::string name_for(const Elf64_Shdr& section, u64 at);

 private:
  bool read(u64 at, void* out, u64 bytes);

  std::ifstream file_;
  std::vector<Elf64_Shdr> sections_;
};

}  // namespace iommucheck::oracle
