// SPDX-License-Identifier: MIT
#include "process/elf_symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

namespace iommucheck::oracle {

namespace {

constexpr u64 bytes_max = u64{256} << 20;  // of one table: more is no symbol table

class ElfFile {
 public:
  explicit ElfFile(const std::string& path) : file_(path, std::ios::binary) {
    Elf64_Ehdr header{};
    if (!read(0, &header, sizeof header)) return;
    if (std::memcmp(static_cast<const void*>(header.e_ident), ELFMAG, SELFMAG) != 0) return;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
    sections_.resize(header.e_shnum);
    if (!read(header.e_shoff, sections_.data(), sections_.size() * sizeof(Elf64_Shdr))) {
      sections_.clear();
    }
  }

  struct Symbol {
    std::string name;
    u64 offset = 0;  ///< of the address in it
  };
  std::optional<Symbol> find(u64 address) {
    for (const u32 type : {u32{SHT_SYMTAB}, u32{SHT_DYNSYM}}) {
      for (const Elf64_Shdr& section : sections_) {
        if (section.sh_type != type) continue;
        if (auto symbol = find_in(section, address)) return symbol;
      }
    }
    return std::nullopt;
  }

 private:
  bool read(u64 at, void* out, u64 bytes) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(at));
    file_.read(static_cast<char*>(out), static_cast<std::streamsize>(bytes));
    return static_cast<bool>(file_);
  }

  std::optional<Symbol> find_in(const Elf64_Shdr& section, u64 address) {
    if (section.sh_size > bytes_max || section.sh_link >= sections_.size()) return std::nullopt;
    std::vector<Elf64_Sym> symbols(section.sh_size / sizeof(Elf64_Sym));
    if (!read(section.sh_offset, symbols.data(), symbols.size() * sizeof(Elf64_Sym))) {
      return std::nullopt;
    }
    for (const Elf64_Sym& symbol : symbols) {
      const bool function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != 0;
      if (!function || address < symbol.st_value) continue;
      if (address - symbol.st_value >= symbol.st_size) continue;
      const std::string name = name_at(sections_[section.sh_link], symbol.st_name);
      if (!name.empty()) return Symbol{name, address - symbol.st_value};
    }
    return std::nullopt;
  }

  std::string name_at(const Elf64_Shdr& strings, u64 at) {
    if (at >= strings.sh_size) return {};
    std::string name(static_cast<std::size_t>(std::min<u64>(strings.sh_size - at, 4096)), '\0');
    if (!read(strings.sh_offset + at, name.data(), name.size())) return {};
    name.resize(std::strlen(name.c_str()));
    return name;
  }

  std::ifstream file_;
  std::vector<Elf64_Shdr> sections_;
};

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 && text ? std::string(text.get()) : name;
}

}  // namespace

std::string symbol_in(const std::string& path, u64 address) {
  const std::string object = std::filesystem::path(path).filename().string();
  const auto symbol = ElfFile(path).find(address);
  if (!symbol) return fmt::format("{}+{:#x}", object, address);
  return fmt::format("{}+{:#x} ({}+{:#x})", demangled(symbol->name), symbol->offset, object,
                     address);
}

}  // namespace iommucheck::oracle
