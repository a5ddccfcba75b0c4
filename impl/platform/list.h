// SPDX-License-Identifier: MIT
// Lists of objects of a pool, in the order in which they were added. An object has a Link for each
// list that it can be in; joining and leaving cost the same however long the list is. `objects` is
// the pool, or who keeps it: finds them by their handles.
#pragma once

#include "base/types.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

struct Link {
  iommucheck_handle next = 0;  // 0: none
  iommucheck_handle previous = 0;
};

template <class T, Link T::* link>
class List {
 public:
  bool empty() const { return first_ == 0; }
  iommucheck_handle first() const { return first_; }

  template <class Objects>
  void add(Objects& objects, T& object) {
    const iommucheck_handle handle = objects.handle(object);
    object.*link = {0, last_};
    T* before = objects.find(last_);
    (before != nullptr ? (before->*link).next : first_) = handle;
    last_ = handle;
  }

  template <class Objects>
  void remove(Objects& objects, T& object) {
    const Link its = object.*link;
    T* before = objects.find(its.previous);
    T* after = objects.find(its.next);
    (before != nullptr ? (before->*link).next : first_) = its.next;
    (after != nullptr ? (after->*link).previous : last_) = its.previous;
    object.*link = Link();
  }

  /// `visit` may take out the object that it is given, and others. Where it takes out the one that
  /// follows as well, all that are left are visited once more.
  template <class Objects, class Visit>
  void for_each(Objects& objects, Visit visit) const {
    T* object = objects.find(first_);
    while (object != nullptr) {
      const iommucheck_handle next = (object->*link).next;
      visit(*object);
      object = objects.find(next);
      if (object == nullptr && next != 0) object = objects.find(first_);
    }
  }

  /// The first one for which `wanted` is true; null if there is none.
  template <class Objects, class Wanted>
  T* find_if(Objects& objects, Wanted wanted) const {
    T* object = objects.find(first_);
    while (object != nullptr && !wanted(*object)) object = objects.find((object->*link).next);
    return object;
  }

 private:
  iommucheck_handle first_ = 0;
  iommucheck_handle last_ = 0;
};

}  // namespace iommucheck::impl
