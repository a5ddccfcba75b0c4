// SPDX-License-Identifier: MIT
#include "litmus/twin/facts.h"

#include <functional>

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

void collect_objects(const Test& test, Facts& facts, std::set<u16>& asids, std::set<u16>& vmids) {
  std::set<u64> firsts;
  for_each_object(test, [&](const Object& object) {
    if (const auto* ste = std::get_if<SteLine>(&object)) {
      facts.sids.insert(ste->sid.value);
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
  for (const Access& access : test.accesses) {
    facts.vas.insert(access.va.value);
    facts.sids.insert(access.stream.sid.value);
    if (access.stream.ssid) facts.ssids.insert(access.stream.ssid->value);
  }
  for (const Step& step : test.run) {
    const auto* dma = std::get_if<DmaBeginStep>(&step.what);
    if (dma == nullptr) continue;
    facts.vas.insert(dma->va.value);
    facts.sids.insert(dma->stream.sid.value);
    if (dma->stream.ssid) facts.ssids.insert(dma->stream.ssid->value);
  }
  for (const u64 va : facts.vas) {
    for (unsigned level = 0; level < 4; ++level) {
      facts.interest.insert((va >> level_shift(level)) % 512);
    }
  }
  collect_offsets(facts);
  for (const u16 vmid : vmids) {
    facts.spaces.insert({World::el1, vmid});
    for (const u16 asid : asids) facts.tags.insert({World::el1, vmid, asid});
  }
  facts.spaces.insert({World::el2, 0});
  facts.tags.insert({World::el2, 0, 0});
  return facts;
}

namespace {

/// Bytes that a fetch of configuration reads at once.
u64 atom_bytes(const Test& test) {
  u64 bytes = 8;
  for (const InitLine& line : test.init) {
    if (const auto* atom = std::get_if<AtomLine>(&line.what)) bytes = atom->bytes.value;
  }
  return bytes;
}

bool is_set(const std::optional<Number>& field) { return field && field->value != 0; }

}  // namespace

std::string unsupported_in(const Test& test) {
  std::string what;
  const auto need = [&what](bool used, const char* name) {
    if (used && what.empty()) what = name;
  };
  bool tagged = false;
  for_each_object(test, [&](const Object& object) {
    if (const auto* ste = std::get_if<SteLine>(&object)) {
      need(ste->cfg == SteConfig::s2 || ste->cfg == SteConfig::nest, "stage 2");
      need(is_set(ste->cont), "STE.CONT");
    } else if (const auto* cd = std::get_if<CdLine>(&object)) {
      need(is_wide(cd->tg0) || is_wide(cd->tg1), "granules of 16 and 64 KiB");
      need(cd->epd1 && cd->epd1->value == 0, "the high half");
      need(is_set(cd->tbi1) || is_set(cd->e0pd1), "TBI and E0PD of the high half");
      tagged |= is_set(cd->tbi0);
    } else if (const auto* cont = std::get_if<ContLine>(&object)) {
      need(cont->group.n || cont->group.block, "groups of other than 16 pages");
    }
  });
  need(!test.loads.empty(), "what software reads of descriptors");
  for (const InitLine& line : test.init) {
    const auto* bit = std::get_if<BitLine>(&line.what);
    const bool on = bit != nullptr && bit->value.value != 0;
    need(on && bit->which == Bit::e2h, "CR2.E2H");
    need(tagged && std::holds_alternative<AtsLine>(line.what), "tagged addresses by ATS");
  }
  for (const Step& step : test.run) {
    const auto* dma = std::get_if<DmaBeginStep>(&step.what);
    need(dma != nullptr && dma->ats, "DMAs that take time by ATS");
    const auto* store = std::get_if<StoreStep>(&step.what);
    need(store != nullptr && store->wide && atom_bytes(test) == 16, "stores of 16 bytes");
    const auto* fill = std::get_if<FillContStep>(&step.what);
    need(fill != nullptr && (fill->group.n || fill->group.block), "groups of other than 16 pages");
    const auto* field = std::get_if<RegBitStep>(&step.what);
    need(field != nullptr && field->which == Bit::e2h, "CR2.E2H");
  }
  return what;
}

}  // namespace iommucheck::litmus::twin
