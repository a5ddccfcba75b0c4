// SPDX-License-Identifier: MIT
// Address spaces: VMSAv8-64 tables with an ASID each. arch 7.3, 7.4.
#include "impl/smmuv3/spaces.h"

namespace iommucheck::impl {

namespace {

constexpr u64 page_sizes_4k = u64{1} << 12 | u64{1} << 21 | u64{1} << 30;

SmmuSpace& own(Space& space) { return static_cast<SmmuSpace&>(space); }
const SmmuSpace& own(const Space& space) { return static_cast<const SmmuSpace&>(space); }

}  // namespace

/// False: no memory.
bool Spaces::create() {
  return (!features_.stage2 || vmids_.create(platform_, features_.vmid_bits)) &&
         (!features_.stage1 || asids_.create(platform_, features_.asid_bits));
}

/// Null: no memory.
SmmuSpace* Spaces::new_space(u32 input_bits, bool stage2) {
  SmmuSpace* made = spaces_.allocate(platform_);
  if (made == nullptr) return nullptr;
  if (!made->pages.create(platform_, input_bits)) {
    spaces_.release(*made);
    return nullptr;
  }
  const bool none = (config_->flags & IOMMUCHECK_CONFIG_NO_PAGE_SIZES) != 0;
  made->page_sizes = none ? 0 : page_sizes_4k;
  made->page_mask = page_bytes - 1;
  made->table_pa = made->pages.root();
  made->input_bits = input_bits;
  made->stage2 = stage2;
  return made;
}

/// Of stage 2 with a VMID.
int Spaces::open_tagged(u32 input_bits, bool stage2, Space** space) {
  const u64 number = stage2 ? vmids_.allocate() : asids_.allocate();
  if (number == 0) return -IOMMUCHECK_ENOSPC;
  const Tag tag = stage2 ? Tag{.outer = number, .inner = no_asid} : Tag{.inner = number};
  SmmuSpace* made = new_space(input_bits, stage2);
  if (made == nullptr) {
    release_tag(tag);
    return -IOMMUCHECK_ENOMEM;
  }
  made->tag = tag;
  *space = made;
  return 0;
}

int Spaces::open_space(u32 input_bits, Space** space) {
  return open_tagged(input_bits, !features_.stage1, space);
}

int Spaces::open_foreign_space(const Space& like, Space** space) {
  SmmuSpace* made = new_space(like.input_bits, own(like).stage2);
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  made->foreign = true;
  *space = made;
  return 0;
}

void Spaces::close_space(Space& space) {
  SmmuSpace& its = own(space);
  its.retired.free_all(platform_);
  its.pages.destroy(platform_);
  if (!space.tag.is_none()) release_tag(space.tag);
  if (!space.old_tag.is_none()) release_tag(space.old_tag);
  spaces_.release(its);
}

MapProgress Spaces::map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) {
  const bool stage2 = own(space).stage2;
  u64 attributes = stage2 ? descriptor::stage2_attributes(prot) : descriptor::leaf_attributes(prot);
  if (space.tracked && descriptor::is_writable(attributes, stage2)) {
    attributes = descriptor::make_clean(attributes, stage2);
  }
  return own(space).pages.map(platform_, iova, pa, bytes, attributes);
}

UnmapProgress Spaces::unmap(Space& space, u64 iova, u64 bytes) {
  return own(space).pages.unmap(platform_, iova, bytes, own(space).retired);
}

u64 Spaces::translate(const Space& space, u64 iova) const {
  return own(space).pages.translate(platform_, iova);
}

Detached Spaces::detach(Space& space, u64 iova, u64 pa, u64 bytes) {
  return own(space).pages.detach(platform_, iova, pa, bytes);
}

void Spaces::attach_back(Space& /*space*/, const Detached& subtree) {
  SmmuSpace::Pages::attach(platform_, subtree);
}

void Spaces::free_detached(Space& /*space*/, const Detached& subtree) {
  SmmuSpace::Pages::free_subtree(platform_, subtree.table, subtree.level);
}

void Spaces::free_retired(Space& space) { own(space).retired.free_all(platform_); }

int Spaces::take_tag(const iommucheck_mm& /*mm*/, u64 cpus, Tag* tag) {
  *tag = {.inner = cpus};
  if ((cpus >> features_.asid_bits) != 0) return -IOMMUCHECK_ENOSPC;
  return asids_.take(cpus) ? 0 : -IOMMUCHECK_EBUSY;
}

void Spaces::release_tag(Tag tag) {
  if (is_vmid(tag)) return vmids_.release(tag.outer);
  asids_.release(tag.inner);
}

}  // namespace iommucheck::impl
