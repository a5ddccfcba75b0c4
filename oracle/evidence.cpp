// SPDX-License-Identifier: MIT
#include "oracle/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "spec/smmu/command.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

std::string call_of(const trace::Call& event) {
  const auto call = from_trace(event.call);
  return call ? spec::sva::call_text(call->get()) : std::string(trace::info(event.call).name);
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

std::string access_of(const trace::Dma& dma) {
  const std::string_view verb = dma.direction == trace::Direction::write     ? "writes"
                                : dma.direction == trace::Direction::execute ? "fetches code at"
                                                                             : "reads";
  return fmt::format(
      "stream {:#x} {} {:#x}{}{}: {}{}", dma.sid, verb, dma.iova,
      dma.privileged.value_or(false) ? " privileged" : "",
      dma.ssid && dma.ssid->valid ? fmt::format(" as PASID {:#x}", dma.ssid->value) : std::string(),
      trace::to_string(dma.result), dma.pa ? fmt::format(" at {:#x}", *dma.pa) : std::string());
}

std::string register_name(u64 offset) {
  const auto info = spec::register_at(static_cast<u32>(offset));
  return info ? std::string(info->name) : fmt::format("register {:#x}", offset);
}

std::string range_of(u64 first, u64 bytes) {
  return bytes == ~u64{0} ? "everything" : fmt::format("{:#x}, {:#x} bytes", first, bytes);
}

/// What the environment and device drivers do between the calls; empty for other events.
std::string story_of(const trace::Event& event) {
  const auto is = [&]<class Payload>(const Payload*& payload) {
    payload = std::get_if<Payload>(&event.payload);
    return payload != nullptr;
  };
  const trace::ProcessMap* map = nullptr;
  const trace::ProcessUnmap* unmap = nullptr;
  const trace::ProcessProtect* protect = nullptr;
  const trace::Fork* fork = nullptr;
  const trace::Release* release = nullptr;
  const trace::Callback* callback = nullptr;
  const trace::Done* done = nullptr;
  const trace::BoundPasses* bound = nullptr;
  const trace::DeviceRemove* remove = nullptr;
  const trace::StuckQueue* stuck = nullptr;
  const auto pasid_of = [](const trace::Substream& at) { return at.valid ? at.value : 0; };
  if (is(map)) {
    return fmt::format("process {} maps {} to {:#x} {}", static_cast<u64>(map->mm),
                       range_of(map->va, map->length), map->pa.value_or(0),
                       trace::to_string(map->rights));
  }
  if (is(unmap)) {
    return fmt::format("process {} unmaps {}", static_cast<u64>(unmap->mm),
                       range_of(unmap->va, unmap->length));
  }
  if (is(protect)) {
    return fmt::format("process {} protects {}: {}", static_cast<u64>(protect->mm),
                       range_of(protect->va, protect->length), trace::to_string(protect->rights));
  }
  if (is(fork)) {
    return fmt::format("process {} forks process {}", static_cast<u64>(fork->mm),
                       static_cast<u64>(fork->child));
  }
  if (is(release)) {
    return fmt::format("process {}: Release {}", static_cast<u64>(release->mm),
                       release->phase == trace::Phase::begin ? "begins" : "has returned");
  }
  if (is(callback)) {
    return fmt::format("the driver calls mm_exit(device {}, PASID {:#x}, drvdata {:#x})",
                       static_cast<u32>(callback->device), pasid_of(callback->pasid),
                       callback->drvdata.value_or(0));
  }
  if (is(done)) {
    return fmt::format("mm_exit(device {}, PASID {:#x}) returns {}", static_cast<u32>(done->device),
                       done->pasid, trace::to_string(done->status));
  }
  if (is(bound)) {
    return fmt::format("mm_exit(device {}, PASID {:#x}) is past its bound",
                       static_cast<u32>(bound->device), bound->pasid);
  }
  if (is(remove) && remove->phase != trace::Phase::end) {
    return fmt::format("device {} is gone", static_cast<u32>(remove->device));
  }
  if (is(stuck)) return stuck->stuck ? "the command queue is stuck" : "the command queue goes on";
  return {};
}

/// What the event was; empty for those that nobody is pointed to.
std::string event_text(const trace::Event& event) {
  if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    return fmt::format("the driver stores {:#x} at {:#x}", store->value.value_or(0), store->pa);
  }
  if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
    return fmt::format("the driver fills {} words from {:#x} with {:#x}", fill->words, fill->pa,
                       fill->value);
  }
  if (const auto* rmw = std::get_if<trace::Rmw>(&event.payload)) {
    return fmt::format("the driver exchanges the word at {:#x} for {:#x}", rmw->pa,
                       rmw->value.value_or(0));
  }
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
    return fmt::format("the driver writes {:#x} to {}", write->value, register_name(write->offset));
  }
  if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
    return fmt::format("the driver reads {:#x} from {}", read->value, register_name(read->offset));
  }
  if (const auto* alloc = std::get_if<trace::Alloc>(&event.payload)) {
    return fmt::format("the driver is given {:#x} bytes at {:#x}", alloc->length, alloc->pa);
  }
  if (const auto* free = std::get_if<trace::Free>(&event.payload)) {
    return fmt::format("the driver gives back {:#x} bytes at {:#x}", free->length, free->pa);
  }
  if (std::holds_alternative<trace::Barrier>(event.payload)) return "a barrier";
  if (std::holds_alternative<trace::Return>(event.payload)) return "the call returns";
  if (const auto* call = std::get_if<trace::Call>(&event.payload)) {
    return "the call " + call_of(*call) + " begins";
  }
  return story_of(event);
}

/// Numbers behind "event " in the texts, in ascending order.
std::vector<EventIndex> events_named(const std::vector<std::string>& texts) {
  std::vector<EventIndex> found;
  constexpr std::string_view word = "event ";
  for (const std::string& text : texts) {
    for (std::size_t i = text.find(word); i != std::string::npos; i = text.find(word, i + 1)) {
      const char* begin = text.data() + i + word.size();
      EventIndex number = 0;
      const auto parsed = std::from_chars(begin, text.data() + text.size(), number);
      if (parsed.ptr != begin) found.push_back(number);
    }
  }
  std::ranges::sort(found);
  const auto doubled = std::ranges::unique(found);
  found.erase(doubled.begin(), doubled.end());
  return found;
}

/// "event 57: the driver stores 0x0 at 0x80006008, in call 4 (line 60 of the trace)".
std::optional<std::string> event_line(EventIndex number, const CaseRecord& record) {
  u64 calls = 0;
  bool inside = false;
  for (std::size_t i = 0; i < record.trace.events.size(); ++i) {
    const trace::Event& event = record.trace.events[i];
    if (std::holds_alternative<trace::Call>(event.payload)) {
      ++calls;
      inside = true;
    }
    if (record.at[i] == number) {
      const std::string text = event_text(event);
      if (!text.empty()) {
        const std::string where = inside       ? fmt::format("call {}", calls)
                                  : calls == 0 ? "its boot"
                                               : fmt::format("what follows call {}", calls);
        return fmt::format("event {}: {}, in {} (line {} of the trace)", number, text, where,
                           i + 2);
      }
    }
    if (std::holds_alternative<trace::Return>(event.payload)) inside = false;
  }
  return std::nullopt;
}

}  // namespace

std::string describe(const trace::Event& event) {
  std::string text = event_text(event);
  return text.empty() ? std::string(trace::info(trace::kind_of(event)).name) : text;
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  constexpr std::string_view goes_on = "; the entry has";  // the other half of a comparison
  while (!text.empty()) {
    std::size_t end = text.find("; ");
    while (end != std::string_view::npos && text.substr(end).starts_with(goes_on)) {
      end = text.find("; ", end + 1);
    }
    end = std::min(end, text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 2));
    for (const std::string_view cause : {": a cached ", ": anything read ", ": memory at "}) {
      const std::size_t colon = part.find(cause);
      if (colon == std::string_view::npos) continue;
      parts.emplace_back(part.substr(0, colon));
      part.remove_prefix(colon + 2);
      break;
    }
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::vector<std::string> call_lines(const trace::Trace& trace) {
  std::vector<std::string> lines;
  struct Open {
    trace::Call call;
    u64 number = 0;
  };
  std::vector<Open> open;  // more than one where calls wait for handlers
  u64 calls = 0;
  bool failure = false;
  const auto line = [&](const Open& call, const std::string& result) {
    lines.push_back(fmt::format("{:3}. {} = {}{}", call.number, call_of(call.call), result,
                                failure ? " (an allocation was made to fail)" : ""));
    failure = false;
  };
  for (const trace::Event& event : trace.events) {
    if (const auto* call = std::get_if<trace::Call>(&event.payload)) {
      open.push_back({*call, ++calls});
    } else if (const auto* result = std::get_if<trace::Return>(&event.payload)) {
      const auto its = std::ranges::find(open, result->id, [](const Open& o) { return o.call.id; });
      if (its == open.end()) continue;
      line(*its, result_of(its->call, *result));
      open.erase(its);
    } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
      lines.push_back("     " + access_of(*dma));
    } else if (std::holds_alternative<trace::AllocationFailure>(event.payload)) {
      failure = true;
    } else if (const auto* phase = std::get_if<trace::DriverPhase>(&event.payload)) {
      if (phase->phase == trace::DriverLife::stopping) lines.emplace_back("     shutdown");
    } else if (std::string text = story_of(event); !text.empty()) {
      lines.push_back("     " + std::move(text));
    }
  }
  for (const Open& call : open) line(call, "it did not return");
  return lines;
}

Words words_of(const Finding& finding, const CaseRecord& record) {
  Words words;
  const std::vector<std::string> parts = parts_of(finding.text);
  std::string promised;
  for (const std::string& part : parts) {
    if (words.headline.empty()) {
      words.headline = part;
    } else if (part.starts_with("promised: ")) {
      promised = part;
    } else {
      words.evidence.push_back(part);
    }
  }
  if (!promised.empty()) words.headline += "; " + promised;
  for (const EventIndex number : events_named(parts)) {
    if (auto line = event_line(number, record)) words.evidence.push_back(std::move(*line));
  }
  words.evidence.push_back(fmt::format("found at event {}; the calls up to it:", finding.at));
  std::vector<std::string> calls = call_lines(record.trace);
  if (calls.empty()) calls.emplace_back("     none: it is the driver's boot");
  std::ranges::move(calls, std::back_inserter(words.evidence));
  return words;
}

}  // namespace iommucheck::oracle
