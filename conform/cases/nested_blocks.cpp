// SPDX-License-Identifier: MIT
// A block of stage 1 over a block of stage 2: whatever part of both is cached goes by a command of
// any address in the smaller one. IHI 0070 4.4.2, 4.4.3.1.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;

constexpr u16 blocks_vmid = 6, blocks_asid = 9;

/// The levels of both blocks.
struct Levels {
  unsigned one, two;
};
constexpr Levels all_levels[] = {{2, 2}, {2, 1}, {1, 2}};

/// Data by both blocks: two pages of it that are used, and an address elsewhere in
/// the smaller one.
class Blocks {
 public:
  Blocks(const DeviceIdentity& device, const std::string& name, const Levels& levels)
      : b(device, name), guest(b, blocks_vmid, 0, blocks_asid), levels_(levels) {
    guest.stage2.map(ipa(0), b.data(), Stage2Tables::all, levels.two);
    b.store(place(), leaf_word(Granule::g4k, levels.one, align_down(ipa(0), lg2(levels.one)), {}));
  }
  [[nodiscard]] u64 va(u64 offset) const {
    // Of level 2 below the first descriptor of level 1, as what GuestTables has; of level 1 behind.
    const u64 base = levels_.one == 2 ? u64{3} << 21 : u64{1} << 30;
    return (base + (b.data() & mask(lg2(levels_.one) - 1, 0))) ^ offset;
  }
  [[nodiscard]] u64 ipa(u64 offset) const {
    return ((u64{1} << 30) + (b.data() & mask(29, 0))) ^ offset;
  }
  /// Of stage 1's descriptor, and of stage 2's.
  [[nodiscard]] u64 place() const { return guest.place(levels_.one - 1, va(0)); }
  u64 place_of_stage2() { return guest.stage2.entry(ipa(0), levels_.two); }

  CaseBuilder b;
  GuestTables guest;

 private:
  static unsigned lg2(unsigned level) { return spec::level_shift(Granule::g4k, level); }
  Levels levels_;
};

constexpr u64 used_offsets[] = {0x1000, 0x5000}, elsewhere_offset = 0x130000;

struct BlocksWay {
  std::string name;
  bool of_stage2 = false;  ///< it is stage 2's block that goes
  std::vector<Command> commands;
};

std::vector<BlocksWay> ways_of_blocks(const spec::Capabilities& caps, const Blocks& blocks,
                                      const Levels& levels) {
  const u64 va = blocks.va(elsewhere_offset), ipa = blocks.ipa(elsewhere_offset);
  std::vector<BlocksWay> all;
  for (const bool leaf : {false, true}) {
    const char* const only_leaf = leaf ? ", Leaf = 1" : "";
    all.push_back({fmt::format("TLBI_NH_VA{}", only_leaf),
                   false,
                   {spec::cmd_tlbi_nh_va(blocks_vmid, blocks_asid, va, leaf)}});
    all.push_back({fmt::format("TLBI_NH_VAA{}", only_leaf),
                   false,
                   {spec::cmd_tlbi_nh_vaa(blocks_vmid, va, leaf)}});
    all.push_back(
        {fmt::format("TLBI_S2_IPA{}, TLBI_NH_VAA", only_leaf),
         true,
         {spec::cmd_tlbi_s2_ipa(blocks_vmid, ipa, leaf), spec::cmd_tlbi_nh_vaa(blocks_vmid, va)}});
  }
  if (!caps.ril) return all;
  Command range = spec::cmd_tlbi_nh_va(blocks_vmid, blocks_asid, va);
  range.tg = 1;
  range.num = 1;
  all.push_back({"TLBI_NH_VA, 2 granules", false, {range}});
  if (levels.one < levels.two) return all;  // it would begin outside of the smaller one
  range.num = 0;
  range.ttl = levels.one;
  range.address = align_down(va, spec::level_shift(Granule::g4k, levels.one));
  all.push_back({fmt::format("TLBI_NH_VA, TTL = {}", levels.one), false, {range}});
  return all;
}

void elsewhere_case(const DeviceIdentity& device, std::vector<Case>& cases, const Levels& levels,
                    const std::string& name, std::size_t which) {
  Blocks blocks(device, name, levels);
  CaseBuilder& b = blocks.b;
  const BlocksWay way = ways_of_blocks(b.capabilities(), blocks, levels)[which];
  b.cd_at(blocks.guest.cd_pa, blocks.guest.cd);
  b.ste(0, blocks.guest.ste());
  b.enable();
  for (const u64 offset : used_offsets) b.both(blocks.va(offset));
  b.store(way.of_stage2 ? blocks.place_of_stage2() : blocks.place(), 0);
  for (const Command& command : way.commands) {
    b.command(command);
    b.sync();
  }
  for (const u64 offset : used_offsets) b.both(blocks.va(offset));
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void nested_block_part_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s1p || !caps.s2p || !caps.gran4k) return;
  for (const Levels& levels : all_levels) {
    const std::vector<BlocksWay> ways = ways_of_blocks(caps, Blocks(device, "", levels), levels);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      elsewhere_case(
          device, cases, levels,
          fmt::format("blocks of both stages: level {} over level {}, elsewhere in the "
                      "smaller one, {}{}",
                      levels.one, levels.two, ways[i].of_stage2 ? "stage 2, " : "", ways[i].name),
          i);
    }
  }
}

}  // namespace iommucheck::oracle
