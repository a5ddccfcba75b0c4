// SPDX-License-Identifier: MIT
// The events of a trace by their numbers, so that a finding can be told with them: where each event
// that it names stands, and the calls up to it. `check`, `replay` and the C door have one each and
// give it the same events, so that they tell the same.
#pragma once

#include <deque>
#include <vector>

#include "monitor/finding.h"

namespace iommucheck::oracle {

class Chronicle {
 public:
  /// `calls_are_known`: false for a recording below the interface, which has none to tell.
  explicit Chronicle(bool calls_are_known);

  /// The next event; `number` is the monitor's time after it, `line` that of the trace's file.
  void add(const trace::Event& event, EventIndex number, u64 line);
  /// Line of the event that took that number, or a larger one first; 0: it is not kept.
  [[nodiscard]] u64 line_of(EventIndex number) const;
  /// The finding with its events and the calls up to it.
  [[nodiscard]] Violation tell(Finding finding) const;

 private:
  struct Entry {
    u64 line = 0;
    u64 call = 0;
    EventIndex number = 0;
    bool inside = false;
    BesideCalls beside = BesideCalls::boot;
    std::vector<u8> bytes;
  };

  /// The last entries of the case, and of the boot before it.
  class Window {
   public:
    explicit Window(std::size_t most) : most_(most) {}
    void add(Entry entry);
    void ready() { ready_ = dropped_ + entries_.size(); }
    /// Back to where the driver was ready.
    void restore();
    [[nodiscard]] const std::deque<Entry>& entries() const { return entries_; }

   private:
    std::size_t most_;
    std::deque<Entry> entries_;
    u64 dropped_ = 0;  // in front, that are not kept any more
    u64 ready_ = 0;    // all up to where the driver was ready, those too
  };

  [[nodiscard]] const Entry* find(EventIndex number) const;
  void name_last_stores(const Finding& finding, std::vector<EventIndex>& named) const;
  void tell_story(Violation& violation) const;

  bool calls_are_known_;
  u64 calls_ = 0;  // of the case
  bool inside_ = false;
  BesideCalls beside_ = BesideCalls::boot;
  Window all_;
  // Apart: between two calls a driver that polls may do millions of things.
  Window story_;
};

/// The calls of the last case of a trace, to its end.
Story story_of(const trace::Trace& trace);

/// Events that a finding names: of its causes and its own, ascending.
std::vector<EventIndex> events_named(const Finding& finding);

}  // namespace iommucheck::oracle
