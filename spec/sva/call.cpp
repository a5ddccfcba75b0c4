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

std::string pieces_text(std::span<const Segment> pieces) {
  std::string text;
  for (const Segment& piece : pieces) {
    if (!text.empty()) text += ", ";
    text += hex(piece.pa) + " + " + hex(piece.size);
  }
  return text;
}

std::string domain_alloc_text(const Call& call) {
  std::string text = kind_text(call.domain_kind);
  if (call.parent != 0) text += ", master " + hex(call.parent);
  if (is_nested(call.domain_kind)) {
    text += ", structure " + hex(call.structure[0]);
    if (call.structure[1] != 0) text += " " + hex(call.structure[1]);
  }
  if (call.iommu) text += ", IOMMU " + std::to_string(*call.iommu);
  if (call.input_bits != 0) text += ", input bits " + std::to_string(call.input_bits);
  return text;
}

/// Empty where it is part of another one's, or there is none.
std::string argument_text(const Call& call, CallArgument argument) {
  switch (argument) {
    case CallArgument::domain: return "domain " + hex(call.domain);
    case CallArgument::device: return "device " + std::to_string(call.device);
    case CallArgument::pasid: return "PASID " + std::to_string(call.pasid);
    case CallArgument::mm: return "mm " + hex(call.mm);
    case CallArgument::io_mm: return "io_mm " + hex(call.io_mm);
    case CallArgument::token: return "token " + hex(call.token);
    case CallArgument::queue: return "queue " + hex(call.queue);
    case CallArgument::iova: return "iova " + hex(call.iova);
    case CallArgument::pa: return "pa " + hex(call.pa);
    case CallArgument::size: return "size " + hex(call.size);
    case CallArgument::rights: return "prot " + hex(call.prot);
    case CallArgument::pieces: return "[" + pieces_text(call.segments) + "]";
    case CallArgument::kind: return domain_alloc_text(call);
    case CallArgument::flags: return "flags " + hex(call.flags);
    case CallArgument::features: return "features " + hex(call.features);
    case CallArgument::drvdata:
      if (call.kind == CallKind::fault_handler_set) return "";
      return "drvdata " + hex(call.drvdata);
    case CallArgument::min_pasid:
      return (call.kind == CallKind::pasid_alloc ? "" : "PASIDs ") +
             std::to_string(call.min_pasid) + " to " + std::to_string(call.max_pasid);
    case CallArgument::max_pasid: return "";
    case CallArgument::mm_exit: return call.has_mm_exit ? "mm_exit" : "";
    case CallArgument::attribute: return "attribute " + std::to_string(call.attribute);
    case CallArgument::commands: return "commands [" + commands_text(call.commands) + "]";
    case CallArgument::depth: return "depth " + std::to_string(call.depth);
    case CallArgument::fault_group: return "group " + std::to_string(call.group);
    case CallArgument::response: return "response " + std::to_string(call.response);
    case CallArgument::grain: return "grain " + hex(call.grain);
    case CallArgument::on: return call.on ? "on" : "off";
    case CallArgument::clear: return call.clear ? "clear" : "keep";
    case CallArgument::present: return call.present ? "handler " + hex(call.drvdata) : "none";
    case CallArgument::number: return "number " + hex(call.number);
    case CallArgument::other: break;
  }
  return "";
}

/// As calls.def has them: a new call needs nothing here, a new sort of argument its own line.
std::string arguments_text(const Call& call) {
  if (!call_is_built(call.kind)) return "";
  std::string text;
  const auto add = [&](CallArgument argument) {
    const std::string its = argument_text(call, argument);
    if (!its.empty() && !text.empty()) text += ", ";
    text += its;
  };
  if (call.kind == CallKind::fault_queue_open) {  // one of the two
    add(call.device == no_device ? CallArgument::domain : CallArgument::device);
  }
  for (const auto& argument : call_shapes[static_cast<std::size_t>(call.kind)].arguments) {
    if (argument) add(*argument);
  }
  return text;
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
