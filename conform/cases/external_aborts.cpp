// SPDX-License-Identifier: MIT
// Fetches that end in an external abort: of an STE, a CD, their first level, a descriptor at each
// level of each stage. IHI 0070 7.3.4, 7.3.10, 7.3.12.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Granule;

constexpr u64 aborting_page = 0x1000;

/// A case whose first stream is to be broken: the second one has tables and stays as it is.
struct Two {
  CaseBuilder b;
  u64 root = 0;
  Two(const DeviceIdentity& device, const std::string& name, const CaseOptions& options = {})
      : b(device, "external abort: " + name, options) {}
  void good_neighbour() {
    const u64 own = b.root(Granule::g4k, 25);
    b.map(own, aborting_page, b.data(0x1000));
    b.cd(1, b.plain_cd(own, 25, 2));
    b.ste(1, b.stage1_ste(1));
  }
  /// `substreams`: what the first stream sends as well.
  Case ask(std::initializer_list<u32> substreams = {}) {
    b.enable();
    for (const u32 substream : substreams) {
      b.access(aborting_page, false, 0, {.substream = substream});
    }
    for (const unsigned engine : {0U, 1U, 0U}) b.both(aborting_page, engine);
    // By another entry of a first level, where there is one.
    b.both(aborting_page, static_cast<unsigned>(b.device().sids.size()) - 1);
    b.poll();
    return b.take();
  }
};

void ste_abort_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  Two linear(device, "the STE");
  linear.b.write(reg::strtab_base, device.absent_pa, 8);
  cases.push_back(linear.ask());
  if (!spec::parse_capabilities(device.id).two_level_stream_table) return;
  const CaseOptions two_level{.log2size = 10, .two_level = true, .split = 6};
  Two first(device, "the L1STD", two_level);
  first.b.write(reg::strtab_base, device.absent_pa, 8);
  cases.push_back(first.ask());
  Two second(device, "the STE, of two levels", two_level);
  second.b.store(device.structures_pa, device.absent_pa | 7);
  cases.push_back(second.ask());
}

void cd_abort_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const auto one = [&](const char* name, u64 pointer, unsigned max, unsigned format,
                       std::initializer_list<u32> substreams = {}) {
    Two two(device, name);
    two.good_neighbour();
    spec::Stage1SteFields fields;
    fields.s1contextptr = pointer;
    fields.s1cdmax = max;
    fields.s1fmt = format;
    fields.s1dss = max == 0 ? 0 : 2;
    two.b.ste(0, spec::make_stage1_ste(fields));
    cases.push_back(device.sends_substreams ? two.ask(substreams) : two.ask());
  };
  one("the CD", device.absent_pa + 0x40, 0, 0);
  if (caps.ssidsize < 2) return;
  one("the CD of a table", device.absent_pa + 0x400, 2, 0, {3});
  // Each L1CD has 64 CDs, or 1,024: the fetch that aborts is that of the SubstreamID.
  if (caps.cd2l && caps.ssidsize > 6) {
    one("the L1CD", device.absent_pa + 0x1000, 7, 1, {1, 65});
  }
  if (caps.cd2l && caps.ssidsize > 10) {
    one("the L1CD, of 64 KiB", device.absent_pa + 0x1000, 11, 2, {1, 1025});
  }
}

void descriptor_cases_of(const DeviceIdentity& device, std::vector<Case>& cases, bool record) {
  for (unsigned level = 0; level < 4; ++level) {
    Two two(device, fmt::format("the descriptor of level {}{}", level, record ? "" : ", CD.R = 0"));
    two.good_neighbour();
    constexpr unsigned tsz = 16;
    u64 root = device.absent_pa + 0x2000;
    if (level != 0) {
      root = two.b.root(Granule::g4k, tsz);
      two.b.store(two.b.entry(root, Granule::g4k, tsz, aborting_page, level - 1),
                  (device.absent_pa + 0x3000) | 3);
    }
    spec::Cd<u64> cd = two.b.plain_cd(root, tsz);
    if (!record) cd.dw[0] &= ~(u64{1} << 45);  // it decides of translation faults alone
    two.b.cd(0, cd);
    two.b.ste(0, two.b.stage1_ste(0));
    cases.push_back(two.ask());
  }
}

/// Each level of a walk of stage 2 alone; the first descriptor is where the STE has the table.
void stage2_abort_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p) return;
  const Stage2Shape shape = plain_shape(caps);
  for (unsigned level = shape.start; level <= spec::last_level; ++level) {
    Two two(device, fmt::format("the descriptor of stage 2 at level {}", level));
    Stage2Tables tables(two.b, shape);
    spec::Stage2SteFields fields = tables.fields();
    const u64 bytes = level == shape.start ? tables.start_bytes() : tables.page();
    const u64 place = (device.absent_pa + bytes - 1) & ~(bytes - 1);
    if (place - device.absent_pa >= device.absent_bytes) continue;
    if (level == shape.start) {
      fields.s2ttb = place;
    } else {
      two.b.store(tables.entry(aborting_page, level - 1), place | 3);
    }
    two.b.ste(0, spec::with_stage2(spec::make_bypass_ste(), fields));
    cases.push_back(two.ask());
  }
}

}  // namespace

void external_abort_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.absent_bytes == 0) return;
  ste_abort_cases(device, cases);
  cd_abort_cases(device, cases);
  for (const bool record : {true, false}) descriptor_cases_of(device, cases, record);
  stage2_abort_cases(device, cases);
}

}  // namespace iommucheck::oracle
