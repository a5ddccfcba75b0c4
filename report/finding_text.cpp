// SPDX-License-Identifier: MIT
#include "report/finding_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "report/event_text.h"
#include "report/finding_kind_text.h"
#include "spec/rules/interface.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::State;

std::string rights_text(const AccessRights& rights) {
  return std::string(rights.read ? "r" : "") + (rights.write ? "w" : "") +
         (rights.execute ? "x" : "");
}

/// Rights as a driver's author thinks of them: what everybody may do, or only privileged accesses.
std::string rights_text(const AccessRights& user, const AccessRights& privileged) {
  const std::string everybody = rights_text(user);
  return everybody.empty() ? rights_text(privileged) + ", privileged only" : everybody;
}

/// The access has the rights that are promised.
bool has_rights(const May& may, const Promised& promised) {
  const bool write = (promised.prot & spec::sva::prot_write) != 0;
  const bool execute = (promised.prot & spec::sva::prot_exec) != 0;
  if ((promised.prot & spec::sva::prot_privileged) != 0) {
    return !may.user.read && !may.user.write && may.privileged.write == write;
  }
  return may.user == AccessRights{.read = true, .write = write, .execute = execute};
}

/// Memory attributes are worth a word only where they are what differs: the type, or all that is
/// left where address and rights are as promised.
bool type_differs(const Finding& finding) {
  return std::ranges::any_of(finding.hardware, [&](const May& may) {
    return may.kind == May::Kind::reach &&
           std::ranges::any_of(finding.promised, [&](const Promised& promised) {
             const bool device = (promised.prot & spec::sva::prot_device) != 0;
             return promised.state == State::mapped && promised.pa == may.pa &&
                    (device != may.device || has_rights(may, promised));
           });
  });
}

std::string tables_text(const May& may) {
  return may.vmid ? fmt::format("VMID {:#x} (stage 2)", *may.vmid)
                  : fmt::format("ASID {:#x}", may.asid);
}

std::string may_text(const May& may, bool with_type) {
  switch (may.kind) {
    case May::Kind::anything: return "do anything";
    case May::Kind::reach:
      if (may.user == AccessRights{} && may.privileged == AccessRights{}) {
        return fmt::format("reach {:#x}", may.pa);
      }
      return fmt::format("reach {:#x} {}{}", may.pa, rights_text(may.user, may.privileged),
                         with_type && !may.memory.empty() ? ", " + may.memory : "");
    case May::Kind::pass:
      return "pass untranslated" + (may.memory.empty() ? "" : " with its " + may.memory);
    case May::Kind::fault: return "fault";
    case May::Kind::fault_at_once: return "fault without waiting";
    case May::Kind::fault_waits: return "fault, and wait for an answer";
    case May::Kind::event:
      return fmt::format("meet {}{}", spec::event_name(may.event),
                         may.waits ? ", and wait for an answer" : "");
    case May::Kind::terminated: return "be terminated";
    case May::Kind::translated: return "be translated by tables of " + tables_text(may);
    case May::Kind::stalls: return "be translated by tables of " + tables_text(may) + ", and stall";
    case May::Kind::not_granted: return "not be granted";
  }
  return "?";
}

std::string promised_text(const Promised& promised, bool with_type) {
  switch (promised.state) {
    case State::blocked: return "terminated (blocked)";
    case State::unmapped: return "a fault (nothing is mapped)";
    case State::identity: return "untranslated";
    case State::no_pasid: return "terminated (nothing is at this PASID)";
    case State::waits: return "a fault that waits for an answer";
    case State::quiet: return "terminated, without a record";
    case State::outer_fault: return "a fault of stage 2";
    case State::fetch_fault: return "a fault of stage 2 at a fetch for the user's translation";
    case State::bad_entry: return "a fault by the user's PASID table";
    case State::within: return "what the user's stage 1 yields inside of what its parent maps";
    default: break;  // mapped; settled states only are promised
  }
  const AccessRights rights{.read = (promised.prot & spec::sva::prot_read) != 0,
                            .write = (promised.prot & spec::sva::prot_write) != 0,
                            .execute = (promised.prot & spec::sva::prot_exec) != 0};
  const bool privileged = (promised.prot & spec::sva::prot_privileged) != 0;
  const bool device = (promised.prot & spec::sva::prot_device) != 0;
  return fmt::format("{:#x} {}{}{}", promised.pa, rights_text(rights),
                     privileged ? ", privileged only" : "",
                     !with_type ? ""
                     : device   ? ", Device memory"
                                : ", Normal write-back, shareable");
}

/// "during call 4, unmap(...)".
std::string during_line(const Violation& violation) {
  const auto begin = std::ranges::find(violation.named, violation.during, &NamedEvent::number);
  if (violation.during == 0 || begin == violation.named.end()) return {};
  if (const auto* call = std::get_if<trace::Call>(&begin->event.payload)) {
    return fmt::format("during call {}, {}", begin->call, call_text(*call));
  }
  return fmt::format("while: {}", describe(begin->event, registers_of(violation)));
}

std::string as_text(const std::optional<spec::AccessType>& type) {
  if (!type) return {};
  switch (*type) {
    case spec::AccessType::read: return "as a read ";
    case spec::AccessType::write: return "as a write ";
    case spec::AccessType::execute: return "as a fetch ";
  }
  return {};
}

std::string unfinished(const Finding& finding) {
  const bool death =
      finding.rule == spec::rule::CRASH_NEVER || finding.rule == spec::rule::HANG_RETURNS;
  return death ? "it did not return" : "not returned yet";
}

/// What refuses or allows, and which attributes it asks for, where that is what is wrong: the
/// access leads where it should.
std::string leaf_text(const Finding& finding) {
  using Kind = spec::Cause::Kind;
  if (finding.hardware.size() != 1 || finding.hardware[0].kind != May::Kind::reach) return {};
  const May& may = finding.hardware[0];
  const auto leads_there = [&](const Promised& promised) {
    return promised.state == State::mapped && promised.pa == may.pa;
  };
  if (std::ranges::none_of(finding.promised, leads_there)) return {};
  const auto is_leaf = [](const spec::Cause& cause) {
    return cause.kind == Kind::word || cause.kind == Kind::global_word ||
           cause.kind == Kind::cached_translation || cause.kind == Kind::cached_combined;
  };
  const auto leaf = std::ranges::find_if(finding.causes, is_leaf);
  if (leaf == finding.causes.end()) return {};
  const u64 word = leaf->value;
  const auto at = [&](unsigned high, unsigned low) { return bits(word, high, low); };
  if (leaf->vmid) {
    return fmt::format(
        "that leaf, of stage 2: S2AP {}, XN[1:0] {}, SH {}, MemAttr {:#x}, DBM {}, Contiguous {}",
        at(7, 6), at(54, 53), at(9, 8), at(5, 2), at(51, 51), at(52, 52));
  }
  return fmt::format(
      "that leaf: AP[2:1] {}, UXN {}, PXN {}, nG {}, SH {}, AttrIndx {} (MAIR has {:#x} there), "
      "DBM {}, Contiguous {}",
      at(7, 6), at(54, 54), at(53, 53), at(11, 11), at(9, 8), at(4, 2), may.attr, at(51, 51),
      at(52, 52));
}

/// "an access of", "a privileged read access of".
std::string access_text(const Where& where) {
  std::string_view type;
  if (where.access) {
    type = *where.access == spec::AccessType::write     ? "write "
           : *where.access == spec::AccessType::execute ? "execute "
                                                        : "read ";
  }
  const bool vowel = !where.privileged && (type.empty() || type.starts_with('e'));
  return fmt::format("{} {}{}access of ", vowel ? "an" : "a", where.privileged ? "privileged " : "",
                     type);
}

/// The nearest miss is a line of its own.
void add_cause(const spec::Cause& cause, std::vector<std::string>& lines) {
  lines.push_back(spec::cause_text_without_miss(cause));
  if (cause.miss) lines.push_back("nearest miss: " + spec::miss_text(*cause.miss));
}

}  // namespace

std::string may_text(const May& may) { return may_text(may, false); }
std::string promised_text(const Promised& promised) { return promised_text(promised, false); }

std::string promised_text(const std::vector<Promised>& promised) {
  std::string text;
  for (const Promised& one : promised) text += (text.empty() ? "" : " or ") + promised_text(one);
  return text;
}

std::string headline(const Finding& finding) {
  std::string text = finding.statement;
  const bool types = type_differs(finding);
  if (text.empty()) {
    text = access_text(finding.where) + where_text(finding.where);
    if (finding.where.address) text += fmt::format(" at {:#x}", *finding.where.address);
    for (std::size_t i = 0; i < finding.hardware.size(); ++i) {
      text += (i == 0 ? " may " : " or ") + may_text(finding.hardware[i], types);
    }
  }
  for (std::size_t i = 0; i < finding.promised.size(); ++i) {
    text += (i == 0 ? "; promised: " : " or ") + promised_text(finding.promised[i], types);
  }
  if (finding.smmu != 0) text += fmt::format(" (of SMMU {})", finding.smmu);
  return text;
}

std::string one_line(const Finding& finding) {
  std::string text = headline(finding);
  for (const spec::Cause& cause : finding.causes) text += "; " + spec::cause_text(cause);
  if (!finding.why.empty()) text += "; " + finding.why;
  return text;
}

namespace {

std::string where_in_the_case(const NamedEvent& named) {
  if (named.inside) return fmt::format(", in call {}", named.call);
  if (named.beside == BesideCalls::shutdown) return ", in the driver's shutdown";
  if (named.call != 0) return fmt::format(", in what follows call {}", named.call);
  return named.beside == BesideCalls::boot ? ", in the driver's boot" : ", before the first call";
}

}  // namespace

std::string event_line(const NamedEvent& named, bool calls_are_known, Registers registers) {
  const std::string where = calls_are_known ? where_in_the_case(named) : std::string();
  std::string text = fmt::format("event {}: {}{} (line {} of the trace)", named.number,
                                 describe(named.event, registers), where, named.line);
  if (!named.symbol.empty()) text += ", by " + named.symbol;
  return text;
}

std::vector<std::string> evidence(const Violation& violation) {
  std::vector<std::string> lines;
  for (const May& may : violation.hardware) {
    if (!may.because) continue;
    lines.push_back(fmt::format("allowed: {}it may {}: {}", as_text(may.as), may_text(may),
                                spec::cause_text(*may.because)));
  }
  for (const spec::Cause& cause : violation.causes) add_cause(cause, lines);
  if (!violation.why.empty()) lines.push_back("by the model of the hardware: " + violation.why);
  if (std::string leaf = leaf_text(violation); !leaf.empty()) lines.push_back(std::move(leaf));
  for (const ObjectState& object : violation.objects) {
    lines.push_back(
        object.domain == 0
            ? fmt::format("device {} is attached to no domain", object.device)
            : fmt::format("device {} is attached to domain {:#x}", object.device, object.domain));
  }
  if (std::string during = during_line(violation); !during.empty()) lines.push_back(during);
  u64 line = 0;  // of the event after which it was found
  for (const NamedEvent& named : violation.named) {
    if (named.number == violation.at) line = named.line;
    lines.push_back(event_line(named, violation.story.known, registers_of(violation)));
  }
  const std::string found =
      fmt::format("found at event {}{}", violation.at,
                  line == 0 ? std::string() : fmt::format(" (line {} of the trace)", line));
  if (violation.story.known) {
    lines.push_back(violation.at == 0 ? std::string("the calls up to it:")
                                      : found + "; the calls up to it:");
    std::vector<std::string> calls = call_lines(violation.story, unfinished(violation));
    if (calls.empty()) calls.emplace_back("     none: it is the driver's boot");
    std::ranges::move(calls, std::back_inserter(lines));
  } else if (violation.at != 0) {
    lines.push_back(found);
  }
  lines.insert(lines.end(), violation.remarks.begin(), violation.remarks.end());
  return lines;
}

std::vector<std::string> details(const Violation& violation) {
  std::vector<std::string> lines = evidence(violation);
  // A device's has it among the remarks.
  const bool drivers =
      violation.party == spec::Keeper::driver || violation.party == spec::Keeper::backend;
  if (!violation.kind.empty() && drivers) {
    lines.push_back("kind: " + text_of(violation.kind));
  }
  if (!violation.machine.empty()) lines.push_back("machine: " + violation.machine);
  if (!violation.operations.empty()) {
    lines.push_back(fmt::format("the shortest sequence ({} operations, {} calls):",
                                violation.operations.size(), violation.calls));
    for (const fuzz::Operation& operation : violation.operations) {
      lines.push_back("  " + fuzz::print(operation));
    }
  }
  if (!violation.again.empty()) {
    lines.push_back("again: " + violation.again);
  } else if (!violation.trace_path.empty()) {
    lines.push_back("again: iommucheck replay " + violation.trace_path);
  }
  return lines;
}

std::string full_text(const Violation& violation) {
  const spec::RuleInfo& rule = spec::rule_info(violation.rule);
  std::string text =
      fmt::format("VIOLATION {} ({}), at fault: {}\n  {}\n  rule: {} [{}]\n", rule.name,
                  spec::family_name(rule.family), spec::keeper_name(violation.party),
                  headline(violation), rule.text, rule.section);
  for (const std::string& line : details(violation)) text += "  " + line + "\n";
  return text;
}

}  // namespace iommucheck::oracle
