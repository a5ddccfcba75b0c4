// SPDX-License-Identifier: MIT
// A table of stage 2 gives way to another one: at each level, those of the start level that are
// concatenated as well, of each granule; alone, and below stage 1. What a walk cache has of it goes
// by each command that covers it. IHI 0070 4.4.1.1 (TTL, Leaf), 4.4.3; DDI 0487 D8.2.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;

constexpr u16 changed_vmid = 5;
constexpr unsigned changed_guest_tsz = 25;

struct TableWay {
  std::string name;
  std::vector<Command> commands;  ///< each is synchronised
};

// ---- shapes -------------------------------------------------------------------------------------

/// By the start levels that have tables below them: with a few descriptors, with two tables, and
/// with as many as there may be where they are small.
std::vector<Stage2Shape> shapes_of(const spec::Capabilities& caps, Granule granule) {
  const unsigned lowest = std::max(16U, 64 - ias_lg2(caps));
  std::vector<Stage2Shape> all;
  for (unsigned sl0 = 0; sl0 < 3; ++sl0) {
    const unsigned start = spec::stage2_start_level<u64>(granule, sl0, caps.stt);
    if (start >= spec::last_level) continue;
    constexpr unsigned few_lg2 = 2, most_lg2 = 4;
    const unsigned one_table = spec::bits_per_level(granule);
    std::vector<unsigned> entries_lg2{few_lg2, one_table + 1};
    if (granule == Granule::g4k) entries_lg2.push_back(one_table + most_lg2);
    for (const unsigned lg2 : entries_lg2) {
      const unsigned input_lg2 = spec::level_shift(granule, start) + lg2;
      const Stage2Shape shape{granule, sl0, start, 64 - std::min(input_lg2, 64U)};
      const bool legal = shape.t0sz >= lowest && shape.t0sz <= spec::tsz_max(granule, caps.stt) &&
                         spec::stage2_start_legal<u64>(granule, start, shape.t0sz);
      if (legal && !start_is_open(shape, caps.oas_lg2)) all.push_back(shape);
    }
  }
  return all;
}

std::string text_of(const Stage2Shape& shape, unsigned level) {
  return fmt::format("level {}, S2SL0 {}, S2T0SZ {}, {} KiB", level, shape.sl0, shape.t0sz,
                     pow2(spec::page_shift(shape.granule)) / 1024);
}

/// Two pages, and what they lead to before and after: the first two pages of data, and the next
/// ones. They are below the last descriptor of the start level, which is one of the last table
/// where several are concatenated; or below the first, where engines do not reach so far.
class ChangedPages {
 public:
  ChangedPages(const Stage2Shape& shape, u64 reachable)
      : page_(pow2(spec::page_shift(shape.granule))),
        base_(pow2(64 - shape.t0sz) - pow2(spec::level_shift(shape.granule, shape.start))) {
    if (reachable != 0 && at(1) + page_ > reachable) base_ = 0;
  }
  [[nodiscard]] u64 at(u64 i) const { return base_ + page_ * (1 + i); }
  [[nodiscard]] u64 base() const { return base_; }
  void map(Stage2Tables& tables, const CaseBuilder& b, bool after) const {
    for (const u64 i : {0U, 1U}) tables.map(at(i), b.data(page_ * (i + (after ? 2 : 0))));
  }

 private:
  u64 page_, base_;
};

// ---- commands -----------------------------------------------------------------------------------

std::vector<TableWay> ways_alone(const spec::Capabilities& caps, const Stage2Shape& shape,
                                 const ChangedPages& pages) {
  std::vector<TableWay> all = {
      {"TLBI_NSNH_ALL", {spec::cmd_tlbi_nsnh_all()}},
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(changed_vmid)}},
      {"TLBI_S2_IPA of each page",
       {spec::cmd_tlbi_s2_ipa(changed_vmid, pages.at(0), false),
        spec::cmd_tlbi_s2_ipa(changed_vmid, pages.at(1), false)}},
  };
  if (!caps.ril) return all;
  for (const u64 ttl : {u64{0}, u64{spec::last_level}}) {
    Command range = spec::cmd_tlbi_s2_ipa(changed_vmid, pages.at(0), false);
    range.tg = static_cast<u64>(shape.granule) + 1;
    range.num = 1;
    range.ttl = ttl;
    all.push_back({fmt::format("TLBI_S2_IPA of both, TTL = {}", ttl), {range}});
  }
  return all;
}

/// What has to do with both stages goes by a command of stage 1. IHI 0070 4.4.3.1.
std::vector<TableWay> ways_below_stage1(const ChangedPages& pages) {
  return {
      {"TLBI_NSNH_ALL", {spec::cmd_tlbi_nsnh_all()}},
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(changed_vmid)}},
      {"TLBI_S2_IPA of each page, TLBI_NH_ALL",
       {spec::cmd_tlbi_s2_ipa(changed_vmid, pages.at(0), false),
        spec::cmd_tlbi_s2_ipa(changed_vmid, pages.at(1), false),
        spec::cmd_tlbi_nh_all(changed_vmid)}},
  };
}

// ---- cases --------------------------------------------------------------------------------------

/// The descriptor at `level` goes, and is then that of other tables: of `after`, which says the
/// same but for where the pages lead. Addresses `used` are what leads to the pages.
void change(CaseBuilder& b, Stage2Tables& tables, Stage2Tables& after, const ChangedPages& pages,
            unsigned level, const TableWay& way, const std::array<u64, 2>& used) {
  const u64 place = tables.entry(pages.at(0), level);
  const u64 next = b.word(after.entry(pages.at(0), level));
  b.enable();
  for (const u64 va : used) b.access(va);
  b.store(place, 0);
  for (const Command& command : way.commands) {
    b.command(command);
    b.sync();
  }
  for (const u64 va : used) b.access(va);
  b.poll();
  b.store(place, next);
  for (const u64 va : used) b.both(va);
  b.poll();
}

void alone_case(const DeviceIdentity& device, std::vector<Case>& cases, const Stage2Shape& shape,
                unsigned level, const ChangedPages& pages, const TableWay& way) {
  CaseBuilder b(device,
                fmt::format("another table of stage 2: {}, {}", text_of(shape, level), way.name));
  Stage2Tables tables(b, shape, changed_vmid), after(b, shape, changed_vmid);
  pages.map(tables, b, false);
  pages.map(after, b, true);
  b.ste(0, tables.alone());
  change(b, tables, after, pages, level, way, {pages.at(0), pages.at(1)});
  cases.push_back(b.take());
}

/// What leads to the pages of stage 1 lies where it is, below another descriptor of the start
/// level: that stays, and what an access meets is determined.
void below_stage1_case(const DeviceIdentity& device, std::vector<Case>& cases,
                       const Stage2Shape& shape, unsigned level, const TableWay& way) {
  const Granule granule = shape.granule;
  const ChangedPages pages(shape, 0);
  const u64 page = pow2(spec::page_shift(granule)), block = pow2(spec::level_shift(granule, 2));
  const u64 first = align_down(device.structures_pa, spec::level_shift(granule, 2));
  const u64 end = device.structures_pa + device.structures_bytes;
  if (end > pages.base()) return;
  CaseBuilder b(device, fmt::format("another table of stage 2, below stage 1: {}, {}",
                                    text_of(shape, level), way.name));
  Stage2Tables tables(b, shape, changed_vmid), after(b, shape, changed_vmid);
  for (u64 at = first; at < end; at += block) tables.map(at, at, Stage2Tables::all, 2);
  pages.map(tables, b, false);
  pages.map(after, b, true);
  const u64 root = b.root(granule, changed_guest_tsz);
  for (const u64 i : {0U, 1U}) {
    b.map(root, page * (1 + i), pages.at(i), spec::last_level, {}, granule, changed_guest_tsz);
  }
  spec::Cd<u64> cd = b.plain_cd(root, changed_guest_tsz);
  cd.dw[0] |= tg0_of(granule) << 6;
  b.cd(0, cd);
  b.ste(0, spec::with_stage2(b.stage1_ste(0), tables.fields()));
  change(b, tables, after, pages, level, way, {page, 2 * page});
  cases.push_back(b.take());
}

}  // namespace

void stage2_table_change_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p) return;
  for (const Granule granule : granules_of(caps)) {
    for (const Stage2Shape& shape : shapes_of(caps, granule)) {
      const ChangedPages pages(shape, device.iova_end);
      for (unsigned level = shape.start; level < spec::last_level; ++level) {
        for (const TableWay& way : ways_alone(caps, shape, pages)) {
          alone_case(device, cases, shape, level, pages, way);
        }
      }
    }
    if (!caps.s1p) continue;
    for (const Stage2Shape& shape : shapes_of(caps, granule)) {
      for (unsigned level = shape.start; level < spec::last_level; ++level) {
        for (const TableWay& way : ways_below_stage1(ChangedPages(shape, 0))) {
          below_stage1_case(device, cases, shape, level, way);
        }
      }
    }
  }
}

}  // namespace iommucheck::oracle
