// SPDX-License-Identifier: MIT
// Each bit of the place in a block is that of what it leads to: of blocks of each level and
// granule, of either stage; of accesses, and of answers of ATS. DDI 0487 D8.3; IHI 0070 3.9.1.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/arch/descriptor.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

constexpr unsigned blocks_tsz = 16;

struct Block {
  Granule granule = Granule::g4k;
  unsigned level = 2;
  [[nodiscard]] unsigned lg2() const { return spec::level_shift(granule, level); }
  [[nodiscard]] u64 address() const { return pow2(lg2()); }
  [[nodiscard]] u64 output(const CaseBuilder& b) const { return align_down(b.data(), lg2()); }
  [[nodiscard]] std::string text() const {
    return fmt::format("each bit of the place in a block at level {} of {} KiB", level,
                       pow2(spec::page_shift(granule)) / 1024);
  }
};

/// Accesses only read: the block leads to more than data.
void ask(CaseBuilder& b, const Block& block, bool by_ats) {
  const auto one = [&](u64 offset) {
    const u64 at = block.address() + offset;
    if (by_ats) {
      b.request(at);
    } else {
      b.access(at);
    }
  };
  for (unsigned bit = spec::page_shift(block.granule); bit < block.lg2(); ++bit) one(pow2(bit));
  one(pow2(block.lg2()) - 4);
  b.poll();
}

const char* way_of(bool by_ats) { return by_ats ? "ats: " : "walk: "; }

void stage1_case(const DeviceIdentity& device, std::vector<Case>& cases, const Block& block,
                 bool by_ats) {
  CaseBuilder b(device, way_of(by_ats) + block.text());
  const u64 root = b.root(block.granule, blocks_tsz);
  b.map(root, block.address(), block.output(b), block.level, {}, block.granule, blocks_tsz);
  spec::Cd<u64> cd = b.plain_cd(root, blocks_tsz);
  cd.dw[0] |= tg0_of(block.granule) << 6;
  b.cd(0, cd);
  spec::Ste<u64> ste = b.stage1_ste(0);
  if (by_ats) ste.dw[1] = with_bits(ste.dw[1], 29, 28, 1);
  b.ste(0, ste);
  b.enable();
  ask(b, block, by_ats);
  cases.push_back(b.take());
}

void stage2_case(const DeviceIdentity& device, std::vector<Case>& cases, const Block& block,
                 bool by_ats) {
  CaseBuilder b(device, way_of(by_ats) + block.text() + ", stage 2");
  const spec::Capabilities& caps = b.capabilities();
  Stage2Shape shape = plain_shape(caps);
  if (block.granule != Granule::g4k) {
    shape = {block.granule, 1, spec::stage2_start_level<u64>(block.granule, 1, caps.stt),
             std::max(31U, 64 - ias_lg2(caps))};
  }
  if (!spec::stage2_start_legal<u64>(shape.granule, shape.start, shape.t0sz) ||
      start_is_open(shape, caps.oas_lg2) || block.level < shape.start ||
      2 * block.address() > pow2(64 - shape.t0sz)) {
    return;
  }
  Stage2Tables tables(b, shape);
  tables.map(block.address(), block.output(b), Stage2Tables::all, block.level);
  spec::Ste<u64> ste = tables.alone();
  if (by_ats) ste.dw[1] = with_bits(ste.dw[1], 29, 28, 1);
  b.ste(0, ste);
  b.enable();
  ask(b, block, by_ats);
  cases.push_back(b.take());
}

}  // namespace

void block_offset_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    for (const unsigned level : {1U, 2U}) {
      const Block block{granule, level};
      if (!spec::block_allowed(granule, level, caps.oas_lg2 >= 52)) continue;
      if (device.iova_end != 0 && 2 * block.address() > device.iova_end) continue;
      for (const bool by_ats : {false, true}) {
        if (by_ats ? !(device.ats && caps.ats) : !device.every_pa) continue;
        if (caps.s1p) stage1_case(device, cases, block, by_ats);
        // With S2S = 1 EATS = 1 is not legal. IHI 0070 5.2 (EATS).
        const bool legal = !by_ats || caps.stall_model != spec::StallModel::always;
        if (caps.s2p && legal) stage2_case(device, cases, block, by_ats);
      }
    }
  }
}

}  // namespace iommucheck::oracle
