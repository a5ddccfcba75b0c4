// SPDX-License-Identifier: MIT
#include "conform/case_rust.h"

#include <fmt/format.h>

#include "base/bits.h"
#include "conform/case_lines.h"
#include "conform/dut/tester_memory.h"
#include "iommucheck/device.h"
#include "report/program_text.h"

namespace iommucheck::oracle {

namespace {

using Kind = CaseLineKind;

/// @…@ are filled in.
constexpr const char* rust_head = R"(// SPDX-License-Identifier: MIT
//
@ABOUT@//
// Written by iommucheck: a test of a model that implements iommucheck::device::Device, with the crate
// of iommucheck's rust/ and without the tester. It fails as long as the model answers as it is
// written here. In a module of your crate, with `use` of the model as `Model`:
//     mod case { use crate::Mine as Model; include!("case.rs"); }
#[test]
fn @NAME@() {
    #[allow(unused_imports)]
    use iommucheck::case::{is_mended, Memory, Step::*, Went::*};
    const MEMORY: Memory = Memory { pa: @MEMORY_PA@, bytes: @MEMORY_BYTES@, data_pa: @DATA_PA@ };
    is_mended::<Model>(
        @WHAT@,
        MEMORY,
        &[
)";
constexpr const char* rust_tail = R"(        ],
    );
}
)";

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// As Rust writes a string.
std::string rust_text(const std::string& text) {
  std::string all = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') all += '\\';
    all += c;
  }
  return all + '"';
}

/// A name of a function: the words of a text.
std::string name_of(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) {
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  while (name.ends_with('_')) name.pop_back();
  return "case_" + name;
}

std::string access(const CaseLine& line) {
  return fmt::format("sid: {:#x}, ssid: {:#x}, attributes: {:#x}, iova: {:#x}", line.where,
                     line.ssid, line.attributes, line.address);
}

std::string went(const CaseLine& line) {
  switch (line.passes) {
    case CaseLine::Passes::nowhere: return "Nowhere";
    case CaseLine::Passes::through: return "Through";
    case CaseLine::Passes::to_value: return fmt::format("To({:#x})", line.value);
  }
  return {};
}

std::string step(const CaseLine& line) {
  switch (line.kind) {
    case Kind::store:
      return fmt::format("Store {{ pa: {:#x}, value: {:#x} }}", line.address, line.value);
    case Kind::fill:
      return fmt::format("Fill {{ pa: {:#x}, words: {:#x}, value: {:#x} }}", line.address,
                         line.where, line.value);
    case Kind::load:
      return fmt::format("Load {{ pa: {:#x}, answer: {:#x} }}", line.address, line.value);
    case Kind::write:
      return fmt::format("Write {{ offset: {:#x}, bytes: {}, value: {:#x} }}", line.where,
                         line.bytes, line.value);
    case Kind::read:
      return fmt::format("Read {{ offset: {:#x}, bytes: {}, answer: {:#x} }}", line.where,
                         line.bytes, line.value);
    case Kind::dma: return fmt::format("Dma {{ {}, answer: {} }}", access(line), went(line));
    case Kind::save: return "Save";
    case Kind::request:
      return fmt::format("Request {{ {}, status: {}, answer: {:#x} }}", access(line),
                         line.value >> case_status_place,
                         bits(line.value, case_status_place - 1, 0));
    case Kind::answer: return "AtcDone";
    case Kind::silence: return "AtcTimeOut";
    case Kind::page: return fmt::format("Page {{ {}, index: {:#x} }}", access(line), line.value);
  }
  return {};
}

}  // namespace

Expected<std::string> case_rust(const trace::Trace& trace, const std::string& about) {
  const auto lines = case_lines(trace);
  if (!lines) return std::unexpected(lines.error());
  std::string what = first_line(about);
  if (trace.header.about) {
    const auto name = trace.header.about->find("case");
    if (name != trace.header.about->end()) what = name->second;
  }
  std::string text = rust_head;
  fill_in(text, "@ABOUT@", comment_lines("// ", about));
  fill_in(text, "@NAME@", name_of(what));
  fill_in(text, "@WHAT@", rust_text(what));
  fill_in(text, "@MEMORY_PA@", fmt::format("{:#x}", TesterMemory::pa));
  fill_in(text, "@MEMORY_BYTES@", fmt::format("{:#x}", TesterMemory::bytes));
  fill_in(text, "@DATA_PA@", fmt::format("{:#x}", TesterMemory::data_pa));
  for (const CaseLine& line : *lines) text += "            " + step(line) + ",\n";
  return text + rust_tail;
}

}  // namespace iommucheck::oracle
