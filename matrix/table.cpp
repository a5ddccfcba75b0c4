// SPDX-License-Identifier: MIT
// The matrix as text.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "matrix/matrix.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t column_least = 22, first_least = 8, first_most = 22, gap = 2;
using Lines = std::vector<std::string>;

/// In lines of at most `width`, at spaces where there are any.
Lines wrapped(std::string_view text, std::size_t width) {
  Lines lines;
  while (text.size() > width) {
    std::size_t end = text.rfind(' ', width);
    const bool at_space = end != std::string_view::npos && end != 0;
    if (!at_space) end = width;
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(at_space ? end + 1 : end);
  }
  if (!text.empty()) lines.emplace_back(text);
  return lines;
}

/// A path by its end, which tells plug-ins apart.
std::string short_name(const std::string& name, std::size_t width) {
  const std::size_t slash = name.rfind('/');
  const std::string last = slash == std::string::npos ? name : name.substr(slash + 1);
  return last.size() <= width ? last : last.substr(0, width - 3) + "...";
}

Lines lines_of(const Cell& cell, std::size_t width) {
  Lines lines;
  for (const std::string& words : words_of(cell)) {
    for (std::string& line : wrapped(words, width)) lines.push_back(std::move(line));
  }
  return lines;
}

void add_row(std::string& text, const std::string& first, std::size_t first_width,
             const std::vector<Lines>& columns, std::size_t width) {
  std::size_t height = 1;
  for (const Lines& lines : columns) height = std::max(height, lines.size());
  for (std::size_t i = 0; i < height; ++i) {
    std::string line = fmt::format("{:<{}}", i == 0 ? first : "", first_width);
    for (const Lines& lines : columns) {
      line += fmt::format("{:{}}{:<{}}", "", gap, i < lines.size() ? lines[i] : "", width);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
}

}  // namespace

std::vector<std::string> words_of(const Cell& cell) {
  if (!cell.cannot_run.empty()) return {"cannot run: " + cell.cannot_run};
  std::vector<std::string> words;
  for (const Cell::Broken& one : cell.by_driver) {
    words.push_back(fmt::format("driver: {} x{}", spec::rule_name(one.rule), one.times));
  }
  for (const Cell::Broken& one : cell.by_device) {
    words.push_back(fmt::format("device: {} x{}", spec::rule_name(one.rule), one.times));
  }
  for (const std::string& why : cell.undecided) words.push_back("undecided: " + why);
  if (words.empty()) words.emplace_back("holds");
  if (cell.known != 0) words.push_back(fmt::format("device: {} known", cell.known));
  words.push_back(fmt::format("{} sequences, {} calls, {} accesses judged", cell.sequences,
                              cell.calls, cell.accesses));
  return words;
}

std::string table_of(const MatrixResult& result, std::size_t columns) {
  std::size_t first = first_least;
  for (const std::string& driver : result.drivers) {
    first = std::max(first, short_name(driver, first_most).size());
  }
  const std::size_t room = columns - first;
  const std::size_t side_by_side =
      std::clamp<std::size_t>(result.devices.size(), 1, room / (column_least + gap));
  const std::size_t width = room / side_by_side - gap;
  std::string text;
  for (std::size_t from = 0; from < result.devices.size(); from += side_by_side) {
    const std::size_t count = std::min(side_by_side, result.devices.size() - from);
    if (from != 0) text += '\n';
    std::vector<Lines> head;
    for (std::size_t i = 0; i < count; ++i) {
      head.push_back({short_name(result.devices[from + i], width)});
    }
    add_row(text, "", first, head, width);
    for (std::size_t row = 0; row < result.drivers.size(); ++row) {
      std::vector<Lines> cells;
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t place = row * result.devices.size() + from + i;
        const bool there = place < result.cells.size();
        cells.push_back(there ? lines_of(result.cells[place], width) : Lines{"not run"});
      }
      add_row(text, short_name(result.drivers[row], first_most), first, cells, width);
    }
  }
  return text;
}

}  // namespace iommucheck::oracle
