// SPDX-License-Identifier: MIT
#include "process/elf_identity.h"

#include <elf.h>
#include <fmt/format.h>

#include "base/hash.h"
#include "process/elf_file.h"

namespace iommucheck::oracle {

namespace {

/// Names and what points into them, which move with the paths among them; the build ID.
bool is_of_the_build(const Elf64_Shdr& section) {
  switch (section.sh_type) {
    case SHT_NOTE:
    case SHT_STRTAB:
    case SHT_DYNAMIC:
    case SHT_GNU_verdef:
    case SHT_GNU_verneed: return true;
    default: return false;
  }
}

/// Symbols by their names.
std::optional<std::string> text_of_symbols(ElfFile& file, const Elf64_Shdr& section) {
  const auto symbols = file.symbols_of(section);
  if (!symbols) return std::nullopt;
  std::string text;
  for (const Elf64_Sym& symbol : *symbols) {
    text +=
        fmt::format("{} {} {} {} {} {}\n", file.name_for(section, symbol.st_name), symbol.st_info,
                    symbol.st_other, symbol.st_shndx != SHN_UNDEF, symbol.st_value, symbol.st_size);
  }
  return text;
}

}  // namespace

std::optional<u64> identity_of_object(const std::string& path) {
  ElfFile file(path);
  std::string all;
  for (const Elf64_Shdr& section : file.sections()) {
    if ((section.sh_flags & SHF_ALLOC) == 0 || is_of_the_build(section)) continue;
    std::optional<std::string> text;
    if (section.sh_type == SHT_NOBITS) {
      text.emplace();
    } else if (section.sh_type == SHT_DYNSYM) {
      text = text_of_symbols(file, section);
    } else {
      text = file.content_of(section);
    }
    if (!text) return std::nullopt;
    all += fmt::format("{} {} {} {:016x}\n", section.sh_type, section.sh_flags, section.sh_size,
                       fnv1a(*text));
  }
  if (all.empty()) return std::nullopt;
  return fnv1a(all);
}

}  // namespace iommucheck::oracle
