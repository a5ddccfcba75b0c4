// SPDX-License-Identifier: MIT
#include "scenario/format/drawing.h"

#include <algorithm>

#include "base/text.h"

namespace iommucheck::scenario {
namespace {

bool is_drawn_name(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c); });
}

DrawnPart::Named part_of(std::string_view word, std::string_view part) {
  return {part, static_cast<u32>(part.data() - word.data())};
}

/// `{D0,D1}`.
void read_devices(std::string_view word, std::string_view devices, DrawnPart& part) {
  if (!devices.ends_with('}') || devices.find('}') != devices.size() - 1) {
    part.wrong = "expected '}' behind the devices, and nothing behind it, as in A:{D0,D1}";
    return;
  }
  devices = devices.substr(1, devices.size() - 2);
  while (true) {
    const auto end = std::min(devices.find(','), devices.size());
    const std::string_view name = devices.substr(0, end);
    if (!is_drawn_name(name)) {
      part.wrong = "expected names of devices with commas between them, as in A:{D0,D1}";
      return;
    }
    part.devices.push_back(part_of(word, name));
    if (end == devices.size()) return;
    devices.remove_prefix(end + 1);
  }
}

/// `pgtable`, `private`, `plain`, `mm(X)`.
void read_space(std::string_view word, std::string_view space, DrawnPart& part) {
  if (space == "pgtable" || space == "private" || space == "plain") return;
  if (space.starts_with("mm(") && space.ends_with(')')) {
    part.process = part_of(word, space.substr(3, space.size() - 4));
    if (is_drawn_name(part.process.text)) return;
  }
  part.wrong = "expected pgtable, private, plain or mm(PROCESS) behind ':'";
}

}  // namespace

DrawnPart read_drawn_part(std::string_view word) {
  DrawnPart part;
  const auto colon = word.find(':');
  const std::string_view place = word.substr(0, colon);
  const auto dot = place.find('.');
  part.domain = part_of(word, place.substr(0, dot));
  if (colon == std::string_view::npos || !is_drawn_name(part.domain.text)) {
    part.wrong = "expected DOMAIN:{DEVICE,…}, or DOMAIN.PASID:what";
    return part;
  }
  const std::string_view what = word.substr(colon + 1);
  if (dot == std::string_view::npos) {
    if (what.starts_with('{')) {
      read_devices(word, what, part);
    } else {
      part.wrong = "expected its devices in braces, as in A:{D0,D1}";
    }
    return part;
  }
  const std::string_view pasid = place.substr(dot + 1);
  if (pasid.empty() || !std::ranges::all_of(pasid, is_digit)) {
    part.wrong = "expected a decimal PASID behind '.', as in A.1:mm(X)";
    return part;
  }
  read_space(word, what, part);
  return part;
}

}  // namespace iommucheck::scenario
