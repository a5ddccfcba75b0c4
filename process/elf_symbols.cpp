// SPDX-License-Identifier: MIT
#include "process/elf_symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "process/elf_file.h"

namespace iommucheck::oracle {

namespace {

struct Symbol {
  std::string name;
  u64 offset = 0;  ///< of the address in it
};

std::optional<Symbol> symbol_in_table(ElfFile& file, const Elf64_Shdr& section, u64 address) {
  const auto symbols = file.symbols_of(section);
  if (!symbols) return std::nullopt;
  for (const Elf64_Sym& symbol : *symbols) {
    const bool function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != 0;
    if (!function || address < symbol.st_value) continue;
    if (address - symbol.st_value >= symbol.st_size) continue;
    std::string name = file.name_for(section, symbol.st_name);
    if (!name.empty()) return Symbol{std::move(name), address - symbol.st_value};
  }
  return std::nullopt;
}

std::optional<Symbol> symbol_at(ElfFile& file, u64 address) {
  for (const u32 type : {u32{SHT_SYMTAB}, u32{SHT_DYNSYM}}) {
    for (const Elf64_Shdr& section : file.sections()) {
      if (section.sh_type != type) continue;
      if (auto symbol = symbol_in_table(file, section, address)) return symbol;
    }
  }
  return std::nullopt;
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 && text ? std::string(text.get()) : name;
}

}  // namespace

std::string symbol_in(const std::string& path, u64 address) {
  const std::string object = std::filesystem::path(path).filename().string();
  ElfFile file(path);
  const auto symbol = symbol_at(file, address);
  if (!symbol) return fmt::format("{}+{:#x}", object, address);
  return fmt::format("{}+{:#x} ({}+{:#x})", demangled(symbol->name), symbol->offset, object,
                     address);
}

}  // namespace iommucheck::oracle
