// SPDX-License-Identifier: MIT
#include "explain/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "explain/draw.h"
#include "monitor/trace_judge.h"
#include "monitor/trace_setup.h"
#include "report/event_text.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/command.h"
#include "spec/smmu/visits.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using Lane = TimelineStep::Lane;

/// Something cached: what it is, and where memory said it.
struct Entry {
  u64 place = 0;
  u64 value = 0;
  std::string what;
  auto operator<=>(const Entry&) const = default;
};

/// When an entry began to be only a cache's, and when that ended, by events; 0: not yet.
struct Life {
  EventIndex replaced = 0, vanished = 0, seen = 0, gone = 0;
};

/// An event with what was there behind it.
struct Moment {
  TimelineStep step;
  bool keep = false;  ///< whatever else there is: calls
  // Of a run of stores of one value to neighbouring words, which is one step:
  u64 first_event = 0;
  std::optional<u64> begin{};  ///< address of the first
  u64 words = 1;
  u64 value = 0;
};

Lane lane_of(const trace::Event& event) {
  const auto is = [&]<class... Payload>() {
    return (std::holds_alternative<Payload>(event.payload) || ...);
  };
  if (is.operator()<trace::Call, trace::Return, trace::DriverPhase>()) return Lane::call;
  if (is.operator()<trace::Store, trace::Fill, trace::Rmw>()) return Lane::store;
  if (is.operator()<trace::Barrier, trace::CacheClean>()) return Lane::barrier;
  if (is.operator()<trace::MmioWrite, trace::MmioRead>()) return Lane::registers;
  if (is.operator()<trace::Dma, trace::AtsRequest, trace::DmaBegin, trace::DmaEnd>()) {
    return Lane::device;
  }
  return Lane::other;
}

class Telling {
 public:
  Telling(const TimelineOf& what, const trace::Header& header)
      : what_(what), judge_(header, 100'000, what.trace, what.hardware) {}

  Expected<TimelineFound> read(trace::TraceReader& reader) {
    while (!is_reached()) {
      auto event = reader.next();
      if (!event) return std::unexpected(std::move(event.error()));
      if (!*event) break;
      const trace::Event taken = **event;
      judge_.take(std::move(**event));
      judge_.flush();
      note(taken, reader.line());
    }
    return told();
  }

 private:
  [[nodiscard]] bool is_reached() const {
    const auto& findings = judge_.so_far().findings;
    if (findings.empty()) return false;
    return !what_.event || findings.back().at >= *what_.event;
  }

  void note(const trace::Event& event, u64 line) {
    Monitor& monitor = judge_.monitor();
    if (const auto* phase = std::get_if<trace::DriverPhase>(&event.payload)) {
      // The boot, and cases before this one, are another story.
      if (phase->phase != trace::DriverLife::stopping) forget();
    }
    Moment moment;
    moment.step.event = monitor.now();
    moment.step.line = line;
    moment.step.lane = lane_of(event);
    const bool backend = monitor.hardware() != nullptr;
    moment.step.text = describe(event, backend ? Registers::of_a_backend : Registers::smmuv3);
    moment.keep = moment.step.lane == Lane::call;
    note_stores(event);
    note_commands(moment);
    note_lives();
    if (is_silent(event) || is_more_of_it(event, moment)) return;
    moments_.push_back(std::move(moment));
    if (moments_.size() <= 4 * what_.steps_max) return;
    // Long before the end: those that are no calls are not looked at any more.
    const auto old = std::ranges::find_if(moments_, [](const Moment& m) { return !m.keep; });
    moments_.erase(old == moments_.end() ? moments_.begin() : old);
    ++left_out_;
  }

  void forget() {
    left_out_ += moments_.size();
    moments_.clear();
  }

  /// What nobody would look at: reads that answer what the last one did, notes.
  bool is_silent(const trace::Event& event) {
    if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
      const auto before = read_.find(read->offset);
      const bool same = before != read_.end() && before->second == read->value;
      read_[read->offset] = read->value;
      return same;
    }
    return std::holds_alternative<trace::Note>(event.payload) ||
           std::holds_alternative<trace::Load>(event.payload) ||
           std::holds_alternative<trace::BackendHook>(event.payload);
  }

  /// Whether the event goes on with the last step: tables are emptied word by word.
  bool is_more_of_it(const trace::Event& event, Moment& moment) {
    moment.first_event = moment.step.event;
    const auto* store = std::get_if<trace::Store>(&event.payload);
    if (store == nullptr || store->size != 8 || !store->value) return false;
    if (!moments_.empty()) {
      Moment& last = moments_.back();
      if (last.begin && last.value == *store->value && *last.begin + 8 * last.words == store->pa) {
        ++last.words;
        last.step.event = moment.step.event;
        last.step.line = moment.step.line;
        last.step.text = fmt::format("{}, and so on: {} words up to {:#x}",
                                     last.step.text.substr(0, last.step.text.find(", and so on")),
                                     last.words, store->pa);
        return true;
      }
    }
    moment.begin = store->pa;
    moment.value = *store->value;
    return false;
  }

  void note_stores(const trace::Event& event) {
    const EventIndex now = judge_.now();
    if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
      if (store->value) stored_[store->pa].emplace_back(now, *store->value);
    } else if (const auto* rmw = std::get_if<trace::Rmw>(&event.payload)) {
      if (rmw->value) stored_[rmw->pa].emplace_back(now, *rmw->value);
    }
  }

  /// "SMMU 1: ", where there are several.
  [[nodiscard]] std::string of_smmu(u32 number) {
    return judge_.monitor().smmu_count() == 1 ? std::string() : fmt::format("SMMU {}: ", number);
  }

  void note_commands(Moment& moment) {
    for (u32 number = 0; number < judge_.monitor().smmu_count(); ++number) {
      note_commands(moment, number);
    }
  }
  void note_commands(Moment& moment, u32 number) {
    const spec::CachesView& view = judge_.monitor().of_smmu(number).caches().view();
    Seen& seen = seen_[number];
    std::string sent;
    bool syncs = false;
    view.commands.for_each_sent([&](const spec::InFlight& one) {
      if (one.number < seen.commands) return;
      seen.commands = one.number + 1;
      syncs |= one.command.op == spec::Opcode::sync;
      sent += (sent.empty() ? "" : "; ") + spec::describe(one.command);
    });
    if (!sent.empty()) {
      moment.step.lane = syncs ? Lane::sync : Lane::command;
      moment.step.text += ": " + sent;
    }
    const u64 completed = view.commands.completed();
    if (completed != seen.completed) {
      moment.step.lane = Lane::sync;
      moment.step.text += "; a CMD_SYNC is seen to be complete";
      moment.keep = true;
    }
    seen.completed = completed;
  }

  /// What caches hold now and memory does not say.
  void note_lives() {
    for (u32 number = 0; number < judge_.monitor().smmu_count(); ++number) note_lives(number);
    forget_what_has_ended();
  }
  void note_lives(u32 number) {
    const spec::CachesView& view = judge_.monitor().of_smmu(number).caches().view();
    const EventIndex now = judge_.now();
    const auto see = [&](Entry entry, EventIndex replaced, EventIndex vanished) {
      Life& life = alive_[std::move(entry)];
      if (life.seen == 0) life.replaced = replaced;
      life.vanished = std::max(life.vanished, vanished);
      life.seen = now;
    };
    for_each_item(view, [&](const spec::Tag<u64>& tag, const spec::Item& item) {
      const char* where = item.kind == spec::ItemKind::final     ? "TLB"
                          : item.kind == spec::ItemKind::pointer ? "walk cache"
                                                                 : "TLB or walk cache";
      see({item.origin, item.value,
           fmt::format("{}{}, {}: {:#x} at {:#x} for {:#x}", of_smmu(number), where,
                       spec::tag_text(tag), item.value, item.origin, item.va)},
          item.stored_at, item.vanished_at);
    });
    for_each_cached_word(view, [&](const spec::ConfigItem& item) {
      see({item.place + u64{8} * item.word, item.value,
           fmt::format("{}configuration cache, stream {:#x}: {} word {} was {:#x}", of_smmu(number),
                       item.sid, spec::structure_name(item.kind), item.word, item.value)},
          item.stored_at, item.vanished_at);
    });
    for_each_atc_item(view, [&](const spec::AtcOwner& owner, const spec::AtcItem& item) {
      see({item.origin, item.value,
           fmt::format("{}ATC of stream {:#x}: {:#x} for {:#x}", of_smmu(number), owner.sid,
                       item.value, item.first)},
          item.stored_at, item.lost_at);
    });
  }
  void forget_what_has_ended() {
    const EventIndex now = judge_.now();
    for (auto one = alive_.begin(); one != alive_.end();) {
      if (one->second.seen == now) {
        ++one;
        continue;
      }
      one->second.gone = now;
      lives_.emplace_back(one->first, one->second);
      one = alive_.erase(one);
    }
  }

  Expected<TimelineFound> told() {
    TimelineFound found;
    Timeline& timeline = found.timeline;
    timeline.trace = what_.trace;
    const auto& findings = judge_.so_far().findings;
    if (!findings.empty()) found.finding = findings.back();
    if (found.finding) {
      for (Moment& moment : moments_) {
        for (const NamedEvent& named : found.finding->named) {
          if (named.number < moment.first_event || named.number > moment.step.event) continue;
          moment.step.named = moment.keep = true;
          if (!named.source.empty()) {
            moment.step.source = fmt::format("{}:{}", named.source, named.source_line);
          }
        }
      }
    }
    drop_old();
    for (Moment& moment : moments_) timeline.steps.push_back(std::move(moment.step));
    timeline.left_out = left_out_;
    for (const auto& [entry, life] : lives_) add_life(timeline, entry, life);
    for (const auto& [entry, life] : alive_) add_life(timeline, entry, life);
    std::ranges::sort(timeline.lives, {}, &CachedLife::replaced);
    if (timeline.steps.empty())
      timeline.missing = "the trace has no event behind the driver's boot";
    return found;
  }

  /// The first ones that are neither calls nor named, until there are no more than wanted.
  void drop_old() {
    std::size_t over = moments_.size() - std::min(moments_.size(), what_.steps_max);
    left_out_ += over;
    for (const bool calls_too : {false, true}) {
      std::erase_if(moments_, [&](const Moment& moment) {
        if (over == 0 || moment.step.named || (moment.keep && !calls_too)) return false;
        --over;
        return true;
      });
    }
  }

  /// The first step at or behind an event.
  static std::size_t step_at(const Timeline& timeline, u64 event) {
    const auto step = std::ranges::lower_bound(timeline.steps, event, {}, &TimelineStep::event);
    return static_cast<std::size_t>(step - timeline.steps.begin());
  }

  void add_life(Timeline& timeline, const Entry& entry, const Life& life) const {
    if (timeline.steps.empty()) return;
    const u64 first = timeline.steps.front().event;
    if (life.gone != 0 && life.gone <= first) return;  // all of it was before
    EventIndex stored = 0;
    if (const auto all = stored_.find(entry.place); all != stored_.end()) {
      for (const auto& [event, value] : all->second) {
        if (event < life.replaced && value == entry.value) stored = event;
      }
    }
    const std::size_t end = timeline.steps.size();
    const auto at = [&](u64 event) { return std::min(step_at(timeline, event), end - 1); };
    timeline.lives.push_back({.what = entry.what,
                              .stored = stored == 0 ? 0 : at(stored),
                              .replaced = at(life.replaced),
                              .vanished = life.vanished == 0 ? end : at(life.vanished),
                              .gone = life.gone == 0 ? end : at(life.gone)});
  }

  const TimelineOf& what_;
  Judge judge_;
  std::deque<Moment> moments_;
  std::map<Entry, Life> alive_;
  std::vector<std::pair<Entry, Life>> lives_;  // that have ended
  std::map<u64, std::vector<std::pair<EventIndex, u64>>> stored_;
  std::map<u64, u64> read_;  // what registers answered last
  struct Seen {
    u64 commands = 0;
    u64 completed = 0;
  };
  std::map<u32, Seen> seen_;  // of each SMMU
  u64 left_out_ = 0;
};

/// The memory behind each step: the trace is read once more, since which steps there are is known
/// at its end only, and a drawing costs more than an event.
Expected<void> draw(const TimelineOf& what, Timeline& timeline) {
  const std::string& trace = what.trace;
  auto reader = trace::TraceReader::open(trace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  Judge judge(reader->header(), 1, trace, what.hardware);
  for (TimelineStep& step : timeline.steps) {
    while (reader->line() < step.line) {
      auto event = reader->next();
      if (!event) return std::unexpected(std::move(event.error()));
      if (!*event) return fail(ErrorCode::bad_input, trace + ": has changed while it was read");
      judge.take(std::move(**event));
    }
    judge.flush();
    std::string drawing = draw_memory(judge.monitor(), {});
    if (timeline.drawings.empty() || timeline.drawings.back() != drawing) {
      timeline.drawings.push_back(std::move(drawing));
    }
    step.drawing = timeline.drawings.size() - 1;
  }
  return {};
}

}  // namespace

Expected<TimelineFound> timeline_of(const TimelineOf& what) {
  auto reader = trace::TraceReader::open(what.trace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  if (auto good = may_judge(reader->header(), static_cast<bool>(what.hardware)); !good) {
    return fail(good.error().code, what.trace + ": " + good.error().message);
  }
  auto found = Telling(what, reader->header()).read(*reader);
  if (!found) return found;
  if (auto drawn = draw(what, found->timeline); !drawn) {
    return std::unexpected(std::move(drawn.error()));
  }
  return found;
}

}  // namespace iommucheck::oracle
