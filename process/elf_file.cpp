// SPDX-License-Identifier: MIT
#include "process/elf_file.h"

#include <algorithm>
#include <cstring>

namespace iommucheck::oracle {

namespace {

constexpr u64 bytes_max = u64{256} << 20;  // of one section: more is none
constexpr u64 name_max = 4096;

}  // namespace

ElfFile::ElfFile(const std::string& path) : file_(path, std::ios::binary) {
  Elf64_Ehdr header{};
  if (!read(0, &header, sizeof header)) return;
  if (std::memcmp(static_cast<const void*>(header.e_ident), ELFMAG, SELFMAG) != 0) return;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr)) return;
  sections_.resize(header.e_shnum);
  if (!read(header.e_shoff, sections_.data(), sections_.size() * sizeof(Elf64_Shdr))) {
    sections_.clear();
  }
}

bool ElfFile::read(u64 at, void* out, u64 bytes) {
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(at));
  file_.read(static_cast<char*>(out), static_cast<std::streamsize>(bytes));
  return static_cast<bool>(file_);
}

std::optional<std::vector<Elf64_Sym>> ElfFile::symbols_of(const Elf64_Shdr& section) {
  if (section.sh_size > bytes_max) return std::nullopt;
  std::vector<Elf64_Sym> symbols(section.sh_size / sizeof(Elf64_Sym));
  if (!read(section.sh_offset, symbols.data(), symbols.size() * sizeof(Elf64_Sym))) {
    return std::nullopt;
  }
  return symbols;
}

std::optional<std::string> ElfFile::content_of(const Elf64_Shdr& section) {
  if (section.sh_size > bytes_max) return std::nullopt;
  std::string content(section.sh_size, '\0');
  if (!read(section.sh_offset, content.data(), content.size())) return std::nullopt;
  return content;
}

std::string ElfFile::name_for(const Elf64_Shdr& section, u64 at) {
  if (section.sh_link >= sections_.size()) return {};
  const Elf64_Shdr& names = sections_[section.sh_link];
  if (at >= names.sh_size) return {};
  std::string name(static_cast<std::size_t>(std::min(names.sh_size - at, name_max)), '\0');
  if (!read(names.sh_offset + at, name.data(), name.size())) return {};
  name.resize(std::strlen(name.c_str()));
  return name;
}

}  // namespace iommucheck::oracle
