// SPDX-License-Identifier: MIT
// A word has one number: that of trace/enums.def, from which words.h is made. The specification,
// which stands on neither, writes some of them down once more; here they are compared. Both headers
// are included together.
#include <cerrno>

#include "iommucheck/driver.h"
#include "iommucheck/monitor.h"
#include "spec/sva/call.h"
#include "trace/types.h"

namespace iommucheck::numbering_test {
namespace {

template <class... T>
constexpr bool same(trace::NamedEnum auto word, T... numbers) {
  return ((static_cast<u64>(word) == static_cast<u64>(numbers)) && ...);
}

using trace::DomainKind;
using SpecKind = spec::sva::DomainKind;
static_assert(same(DomainKind::paging, SpecKind::paging, IOMMUCHECK_DOMAIN_PAGING));
static_assert(same(DomainKind::blocked, SpecKind::blocked, IOMMUCHECK_DOMAIN_BLOCKED));
static_assert(same(DomainKind::identity, SpecKind::identity, IOMMUCHECK_DOMAIN_IDENTITY));
static_assert(same(DomainKind::paging_s2, SpecKind::paging_s2, IOMMUCHECK_DOMAIN_PAGING_S2));
static_assert(same(DomainKind::dynamic, SpecKind::dynamic, IOMMUCHECK_DOMAIN_DYNAMIC));
static_assert(same(DomainKind::nested, SpecKind::nested, IOMMUCHECK_DOMAIN_NESTED));
static_assert(same(DomainKind::nested_pasid, SpecKind::nested_pasid,
                   IOMMUCHECK_DOMAIN_NESTED_PASID));
static_assert(trace::EnumInfo<DomainKind>::values.size() == 7);

using trace::UserEntryKind;
using SpecEntry = spec::sva::UserEntryKind;
static_assert(same(UserEntryKind::empty, SpecEntry::empty));
static_assert(same(UserEntryKind::garbage, SpecEntry::garbage));
static_assert(same(UserEntryKind::outside, SpecEntry::outside));
static_assert(same(UserEntryKind::table, SpecEntry::table));
static_assert(trace::EnumInfo<UserEntryKind>::values.size() == 4);

using trace::Attribute;
static_assert(same(Attribute::ttbr0, spec::sva::attribute_ttbr0, IOMMUCHECK_ATTRIBUTE_TTBR0));
static_assert(same(Attribute::pasid, spec::sva::attribute_pasid, IOMMUCHECK_ATTRIBUTE_PASID));
static_assert(trace::EnumInfo<Attribute>::values.size() == 2);

// The numbers of errno, except that "not built" is positive there.
using trace::Status;
using SpecStatus = spec::sva::Status;
static_assert(same(Status::ok, SpecStatus::ok, IOMMUCHECK_OK));
static_assert(same(Status::not_built, IOMMUCHECK_NOT_BUILT));
#define SAME_ERROR(lower, UPPER) \
  static_assert(same(Status::lower, SpecStatus::lower, IOMMUCHECK_##UPPER, UPPER))
SAME_ERROR(enoent, ENOENT);
SAME_ERROR(esrch, ESRCH);
SAME_ERROR(eio, EIO);
SAME_ERROR(enomem, ENOMEM);
SAME_ERROR(ebusy, EBUSY);
SAME_ERROR(eexist, EEXIST);
SAME_ERROR(enodev, ENODEV);
SAME_ERROR(einval, EINVAL);
SAME_ERROR(enospc, ENOSPC);
SAME_ERROR(erange, ERANGE);
SAME_ERROR(edeadlk, EDEADLK);
SAME_ERROR(eopnotsupp, EOPNOTSUPP);
SAME_ERROR(etimedout, ETIMEDOUT);
#undef SAME_ERROR
static_assert(EPIPE == IOMMUCHECK_EPIPE);

}  // namespace
}  // namespace iommucheck::numbering_test
