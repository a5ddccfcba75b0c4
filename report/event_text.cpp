// SPDX-License-Identifier: MIT
#include "report/event_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

#include "monitor/call_conversion.h"
#include "spec/smmu/command.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

/// What a handler of mm_exit calls is refused, or not, because it is one.
std::string place_of(const trace::Call& event) {
  if (!event.handler_device || !event.handler_pasid) return {};
  return fmt::format(" from inside mm_exit of device {}, PASID {:#x}",
                     static_cast<u32>(*event.handler_device), *event.handler_pasid);
}

}  // namespace

std::string call_text(const trace::Call& event) {
  const auto call = from_trace(event.call);
  return (call ? spec::sva::call_text(call->get()) : std::string(trace::info(event.call).name)) +
         place_of(event);
}

namespace {

/// A user's route has a second word, which an event of its own in front of the call has.
std::string with_route(const trace::Call& event, u64 users_attributes) {
  auto call = from_trace(event.call);
  if (!call) return call_text(event);
  spec::sva::Call whole = call->get();
  whole.structure[1] = users_attributes;
  return spec::sva::call_text(whole) + place_of(event);
}

std::string result_of(const trace::Call& call, const trace::Return& result) {
  const std::string status = status_text(result);
  if (!result.value) return status;
  switch (trace::info(call.call).result) {
    case trace::ResultKind::handle: return fmt::format("{}, {:#x}", status, *result.value);
    case trace::ResultKind::bytes: return fmt::format("{}, {:#x} bytes", status, *result.value);
    default: return fmt::format("{}, {:#x}", status, *result.value);
  }
}

/// Of a Dma, or a DmaBegin.
template <class Access>
std::string words_of_access(const Access& dma) {
  const std::string_view verb = dma.direction == trace::Direction::write     ? "writes"
                                : dma.direction == trace::Direction::execute ? "fetches code at"
                                                                             : "reads";
  return fmt::format("stream {:#x} {} {:#x}{}{}", dma.sid, verb, dma.iova,
                     dma.privileged.value_or(false) ? " privileged" : "",
                     dma.ssid && dma.ssid->valid ? fmt::format(" as PASID {:#x}", dma.ssid->value)
                                                 : std::string());
}
/// Of a Dma, or a DmaEnd.
template <class Access>
std::string words_of_outcome(const Access& dma) {
  return std::string(trace::to_string(dma.result)) +
         (dma.pa ? fmt::format(" at {:#x}", *dma.pa) : std::string());
}

std::string register_name(u64 offset, Registers registers) {
  if (registers == Registers::of_a_backend) return fmt::format("register {:#x}", offset);
  const auto info = spec::register_at(static_cast<u32>(offset));
  return info ? std::string(info->name) : fmt::format("register {:#x}", offset);
}

std::string range_of(u64 first, u64 bytes) {
  return bytes == ~u64{0} ? "everything" : fmt::format("{:#x}, {:#x} bytes", first, bytes);
}

// ---- what the environment and device drivers do between the calls ------------------------------

/// Of most events nothing.
template <class Other>
std::string story_text(const Other& /*event*/) {
  return {};
}

// Processes.

std::string story_text(const trace::ProcessMap& map) {
  return fmt::format("process {} maps {} to {:#x} {}", static_cast<u64>(map.mm),
                     range_of(map.va, map.length), map.pa.value_or(0),
                     trace::to_string(map.rights));
}

std::string story_text(const trace::ProcessUnmap& unmap) {
  return fmt::format("process {} unmaps {}", static_cast<u64>(unmap.mm),
                     range_of(unmap.va, unmap.length));
}

std::string story_text(const trace::ProcessProtect& protect) {
  return fmt::format("process {} protects {}: {}", static_cast<u64>(protect.mm),
                     range_of(protect.va, protect.length), trace::to_string(protect.rights));
}

std::string story_text(const trace::Invalidate& invalidate) {
  return fmt::format("process {}: Invalidate of {} {}", static_cast<u64>(invalidate.mm),
                     range_of(invalidate.va, invalidate.length),
                     invalidate.phase == trace::Phase::begin ? "begins" : "has returned");
}

std::string story_text(const trace::Fork& fork) {
  return fmt::format("process {} forks process {}", static_cast<u64>(fork.mm),
                     static_cast<u64>(fork.child));
}

std::string story_text(const trace::Release& release) {
  return fmt::format("process {}: Release {}", static_cast<u64>(release.mm),
                     release.phase == trace::Phase::begin ? "begins" : "has returned");
}

// Users, which write tables of their own.

std::string story_text(const trace::UserMap& map) {
  const std::string range = range_of(map.va, map.length);
  const auto parent = static_cast<u32>(map.parent);
  if (!map.ipa) return fmt::format("the user of domain {} unmaps {}", parent, range);
  return fmt::format("the user of domain {} maps {} to IPA {:#x} {}", parent, range, *map.ipa,
                     trace::to_string(map.rights));
}

std::string story_text(const trace::UserTakesOut& takes_out) {
  return fmt::format("the user of domain {} takes the table of {} out",
                     static_cast<u32>(takes_out.parent), range_of(takes_out.va, takes_out.length));
}

std::string story_text(const trace::UserEntry& entry) {
  return fmt::format("the user of domain {} writes an entry at IPA {:#x}: {}",
                     static_cast<u32>(entry.parent), entry.entry, trace::to_string(entry.kind));
}

// Devices and their drivers.

std::string story_text(const trace::PageRequest& asks) {
  const bool at_pasid = asks.ssid && asks.ssid->valid;
  return fmt::format("stream {:#x} asks for the page {:#x}{}, group {}{}", asks.sid, asks.iova,
                     at_pasid ? fmt::format(" as PASID {:#x}", asks.ssid->value) : std::string(),
                     asks.page_group, asks.last ? "" : ", not its last page");
}

std::string story_text(const trace::Callback& callback) {
  const bool of_fault = callback.kind == trace::CallbackKind::fault_handler;
  return fmt::format("the driver calls {}(device {}, PASID {:#x}, drvdata {:#x}{})",
                     of_fault ? "fault_handler" : "mm_exit", static_cast<u32>(callback.device),
                     callback.pasid.valid ? callback.pasid.value : 0, callback.drvdata.value_or(0),
                     of_fault ? fmt::format(", group {}", callback.fault_group.value_or(0)) : "");
}

std::string story_text(const trace::Done& done) {
  return fmt::format("mm_exit(device {}, PASID {:#x}) returns {}", static_cast<u32>(done.device),
                     done.pasid, trace::to_string(done.status));
}

std::string story_text(const trace::BoundPasses& bound) {
  return fmt::format("mm_exit(device {}, PASID {:#x}) is past its bound",
                     static_cast<u32>(bound.device), bound.pasid);
}

std::string story_text(const trace::DeviceRemove& remove) {
  if (remove.phase == trace::Phase::end) return {};
  return fmt::format("device {} is gone", static_cast<u32>(remove.device));
}

std::string story_text(const trace::DeviceAdd& add) {
  if (add.phase == trace::Phase::begin) return {};
  const auto status = add.status.value_or(trace::Status::ok);
  const auto device = static_cast<u32>(add.device);
  if (status == trace::Status::ok) return fmt::format("device {} is there again", device);
  return fmt::format("device {} is not there again: {}", device, trace::to_string(status));
}

std::string story_text(const trace::EndpointAts& ats) {
  return fmt::format("the driver switches ATS {} at device {}", ats.on ? "on" : "off",
                     static_cast<u32>(ats.device));
}

std::string story_text(const trace::StuckQueue& stuck) {
  return stuck.stuck ? "the command queue is stuck" : "the command queue goes on";
}

/// Empty for a hook that did its work: it is no news.
std::string story_text(const trace::BackendHook& hook) {
  const std::string_view name = trace::to_string(hook.hook);
  if (hook.is_null.value_or(false)) return fmt::format("the backend's {} makes nothing", name);
  if (!hook.error) return {};
  const auto status = static_cast<spec::sva::Status>(*hook.error);
  return fmt::format("the backend's {} fails with {}", name, spec::sva::status_text(status));
}

/// Empty for other events.
std::string story_of(const trace::Event& event) {
  return std::visit([](const auto& payload) { return story_text(payload); }, event.payload);
}

/// What the event was; empty for those that nobody is pointed to.
std::string event_text(const trace::Event& event, Registers registers) {
  const std::string_view who =
      event.agent == trace::environment_agent ? "the environment" : "the driver";
  if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    return fmt::format("{} stores {:#x} at {:#x}", who, store->value.value_or(0), store->pa);
  }
  if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
    return fmt::format("{} fills {} words from {:#x} with {:#x}", who, fill->words, fill->pa,
                       fill->value);
  }
  if (const auto* rmw = std::get_if<trace::Rmw>(&event.payload)) {
    return fmt::format("{} exchanges the word at {:#x} for {:#x}", who, rmw->pa,
                       rmw->value.value_or(0));
  }
  // Which SMMU, where there are several.
  const auto its = [](const auto& access) {
    return access.iommu ? fmt::format(" of SMMU {}", static_cast<u32>(*access.iommu)) : "";
  };
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
    return fmt::format("the driver writes {:#x} to {}{}", write->value,
                       register_name(write->offset, registers), its(*write));
  }
  if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
    return fmt::format("the driver reads {:#x} from {}{}", read->value,
                       register_name(read->offset, registers), its(*read));
  }
  if (const auto* load = std::get_if<trace::Load>(&event.payload)) {
    return fmt::format("{} loads {:#x} from {:#x}", who, load->value.value_or(0), load->pa);
  }
  if (const auto* irq = std::get_if<trace::Irq>(&event.payload)) {
    return fmt::format("an interrupt ({}){} reaches the driver", trace::to_string(irq->kind),
                       its(*irq));
  }
  if (const auto* alloc = std::get_if<trace::Alloc>(&event.payload)) {
    return fmt::format("{} is given {:#x} bytes at {:#x}{}", who, alloc->length, alloc->pa,
                       alloc->cacheable.value_or(true) ? "" : ", not cached");
  }
  if (const auto* free = std::get_if<trace::Free>(&event.payload)) {
    return fmt::format("{} gives back {:#x} bytes at {:#x}", who, free->length, free->pa);
  }
  if (std::holds_alternative<trace::Barrier>(event.payload)) return "a barrier";
  if (std::holds_alternative<trace::Return>(event.payload)) return "the call returns";
  if (const auto* call = std::get_if<trace::Call>(&event.payload)) {
    return "the call " + call_text(*call) + " begins";
  }
  return story_of(event);
}

}  // namespace

Registers registers_of(const Violation& violation) {
  return violation.of_a_backend ? Registers::of_a_backend : Registers::smmuv3;
}

std::string describe(const trace::Event& event, Registers registers) {
  std::string text = event_text(event, registers);
  return text.empty() ? std::string(trace::info(trace::kind_of(event)).name) : text;
}

namespace {

/// Where the lines end that stand from `first` on and are alike by `form_of`.
template <class FormOf>
std::size_t end_of_run(const std::vector<std::string>& lines, std::size_t first, FormOf form_of) {
  const auto form = form_of(lines[first]);
  std::size_t end = first + 1;
  while (end < lines.size() && form_of(lines[end]) == form) ++end;
  return end;
}

/// Of lines that are the same one behind the other, one, and how many they were.
std::vector<std::string> once_each(const std::vector<std::string>& lines) {
  std::vector<std::string> few;
  for (std::size_t first = 0; first < lines.size();) {
    const std::size_t end = end_of_run(lines, first, std::identity());
    few.push_back(end - first == 1 ? lines[first]
                                   : fmt::format("{} ({} times)", lines[first], end - first));
    first = end;
  }
  return few;
}

/// Of many that differ in numbers alone, the first and the last.
std::vector<std::string> folded(const std::vector<std::string>& lines) {
  constexpr std::size_t many = 8;
  const auto form_of = [](std::string_view line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return without_numbers(line);
  };
  std::vector<std::string> few;
  for (std::size_t first = 0; first < lines.size();) {
    const std::size_t end = end_of_run(lines, first, form_of);
    if (end - first < many) {
      few.insert(few.end(), lines.begin() + static_cast<std::ptrdiff_t>(first),
                 lines.begin() + static_cast<std::ptrdiff_t>(end));
    } else {
      few.push_back(lines[first]);
      few.push_back(fmt::format("     {} like it", end - first - 2));
      few.push_back(lines[end - 1]);
    }
    first = end;
  }
  return few;
}

}  // namespace

std::vector<std::string> call_lines(const Story& story, const std::string& unfinished) {
  std::vector<std::string> lines;
  struct Open {
    trace::Call call;
    u64 number = 0;
    u64 users_attributes = 0;
  };
  std::vector<Open> open;  // more than one where calls wait for handlers
  u64 calls = story.calls_before;
  bool failure = false;
  u64 users_attributes = 0;
  const auto line = [&](const Open& call, const std::string& result) {
    lines.push_back(fmt::format("{:3}. {} = {}{}", call.number,
                                with_route(call.call, call.users_attributes), result,
                                failure ? " (an allocation was made to fail)" : ""));
    failure = false;
  };
  if (calls != 0) lines.push_back(fmt::format("     {} calls before these", calls));
  for (const trace::Event& event : story.events) {
    if (const auto* call = std::get_if<trace::Call>(&event.payload)) {
      open.push_back({*call, ++calls, std::exchange(users_attributes, 0)});
    } else if (const auto* result = std::get_if<trace::Return>(&event.payload)) {
      const auto its = std::ranges::find(open, result->id, [](const Open& o) { return o.call.id; });
      if (its == open.end()) continue;
      line(*its, result_of(its->call, *result));
      open.erase(its);
    } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
      lines.push_back("     " + words_of_access(*dma) + ": " + words_of_outcome(*dma));
    } else if (const auto* begin = std::get_if<trace::DmaBegin>(&event.payload)) {
      lines.push_back(fmt::format("     access {} begins: {}", static_cast<u64>(begin->dma),
                                  words_of_access(*begin)));
    } else if (const auto* end = std::get_if<trace::DmaEnd>(&event.payload)) {
      lines.push_back(fmt::format("     access {} ends: {}", static_cast<u64>(end->dma),
                                  words_of_outcome(*end)));
    } else if (const auto* route = std::get_if<trace::UserRoute>(&event.payload)) {
      users_attributes = route->attributes;
    } else if (std::holds_alternative<trace::AllocationFailure>(event.payload)) {
      failure = true;
    } else if (const auto* phase = std::get_if<trace::DriverPhase>(&event.payload)) {
      if (phase->phase == trace::DriverLife::stopping) lines.emplace_back("     shutdown");
    } else if (std::string text = story_of(event); !text.empty()) {
      lines.push_back("     " + std::move(text));
    }
  }
  for (const Open& call : open) line(call, unfinished);
  return folded(once_each(lines));
}

}  // namespace iommucheck::oracle
