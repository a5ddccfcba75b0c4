// SPDX-License-Identifier: MIT
// Each value of the fields of STEs and CDs, where stage 1 translates, stage 2 does, both do, and
// where nothing does: legal or not, with an effect on translations or with none. Values of one
// field are one case; between two of them SMMUEN is 0 and everything is invalidated. IHI 0070 5.2,
// 5.4.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/fields.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace each_value {
namespace {

using spec::Granule;

/// What may lie between a page and an access: the flag, the right to write, the privilege.
constexpr LeafBits leaves[] = {
    {}, {.writable = false}, {.af = false}, {.user = false}, {.af = false, .writable = false}};
constexpr u64 page = 0x1000;
/// Behind the leaves: not mapped; and what top-byte-ignore alone makes an address of theirs.
std::array<u64, 2> others(u64 first) { return {first + 0x8 * page, first | u64{0x5a} << 56}; }

/// A stream whose accesses go through its leaves.
struct Subject {
  CaseBuilder& b;
  spec::Ste<u64> ste;
  spec::Cd<u64> cd{};
  u64 cd_at = 0;  ///< 0: the engine's own, or none
  u64 first = page;

  void ask(bool in_short) {
    b.ste(0, ste);
    if (cd_at != 0) {
      b.cd_at(cd_at, cd);
    } else if (ste.stage1().value) {
      b.cd(0, cd);
    }
    b.enable();
    if (in_short) {
      b.both(first);
    } else {
      ask_each_leaf();
    }
    for (const u64 at : others(first)) {
      if (b.device().iova_end == 0 || at < b.device().iova_end) b.access(at);
    }
    b.poll();
    b.disable();
    b.invalidate_all();
  }

 private:
  void ask_each_leaf() {
    for (u64 i = 0; i < std::size(leaves); ++i) {
      const u64 at = first + i * page;
      if (i == 0 || !leaves[i].user) {
        b.all_accesses(at);
      } else {
        b.access(at, true);
        b.access(at);
      }
    }
  }
};

Subject stage1_alone(CaseBuilder& b) {
  const u64 root = b.root(Granule::g4k, 25);
  for (u64 i = 0; i < std::size(leaves); ++i) b.map(root, page * (1 + i), b.data(), 3, leaves[i]);
  return {.b = b, .ste = b.stage1_ste(0), .cd = b.plain_cd(root)};
}

/// S2R: what stage 2 refuses is recorded.
spec::Ste<u64> recorded(spec::Ste<u64> ste) {
  ste.dw[2] |= u64{1} << 58;
  return ste;
}

Subject stage2_alone(CaseBuilder& b) {
  Stage2Tables tables(b, plain_shape(b.capabilities()));
  for (u64 i = 0; i < std::size(leaves); ++i) {
    u64 bits = Stage2Tables::all;
    if (!leaves[i].af) bits &= ~Stage2Tables::af;
    if (!leaves[i].writable) bits &= ~Stage2Tables::may_write;
    tables.map(page * (1 + i), b.data(), bits);
  }
  return {.b = b, .ste = recorded(tables.alone())};
}

Subject both_stages(CaseBuilder& b) {
  GuestTables guest(b);
  for (u64 i = 0; i < std::size(leaves); ++i) {
    guest.leaf(GuestTables::va + page * i, GuestTables::data_ipa, leaves[i]);
  }
  return {.b = b,
          .ste = recorded(guest.ste()),
          .cd = guest.cd,
          .cd_at = guest.cd_pa,
          .first = GuestTables::va};
}

Subject bypass(CaseBuilder& b) {
  return {.b = b, .ste = spec::make_bypass_ste(), .first = b.data()};
}

struct Kind {
  const char* name;
  Subject (*make)(CaseBuilder&);
  bool stage1, stage2;
};
constexpr Kind kinds[] = {{"stage 1", stage1_alone, true, false},
                          {"stage 2", stage2_alone, false, true},
                          {"both stages", both_stages, true, true},
                          {"bypass", bypass, false, false}};

/// Where the tables are, how large, and how they are read: cases of their own go through those
/// where they count.
bool is_of_shapes(const Field& field, const Kind& kind) {
  const auto is_one = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, field.name) != names.end();
  };
  if (is_one({"Config", "S1CDMax", "S2VMID", "S2T0SZ", "T0SZ", "T1SZ", "TG0", "ASID", "ENDI"})) {
    return true;
  }
  return kind.stage2 && is_one({"S2SL0", "S2TG", "S2ENDI"});
}

/// What waits is answered in cases of its own.
bool may_wait(const Field& field, const Kind& kind, u64 value) {
  const std::string_view name = field.name;
  return value != 0 && (name == "S" || (name == "S2S" && kind.stage2));
}

/// Of those up to width_of_each_value; of wider ones none, all and each bit.
std::vector<u64> values_of(const Field& field) {
  std::vector<u64> values;
  const u64 end = pow2(field.width());
  for (u64 value = 0; value < end; ++value) {
    const bool one_bit = (value & (value - 1)) == 0;
    if (field.width() <= width_of_each_value || one_bit || value == end - 1)
      values.push_back(value);
  }
  return values;
}

template <class Word>
void values_case(const DeviceIdentity& device, std::vector<Case>& cases, const Kind& kind,
                 const char* structure, const Field& field, Word&& word) {
  CaseBuilder b(device, fmt::format("each value: {}.{}, {}", structure, field.name, kind.name));
  Subject subject = kind.make(b);
  const Subject plain = subject;
  for (const u64 value : values_of(field)) {
    if (may_wait(field, kind, value)) continue;
    subject.ste = plain.ste;
    subject.cd = plain.cd;
    u64& its = word(subject);
    its = with_bits(its, field.hi, field.lo, value);
    subject.ask(field.is_hint);
  }
  cases.push_back(b.take());
}

}  // namespace
}  // namespace each_value

void each_value_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  using namespace each_value;
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Kind& kind : kinds) {
    if ((kind.stage1 && !caps.s1p) || (kind.stage2 && !caps.s2p)) continue;
    for (const Field& field : fields_of_ste) {
      if (is_of_shapes(field, kind)) continue;
      values_case(device, cases, kind, "STE", field,
                  [&](Subject& s) -> u64& { return s.ste.dw[field.word]; });
    }
    if (!kind.stage1) continue;
    for (const Field& field : fields_of_cd) {
      if (is_of_shapes(field, kind)) continue;
      values_case(device, cases, kind, "CD", field,
                  [&](Subject& s) -> u64& { return s.cd.dw[field.word]; });
    }
  }
}

}  // namespace iommucheck::oracle
