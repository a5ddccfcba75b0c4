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

SourceLine source_of(const DebugInfo& info, u64 address) {
  const std::vector<DebugInfo::Frame> frames = info.frames_at(address);
  if (frames.empty()) return {.text = symbol_text(info, address)};
  SourceLine all;
  for (std::size_t i = 0; i < std::min(frames.size(), frames_max); ++i) {
    const DebugInfo::Frame& frame = frames[i];
    if (frame.function.empty()) break;
    all.text += fmt::format("{}{}", i == 0 ? "" : ", in ", frame.function);
    if (frame.line == 0 || frame.file.empty()) continue;
    all.text += fmt::format(" at {}:{}", name_of(frame.file), frame.line);
    all.place = {frame.file, frame.line};
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
