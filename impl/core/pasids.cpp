// SPDX-License-Identifier: MIT
#include "impl/core/pasids.h"

namespace iommucheck::impl {

int Pasids::pasid_alloc(u32 min, u32 max, u32* pasid) {
  const u32 high = max == 0 ? PasidAllocator::last : max;
  if (min > high || high > PasidAllocator::last) return -IOMMUCHECK_EINVAL;
  // Where 0 is kept it stands for what devices do without a PASID.
  return allocate(std::max(min, backend_.first_pasid()), high, pasid::plain, pasid);
}

int Pasids::free_plain(u32 pasid) {
  if (numbers_.state(pasid) != pasid::plain) return -IOMMUCHECK_EINVAL;
  return apply(pasid, pasid::release<u64>) ? 0 : -IOMMUCHECK_EINVAL;
}

int Pasids::check_plain(u32 pasid) const {
  const u64 state = numbers_.state(pasid);
  if (state == pasid::plain) return 0;
  const bool others = (state & (pasid::process | pasid::private_space)) != 0;
  return others ? -IOMMUCHECK_EBUSY : -IOMMUCHECK_EINVAL;
}

}  // namespace iommucheck::impl
