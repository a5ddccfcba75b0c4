// SPDX-License-Identifier: MIT
#include "scenario/run/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle::stories {

using scenario::Value;

const Named* Names::find(std::string_view name) const {
  const auto at = named_.find(std::string(name));
  return at == named_.end() ? nullptr : &at->second;
}

std::optional<u64> Names::value(const Value& value) const {
  if (value.kind == Value::Kind::number) return value.number;
  if (value.kind != Value::Kind::word) return std::nullopt;
  if (const auto page = world_.pages.find(value.word); page != world_.pages.end()) {
    return page->second.pa + value.number;
  }
  if (const Named* named = find(value.word)) return named->value + value.number;
  return std::nullopt;
}

std::optional<u64> Names::process(std::string_view name) const {
  const auto at = processes_.find(std::string(name));
  if (at == processes_.end()) return std::nullopt;
  return at->second;
}

u32 Names::pasid(u64 written) const {
  // The number of none is nobody's.
  const u32 literal = static_cast<u32>(std::min<u64>(written, spec::sva::pasid_unknown - 1));
  if (exact_ || written >= spec::sva::pasid_limit) return literal;
  if (const auto at = observed_.find(written); at != observed_.end()) return at->second;
  const auto used = [this](u32 pasid) {
    return std::ranges::any_of(observed_, [pasid](const auto& one) { return one.second == pasid; });
  };
  if (!used(literal)) return literal;
  // Somebody else's: the nearest one that nobody has shown, so that widths stay what they are.
  for (u32 pasid = literal + 1; pasid < spec::sva::pasid_limit; ++pasid) {
    if (!used(pasid)) return pasid;
  }
  return literal;
}

std::optional<u32> Names::pasid(const Value& value) const {
  if (value.kind == Value::Kind::number) return pasid(value.number);
  if (value.is_word("none") && find("none") == nullptr) return spec::sva::pasid_unknown;
  const auto number = this->value(value);
  if (!number) return std::nullopt;
  return static_cast<u32>(*number);
}

u64 Names::written_pasid(u32 observed) const {
  for (const auto& [written, seen] : observed_) {
    if (seen == observed) return written;
  }
  return observed;
}

bool Names::same_pasid(u64 written, u32 observed) {
  if (exact_) return written == observed;
  if (const auto at = observed_.find(written); at != observed_.end()) return at->second == observed;
  for (const auto& [other, seen] : observed_) {
    if (seen == observed) return false;
  }
  observed_[written] = observed;
  return true;
}

u32 Names::group(const GroupName& name) const {
  if (const auto at = groups_.find(name); at != groups_.end()) return at->second.observed;
  // Shown at another PASID, it is that one with a PASID that is not its own.
  for (const auto& [other, group] : groups_) {
    if (other.device == name.device && other.written == name.written) return group.observed;
  }
  const auto used = [&](u32 group) {
    return std::ranges::any_of(groups_, [&](const auto& one) {
      return one.first.device == name.device && one.second.observed == group;
    });
  };
  auto group = static_cast<u32>(std::min<u64>(name.written, ~u32{0}));
  while (used(group)) ++group;
  return group;
}

bool Names::same_group(const GroupName& name, u32 observed) {
  const auto [at, made] = groups_.try_emplace(name, Group{observed});
  if (!made && (at->second.observed == observed || !at->second.ended)) {
    return at->second.observed == observed;
  }
  at->second = {observed};
  const auto shown = std::ranges::count_if(groups_, [&](const auto& one) {
    return one.first.device == name.device && one.second.observed == observed && !one.second.ended;
  });
  if (shown == 1) return true;
  groups_.erase(at);
  return false;
}

void Names::group_ended(u32 device, u32 observed) {
  for (auto& [name, group] : groups_) {
    if (name.device == device && group.observed == observed) group.ended = true;
  }
}

void Names::keep_groups(const std::function<bool(const GroupName&, u32)>& waits) {
  for (auto& [name, group] : groups_) {
    group.ended |= !waits(name, group.observed);
  }
}

std::optional<u32> Names::device(std::string_view name) const {
  for (u32 i = 0; i < world_.devices.size(); ++i) {
    if (world_.devices[i].name == name) return i;
  }
  return std::nullopt;
}

std::string Names::device_name(u32 device) const {
  return device < world_.devices.size() ? world_.devices[device].name : fmt::format("{}", device);
}

std::string Names::address_text(u64 pa) const {
  for (const auto& [name, page] : world_.pages) {
    if (pa < page.pa || pa - page.pa >= page.bytes) continue;
    return pa == page.pa ? name : fmt::format("{}+{:#x}", name, pa - page.pa);
  }
  return fmt::format("{:#x}", pa);
}

}  // namespace iommucheck::oracle::stories
