// SPDX-License-Identifier: MIT
#include "scenario/format/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <string>

#include "base/errno_names.h"
#include "base/text.h"
#include "scenario/format/drawing.h"
#include "scenario/format/iommus.h"
#include "scenario/format/print.h"
#include "scenario/format/result_forms.h"
#include "scenario/format/tokens.h"
#include "scenario/format/words.h"

namespace iommucheck::scenario {
namespace {

constexpr std::array<std::string_view, 9> faults{"F.dev",   "F.pasid",      "F.unmapped",
                                                 "F.perm",  "F.s2unmapped", "F.s2perm",
                                                 "F.badcd", "F.wait",       "F.quiet"};

/// Of a user: letters of calls.def.
struct CommandForm {
  std::string_view name;
  std::string_view letters;
};
constexpr CommandForm commands[] = {{"va", "n"},    {"all", ""},       {"cd", "q"},
                                    {"atc", "Vqn"}, {"other_sid", ""}, {"host_all", ""},
                                    {"sync", ""},   {"resume", ""},    {"illegal", ""}};

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool is_hook(std::string_view word) {
  return one_of(word, {"mm_alloc", "mm_free", "mm_attach", "mm_detach"});
}

enum class Meaning : u8 { device, process, page, table, entries, thread, result };

std::string_view text_of(Meaning meaning) {
  constexpr std::string_view texts[] = {
      "a device", "a process", "a page", "a user's table", "a user's PASID table",
      "a thread", "a result"};
  return texts[static_cast<std::size_t>(meaning)];
}

class Checker {
 public:
  Checker(const Scenario& scenario, std::string_view file) : scenario_(scenario), file_(file) {}

  std::optional<Error> run() {
    for (const Step& step : scenario_.steps) {
      std::visit([&](const auto& what) { check(what, step); }, step.what);
      if (error_) return error_;
    }
    return error_;
  }

 private:
  void fail(Place place, std::string_view word, std::string_view message) {
    if (!error_) error_ = bad(file_, place, word, message);
  }

  void define(const Name& name, Meaning meaning) {
    const auto known = names_.find(name.text);
    if (known != names_.end() && (known->second != meaning || meaning != Meaning::result)) {
      return fail(name.place, name.text,
                  fmt::format("is {} already; use another name", text_of(known->second)));
    }
    names_[name.text] = meaning;
  }

  void expect(const Name& name, Meaning meaning) {
    const auto known = names_.find(name.text);
    if (known == names_.end()) {
      return fail(name.place, name.text,
                  fmt::format("expected {}, and nothing has this name yet", text_of(meaning)));
    }
    if (known->second != meaning) {
      fail(name.place, name.text,
           fmt::format("expected {}, and this is {}", text_of(meaning), text_of(known->second)));
    }
  }
  void expect(const Value& value, Meaning meaning) {
    if (value.kind != Value::Kind::word || value.plus) {
      return fail(value.place, print(value), fmt::format("expected {}", text_of(meaning)));
    }
    expect(Name{value.word, value.place}, meaning);
  }

  /// The root of a table, as ..._get_attr(..., ttbr0) gave it.
  void expect_table(const Name& name) {
    expect(name, Meaning::result);
    if (!tables_.contains(name.text)) {
      fail(name.place, name.text, "expected a table (what get_attr says of ttbr0)");
    }
  }

  /// A PASID, or `none`.
  void expect_pasid(const Value& value) {
    if (!value.is_word("none") || names_.contains("none")) expect_number(value);
  }

  /// A number, or a name that stands for one.
  void expect_number(const Value& value) {
    if (value.kind == Value::Kind::number) return;
    if (value.kind != Value::Kind::word) {
      return fail(value.place, print(value), "expected a number or a name");
    }
    const auto known = names_.find(value.word);
    if (known == names_.end()) {
      return fail(value.place, value.word, "expected a number, and nothing has this name yet");
    }
    if (known->second != Meaning::result && known->second != Meaning::page) {
      fail(value.place, value.word,
           fmt::format("expected a number, and this is {}", text_of(known->second)));
    }
  }

  // ---- lines ------------------------------------------------------------------------------------

  void check(const Declare& declare, const Step& /*step*/) {
    switch (declare.kind) {
      case Declare::Kind::world:
        for (const Setting& setting : declare.settings) check_world(setting);
        return;
      case Declare::Kind::dev:
        for (const Setting& setting : declare.settings) check_dev(setting);
        for (const Name& name : declare.names) define(name, Meaning::device);
        return;
      case Declare::Kind::proc:
        for (const Name& name : declare.names) define(name, Meaning::process);
        return;
      default:
        for (const Name& name : declare.names) define(name, Meaning::page);
    }
  }

  void expect_setting(const Setting& setting, bool right, std::string_view what) {
    if (!right) fail(setting.value.place, setting.value.text, fmt::format("expected {}", what));
  }
  void expect_number(const Setting& setting, u64 least, u64 most) {
    const auto number = parse_number(setting.value.text);
    expect_setting(setting, number && *number >= least && *number <= most,
                   fmt::format("a number from {} to {}", least, most));
  }

  void check_world(const Setting& setting) {
    const std::string& key = setting.key.text;
    const std::string& value = setting.value.text;
    if (!world_keys_.insert({key, true}).second) {
      return fail(setting.key.place, key, "this world has it already");
    }
    if (key == "backend") {
      expect_setting(setting, one_of(value, {"smmuv3", "two"}), "smmuv3 or two");
    } else if (key == "tables") {
      expect_setting(setting, one_of(value, {"per_domain", "per_device"}),
                     "per_domain or per_device");
    } else if (key == "iova_bits") {
      expect_number(setting, 12, 64);
    } else if (key == "iommu_pasids") {
      expect_number(setting, 0, u64{1} << 20);
    } else if (key == "dirty") {
      expect_number(setting, 0, 1);
    } else if (key == "bbml") {
      expect_number(setting, 0, 2);
    } else if (key == "hooks") {
      check_hooks(setting);
    }
  }

  /// "-name,-name": what the backend is without.
  void check_hooks(const Setting& setting) {
    std::string_view left = setting.value.text;
    while (!left.empty()) {
      const std::string_view name = left.substr(0, left.find(','));
      left.remove_prefix(std::min(left.size(), name.size() + 1));
      expect_setting(
          setting, name.starts_with('-') && is_hook(name.substr(1)),
          "a '-' before each of mm_alloc, mm_free, mm_attach, mm_detach that is missing");
    }
  }

  void check_dev(const Setting& setting) {
    const std::string& key = setting.key.text;
    const std::string& value = setting.value.text;
    if (key == "pasids") {
      expect_number(setting, 0, u64{1} << 20);
    } else if (key == "iopf") {
      expect_setting(setting, one_of(value, {"none", "stall", "pri"}), "none, stall or pri");
    } else if (key == "ats") {
      expect_setting(setting, one_of(value, {"0", "1"}), "0 or 1");
    } else if (key == "sids") {
      expect_number(setting, 1, 64);
    }
  }

  void check(const Change& change, const Step& /*step*/) {
    expect_number(change.at);
    if (change.kind == Change::Kind::upt || change.kind == Change::Kind::upt_clear) {
      if (!names_.contains(change.object.text)) define(change.object, Meaning::table);
      expect(change.object, Meaning::table);
      if (change.to) expect_number(*change.to);
      return;
    }
    if (names_.contains(change.object.text) && names_.at(change.object.text) == Meaning::result) {
      // The result of fork.
    } else {
      expect(change.object, Meaning::process);
    }
    if (change.to) expect_number(*change.to);
  }

  void check(const UserEntry& entry, const Step& /*step*/) {
    if (!names_.contains(entry.table.text)) define(entry.table, Meaning::entries);
    expect(entry.table, Meaning::entries);
    expect_number(entry.pasid);
    if (!one_of(entry.entry.text, {"empty", "garbage", "outside"})) {
      expect(entry.entry, Meaning::table);
    }
  }

  void check(const Invoke& invoke, const Step& step) {
    if (!step.thread.text.empty() && !names_.contains(step.thread.text)) {
      names_[step.thread.text] = Meaning::thread;
    }
    if (!step.thread.text.empty()) expect(step.thread, Meaning::thread);
    if (invoke.inside) {
      expect(invoke.inside->device, Meaning::device);
      expect_pasid(invoke.inside->pasid);
    }
    const Signature* call = find_call(invoke.call.text);
    if (call == nullptr) {
      return fail(invoke.call.place, invoke.call.text, "there is no such call");
    }
    const std::size_t given = invoke.arguments.size();
    if (given < call->least || given > call->letters.size()) {
      return fail(invoke.call.place, invoke.call.text,
                  call->least == call->letters.size()
                      ? fmt::format("takes {} arguments, not {}", call->least, given)
                      : fmt::format("takes {} to {} arguments, not {}", call->least,
                                    call->letters.size(), given));
    }
    for (std::size_t i = 0; i < given; ++i) check_argument(call->letters[i], invoke.arguments[i]);
    if (invoke.call.text == "domain_alloc") check_structure(invoke);
    for (const Value& result : invoke.results) {
      check_result(result);
      if (const auto wrong = wrong_result(invoke, result)) {
        fail(result.place, print(result), *wrong);
      }
    }
    if (invoke.result_name) {
      const bool attribute = invoke.call.text.ends_with("_get_attr");
      const bool root = attribute && given == 2 && invoke.arguments[1].is_word("ttbr0");
      if (root) {
        tables_.insert(invoke.result_name->text);
      } else {
        tables_.erase(invoke.result_name->text);
      }
      // A thread's name stands for its process.
      if (invoke.call.text == "fork" || invoke.call.text == "thread") {
        define(*invoke.result_name, Meaning::process);
      } else {
        define(*invoke.result_name, Meaning::result);
      }
    }
  }

  /// What a user hands over. A PASID table to `nested` is its entry 0 (S1CDMax = 0).
  void check_structure(const Invoke& invoke) {
    const bool pasids = invoke.arguments[0].is_word("nested_pasid");
    const bool nested = pasids || invoke.arguments[0].is_word("nested");
    if (!nested || invoke.arguments.size() < 3) return;
    const Value& its = invoke.arguments[2];
    const auto known = names_.find(its.word);
    if (its.kind == Value::Kind::word && known == names_.end()) return;  // a table that is empty
    const bool right =
        its.kind == Value::Kind::word && !its.plus &&
        (known->second == Meaning::entries || (!pasids && known->second == Meaning::table));
    if (right) return;
    fail(its.place, print(its),
         pasids ? "expected a user's PASID table, which ucd makes"
                : "expected a user's table, which upt makes, or a PASID table, which ucd makes");
  }

  void check_argument(char letter, const Value& value) {
    switch (letter) {
      case 'V': return expect(value, Meaning::device);
      case 'm':
        if (value.is_word("NULL")) return;
        return expect(value, Meaning::process);
      case 'M': return expect(value, Meaning::process);
      case 'D':
      case 'I':
      case 'K':
      case 'A': return expect(value, Meaning::result);
      case 'Q':
        if (!value.is_word("handler")) expect(value, Meaning::result);
        return;
      case 'T':
        if (!value.is_word("master")) expect_table(Name{value.word, value.place});
        return;
      case 'n':
      case 'p': return expect_number(value);
      case 'q': return expect_pasid(value);
      case 'r': {
        const bool right = (value.kind == Value::Kind::word && !value.plus &&
                            (one_of(value.word, {"none", "-"}) ||
                             value.word.find_first_not_of("rwxpd") == std::string::npos)) ||
                           value.kind == Value::Kind::number;
        if (!right) fail(value.place, print(value), "expected rights, such as r, rw, rwx, none");
        return;
      }
      case 'f':
      case 'g':
      case 's':
      case 'c':
        if (value.kind != Value::Kind::list) {
          fail(value.place, print(value), "expected a list in [brackets], which may be empty");
        } else if (letter == 'c') {
          for (const Value& command : value.items) check_command(command);
        } else if (letter != 's') {
          for (const Value& item : value.items) expect_word(item, *words_for(letter));
        }
        return;
      case 'h':
        if (value.is_word("ok") || value.kind == Value::Kind::number) return;
        if (value.kind == Value::Kind::word && !value.plus && errno_number(value.word)) return;
        return fail(value.place, print(value), "expected ok, 0 or an errno name");
      default:
        if (const auto words = words_for(letter)) expect_word(value, *words);
    }
  }

  /// Another word would be taken for one of them, or for nothing. A number is what it is.
  void expect_word(const Value& value, std::span<const std::string_view> words) {
    const auto is_it = [&](std::string_view word) { return value.is_word(word); };
    if (value.kind == Value::Kind::number || std::ranges::any_of(words, is_it)) return;
    fail(value.place, print(value),
         fmt::format("expected {}, or a number that none of them stands for",
                     fmt::join(words, ", ")));
  }

  /// A user's command. What the SMMU does not know is `illegal`, and no mistake in writing.
  void check_command(const Value& command) {
    const bool written = command.kind == Value::Kind::term || command.kind == Value::Kind::word;
    const auto known = std::ranges::find(commands, command.word, &CommandForm::name);
    if (!written || command.plus || known == std::end(commands)) {
      return fail(command.place, print(command),
                  "there is no such command; there are va, all, cd, atc, other_sid, host_all, "
                  "sync, resume, illegal");
    }
    const std::size_t given = command.items.size();
    if (given != known->letters.size()) {
      return fail(command.place, command.word,
                  fmt::format("takes {} arguments, not {}", known->letters.size(), given));
    }
    for (std::size_t i = 0; i < given; ++i) check_argument(known->letters[i], command.items[i]);
  }

  void check_result(const Value& value) {
    if (value.kind == Value::Kind::number) return;
    if (value.kind == Value::Kind::term) {
      if (!one_of(value.word, {"done", "bits", "fault", "event"})) {
        fail(value.place, value.word,
             "there is no such result; there are done, bits, fault, event");
      }
      return;
    }
    if (value.kind != Value::Kind::word) {
      return fail(value.place, print(value), "expected a result");
    }
    if (one_of(value.word, {"ok", "new", "any", "blocked", "either", "waiting", "aborted", "none",
                            "null", "yes", "no", "empty", "lost"}) ||
        names_.contains(value.word)) {
      return;
    }
    if (!errno_number(value.word)) {
      fail(value.place, value.word,
           "expected ok, new, any, blocked, an errno name, a number, or a name that is known");
    }
  }

  void check_outcomes(const Values& outcomes) {
    for (const Value& outcome : outcomes) {
      if (outcome.kind == Value::Kind::number) continue;
      if (outcome.kind != Value::Kind::word) {
        return fail(outcome.place, print(outcome), "expected an address or a fault (F.…)");
      }
      if (outcome.word.starts_with("F.")) {
        if (std::ranges::find(faults, outcome.word) == faults.end()) {
          fail(outcome.place, outcome.word,
               fmt::format("there is no such fault; there are {}", fmt::join(faults, ", ")));
        }
        continue;
      }
      expect(Name{outcome.word, outcome.place}, Meaning::page);
    }
  }

  void check(const Probe& probe, const Step& /*step*/) {
    if (probe.kind == Probe::Kind::walk) {
      expect_table(probe.target);
    } else {
      expect(probe.target, Meaning::device);
    }
    if (probe.pasid) expect_pasid(*probe.pasid);
    expect_number(probe.iova);
    check_outcomes(probe.outcomes);
  }

  void check(const Dma& dma, const Step& /*step*/) {
    expect(dma.device, Meaning::device);
    if (dma.pasid) expect_pasid(*dma.pasid);
    expect_number(dma.iova);
    check_outcomes(dma.outcomes);
    if (dma.result_name) define(*dma.result_name, Meaning::result);
  }

  void check(const Check& check, const Step& /*step*/) {
    switch (check.kind) {
      case Check::Kind::callbacks:
        for (const Value& callback : check.values) {
          const bool of_fault = callback.word == "fault_handler";
          if (callback.word != "mm_exit" && !of_fault) {
            fail(callback.place, callback.word,
                 "there is no such callback; there are mm_exit and fault_handler");
          } else if (callback.items.size() < (of_fault ? 4 : 2)) {
            fail(callback.place, callback.word,
                 of_fault ? "expected (DEV, PASID, DRVDATA, GROUP)"
                          : "expected (DEV, PASID, DRVDATA)");
          } else {
            expect(callback.items[0], Meaning::device);
          }
        }
        return;
      case Check::Kind::asid_pinned: return expect(check.values[0], Meaning::process);
      case Check::Kind::cpu_asid_collides:
      case Check::Kind::distinct:
      case Check::Kind::same_format:
        for (const Value& value : check.values) {
          if (!names_.contains(value.word)) {
            fail(value.place, value.word, "nothing has this name yet");
          }
        }
        return;
      case Check::Kind::recover:
        for (const Value& value : check.values) check_result(value);
        return;
      case Check::Kind::hook: {
        const Value& hook = check.values[0];
        const Value& answer = check.values[1];
        const bool known = answer.is_word("ok") || errno_number(answer.word).has_value();
        if (!is_hook(hook.word)) {
          fail(hook.place, hook.word, "expected mm_alloc, mm_free, mm_attach or mm_detach");
        } else if (!known && !(answer.is_word("null") && hook.word == "mm_alloc")) {
          fail(answer.place, print(answer), "expected good, an errno name or, of mm_alloc, null");
        }
        return;
      }
      case Check::Kind::draw:
        for (const Value& word : check.values) check_drawn(word);
        return;
      default: return;
    }
  }

  /// A part of a drawing, and the names in it.
  void check_drawn(const Value& word) {
    const DrawnPart part = read_drawn_part(word.word);
    if (!part.wrong.empty()) return fail(word.place, word.word, part.wrong);
    const auto expect_named = [&](const DrawnPart::Named& named, Meaning meaning) {
      Name name{std::string(named.text), word.place};
      name.place.column += named.at;
      expect(name, meaning);
    };
    expect_named(part.domain, Meaning::result);
    for (const DrawnPart::Named& device : part.devices) expect_named(device, Meaning::device);
    if (!part.process.text.empty()) expect_named(part.process, Meaning::process);
  }

  void check(const Resume& resume, const Step& step) {
    expect(step.thread, Meaning::thread);
    for (const Value& value : resume.results) check_result(value);
  }

  void check(const Race& race, const Step& step) {
    std::visit([&](const auto& what) { check(what, step); }, race.first);
    std::visit([&](const auto& what) { check(what, step); }, race.second);
    for (const Value& value : race.results) check_result(value);
  }

  const Scenario& scenario_;
  std::string_view file_;
  std::map<std::string, Meaning> names_;
  std::set<std::string> tables_;
  std::map<std::string, bool> world_keys_;
  std::optional<Error> error_;
};

}  // namespace

std::optional<Error> check_names(const Scenario& scenario, std::string_view file) {
  if (auto error = check_iommus(scenario, file)) return error;
  return Checker(scenario, file).run();
}

}  // namespace iommucheck::scenario
