// SPDX-License-Identifier: MIT
#include "trace/symbols.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "trace/file.h"
#include "trace/utf8.h"

namespace iommucheck::trace {

Expected<void> SymbolTable::add(std::string_view line, std::string_view file, u64 number) {
  if (line.empty()) return {};
  const std::size_t address_end = line.find(' ');
  const std::size_t type_end =
      address_end == std::string_view::npos ? address_end : line.find(' ', address_end + 1);
  Entry entry{};
  const std::string_view digits = line.substr(0, address_end);
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), entry.address, 16);
  if (type_end == std::string_view::npos || code != std::errc{} ||
      end != digits.data() + digits.size() || type_end + 1 == line.size()) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}:{}: \"address type name\" is expected, this is \"{}\"", file,
                            number, trace::to_utf8(line.substr(0, 80))));
  }
  entry.name = trace::to_utf8(line.substr(type_end + 1));
  entries_.push_back(std::move(entry));
  return {};
}

void SymbolTable::sort() {
  // By name as well, so that two names of one place always give the same answer.
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    return std::tie(a.address, a.name) < std::tie(b.address, b.name);
  });
}

Expected<SymbolTable> SymbolTable::read(const std::string& path) {
  auto lines = trace::LineReader::open(path, {.bytes_max = u64{256} << 20, .line_bytes_max = 4096});
  if (!lines) return std::unexpected(std::move(lines.error()));
  SymbolTable table;
  std::string line;
  while (true) {
    const auto some = lines->next(line);
    if (!some) return std::unexpected(some.error());
    if (!*some) break;
    if (auto done = table.add(line, path, lines->line()); !done) {
      return std::unexpected(done.error());
    }
  }
  table.sort();
  return table;
}

Expected<SymbolTable> SymbolTable::parse(std::string_view text, std::string_view name) {
  SymbolTable table;
  for (u64 number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (auto done = table.add(line, name, number); !done) return std::unexpected(done.error());
  }
  table.sort();
  return table;
}

std::optional<Symbol> SymbolTable::symbol_of(u64 pc) const {
  const auto next = std::ranges::upper_bound(entries_, pc, {}, &Entry::address);
  if (next == entries_.begin()) return std::nullopt;
  const Entry& entry = *std::prev(next);
  if (pc - entry.address >= function_bytes_max) return std::nullopt;
  return Symbol{.name = entry.name, .offset = pc - entry.address};
}

std::string SymbolTable::describe(u64 pc) const {
  const auto symbol = symbol_of(pc);
  return symbol ? fmt::format("{}+{:#x}", symbol->name, symbol->offset) : fmt::format("{:#x}", pc);
}

std::string symbols_path(std::string_view recording) {
  const std::size_t folder = recording.rfind('/');
  const std::size_t begin = folder == std::string_view::npos ? 0 : folder + 1;
  for (std::string_view ending : {".trace", ".jsonl"}) {
    const std::size_t at = recording.find(ending, begin);
    if (at != std::string_view::npos) return std::string(recording.substr(0, at)) + ".syms";
  }
  return std::string(recording) + ".syms";
}

}  // namespace iommucheck::trace
