// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "scenario/format/print.h"
#include "scenario/run/make_call.h"
#include "scenario/run/story.h"

namespace iommucheck::oracle::stories {

using scenario::Check;
using scenario::Value;
using spec::sva::CallKind;
using spec::sva::Hook;
using spec::sva::Status;

// ---- probes -------------------------------------------------------------------------------------

std::optional<Reachable> Story::reachable_of(const scenario::Values& outcomes) {
  Reachable set;
  for (const Value& outcome : outcomes) {
    if (outcome.kind == Value::Kind::word && outcome.word.starts_with("F.")) {
      set.insert({false, 0, outcome.word});
      continue;
    }
    const auto pa = names_.value(outcome);
    if (!pa) return std::nullopt;
    set.insert({true, *pa, {}});
  }
  return set;
}

/// On a domain of stage 2 itself there is no other stage: its faults have both names. So has what
/// ends at a PASID of a blocked RID: the RID is blocked, and nothing is at this PASID.
std::optional<Reachable> Story::reachable_of(const scenario::Values& outcomes,
                                             const Probing& probing) {
  auto set = reachable_of(outcomes);
  if (!set || probing.by != Probing::By::stream) return set;
  if (probing.at.present) {
    const Reached of_device{false, 0, "F.dev"}, of_pasid{false, 0, "F.pasid"};
    if (!set->contains(of_pasid)) return set;
    const Reachable allowed = promised(subject_.interface(), probing);
    if (!allowed.contains(of_device) || allowed.contains(of_pasid)) return set;
    set->erase(of_pasid);
    set->insert(of_device);
    return set;
  }
  if (!stage2_domains_.contains(subject_.interface().domain_of(probing.device))) return set;
  if (set->erase({false, 0, "F.s2unmapped"}) != 0) set->insert({false, 0, "F.unmapped"});
  if (set->erase({false, 0, "F.s2perm"}) != 0) set->insert({false, 0, "F.perm"});
  return set;
}

std::string Story::text_of(const Reachable& set) const {
  std::string text;
  for (const Reached& one : set) {
    if (!text.empty()) text += " | ";
    text += one.address ? names_.address_text(one.pa) : one.fault;
  }
  return text.empty() ? "nothing" : text;
}

namespace {

/// A fault of the tables, which an access meets that does not wait for an answer to it.
bool has_fault_of_tables(const Reachable& set) {
  return set.contains({false, 0, "F.unmapped"}) || set.contains({false, 0, "F.perm"});
}

}  // namespace

/// A user's entry asks that faults wait, and no queue is open for them: the host ends what stalls
/// at once. INTERFACE "Faults": only a space with a handler or queue asked for stalls.
bool Story::is_answered_by_nobody(const Probing& probing) {
  if (probing.by != Probing::By::stream) return false;
  const u64 domain = subject_.interface().domain_of(probing.device);
  if (domain == 0 || subject_.interface().parent_of(domain) == 0) return false;
  return subject_.interface().queue_of_domain(domain) == 0;
}

/// It waited, and was terminated before the line ended: the newcomer to a full queue, and what
/// nobody answers. What it met is a fault of the tables then.
bool Story::ended_at_once(const Probing& probing, const Reachable& wanted, u64 waits) {
  if (waits == 0 || subject_.access_state(waits).fault != "aborted") return false;
  if (is_answered_by_nobody(probing)) return has_fault_of_tables(wanted);
  const auto promises =
      subject_.interface().expected_during(probing.device, probing.at, probing.iova);
  bool is_mapped = false;
  for (u32 i = 0; i < promises.count; ++i) {
    is_mapped |= promises.promises[i].state == spec::sva::State::mapped;
  }
  return wanted.contains({false, 0, is_mapped ? "F.perm" : "F.unmapped"});
}

void Story::step(const scenario::Probe& probe) {
  Probing probing;
  if (probe.kind == scenario::Probe::Kind::walk) {
    const Named* table = names_.find(probe.target.text);
    if (table == nullptr) return differ(scenario::print(probe.outcomes), "its table has no value");
    probing.by = Probing::By::walker;
    probing.table = table->value;
  } else {
    probing.device = world_.device(probe.target.text);
  }
  if (probe.kind == scenario::Probe::Kind::gpu) probing.by = Probing::By::context_bank;
  probing.stream = static_cast<u32>(std::min<u64>(probe.stream, ~u32{0}));
  probing.iova = names_.value(probe.iova).value_or(0);
  probing.access = probe.access;
  if (probe.pasid) {
    const auto pasid = names_.pasid(*probe.pasid);
    if (!pasid) return differ(scenario::print(probe.outcomes), "its PASID has no value");
    if (*pasid != spec::sva::pasid_unknown) probing.at = spec::sva::substream(*pasid);
  }
  if (probing.by != Probing::By::walker && probing.stream >= world_.devices[probing.device].sids) {
    return differ(scenario::print(probe.outcomes), "the device has no such stream ID");
  }
  const auto wanted = reachable_of(probe.outcomes, probing);
  if (!wanted) return differ(scenario::print(probe.outcomes), "an outcome has no value");
  // The specification of what hardware may do: nothing beyond the set.
  const Reachable may = subject_.reachable(probing);
  for (const Reached& one : may) {
    if (wanted->contains(one)) continue;
    const bool ends = one.fault == "F.wait" && has_fault_of_tables(*wanted);
    if (ends && is_answered_by_nobody(probing)) continue;
    differ(text_of(*wanted), text_of(may));
    return;
  }
  if (may.empty()) return differ(text_of(*wanted), "nothing");
  // The interface's: each member that is no fault, in some order of the races.
  widths_.add(*current_, *wanted, promised(subject_.interface(), probing),
              !exact_faults_ || subject_.touched().known);
}

void ProbeWidths::add(const scenario::Step& step, const Reachable& wanted,
                      const Reachable& promised, bool excuses_faults) {
  Width& its = widths_[&step];
  its.wanted.insert(wanted.begin(), wanted.end());
  its.promised.insert(promised.begin(), promised.end());
  its.excuses_faults |= excuses_faults;
}

std::optional<ProbeWidths::TooWide> ProbeWidths::too_wide() const {
  std::optional<TooWide> first;
  for (const auto& [step, its] : widths_) {
    const bool fits = std::ranges::all_of(its.wanted, [&](const Reached& one) {
      return its.promised.contains(one) || (!one.address && its.excuses_faults);
    });
    if (fits || (first && first->step < step)) continue;
    first = TooWide{step, its.wanted, its.promised};
  }
  return first;
}

/// Of those that have a name.
void Story::look_for_ended_groups() {
  const spec::sva::Interface& interface = subject_.interface();
  names_.keep_groups([&](const Names::GroupName& name, u32 observed) {
    spec::sva::Call answer{.kind = spec::sva::CallKind::fault_queue_respond};
    answer.device = name.device;
    answer.pasid = name.pasid;
    answer.group = observed;
    constexpr u64 handlers = 0;
    const u64 of_user = interface.queue_of_domain(interface.domain_of(name.device));
    const u64 queues[] = {handlers, interface.queue_of(name.device), of_user};
    return std::ranges::any_of(queues, [&](u64 queue) {
      answer.queue = queue;
      return interface.stall_of(answer).has_value();
    });
  });
}

/// A device has few numbers, and those from `scenario_groups` on are of accesses that it makes
/// again.
u64 Story::group_number(u64 written) {
  constexpr u64 scenario_groups = 0x100;
  if (written < scenario_groups) return written;
  if (const auto known = group_numbers_.find(written); known != group_numbers_.end()) {
    return known->second;
  }
  std::set<u64> taken;
  for (const auto& [name, number] : group_numbers_) taken.insert(number);
  for (const scenario::Step& step : scenario_.steps) {
    if (const auto* dma = std::get_if<scenario::Dma>(&step.what)) taken.insert(dma->group);
  }
  u64 number = scenario_groups - 1;
  while (number != 0 && taken.contains(number)) --number;
  return group_numbers_[written] = number;
}

void Story::step(const scenario::Dma& dma) {
  troubles_.clear();
  look_for_ended_groups();
  Probing probing;
  probing.device = world_.device(dma.device.text);
  probing.iova = names_.value(dma.iova).value_or(0);
  probing.access = dma.access;
  probing.group = group_number(dma.group);
  probing.last = dma.last;
  const auto pasid = dma.pasid ? names_.pasid(*dma.pasid).value_or(0) : spec::sva::pasid_unknown;
  if (pasid != spec::sva::pasid_unknown) probing.at = spec::sva::substream(pasid);
  const auto wanted = reachable_of(dma.outcomes, probing);
  Reached reached;
  std::string reason;
  u64 waits = 0;
  if (!wanted || !subject_.access(probing, *wanted, reached, reason, waits)) {
    return differ(scenario::print(dma.outcomes), reason.empty() ? "nothing" : reason);
  }
  if (!wanted->contains(reached) && !ended_at_once(probing, *wanted, waits)) {
    return differ(text_of(*wanted), text_of({reached}));
  }
  if (dma.result_name) {
    accesses_[dma.result_name->text] = {reached, waits};
    names_.set(dma.result_name->text, {reached.pa, CallKind::domain_free});
  }
}

// ---- the other lines ----------------------------------------------------------------------------

std::string Story::state() {
  std::string text = subject_.interface().dump();
  if (const spec::sva::Held* held = subject_.driver_held()) {
    text += fmt::format("driver: d:{} m:{} p:{} k:{} q:{} bonds:{}\n", held->domains, held->io_mms,
                        held->pasids, held->tokens, held->queues, held->bonds);
  }
  return text;
}

void Story::step(const Check& check) {
  using Kind = Check::Kind;
  const scenario::Values& values = check.values;
  switch (check.kind) {
    case Kind::mark:
      marked_ = state();
      is_marked_ = true;
      return;
    case Kind::same: return check_mark();
    case Kind::blame: return check_blame(values[0].word);
    case Kind::hw: return check_hardware(values[0].is_word("none"));
    case Kind::callbacks: return check_callbacks(values);
    case Kind::hooks_balance: return check_hooks(values[0]);
    case Kind::leaks: return check_leaks(values);
    case Kind::asid_pinned: {
      const bool pinned = subject_.asid_pinned(names_.process(values[0].word).value_or(0));
      if (pinned != values[1].is_word("yes")) differ(values[1].word, pinned ? "yes" : "no");
      return;
    }
    case Kind::cpu_asid_collides: return collide(values[0], values[1]);
    case Kind::distinct: return check_distinct(values);
    case Kind::draw: return check_drawing(values);
    case Kind::bound_passes: return subject_.bound_passes();
    case Kind::stuck:
      return values.empty() ? subject_.set_stuck(true) : subject_.stick_at_sync(values[0].number);
    case Kind::unstuck: return subject_.set_stuck(false);
    case Kind::recover: return recover(values);
    case Kind::same_format: return check_format(values[0], values[1]);
    case Kind::hook: return set_hook(values[0], values[1]);
  }
}

/// The state is that of the mark.
void Story::check_mark() {
  if (!is_marked_) return differ("a mark before", "none");
  const std::string now = state();
  if (now == marked_) return;
  differ("the state of the mark", "another one");
  failure_->evidence.push_back("then: " + marked_);
  failure_->evidence.push_back("now: " + now);
}

/// So many private address spaces are made and not freed.
void Story::check_hooks(const Value& wanted) {
  const spec::sva::Held its = subject_.interface().held();
  const u32 made = its.io_mms + its.process_io_mms;
  // Where there are no hooks to be counted, the driver's own count of private ones.
  u32 seen = made;
  if (subject_.hooked_io_mms()) {
    seen = *subject_.hooked_io_mms();
  } else if (const spec::sva::Held* held = subject_.driver_held()) {
    seen = held->io_mms + its.process_io_mms;
  }
  if (made != wanted.number || seen != wanted.number) {
    differ(scenario::print(wanted), fmt::format("{}", seen == wanted.number ? made : seen));
  }
}

void Story::check_distinct(const scenario::Values& values) {
  std::set<u64> seen;
  for (const Value& value : values) {
    const auto process = names_.process(value.word);
    seen.insert(process ? *process : names_.value(value).value_or(0));
  }
  if (seen.size() != values.size()) differ("different ones", "two are the same");
}

/// Without a result it is one that succeeds: what was stuck goes on.
void Story::recover(const scenario::Values& results) {
  if (results.empty()) subject_.set_stuck(false);
  Thread& thread = thread_of("");
  thread.kind = CallKind::recover;
  thread.answer = subject_.recover();
  if (!results.empty()) judge(thread, results);
}

/// What the backend's hook of that name answers from here on.
void Story::set_hook(const Value& name, const Value& answer) {
  const bool made_nothing = answer.is_word("null");
  const auto status = made_nothing ? Status::enomem : status_of(answer.word).value_or(Status::ok);
  for (const Hook hook : {Hook::mm_alloc, Hook::mm_free, Hook::mm_attach, Hook::mm_detach}) {
    if (name.is_word(spec::sva::hook_name(hook))) subject_.set_hook(hook, status, made_nothing);
  }
}

/// Two of domains, private address spaces and explicit tokens take the same input addresses, give
/// the same output addresses, in the same pages.
void Story::check_format(const scenario::Value& one, const scenario::Value& other) {
  const auto facts = [&](const scenario::Value& value) {
    const spec::sva::Interface& interface = subject_.interface();
    const u64 handle = names_.value(value).value_or(0);
    const Named* named = names_.find(value.word);
    const CallKind by = named != nullptr ? named->kind : CallKind::domain_alloc;
    if (by == CallKind::sva_alloc_pasid) return interface.facts_of_io_mm(handle);
    if (by == CallKind::bind_task) return interface.facts_of_token(handle);
    return interface.facts_of(handle);
  };
  const spec::sva::DomainFacts a = facts(one);
  const spec::sva::DomainFacts b = facts(other);
  if (a.input_bits == b.input_bits && a.output_bits == b.output_bits &&
      a.page_sizes == b.page_sizes && a.input_bits != 0) {
    return;
  }
  const auto text = [](const spec::sva::DomainFacts& its) {
    return fmt::format("{} to {} bits, pages {:#x}", its.input_bits, its.output_bits,
                       its.page_sizes);
  };
  differ("the same format", text(a) + " and " + text(b));
}

void Story::check_blame(std::string_view party) {
  if (party == "none") {
    if (!troubles_.empty()) differ("nobody to blame", troubles_.front().text);
    return;
  }
  bool any = false;
  for (const Trouble& trouble : troubles_) {
    if (party != "caller" || trouble.keeper != spec::Keeper::caller) continue;
    blamed_.insert(trouble.rule);
    any = true;
  }
  if (any) return;
  differ(fmt::format("a violation that is the {}'s", party), "none");
}

void Story::check_hardware(bool none) {
  const Touched touched = subject_.touched();
  if (!touched.known || touched.none() == none) return;
  differ(none ? "none" : "some",
         fmt::format("{} register writes, {} commands, {} stores to stream and PASID tables",
                     touched.register_writes, touched.commands, touched.structure_stores));
}

/// ", GROUP" of a fault handler's, as the driver numbers it: the first one seen with it that the
/// name may stand for.
std::string Story::group_of(const Value& callback) {
  if (callback.items.size() < 4) return {};
  const u64 written = names_.value(callback.items[3]).value_or(0);
  for (const CallbackSeen& one : callbacks_) {
    const bool its = one.group && names_.device(callback.items[0].word) == one.device;
    if (its && names_.same_group({one.device, one.pasid, written}, *one.group)) {
      return fmt::format(", {}", *one.group);
    }
  }
  return fmt::format(", {}", written);
}

void Story::check_callbacks(const scenario::Values& wanted) {
  for (const CallbackSeen& one : subject_.take_callbacks()) callbacks_.push_back(one);
  std::vector<std::string> expected;
  std::vector<std::string> seen;
  for (const Value& value : wanted) {
    const u64 pasid = value.items[1].kind == Value::Kind::number
                          ? value.items[1].number
                          : names_.value(value.items[1]).value_or(0);
    const bool any = value.items.size() < 3 || value.items[2].is_word("any");
    expected.push_back(
        fmt::format("{}({}, {}, {}{})", value.word, value.items[0].word, pasid,
                    any ? "any" : fmt::format("{:#x}", names_.value(value.items[2]).value_or(0)),
                    group_of(value)));
  }
  const auto name = [&](u32 device) {
    return device < world_.devices.size() ? world_.devices[device].name : std::to_string(device);
  };
  for (const CallbackSeen& one : callbacks_) {
    seen.push_back(fmt::format("{}({}, {}, {:#x}{})", one.group ? "fault_handler" : "mm_exit",
                               name(one.device), names_.written_pasid(one.pasid), one.drvdata,
                               one.group ? fmt::format(", {}", *one.group) : ""));
  }
  callbacks_.clear();
  std::vector<std::string> left = seen;
  bool right = expected.size() == seen.size();
  for (const std::string& one : expected) {
    const bool any = one.ends_with(", any)");
    const auto at = std::ranges::find_if(left, [&](const std::string& other) {
      return any ? other.starts_with(one.substr(0, one.size() - 4)) : other == one;
    });
    if (at == left.end()) {
      right = false;
    } else {
      left.erase(at);
    }
  }
  if (right) return;
  differ(expected.empty() ? "none" : fmt::format("{}", fmt::join(expected, " & ")),
         seen.empty() ? "none" : fmt::format("{}", fmt::join(seen, " & ")));
}

void Story::check_leaks(const scenario::Values& wanted) {
  constexpr std::string_view letters = "dkmpq";
  std::array<u64, 5> expected{};
  std::array<bool, 5> named{};
  for (const Value& value : wanted) {
    const std::size_t at = letters.find(value.items[0].word[0]);
    expected[at] = value.items[1].number;
    named[at] = true;
  }
  const auto counts = [](const spec::sva::Held& held) {
    return std::array<u64, 5>{held.domains, held.tokens, held.io_mms,
                              u64{held.pasids} + held.doubtful_pasids, held.queues};
  };
  const auto compare = [&](const spec::sva::Held& held, std::string_view who) {
    std::array<u64, 5> seen = counts(held);
    if (seen == expected) return;
    std::string text;
    std::string expected_text;
    for (std::size_t i = 0; i < letters.size(); ++i) {
      if (seen[i] != 0) text += fmt::format(" {}:{}", letters[i], seen[i]);
      if (named[i]) expected_text += fmt::format(" {}:{}", letters[i], expected[i]);
    }
    differ(expected_text.empty() ? "none" : expected_text.substr(1),
           fmt::format("{}, {}", text.empty() ? "none" : text.substr(1), who));
  };
  compare(subject_.interface().held(), "says the interface");
  if (const spec::sva::Held* held = subject_.driver_held()) compare(*held, "says the driver");
}

/// What stands at each PASID of the device: where there is memory as STE and CDs lead to it, else
/// as the interface has it. A table is a process's if it begins where that process's does.
std::map<u32, std::string> Story::drawing_of(u32 device, u64& root) {
  std::map<u32, std::string> drawn;
  const spec::sva::Interface& interface = subject_.interface();
  const auto stands_at = [&](u32 pasid) {
    for (const auto& [other, io_mm] : names_.all()) {
      const spec::sva::Substream at = interface.pasid_of_io_mm(io_mm.value);
      const bool there = io_mm.kind == CallKind::sva_alloc_pasid && at.present;
      if (there && at.number == pasid) return "private";
    }
    return "plain";
  };
  if (const auto standing = subject_.standing(device)) {
    for (const Subject::Standing& one : *standing) {
      if (!one.at.present) {
        root = one.root;
        continue;
      }
      std::string& what = drawn[one.at.number];
      what = stands_at(one.at.number);
      for (const auto& [name, mm] : names_.processes()) {
        if (threads_of_.contains(name) || subject_.root_of(mm) != one.root) continue;
        what = "mm(" + name + ")";
      }
    }
    return drawn;
  }
  interface.for_each_substream(device, [&](u32 pasid) {
    const auto at = bound_.find(pasid);
    drawn[pasid] = at != bound_.end() ? "mm(" + at->second + ")" : stands_at(pasid);
  });
  return drawn;
}

/// Domains with their devices, and what stands at each PASID.
void Story::check_drawing(const scenario::Values& wanted) {
  std::set<std::string> seen;
  const spec::sva::Interface& interface = subject_.interface();
  for (const auto& [name, domain] : names_.all()) {
    if (domain.kind != CallKind::domain_alloc || !interface.is_domain(domain.value)) continue;
    std::string devices;
    std::set<u64> roots;
    const bool paging = interface.is_paging(domain.value);
    for (u32 device = 0; device < world_.devices.size(); ++device) {
      if (interface.domain_of(device) != domain.value) continue;
      devices += (devices.empty() ? "" : ",") + world_.devices[device].name;
      u64 root = 0;
      for (const auto& [pasid, what] : drawing_of(device, root)) {
        seen.insert(fmt::format("{}.{}:{}", name, names_.written_pasid(pasid), what));
      }
      roots.insert(root);
    }
    if (devices.empty()) continue;
    seen.insert(fmt::format("{}:{{{}}}", name, devices));
    // All its devices begin at one table.
    if (paging && roots.size() == 1) seen.insert(name + ".0:pgtable");
  }
  std::set<std::string> expected;
  for (const Value& value : wanted) expected.insert(value.word);
  if (seen == expected) return;
  differ(fmt::format("{}", fmt::join(expected, " ")), fmt::format("{}", fmt::join(seen, " ")));
}

/// The CPUs give the process the number by which the driver tags the other space.
void Story::collide(const Value& process, const Value& space) {
  const Named* named = names_.find(space.word);
  const spec::sva::Interface& interface = subject_.interface();
  const auto mm = names_.process(process.word);
  if (named == nullptr || !mm) return differ("a process and a space", "one of them is none");
  for (u32 device = 0; device < world_.devices.size(); ++device) {
    spec::sva::Substream at{};
    u64 domain = named->value;
    if (named->kind == CallKind::sva_alloc_pasid) {
      at = interface.pasid_of_io_mm(named->value);
      domain = interface.domain_of_io_mm(named->value);
    }
    if (domain == 0 || interface.domain_of(device) != domain) continue;
    if (subject_.collide_asid(*mm, device, at)) return;
    return differ("the same ASID", "the process has a number already, or the space has none");
  }
  differ("a space that a device reaches", "none does");
}

}  // namespace iommucheck::oracle::stories
