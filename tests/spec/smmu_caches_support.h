// SPDX-License-Identifier: MIT
// A small machine for tests of the cache engine: one linear stream table, CD tables, page tables
// of 4 KiB granule, T0SZ 25, so that the root has level 1.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "spec/smmu/caches.h"

namespace iommucheck::spec {

struct SmallMachine {
  static constexpr u64 strtab = 0x100000, cds = 0x200000, root = 0x300000, middle = 0x301000,
                       leaves = 0x302000, page = 0x800000;
  static constexpr u64 rw_leaf = 0x3 | u64{1} << 10 | u64{1} << 11 | u64{1} << 6;

  Caches caches;

  explicit SmallMachine(const Capabilities& caps, const Profile& profile = {})
      : caches(caps, profile) {
    for (const u64 base : {strtab, cds, root}) {
      for (u64 i = 0; i < 16; ++i) caches.memory().assume_zero(base + i * 4096);
    }
    put(root, middle | 3);
    put(middle, leaves | 3);
    put(leaves + 8, page | rw_leaf);
    put(leaves + 16, (page + 0x1000) | rw_leaf);
  }

  void put(u64 pa, u64 value) { caches.assume(pa, value); }
  template <class Structure>
  void put_structure(u64 pa, const Structure& structure) {
    for (std::size_t w = 0; w < structure.dw.size(); ++w) put(pa + 8 * w, structure.dw[w]);
  }
  void ste(u32 sid, const Ste<u64>& value) { put_structure(strtab + 64 * u64{sid}, value); }
  void cd(u32 number, const Cd<u64>& value) { put_structure(cds + 64 * u64{number}, value); }
  static Cd<u64> plain_cd(unsigned asid = 5) {
    return make_cd({.ttb0 = root, .asid = asid, .t0sz = 25});
  }

  void enable() {
    StreamTable table;
    table.base = strtab;
    table.log2size = table.sid_bits = 4;
    caches.set_stream_table(table);
    caches.write_smmuen(true);
    caches.acknowledge_smmuen();
  }

  void step() { caches.set_now(caches.now() + 1); }
  void store(u64 pa, u64 value) {
    step();
    caches.store(AgentId::cpu0, pa, value);
    caches.barrier(AgentId::cpu0);
  }
  /// The command and a CMD_SYNC that is seen complete.
  void run(const Command& command) {
    step();
    caches.expose(command, true);
    const Group group = caches.expose(cmd_sync(), true);
    step();
    caches.complete(group);
  }
  static Command atc_inv(u32 sid, u64 address, u64 size) {
    Command command;
    command.op = Opcode::atc_inv;
    command.sid = sid;
    command.address = address;
    command.size = size;
    return command;
  }
  static Command atc_inv(u32 sid, u32 pasid, u64 address, u64 size) {
    Command command = atc_inv(sid, address, size);
    command.ssv = true;
    command.ssid = pasid;
    return command;
  }

  std::vector<Outcome> outcomes(const Access& access) const {
    std::vector<Outcome> found;
    if (!caches.outcomes(access, [&](const Outcome& o) { found.push_back(o); })) found.clear();
    return found;
  }
  /// Names of what may happen, sorted: "0 denied" is page 0 of the pages, or a refusal.
  std::string text(const Access& access) const { return text_of(outcomes(access)); }
  static std::string text_of(const std::vector<Outcome>& outcomes) {
    std::set<std::string> names;
    for (const Outcome& o : outcomes) {
      switch (o.kind) {
        case OutcomeKind::translation: names.insert(std::to_string((o.pa - page) / 0x1000)); break;
        case OutcomeKind::bypass: names.insert("bypass"); break;
        case OutcomeKind::abort: names.insert("abort"); break;
        case OutcomeKind::any: names.insert("any"); break;
        case OutcomeKind::denied: names.insert("denied"); break;
        case OutcomeKind::within: names.insert("within"); break;
        case OutcomeKind::fault: names.emplace(event_name(o.event)); break;
      }
    }
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
    return out;
  }
};

}  // namespace iommucheck::spec
