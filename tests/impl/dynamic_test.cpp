// SPDX-License-Identifier: MIT
// Dynamic domains and tokens: tables that the SMMU never walks, for which no command goes out, and
// of which nothing is freed before their caller says that its walkers are flushed.
#include <gtest/gtest.h>

#include "tests/impl/sva_support.h"

namespace iommucheck::test::dynamic_test {
namespace {

constexpr u64 mib2 = u64{2} << 20;

class Dynamic : public testing::Test {
 protected:
  Dynamic() : world(with_pasids()), s(world) {
    master = s.alloc();
    EXPECT_EQ(s.attach(master, 0), 0);
  }

  /// 0 and an error in last_error.
  iommucheck_handle alloc(iommucheck_handle of, u32 input_bits = 0) {
    iommucheck_dynamic_params dynamic{};
    dynamic.size = sizeof dynamic;
    dynamic.abi = IOMMUCHECK_DRIVER_ABI;
    dynamic.master = of;
    iommucheck_domain_params params{};
    params.size = sizeof params;
    params.abi = IOMMUCHECK_DRIVER_ABI;
    params.kind = IOMMUCHECK_DOMAIN_DYNAMIC;
    params.input_bits = input_bits;
    params.of_kind = &dynamic;
    iommucheck_handle domain = 0;
    last_error = s.driver->domain_alloc(s.self(), &params, &domain);
    return last_error == 0 ? domain : 0;
  }
  int map(iommucheck_handle domain, u64 iova, u64 pa, u64 bytes = page) {
    return s.driver->map(s.self(), domain, iova, pa, bytes, rw);
  }
  u64 unmap(iommucheck_handle domain, u64 iova, u64 bytes = page) {
    return s.driver->unmap(s.self(), domain, iova, bytes).bytes;
  }
  u64 root(iommucheck_handle domain) {
    u64 value = 0;
    EXPECT_EQ(s.driver->domain_get_attr(s.self(), domain, IOMMUCHECK_ATTRIBUTE_TTBR0, &value), 0);
    return value;
  }
  iommucheck_domain_info info(iommucheck_handle domain) {
    iommucheck_domain_info it{};
    it.size = sizeof it;
    it.abi = IOMMUCHECK_DRIVER_ABI;
    EXPECT_EQ(s.driver->domain_get_info(s.self(), domain, &it), 0);
    return it;
  }
  iommucheck_handle bind_task(u32 device, iommucheck_handle mm, u32 flags) {
    const iommucheck_mm what = world.mm_of(mm);
    iommucheck_handle token = 0;
    last_error = s.driver->bind_task(s.self(), device, &what, flags, 0, &token);
    return last_error == 0 ? token : 0;
  }
  iommucheck_held held() {
    iommucheck_held it{};
    it.size = sizeof it;
    it.abi = IOMMUCHECK_DRIVER_ABI;
    EXPECT_EQ(s.driver->held(s.self(), &it), 0);
    return it;
  }

  FakeWorld world;
  Sva s;
  iommucheck_handle master = 0;
  int last_error = 0;
};

TEST_F(Dynamic, has_the_format_of_its_master_and_a_table_of_its_own) {
  const iommucheck_handle y = alloc(master);
  ASSERT_NE(y, 0U);
  EXPECT_EQ(info(y).input_bits, info(master).input_bits);
  EXPECT_EQ(info(y).page_sizes, info(master).page_sizes);
  EXPECT_NE(root(y), root(master));
  EXPECT_TRUE(world.is_allocated(root(y)));
  EXPECT_EQ(alloc(master, info(master).input_bits - 1), 0U);
  EXPECT_EQ(last_error, -IOMMUCHECK_EINVAL);
  EXPECT_EQ(alloc(y), 0U);
  EXPECT_EQ(last_error, -IOMMUCHECK_EINVAL);
  EXPECT_EQ(alloc(0), 0U);
}

TEST_F(Dynamic, sends_no_command) {
  const iommucheck_handle y = alloc(master);
  const std::size_t before = world.commands.size();
  EXPECT_EQ(map(y, va, phys, mib2), 0);
  EXPECT_EQ(s.attach(y, 0), 0);
  EXPECT_EQ(s.attach(y, 1), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(s.detach(y, 0), 0);
  EXPECT_EQ(unmap(y, va, mib2), mib2);
  EXPECT_EQ(s.driver->iotlb_sync(s.self(), y), 0);
  EXPECT_EQ(s.driver->flush_iotlb_all(s.self(), y), 0);
  EXPECT_EQ(s.free(y), 0);
  EXPECT_EQ(world.commands.size(), before);
  EXPECT_TRUE(world.errors.empty());
}

TEST_F(Dynamic, a_table_page_waits_for_the_word_of_its_caller) {
  const iommucheck_handle y = alloc(master);
  ASSERT_EQ(map(y, 0, phys + page, mib2), 0);  // pages: not congruent
  const u64 tables = world.live_tables();
  EXPECT_EQ(unmap(y, 0, mib2), mib2);
  EXPECT_EQ(world.live_tables(), tables);
  EXPECT_EQ(s.driver->recover(s.self()), 0);
  EXPECT_EQ(world.live_tables(), tables) << "what the SMMU forgets is not what a GPU has";
  EXPECT_EQ(s.driver->iotlb_sync(s.self(), y), 0);
  EXPECT_EQ(world.live_tables(), tables - 1);
}

TEST_F(Dynamic, a_block_comes_where_a_table_was_as_pages) {
  const iommucheck_handle y = alloc(master);
  ASSERT_EQ(map(y, 0, phys), 0);
  const u64 tables = world.live_tables();
  EXPECT_EQ(unmap(y, 0), page);
  EXPECT_EQ(map(y, 0, phys, mib2), 0);
  EXPECT_EQ(world.live_tables(), tables);
  for (u64 offset = 0; offset < mib2; offset += page) {
    ASSERT_EQ(s.driver->iova_to_phys(s.self(), y, offset), phys + offset);
  }
  EXPECT_EQ(unmap(y, 0, mib2), mib2);
}

TEST_F(Dynamic, a_master_is_held_by_what_it_is_the_master_of) {
  const iommucheck_handle y = alloc(master);
  world.add_process(1, 7);
  const iommucheck_handle token = bind_task(0, 1, IOMMUCHECK_TASK_EXPLICIT);
  ASSERT_NE(token, 0U);
  EXPECT_EQ(s.detach(master, 0), 0);
  EXPECT_EQ(s.free(master), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(s.free(y), 0);
  EXPECT_EQ(s.free(master), -IOMMUCHECK_EBUSY);
  EXPECT_EQ(held().tokens, 1U);
  EXPECT_EQ(s.driver->unbind_task(s.self(), 1, token), -IOMMUCHECK_EINVAL);
  EXPECT_EQ(s.driver->unbind_task(s.self(), 0, token), 0);
  EXPECT_EQ(s.free(master), 0);
  EXPECT_EQ(held().tokens, 0U);
}

TEST_F(Dynamic, nothing_is_left_where_memory_is_short) {
  const u64 tables = world.live_tables();
  world.fail_allocation = 0;
  EXPECT_EQ(alloc(master), 0U);
  EXPECT_EQ(last_error, -IOMMUCHECK_ENOMEM);
  world.fail_allocation.reset();
  EXPECT_EQ(world.live_tables(), tables);
  const iommucheck_handle y = alloc(master);
  EXPECT_EQ(s.free(y), 0);
  EXPECT_EQ(world.live_tables(), tables);
}

TEST_F(Dynamic, models_of_a_token) {
  world.add_process(1, 7);
  EXPECT_EQ(bind_task(0, 1, 0), 0U);
  EXPECT_EQ(last_error, -IOMMUCHECK_EINVAL);
  EXPECT_EQ(bind_task(0, 1, 3), 0U);
  EXPECT_EQ(last_error, -IOMMUCHECK_EINVAL);
  EXPECT_EQ(bind_task(1, 1, IOMMUCHECK_TASK_EXPLICIT), 0U);  // it has no domain
  EXPECT_EQ(last_error, -IOMMUCHECK_EINVAL);
  const iommucheck_handle own = bind_task(0, 1, IOMMUCHECK_TASK_EXPLICIT);
  EXPECT_EQ(s.driver->task_map(s.self(), own, va, phys, page, rw), 0);
  EXPECT_EQ(s.driver->task_unmap(s.self(), own, va, page).bytes, page);
  u64 value = 0;
  EXPECT_EQ(s.driver->task_get_attr(s.self(), own, IOMMUCHECK_ATTRIBUTE_TTBR0, &value), 0);
  EXPECT_TRUE(world.is_allocated(value));
  EXPECT_EQ(s.driver->task_get_attr(s.self(), own, IOMMUCHECK_ATTRIBUTE_PASID, &value),
            -IOMMUCHECK_EINVAL);
  ASSERT_EQ(s.init(0, iopf), 0);
  const iommucheck_handle svm = bind_task(0, 1, IOMMUCHECK_TASK_FULL_SVM);
  ASSERT_NE(svm, 0U);
  EXPECT_EQ(s.driver->task_map(s.self(), svm, va, phys, page, rw), -IOMMUCHECK_ENODEV);
  EXPECT_EQ(s.driver->task_unmap(s.self(), svm, va, page).bytes, 0U);
  ASSERT_EQ(s.driver->task_get_attr(s.self(), svm, IOMMUCHECK_ATTRIBUTE_PASID, &value), 0);
  EXPECT_EQ(s.bind(0, 1), static_cast<int>(value));
  EXPECT_EQ(s.driver->unbind_task(s.self(), 0, svm), 0);
  EXPECT_EQ(held().bonds, 1U);
  EXPECT_EQ(s.unbind(0, static_cast<u32>(value)), 0);
  EXPECT_EQ(held().bonds, 0U);
}

TEST_F(Dynamic, a_token_outlives_its_bond) {
  world.add_process(1, 7);
  ASSERT_EQ(s.init(0, iopf), 0);
  const iommucheck_handle svm = bind_task(0, 1, IOMMUCHECK_TASK_FULL_SVM);
  ASSERT_NE(svm, 0U);
  EXPECT_EQ(s.unbind_all(0), 0);
  ASSERT_GT(s.bind(0, 1), 0);  // another bond
  EXPECT_EQ(s.driver->unbind_task(s.self(), 0, svm), 0);
  EXPECT_EQ(held().bonds, 1U);
  EXPECT_EQ(s.driver->unbind_task(s.self(), 0, svm), -IOMMUCHECK_EINVAL);
}

TEST_F(Dynamic, shutdown_gives_all_tables_back) {
  alloc(master);
  world.add_process(1, 7);
  bind_task(0, 1, IOMMUCHECK_TASK_EXPLICIT);
  EXPECT_EQ(s.driver->shutdown(s.self()), 0);
  EXPECT_EQ(world.live_tables(), 0U);
}

}  // namespace
}  // namespace iommucheck::test::dynamic_test
