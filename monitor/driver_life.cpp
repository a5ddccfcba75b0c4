// SPDX-License-Identifier: MIT
#include "monitor/driver_life.h"

#include <fmt/format.h>

#include <utility>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

// ---- the driver's life --------------------------------------------------------------------------

void DriverLife::driver_begins() {
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::starting});
  smmu_.driver_begins();
  case_.promises_on = false;
}

void DriverLife::driver_stops() {
  window_ends();
  interface_.for_each_walker([&](u32 walker) { caches_.walkers().stop(walker); });
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::stopping});
  case_.promises_on = false;
}

void DriverLife::driver_ready() {
  emit(AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::ready});
  gather();
  case_.promises_on = setup_.calls_are_known;
  caches_.changes().clear();
  check_whole_space();
  if (!case_.promises_on || !findings().empty() || hardware_) return;
  check_attributes_of_registers();
  check_translated_traffic();
}

void DriverLife::driver_error(const std::string& text) { find(spec::rule::CRASH_NEVER, text); }

/// After shutdown the SMMU is off, and GBPA.ABORT decides: nothing passes any more (driver.h), or
/// untranslated, where what is on no domain may.
void DriverLife::check_shut_down() {
  if (hardware_) {
    count(spec::rule::PROMISE_OUTCOME);
    const bool blocks = !setup_.not_claimed.has(Claim::blocking);
    if (auto finding = hardware_->passes(); finding && blocks) find(std::move(*finding));
    return;
  }
  const bool bypass_is_right = setup_.not_claimed.has(Claim::blocking);
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    for (const u32 sid : streams_here(device)) {
      count(spec::rule::PROMISE_OUTCOME);
      bool passes = false;
      const spec::Access access{.sid = sid, .route = spec::Route::untranslated};
      caches_.outcomes(access, [&](const spec::Outcome& outcome) {
        const bool is_right = outcome.kind == spec::OutcomeKind::bypass && bypass_is_right;
        passes |= outcome.passes() && !is_right;
      });
      if (!passes) continue;
      find(spec::rule::PROMISE_OUTCOME,
           fmt::format("after shutdown an access of stream {:#x} (device {}) passes: {}", sid,
                       device,
                       smmu_.smmuen() ? "SMMUEN is 1, and its STE lets it"
                                      : "SMMUEN is 0, and GBPA.ABORT may be 0"));
      return;
    }
  }
}

void DriverLife::account(u64 blocks_held, u64 pins_held) {
  check_shut_down();
  count(spec::rule::LEAK_NOTHING);
  gather();
  // Where nothing is consumed any more, nothing can be given back.
  const std::string_view why = why_nothing_is_consumed();
  if (pins_held != 0) {
    find(spec::rule::LEAK_NOTHING,
         fmt::format("{} of the ASIDs that mm_pin gave are not given back by shutdown{}", pins_held,
                     why));
  }
  if (blocks_held == 0) return;
  Finding finding = finding_of(
      spec::rule::LEAK_NOTHING,
      fmt::format("{} blocks of table memory are not given back by shutdown", blocks_held));
  constexpr std::size_t enough = 4;
  for (const Allocation& block : allocations()) {
    if (block.freed != 0) continue;
    finding.statement += fmt::format("{}{:#x} bytes at {:#x}", finding.events.empty() ? ": " : ", ",
                                     block.bytes, block.pa);
    finding.events.push_back(block.at);
    if (finding.events.size() == enough) break;
  }
  finding.statement += why;
  find(std::move(finding));
}

void DriverLife::driver_holds(const trace::Held& held) {
  tick();
  emit(AgentId::cpu0, held);
  count(spec::rule::LEAK_NOTHING);
  const spec::sva::Held expected = interface_.held();
  const auto compare = [&](const char* what, u32 its, u32 promised, u32 doubtful) {
    if (its >= promised && its <= promised + doubtful) return;
    find(spec::rule::LEAK_NOTHING,
         fmt::format("the driver holds {} {}, and the interface {}", its, what, promised));
  };
  compare("domains", held.domains, expected.domains, 0);
  compare("private io_mm", held.io_mms, expected.io_mms, 0);
  if (setup_.hooks && setup_.hooks->mm_alloc && setup_.hooks->mm_free) {
    compare("io_mm that mm_alloc made", interface_.hooked_io_mms(),
            expected.io_mms + expected.process_io_mms, expected.doubtful_pasids);
  }
  // Where nobody is bound and nothing private is left.
  if (setup_.hooks && expected.bonds + expected.io_mms + expected.doubtful_pasids == 0) {
    compare("attachments by mm_attach", interface_.hooked_attachments(), 0, 0);
  }
  compare("PASIDs", held.pasids, expected.pasids, expected.doubtful_pasids);
  compare("bonds", held.bonds, expected.bonds, expected.doubtful_pasids);
  if (held.tokens) compare("tokens", *held.tokens, expected.tokens, 0);
  if (held.queues) compare("fault queues", *held.queues, expected.queues, 0);
}

void DriverLife::hangs() {
  std::string text = "the call waits without end";
  const std::string stopped = hardware_ ? std::string() : smmu_.why_stopped();
  if (hardware_) {
    text += " although the hardware makes progress";
  } else if (!stopped.empty()) {
    text += "; " + stopped;
  } else {
    text += " although the SMMU makes progress";
  }
  if (const std::string why = smmu_.reserved_in_cr0(); !why.empty() && !hardware_) {
    text += "; " + why;
  }
  find(spec::rule::HANG_RETURNS, std::move(text));
}

void DriverLife::note(const std::string& text) {
  emit(trace::environment_agent, trace::Note{.text = text});
}

}  // namespace iommucheck::oracle
