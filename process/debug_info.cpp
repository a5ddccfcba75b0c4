// SPDX-License-Identifier: MIT
#include "process/debug_info.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>

#include <cstdlib>
#include <filesystem>

namespace iommucheck::oracle {

namespace {

std::string demangled(const char* name) {
  if (name == nullptr) return {};
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 && text ? text.get() : name;
}

const char* text_of(Dwarf_Die& die, unsigned attribute) {
  Dwarf_Attribute storage;
  return dwarf_formstring(dwarf_attr_integrate(&die, attribute, &storage));
}

std::string function_of(Dwarf_Die& die) {
  const char* linkage = text_of(die, DW_AT_linkage_name);
  // Of Rust's names only those of before 2025 are C++'s as well.
  const bool readable = linkage != nullptr && !std::string_view(linkage).starts_with("_R");
  return demangled(readable ? linkage : text_of(die, DW_AT_name));
}

u64 number_of(Dwarf_Die& die, unsigned attribute) {
  Dwarf_Attribute storage;
  Dwarf_Word value = 0;
  return dwarf_formudata(dwarf_attr(&die, attribute, &storage), &value) == 0 ? value : 0;
}

/// Of what was inlined its origin says it.
u64 declared_at(Dwarf_Die& die) {
  Dwarf_Attribute storage;
  Dwarf_Word value = 0;
  Dwarf_Attribute* attribute = dwarf_attr_integrate(&die, DW_AT_decl_line, &storage);
  return dwarf_formudata(attribute, &value) == 0 ? value : 0;
}

/// In what functions may stand though it has no addresses of its own: dwarf_getscopes() passes over
/// these, and so over all that Rust has in namespaces.
bool holds_functions(int tag) {
  return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
         tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

/// The function below `die` that has `at`, and what is inlined there, from the outside in.
void find_functions(Dwarf_Die& die, Dwarf_Addr at, std::vector<Dwarf_Die>& chain) {
  Dwarf_Die child;
  for (int more = dwarf_child(&die, &child); more == 0; more = dwarf_siblingof(&child, &child)) {
    const int tag = dwarf_tag(&child);
    const bool function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
    if (function || tag == DW_TAG_lexical_block) {
      if (dwarf_haspc(&child, at) <= 0) continue;
      if (function) chain.push_back(child);
      return find_functions(child, at, chain);
    }
    if (!holds_functions(tag)) continue;
    find_functions(child, at, chain);
    if (!chain.empty()) return;
  }
}

/// Where the function that `inlined` is was called.
void add_caller(Dwarf_Die& unit, Dwarf_Die& inlined, std::vector<DebugInfo::Frame>& frames) {
  Dwarf_Files* files = nullptr;
  DebugInfo::Frame caller{.line = number_of(inlined, DW_AT_call_line)};
  if (dwarf_getsrcfiles(&unit, &files, nullptr) == 0) {
    const char* file = dwarf_filesrc(files, number_of(inlined, DW_AT_call_file), nullptr, nullptr);
    if (file != nullptr) caller.file = file;
  }
  frames.push_back(std::move(caller));
}

}  // namespace

struct DebugInfo::Session {
  explicit Session(const std::string& path) {
    dwfl = dwfl_begin(&callbacks);
    if (dwfl == nullptr) return;
    dwfl_report_begin(dwfl);
    module = dwfl_report_offline(dwfl, path.c_str(), path.c_str(), -1);
    dwfl_report_end(dwfl, nullptr, nullptr);
    if (module != nullptr && dwfl_module_getelf(module, &bias) == nullptr) module = nullptr;
  }
  ~Session() { dwfl_end(dwfl); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The unit that has `at`, which becomes an address of the debug information. Each is asked:
  /// clang writes no table of which has what (.debug_aranges).
  Dwarf_Die* unit_of(Dwarf_Addr& at) const {
    Dwarf_Die* unit = nullptr;
    Dwarf_Addr added = 0;
    while (module != nullptr && (unit = dwfl_module_nextcu(module, unit, &added)) != nullptr) {
      if (dwarf_haspc(unit, at - added) <= 0) continue;
      at -= added;
      return unit;
    }
    return nullptr;
  }

  // By build ID, on this machine: the standard one asks over a network as well.
  Dwfl_Callbacks callbacks{.find_elf = dwfl_build_id_find_elf,
                           .find_debuginfo = dwfl_build_id_find_debuginfo,
                           .section_address = dwfl_offline_section_address,
                           .debuginfo_path = nullptr};
  Dwfl* dwfl = nullptr;
  Dwfl_Module* module = nullptr;
  Dwarf_Addr bias = 0;  ///< what this session adds to an address of the object
};

DebugInfo::DebugInfo(const std::string& path)
    : object_(std::filesystem::path(path).filename().string()),
      session_(std::make_unique<Session>(path)) {}
DebugInfo::~DebugInfo() = default;

std::optional<DebugInfo::Symbol> DebugInfo::symbol_at(u64 address) const {
  if (session_->module == nullptr) return std::nullopt;
  GElf_Off offset = 0;
  GElf_Sym symbol;
  const char* name = dwfl_module_addrinfo(session_->module, session_->bias + address, &offset,
                                          &symbol, nullptr, nullptr, nullptr);
  const bool in_it =
      name != nullptr && GELF_ST_TYPE(symbol.st_info) == STT_FUNC && offset < symbol.st_size;
  if (!in_it) return std::nullopt;
  return Symbol{demangled(name), offset};
}

std::vector<DebugInfo::Frame> DebugInfo::frames_at(u64 address) const {
  Dwarf_Addr at = session_->bias + address;
  Dwarf_Die* unit = session_->unit_of(at);
  if (unit == nullptr) return {};
  std::vector<Frame> frames(1);
  if (Dwarf_Line* line = dwarf_getsrc_die(unit, at); line != nullptr) {
    int number = 0;
    const char* file = dwarf_linesrc(line, nullptr, nullptr);
    if (file != nullptr) frames[0].file = file;
    if (dwarf_lineno(line, &number) == 0) frames[0].line = static_cast<u64>(number);
  }
  std::vector<Dwarf_Die> chain;
  find_functions(*unit, at, chain);
  for (auto its = chain.rbegin(); its != chain.rend(); ++its) {
    frames.back().function = function_of(*its);
    frames.back().declared = declared_at(*its);
    if (dwarf_tag(&*its) == DW_TAG_inlined_subroutine) add_caller(*unit, *its, frames);
  }
  // Where there are line tables alone, a function that nothing was inlined into has but a symbol.
  if (frames.back().function.empty()) {
    if (auto symbol = symbol_at(address)) frames.back().function = std::move(symbol->name);
  }
  if (frames[0].function.empty()) return {};
  return frames;
}

}  // namespace iommucheck::oracle
