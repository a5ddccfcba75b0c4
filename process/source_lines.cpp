// SPDX-License-Identifier: MIT
#include "process/source_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace iommucheck::oracle {

namespace {

constexpr std::size_t frames_max = 4;

std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string symbol_text(const DebugInfo& info, u64 address) {
  const std::string object = fmt::format("{}+{:#x}", info.object(), address);
  const auto symbol = info.symbol_at(address);
  if (!symbol) return object;
  return fmt::format("{}+{:#x} ({})", symbol->name, symbol->offset, object);
}

}  // namespace

/// As far into it as a longer function seldom begins.
bool is_helper(const DebugInfo::Frame& frame) {
  constexpr u64 lines_max = 4;
  return frame.declared == 0 || frame.line - frame.declared <= lines_max;
}

SourceLine source_of(const DebugInfo& info, u64 address) {
  const std::vector<DebugInfo::Frame> frames = info.frames_at(address);
  if (frames.empty()) return {.text = symbol_text(info, address)};
  SourceLine all;
  bool found = false;
  for (std::size_t i = 0; i < std::min(frames.size(), frames_max); ++i) {
    const DebugInfo::Frame& frame = frames[i];
    if (frame.function.empty()) break;
    all.text += fmt::format("{}{}", i == 0 ? "" : ", in ", frame.function);
    if (frame.line == 0 || frame.file.empty()) continue;
    all.text += fmt::format(" at {}:{}", name_of(frame.file), frame.line);
    if (!found) all.place = {frame.file, frame.line};
    found |= !is_helper(frame);
  }
  return all;
}

std::string source_line_in(const std::string& path, u64 address) {
  return source_of(DebugInfo(path), address).text;
}

std::string symbol_in(const std::string& path, u64 address) {
  return symbol_text(DebugInfo(path), address);
}

}  // namespace iommucheck::oracle
