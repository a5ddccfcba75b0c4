// SPDX-License-Identifier: MIT
// Lists and indices of a pool's objects against plain containers.
#include "impl/platform/list.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "impl/core/index.h"
#include "tests/impl/fake_world_support.h"

namespace iommucheck::impl::list_test {
namespace {

using test::any_in;

struct Object {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u64 number = 0;
  Link link;
  iommucheck_handle next_of_key = 0;
  u64 key() const { return number; }
};

struct Objects {
  test::FakeWorld world;
  Platform platform{world.platform()};
  Pool<Object> pool;
  List<Object, &Object::link> list;
  Index<Object> index;

  Object& add(u64 number) {
    Object& object = *pool.allocate(platform);
    object.number = number;
    list.add(pool, object);
    index.add(platform, pool, object);
    return object;
  }
  void remove(Object& object) {
    list.remove(pool, object);
    index.remove(pool, object);
    pool.release(object);
  }
  std::vector<iommucheck_handle> listed() {
    std::vector<iommucheck_handle> all;
    list.for_each(pool, [&](const Object& object) { all.push_back(pool.handle(object)); });
    return all;
  }
};

RC_GTEST_PROP(List, keeps_what_was_added_in_its_order, ()) {
  Objects objects;
  std::vector<iommucheck_handle> model;
  std::vector<iommucheck_handle> gone;
  for (u32 steps = any_in<u32>(0, 200); steps != 0; --steps) {
    if (model.empty() || any_in(0, 3) != 0) {
      model.push_back(objects.pool.handle(objects.add(any_in<u64>(0, 40))));
    } else {
      const auto at = model.begin() + any_in<std::ptrdiff_t>(0, std::ssize(model));
      gone.push_back(*at);
      objects.remove(*objects.pool.find(*at));
      model.erase(at);
    }
    RC_ASSERT(objects.listed() == model);
    RC_ASSERT(objects.list.empty() == model.empty());
  }
  for (const auto handle : gone) RC_ASSERT(objects.pool.find(handle) == nullptr);
  // The index has the same numbers.
  for (u64 number = 0; number < 41; ++number) {
    const auto has = [&](iommucheck_handle its) {
      return objects.pool.find(its)->number == number;
    };
    const Object* found =
        objects.index.find_if(objects.pool, number, [](const Object&) { return true; });
    RC_ASSERT((found != nullptr) == std::ranges::any_of(model, has));
    if (found != nullptr) {
      RC_ASSERT(std::ranges::count(model, objects.pool.handle(*found)) == 1);
    }
  }
}

TEST(List, goes_on_where_those_that_follow_are_taken_out) {
  Objects objects;
  for (u64 i = 0; i < 5; ++i) objects.add(i);
  std::vector<u64> seen;
  objects.list.for_each(objects.pool, [&](Object& object) {
    seen.push_back(object.number);
    const auto is_next = [&](const Object& its) { return its.number == object.number + 1; };
    Object* next = object.number == 1 ? objects.list.find_if(objects.pool, is_next) : nullptr;
    objects.remove(object);
    if (next != nullptr) objects.remove(*next);
  });
  EXPECT_EQ(seen, (std::vector<u64>{0, 1, 3, 4})) << "2 went with 1";
  EXPECT_TRUE(objects.list.empty());
}

TEST(Pool, takes_the_slot_again_that_was_released_last_under_another_handle) {
  Objects objects;
  for (u64 i = 0; i < 20; ++i) objects.add(i);
  Object& first = objects.add(20);
  const iommucheck_handle before = objects.pool.handle(first);
  objects.remove(first);
  EXPECT_EQ(&objects.add(21), &first);
  EXPECT_NE(objects.pool.handle(first), before);
  EXPECT_EQ(objects.pool.find(before), nullptr);
}

}  // namespace
}  // namespace iommucheck::impl::list_test
