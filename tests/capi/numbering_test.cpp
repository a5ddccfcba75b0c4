// SPDX-License-Identifier: MIT
// A word has one number: that of trace/enums.def. The headers for drivers and for the monitor's
// users and the specification write it down once more, each for its readers; here they are
// compared.
#include "iommucheck/driver.h"
#include "iommucheck/monitor.h"
#include "spec/sva/call.h"
#include "trace/types.h"

namespace iommucheck {
namespace {

template <class... T>
constexpr bool same(trace::NamedEnum auto word, T... numbers) {
  return ((static_cast<u64>(word) == static_cast<u64>(numbers)) && ...);
}

using trace::DomainKind;
using SpecKind = spec::sva::DomainKind;
static_assert(same(DomainKind::paging, SpecKind::paging, IOMMUCHECK_DOMAIN_PAGING,
                   IOMMUCHECK_DOMAIN_KIND_PAGING));
static_assert(same(DomainKind::blocked, SpecKind::blocked, IOMMUCHECK_DOMAIN_BLOCKED,
                   IOMMUCHECK_DOMAIN_KIND_BLOCKED));
static_assert(same(DomainKind::identity, SpecKind::identity, IOMMUCHECK_DOMAIN_IDENTITY,
                   IOMMUCHECK_DOMAIN_KIND_IDENTITY));
static_assert(same(DomainKind::paging_s2, SpecKind::paging_s2, IOMMUCHECK_DOMAIN_PAGING_S2,
                   IOMMUCHECK_DOMAIN_KIND_PAGING_S2));
static_assert(same(DomainKind::dynamic, SpecKind::dynamic, IOMMUCHECK_DOMAIN_DYNAMIC,
                   IOMMUCHECK_DOMAIN_KIND_DYNAMIC));
static_assert(same(DomainKind::nested, SpecKind::nested, IOMMUCHECK_DOMAIN_NESTED,
                   IOMMUCHECK_DOMAIN_KIND_NESTED));
static_assert(same(DomainKind::nested_pasid, SpecKind::nested_pasid, IOMMUCHECK_DOMAIN_NESTED_PASID,
                   IOMMUCHECK_DOMAIN_KIND_NESTED_PASID));
static_assert(trace::EnumInfo<DomainKind>::values.size() == 7);

using trace::Attribute;
static_assert(same(Attribute::ttbr0, spec::sva::attribute_ttbr0, IOMMUCHECK_ATTR_TTBR0,
                   IOMMUCHECK_ATTRIBUTE_TTBR0));
static_assert(same(Attribute::pasid, spec::sva::attribute_pasid, IOMMUCHECK_ATTR_PASID,
                   IOMMUCHECK_ATTRIBUTE_PASID));
static_assert(trace::EnumInfo<Attribute>::values.size() == 2);

using trace::FaultResponse;
static_assert(same(FaultResponse::success, IOMMUCHECK_FAULT_SUCCESS,
                   IOMMUCHECK_FAULT_RESPONSE_SUCCESS));
static_assert(same(FaultResponse::invalid, IOMMUCHECK_FAULT_INVALID,
                   IOMMUCHECK_FAULT_RESPONSE_INVALID));
static_assert(same(FaultResponse::failure, IOMMUCHECK_FAULT_FAILURE,
                   IOMMUCHECK_FAULT_RESPONSE_FAILURE));
static_assert(trace::EnumInfo<FaultResponse>::values.size() == 3);

// CMD_SYNC has no number in driver.h: that interrupt is a word in memory to a driver.
using trace::IrqKind;
static_assert(same(IrqKind::event_queue, IOMMUCHECK_IRQ_EVENTQ, IOMMUCHECK_IRQ_KIND_EVENT_QUEUE));
static_assert(same(IrqKind::page_request_queue, IOMMUCHECK_IRQ_PRIQ,
                   IOMMUCHECK_IRQ_KIND_PAGE_REQUEST_QUEUE));
static_assert(same(IrqKind::global_error, IOMMUCHECK_IRQ_GERROR, IOMMUCHECK_IRQ_KIND_GLOBAL_ERROR));
static_assert(trace::EnumInfo<IrqKind>::values.size() == 4);

// What a driver answers is the negated number, except that "not built" is positive there.
using trace::Status;
using SpecStatus = spec::sva::Status;
static_assert(same(Status::ok, SpecStatus::ok, IOMMUCHECK_OK, IOMMUCHECK_STATUS_OK));
static_assert(same(Status::not_built, IOMMUCHECK_NOT_BUILT, IOMMUCHECK_STATUS_NOT_BUILT));
#define SAME_ERROR(lower, UPPER) \
  static_assert(                 \
      same(Status::lower, SpecStatus::lower, IOMMUCHECK_##UPPER, IOMMUCHECK_STATUS_##UPPER))
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

}  // namespace
}  // namespace iommucheck
