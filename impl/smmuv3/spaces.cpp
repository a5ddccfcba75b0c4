// SPDX-License-Identifier: MIT
// Address spaces: VMSAv8-64 tables with an ASID each. arch 7.3, 7.4.
#include "impl/smmuv3/spaces.h"

namespace iommucheck::impl {

namespace {

SmmuSpace& own(Space& space) { return static_cast<SmmuSpace&>(space); }
const SmmuSpace& own(const Space& space) { return static_cast<const SmmuSpace&>(space); }

template <class Do>
auto with_table(Space& space, Do what) {
  return std::visit(what, own(space).table);
}

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
  const unsigned page = features_.page;
  if (page == 14) made->table.emplace<TableOf<Vmsav8Granule16k>>();
  if (page == 16) made->table.emplace<TableOf<Vmsav8Granule64k>>();
  const unsigned start =
      stage2 ? stage2_start_level(input_bits, page) : start_level(input_bits, page);
  made->table_pa = with_table(*made, [&](auto& its) {
    return its.pages.create(platform_, input_bits, start) ? its.pages.root() : 0;
  });
  if (made->table_pa == 0) {
    spaces_.release(*made);
    return nullptr;
  }
  const bool none = (config_->flags & IOMMUCHECK_CONFIG_NO_PAGE_SIZES) != 0;
  made->page_sizes = none ? 0 : leaf_sizes(page);
  made->page_mask = (u64{1} << page) - 1;
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
  with_table(space, [&](auto& table) {
    table.retired.free_all(platform_);
    table.pages.destroy(platform_);
  });
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
  return with_table(
      space, [&](auto& its) { return its.pages.map(platform_, iova, pa, bytes, attributes); });
}

UnmapProgress Spaces::unmap(Space& space, u64 iova, u64 bytes) {
  return with_table(
      space, [&](auto& its) { return its.pages.unmap(platform_, iova, bytes, its.retired); });
}

u64 Spaces::translate(const Space& space, u64 iova) const {
  return std::visit([&](const auto& its) { return its.pages.translate(platform_, iova); },
                    own(space).table);
}

Detached Spaces::detach(Space& space, u64 iova, u64 pa, u64 bytes) {
  return with_table(space, [&](auto& its) { return its.pages.detach(platform_, iova, pa, bytes); });
}

void Spaces::attach_back(Space& space, const Detached& subtree) {
  with_table(space, [&](auto& its) { its.pages.attach(platform_, subtree); });
}

void Spaces::free_detached(Space& space, const Detached& subtree) {
  with_table(space,
             [&](auto& its) { its.pages.free_subtree(platform_, subtree.table, subtree.level); });
}

void Spaces::free_retired(Space& space) {
  with_table(space, [&](auto& its) { its.retired.free_all(platform_); });
}

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
