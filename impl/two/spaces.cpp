// SPDX-License-Identifier: MIT
// Address spaces: page tables, tagged by the address of their root.
#include "impl/two/two.h"

namespace iommucheck::impl {

namespace {

constexpr u64 sizes_of_pages = u64{1} << 12 | u64{1} << 21 | u64{1} << 30;

TwoSpace& two_space(Space& space) { return static_cast<TwoSpace&>(space); }
const TwoSpace& two_space(const Space& space) { return static_cast<const TwoSpace&>(space); }

}  // namespace

/// Null: no memory.
TwoSpace* Two::new_space(u32 input_bits) {
  TwoSpace* made = spaces_.allocate(platform_);
  if (made == nullptr) return nullptr;
  if (!made->pages.create(platform_, input_bits)) {
    spaces_.release(*made);
    return nullptr;
  }
  made->page_sizes = sizes_of_pages;
  made->page_mask = two::page_bytes - 1;
  made->table_pa = made->pages.root();
  made->input_bits = input_bits;
  return made;
}

int Two::open_space(u32 input_bits, Space** space) {
  TwoSpace* made = new_space(input_bits);
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  made->tag = {.inner = made->table_pa};
  *space = made;
  return 0;
}

int Two::open_foreign_space(const Space& like, Space** space) {
  TwoSpace* made = new_space(like.input_bits);
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  made->foreign = true;
  *space = made;
  return 0;
}

void Two::close_space(Space& space) {
  two_space(space).retired.free_all(platform_);
  two_space(space).pages.destroy(platform_);
  spaces_.release(two_space(space));
}

MapProgress Two::map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) {
  // An outer one has one set of rights, whatever the privilege.
  const u32 rights = two_space(space).outer ? prot & ~u32{IOMMUCHECK_PROT_PRIVILEGED} : prot;
  u64 attributes = two::Format::attributes(rights);
  if (space.tracked && two::Format::is_writable(attributes)) {
    attributes = two::Format::make_clean(attributes);
  }
  return two_space(space).pages.map(platform_, iova, pa, bytes, attributes);
}

UnmapProgress Two::unmap(Space& space, u64 iova, u64 bytes) {
  return two_space(space).pages.unmap(platform_, iova, bytes, two_space(space).retired);
}

u64 Two::translate(const Space& space, u64 iova) const {
  return two_space(space).pages.translate(platform_, iova);
}

Detached Two::detach(Space& space, u64 iova, u64 pa, u64 bytes) {
  return two_space(space).pages.detach(platform_, iova, pa, bytes);
}

void Two::attach_back(Space& /*space*/, const Detached& subtree) {
  TwoSpace::Pages::attach(platform_, subtree);
}

void Two::free_detached(Space& /*space*/, const Detached& subtree) {
  TwoSpace::Pages::free_subtree(platform_, subtree.table, subtree.level);
}

void Two::free_retired(Space& space) { two_space(space).retired.free_all(platform_); }

}  // namespace iommucheck::impl
