// SPDX-License-Identifier: MIT
#include "litmus/read_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/text.h"
#include "litmus/read_objects.h"
#include "litmus/words.h"

namespace iommucheck::litmus {
namespace {

constexpr u64 asid_max = 0xffff;

Stream read_stream(LineReader& reader) {
  const Token token = reader.word("a StreamID, SID or SID.SSID");
  const auto dot = token.text.find('.');
  Stream stream;
  stream.sid = reader.to_number({token.text.substr(0, dot), token.place}, "a StreamID", ~u32{0});
  if (dot != std::string::npos) {
    stream.ssid =
        reader.to_number({token.text.substr(dot + 1), token.place}, "a SubstreamID", 0xfffff);
  }
  return stream;
}

Direction read_direction(LineReader& reader) {
  const Token token = reader.word("r, w or x");
  if (token.text == "w") return Direction::write;
  if (token.text == "x") return Direction::execute;
  if (token.text != "r") reader.fail(token, "none of r, w and x");
  return Direction::read;
}

/// `priv` and `ats`, in either order.
void read_ways(LineReader& reader, bool& privileged, bool& ats) {
  ats = reader.take("ats");
  privileged = reader.take("priv");
  if (!ats) ats = reader.take("ats");
}

void read_command_operands(LineReader& reader, Command& command) {
  const auto field = [&reader](std::optional<Number>& to, u64 max) {
    return [&reader, &to, max](const Token& value) {
      to = reader.to_number(value, "this operand", max);
    };
  };
  if (command.op == CommandOp::sync) {
    command.irq = reader.take("irq");
    if (!reader.at_field()) return;
    const Token first = reader.peek_token();
    reader.fields(
        {{"msi", [&](const Token& value) { command.msi = reader.to_name(value, "a word"); }},
         {"data", field(command.data, ~u32{0})}});
    if (!command.msi || !command.data) reader.fail(first, "an MSI has a word and data");
  } else if (command.op == CommandOp::cfgi_all) {
    reader.fields({});
  } else if (command.op == CommandOp::cfgi_ste || command.op == CommandOp::cfgi_cd ||
             command.op == CommandOp::cfgi_cd_all || command.op == CommandOp::cfgi_ste_range) {
    command.sid = reader.number("a StreamID", ~u32{0});
    if (command.op == CommandOp::cfgi_cd) command.ssid = reader.number("a SubstreamID", 0xfffff);
    if (command.op == CommandOp::cfgi_cd_all) {
      reader.fields({});
    } else if (command.op == CommandOp::cfgi_ste_range) {
      reader.fields({{"range", field(command.range, 31)}});
    } else {
      reader.fields({{"leaf", field(command.leaf, 1)}});
    }
  } else if (command.op == CommandOp::resume) {
    command.dma = reader.name("a DMA");
    const Token how = reader.word("abort or retry");
    command.retry = how.text == resume_words[1];
    if (!contains(resume_words, how.text)) reader.fail(how, "neither abort nor retry");
  } else if (command.op == CommandOp::stall_term) {
    command.sid = reader.number("a StreamID", ~u32{0});
  } else if (command.op == CommandOp::atc_inv) {
    const Stream stream = read_stream(reader);
    command.sid = stream.sid;
    command.ssid = stream.ssid;
    reader.fields({{"va", field(command.va, ~u64{0})}, {"size", field(command.size, 63)}});
  } else {
    reader.fields({{"vmid", field(command.vmid, 0xffff)},
                   {"asid", field(command.asid, asid_max)},
                   {"va", field(command.va, ~u64{0})},
                   {"leaf", field(command.leaf, 1)},
                   {"tg", field(command.tg, 3)},
                   {"num", field(command.num, 31)},
                   {"scale", field(command.scale, 31)},
                   {"ttl", field(command.ttl, 3)},
                   {"e2h", field(command.e2h, 1)}});
  }
}

Command read_command(LineReader& reader) {
  const Token token = reader.word("a command");
  Command command;
  command.place = token.place;
  const auto found = std::find(command_names.begin(), command_names.end(), token.text);
  if (found == command_names.end()) {
    reader.fail(token, fmt::format("not a command of the format; it has {}",
                                   fmt::join(command_names, " ")));
    return command;
  }
  command.op = static_cast<CommandOp>(found - command_names.begin());
  read_command_operands(reader, command);
  return command;
}

/// A command of the queue: what e2h= says is CR2.E2H there.
Command read_queued(LineReader& reader) {
  const Token what = reader.peek_token();
  Command command = read_command(reader);
  if (command.e2h) reader.fail(what, "e2h= is of a broadcast");
  return command;
}

/// The words of a structure that a store names fields of, a bit for each; nothing: of another
/// object, which is whole words.
std::optional<unsigned> words_named(const Object& object) {
  const auto bits = [](bool zero, bool one, bool two, bool three) {
    return unsigned{zero} | unsigned{one} << 1 | unsigned{two} << 2 | unsigned{three} << 3;
  };
  if (const auto* ste = std::get_if<SteLine>(&object)) {
    return bits(ste->v || ste->cfg || ste->cd || ste->cdmax || ste->fmt,
                ste->s1dss || ste->cont || ste->eats || ste->strw || ste->priv || ste->inst ||
                    ste->s1stalld,
                ste->vmid || ste->s2t0sz || ste->s2sl || ste->s2tg || ste->s2ha || ste->s2hd ||
                    ste->s2haft || ste->s2s,
                ste->s2ttb.has_value());
  }
  if (const auto* cd = std::get_if<CdLine>(&object)) {
    return bits(cd->v || cd->asid || cd->t0sz || cd->tg0 || cd->epd0 || cd->t1sz || cd->tg1 ||
                    cd->epd1 || cd->tbi0 || cd->tbi1 || cd->ha || cd->hd || cd->aset || cd->s,
                cd->ttb || cd->e0pd0 || cd->haft, cd->ttb1 || cd->e0pd1, cd->mair.has_value());
  }
  if (const auto* l1std = std::get_if<L1StdLine>(&object)) {
    return bits(l1std->span || l1std->l2, false, false, false);
  }
  if (const auto* l1cd = std::get_if<L1CdLine>(&object)) {
    return bits(l1cd->v || l1cd->l2, false, false, false);
  }
  return std::nullopt;
}

/// A store names fields of one 64-bit word, so that it is one version of one word; a wide one, of
/// the two words of one aligned unit of 16 bytes.
void check_words(LineReader& reader, const Token& kind, const StoreStep& step) {
  const auto words = words_named(step.object);
  if (!words) {
    if (step.wide) reader.fail(kind, "a store of 16 bytes is of an STE or a CD");
    return;
  }
  if (*words == 0) return reader.fail(kind, "the store names no field");
  const bool one_unit = (*words & 0b1100) == 0 || (*words & 0b11) == 0;
  if (step.wide && !one_unit) {
    reader.fail(kind, "a store of 16 bytes names fields of words 0 and 1, or of 2 and 3");
  } else if (!step.wide && !std::has_single_bit(*words)) {
    reader.fail(kind,
                "the store names fields of several words; one store, one word (`store16`: two)");
  }
}

decltype(Step::what) read_store(LineReader& reader, const Token& verb) {
  if (reader.take("msi")) {
    Name word = reader.name("a word that MSIs write");
    return MsiStoreStep{std::move(word), reader.number("data", ~u32{0})};
  }
  const Token kind = reader.word("an object");
  StoreStep step{WordLine{}, verb.text == "rmw", verb.text == "store16"};
  auto object = read_object(reader, kind);
  if (!object) {
    reader.fail(kind, "not an object; it is ste, cd, l1std, l1cd, word, cont or msi");
    return step;
  }
  step.object = std::move(*object);
  check_words(reader, kind, step);
  return step;
}

WaitStep read_wait(LineReader& reader) {
  WaitStep wait;
  wait.irq = reader.take("irq");
  if (!wait.irq && reader.take("stall")) {
    wait.stall = reader.name("a DMA");
  } else if (!wait.irq && reader.take("msi")) {
    wait.msi = reader.name("a word that an MSI writes");
    wait.data = reader.number("data", ~u32{0});
  }
  return wait;
}

u64 bit_max(Bit which) { return which == Bit::vmw ? 4 : 1; }

std::optional<Bit> bit_named(std::string_view word) {
  const auto* found = std::find(std::begin(bit_words), std::end(bit_words), word);
  if (found == std::end(bit_words)) return std::nullopt;
  return static_cast<Bit>(found - std::begin(bit_words));
}

decltype(Step::what) read_register(LineReader& reader) {
  const Token which = reader.word("strtab, atschk, e2h, vmw or gbpa");
  const auto bit = bit_named(which.text);
  if (bit && *bit != Bit::btm && *bit != Bit::ptm) {
    RegBitStep step{*bit, reader.number("a value of this field", bit_max(*bit))};
    step.noack = *bit == Bit::gbpa && reader.take("noack");
    return step;
  }
  if (which.text != "strtab") {
    reader.fail(which, "not a register of the format; it has strtab atschk e2h vmw gbpa");
  }
  return RegStrtabStep{reader.name("a stream table")};
}

decltype(Step::what) read_dma_step(LineReader& reader) {
  Name name = reader.name("a DMA");
  const Token edge = reader.word("begin or end");
  if (edge.text == "end") {
    if (reader.peek("->")) {
      const std::string ask =
          fmt::format("what it does is asked in a line of its own: dma {} -> ?", name.text);
      reader.fail(reader.peek_token(), ask);
    }
    return DmaEndStep{std::move(name)};
  }
  if (edge.text != "begin") reader.fail(edge, "neither begin nor end");
  DmaBeginStep begin;
  begin.name = std::move(name);
  begin.stream = read_stream(reader);
  begin.va = reader.number("an address", ~u64{0});
  begin.direction = read_direction(reader);
  read_ways(reader, begin.privileged, begin.ats);
  return begin;
}

decltype(Step::what) read_table_step(LineReader& reader, const Token& verb) {
  Name table = reader.name("a table");
  if (verb.text == "zero") return ZeroStep{std::move(table)};
  if (verb.text == "free") return FreeStep{std::move(table)};
  Number index = reader.number("an index", 0xfffff);
  if (verb.text == "clean") return CleanStep{std::move(table), std::move(index)};
  if (index.value >= table_words_max) {
    reader.fail({std::to_string(index.value), index.place}, "too large");
  }
  if (verb.text == "clear") {
    Number count = reader.number("a count", table_words_max);
    return ClearStep{std::move(table), std::move(index), std::move(count)};
  }
  FillContStep fill{std::move(table), index, {}};
  fill.descriptor = read_group(reader, index, fill.group);
  return fill;
}

CmdqStep read_cmdq(LineReader& reader) {
  const Token what = reader.word("off, on or reset");
  const auto* found = std::find(std::begin(cmdq_words), std::end(cmdq_words), what.text);
  if (found == std::end(cmdq_words)) {
    reader.fail(what, "not a change of the command queue; it has off, on, reset");
    return {};
  }
  return {static_cast<CmdqChange>(found - std::begin(cmdq_words))};
}

decltype(Step::what) read_verb(LineReader& reader, const Token& verb) {
  const std::string& v = verb.text;
  if (v == "store" || v == "rmw" || v == "store16") return read_store(reader, verb);
  if (v == "barrier") return BarrierStep{};
  if (v == "clean" || v == "zero" || v == "free" || v == "clear" || v == "fillcont") {
    return read_table_step(reader, verb);
  }
  if (v == "handoff") {
    Name from = reader.name("an agent");
    return HandoffStep{std::move(from), reader.name("an agent")};
  }
  if (v == "release") return ReleaseStep{reader.target("a page")};
  if (v == "cmd") return CmdStep{read_queued(reader)};
  if (v == "ring") return RingStep{reader.take("relaxed")};
  if (v == "wait") return read_wait(reader);
  if (v == "dsb") return DsbStep{};
  if (v == "bcast") {
    const Token what = reader.peek_token();
    BroadcastStep step{read_command(reader)};
    const bool tlbi =
        step.command.op >= CommandOp::tlbi_nh_all && step.command.op <= CommandOp::tlbi_nsnh_all;
    if (!tlbi) reader.fail(what, "a CPU broadcasts TLBIs only");
    return step;
  }
  if (v == "mark") return MarkStep{};
  if (v == "dma") return read_dma_step(reader);
  if (v == "do") {
    DoStep step{{read_queued(reader)}};
    while (reader.take(";")) step.commands.push_back(read_queued(reader));
    return step;
  }
  if (v == "cmdq") return read_cmdq(reader);
  if (v == "smmuen") {
    Number value = reader.number("SMMUEN", 1);
    return SmmuenStep{std::move(value), reader.take("noack")};
  }
  if (v == "ats") {
    Number sid = reader.number("a StreamID", ~u32{0});
    Token value = reader.word("on or off");
    if (value.text == "on" || value.text == "off") value.text = value.text == "on" ? "1" : "0";
    return AtsStep{std::move(sid), reader.to_number(value, "on or off", 1)};
  }
  return read_register(reader);
}

OutcomeText read_outcome(LineReader& reader) {
  const Token token = reader.word("an outcome");
  std::string_view rest = token.text;
  if (rest.substr(0, 5) == "late:") rest.remove_prefix(5);
  if (contains(fault_names, rest) || contains(outcome_words, rest)) {
    return {token.text, token.place};
  }
  constexpr std::string_view stall = "!stall";
  if (rest.ends_with(stall) &&
      contains(stalling_names, rest.substr(0, rest.size() - stall.size()))) {
    return {token.text, token.place};
  }
  const auto strip = [&rest](std::string_view suffix) {
    if (rest.size() > suffix.size() && rest.substr(rest.size() - suffix.size()) == suffix) {
      rest.remove_suffix(suffix.size());
    }
  };
  strip("!dirty");
  strip(":dev");
  const Target page = reader.to_target({std::string(rest), token.place}, "an outcome");
  if (page.kind != Target::Kind::named) reader.fail(token, "not an outcome");
  return {token.text, token.place};
}

std::vector<OutcomeText> read_outcomes(LineReader& reader) {
  std::vector<OutcomeText> outcomes;
  while (!reader.at_end() && !reader.peek("|") && !reader.error()) {
    outcomes.push_back(read_outcome(reader));
  }
  return outcomes;
}

void read_arrow(LineReader& reader) {
  const Token arrow = reader.word("->");
  if (arrow.text != "->") reader.fail(arrow, "-> and the outcomes should stand here");
}

LacksLine read_lack(LineReader& reader) {
  const Token what = reader.word("what it has not got");
  const auto* found = std::ranges::find(lacks_words, what.text);
  if (found != lacks_words.end()) return {static_cast<Lack>(found - lacks_words.begin())};
  reader.fail(what, fmt::format("there is {}", fmt::join(lacks_words, ", ")));
  return {};
}

}  // namespace

const char* to_string(CommandOp op) { return command_names[static_cast<std::size_t>(op)].data(); }

InitLine read_init(LineReader& reader, const Place& place) {
  const Token kind = reader.word("an object or fact");
  InitLine line;
  line.place = place;
  if (!contains(init_words, kind.text)) {
    reader.fail(kind, "not a line of init");
    return line;
  }
  if (kind.text == "strtab") {
    StrtabLine strtab;
    strtab.table = reader.name("a stream table");
    reader.fields({{"fmt", [&](const Token& value) {
                      strtab.fmt =
                          value.text == "2lvl" ? TableFormat::two_level : TableFormat::linear;
                      if (value.text != "2lvl" && value.text != "lin") {
                        reader.fail(value, "not a value of this field; it has lin 2lvl");
                      }
                    }}});
    line.what = strtab;
  } else if (kind.text == "ats") {
    line.what = AtsLine{reader.number("a StreamID", 0xffff)};
  } else if (kind.text == "bbml") {
    line.what = BbmlLine{reader.number("IDR3.BBML", 2)};
  } else if (kind.text == "coherent") {
    line.what = CoherentLine{reader.number("IDR0.COHACC", 1)};
  } else if (kind.text == "atom") {
    const Number bytes = reader.number("8 or 16", 16);
    if (bytes.value != 8 && bytes.value != 16) {
      reader.fail({std::to_string(bytes.value), bytes.place}, "neither 8 nor 16");
    }
    line.what = AtomLine{bytes};
  } else if (const auto which = bit_named(kind.text)) {
    line.what = BitLine{*which, reader.number("a value of this field", bit_max(*which))};
  } else if (kind.text == "reset") {
    line.what = ResetLine{};
  } else if (kind.text == "lacks") {
    line.what = read_lack(reader);
  } else if (auto object = read_object(reader, kind)) {
    std::visit([&line](auto& value) { line.what = std::move(value); }, *object);
  }
  return line;
}

Step read_step(LineReader& reader, const Place& place) {
  Step step;
  step.place = place;
  step.agent = {"cpu0", place};
  Token verb = reader.word("a step");
  if (verb.text.size() > 1 && verb.text.back() == ':') {
    step.agent =
        reader.to_name({verb.text.substr(0, verb.text.size() - 1), verb.place}, "an agent");
    verb = reader.word("a step");
  }
  if (reader.error()) return step;
  if (contains(step_words, verb.text)) {
    step.what = read_verb(reader, verb);
  } else {
    reader.fail(verb, "not a step");
  }
  return step;
}

Access read_access(LineReader& reader, const Place& place) {
  Access access;
  access.place = place;
  access.stream = read_stream(reader);
  access.va = reader.number("an address", ~u64{0});
  access.direction = read_direction(reader);
  read_ways(reader, access.privileged, access.ats);
  read_arrow(reader);
  access.asked = reader.take("?");
  if (!access.asked) access.allowed = read_outcomes(reader);
  if (reader.take("|")) access.promised = read_outcomes(reader);
  return access;
}

DmaExpectation read_dma(LineReader& reader, const Place& place) {
  DmaExpectation dma;
  dma.place = place;
  dma.name = reader.name("a DMA");
  read_arrow(reader);
  dma.asked = reader.take("?");
  if (!dma.asked) dma.allowed = read_outcomes(reader);
  return dma;
}

LoadExpectation read_load(LineReader& reader, const Place& place) {
  LoadExpectation load;
  load.place = place;
  const Token first = reader.peek_token();
  load.table = reader.name("a table");
  const Token behind = reader.peek_token();
  if (contains(init_words, first.text) && !behind.text.empty() &&
      parse_number(behind.text) == std::nullopt) {
    reader.fail(first, "a load names the table and the index alone, as in `load B 1`");
  }
  load.index = reader.number("an index", table_words_max - 1);
  read_arrow(reader);
  const auto members = [&reader] {
    std::vector<OutcomeText> read;
    while (!reader.at_end() && !reader.peek("|") && !reader.error()) {
      const Token token = reader.word("what is read");
      if (!contains(load_names, token.text)) {
        reader.fail(token, "not what a load reads; it is 0, af0 or af, with +clean or +dirty");
      }
      read.push_back({token.text, token.place});
    }
    return read;
  };
  load.asked = reader.take("?");
  if (!load.asked) load.allowed = members();
  if (reader.take("|")) load.promised = members();
  return load;
}

Verdict read_verdict(LineReader& reader, const Place& place) {
  Verdict verdict;
  verdict.place = place;
  const Token kind = reader.word("ok or violation");
  verdict.ok = kind.text == "ok";
  if (verdict.ok) return verdict;
  if (kind.text != "violation") reader.fail(kind, "neither ok nor violation");
  const Token rule = reader.word("a rule");
  verdict.rule = rule.text;
  const bool colon = !verdict.rule.empty() && verdict.rule.back() == ':';
  if (colon) verdict.rule.pop_back();
  if (!contains(rule_names, verdict.rule)) reader.fail(rule, "not a rule of the format");
  while (colon && !reader.at_end() && !reader.error()) {
    if (!verdict.words.empty()) verdict.words += ' ';
    verdict.words += reader.word("words").text;
  }
  return verdict;
}

std::string page_of_outcome(std::string_view text) {
  if (text.substr(0, 5) == "late:") text.remove_prefix(5);
  const std::string_view name = text.substr(0, text.find_first_of("#:!"));
  if (contains(fault_names, name) || contains(outcome_words, name)) return "";
  return std::string(name);
}

}  // namespace iommucheck::litmus
