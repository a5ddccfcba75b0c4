// SPDX-License-Identifier: MIT
// One run of one scenario: its steps, one after the other, on a subject.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenario/run/make_call.h"
#include "scenario/run/names.h"
#include "scenario/run/runner.h"

namespace iommucheck::oracle::stories {

/// What looks at the device may meet by a scenario, and what is promised there in the orders of its
/// races: a member of the set may be of one of them alone.
class ProbeWidths {
 public:
  void add(const scenario::Step& step, const Reachable& wanted, const Reachable& promised,
           bool excuses_faults);
  /// The first look with a member that no order promises; nothing if there is none.
  struct TooWide {
    const scenario::Step* step = nullptr;
    Reachable wanted, promised;
  };
  [[nodiscard]] std::optional<TooWide> too_wide() const;

 private:
  struct Width {
    Reachable wanted, promised;
    bool excuses_faults = false;
  };
  std::map<const scenario::Step*, Width> widths_;
};

class Story {
 public:
  /// Bit n of `orders`: the second part of race n goes first. `exact_faults`: of ScenarioOptions.
  Story(const scenario::Scenario& scenario, const World& world, Subject& subject, u32 orders,
        bool exact_faults, ProbeWidths& widths);

  /// To the end, or to the first step that differs. `before_step` may be empty.
  void run(const std::function<void()>& before_step);

  [[nodiscard]] const std::optional<StepFailure>& failure() const { return failure_; }
  /// What the caller has broken where `blame caller` says so.
  [[nodiscard]] const std::set<spec::Rule>& blamed() const { return blamed_; }
  /// A set of outcomes by the names of this run.
  [[nodiscard]] std::string text_of(const Reachable& set) const;
  /// Calls that turned out not to be built.
  [[nodiscard]] const std::vector<std::string>& needs() const { return needs_; }

 private:
  /// A call that a thread made.
  struct Thread {
    u32 number = 0;
    Answer answer;
    spec::sva::CallKind kind{};
    bool release = false;
    u64 bits = 0;  ///< of dirty_read: how many its window has
    std::optional<std::string> result_name;
  };

  // --- story.cpp ---
  void run_step(const scenario::Step& step);
  void differ(std::string expected, std::string observed);
  void look_for_troubles();
  [[nodiscard]] bool stopped() const { return failure_ || !needs_.empty(); }
  Thread& thread_of(const std::string& name);

  // --- story_calls.cpp ---
  void step(const scenario::Invoke& invoke);
  void step(const scenario::Change& change);
  void step(const scenario::Resume& resume);
  void step(const scenario::Race& race);
  Answer make(Thread& thread, const scenario::Invoke& invoke, const Wanted& wanted, Memory memory);
  void each_allocation(Thread& thread, const scenario::Invoke& invoke);
  void judge(Thread& thread, const scenario::Values& results);
  [[nodiscard]] bool is_another_choice(const Thread& thread, const scenario::Values& results) const;
  void remember(Thread& thread);
  bool change_map(const scenario::Change& change);
  void run_action(Thread& thread, const scenario::Action& action);

  // --- story_environment.cpp ---
  struct Environment;
  std::optional<Answer> environment(Thread& thread, const scenario::Invoke& invoke);
  [[nodiscard]] std::string process_of(const std::string& name) const;
  [[nodiscard]] bool is_dead(const std::string& name) const;

  // --- story_users.cpp ---
  struct UserEntries {
    u64 at = 0;
    u32 count_lg2 = 0;
  };
  void step(const scenario::UserEntry& entry);
  u64 user_table(const std::string& name);
  UserEntries& user_entries(const std::string& name);
  [[nodiscard]] bool users_answer_faults() const;
  u64 user_entry_of(const std::string& table);
  bool change_user_table(const scenario::Change& change, u32 prot);
  [[nodiscard]] bool is_pasid_table(const std::string& name) const;
  void add_structure(const scenario::Invoke& invoke, spec::sva::Call& call);
  void add_commands(const scenario::Value& list, u64 domain,
                    std::vector<spec::sva::CommandWords>& out);
  void invalidate_entry(const std::string& table, u64 number);
  [[nodiscard]] bool user_names_devices() const;
  u64 number_of(u64 parent, u32 device);
  [[nodiscard]] std::optional<u64> number_said_for(u64 parent, u32 device) const;
  [[nodiscard]] u32 device_on(u64 domain) const;
  void users_follow(const spec::sva::Call& call, const Answer& answer);

  // --- story_checks.cpp ---
  void step(const scenario::Probe& probe);
  void step(const scenario::Dma& dma);
  u64 group_number(u64 written);
  [[nodiscard]] bool is_answered_by_nobody(const Probing& probing);
  [[nodiscard]] bool ended_at_once(const Probing& probing, const Reachable& wanted, u64 waits);
  void step(const scenario::Check& check);
  void step(const scenario::Declare& /*declare*/) {}
  std::optional<Reachable> reachable_of(const scenario::Values& outcomes);
  std::optional<Reachable> reachable_of(const scenario::Values& outcomes, const Probing& probing);
  void look_for_ended_groups();
  void check_callbacks(const scenario::Values& wanted);
  std::string group_of(const scenario::Value& callback);
  void check_leaks(const scenario::Values& wanted);
  void check_drawing(const scenario::Values& wanted);
  std::map<u32, std::string> drawing_of(u32 device, u64& root);
  void check_hardware(bool none);
  void check_mark();
  void check_hooks(const scenario::Value& wanted);
  void check_distinct(const scenario::Values& values);
  void recover(const scenario::Values& results);
  void set_hook(const scenario::Value& name, const scenario::Value& answer);
  void check_format(const scenario::Value& one, const scenario::Value& other);
  void check_blame(std::string_view party);
  void collide(const scenario::Value& process, const scenario::Value& space);
  std::string state();

  const scenario::Scenario& scenario_;
  const World& world_;
  Subject& subject_;
  Names names_;
  u32 orders_;
  bool exact_faults_;
  ProbeWidths& widths_;
  u32 races_ = 0;
  const scenario::Step* current_ = nullptr;
  std::map<std::string, Thread> threads_;
  std::set<u32> removed_;                          // devices
  std::map<u64, u64> group_numbers_;               // of a device, by what a line calls them
  std::map<std::string, u32> thread_counts_;       // of processes; 0: it is dead
  std::map<std::string, std::string> threads_of_;  // name of a thread -> its process
  struct Access {
    Reached reached;
    u64 waits = 0;
  };
  std::map<std::string, Access> accesses_;
  std::set<u64> stage2_domains_;
  std::map<std::string, u64> user_tables_;  // by name: where it begins
  std::map<std::string, UserEntries> user_entries_;
  std::map<std::string, std::set<u64>> domains_of_entries_;  // by the PASID table's name
  std::map<std::string, u64> user_entry_of_;                 // by the table's name
  std::map<u32, std::string> bound_;                         // PASID -> process, for drawings
  std::vector<CallbackSeen> callbacks_;
  std::set<spec::Rule> blamed_;
  std::vector<Trouble> troubles_;  // not the driver's, since the last call
  std::string marked_;
  bool is_marked_ = false;
  std::optional<StepFailure> failure_;
  std::vector<std::string> needs_;
};

}  // namespace iommucheck::oracle::stories
