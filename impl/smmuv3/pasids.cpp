// SPDX-License-Identifier: MIT
// What stands in a domain's PASID table, and who has cached it. IHI 0070 3.3.3, 5.4; arch 3, 7.3.
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

unsigned Smmu::pasid_bits(u32 device) const {
  return device < config_->device_count ? devices_[device].pasid_bits : 0;
}

iommucheck_handle Smmu::paging_domain(u32 device) const {
  const Domain* domain = domains_.find(devices_[device].domain);
  const bool paging = domain != nullptr && domain->kind == IOMMUCHECK_DOMAIN_PAGING;
  return paging ? devices_[device].domain : 0;
}

/// A CD with S = 1 stalls every device that reaches it, and is illegal for one whose STE says that
/// it never stalls: so every device with PASIDs has to be able to.
bool Smmu::may_wait(iommucheck_handle domain) const {
  bool all = true;
  for_each_device(domain, [&](u32 device) { all &= pasid_bits(device) == 0 || can_stall(device); });
  return all;
}

u64 Smmu::cd_word0(const Entry& entry) const {
  const cd::Kind kind = {.shared = entry.shared, .waits = entry.waits, .quiet = entry.quiet};
  return cd::word0<u64>(entry.tag, entry.input_bits, features_.output_size, kind);
}

/// The one store that makes a CD valid, invalid, or another one.
void Smmu::store_cd_word0(u64 cd, u64 word) {
  platform_.store64(cd, word);
  platform_.clean(cd, sizeof word);
  platform_.barrier();
}

/// CFGI_CD for every stream that can have fetched it; its L1CD too unless `leaf`.
void Smmu::add_cfgi_cd(iommucheck_handle domain, u32 pasid, bool leaf) {
  for_each_device(domain, [&](u32 device) {
    // A number beyond the stream's S1CDMax is none that it has cached, nor one to be sent.
    if ((pasid >> pasid_bits(device)) != 0) return;
    for_each_stream(device, [&](u64 sid) { add(command::cfgi_cd<u64>(sid, pasid, leaf)); });
  });
}

/// The domain's first PASID: from one CD to a table with the same CD 0, for all devices. One store
/// of word 0 for each STE, and nobody's translation changes.
int Smmu::ensure_table(Domain& domain, iommucheck_handle handle) {
  if (domain.cds.has_table()) return 0;
  if (!domain.cds.build(platform_, pasid_bits_max_, features_.two_level_cd_table)) {
    return -IOMMUCHECK_ENOMEM;
  }
  const auto move = [&] {
    for_each_device(handle, [&](u32 device) {
      if (set_stes(device, ste_word0(&domain, device))) add_cfgi(device);
    });
  };
  move();
  if (int error = commit()) {
    domain.cds.abandon();
    move();
    platform_.barrier();
    return error;
  }
  domain.cds.drop_slot(cds_);
  // S1CDMax has changed.
  for_each_device(handle, [&](u32 device) {
    if (has_ats(device) && pasid_bits(device) != 0) add_atc_all(device, 0);
  });
  return commit();
}

int Smmu::reserve(iommucheck_handle handle, u32 pasid) {
  Domain& domain = *domains_.find(handle);
  if (int error = ensure_table(domain, handle)) return error;
  switch (domain.cds.reserve(platform_, pasid)) {
    case CdTable::Reserved::present: return 0;
    case CdTable::Reserved::no_memory: return -IOMMUCHECK_ENOMEM;
    case CdTable::Reserved::linked: break;
  }
  // The L1CD may have been cached while it was invalid.
  add_cfgi_cd(handle, pasid, false);
  return commit();
}

int Smmu::enter(iommucheck_handle handle, u32 pasid, const Entry& entry) {
  const u64 cd = domains_.find(handle)->cds.entry(platform_, pasid);
  platform_.store64(cd + 8, cd::word1(entry.table_pa));
  platform_.store64(cd + 24, entry.attributes);
  platform_.clean(cd, cd_bytes);
  // While it is invalid its words may be cached all the same, each from another time: the old ones
  // go before V = 1, and the invalid word 0 after it. The new ones are visible before V = 1 is,
  // because the command is: CMDQ_PROD is an ordered write.
  add_cfgi_cd(handle, pasid, true);
  int error = commit();
  if (error == 0) {
    store_cd_word0(cd, cd_word0(entry));
    add_cfgi_cd(handle, pasid, true);
    error = commit();
  }
  if (error != 0) store_cd_word0(cd, 0);
  return error;
}

void Smmu::change(iommucheck_handle handle, u32 pasid, const Entry& entry) {
  store_cd_word0(domains_.find(handle)->cds.entry(platform_, pasid), cd_word0(entry));
  add_cfgi_cd(handle, pasid, true);
}

void Smmu::clear(iommucheck_handle handle, u32 pasid) {
  store_cd_word0(domains_.find(handle)->cds.entry(platform_, pasid), 0);
  add_cfgi_cd(handle, pasid, true);
}

void Smmu::drop_range(u64 tag, u64 first, u64 end) {
  Gather gather;
  // Tables may go as well as pages, and of pages nobody said at which level they were.
  gather.add({.first = first, .end = end, .leaf_levels = any_level, .tables = true});
  emit_invalidation(gather, tag, features_.range_invalidation,
                    [&](Command command) { add(command); });
}

void Smmu::drop_device_translations(iommucheck_handle handle, u32 pasid) {
  for_each_device(handle, [&](u32 device) {
    const bool reaches = has_ats(device) && !devices_[device].gone;
    if (reaches && (pasid >> pasid_bits(device)) == 0) add_atc_all(device, pasid);
  });
}

void Smmu::drop_device_range(iommucheck_handle handle, u32 pasid, u64 first, u64 end) {
  for_each_device(handle, [&](u32 device) {
    const bool reaches = has_ats(device) && !devices_[device].gone;
    if (reaches && (pasid >> pasid_bits(device)) == 0) add_atc(device, pasid, first, end);
  });
}

// ---- tags ----

Space* Smmu::space_with_tag(u64 tag) {
  Space* found = nullptr;
  const auto look = [&](Space& space) {
    if (space.tag == tag) found = &space;
  };
  domains_.for_each_used([&](Domain& domain) { look(domain.space); });
  sva_.for_each_space(look);
  return found;
}

/// A process comes with the ASID that the CPUs gave it. If it is one of ours, ours moves.
int Smmu::claim_tag(u64 tag) {
  if ((tag >> features_.asid_bits) != 0) return -IOMMUCHECK_ENOSPC;
  if (asids_.take(tag)) return 0;
  Space* space = space_with_tag(tag);
  return space == nullptr ? -IOMMUCHECK_ENOSPC : relocate(*space);
}

/// Gives `space` another ASID by one store to its CD; the old one, which no cache has when this
/// returns 0, stays taken. arch 7.3 "ASID change in a live CD".
int Smmu::relocate(Space& space) {
  const u64 tag = asids_.allocate();
  if (tag == 0) return -IOMMUCHECK_ENOSPC;
  // What was cleared under the old ASID is not to be cached under the new one.
  if (int error = complete(space)) {
    asids_.release(tag);
    return error;
  }
  const u64 old_tag = space.tag;
  space.tag = tag;
  const u64 cd = domains_.find(space.domain)->cds.entry(platform_, space.pasid);
  store_cd_word0(cd, cd_word0(entry_of(space)));
  if (!space.cached) return 0;
  space.old_tag = old_tag;
  add_cfgi_cd(space.domain, space.pasid, true);
  if (int error = commit()) return error;
  drop_translations(old_tag);
  if (int error = commit()) return error;
  space.old_tag = 0;
  return 0;
}

// ---- private address spaces ----

int Smmu::open_space(Space& space, iommucheck_handle domain) {
  space.tag = asids_.allocate();
  if (space.tag == 0) return -IOMMUCHECK_ENOSPC;
  const Space& like = domains_.find(domain)->space;
  space.page_sizes = like.page_sizes;
  return space.table.create(platform_, like.table.input_bits()) ? 0 : -IOMMUCHECK_ENOMEM;
}

Entry Smmu::entry_of(const Space& space) const {
  return {.table_pa = space.table.root(),
          .attributes = cd::word3,
          .input_bits = space.table.input_bits(),
          .tag = space.tag};
}

void Smmu::close_space(Space& space) {
  space.retired.free_all(platform_);
  space.table.destroy(platform_);
  if (space.tag != 0) asids_.release(space.tag);
  if (space.old_tag != 0) asids_.release(space.old_tag);
  space.tag = space.old_tag = 0;
}

}  // namespace iommucheck::impl
