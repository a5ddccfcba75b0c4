// SPDX-License-Identifier: MIT
// Numbers of the architecture stand in spec/ and in impl/ and neither includes the other. Tables,
// descriptors, commands and structures: proofs/written_twice.cpp. Here: registers and their fields.
#include <gtest/gtest.h>

#include "impl/smmuv3/registers.h"
#include "spec/smmu/command.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/registers.h"
#include "tests/spec/random_words.h"

namespace iommucheck::written_twice_test {
namespace {

namespace i = impl::reg;
namespace s = spec::reg;

TEST(WrittenTwice, Offsets) {
  const std::pair<u64, u32> offsets[] = {{i::idr0, s::idr0},
                                         {i::idr1, s::idr1},
                                         {i::idr3, s::idr3},
                                         {i::idr5, s::idr5},
                                         {i::cr0, s::cr0},
                                         {i::cr0ack, s::cr0ack},
                                         {i::cr1, s::cr1},
                                         {i::cr2, s::cr2},
                                         {i::gbpa, s::gbpa},
                                         {i::irq_ctrl, s::irq_ctrl},
                                         {i::irq_ctrlack, s::irq_ctrlack},
                                         {i::gerror, s::gerror},
                                         {i::gerrorn, s::gerrorn},
                                         {i::strtab_base, s::strtab_base},
                                         {i::strtab_base_cfg, s::strtab_base_cfg},
                                         {i::cmdq_base, s::cmdq_base},
                                         {i::cmdq_prod, s::cmdq_prod},
                                         {i::cmdq_cons, s::cmdq_cons},
                                         {i::eventq_base, s::eventq_base},
                                         {i::eventq_prod, s::eventq_prod},
                                         {i::eventq_cons, s::eventq_cons}};
  for (const auto& [in_impl, in_spec] : offsets) {
    EXPECT_EQ(in_impl, in_spec);
    EXPECT_TRUE(spec::register_at(in_spec)) << in_spec;
  }
}

TEST(WrittenTwice, Fields) {
  EXPECT_EQ(i::cr0_smmuen, spec::cr0::smmuen);
  EXPECT_EQ(i::cr0_eventqen, spec::cr0::eventqen);
  EXPECT_EQ(i::cr0_cmdqen, spec::cr0::cmdqen);
  EXPECT_EQ(i::cr0_atschk, spec::cr0::atschk);
  EXPECT_EQ(i::cr1_cached & ~spec::cr1::defined, 0u);
  EXPECT_EQ(i::cr2_recinvsid, spec::cr2::recinvsid);
  EXPECT_EQ(i::cr2_ptm, spec::cr2::ptm);
  EXPECT_EQ(i::gbpa_abort, spec::gbpa::abort);
  EXPECT_EQ(i::gbpa_update, spec::gbpa::update);
  EXPECT_EQ(i::irq_gerror, spec::irq_ctrl::gerror_irqen);
  EXPECT_EQ(i::irq_eventq, spec::irq_ctrl::eventq_irqen);
  EXPECT_EQ(i::gerror_cmdq_err, spec::gerror::cmdq_err);
  EXPECT_EQ(i::queue_overflow, spec::queue_overflow_flag);
  EXPECT_EQ(i::error_ill, static_cast<u32>(spec::CommandError::ill));
  EXPECT_EQ(i::cons_index_mask, (u32{1} << spec::queue_index_bits) - 1);
}

RC_GTEST_PROP(WrittenTwice, ErrorOfCons, ()) {
  const u32 cons = static_cast<u32>(any_word());
  RC_ASSERT(((cons >> i::cons_error_lsb) & i::cons_error_mask) == spec::cmdq_cons_err(cons));
}

RC_GTEST_PROP(WrittenTwice, IdRegisters, ()) {
  spec::IdRegisters id;
  for (u32& word : id.idr) word = static_cast<u32>(any_word());
  const impl::Features f = impl::read_features(id.idr[0], id.idr[1], id.idr[3], id.idr[5]);
  const spec::Capabilities c = spec::parse_capabilities(id);
  RC_ASSERT(f.stage1 == c.s1p);
  RC_ASSERT(f.stage2 == c.s2p);
  RC_ASSERT(f.aarch64_tables == c.aarch64);
  RC_ASSERT(f.coherent == c.cohacc);
  RC_ASSERT(f.hypervisor == c.hyp);
  RC_ASSERT((f.asid_bits == 16) == c.asid16);
  RC_ASSERT(f.little_endian == (c.ttendian != 3));
  RC_ASSERT(f.two_level_stream_table == c.two_level_stream_table);
  RC_ASSERT(f.range_invalidation == c.ril);
  RC_ASSERT(f.page == (c.gran4k ? 12 : c.gran16k ? 14 : c.gran64k ? 16 : 0));
  RC_ASSERT(f.ats == c.ats);
  RC_ASSERT(f.two_level_cd_table == c.cd2l);
  RC_ASSERT(f.ssid_bits == c.ssidsize);
  // Sizes: the specification bounds what is out of range, the driver refuses or caps it itself.
  RC_ASSERT(f.stream_id_bits == c.sidsize || f.stream_id_bits > 32);
  RC_ASSERT(f.cmdq_lg2_max == c.cmdqs || f.cmdq_lg2_max > 19);
  RC_ASSERT(f.eventq_lg2_max == c.eventqs || f.eventq_lg2_max > 19);
  RC_ASSERT(f.output_bits == c.oas_lg2 || (f.output_bits == 48 && c.oas_lg2 > 48));
}

}  // namespace
}  // namespace iommucheck::written_twice_test
