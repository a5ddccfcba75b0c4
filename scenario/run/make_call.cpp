// SPDX-License-Identifier: MIT
#include "scenario/run/make_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/errno_names.h"
#include "scenario/format/print.h"
#include "trace/types.h"

namespace iommucheck::oracle::stories {
namespace {

using scenario::Value;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

enum class Field : u8 {
  none,
  domain,
  device,
  iova,
  pa,
  size,
  prot,
  segments,
  io_mm,
  mm,
  drvdata,
  pasid,
  flags,
  features,
  min_pasid,
  max_pasid,
  handler,
  attribute,
  kind,
};

struct Shape {
  CallKind kind;
  std::array<Field, 5> fields;
};

constexpr Shape shapes[] = {
    {CallKind::domain_alloc, {Field::kind}},
    {CallKind::domain_free, {Field::domain}},
    {CallKind::attach, {Field::domain, Field::device}},
    {CallKind::detach, {Field::domain, Field::device}},
    {CallKind::attach_pasid, {Field::domain, Field::device, Field::pasid}},
    {CallKind::detach_pasid, {Field::domain, Field::device, Field::pasid}},
    {CallKind::map, {Field::domain, Field::iova, Field::pa, Field::size, Field::prot}},
    {CallKind::map_sg, {Field::domain, Field::iova, Field::segments, Field::prot}},
    {CallKind::unmap, {Field::domain, Field::iova, Field::size}},
    {CallKind::unmap_fast, {Field::domain, Field::iova, Field::size}},
    {CallKind::iotlb_sync, {Field::domain}},
    {CallKind::flush_iotlb_all, {Field::domain}},
    {CallKind::tlb_range_add, {Field::domain, Field::iova, Field::size}},
    {CallKind::iova_to_phys, {Field::domain, Field::iova}},
    {CallKind::domain_get_attr, {Field::domain, Field::attribute}},
    {CallKind::sva_device_init,
     {Field::device, Field::features, Field::min_pasid, Field::max_pasid, Field::handler}},
    {CallKind::sva_device_shutdown, {Field::device}},
    {CallKind::bind_device, {Field::device, Field::mm, Field::flags, Field::drvdata}},
    {CallKind::unbind_device, {Field::device, Field::pasid}},
    {CallKind::unbind_dev_all, {Field::device}},
    {CallKind::sva_drvdata, {Field::device, Field::pasid}},
    {CallKind::io_mm_of, {Field::device, Field::pasid}},
    {CallKind::sva_alloc_pasid, {Field::domain, Field::device}},
    {CallKind::sva_free_pasid, {Field::domain, Field::io_mm}},
    {CallKind::io_mm_get_pasid, {Field::io_mm}},
    {CallKind::io_mm_get_attr, {Field::io_mm, Field::attribute}},
    {CallKind::sva_map, {Field::io_mm, Field::iova, Field::pa, Field::size, Field::prot}},
    {CallKind::sva_map_sg, {Field::io_mm, Field::iova, Field::segments, Field::prot}},
    {CallKind::sva_unmap, {Field::io_mm, Field::iova, Field::size}},
    {CallKind::sva_unmap_fast, {Field::io_mm, Field::iova, Field::size}},
    {CallKind::sva_iotlb_sync, {Field::io_mm}},
    {CallKind::sva_flush_tlb_all, {Field::io_mm}},
    {CallKind::sva_tlb_range_add, {Field::io_mm, Field::iova, Field::size}},
    {CallKind::sva_iova_to_phys, {Field::io_mm, Field::iova}},
    {CallKind::sva_attach, {Field::io_mm, Field::device}},
    {CallKind::sva_detach, {Field::io_mm, Field::device}},
    {CallKind::pasid_alloc, {Field::min_pasid, Field::max_pasid}},
    {CallKind::pasid_free, {Field::pasid}},
    {CallKind::recover, {}},
};

const Shape* shape_of(CallKind kind) {
  for (const Shape& shape : shapes) {
    if (shape.kind == kind) return &shape;
  }
  return nullptr;
}

constexpr u32 unknown_bit = u32{1} << 31;

u32 rights_of(const Value& value) {
  if (value.kind == Value::Kind::number) return static_cast<u32>(value.number);
  if (value.word == "none" || value.word == "-") return 0;
  u32 prot = 0;
  for (const char letter : value.word) {
    if (letter == 'r') prot |= spec::sva::prot_read;
    if (letter == 'w') prot |= spec::sva::prot_write;
    if (letter == 'x') prot |= spec::sva::prot_exec;
    if (letter == 'p') prot |= spec::sva::prot_privileged;
    if (letter == 'd') prot |= spec::sva::prot_device;
  }
  return prot;
}

u32 bits_of(const Value& list, std::initializer_list<std::pair<std::string_view, u32>> known) {
  u32 bits = 0;
  for (const Value& item : list.items) {
    u32 bit = item.kind == Value::Kind::number ? static_cast<u32>(item.number) : unknown_bit;
    for (const auto& [name, value] : known) {
      if (item.is_word(name)) bit = value;
    }
    bits |= bit;
  }
  return bits;
}

u32 domain_kind(std::string_view word) {
  const auto kind = trace::enum_from_string<trace::DomainKind>(word);
  return kind ? static_cast<u32>(*kind) : ~u32{0};
}

class Maker {
 public:
  Maker(const World& world, const Names& names) : world_(world), names_(names) {}

  Expected<MadeCall> make(const scenario::Invoke& invoke, CallKind kind) {
    made_.call.kind = kind;
    const Shape* shape = shape_of(kind);
    if (shape == nullptr) return fail(ErrorCode::unsupported, invoke.call.text);
    for (std::size_t i = 0; i < invoke.arguments.size() && i < shape->fields.size(); ++i) {
      set(shape->fields[i], invoke.arguments[i]);
    }
    if (kind == CallKind::domain_alloc && world_.iova_bits) {
      made_.call.input_bits = static_cast<u32>(*world_.iova_bits);
    }
    if (missing_) {
      return fail(ErrorCode::bad_input,
                  "'" + *missing_ + "' has no value: the call that gives it has failed");
    }
    return made_;
  }

 private:
  u64 number(const Value& value) {
    const auto known = names_.value(value);
    if (!known && !missing_) missing_ = scenario::print(value);
    return known.value_or(0);
  }

  void add_segment(const Value& item) {
    if (item.items.size() == 2) {
      made_.segments.push_back({number(item.items[0]), number(item.items[1])});
      return;
    }
    u64 bytes = 0x1000;
    if (const auto page = world_.pages.find(item.word); page != world_.pages.end()) {
      bytes = page->second.bytes - std::min(item.number, page->second.bytes);
    }
    made_.segments.push_back({number(item), bytes});
  }

  void set(Field field, const Value& value) {
    Call& call = made_.call;
    switch (field) {
      case Field::none: break;
      case Field::domain: call.domain = number(value); break;
      case Field::device: call.device = world_.device(value.word); break;
      case Field::iova: call.iova = number(value); break;
      case Field::pa: call.pa = number(value); break;
      case Field::size: call.size = number(value); break;
      case Field::prot: call.prot = rights_of(value); break;
      case Field::segments:
        for (const Value& item : value.items) add_segment(item);
        break;
      case Field::io_mm: call.io_mm = number(value); break;
      case Field::mm:
        if (const auto mm = names_.process(value.word)) {
          call.mm = *mm;
        } else if (value.word == "NULL") {
          call.mm = 0;
        } else if (!missing_) {
          missing_ = value.word;
        }
        break;
      case Field::drvdata: call.drvdata = number(value); break;
      case Field::pasid:
        if (const auto pasid = names_.pasid(value)) {
          call.pasid = *pasid;
        } else if (!missing_) {
          missing_ = scenario::print(value);
        }
        break;
      case Field::flags:
        call.flags = bits_of(value, {{"further", spec::sva::bind_further_pasid}});
        break;
      case Field::features:
        call.features = bits_of(
            value, {{"iopf", spec::sva::feature_iopf}, {"private", spec::sva::feature_private}});
        break;
      case Field::min_pasid: call.min_pasid = clipped(number(value)); break;
      case Field::max_pasid: call.max_pasid = clipped(number(value)); break;
      case Field::handler: call.has_mm_exit = value.is_word("mm_exit") || value.number != 0; break;
      case Field::attribute:
        call.attribute = value.kind == Value::Kind::number ? clipped(value.number)
                         : value.is_word("pasid")          ? spec::sva::attribute_pasid
                         : value.is_word("ttbr0")          ? spec::sva::attribute_ttbr0
                                                           : ~u32{0};
        break;
      case Field::kind:
        call.domain_kind =
            value.kind == Value::Kind::number ? clipped(value.number) : domain_kind(value.word);
        break;
    }
  }

  static u32 clipped(u64 value) { return static_cast<u32>(std::min<u64>(value, ~u32{0})); }

  const World& world_;
  const Names& names_;
  MadeCall made_;
  std::optional<std::string> missing_;
};

/// The number of `done(n, error)`, and its error.
std::optional<std::pair<u64, Status>> done_of(const Value& value) {
  if (value.kind != Value::Kind::term || value.word != "done" || value.items.size() != 2) {
    return std::nullopt;
  }
  const auto status = status_of(value.items[1].word);
  if (!status) return std::nullopt;
  return std::pair{value.items[0].number, *status};
}

bool one_matches(const Value& value, const Answer& answer, CallKind kind, Names& names) {
  const auto& observed = answer.observed;
  const bool blocked = answer.state == Answer::State::blocked;
  if (value.is_word("blocked")) return blocked;
  // In a race one may wait for a handler that the other has made run.
  if (value.is_word("either")) return blocked || answer.state == Answer::State::returned;
  if (answer.state != Answer::State::returned) return false;
  if (value.is_word("any")) return true;
  const bool ok = observed.status == Status::ok;
  if (value.is_word("ok")) return ok;
  if (value.is_word("new")) return ok && (gives_pasid(kind) || observed.value != 0);
  if (value.kind == Value::Kind::term) {
    const auto done = done_of(value);
    return done && done->first == observed.value && done->second == observed.status;
  }
  if (value.kind == Value::Kind::word && !value.plus) {
    if (const auto status = status_of(value.word)) return *status == observed.status;
  }
  // What unmap moved counts although the time was up.
  if (!ok && observed.status != Status::etimedout) return false;
  if (gives_pasid(kind) && value.kind == Value::Kind::number) {
    return names.same_pasid(value.number, static_cast<u32>(observed.value));
  }
  const auto number = names.value(value);
  return number && *number == observed.value;
}

}  // namespace

std::optional<Status> status_of(std::string_view name) {
  if (name == "ok") return Status::ok;
  const auto number = errno_number(name);
  if (!number) return std::nullopt;
  return static_cast<Status>(*number);
}

std::optional<CallKind> kind_of(std::string_view call) {
  if (call == "fault_read") return CallKind::fault_queue_read;
  if (call == "fault_respond") return CallKind::fault_queue_respond;
  if (call == "fault_close") return CallKind::fault_queue_close;
  for (u32 i = 0; i < spec::sva::call_count(); ++i) {
    if (spec::sva::call_name(static_cast<CallKind>(i)) == call) return static_cast<CallKind>(i);
  }
  return std::nullopt;
}

Expected<MadeCall> make_call(const scenario::Invoke& invoke, const World& world,
                             const Names& names) {
  const auto kind = kind_of(invoke.call.text);
  if (!kind) return fail(ErrorCode::unsupported, invoke.call.text);
  return Maker(world, names).make(invoke, *kind);
}

bool gives_pasid(CallKind kind) {
  return kind == CallKind::bind_device || kind == CallKind::io_mm_get_pasid ||
         kind == CallKind::pasid_alloc;
}

bool gives_address(CallKind kind) {
  return kind == CallKind::iova_to_phys || kind == CallKind::sva_iova_to_phys;
}

Wanted wanted_of(const scenario::Values& results, const Names& names, CallKind kind) {
  Wanted wanted;
  for (const Value& value : results) {
    if (value.is_word("any") || value.is_word("either")) wanted.anything = true;
    if (value.is_word("ok") || value.is_word("new")) wanted.success = true;
    if (const auto done = done_of(value)) {
      wanted.values.push_back(done->first);
      if (done->second != Status::ok) wanted.errors.push_back(done->second);
    }
    const auto status =
        value.kind == Value::Kind::word && !value.plus ? status_of(value.word) : std::nullopt;
    if (status && *status != Status::ok) wanted.errors.push_back(*status);
    if (const auto number = names.value(value)) {
      wanted.values.push_back(*number);
      wanted.success |= gives_pasid(kind);
    }
  }
  return wanted;
}

bool succeeded(const Answer& answer) {
  return answer.state == Answer::State::returned && answer.observed.status == Status::ok;
}

bool matches(const scenario::Values& results, const Answer& answer, CallKind kind, Names& names) {
  if (results.empty()) return succeeded(answer);
  return std::ranges::any_of(
      results, [&](const Value& value) { return one_matches(value, answer, kind, names); });
}

std::string text_of(const Answer& answer, CallKind kind, const Names& names) {
  if (answer.state == Answer::State::blocked) return "blocked";
  if (answer.state == Answer::State::not_built) return "not built";
  const auto& observed = answer.observed;
  std::string text = spec::sva::status_text(observed.status);
  if (observed.status != Status::ok) {
    if (observed.value != 0) text += fmt::format(" with {:#x}", observed.value);
    return text;
  }
  if (gives_pasid(kind)) return fmt::format("{}", observed.value);
  if (gives_address(kind)) return names.address_text(observed.value);
  const bool counts = kind == CallKind::unmap || kind == CallKind::unmap_fast ||
                      kind == CallKind::sva_unmap || kind == CallKind::sva_unmap_fast ||
                      kind == CallKind::map_sg || kind == CallKind::sva_map_sg ||
                      kind == CallKind::sva_drvdata;
  if (counts || observed.value != 0) return fmt::format("{:#x}", observed.value);
  return text;
}

}  // namespace iommucheck::oracle::stories
