// SPDX-License-Identifier: MIT
#include "spec/sva/call.h"

#include "base/call_arguments.h"
#include "base/text.h"

namespace iommucheck::spec::sva {

namespace {

/// "0x13 0x1000, 0x10 0x0", each as its two words.
std::string commands_text(std::span<const CommandWords> commands) {
  std::string text;
  for (const CommandWords& one : commands) {
    if (!text.empty()) text += ", ";
    text += hex(one.low) + " " + hex(one.high);
  }
  return text;
}

/// A kind by its name; a number that is none as it is.
std::string kind_text(u32 kind) {
  switch (static_cast<DomainKind>(kind)) {
    case DomainKind::paging: return "paging";
    case DomainKind::blocked: return "blocked";
    case DomainKind::identity: return "identity";
    case DomainKind::paging_s2: return "paging_s2";
    case DomainKind::dynamic: return "dynamic";
    case DomainKind::nested: return "nested";
    case DomainKind::nested_pasid: return "nested_pasid";
  }
  return "kind " + std::to_string(kind);
}

std::string arguments_text(const Call& call) {
  const std::string domain = "domain " + hex(call.domain);
  const std::string device = ", device " + std::to_string(call.device);
  const std::string range = ", iova " + hex(call.iova) + ", size " + hex(call.size);
  const std::string io_mm = "io_mm " + hex(call.io_mm);
  const std::string of = "device " + std::to_string(call.device);
  const std::string at = of + ", PASID " + std::to_string(call.pasid);
  const std::string numbers =
      std::to_string(call.min_pasid) + " to " + std::to_string(call.max_pasid);
  const bool on_io_mm = is_io_mm_call(call.kind);
  const std::string token = "token " + hex(call.token);
  const std::string queue = "queue " + hex(call.queue);
  const std::string target = on_io_mm ? io_mm : is_task_call(call.kind) ? token : domain;
  switch (as_domain_call(call.kind)) {
    case CallKind::domain_alloc:
      return kind_text(call.domain_kind) +
             (call.parent == 0 ? "" : ", master " + hex(call.parent)) +
             (!is_nested(call.domain_kind)
                  ? ""
                  : ", structure " + hex(call.structure[0]) +
                        (call.structure[1] == 0 ? "" : " " + hex(call.structure[1]))) +
             (call.input_bits == 0 ? "" : ", input bits " + std::to_string(call.input_bits));
    case CallKind::attach:
    case CallKind::detach: return domain + device;
    case CallKind::attach_pasid:
    case CallKind::detach_pasid: return domain + device + ", PASID " + std::to_string(call.pasid);
    case CallKind::map:
      return target + ", iova " + hex(call.iova) + ", pa " + hex(call.pa) + ", size " +
             hex(call.size) + ", prot " + hex(call.prot);
    case CallKind::map_sg: {
      std::string text = target + ", iova " + hex(call.iova) + ", [";
      for (const Segment& segment : call.segments) {
        if (text.back() != '[') text += ", ";
        text += hex(segment.pa) + " + " + hex(segment.size);
      }
      return text + "], prot " + hex(call.prot);
    }
    case CallKind::unmap:
    case CallKind::unmap_fast:
    case CallKind::tlb_range_add: return target + range;
    case CallKind::iova_to_phys: return target + ", iova " + hex(call.iova);
    case CallKind::pasid_alloc: return numbers;
    case CallKind::pasid_free: return "PASID " + std::to_string(call.pasid);
    case CallKind::sva_device_init:
      return of + ", features " + hex(call.features) + ", PASIDs " + numbers +
             (call.has_mm_exit ? ", mm_exit" : "");
    case CallKind::sva_device_shutdown:
    case CallKind::unbind_dev_all: return of;
    case CallKind::unbind_task: return of + ", " + token;
    case CallKind::task_get_attr: return token + ", attribute " + std::to_string(call.attribute);
    case CallKind::bind_task:
    case CallKind::bind_device:
      return of + ", mm " + hex(call.mm) + ", flags " + hex(call.flags) + ", drvdata " +
             hex(call.drvdata);
    case CallKind::unbind_device:
    case CallKind::sva_drvdata:
    case CallKind::io_mm_of: return at;
    case CallKind::sva_alloc_pasid: return domain + device;
    case CallKind::sva_free_pasid: return domain + ", " + io_mm;
    case CallKind::io_mm_get_pasid: return io_mm;
    case CallKind::io_mm_get_attr: return io_mm + ", attribute " + std::to_string(call.attribute);
    case CallKind::domain_get_attr: return domain + ", attribute " + std::to_string(call.attribute);
    case CallKind::sva_attach:
    case CallKind::sva_detach: return io_mm + device;
    case CallKind::fault_queue_open:
      return (call.device == no_device ? domain : of) + ", depth " + std::to_string(call.depth);
    case CallKind::event_queue_open: return domain + ", depth " + std::to_string(call.depth);
    case CallKind::event_read:
    case CallKind::fault_queue_read:
    case CallKind::fault_queue_close: return queue;
    case CallKind::fault_queue_respond:
      return queue + ", " + at + ", group " + std::to_string(call.group) + ", response " +
             std::to_string(call.response);
    case CallKind::fault_handler_set:
      return at + (call.present ? ", handler " + hex(call.drvdata) : ", none");
    case CallKind::dirty_set: return domain + (call.on ? ", on" : ", off");
    case CallKind::dirty_read:
      return domain + range + ", grain " + hex(call.grain) + (call.clear ? ", clear" : ", keep");
    case CallKind::vdevice: return domain + device + ", number " + hex(call.number);
    case CallKind::cache_invalidate:
      return domain + ", commands [" + commands_text(call.commands) + "]";
    case CallKind::recover: return "";
    default:
      if (on_io_mm) return io_mm;
      return call_is_built(call.kind) ? domain : "";
  }
}

}  // namespace

std::string status_text(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::not_built: return "not built";
    case Status::enoent: return "ENOENT";
    case Status::esrch: return "ESRCH";
    case Status::eio: return "EIO";
    case Status::eagain: return "EAGAIN";
    case Status::enomem: return "ENOMEM";
    case Status::ebusy: return "EBUSY";
    case Status::eexist: return "EEXIST";
    case Status::enodev: return "ENODEV";
    case Status::einval: return "EINVAL";
    case Status::enospc: return "ENOSPC";
    case Status::erange: return "ERANGE";
    case Status::edeadlk: return "EDEADLK";
    case Status::eopnotsupp: return "EOPNOTSUPP";
    case Status::etimedout: return "ETIMEDOUT";
  }
  const auto number = static_cast<std::int64_t>(status);  // of a trace: any, the least as well
  const bool is_errno = number > 0 && number < 4096;
  return is_errno ? "errno " + std::to_string(number) : std::to_string(-number);
}

std::string_view hook_name(Hook hook) {
  switch (hook) {
    case Hook::mm_alloc: return "mm_alloc";
    case Hook::mm_free: return "mm_free";
    case Hook::mm_attach: return "mm_attach";
    case Hook::mm_detach: return "mm_detach";
  }
  return "no hook";
}

std::string_view call_name(CallKind kind) {
  const auto i = static_cast<std::size_t>(kind);
  return i < call_shapes.size() ? call_shapes[i].name : "unknown call";
}

bool call_is_built(CallKind kind) {
  const auto i = static_cast<std::size_t>(kind);
  return i < call_shapes.size() && call_shapes[i].built;
}

u32 call_count() { return static_cast<u32>(call_shapes.size()); }

std::string call_text(const Call& call) {
  return std::string(call_name(call.kind)) + "(" + arguments_text(call) + ")";
}

}  // namespace iommucheck::spec::sva
