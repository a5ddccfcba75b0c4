// SPDX-License-Identifier: MIT
// The abstract state of the interface: devices, domains, private and process address spaces, what
// each maps, what is not synchronised yet, PASIDs and bonds. It answers three questions: which
// results may a call give, what may an access of a device meet, and what has to be given back.
// docs/interface.md; SEMANTICS 5.
//
// What an implementation is free to choose (handles, PASIDs, how much of a block it can split,
// whether an allocation's failure shows) is observed, never predicted. Every change goes through
// the trail: `undo_to` restores all of it. Several calls may be in progress: all but the last begun
// wait, for an mm_exit handler.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/trail.h"
#include "base/types.h"
#include "spec/sva/answers.h"
#include "spec/sva/interface_calls.h"
#include "spec/sva/interface_environment.h"
#include "spec/sva/interface_facts.h"
#include "spec/sva/interface_faults.h"
#include "spec/sva/interface_promises.h"
#include "spec/sva/interface_users.h"
#include "spec/sva/interface_walkers.h"
#include "spec/sva/setup.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Its parts, each of one subject, over the state that it has.
class Interface : public InterfaceFacts,
                  public InterfaceCalls,
                  public InterfaceEnvironment,
                  public InterfaceFaults,
                  public InterfaceUsers,
                  public InterfaceWalkers,
                  public InterfacePromises {
 public:
  Interface(Trail& trail, const Setup& setup);
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  /// What it counts of its state agrees with that: empty. Else what does not.
  [[nodiscard]] std::string consistent() const { return state_.consistent(); }

  /// Everything that is still held, domains in the order of their making.
  [[nodiscard]] std::vector<Leak> leaks() const;
  [[nodiscard]] Held held() const;

  /// The state as text: equal texts are equal states for whoever uses it. Not when PASIDs were
  /// freed, which handles were, and what was only asked for (attributes, a process's io_mm).
  [[nodiscard]] std::string dump() const;

  /// Tells `log` from here on which answers calls may give, and give. Null: nobody.
  void log_answers(AnswerLog* log) { state_.log = log; }

  /// How often each rule was asked where breaking it would have shown. Not part of the state.
  [[nodiscard]] const std::array<u64, rule_numbers>& exercised() const { return state_.exercised; }
  /// The state with its history: the whole of it.
  [[nodiscard]] std::string dump_with_history() const;

 private:
  InterfaceState state_;
};

}  // namespace iommucheck::spec::sva
