// SPDX-License-Identifier: MIT
// What is compared with the promises, and what may be skipped because it was compared: a right
// driver, behind whose back one word of memory is changed.
#include <gtest/gtest.h>

#include <string>

#include "tests/monitor/monitored_driver_support.h"

#include "spec/rules/promises.h"

namespace iommucheck::oracle::promises_test {
namespace {

using spec::sva::CallKind;

constexpr u32 nobody = 5;  // a StreamID within the table, of no device

class Promises : public MonitoredDriver {};

TEST_F(Promises, WhatADriverMakesHolds) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  map(d, far_away, p2, rw | spec::sva::prot_privileged);
  EXPECT_EQ(word(leaf(d, page)) & 0xfffffffff000, p1);
  EXPECT_EQ(word(leaf(d, far_away)) & 0xfffffffff000, p2);
  holds();
  monitor.check_whole_space();
  EXPECT_TRUE(monitor.findings().empty());
}

// AP[1] makes what is for privileged accesses readable by all.
TEST_F(Promises, APrivilegedMappingIsNotForEverybody) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1, rw | spec::sva::prot_privileged);
  plant(leaf(d, page), word(leaf(d, page)) | 1 << 6);
  is_found("device 0) at 0x1000");
}

TEST_F(Promises, AMappingForEverybodyIsNotPrivilegedAndNotReadOnly) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  plant(leaf(d, page), word(leaf(d, page)) | 1 << 7);
  is_found("device 0) at 0x1000");
}

constexpr u64 uxn = u64{1} << 54;

TEST_F(Promises, WhatIsNotForExecutionIsNotExecuted) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  ASSERT_NE(word(leaf(d, page)) & uxn, 0U);
  plant(leaf(d, page), word(leaf(d, page)) & ~uxn);
  is_found("device 0) at 0x1000");
}

TEST_F(Promises, WhatIsForExecutionMayBeExecuted) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1, spec::sva::prot_read | spec::sva::prot_exec);
  ASSERT_EQ(word(leaf(d, page)) & uxn, 0U);
  plant(leaf(d, page), word(leaf(d, page)) | uxn);
  is_found("device 0) at 0x1000");
}

TEST_F(Promises, DeviceMemoryIsNotNormalMemory) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  map(d, far_away, p2, rw | spec::sva::prot_device);
  constexpr u64 attr_indx = mask(4, 2);
  const u64 normal = word(leaf(d, page));
  plant(leaf(d, page), (normal & ~attr_indx) | (word(leaf(d, far_away)) & attr_indx));
  ends();
  EXPECT_TRUE(tells("Device-nGnRE; promised: 0x100000000 rw, Normal write-back"));
}

/// Inner or outer shareable are both coherent; what is neither is not, and SH = 1 is reserved.
TEST_F(Promises, MemoryIsShareable) {
  constexpr u64 sh = mask(9, 8);
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  const u64 right = word(leaf(d, page));
  plant(leaf(d, page), (right & ~sh) | u64{2} << 8);
  holds();
  plant(leaf(d, page), right & ~sh);
  is_found("reach 0x100000000 rw, Normal write-back, non-shareable; promised");
}

TEST_F(Promises, ReservedShareabilityIsNone) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  plant(leaf(d, page), (word(leaf(d, page)) & ~mask(9, 8)) | u64{1} << 8);
  is_found("of reserved shareability");
}

/// Device memory is outer shareable whatever SH says.
TEST_F(Promises, ShareabilityOfDeviceMemoryDoesNotCount) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1, rw | spec::sva::prot_device);
  plant(leaf(d, page), word(leaf(d, page)) & ~mask(9, 8));
  holds();
}

TEST_F(Promises, AStreamThatIsTranslatedDoesNotBypass) {
  const u64 d = paging();
  attach(d, 1);
  map(d, 0, p1);
  plant(ste(2), 1 | 4 << 1);
  is_found("stream 0x2 (device 1) may pass untranslated");
}

/// A block and the pages that it is split into lead to the same place, and may not be alive at
/// once.
TEST_F(Promises, TranslationsThatAgreeMayBeInConflict) {
  constexpr u64 block = u64{1} << 21;
  const u64 d = paging();
  attach(d, 0);
  ok({.kind = CallKind::map, .domain = d, .iova = block, .pa = p1, .size = block, .prot = rw});
  const u64 place = descriptor(d, block, 21);
  const u64 leaf_of_block = word(place);
  ASSERT_EQ(leaf_of_block & 3, 1U);
  u64 pages = 0;
  ASSERT_NE(platform->table_alloc(platform->ctx, page, &pages), nullptr);
  for (u64 i = 0; i < 512; ++i) plant(pages + 8 * i, (leaf_of_block | 3) + page * i);
  monitor.barrier(AgentId::cpu0);
  plant(place, pages | 3);
  ends();
  EXPECT_TRUE(tells("at 0x200000 may do anything", spec::rule::CONFLICT_TLB));
}

TEST_F(Promises, ATableThatNobodyWroteIsNotWalked) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  const u64 nobodys = 0x80000000 + (u64{16} << 20) - page;  // of the window's end
  ASSERT_FALSE(monitor.caches().memory().newest(nobodys).value != 0);
  plant(table(d, page), nobodys | 3);
  ends();
  EXPECT_TRUE(tells("device 0) at 0x0", spec::rule::WILD_WALK));
}

/// What stood there for a moment only: it is looked at where the moment ends, not after the call.
TEST_F(Promises, AWrongLeafThatIsTakenBackIsFound) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  const u64 right = word(leaf(d, page));
  plant(leaf(d, page), right + page);
  monitor.barrier(AgentId::cpu0);
  monitor.mmio_write(AgentId::cpu0, spec::reg::gerrorn, 4, 0, true);
  EXPECT_TRUE(tells("device 0) at 0x1000"));
}

// That one part of a space was compared says nothing of another part.
TEST_F(Promises, TwoPartsOfASpaceInOneWindow) {
  for (const bool turned : {false, true}) {
    const u64 d = paging();
    attach(d, 0);
    map(d, page, p1);
    map(d, far_away, p2);
    const u64 right = leaf(d, turned ? far_away : page);
    const u64 wrong = leaf(d, turned ? page : far_away) + 8;
    plant(right, word(right) | u64{1} << 55);  // software's
    plant(wrong, word(right));
    is_found(turned ? "at 0x2000" : "at 0x40001000");
    monitor.clear_findings();
    plant(wrong, 0);
    ok({.kind = CallKind::flush_iotlb_all, .domain = d});
    monitor.clear_findings();
    ok({.kind = CallKind::detach, .domain = d, .device = 0});
  }
}

// Another device of the domain that was moved in the same window is no proof.
TEST_F(Promises, TwoDevicesOfADomainMovedInOneWindow) {
  const u64 d = paging();
  const u64 e = paging();
  attach(d, 0);
  attach(d, 1);
  attach(e, 2);
  map(d, page, p1);
  map(e, page, p2);
  const u64 others = word(ste(8));
  plant(ste(1), others);
  plant(ste(2), others);
  is_found("at 0x1000");
}

// What a device does without a PASID does not wait for an answer.
TEST_F(Promises, ARidDoesNotStall) {
  const u64 d = paging();
  attach(d, 0);
  map(d, page, p1);
  plant(cd(1), word(cd(1)) | u64{1} << 44);
  is_found("by tables of ASID 0x1, and stall");
}

// ---- PASIDs -------------------------------------------------------------------------------------

class PromisesOfPasids : public Promises {
 protected:
  PromisesOfPasids() {
    domain = paging();
    attach(domain, 0);
    ok({.kind = CallKind::sva_device_init,
        .device = 0,
        .features = spec::sva::feature_private,
        .min_pasid = 1,
        .max_pasid = 8});
    const u64 mm = host.processes().create();
    EXPECT_TRUE(host.processes().map(mm, page, p1, page, rw));
    pasid = static_cast<u32>(ok({.kind = CallKind::bind_device, .device = 0, .mm = mm}));
  }
  u64 domain = 0;
  u32 pasid = 0;
};

TEST_F(PromisesOfPasids, WhatADriverMakesHolds) {
  holds();
  monitor.check_whole_space();
  EXPECT_TRUE(monitor.findings().empty());
}

/// INTERFACE "Faults": a process's space may stall, whoever asked for it; a private one does not.
TEST_F(PromisesOfPasids, WithoutIopfFaultsOfAProcessMayWait) {
  plant(cd(1, pasid), word(cd(1, pasid)) | u64{1} << 44);
  holds();
}

TEST_F(PromisesOfPasids, APrivateSpaceDoesNotStall) {
  const u64 space = ok({.kind = CallKind::sva_alloc_pasid, .domain = domain, .device = 0});
  const u64 at = cd(1, static_cast<u32>(ok({.kind = CallKind::io_mm_get_pasid, .io_mm = space})));
  plant(at, word(at) | u64{1} << 44);
  is_found("PASID 0x2) at 0x0 may fault, and wait for an answer; promised: a fault");
}

/// A PASID that nobody bound is compared too where the whole stream changes.
TEST_F(PromisesOfPasids, ACdThatIsNobodysIsFoundWithItsStream) {
  const u64 free = cd(1, pasid + 1);
  for (u64 i = 7; i != 0; --i) plant(free + 8 * i, word(cd(1, pasid) + 8 * i));
  monitor.barrier(AgentId::cpu0);
  plant(free, word(cd(1, pasid)));
  monitor.barrier(AgentId::cpu0);
  monitor.clear_findings();
  monitor.check_whole_space();
  // Without a CFGI_CD the words may be mixed with those from before: two configurations of the
  // ASID.
  EXPECT_TRUE(tells("PASID 0x" + std::to_string(pasid + 1), spec::rule::TAG_REGIMES));
}

// ---- streams that are nobody's ------------------------------------------------------------------

TEST_F(Promises, AStreamOfNobodyDoesNotBypass) {
  plant(ste(nobody), 1 | 4 << 1);
  is_found("stream 0x5 (no device's) may pass untranslated");
}

TEST_F(Promises, AStreamOfNobodyDoesNotTranslate) {
  const u64 d = paging();
  attach(d, 1);
  for (u64 i = 8; i != 0; --i) plant(ste(nobody) + 8 * (i - 1), word(ste(2) + 8 * (i - 1)));
  is_found("stream 0x5 (no device's) may be translated");
}

TEST_F(Promises, AStreamOfNobodyMayBeBlocked) {
  plant(ste(nobody), 1);
  holds();
  monitor.check_whole_space();
  EXPECT_TRUE(monitor.findings().empty());
}

TEST_F(Promises, TheWholeSpaceHasStreamsOfNobody) {
  plant(ste(nobody), 1 | 4 << 1);
  monitor.barrier(AgentId::cpu0);
  monitor.caches().dirty_streams().clear();  // as if no event had told
  monitor.check_whole_space();
  ASSERT_FALSE(monitor.findings().empty());
  EXPECT_NE(one_line(monitor.findings()[0]).find("no device's"), std::string::npos);
}

TEST_F(Promises, AStreamOfADeviceThatIsGoneDoesNotBypass) {
  const u64 d = paging();
  attach(d, 1);
  host.remove(1);
  holds();
  plant(ste(2), 1 | 4 << 1);
  is_found("stream 0x2 (device 1) may pass untranslated");
}

}  // namespace
}  // namespace iommucheck::oracle::promises_test
