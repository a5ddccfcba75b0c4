// SPDX-License-Identifier: MIT
#include "conform/cases/stage2_tables.h"

#include <algorithm>

namespace iommucheck::oracle {

using spec::Granule;

Stage2Shape plain_shape(const spec::Capabilities& caps) {
  const unsigned t0sz = std::max(25U, 64 - ias_lg2(caps));
  return {Granule::g4k, 1, 1, std::min(t0sz, 33U)};
}

bool start_is_open(const Stage2Shape& shape, unsigned oas_lg2) {
  switch (shape.granule) {
    case Granule::g4k: return shape.start == 0 && oas_lg2 < 44;
    case Granule::g16k: return shape.start == 1 && oas_lg2 < 42;
    case Granule::g64k: return shape.start == 1 && oas_lg2 < 44;
  }
  return true;
}

// ---- its tables ---------------------------------------------------------------------------------

Stage2Tables::Stage2Tables(CaseBuilder& b, const Stage2Shape& shape, unsigned vmid)
    : b_(&b), shape_(shape), vmid_(vmid) {
  root_ = b.tables(start_bytes(), std::max<u64>(start_bytes(), 64));
}

u64 Stage2Tables::start_bytes() const {
  return 8 * pow2(static_cast<unsigned>(
                 spec::start_entries_lg2<u64>(shape_.granule, shape_.start, shape_.t0sz)));
}

u64 Stage2Tables::entry(u64 ipa, unsigned level) {
  return b_->entry_from(shape_.start, root_, shape_.granule, shape_.t0sz, ipa, level);
}

void Stage2Tables::map(u64 ipa, u64 pa, u64 bits, unsigned level) {
  const u64 output = pa & mask(47, level_shift(shape_.granule, level));
  b_->store(entry(ipa, level), output | bits | (level == spec::last_level ? 3 : 1));
}

spec::Stage2SteFields Stage2Tables::fields() const {
  return {.s2ttb = root_,
          .s2t0sz = shape_.t0sz,
          .s2sl0 = shape_.sl0,
          .s2tg = static_cast<unsigned>(tg0_of(shape_.granule)),
          .s2ps = static_cast<unsigned>(spec::address_size_encoding(b_->capabilities().oas_lg2)),
          .s2vmid = vmid_,
          .s2s = b_->always_stalls()};
}

// ---- a guest ------------------------------------------------------------------------------------

GuestTables::GuestTables(CaseBuilder& builder, unsigned vmid, u64 data, unsigned asid)
    : b(builder), stage2(b, plain_shape(b.capabilities()), vmid) {
  cd_pa = b.memory(4096);
  for (u64& table : table_pa) table = b.tables(4096);
  stage2.map(cd_ipa, cd_pa);
  for (unsigned i = 0; i < levels; ++i) stage2.map(table_ipa(i), table_pa[i]);
  stage2.map(data_ipa, b.data(data));
  stage2.map(data_ipa + 0x1000, b.data(data + 0x1000));
  for (unsigned i = 0; i + 1 < levels; ++i) b.store(place(i, va), table_ipa(i + 1) | 3);
  leaf(va, data_ipa);
  LeafBits read_only;
  read_only.writable = false;
  leaf(va + 0x1000, data_ipa + 0x1000, read_only);
  cd = b.plain_cd(table_ipa(0), tsz, asid);
}

u64 GuestTables::place(unsigned i, u64 at) const {
  return table_pa[i] + 8 * spec::table_index<u64>(Granule::g4k, 1, 1 + i, tsz, at);
}

void GuestTables::leaf(u64 at, u64 ipa, const LeafBits& bits) {
  b.store(place(levels - 1, at), leaf_word(Granule::g4k, spec::last_level, ipa, bits));
}

spec::Ste<u64> GuestTables::ste() const {
  spec::Stage1SteFields fields;
  fields.s1contextptr = cd_ipa;
  return spec::with_stage2(spec::make_stage1_ste(fields), stage2.fields());
}

}  // namespace iommucheck::oracle
