// SPDX-License-Identifier: MIT
// Spaces of stage 2: words 2 and 3 of an STE name the table (S2VMID, S2T0SZ, S2SL0; S2TTB), and
// there is nothing else. IHI 0070 5.2.
#include "impl/smmuv3/invalidation.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

void Tables::name_table(SmmuTable& table, const Space& space) const {
  table.word2 = ste::stage2_word2<u64>(space.tag.outer, space.input_bits, features_.page,
                                       features_.output_size, features_.dirty_state);
  table.word3 = space.table_pa;
}

int Smmu::open_outer(u32 input_bits, Space** space, Table** table) {
  if (!features_.stage2) return -IOMMUCHECK_EOPNOTSUPP;
  // Intermediate addresses are no wider than physical ones (IHI 0070 3.4: no AArch32 tables).
  const u32 bits = input_bits != 0 ? input_bits : features_.output_bits;
  if (bits < input_bits_min || bits > features_.output_bits) return -IOMMUCHECK_EINVAL;
  SmmuTable* made = tables_.open_stage2();
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  if (int error = spaces_.open_tagged(bits, true, space)) {
    tables_.close_table(*made);
    return error;
  }
  tables_.name_table(*made, **space);
  *table = made;
  return 0;
}

void Smmu::drop_stage2(const Gather& gather, u64 vmid) {
  emit_stage2_invalidation(gather, vmid, features_.range_invalidation, features_.page,
                           [&](Command command) { add(command); });
}

}  // namespace iommucheck::impl
