// SPDX-License-Identifier: MIT
#include "monitor/chronicle.h"

#include <algorithm>

#include "trace/codec.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t entries_max = std::size_t{1} << 18;
constexpr std::size_t story_entries_max = std::size_t{1} << 12;
constexpr std::size_t story_max = 200;

/// Bytes from an address on.
struct Bytes {
  u64 first = 0;
  u64 size = 0;
  [[nodiscard]] bool meets(u64 pa, u64 bytes) const {
    return pa < first + size && first < pa + bytes;
  }
};

/// What memory holds now, by what the cause says.
Bytes read_for(const spec::Cause& cause) {
  using Kind = spec::Cause::Kind;
  const bool word =
      cause.kind == Kind::word || cause.kind == Kind::global_word || cause.kind == Kind::table_link;
  if (word) return {cause.pa, sizeof(u64)};
  if (cause.kind != Kind::structure) return {};
  const bool whole =
      cause.structure == spec::ConfigKind::ste || cause.structure == spec::ConfigKind::cd;
  return {cause.pa, (whole ? 8 : 1) * sizeof(u64)};
}

bool stores_into(const trace::Event& event, const Bytes& bytes) {
  return trace::visit(
      [&]<class Payload>(const Payload& payload) {
        if constexpr (std::is_same_v<Payload, trace::Fill>) {
          return bytes.meets(payload.pa, payload.words * sizeof(u64));
        }
        if constexpr (std::is_same_v<Payload, trace::Store> ||
                      std::is_same_v<Payload, trace::Rmw> ||
                      std::is_same_v<Payload, trace::DeviceStore>) {
          return bytes.meets(payload.pa, payload.size);
        }
        return false;
      },
      event.payload);
}

/// A finding is told without an event that no trace can hold, never not at all.
trace::Event decoded(const std::vector<u8>& bytes) {
  trace::ByteReader in{.bytes = bytes, .offset = 0};
  auto event = trace::decode(in);
  if (event) return std::move(*event);
  return {.payload = trace::Note{.text = "an event that cannot be told: " + event.error().message}};
}

bool is_phase(const trace::Event& event, trace::DriverLife life) {
  const auto* phase = std::get_if<trace::DriverPhase>(&event.payload);
  return phase != nullptr && phase->phase == life;
}

/// What belongs to the story of a case: the calls, and what others do between them.
bool belongs_to_story(const trace::Event& event) {
  return trace::visit(
      []<class Payload>(const Payload& payload) {
        if constexpr (std::is_same_v<Payload, trace::DriverPhase>) {
          return payload.phase == trace::DriverLife::stopping;
        }
        if constexpr (std::is_same_v<Payload, trace::DeviceRemove>) {
          return payload.phase != trace::Phase::end;
        }
        if constexpr (std::is_same_v<Payload, trace::DeviceAdd>) {
          return payload.phase != trace::Phase::begin;
        }
        if constexpr (std::is_same_v<Payload, trace::BackendHook>) {
          return payload.error || payload.is_null.value_or(false);
        }
        return std::is_same_v<Payload, trace::Call> || std::is_same_v<Payload, trace::Return> ||
               std::is_same_v<Payload, trace::Dma> || std::is_same_v<Payload, trace::DmaBegin> ||
               std::is_same_v<Payload, trace::DmaEnd> ||
               std::is_same_v<Payload, trace::AllocationFailure> ||
               std::is_same_v<Payload, trace::ProcessMap> ||
               std::is_same_v<Payload, trace::ProcessUnmap> ||
               std::is_same_v<Payload, trace::ProcessProtect> ||
               std::is_same_v<Payload, trace::PageRequest> ||
               std::is_same_v<Payload, trace::UserRoute> ||
               std::is_same_v<Payload, trace::UserMap> ||
               std::is_same_v<Payload, trace::UserTakesOut> ||
               std::is_same_v<Payload, trace::UserEntry> || std::is_same_v<Payload, trace::Fork> ||
               std::is_same_v<Payload, trace::Release> ||
               std::is_same_v<Payload, trace::Callback> || std::is_same_v<Payload, trace::Done> ||
               std::is_same_v<Payload, trace::BoundPasses> ||
               std::is_same_v<Payload, trace::StuckQueue>;
      },
      event.payload);
}

}  // namespace

Chronicle::Chronicle(bool calls_are_known)
    : calls_are_known_(calls_are_known), all_(entries_max), story_(story_entries_max) {}

void Chronicle::Window::add(Entry entry) {
  entries_.push_back(std::move(entry));
  if (entries_.size() <= most_) return;
  entries_.pop_front();
  ++dropped_;
}

void Chronicle::Window::restore() {
  while (dropped_ + entries_.size() > std::max(ready_, dropped_)) entries_.pop_back();
}

void Chronicle::add(const trace::Event& event, EventIndex number, u64 line) {
  if (is_phase(event, trace::DriverLife::restored)) {
    all_.restore();  // numbers begin again there
    story_.restore();
    calls_ = 0;
    inside_ = false;
    beside_ = BesideCalls::ready;
    return;
  }
  if (is_phase(event, trace::DriverLife::starting)) beside_ = BesideCalls::boot;
  if (is_phase(event, trace::DriverLife::stopping)) beside_ = BesideCalls::shutdown;
  if (std::holds_alternative<trace::Call>(event.payload)) {
    ++calls_;
    inside_ = true;
  }
  Entry entry{.line = line,
              .call = calls_,
              .number = number,
              .inside = inside_,
              .beside = beside_,
              .bytes = {}};
  trace::encode(event, entry.bytes);
  if (calls_are_known_ && belongs_to_story(event)) story_.add(entry);
  all_.add(std::move(entry));
  if (std::holds_alternative<trace::Return>(event.payload)) inside_ = false;
  if (is_phase(event, trace::DriverLife::ready)) {
    beside_ = BesideCalls::ready;
    all_.ready();
    story_.ready();
  }
}

const Chronicle::Entry* Chronicle::find(EventIndex number) const {
  const std::deque<Entry>& entries = all_.entries();
  const auto first = std::ranges::lower_bound(entries, number, {}, &Entry::number);
  return first != entries.end() && first->number == number ? &*first : nullptr;
}

u64 Chronicle::line_of(EventIndex number) const {
  const std::deque<Entry>& entries = all_.entries();
  if (number == 0 || entries.empty()) return 0;
  const auto first = std::ranges::lower_bound(entries, number, {}, &Entry::number);
  return first == entries.end() ? 0 : first->line;
}

/// The newest stores to what the causes say that memory holds.
void Chronicle::name_last_stores(const Finding& finding, std::vector<EventIndex>& named) const {
  std::vector<Bytes> wanted;
  for (const spec::Cause& cause : finding.causes) {
    if (const Bytes bytes = read_for(cause); bytes.size != 0) wanted.push_back(bytes);
  }
  const std::deque<Entry>& entries = all_.entries();
  auto entry = std::ranges::upper_bound(entries, finding.at, {}, &Entry::number);
  while (!wanted.empty() && entry != entries.begin()) {
    const trace::Event event = decoded((--entry)->bytes);
    const auto met = [&](const Bytes& bytes) { return stores_into(event, bytes); };
    if (std::erase_if(wanted, met) != 0) named.push_back(entry->number);
  }
  std::ranges::sort(named);
  const auto doubled = std::ranges::unique(named);
  named.erase(doubled.begin(), doubled.end());
}

Violation Chronicle::tell(Finding finding) const {
  Violation violation(std::move(finding));
  std::vector<EventIndex> numbers = events_named(violation);
  name_last_stores(violation, numbers);
  for (const EventIndex number : numbers) {
    const Entry* entry = find(number);
    if (entry == nullptr) continue;
    violation.named.push_back({.number = number,
                               .line = entry->line,
                               .call = entry->call,
                               .inside = entry->inside,
                               .beside = entry->beside,
                               .event = decoded(entry->bytes)});
  }
  tell_story(violation);
  return violation;
}

void Chronicle::tell_story(Violation& violation) const {
  Story& story = violation.story;
  story.known = calls_are_known_;
  if (!calls_are_known_) return;
  const std::deque<Entry>& entries = story_.entries();
  const auto end = std::ranges::upper_bound(entries, violation.at, {}, &Entry::number);
  for (auto entry = end; entry != entries.begin();) {
    --entry;
    if (story.events.size() == story_max) {
      story.calls_before = entry->call;
      break;
    }
    story.events.push_back(decoded(entry->bytes));
  }
  std::ranges::reverse(story.events);
}

Story story_of(const trace::Trace& trace) {
  Chronicle chronicle(true);
  Finding last;
  for (const trace::Event& event : trace.events) {
    ++last.at;
    chronicle.add(event, last.at, last.at + 1);
  }
  return chronicle.tell(std::move(last)).story;
}

std::vector<EventIndex> events_named(const Finding& finding) {
  std::vector<EventIndex> named = finding.events;
  named.push_back(finding.at);
  if (finding.during != 0) named.push_back(finding.during);
  const auto add_cause = [&](const spec::Cause& cause) {
    named.insert(named.end(), {cause.stored_at, cause.vanished_at, cause.lost_at});
    for (const spec::CachedWord& word : cause.words) named.push_back(word.stored_at);
    if (cause.miss) named.push_back(cause.miss->at);
  };
  for (const spec::Cause& cause : finding.causes) add_cause(cause);
  for (const May& may : finding.hardware) {
    if (may.because) add_cause(*may.because);
  }
  std::erase(named, 0U);
  std::ranges::sort(named);
  const auto doubled = std::ranges::unique(named);
  named.erase(doubled.begin(), doubled.end());
  return named;
}

}  // namespace iommucheck::oracle
