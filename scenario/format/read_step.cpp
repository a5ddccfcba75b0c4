// SPDX-License-Identifier: MIT
#include "scenario/format/read_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"

namespace iommucheck::scenario {
namespace {

constexpr std::size_t values_max = 4096;  // of one list
constexpr unsigned depth_max = 8;

Value read_value(Cursor& cursor, unsigned depth);

/// What stands between `open`, already taken, and `close`.
Values read_items(Cursor& cursor, std::string_view close, unsigned depth) {
  Values items;
  if (cursor.take(close)) return items;
  while (!cursor.error()) {
    items.push_back(read_value(cursor, depth + 1));
    if (items.size() > values_max) cursor.fail(cursor.peek(), "the list is too long; shorten it");
    if (cursor.take(close)) break;
    cursor.expect(",", fmt::format("between items, or '{}' behind the last one", close));
  }
  return items;
}

/// `bits(0101)`: the digits as they stand.
Value read_bits(Cursor& cursor, Value value) {
  Value digits;
  digits.kind = Value::Kind::word;
  digits.place = cursor.peek().place;
  while (!cursor.at_end() && !cursor.next_is(")") && !cursor.error()) {
    const Token token = cursor.next();
    if (token.text.find_first_not_of("01") != std::string::npos) {
      cursor.fail(token, "expected the bits, first to last, each 0 or 1");
    }
    digits.word += token.text;
  }
  if (digits.word.empty()) cursor.fail(cursor.peek(), "expected at least one bit, 0 or 1");
  cursor.expect(")", "behind the bits");
  value.kind = Value::Kind::term;
  value.items.push_back(std::move(digits));
  return value;
}

Value read_plain(Cursor& cursor, unsigned depth) {
  Value value;
  value.place = cursor.peek().place;
  if (depth > depth_max) {
    cursor.fail(cursor.peek(), "brackets are nested too deeply; eight levels are enough");
    return value;
  }
  if (cursor.take("[")) {
    value.kind = Value::Kind::list;
    value.items = read_items(cursor, "]", depth);
    return value;
  }
  if (cursor.take("(")) {
    value.kind = Value::Kind::tuple;
    value.items = read_items(cursor, ")", depth);
    return value;
  }
  const Token token = cursor.next();
  if (token.kind == Token::Kind::number) {
    const auto number = parse_number(token.text);
    if (!number) {
      cursor.fail(token, "not a number of 64 bits; write it decimal or 0x hexadecimal");
    }
    value.number = number.value_or(0);
    value.hex = token.text.size() > 1 && (token.text[1] == 'x' || token.text[1] == 'X');
    return value;
  }
  value.kind = Value::Kind::word;
  value.word = token.text;
  if (token.kind != Token::Kind::word) {
    // A right that is not there is written so.
    if (token.text != "-") {
      cursor.fail(token, "expected a name, number, [list] or name(…)");
    }
    return value;
  }
  if (token.text == "F" && cursor.take(".")) {
    value.word += "." + cursor.name("the kind of fault behind 'F.'").text;
    return value;
  }
  if (cursor.next_is("(") && !cursor.peek().after_blank) {
    cursor.take("(");
    if (value.word == "bits") return read_bits(cursor, std::move(value));
    value.kind = Value::Kind::term;
    value.items = read_items(cursor, ")", depth);
    return value;
  }
  if (cursor.take("+")) {
    value.plus = true;
    value.hex = cursor.peek().text.starts_with("0x");
    value.number = cursor.number("what is added to the name");
  }
  return value;
}

Value read_value(Cursor& cursor, unsigned depth) {
  Value value = read_plain(cursor, depth);
  const bool colon = cursor.next_is(":");
  if ((colon || cursor.next_is("=")) && !cursor.peek().after_blank) {
    cursor.next();
    Value pair;
    pair.kind = Value::Kind::pair;
    pair.mark = colon ? ':' : '=';
    pair.place = value.place;
    pair.items.push_back(std::move(value));
    pair.items.push_back(read_plain(cursor, depth + 1));
    return pair;
  }
  return value;
}

Values read_results(Cursor& cursor) {
  cursor.expect("->", "and the result behind it");
  return read_alternatives(cursor);
}

// ---- what a scenario is about -------------------------------------------------------------------

/// Words between blanks from here on, as they stand.
std::vector<Name> raw_words(Cursor& cursor) {
  std::vector<Name> words;
  while (!cursor.at_end()) {
    const Token token = cursor.next();
    if (words.empty() || token.after_blank) {
      words.push_back({token.text, token.place});
    } else {
      words.back().text += token.text;
    }
  }
  return words;
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (text.empty() || !letter(text[0])) return false;
  return std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

void read_settings(Cursor& cursor, Declare& declare, std::span<const std::string_view> keys) {
  for (const Name& word : raw_words(cursor)) {
    const Token token{Token::Kind::word, word.text, word.place, true};
    const auto equals = word.text.find('=');
    if (equals == std::string::npos) {
      if (declare.kind == Declare::Kind::dev && declare.settings.empty() && is_name(word.text)) {
        declare.names.push_back(word);
        continue;
      }
      return cursor.fail(token, "expected key=value");
    }
    Setting setting{{word.text.substr(0, equals), word.place},
                    {word.text.substr(equals + 1), word.place}};
    setting.value.place.column += static_cast<u32>(equals + 1);
    if (std::ranges::find(keys, setting.key.text) == keys.end()) {
      return cursor.fail(token,
                         fmt::format("there is no such key; there are {}", fmt::join(keys, ", ")));
    }
    for (const Setting& other : declare.settings) {
      if (other.key == setting.key) return cursor.fail(token, "this key stands twice on the line");
    }
    if (setting.value.text.empty()) return cursor.fail(token, "expected a value behind '='");
    declare.settings.push_back(std::move(setting));
  }
}

constexpr std::array<std::string_view, 9> world_keys{"backend",      "tables", "iova_bits",
                                                     "iommu_pasids", "bbml",   "dirty",
                                                     "pgsizes",      "iommus", "hooks"};
constexpr std::array<std::string_view, 7> dev_keys{"pasids", "iopf", "ats",  "group",
                                                   "iommu",  "sids", "modes"};

Declare read_names(Cursor& cursor, Declare::Kind kind) {
  Declare declare{.kind = kind, .names = {}, .settings = {}};
  do {
    declare.names.push_back(cursor.name("a name"));
  } while (!cursor.at_end() && !cursor.error());
  return declare;
}

Declare read_declare(Cursor& cursor, Declare::Kind kind) {
  Declare declare{.kind = kind, .names = {}, .settings = {}};
  switch (kind) {
    case Declare::Kind::world:
      read_settings(cursor, declare, world_keys);
      if (declare.settings.empty()) cursor.fail(cursor.peek(), "expected key=value");
      return declare;
    case Declare::Kind::dev:
      read_settings(cursor, declare, dev_keys);
      if (declare.names.empty()) cursor.fail(cursor.peek(), "expected the name of a device");
      return declare;
    case Declare::Kind::run:
      declare.names.push_back(cursor.name("the name of the first page"));
      {
        const Token token = cursor.peek();
        declare.count = cursor.number("how many pages");
        if (declare.count == 0 || declare.count > 65536) {
          cursor.fail(token, "expected 1 to 65536 pages");
        }
      }
      return declare;
    default: return read_names(cursor, kind);
  }
}

std::string read_rights(Cursor& cursor) {
  const Token token = cursor.next();
  if (token.text != "none" && token.text != "-" &&
      (token.text.empty() || token.text.find_first_not_of("rwxpd") != std::string::npos)) {
    cursor.fail(token,
                "expected rights: letters of r, w, x (p: privileged only, d: device memory)");
  }
  return token.text;
}

Change read_change(Cursor& cursor, Change::Kind kind) {
  Change change;
  change.kind = kind;
  const bool user = kind == Change::Kind::upt || kind == Change::Kind::upt_clear;
  change.object = cursor.name(user ? "the name of a user's table" : "a process");
  change.at = read_value(cursor, 0);
  if (kind == Change::Kind::mmap || kind == Change::Kind::upt) change.to = read_value(cursor, 0);
  if (change.to || kind == Change::Kind::mprotect) change.prot = read_rights(cursor);
  return change;
}

// ---- calls --------------------------------------------------------------------------------------

Invoke read_call(Cursor& cursor) {
  Invoke invoke;
  if (cursor.peek().kind == Token::Kind::word && cursor.next_is("=", 1)) {
    invoke.result_name = cursor.name("a name");
    cursor.take("=");
  }
  invoke.call = cursor.name("a step or a call");
  if (!cursor.next_is("(")) {
    cursor.fail({Token::Kind::word, invoke.call.text, invoke.call.place, true},
                "there is no such step, and a call has its arguments in (…)");
    return invoke;
  }
  cursor.take("(");
  invoke.arguments = read_items(cursor, ")", 0);
  // INTERFACE names it among the kinds of domain_alloc as well.
  const bool is_kind = invoke.call.text == "domain_alloc" && !invoke.arguments.empty() &&
                       invoke.arguments.front().is_word("vdevice");
  if (is_kind) {
    invoke.call.text = "vdevice";
    invoke.arguments.erase(invoke.arguments.begin());
  }
  // And it has attributes in capitals.
  if (invoke.call.text.ends_with("_get_attr")) {
    for (Value& argument : invoke.arguments) {
      if (argument.is_word("TTBR0")) argument.word = "ttbr0";
      if (argument.is_word("PASID")) argument.word = "pasid";
    }
  }
  return invoke;
}

Invoke read_invoke(Cursor& cursor) {
  std::optional<Handler> inside;
  auto memory = Invoke::Memory::normal;
  if (cursor.take("in")) {
    Handler handler;
    cursor.expect("mm_exit", "behind 'in'");
    cursor.expect("(", "and the device and PASID of the handler");
    handler.device = cursor.name("a device");
    cursor.expect(",", "and the PASID");
    handler.pasid = read_value(cursor, 0);
    cursor.expect(")", "behind the PASID");
    cursor.expect(":", "and the call");
    inside = std::move(handler);
  }
  if (cursor.take("each-alloc")) {
    memory = Invoke::Memory::each_alloc;
  } else if (cursor.take("no-memory")) {
    memory = Invoke::Memory::none;
  }
  Invoke invoke = read_call(cursor);
  invoke.inside = std::move(inside);
  invoke.memory = memory;
  if (memory == Invoke::Memory::none && cursor.at_end()) return invoke;
  invoke.results = read_results(cursor);
  // It is an object whose one use is its number, so that the call answers with a status.
  if (invoke.call.text == "vdevice") {
    for (Value& result : invoke.results) {
      if (result.is_word("new")) result.word = "ok";
    }
  }
  return invoke;
}

char read_access(Cursor& cursor) {
  const Token token = cursor.next();
  if (token.text != "r" && token.text != "w" && token.text != "x") {
    cursor.fail(token, "expected r, w or x");
    return 'r';
  }
  return token.text[0];
}

std::optional<Value> read_pasid(Cursor& cursor) {
  if (!cursor.take(".")) return std::nullopt;
  return read_plain(cursor, 0);
}

Probe read_probe(Cursor& cursor) {
  Probe probe;
  if (!cursor.peek().after_blank) {
    const Token token = cursor.next();
    if (token.text == "sid") {
      probe.kind = Probe::Kind::stream;
    } else if (token.text == "walk") {
      probe.kind = Probe::Kind::walk;
    } else if (token.text == "gpu") {
      probe.kind = Probe::Kind::gpu;
    } else {
      cursor.fail(token, "expected a blank behind '?', or ?sid, ?walk, ?gpu");
    }
  }
  probe.target = cursor.name(probe.kind == Probe::Kind::walk ? "a table" : "a device");
  if (probe.kind != Probe::Kind::walk) probe.pasid = read_pasid(cursor);
  if (probe.kind == Probe::Kind::stream) probe.stream = cursor.number("which stream ID");
  probe.iova = read_value(cursor, 0);
  probe.access = read_access(cursor);
  probe.outcomes = read_results(cursor);
  return probe;
}

Dma read_dma(Cursor& cursor, std::optional<Name> name) {
  Dma dma;
  dma.result_name = std::move(name);
  dma.device = cursor.name("a device");
  dma.pasid = read_pasid(cursor);
  dma.iova = read_value(cursor, 0);
  dma.access = read_access(cursor);
  // The two settings may stand in either order.
  const auto read_group = [&] {
    cursor.expect("g", "as in g=GROUP");
    cursor.expect("=", "as in g=GROUP");
    dma.group = cursor.number("the group");
  };
  const auto read_last = [&] {
    cursor.expect("last", "as in last=0 or last=1");
    cursor.expect("=", "as in last=0 or last=1");
    const Token token = cursor.peek();
    const u64 last = cursor.number("0 or 1");
    if (last > 1) cursor.fail(token, "expected 0 or 1");
    dma.last = last == 1;
  };
  const bool last_first = cursor.next_is("last");
  if (last_first) read_last();
  read_group();
  if (!last_first) read_last();
  dma.outcomes = read_results(cursor);
  return dma;
}

/// A part of a race: a call, or a change of a process's map.
Action read_action(Cursor& cursor) {
  constexpr std::pair<std::string_view, Change::Kind> changes[] = {
      {"mmap", Change::Kind::mmap},
      {"munmap", Change::Kind::munmap},
      {"mprotect", Change::Kind::mprotect}};
  for (const auto& [word, kind] : changes) {
    if (!cursor.next_is("(", 1) && cursor.take(word)) return read_change(cursor, kind);
  }
  return read_call(cursor);
}

Race read_race(Cursor& cursor) {
  Race race;
  race.first = read_action(cursor);
  cursor.take("&");
  race.second = read_action(cursor);
  race.results = read_results(cursor);
  return race;
}

// ---- steps that are no calls --------------------------------------------------------------------

Value word_value(const Name& name) {
  Value value;
  value.kind = Value::Kind::word;
  value.word = name.text;
  value.place = name.place;
  return value;
}

/// One of the words given.
Value read_one_of(Cursor& cursor, std::initializer_list<std::string_view> words) {
  const Token token = cursor.next();
  if (std::ranges::find(words, token.text) == words.end()) {
    cursor.fail(token, fmt::format("expected {}", fmt::join(words, ", ")));
  }
  return word_value({token.text, token.place});
}

Values read_callbacks(Cursor& cursor) {
  cursor.expect("->", "and the callbacks, or none");
  Values values;
  if (cursor.take("none")) return values;
  do {
    const Token token = cursor.peek();
    values.push_back(read_value(cursor, 0));
    if (values.back().kind != Value::Kind::term) {
      cursor.fail(token, "expected a callback, mm_exit(DEV, PASID, DRVDATA)");
    }
  } while (cursor.take("&"));
  return values;
}

Values read_leaks(Cursor& cursor) {
  cursor.expect("->", "and what is held, or none");
  Values values;
  if (cursor.take("none")) return values;
  do {
    const Token token = cursor.peek();
    Value value = read_value(cursor, 0);
    const bool right = value.kind == Value::Kind::pair && value.mark == ':' &&
                       value.items[0].kind == Value::Kind::word && !value.items[0].plus &&
                       value.items[0].word.size() == 1 &&
                       value.items[0].word.find_first_not_of("dkmpq") == std::string::npos &&
                       value.items[1].kind == Value::Kind::number;
    if (!right) cursor.fail(token, "expected d:N, k:N, m:N, p:N or q:N");
    for (const Value& other : values) {
      if (right && other.items[0].word == value.items[0].word) {
        cursor.fail(token, "this kind stands twice");
      }
    }
    values.push_back(std::move(value));
  } while (!cursor.at_end() && !cursor.error());
  return values;
}

Values read_drawing(Cursor& cursor) {
  cursor.expect("->", "and the drawing");
  Values values;
  for (const Name& word : raw_words(cursor)) values.push_back(word_value(word));
  if (values.empty()) cursor.fail(cursor.peek(), "expected the drawing");
  return values;
}

Values read_names_of(Cursor& cursor, unsigned least) {
  Values values;
  while (!cursor.error() &&
         (values.size() < least || (!cursor.at_end() && !cursor.next_is("->")))) {
    values.push_back(word_value(cursor.name("a name")));
  }
  return values;
}

Check read_hook(Cursor& cursor) {
  Check check{.kind = Check::Kind::hook, .values = {}};
  check.values.push_back(word_value(cursor.name("a hook, such as mm_alloc")));
  check.values.push_back(read_value(cursor, 0));
  // Scenarios of others say so.
  if (Value& answer = check.values.back(); answer.is_word("good")) answer.word = "ok";
  return check;
}

Check read_stuck(Cursor& cursor) {
  Check check{.kind = Check::Kind::stuck, .values = {}};
  if (!cursor.take("after")) return check;
  const Token token = cursor.peek();
  Value value;
  value.place = token.place;
  value.number = cursor.number("at which CMD_SYNC from here on it stops");
  if (value.number == 0) cursor.fail(token, "expected 1 or more");
  check.values.push_back(value);
  return check;
}

std::optional<Check> read_check(Cursor& cursor) {
  using Kind = Check::Kind;
  constexpr std::pair<std::string_view, Kind> bare[] = {{"mark", Kind::mark},
                                                        {"same", Kind::same},
                                                        {"bound_passes", Kind::bound_passes},
                                                        {"unstuck", Kind::unstuck}};
  for (const auto& [word, kind] : bare) {
    if (cursor.take(word)) return Check{kind, {}};
  }
  if (cursor.take("stuck")) return read_stuck(cursor);
  if (cursor.take("recover")) {
    if (cursor.at_end()) return Check{Kind::recover, {}};
    return Check{Kind::recover, read_results(cursor)};
  }
  if (cursor.take("blame")) {
    return Check{Kind::blame,
                 {read_one_of(cursor, {"caller", "user", "driver", "device", "smmu", "environment",
                                       "none"})}};
  }
  if (cursor.take("hw")) return Check{Kind::hw, {read_one_of(cursor, {"none", "some"})}};
  if (cursor.take("cb")) return Check{Kind::callbacks, read_callbacks(cursor)};
  if (cursor.take("hook")) return read_hook(cursor);
  if (cursor.take("hooks_balance")) {
    cursor.expect("->", "and a number");
    Value value;
    value.place = cursor.peek().place;
    value.number = cursor.number("how many io_mm are made and not freed");
    return Check{Kind::hooks_balance, {value}};
  }
  if (cursor.take("leaks")) return Check{Kind::leaks, read_leaks(cursor)};
  if (cursor.take("draw")) return Check{Kind::draw, read_drawing(cursor)};
  if (cursor.take("asid_pinned")) {
    Check check{Kind::asid_pinned, read_names_of(cursor, 1)};
    cursor.expect("->", "and yes or no");
    check.values.push_back(read_one_of(cursor, {"yes", "no"}));
    if (check.values.size() != 2) cursor.fail(cursor.peek(), "expected one process");
    return check;
  }
  if (cursor.take("cpu_asid_collides")) {
    return Check{Kind::cpu_asid_collides, read_names_of(cursor, 2)};
  }
  if (cursor.take("distinct")) return Check{Kind::distinct, read_names_of(cursor, 2)};
  if (cursor.take("same_format")) return Check{Kind::same_format, read_names_of(cursor, 2)};
  return std::nullopt;
}

std::optional<Declare::Kind> declared(std::string_view word) {
  constexpr std::string_view words[] = {"world", "dev", "page", "run", "huge", "proc"};
  for (std::size_t i = 0; i < std::size(words); ++i) {
    if (words[i] == word) return static_cast<Declare::Kind>(i);
  }
  return std::nullopt;
}

std::optional<Change::Kind> changed(std::string_view word) {
  constexpr std::string_view words[] = {"mmap", "munmap", "mprotect", "upt", "upt_clear"};
  for (std::size_t i = 0; i < std::size(words); ++i) {
    if (words[i] == word) return static_cast<Change::Kind>(i);
  }
  return std::nullopt;
}

void read_body(Cursor& cursor, Step& step) {
  const std::string first = cursor.peek().text;
  if (cursor.take("?")) {
    step.what = read_probe(cursor);
    return;
  }
  // Names of steps may be names of objects too, and of calls.
  const bool call = cursor.next_is("=", 1) || cursor.next_is("(", 1);
  if (!call && declared(first)) {
    cursor.next();
    step.what = read_declare(cursor, *declared(first));
  } else if (!call && changed(first)) {
    cursor.next();
    step.what = read_change(cursor, *changed(first));
  } else if (!call && cursor.take("ucd")) {
    UserEntry entry;
    entry.table = cursor.name("a user's PASID table");
    entry.pasid = read_value(cursor, 0);
    entry.entry = cursor.name("a table, or empty, garbage, outside");
    step.what = std::move(entry);
  } else if (!call && cursor.take("race")) {
    step.what = read_race(cursor);
  } else if (!call && cursor.take("dma")) {
    step.what = read_dma(cursor, std::nullopt);
  } else if (cursor.next_is("=", 1) && cursor.next_is("dma", 2) && !cursor.next_is("(", 3)) {
    Name name = cursor.name("a name");
    cursor.take("=");
    cursor.take("dma");
    step.what = read_dma(cursor, std::move(name));
  } else if (auto check = call ? std::nullopt : read_check(cursor)) {
    step.what = std::move(*check);
  } else {
    step.what = read_invoke(cursor);
  }
}

}  // namespace

Values read_alternatives(Cursor& cursor) {
  Values values;
  do {
    values.push_back(read_value(cursor, 0));
  } while (cursor.take("|") && values.size() < values_max);
  return values;
}

Step read_step(Cursor& cursor) {
  Step step;
  step.place = cursor.peek().place;
  if (cursor.peek().kind == Token::Kind::word && cursor.next_is(":", 1)) {
    step.thread = cursor.name("a thread");
    cursor.take(":");
    read_body(cursor, step);
    const bool can =
        std::holds_alternative<Invoke>(step.what) || std::holds_alternative<Change>(step.what);
    if (!can && !cursor.error()) {
      cursor.fail({Token::Kind::word, step.thread.text, step.thread.place, true},
                  "a thread makes calls and changes maps; write other steps without it");
    }
  } else if (cursor.peek().kind == Token::Kind::word && cursor.next_is("->", 1) &&
             !cursor.next_is("cb") && !cursor.next_is("draw") && !cursor.next_is("leaks") &&
             !cursor.next_is("recover") && !cursor.next_is("hooks_balance")) {
    step.thread = cursor.name("a thread");
    step.what = Resume{read_results(cursor)};
  } else {
    read_body(cursor, step);
  }
  cursor.expect_end();
  return step;
}

}  // namespace iommucheck::scenario
