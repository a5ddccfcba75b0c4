// SPDX-License-Identifier: MIT
// Contiguous groups: whichever member fills, each of them leads where its own descriptor says. Of
// each granule, of pages and of blocks, of both stages. DDI 0487 D8.3.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/arch/descriptor.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

u64 page_kib(Granule granule) { return pow2(page_shift(granule)) / 1024; }

/// Which member is used first; the others are used behind it.
enum class First : u8 { lowest, middle, last };
constexpr const char* first_names[] = {"the first", "one in the middle", "the last"};

u64 number_of(First first, u64 members) {
  return first == First::lowest ? 0 : first == First::middle ? members / 2 + 1 : members - 1;
}

/// Members that are asked: the first ones, those beside a power of two, the last.
std::vector<u64> asked_of(First first, u64 members) {
  std::vector<u64> asked{number_of(first, members)};
  for (const u64 one : {u64{0}, u64{1}, u64{3}, members / 2 - 1, members / 2, members - 1}) {
    if (std::ranges::find(asked, one) == asked.end()) asked.push_back(one);
  }
  return asked;
}

struct Group {
  Granule granule = Granule::g4k;
  unsigned level = spec::last_level;
  [[nodiscard]] u64 members() const { return pow2(spec::contiguous_lg2(granule, level)); }
  [[nodiscard]] u64 size() const { return pow2(level_shift(granule, level)); }
  [[nodiscard]] u64 bytes() const { return members() * size(); }
  /// Where it leads: data where the group fits in, else around it.
  [[nodiscard]] u64 output(const CaseBuilder& b) const { return b.data() & ~(bytes() - 1); }
  [[nodiscard]] std::string text() const {
    return fmt::format("{} {} of {} KiB", members(), level == spec::last_level ? "pages" : "blocks",
                       page_kib(granule));
  }
};

void use(CaseBuilder& b, const Group& group, First first, u64 base) {
  const bool is_data = group.level == spec::last_level;
  for (const u64 member : asked_of(first, group.members())) {
    const u64 at = base + member * group.size() + 0x10;
    b.access(at);
    if (is_data) b.access(at + 4, true);
  }
  b.poll();
}

void stage1_case(const DeviceIdentity& device, std::vector<Case>& cases, const Group& group,
                 First first) {
  constexpr unsigned tsz = 25;
  CaseBuilder b(device, fmt::format("contiguous: {}, {} fills", group.text(),
                                    first_names[static_cast<u8>(first)]));
  const u64 root = b.root(group.granule, tsz);
  LeafBits leaf;
  leaf.extra = spec::descriptor_bits::contiguous;
  for (u64 i = 0; i < group.members(); ++i) {
    b.map(root, group.bytes() + i * group.size(), group.output(b) + i * group.size(), group.level,
          leaf, group.granule, tsz);
  }
  spec::Cd<u64> cd = b.plain_cd(root, tsz);
  cd.dw[0] |= tg0_of(group.granule) << 6;
  b.translate(0, cd);
  use(b, group, first, group.bytes());
  cases.push_back(b.take());
}

void stage2_case(const DeviceIdentity& device, std::vector<Case>& cases, const Group& group,
                 First first) {
  CaseBuilder b(device, fmt::format("contiguous: stage 2, {}, {} fills", group.text(),
                                    first_names[static_cast<u8>(first)]));
  const spec::Capabilities& caps = b.capabilities();
  const Stage2Shape shape{group.granule, 1,
                          spec::stage2_start_level<u64>(group.granule, 1, caps.stt), 31};
  if (ias_lg2(caps) < 33 || start_is_open(shape, caps.oas_lg2) ||
      !spec::stage2_start_legal<u64>(group.granule, shape.start, shape.t0sz) ||
      2 * group.bytes() > pow2(64 - shape.t0sz)) {
    return;
  }
  Stage2Tables tables(b, shape);
  for (u64 i = 0; i < group.members(); ++i) {
    tables.map(group.bytes() + i * group.size(), group.output(b) + i * group.size(),
               Stage2Tables::all | spec::descriptor_bits::contiguous, group.level);
  }
  b.ste(0, tables.alone());
  b.enable();
  use(b, group, first, group.bytes());
  cases.push_back(b.take());
}

/// What is filled of a group answers for nothing beside it, where nothing is mapped. The member
/// that is used leads to data, so that each device shows it, whatever the size of the others.
void ask_beside(CaseBuilder& b, const Group& group, u64 base) {
  const u64 place = b.data() & (group.bytes() - 1);
  b.access(base + place + 0x10);
  b.access(base + place + 0x14, true);
  // Four groups that a larger one would take together; what is next to this one is asked first.
  for (const u64 at : {base + group.bytes(), base - group.size(), base + 2 * group.bytes(),
                       base + 3 * group.bytes() - group.size(), base - group.bytes()}) {
    b.access(at + 0x10);
  }
  b.access(base + place + 0x18);
  b.poll();
}

void stage1_beside_case(const DeviceIdentity& device, std::vector<Case>& cases, const Group& group,
                        bool upper) {
  constexpr unsigned tsz = 25;
  const u64 base = 5 * group.bytes();  // the second of four
  if (device.iova_end != 0 && (upper || 8 * group.bytes() > device.iova_end)) return;
  if (group.level < spec::start_level<u64>(group.granule, tsz)) return;
  CaseBuilder b(device, fmt::format("contiguous: beside {}, level {}{}", group.text(), group.level,
                                    upper ? ", by TTB1" : ""));
  const u64 root = b.root(group.granule, tsz);
  LeafBits leaf;
  leaf.extra = spec::descriptor_bits::contiguous;
  for (u64 i = 0; i < group.members(); ++i) {
    b.map(root, base + i * group.size(), group.output(b) + i * group.size(), group.level, leaf,
          group.granule, tsz);
  }
  spec::Cd<u64> cd = b.plain_cd(upper ? 0 : root, tsz);
  cd.dw[0] |= tg0_of(group.granule) << 6;
  if (upper) use_upper_half_alone(cd, root, tsz, group.granule);
  b.translate(0, cd);
  ask_beside(b, group, (upper ? ~mask(63 - tsz, 0) : 0) + base);
  cases.push_back(b.take());
}

void stage2_beside_case(const DeviceIdentity& device, std::vector<Case>& cases,
                        const Group& group) {
  CaseBuilder b(device,
                fmt::format("contiguous: stage 2, beside {}, level {}", group.text(), group.level));
  const spec::Capabilities& caps = b.capabilities();
  const unsigned t0sz = std::max(25U, 64 - ias_lg2(caps));
  Stage2Shape shape{group.granule, 0, 0, t0sz};
  for (shape.sl0 = 0; shape.sl0 < 3; ++shape.sl0) {
    shape.start = spec::stage2_start_level<u64>(group.granule, shape.sl0, caps.stt);
    if (spec::stage2_start_legal<u64>(group.granule, shape.start, t0sz)) break;
  }
  const u64 base = 5 * group.bytes();
  if (shape.sl0 == 3 || start_is_open(shape, caps.oas_lg2) || group.level < shape.start ||
      8 * group.bytes() > pow2(64 - t0sz) ||
      (device.iova_end != 0 && 8 * group.bytes() > device.iova_end)) {
    return;
  }
  Stage2Tables tables(b, shape);
  for (u64 i = 0; i < group.members(); ++i) {
    tables.map(base + i * group.size(), group.output(b) + i * group.size(),
               Stage2Tables::all | spec::descriptor_bits::contiguous, group.level);
  }
  b.ste(0, tables.alone());
  b.enable();
  ask_beside(b, group, base);
  cases.push_back(b.take());
}

void beside_cases(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const unsigned level : {spec::last_level, 2U, 1U}) {
    if (level == 1 && granule != Granule::g4k) continue;  // no blocks of 48-bit outputs
    const Group group{granule, level};
    for (const bool upper : {false, true}) {
      if (caps.s1p) stage1_beside_case(device, cases, group, upper);
    }
    if (caps.s2p) stage2_beside_case(device, cases, group);
  }
}

}  // namespace

void contiguous_group_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    beside_cases(device, cases, granule);
    for (const unsigned level : {spec::last_level, 2U}) {
      // Blocks lead out of data, which only a device shows that says where.
      if (level != spec::last_level && !device.every_pa) continue;
      const Group group{granule, level};
      for (const First first : {First::lowest, First::middle, First::last}) {
        if (caps.s1p) stage1_case(device, cases, group, first);
        if (caps.s2p) stage2_case(device, cases, group, first);
      }
    }
  }
}

}  // namespace iommucheck::oracle
