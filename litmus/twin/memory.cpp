// SPDX-License-Identifier: MIT
#include "litmus/twin/memory.h"

#include "base/bits.h"

namespace iommucheck::litmus::twin {
namespace {

constexpr u64 page_bytes = 4096;
constexpr u64 af = u64{1} << 10;

/// The store that this barrier makes visible, if any: the newest one that it covers.
bool covered(const Version& version, u16 agent, bool coherent) {
  if (!version.pending) return false;
  const u32 agents = coherent ? version.owners : version.cleaners;
  return (agents & agent_bit(agent)) != 0;
}

}  // namespace

void Memory::track(u64 pa, const Layout& layout) {
  const Region* region = layout.region_of(pa);
  const bool known = region != nullptr && !region->unknown;
  words_.try_emplace(pa, std::vector<Version>{Version{{0, known}}});
}

Memory::Memory(const Layout& layout, const std::set<u64>& interest, const std::set<u64>& offsets)
    : coherent_(layout.coherent) {
  for (const MemoryWord& word : layout.memory) {
    words_[word.pa] = {Version{{word.value, true}}};
  }
  const auto track_page = [&](u64 page) {
    track(page, layout);
    for (const u64 index : interest) track(page + index * 8, layout);
  };
  std::map<u64, u64> known;
  for (const Region& region : layout.regions) {
    if (region.unknown)
      track_page(region.pa);
    else
      known.emplace(region.pa, region.bytes);
  }
  known_ = std::make_shared<const std::map<u64, u64>>(std::move(known));
  track_page(0);  // where what is zeroed leads to
  for (const Action& action : layout.actions) {
    if (const auto* write = std::get_if<WriteAction>(&action.what)) track(write->pa, layout);
    const auto* free = std::get_if<FreeAction>(&action.what);
    if (free == nullptr) continue;
    track_page(free->pa);
    for (const u64 offset : offsets) {
      if (offset < free->bytes) track(free->pa + offset, layout);
    }
  }
  std::map<u64, std::vector<u64>> indices;
  for (const auto& [pa, versions] : words_) {
    indices[align_down(pa, 12)].push_back(pa % page_bytes / 8);
  }
  indices_ = std::make_shared<const std::map<u64, std::vector<u64>>>(std::move(indices));
}

std::vector<Version> Memory::visible(u64 pa) const {
  const auto found = words_.find(pa);
  if (found == words_.end()) {
    const auto behind = known_->upper_bound(pa);
    if (behind == known_->begin()) return {Version{{0, false}}};
    const auto& [first, bytes] = *std::prev(behind);
    return {Version{{0, pa - first < bytes}}};
  }
  std::vector<Version> versions = found->second;
  for (const Version& version : found->second) {
    if (!version.af_set) continue;
    versions.push_back(version);
    versions.back().value.word |= af;
    versions.back().by_hardware = true;
  }
  return versions;
}

Value Memory::newest(u64 pa) const {
  const auto found = words_.find(pa);
  return found == words_.end() ? Value{} : found->second.back().value;
}

const std::vector<u64>& Memory::indices(u64 page) const {
  static const std::vector<u64> none;
  const auto found = indices_->find(page);
  return found == indices_->end() ? none : found->second;
}

void Memory::push(u64 pa, Value value, u16 agent, bool at_once, bool wide) {
  std::vector<Version>& versions = words_.at(pa);
  Version version;
  version.value = value;
  // The second word of a 16-byte store comes at once with the first.
  const bool second = wide && bit(pa, 3) && words_.at(pa - 8).back().wide;
  version.order = second ? order_ : ++order_;
  version.wide = wide;
  version.pending = !at_once;
  version.owners = agent_bit(agent);
  if (at_once) versions.clear();
  versions.push_back(version);
}

void Memory::store(const WriteAction& write, u16 agent) {
  const Value old = newest(write.pa);
  Value value{(old.word & ~write.mask) | (write.value & write.mask), true};
  value.known = old.known || write.mask == ~u64{0};
  // An rmw is performed at once, but a cache that is not coherent still holds it back.
  push(write.pa, value, agent, write.rmw && coherent_, write.wide);
}

void Memory::zero(u64 pa, u64 bytes, u16 agent) {
  for (auto& [word, versions] : words_) {
    if (word >= pa && word - pa < bytes) push(word, {}, agent, false, false);
  }
}

void Memory::barrier(u16 agent) {
  for (auto& [pa, versions] : words_) {
    for (std::size_t i = versions.size(); i-- > 0;) {
      if (!covered(versions[i], agent, coherent_)) continue;
      versions[i].pending = false;
      versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(i));
      break;
    }
  }
}

void Memory::clean(u64 pa, u16 agent) {
  for (auto& [word, versions] : words_) {
    if (align_down(word, 6) != align_down(pa, 6)) continue;
    for (Version& version : versions) {
      if ((version.owners & agent_bit(agent)) != 0) version.cleaners |= agent_bit(agent);
    }
  }
}

void Memory::handoff(u16 from, u16 to) {
  for (auto& [pa, versions] : words_) {
    for (Version& version : versions) {
      if ((version.owners & agent_bit(from)) != 0) version.owners |= agent_bit(to);
      if ((version.cleaners & agent_bit(from)) != 0) version.cleaners |= agent_bit(to);
    }
  }
}

void Memory::forget(u64 pa, u64 bytes) {
  for (auto& [word, versions] : words_) {
    if (word >= pa && word - pa < bytes) versions = {Version{{0, false}, ++order_}};
  }
}

bool Memory::hardware_sets_af(u64 pa) {
  const auto found = words_.find(pa);
  if (found == words_.end()) return false;
  bool changed = false;
  for (Version& version : found->second) {
    if ((version.value.word & af) != 0 || version.af_set) continue;
    changed = version.af_set = true;
  }
  return changed;
}

void Memory::settle(u64 pa, u64 set, u64 clear) {
  const auto found = words_.find(pa);
  if (found == words_.end() || found->second.size() != 1) return;
  Version& version = found->second.front();
  version.value.word = (version.value.word | set) & ~clear;
  if ((set & af) != 0) version.af_set = false;
}

void Memory::put(Fingerprint& to) const {
  to.add(order_);
  for (const auto& [pa, versions] : words_) {  // of the same words everywhere
    to.add(versions.size());
    for (const Version& version : versions) {
      to.add(version.value.word);
      const unsigned flags = (version.value.known ? 1 : 0) | (version.pending ? 2 : 0) |
                             (version.af_set ? 4 : 0) | (version.wide ? 8 : 0) |
                             (version.cleaned ? 16 : 0) | (version.by_hardware ? 32 : 0);
      to.add(u64{flags} << 32 | version.order);
      to.add(u64{version.owners} << 32 | version.cleaners);
    }
  }
}

bool Memory::hardware_may_have_set_af(u64 pa) const {
  const auto found = words_.find(pa);
  return found != words_.end() && found->second.back().af_set;
}

}  // namespace iommucheck::litmus::twin
