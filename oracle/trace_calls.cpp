// SPDX-License-Identifier: MIT
#include "oracle/trace_calls.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
namespace calls = trace::calls;

trace::Rights rights_of(u32 prot) {
  return {(prot & spec::sva::prot_read) != 0, (prot & spec::sva::prot_write) != 0,
          (prot & spec::sva::prot_exec) != 0};
}

u32 prot_of(const calls::Map& map) {
  return (map.rights.read ? spec::sva::prot_read : 0) |
         (map.rights.write ? spec::sva::prot_write : 0) |
         (map.rights.execute ? spec::sva::prot_exec : 0) |
         (map.privileged.value_or(false) ? spec::sva::prot_privileged : 0) |
         (map.device_memory.value_or(false) ? spec::sva::prot_device : 0);
}

u64 handle_of(trace::DomainId id) { return static_cast<u64>(id); }

trace::Status status_of(spec::sva::Status status) {
  const std::string text = spec::sva::status_text(status);
  if (status == spec::sva::Status::not_built) return trace::Status::not_built;
  return trace::enum_from_string<trace::Status>(text).value_or(trace::Status::einval);
}

}  // namespace

trace::DomainId DomainNumbers::number(u64 handle) {
  const auto [entry, is_new] = numbers_.try_emplace(handle, static_cast<u32>(numbers_.size() + 1));
  return trace::DomainId{entry->second};
}

trace::CallArguments to_trace(const Call& call, DomainNumbers& numbers) {
  const auto domain = [&] { return numbers.number(call.domain); };
  const trace::DeviceId device{call.device};
  switch (call.kind) {
    case CallKind::domain_alloc: {
      calls::DomainAlloc alloc;
      alloc.kind = static_cast<trace::DomainKind>(call.domain_kind - 1);
      if (call.input_bits != 0) alloc.input_bits = call.input_bits;
      return alloc;
    }
    case CallKind::domain_free: return calls::DomainFree{.domain = domain()};
    case CallKind::attach: return calls::Attach{.domain = domain(), .device = device};
    case CallKind::detach: return calls::Detach{.domain = domain(), .device = device};
    case CallKind::map: {
      calls::Map map{.domain = domain(), .iova = call.iova, .pa = call.pa, .size = call.size,
                     .rights = rights_of(call.prot), .privileged = {}, .device_memory = {}};
      if ((call.prot & spec::sva::prot_privileged) != 0) map.privileged = true;
      if ((call.prot & spec::sva::prot_device) != 0) map.device_memory = true;
      return map;
    }
    case CallKind::unmap:
      return calls::Unmap{.domain = domain(), .iova = call.iova, .size = call.size};
    case CallKind::unmap_fast:
      return calls::UnmapFast{.domain = domain(), .iova = call.iova, .size = call.size};
    case CallKind::iotlb_sync: return calls::IotlbSync{.domain = domain()};
    case CallKind::flush_iotlb_all: return calls::FlushIotlbAll{.domain = domain()};
    case CallKind::tlb_range_add:
      return calls::TlbRangeAdd{.domain = domain(), .iova = call.iova, .size = call.size};
    default: return calls::IovaToPhys{.domain = domain(), .iova = call.iova};
  }
}

trace::Return to_trace(const Call& call, const spec::sva::Observed& observed, trace::CallId id,
                       DomainNumbers& numbers) {
  trace::Return result;
  result.id = id;
  result.status = status_of(observed.status);
  const bool ok = observed.status == spec::sva::Status::ok;
  switch (call.kind) {
    case CallKind::domain_alloc:
      if (!ok) break;
      result.value = static_cast<u64>(numbers.number(observed.value));
      result.words = trace::Words{observed.facts.input_bits, observed.facts.output_bits,
                                  observed.facts.page_sizes};
      break;
    case CallKind::unmap:
    case CallKind::unmap_fast:
    case CallKind::iova_to_phys: result.value = observed.value; break;
    default: break;
  }
  return result;
}

Expected<Call> from_trace(const trace::CallArguments& arguments) {
  Call call;
  if (const auto* alloc = std::get_if<calls::DomainAlloc>(&arguments)) {
    call.kind = CallKind::domain_alloc;
    call.domain_kind = static_cast<u32>(alloc->kind) + 1;
    call.input_bits = alloc->input_bits.value_or(0);
  } else if (const auto* free = std::get_if<calls::DomainFree>(&arguments)) {
    call.kind = CallKind::domain_free;
    call.domain = handle_of(free->domain);
  } else if (const auto* attach = std::get_if<calls::Attach>(&arguments)) {
    call.kind = CallKind::attach;
    call.domain = handle_of(attach->domain);
    call.device = static_cast<u32>(attach->device);
  } else if (const auto* detach = std::get_if<calls::Detach>(&arguments)) {
    call.kind = CallKind::detach;
    call.domain = handle_of(detach->domain);
    call.device = static_cast<u32>(detach->device);
  } else if (const auto* map = std::get_if<calls::Map>(&arguments)) {
    call.kind = CallKind::map;
    call.domain = handle_of(map->domain);
    call.iova = map->iova;
    call.pa = map->pa;
    call.size = map->size;
    call.prot = prot_of(*map);
  } else if (const auto* unmap = std::get_if<calls::Unmap>(&arguments)) {
    call.kind = CallKind::unmap;
    call.domain = handle_of(unmap->domain);
    call.iova = unmap->iova;
    call.size = unmap->size;
  } else if (const auto* fast = std::get_if<calls::UnmapFast>(&arguments)) {
    call.kind = CallKind::unmap_fast;
    call.domain = handle_of(fast->domain);
    call.iova = fast->iova;
    call.size = fast->size;
  } else if (const auto* sync = std::get_if<calls::IotlbSync>(&arguments)) {
    call.kind = CallKind::iotlb_sync;
    call.domain = handle_of(sync->domain);
  } else if (const auto* flush = std::get_if<calls::FlushIotlbAll>(&arguments)) {
    call.kind = CallKind::flush_iotlb_all;
    call.domain = handle_of(flush->domain);
  } else if (const auto* add = std::get_if<calls::TlbRangeAdd>(&arguments)) {
    call.kind = CallKind::tlb_range_add;
    call.domain = handle_of(add->domain);
    call.iova = add->iova;
    call.size = add->size;
  } else if (const auto* lookup = std::get_if<calls::IovaToPhys>(&arguments)) {
    call.kind = CallKind::iova_to_phys;
    call.domain = handle_of(lookup->domain);
    call.iova = lookup->iova;
  } else {
    return fail(ErrorCode::unsupported,
                "the call " + std::string(trace::info(arguments).name) + " is not built");
  }
  return call;
}

spec::sva::Observed from_trace(const Call& call, const trace::Return& result) {
  spec::sva::Observed observed;
  observed.value = result.value.value_or(0);
  observed.status = spec::sva::Status::not_built;
  constexpr spec::sva::Status known[] = {
      spec::sva::Status::ok,     spec::sva::Status::enoent, spec::sva::Status::esrch,
      spec::sva::Status::eio,    spec::sva::Status::enomem, spec::sva::Status::ebusy,
      spec::sva::Status::eexist, spec::sva::Status::enodev, spec::sva::Status::einval,
      spec::sva::Status::enospc, spec::sva::Status::erange, spec::sva::Status::edeadlk,
      spec::sva::Status::eopnotsupp, spec::sva::Status::etimedout};
  for (const spec::sva::Status status : known) {
    if (status_of(status) == result.status) observed.status = status;
  }
  if (call.kind == CallKind::domain_alloc && result.words && result.words->size() == 3) {
    observed.facts = {static_cast<u32>((*result.words)[0]), static_cast<u32>((*result.words)[1]),
                      (*result.words)[2]};
  }
  return observed;
}

}  // namespace iommucheck::oracle
