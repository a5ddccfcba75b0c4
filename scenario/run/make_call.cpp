// SPDX-License-Identifier: MIT
#include "scenario/run/make_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/call_arguments.h"
#include "base/errno_names.h"
#include "scenario/format/print.h"
#include "trace/types.h"

namespace iommucheck::oracle::stories {
namespace {

using scenario::Value;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

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

/// Whether a spec::sva::Call has the argument: those of calls that are not built are missing.
bool can_be_set(const std::optional<CallArgument>& argument) {
  return !argument || *argument != CallArgument::other;
}

class Maker {
 public:
  Maker(const World& world, const Names& names) : world_(world), names_(names) {}

  Expected<MadeCall> make(const scenario::Invoke& invoke, CallKind kind) {
    made_.call.kind = kind;
    const CallShape& shape = call_shapes[static_cast<std::size_t>(kind)];
    if (!std::ranges::all_of(shape.arguments, can_be_set)) {
      return fail(ErrorCode::unsupported, invoke.call.text);
    }
    std::size_t i = 0;
    if (kind == CallKind::fault_queue_open) set_owner(invoke.arguments[i++]);
    for (const auto& argument : shape.arguments) {
      if (argument && i < invoke.arguments.size()) set(*argument, invoke.arguments[i++]);
    }
    if (kind == CallKind::domain_alloc && world_.iova_bits) {
      made_.call.input_bits = static_cast<u32>(*world_.iova_bits);
    }
    if (kind == CallKind::domain_alloc && invoke.arguments.size() > 1) {
      set_parent(invoke.arguments[1]);
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

  /// Of a dynamic or a user's domain; of another one the IOMMU that it is for.
  void set_parent(const Value& value) {
    const auto kind = static_cast<spec::sva::DomainKind>(made_.call.domain_kind);
    const bool has_parent =
        kind == spec::sva::DomainKind::dynamic || spec::sva::is_nested(made_.call.domain_kind);
    const auto iommu = has_parent ? std::nullopt : world_.iommu(value.word);
    iommu ? made_.call.iommu = iommu : made_.call.parent = number(value);
  }

  /// Of a fault queue: a device, or a domain.
  void set_owner(const Value& value) {
    const auto device = names_.device(value.word);
    made_.call.device = device.value_or(spec::sva::no_device);
    if (!device) made_.call.domain = number(value);
  }

  void add_segment(const Value& item) {
    if (item.items.size() == 2) {
      made_.lists.segments.push_back({number(item.items[0]), number(item.items[1])});
      return;
    }
    u64 bytes = 0x1000;
    if (const auto page = world_.pages.find(item.word); page != world_.pages.end()) {
      bytes = page->second.bytes - std::min(item.number, page->second.bytes);
    }
    made_.lists.segments.push_back({number(item), bytes});
  }

  void set(CallArgument argument, const Value& value) {
    Call& call = made_.call;
    switch (argument) {
      case CallArgument::token: call.token = number(value); break;
      case CallArgument::queue: call.queue = value.is_word("handler") ? 0 : number(value); break;
      case CallArgument::depth: call.depth = clipped(number(value)); break;
      case CallArgument::fault_group:
        call.group = names_.group({call.device, call.pasid, number(value)});
        break;
      case CallArgument::response: {
        const auto word = trace::enum_from_string<trace::FaultResponse>(value.word);
        call.response = value.kind == Value::Kind::number ? clipped(value.number)
                        : word                            ? static_cast<u32>(*word)
                                                          : ~u32{0};
        break;
      }
      case CallArgument::other:
      case CallArgument::commands: break;
      case CallArgument::number: call.number = number(value); break;
      case CallArgument::grain: call.grain = number(value); break;
      case CallArgument::on: call.on = value.is_word("on") || value.number != 0; break;
      case CallArgument::clear: call.clear = value.is_word("clear") || value.number != 0; break;
      case CallArgument::present: call.present = value.is_word("handler"); break;
      case CallArgument::domain: call.domain = number(value); break;
      case CallArgument::device: call.device = world_.device(value.word); break;
      case CallArgument::iova: call.iova = number(value); break;
      case CallArgument::pa: call.pa = number(value); break;
      case CallArgument::size: call.size = number(value); break;
      case CallArgument::rights: call.prot = rights_of(value); break;
      case CallArgument::pieces:
        for (const Value& item : value.items) add_segment(item);
        break;
      case CallArgument::io_mm: call.io_mm = number(value); break;
      case CallArgument::mm:
        if (const auto mm = names_.process(value.word)) {
          call.mm = *mm;
        } else if (value.word == "NULL") {
          call.mm = 0;
        } else if (!missing_) {
          missing_ = value.word;
        }
        break;
      case CallArgument::drvdata: call.drvdata = number(value); break;
      case CallArgument::pasid:
        if (const auto pasid = names_.pasid(value)) {
          call.pasid = *pasid;
        } else if (!missing_) {
          missing_ = scenario::print(value);
        }
        break;
      case CallArgument::flags:
        call.flags = bits_of(value, {{"further", spec::sva::bind_further_pasid},
                                     {"svm", spec::sva::task_svm},
                                     {"explicit", spec::sva::task_explicit}});
        break;
      case CallArgument::features:
        call.features = bits_of(
            value, {{"iopf", spec::sva::feature_iopf}, {"private", spec::sva::feature_private}});
        break;
      case CallArgument::min_pasid: call.min_pasid = clipped(number(value)); break;
      case CallArgument::max_pasid: call.max_pasid = clipped(number(value)); break;
      case CallArgument::mm_exit:
        call.has_mm_exit = value.is_word("mm_exit") || value.number != 0;
        break;
      case CallArgument::attribute:
        call.attribute = value.kind == Value::Kind::number ? clipped(value.number)
                         : value.is_word("pasid")          ? spec::sva::attribute_pasid
                         : value.is_word("ttbr0")          ? spec::sva::attribute_ttbr0
                                                           : ~u32{0};
        break;
      case CallArgument::kind:
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

bool is_bits(const Value& value) {
  return value.kind == Value::Kind::term && value.word == "bits" && value.items.size() == 1;
}

/// The bits of `bits(0101)`, the first digit the lowest.
std::optional<std::vector<u64>> bits_in(const Value& value) {
  if (!is_bits(value)) return std::nullopt;
  const std::string& digits = value.items[0].word;
  std::vector<u64> bits((digits.size() + 63) / 64);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] == '1') bits[i / 64] |= u64{1} << (i % 64);
  }
  return bits;
}

/// The digits of a window, first to last.
std::string digits_of(const Answer& answer) {
  const std::vector<u64>& words = answer.observed.bits;
  std::string digits;
  for (u64 i = 0; i < answer.bits; ++i) {
    const bool is_set = i / 64 < words.size() && (words[i / 64] >> (i % 64) & 1) != 0;
    digits += is_set ? '1' : '0';
  }
  return digits;
}

/// `fault(DEV, PASID, IOVA, access, GROUP)`; the address by its page.
bool same_fault(const Value& value, const spec::sva::FaultRecord& fault, Names& names) {
  if (value.word != "fault" || value.items.size() < 5) return false;
  const auto device = names.device(value.items[0].word);
  const auto iova = names.value(value.items[2]);
  const auto group = names.value(value.items[4]);
  const Value& pasid = value.items[1];
  const bool same_pasid = pasid.kind == Value::Kind::number
                              ? names.same_pasid(pasid.number, fault.pasid)
                              : names.pasid(pasid) == fault.pasid;
  constexpr std::pair<std::string_view, u32> accesses[] = {
      {"r", spec::sva::prot_read}, {"w", spec::sva::prot_write}, {"x", spec::sva::prot_exec}};
  bool same_access = false;
  for (const auto& [word, prot] : accesses) {
    same_access |= value.items[3].is_word(word) && (fault.prot & spec::sva::prot_access) == prot;
  }
  return device == fault.device && same_pasid && same_access && iova && group &&
         (*iova >> 12) == (fault.iova >> 12) &&
         names.same_group({fault.device, fault.pasid, *group}, fault.group);
}

/// `event(NUMBER, PASID, IOVA, access[, F.…])`: none where a record has no such field. The address
/// by its page; nothing else is in it.
std::string event_text(const UserWords::Event& event) {
  const std::string pasid = event.pasid ? fmt::format("{}", *event.pasid) : "none";
  const std::string where =
      event.iova ? fmt::format("{:#x}, {}", *event.iova, event.access) : "none, none";
  return fmt::format("event({:#x}, {}, {}, {}{})", event.number, pasid, where, event.fault,
                     event.says_nothing_else ? "" : ", and more");
}

bool same_event(const Value& value, const spec::sva::EventRead& given, const Names& names,
                const UserWords& words) {
  if (given.lost || value.word != "event" || value.items.size() < 4) return false;
  const UserWords::Event event = words.event(given.words);
  const Value& pasid = value.items[1];
  const bool same_pasid = !event.pasid                        ? pasid.is_word("none")
                          : pasid.kind == Value::Kind::number ? pasid.number == *event.pasid
                                                              : names.pasid(pasid) == *event.pasid;
  const auto iova = names.value(value.items[2]);
  const std::string access(1, event.access);
  const bool same_place =
      event.iova ? iova && *iova >> 12 == *event.iova >> 12 && value.items[3].is_word(access)
                 : value.items[2].is_word("none") && value.items[3].is_word("none");
  return names.value(value.items[0]) == event.number && same_pasid && same_place &&
         (value.items.size() < 5 || value.items[4].word == event.fault) && event.says_nothing_else;
}

bool one_matches(const Value& value, const Answer& answer, CallKind kind, Names& names,
                 const UserWords* words) {
  const auto& observed = answer.observed;
  const bool blocked = answer.state == Answer::State::blocked;
  if (value.is_word("blocked")) return blocked;
  // In a race one may wait for a handler that the other has made run.
  if (value.is_word("either")) return blocked || answer.state == Answer::State::returned;
  if (answer.state != Answer::State::returned) return false;
  if (!answer.word.empty()) return value.is_word(answer.word) || value.is_word("any");
  if (value.is_word("any")) return true;
  const bool ok = observed.status == Status::ok;
  if (value.is_word("ok")) return ok;
  if (value.is_word("new")) return ok && (gives_pasid(kind) || observed.value != 0);
  const bool nothing = value.is_word("empty") || value.is_word("none");
  if (nothing && observed.status == Status::eagain) return true;
  if (value.kind == Value::Kind::term && kind == CallKind::fault_queue_read) {
    return ok && same_fault(value, observed.fault, names);
  }
  if (value.kind == Value::Kind::term && kind == CallKind::event_read) {
    return ok && words != nullptr && same_event(value, observed.event, names, *words);
  }
  if (value.is_word("lost")) return ok && observed.event.lost;
  if (is_bits(value)) {
    return ok && kind == CallKind::dirty_read && value.items[0].word == digits_of(answer);
  }
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
  if (call == "fault_close" || call == "event_queue_close") return CallKind::fault_queue_close;
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

namespace {

bool one_of_records(std::string_view word) {
  return word == "fault" || word == "event" || word == "lost";
}

}  // namespace

Wanted wanted_of(const scenario::Values& results, const Names& names, CallKind kind) {
  Wanted wanted;
  for (const Value& value : results) {
    if (value.is_word("any") || value.is_word("either")) wanted.anything = true;
    if (value.is_word("ok") || value.is_word("new")) wanted.success = true;
    const bool is_record = value.kind == Value::Kind::term || value.word == "lost";
    if (is_record && one_of_records(value.word)) wanted.success = true;
    if (value.is_word("empty")) wanted.errors.push_back(Status::eagain);
    if (auto bits = bits_in(value)) wanted.bits.push_back(std::move(*bits));
    if (const auto done = done_of(value)) {
      if (done->second == Status::ok) {
        wanted.values.push_back(done->first);
      } else {
        wanted.errors.push_back(done->second);
        wanted.before_errors.push_back(done->first);
      }
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

bool matches(const scenario::Values& results, const Answer& answer, CallKind kind, Names& names,
             const UserWords* words) {
  if (results.empty()) return succeeded(answer);
  return std::ranges::any_of(
      results, [&](const Value& value) { return one_matches(value, answer, kind, names, words); });
}

std::string text_of(const Answer& answer, CallKind kind, const Names& names,
                    const UserWords* words) {
  if (answer.state == Answer::State::blocked) return "blocked";
  if (answer.state == Answer::State::not_built) return "not built";
  if (!answer.word.empty()) return answer.word;
  const auto& observed = answer.observed;
  std::string text = spec::sva::status_text(observed.status);
  if (observed.status != Status::ok) {
    if (observed.value != 0) text += fmt::format(" with {:#x}", observed.value);
    return text;
  }
  if (kind == CallKind::fault_queue_read) {
    const auto& fault = observed.fault;
    const char* access = (fault.prot & spec::sva::prot_write) != 0  ? "w"
                         : (fault.prot & spec::sva::prot_exec) != 0 ? "x"
                                                                    : "r";
    const std::string pasid = fault.pasid == spec::sva::without_pasid
                                  ? "none"
                                  : fmt::format("{}", names.written_pasid(fault.pasid));
    return fmt::format("fault({}, {}, {:#x}, {}, {})", names.device_name(fault.device), pasid,
                       fault.iova, access, fault.group);
  }
  if (kind == CallKind::event_read) {
    if (observed.event.lost) return "lost";
    return words != nullptr ? event_text(words->event(observed.event.words)) : "an event";
  }
  if (kind == CallKind::dirty_read) {
    return fmt::format("bits({})", digits_of(answer));
  }
  if (gives_pasid(kind)) return fmt::format("{}", observed.value);
  if (gives_address(kind)) return names.address_text(observed.value);
  const bool counts = kind == CallKind::unmap || kind == CallKind::unmap_fast ||
                      kind == CallKind::sva_unmap || kind == CallKind::sva_unmap_fast ||
                      kind == CallKind::map_sg || kind == CallKind::sva_map_sg ||
                      kind == CallKind::sva_drvdata || kind == CallKind::task_unmap;
  if (counts || observed.value != 0) return fmt::format("{:#x}", observed.value);
  return text;
}

}  // namespace iommucheck::oracle::stories
