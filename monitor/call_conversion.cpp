// SPDX-License-Identifier: MIT
#include "monitor/call_conversion.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
namespace calls = trace::calls;

/// The word for a result; `other` for one that the interface does not know. 1, an error that Linux
/// has, is no word: as a word it says "not built".
trace::Status status_of(spec::sva::Status status) {
  if (status == spec::sva::Status::not_built) return trace::Status::not_built;
  const auto word = static_cast<trace::Status>(status);
  const bool number = static_cast<int>(status) >= 0 && static_cast<int>(status) < 255;
  const bool known = number && trace::word_of<trace::Status>(static_cast<u64>(status)) != nullptr;
  return known && word != trace::Status::not_built ? word : trace::Status::other;
}

spec::sva::Status status_of(const trace::Return& result) {
  if (result.status == trace::Status::not_built) return spec::sva::Status::not_built;
  if (result.status != trace::Status::other) return static_cast<spec::sva::Status>(result.status);
  return static_cast<spec::sva::Status>(static_cast<int>(result.error.value_or(~u32{0} >> 1)));
}

template <class Map>
u32 prot_in(const Map& map) {
  u32 prot = prot_of(map.rights);
  if constexpr (requires { map.privileged; }) {
    if (map.privileged.value_or(false)) prot |= spec::sva::prot_privileged;
    if (map.device_memory.value_or(false)) prot |= spec::sva::prot_device;
  }
  return prot;
}

trace::Ranges pieces_of(const Call& call) {
  trace::Ranges pieces;
  for (const spec::sva::Segment& segment : call.segments) {
    pieces.push_back({segment.pa, segment.size});
  }
  return pieces;
}

trace::Attribute attribute_of(u32 attribute) {
  return attribute == spec::sva::attribute_pasid ? trace::Attribute::pasid
                                                 : trace::Attribute::ttbr0;
}

/// The word, or the one for a code that no word stands for.
trace::FaultResponse response_of(u32 response) {
  const auto word = static_cast<trace::FaultResponse>(response);
  return response <= spec::sva::response_last ? word : trace::FaultResponse::unknown;
}

trace::Words words_of(const spec::sva::FaultRecord& fault) {
  return {fault.device, fault.pasid, fault.iova, fault.prot, fault.group, fault.last ? u64{1} : 0};
}

/// Whether some are missing; then the record.
trace::Words words_of(const spec::sva::EventRead& event) {
  trace::Words words{event.lost ? u64{1} : 0};
  words.insert(words.end(), event.words.begin(), event.words.end());
  return words;
}

spec::sva::EventRead event_of(const trace::Words& words) {
  spec::sva::EventRead event{.lost = words[0] != 0};
  std::copy(words.begin() + 1, words.end(), event.words.begin());
  return event;
}

spec::sva::FaultRecord fault_of(const trace::Words& words) {
  return {.device = static_cast<u32>(words[0]),
          .pasid = static_cast<u32>(words[1]),
          .iova = words[2],
          .prot = static_cast<u32>(words[3]),
          .group = static_cast<u32>(words[4]),
          .last = words[5] != 0};
}
constexpr std::size_t fault_words = 6;
constexpr std::size_t event_read_words = 5;

}  // namespace

trace::Rights rights_of(u32 prot) {
  return {(prot & spec::sva::prot_read) != 0, (prot & spec::sva::prot_write) != 0,
          (prot & spec::sva::prot_exec) != 0};
}

u32 prot_of(const trace::Rights& rights) {
  return (rights.read ? spec::sva::prot_read : 0) | (rights.write ? spec::sva::prot_write : 0) |
         (rights.execute ? spec::sva::prot_exec : 0);
}

u32 prot_wanted(const spec::Access& access) {
  switch (access.type) {
    case spec::AccessType::write: return spec::sva::prot_write;
    case spec::AccessType::execute: return spec::sva::prot_exec;
    default: return spec::sva::prot_read;
  }
}

Call by_number(Call call, CallNumbers& numbers) {
  call.domain = numbers.domains.number(call.domain);
  call.parent = numbers.domains.number(call.parent);
  call.io_mm = numbers.io_mms.number(call.io_mm);
  call.token = numbers.tokens.number(call.token);
  call.queue = numbers.queues.number(call.queue);
  return call;
}

// ---- to a trace ---------------------------------------------------------------------------------

namespace {

/// The arguments of a kind of call, field by field as it has them. The reverse of CallReader.
calls::FaultQueueOpen arguments_of_open(const Call& call) {
  calls::FaultQueueOpen open;
  if (call.device != spec::sva::no_device) open.device = trace::DeviceId{call.device};
  if (call.domain != 0) open.domain = trace::DomainId{static_cast<u32>(call.domain)};
  open.depth = call.depth;
  return open;
}

template <class Arguments>
Arguments arguments_of(const Call& call) {
  Arguments a;
  if constexpr (requires { a.domain = trace::DomainId{}; }) {
    a.domain = trace::DomainId{static_cast<u32>(call.domain)};
  }
  if constexpr (requires { a.device = trace::DeviceId{}; }) a.device = trace::DeviceId{call.device};
  if constexpr (requires { a.io_mm; }) a.io_mm = trace::IoMmId{static_cast<u32>(call.io_mm)};
  if constexpr (requires { a.mm; }) a.mm = trace::MmId{static_cast<u32>(call.mm)};
  if constexpr (requires { a.task; }) a.task = trace::MmId{static_cast<u32>(call.mm)};
  if constexpr (requires { a.token; }) a.token = trace::TokenId{static_cast<u32>(call.token)};
  if constexpr (requires { a.iova; }) a.iova = call.iova;
  if constexpr (requires { a.pa; }) a.pa = call.pa;
  if constexpr (requires { a.size; }) a.size = call.size;
  if constexpr (requires { a.pasid = call.pasid; }) a.pasid = call.pasid;
  if constexpr (requires { a.queue; }) a.queue = trace::QueueId{static_cast<u32>(call.queue)};
  if constexpr (requires { a.depth; }) a.depth = call.depth;
  if constexpr (requires { a.fault_group; }) {
    a.fault_group = call.group;
    a.response = response_of(call.response);
    if (call.pasid != spec::sva::pasid_unknown) a.pasid = trace::substream(call.pasid);
  }
  if constexpr (requires { a.present; }) {
    a.present = call.present;
    if (call.pasid != spec::sva::pasid_unknown) a.pasid = trace::substream(call.pasid);
  }
  if constexpr (requires { a.grain; }) a.grain = call.grain;
  if constexpr (requires { a.number; }) a.number = call.number;
  if constexpr (requires { a.commands; }) {
    for (const spec::sva::CommandWords& one : call.commands) {
      a.commands.push_back({one.low, one.high});
    }
  }
  if constexpr (requires { a.table = u64{}; }) {
    if (spec::sva::is_nested(call.domain_kind)) a.table = call.structure[0];
  }
  if constexpr (requires { a.on; }) a.on = call.on;
  if constexpr (requires { a.clear; }) a.clear = call.clear;
  if constexpr (requires { a.flags; }) a.flags = call.flags;
  if constexpr (requires { a.drvdata; }) a.drvdata = call.drvdata;
  if constexpr (requires { a.features; }) a.features = call.features;
  if constexpr (requires { a.min_pasid; }) a.min_pasid = call.min_pasid;
  if constexpr (requires { a.max_pasid; }) a.max_pasid = call.max_pasid;
  if constexpr (requires { a.min; }) a.min = call.min_pasid;
  if constexpr (requires { a.max; }) a.max = call.max_pasid;
  if constexpr (requires { a.mm_exit; }) a.mm_exit = call.has_mm_exit;
  if constexpr (requires { a.attribute; }) a.attribute = attribute_of(call.attribute);
  if constexpr (requires { a.pieces; }) a.pieces = pieces_of(call);
  if constexpr (requires { a.rights; }) a.rights = rights_of(call.prot);
  if constexpr (requires { a.privileged; }) {
    if ((call.prot & spec::sva::prot_privileged) != 0) a.privileged = true;
  }
  if constexpr (requires { a.device_memory; }) {
    if ((call.prot & spec::sva::prot_device) != 0) a.device_memory = true;
  }
  if constexpr (requires { a.parent; }) {
    if (call.parent != 0) a.parent = trace::DomainId{static_cast<u32>(call.parent)};
  }
  if constexpr (requires { a.input_bits; }) {
    if (call.input_bits != 0) a.input_bits = call.input_bits;
    if (call.iommu) a.iommu = trace::IommuId{*call.iommu};
  }
  if constexpr (requires { a.kind = trace::DomainKind{}; }) {
    a.kind = static_cast<trace::DomainKind>(call.domain_kind);
  }
  return a;
}

}  // namespace

trace::CallArguments to_trace(const Call& given, CallNumbers& numbers) {
  const Call call = by_number(given, numbers);
  if (call.kind == CallKind::fault_queue_open) return arguments_of_open(call);
  switch (call.kind) {
#define CALL(name, Struct, ...) \
  case CallKind::name: return arguments_of<calls::Struct>(call);
#include "base/calls.def"
#undef CALL
  }
  return {};  // a kind that is none
}

trace::Return to_trace(const Call& call, const spec::sva::Observed& observed, trace::CallId id,
                       CallNumbers& numbers) {
  trace::Return result;
  result.id = id;
  result.status = status_of(observed.status);
  if (result.status == trace::Status::other) result.error = static_cast<u32>(observed.status);
  const bool ok = observed.status == spec::sva::Status::ok;
  switch (trace::call_table[static_cast<std::size_t>(call.kind)].result) {
    case trace::ResultKind::status: break;
    case trace::ResultKind::bytes:
    case trace::ResultKind::count:
    case trace::ResultKind::address: result.value = observed.value; break;
    case trace::ResultKind::handle:
      if (!ok) break;
      result.value =
          call.kind == CallKind::domain_alloc ? numbers.domains.number(observed.value)
          : call.kind == CallKind::fault_queue_open || call.kind == CallKind::event_queue_open
              ? numbers.queues.number(observed.value)
          : call.kind == CallKind::bind_task ? numbers.tokens.number(observed.value)
                                             : numbers.io_mms.number(observed.value);
      if (call.kind == CallKind::domain_alloc) {
        result.words = trace::Words{observed.facts.input_bits, observed.facts.output_bits,
                                    observed.facts.page_sizes};
      }
      if (observed.pasid != spec::sva::pasid_unknown) result.words = trace::Words{observed.pasid};
      break;
    case trace::ResultKind::bitmap:
      if (ok) result.words = observed.bits;
      break;
    case trace::ResultKind::record:
      if (!ok) break;
      result.words =
          call.kind == CallKind::event_read ? words_of(observed.event) : words_of(observed.fault);
      break;
    default:
      if (ok) result.value = observed.value;
  }
  return result;
}

// ---- from a trace -------------------------------------------------------------------------------

namespace {

/// Fills a judged call, field by field as each kind of call has them.
struct CallReader {
  TracedCall& out;

  template <class Arguments>
  void operator()(const Arguments& a) {
    Call& call = out.call;
    if constexpr (requires { static_cast<u64>(a.domain); })
      call.domain = static_cast<u64>(a.domain);
    if constexpr (requires { static_cast<u32>(a.device); })
      call.device = static_cast<u32>(a.device);
    if constexpr (requires { a.io_mm; }) call.io_mm = static_cast<u64>(a.io_mm);
    if constexpr (requires { a.mm; }) call.mm = static_cast<u64>(a.mm);
    if constexpr (requires { a.task; }) call.mm = static_cast<u64>(a.task);
    if constexpr (requires { a.token; }) call.token = static_cast<u64>(a.token);
    if constexpr (requires { a.iova; }) call.iova = a.iova;
    if constexpr (requires { a.pa; }) call.pa = a.pa;
    if constexpr (requires { a.size; }) call.size = a.size;
    if constexpr (requires { call.pasid = a.pasid; }) call.pasid = a.pasid;
    if constexpr (requires { static_cast<u64>(a.queue); }) call.queue = static_cast<u64>(a.queue);
    if constexpr (requires { a.fault_group; }) {
      call.group = a.fault_group;
      call.response = static_cast<u32>(a.response);
      call.pasid = a.pasid.valid ? a.pasid.value : spec::sva::pasid_unknown;
    }
    if constexpr (requires { a.present; }) {
      call.present = a.present;
      call.pasid = a.pasid.valid ? a.pasid.value : spec::sva::pasid_unknown;
    }
    if constexpr (requires { a.depth; }) call.depth = a.depth;
    if constexpr (requires { a.grain; }) call.grain = a.grain;
    if constexpr (requires { a.number; }) call.number = a.number;
    if constexpr (requires { a.commands; }) {
      for (const trace::CommandWords& one : a.commands)
        out.lists.commands.push_back({one.low, one.high});
    }
    if constexpr (requires { a.on; }) call.on = a.on;
    if constexpr (requires { a.clear; }) call.clear = a.clear;
    if constexpr (requires { a.flags; }) call.flags = a.flags;
    if constexpr (requires { a.drvdata; }) call.drvdata = a.drvdata;
    if constexpr (requires { a.features; }) call.features = a.features;
    if constexpr (requires { a.min_pasid; }) {
      call.min_pasid = a.min_pasid;
      call.max_pasid = a.max_pasid;
    }
    if constexpr (requires { a.min; }) {
      call.min_pasid = a.min;
      call.max_pasid = a.max;
    }
    if constexpr (requires { a.mm_exit; }) call.has_mm_exit = a.mm_exit;
    if constexpr (requires { a.attribute; }) {
      call.attribute = a.attribute == trace::Attribute::pasid ? spec::sva::attribute_pasid
                                                              : spec::sva::attribute_ttbr0;
    }
    if constexpr (requires { a.rights; }) call.prot = prot_in(a);
    if constexpr (requires { a.pieces; }) {
      for (const trace::Range& piece : a.pieces)
        out.lists.segments.push_back({piece.base, piece.length});
    }
  }
  void operator()(const calls::FaultQueueOpen& open) {
    out.call.device = spec::sva::no_device;
    if (open.device) out.call.device = static_cast<u32>(*open.device);
    out.call.domain = static_cast<u64>(open.domain.value_or(trace::DomainId{}));
    out.call.depth = open.depth;
  }
  void operator()(const calls::DomainAlloc& alloc) {
    out.call.domain_kind = static_cast<u32>(alloc.kind);
    out.call.input_bits = alloc.input_bits.value_or(0);
    if (alloc.iommu) out.call.iommu = static_cast<u32>(*alloc.iommu);
    out.call.parent = static_cast<u64>(alloc.parent.value_or(trace::DomainId{}));
    out.call.structure[0] = alloc.table.value_or(0);
  }
};

}  // namespace

Expected<TracedCall> from_trace(const trace::CallArguments& arguments) {
  const trace::CallInfo& info = trace::info(arguments);
  TracedCall traced;
  traced.call.kind = static_cast<CallKind>(info.call);
  if (!info.built || !spec::sva::call_is_built(traced.call.kind)) {
    return fail(ErrorCode::unsupported, "the call " + std::string(info.name) + " is not built");
  }
  trace::visit(CallReader{traced}, arguments);
  return traced;
}

spec::sva::Observed from_trace(const Call& call, const trace::Return& result) {
  spec::sva::Observed observed;
  observed.value = result.value.value_or(0);
  observed.status = status_of(result);
  if (!result.words) return observed;
  if (call.kind == CallKind::domain_alloc && result.words->size() == 3) {
    observed.facts = {static_cast<u32>((*result.words)[0]), static_cast<u32>((*result.words)[1]),
                      (*result.words)[2]};
  }
  if (call.kind == CallKind::dirty_read) observed.bits = *result.words;
  if (call.kind == CallKind::fault_queue_read && result.words->size() == fault_words) {
    observed.fault = fault_of(*result.words);
  }
  if (call.kind == CallKind::event_read && result.words->size() == event_read_words) {
    observed.event = event_of(*result.words);
  }
  const bool numbered = call.kind == CallKind::sva_alloc_pasid || call.kind == CallKind::bind_task;
  if (numbered && result.words->size() == 1) {
    observed.pasid = static_cast<u32>((*result.words)[0]);
  }
  return observed;
}

std::string status_text(const trace::Return& result) {
  return spec::sva::status_text(status_of(result));
}

}  // namespace iommucheck::oracle
