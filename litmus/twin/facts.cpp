// SPDX-License-Identifier: MIT
#include "litmus/twin/facts.h"

#include <algorithm>
#include <functional>

#include "base/bits.h"
#include "litmus/names.h"

namespace iommucheck::litmus::twin {
namespace {

void for_each_command(const Test& test, const std::function<void(const Command&)>& visit) {
  for (const Step& step : test.run) {
    if (const auto* cmd = std::get_if<CmdStep>(&step.what)) visit(cmd->command);
    const auto* group = std::get_if<DoStep>(&step.what);
    if (group == nullptr) continue;
    for (const Command& command : group->commands) visit(command);
  }
}

/// STEs of a span that a test does not name are alike, all of zeros: one of each array of the
/// second level that may be there stands for the others.
void add_span(Facts& facts, u64 sid, unsigned lg2) {
  constexpr unsigned widest = 15;
  const u64 span = pow2(std::min(lg2, widest)), first = align_down(sid, std::min(lg2, widest));
  const std::set<u64> named = facts.sids;
  std::set<u64> arrays{first >> stream_table_split};
  for (const u64 other : named) arrays.insert(other >> stream_table_split);
  for (const u64 array : arrays) {
    const u64 begin = std::max(first, array << stream_table_split);
    const u64 end = std::min(first + span, (array + 1) << stream_table_split);
    for (u64 other = begin; other < end; ++other) {
      if (named.contains(other)) continue;
      facts.sids.insert(other);
      break;
    }
  }
}

/// Pages of intermediate addresses that stage 1 leads to.
void collect_ipas(const Test& test, std::set<u64>& addresses) {
  const auto note = [&](const std::optional<Target>& target) {
    const bool is = target && target->kind == Target::Kind::intermediate;
    if (is) addresses.insert(target->page << 12);
  };
  for_each_object(test, [&](const Object& object) {
    if (const auto* word = std::get_if<WordLine>(&object)) note(word->descriptor.target);
    if (const auto* ste = std::get_if<SteLine>(&object)) note(ste->cd);
    if (const auto* cd = std::get_if<CdLine>(&object)) {
      note(cd->ttb);
      note(cd->ttb1);
    }
  });
}

void collect_objects(const Test& test, Facts& facts, std::set<u16>& asids, std::set<u16>& vmids) {
  std::set<u64> firsts;
  std::set<std::pair<u64, unsigned>> spans;
  for_each_object(test, [&](const Object& object) {
    if (const auto* ste = std::get_if<SteLine>(&object)) {
      facts.sids.insert(ste->sid.value);
      if (ste->cont) spans.insert({ste->sid.value, static_cast<unsigned>(ste->cont->value)});
      if (ste->vmid) vmids.insert(static_cast<u16>(ste->vmid->value));
    } else if (const auto* cd = std::get_if<CdLine>(&object)) {
      const u64 index = cd->index ? cd->index->value : 0;
      facts.ssids.insert(index);
      if (cd->asid) asids.insert(static_cast<u16>(cd->asid->value));
    } else if (const auto* l1std = std::get_if<L1StdLine>(&object)) {
      // The array that it leads to is fetched for any StreamID of its span, named or not.
      facts.sids.insert(l1std->index.value << stream_table_split);
    } else if (const auto* l1 = std::get_if<L1CdLine>(&object)) {
      firsts.insert(l1->index.value * 64);
    }
  });
  for (const auto& [sid, lg2] : spans) add_span(facts, sid, lg2);
  // Entry n of a leaf serves SSID n of each first-level entry that leads to it.
  const std::set<u64> entries = facts.ssids;
  for (const u64 first : firsts) {
    facts.ssids.insert(first);
    for (const u64 entry : entries) {
      if (entry < 64) facts.ssids.insert(first + entry);
    }
  }
}

/// An ID leads to a descriptor of the first level, and to a structure in a linear array or a leaf.
void collect_offsets(Facts& facts) {
  constexpr u64 leaf = u64{1} << stream_table_split;  // and the CDs of a leaf
  constexpr u64 words = 4;
  for (const std::set<u64>* ids : {&facts.sids, &facts.ssids}) {
    for (const u64 id : *ids) {
      facts.offsets.insert(id / leaf * 8);
      for (u64 word = 0; word < words; ++word) {
        facts.offsets.insert(id * 64 + word * 8);
        facts.offsets.insert(id % leaf * 64 + word * 8);
      }
    }
  }
}

/// A table of 16 or 64 KiB is somewhere.
bool varies_granules(const Test& test) {
  bool varies = false;
  for_each_object(test, [&](const Object& object) {
    if (const auto* ste = std::get_if<SteLine>(&object)) varies |= is_wide(ste->s2tg);
    const auto* cd = std::get_if<CdLine>(&object);
    if (cd != nullptr) varies |= is_wide(cd->tg0) || is_wide(cd->tg1);
  });
  return varies;
}

}  // namespace

Facts facts_of(const Test& test, Layout laid) {
  Facts facts;
  facts.test = &test;
  facts.layout = std::move(laid);
  std::set<u16> asids{0};
  std::set<u16> vmids{0};
  facts.ssids.insert(0);
  collect_objects(test, facts, asids, vmids);
  for_each_command(test, [&](const Command& command) {
    if (command.va) facts.vas.insert(command.va->value);
    if (command.sid) facts.sids.insert(command.sid->value);
    if (command.ssid) facts.ssids.insert(command.ssid->value);
    if (command.asid) asids.insert(static_cast<u16>(command.asid->value));
    if (command.vmid) vmids.insert(static_cast<u16>(command.vmid->value));
  });
  const auto note_write = [&](const Stream& stream, u64 va, Direction direction, bool ats) {
    if (!ats || direction != Direction::write) return;
    std::optional<u64> ssid;
    if (stream.ssid) ssid = stream.ssid->value;
    facts.ats_writes.insert({stream.sid.value, ssid, va});
  };
  for (const Access& access : test.accesses) {
    facts.vas.insert(access.va.value);
    facts.sids.insert(access.stream.sid.value);
    note_write(access.stream, access.va.value, access.direction, access.ats);
    if (access.stream.ssid) facts.ssids.insert(access.stream.ssid->value);
  }
  for (const Step& step : test.run) {
    const auto* dma = std::get_if<DmaBeginStep>(&step.what);
    if (dma == nullptr) continue;
    facts.vas.insert(dma->va.value);
    note_write(dma->stream, dma->va.value, dma->direction, dma->ats);
    facts.sids.insert(dma->stream.sid.value);
    if (dma->stream.ssid) facts.ssids.insert(dma->stream.ssid->value);
  }
  for (const u64 va : facts.vas) facts.tops.insert(va >> 56);
  // One more stands for all that no access names: a device may ask by it as well.
  u64 other = 1;
  while (facts.tops.contains(other)) ++other;
  facts.tops.insert(other);
  std::set<u64> addresses = facts.vas;
  collect_ipas(test, addresses);
  for (const unsigned granule : {12U, 14U, 16U}) {
    if (granule != 12 && !varies_granules(test)) continue;
    const Tree tree{.root = 0, .granule = granule, .start = 0, .input = 48};
    for (const u64 address : addresses) {
      for (unsigned level = 0; level < 4; ++level) {
        facts.interest.insert(address >> tree.shift(level) & mask(granule - 4, 0));
      }
    }
  }
  collect_offsets(facts);
  for (const u16 vmid : vmids) {
    facts.spaces.insert({World::el1, vmid});
    for (const u16 asid : asids) facts.tags.insert({World::el1, vmid, asid});
  }
  facts.spaces.insert({World::el2, 0});
  facts.spaces.insert({World::el2_e2h, 0});
  facts.tags.insert({World::el2, 0, 0});
  for (const u16 asid : asids) facts.tags.insert({World::el2_e2h, 0, asid});
  return facts;
}

}  // namespace iommucheck::litmus::twin
