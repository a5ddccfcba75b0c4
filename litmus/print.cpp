// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "litmus/parser.h"
#include "litmus/words.h"

namespace iommucheck::litmus {
namespace {

std::string text(const Number& number) {
  return number.value < 10 ? fmt::format("{}", number.value) : fmt::format("{:#x}", number.value);
}

std::string text(const Target& target) {
  if (target.kind == Target::Kind::unknown) return "-";
  if (target.kind == Target::Kind::intermediate) return fmt::format("@{:#x}", target.page);
  return target.part ? fmt::format("{}#{}", target.name, *target.part) : target.name;
}

const char* text(SteConfig config) {
  switch (config) {
    case SteConfig::abort: return "abort";
    case SteConfig::bypass: return "bypass";
    case SteConfig::s1: return "s1";
    case SteConfig::s2: return "s2";
    case SteConfig::nest: return "nest";
  }
  return "?";
}

const char* text(TableFormat format) { return format == TableFormat::linear ? "lin" : "2lvl"; }
const char* text(StreamWorld world) { return world == StreamWorld::el1 ? "el1" : "el2"; }
const char* text(PrivCfg priv) {
  return priv == PrivCfg::incoming ? "in" : priv == PrivCfg::privileged ? "priv" : "unpriv";
}
const char* text(InstCfg inst) {
  return inst == InstCfg::incoming ? "in" : inst == InstCfg::data ? "data" : "inst";
}
const char* text(MairKind kind) { return kind == MairKind::normal ? "normal" : "dev"; }

template <class T>
std::string field(const char* name, const std::optional<T>& value) {
  return value ? fmt::format(" {}={}", name, text(*value)) : "";
}

/// In KiB, which are written in decimal.
std::string granule(const char* name, const std::optional<Number>& value) {
  return value ? fmt::format(" {}={}", name, value->value) : "";
}

std::string text(const ContGroup& group) {
  return field("n", group.n) + field("block", group.block);
}

std::string text(const Descriptor& descriptor, bool page_only) {
  if (descriptor.kind == Descriptor::Kind::zero) return "0";
  if (descriptor.kind == Descriptor::Kind::table) {
    return "table " + text(descriptor.target) + (descriptor.af0 ? " af0" : "");
  }
  std::string out = descriptor.kind == Descriptor::Kind::block ? "block " : "page ";
  if (page_only) out.clear();
  out += text(descriptor.target) + (descriptor.writable ? " rw" : " ro");
  if (descriptor.global) out += " g";
  if (descriptor.af0) out += " af0";
  if (descriptor.dbm) out += " dbm";
  if (descriptor.cont && !page_only) out += " cont";
  if (descriptor.device) out += " dev";
  if (descriptor.nt) out += " nt";
  if (descriptor.priv) out += " priv";
  if (descriptor.uxn) out += " uxn";
  if (descriptor.pxn) out += " pxn";
  if (descriptor.xn) out += " xn";
  return out;
}

struct PrintLine {
  std::string operator()(const SteLine& ste) const {
    return "ste " + text(ste.sid) + (ste.table ? " table=" + ste.table->text : "") +
           field("v", ste.v) + field("cfg", ste.cfg) + field("cd", ste.cd) +
           field("cdmax", ste.cdmax) + field("fmt", ste.fmt) + field("s1dss", ste.s1dss) +
           field("eats", ste.eats) + field("cont", ste.cont) + field("strw", ste.strw) +
           field("priv", ste.priv) + field("inst", ste.inst) + field("vmid", ste.vmid) +
           field("s2t0sz", ste.s2t0sz) + field("s2sl", ste.s2sl) + granule("s2tg", ste.s2tg) +
           field("s2ha", ste.s2ha) + field("s2hd", ste.s2hd) + field("s2haft", ste.s2haft) +
           field("s2ttb", ste.s2ttb) + field("s1stalld", ste.s1stalld) + field("s2s", ste.s2s);
  }
  std::string operator()(const CdLine& cd) const {
    return "cd " + cd.name.text + (cd.index ? "." + text(*cd.index) : "") + field("v", cd.v) +
           field("asid", cd.asid) + field("t0sz", cd.t0sz) + granule("tg0", cd.tg0) +
           field("epd0", cd.epd0) + field("t1sz", cd.t1sz) + granule("tg1", cd.tg1) +
           field("epd1", cd.epd1) + field("tbi0", cd.tbi0) + field("tbi1", cd.tbi1) +
           field("ha", cd.ha) + field("hd", cd.hd) + field("aset", cd.aset) + field("ttb", cd.ttb) +
           field("e0pd0", cd.e0pd0) + field("haft", cd.haft) + field("ttb1", cd.ttb1) +
           field("e0pd1", cd.e0pd1) + field("mair", cd.mair) + field("s", cd.s);
  }
  std::string operator()(const L1StdLine& line) const {
    return "l1std " + line.table.text + " " + text(line.index) + field("span", line.span) +
           field("l2", line.l2);
  }
  std::string operator()(const L1CdLine& line) const {
    return "l1cd " + line.table.text + " " + text(line.index) + field("v", line.v) +
           field("l2", line.l2);
  }
  std::string operator()(const WordLine& word) const {
    return "word " + word.table.text + " " + text(word.index) + " " + text(word.descriptor, false);
  }
  std::string operator()(const ContLine& cont) const {
    return "cont " + cont.table.text + " " + text(cont.index) + " " + text(cont.descriptor, true) +
           text(cont.group);
  }
  std::string operator()(const StrtabLine& strtab) const {
    return fmt::format("strtab {} fmt={}", strtab.table.text, text(strtab.fmt));
  }
  std::string operator()(const AtsLine& ats) const { return "ats " + text(ats.sid); }
  std::string operator()(const BbmlLine& bbml) const { return "bbml " + text(bbml.level); }
  std::string operator()(const CoherentLine& line) const { return "coherent " + text(line.value); }
  std::string operator()(const AtomLine& line) const { return "atom " + text(line.bytes); }
  std::string operator()(const BitLine& line) const {
    return std::string(bit_words[static_cast<std::size_t>(line.which)]) + " " + text(line.value);
  }
  std::string operator()(const ResetLine& /*no fields*/) const { return "reset"; }
  std::string operator()(const LacksLine& line) const {
    return "lacks " + std::string(lacks_words[static_cast<std::size_t>(line.which)]);
  }
};

std::string text(const Stream& stream) {
  return text(stream.sid) + (stream.ssid ? "." + text(*stream.ssid) : "");
}

const char* text(Direction direction) {
  return direction == Direction::read ? "r" : direction == Direction::write ? "w" : "x";
}

struct PrintStep {
  std::string operator()(const StoreStep& step) const {
    return (step.rmw    ? "rmw "
            : step.wide ? "store16 "
                        : "store ") +
           std::visit(PrintLine{}, step.object);
  }
  std::string operator()(const BarrierStep& /*no operands*/) const { return "barrier"; }
  std::string operator()(const CleanStep& step) const {
    return "clean " + step.table.text + " " + text(step.index);
  }
  std::string operator()(const HandoffStep& step) const {
    return "handoff " + step.from.text + " " + step.to.text;
  }
  std::string operator()(const ZeroStep& step) const { return "zero " + step.table.text; }
  std::string operator()(const ClearStep& step) const {
    return "clear " + step.table.text + " " + text(step.index) + " " + text(step.count);
  }
  std::string operator()(const FillContStep& step) const {
    return "fillcont " + step.table.text + " " + text(step.index) + " " +
           text(step.descriptor, true) + text(step.group);
  }
  std::string operator()(const FreeStep& step) const { return "free " + step.table.text; }
  std::string operator()(const ReleaseStep& step) const { return "release " + text(step.page); }
  std::string operator()(const CmdStep& step) const { return "cmd " + print(step.command); }
  std::string operator()(const RingStep& step) const {
    return step.relaxed ? "ring relaxed" : "ring";
  }
  std::string operator()(const WaitStep& step) const {
    if (step.irq) return "wait irq";
    if (step.stall) return "wait stall " + step.stall->text;
    return step.msi ? "wait msi " + step.msi->text + " " + text(step.data) : "wait";
  }
  std::string operator()(const MsiStoreStep& step) const {
    return "store msi " + step.word.text + " " + text(step.data);
  }
  std::string operator()(const CmdqStep& step) const {
    return "cmdq " + std::string(cmdq_words[static_cast<std::size_t>(step.change)]);
  }
  std::string operator()(const DoStep& step) const {
    std::string out = "do";
    for (std::size_t i = 0; i < step.commands.size(); ++i) {
      out += (i == 0 ? " " : " ; ") + print(step.commands[i]);
    }
    return out;
  }
  std::string operator()(const AtsStep& step) const {
    return "ats " + text(step.sid) + " " + text(step.value);
  }
  std::string operator()(const SmmuenStep& step) const {
    return "smmuen " + text(step.value) + (step.noack ? " noack" : "");
  }
  std::string operator()(const BroadcastStep& step) const { return "bcast " + print(step.command); }
  std::string operator()(const DsbStep& /*no operands*/) const { return "dsb"; }
  std::string operator()(const RegBitStep& step) const {
    return "reg " + std::string(bit_words[static_cast<std::size_t>(step.which)]) + " " +
           text(step.value) + (step.noack ? " noack" : "");
  }
  std::string operator()(const RegStrtabStep& step) const {
    return "reg strtab " + step.table.text;
  }
  std::string operator()(const DmaBeginStep& step) const {
    return fmt::format("dma {} begin {} {:#x} {}{}{}", step.name.text, text(step.stream),
                       step.va.value, text(step.direction), step.privileged ? " priv" : "",
                       step.ats ? " ats" : "");
  }
  std::string operator()(const DmaEndStep& step) const { return "dma " + step.name.text + " end"; }
  std::string operator()(const MarkStep& /*no operands*/) const { return "mark"; }
};

std::string text(const std::vector<OutcomeText>& outcomes) {
  std::string out;
  for (const OutcomeText& outcome : outcomes) out += " " + outcome.text;
  return out;
}

}  // namespace

std::string print(const InitLine& line) { return std::visit(PrintLine{}, line.what); }

std::string print(const Step& step) {
  const std::string agent = step.agent.text == "cpu0" ? "" : step.agent.text + ": ";
  return agent + std::visit(PrintStep{}, step.what);
}

std::string print(const Command& command) {
  std::string out = to_string(command.op);
  if (command.sid) out += " " + text(*command.sid);
  if (command.ssid) {
    out += (command.op == CommandOp::atc_inv ? "." : " ") + text(*command.ssid);
  }
  return out + field("vmid", command.vmid) + field("asid", command.asid) + field("va", command.va) +
         field("leaf", command.leaf) + field("tg", command.tg) + field("num", command.num) +
         field("scale", command.scale) + field("ttl", command.ttl) + field("size", command.size) +
         field("range", command.range) + (command.irq ? " irq" : "") +
         (command.msi ? " msi=" + command.msi->text : "") + field("data", command.data) +
         field("e2h", command.e2h) +
         (command.dma ? " " + command.dma->text + (command.retry ? " retry" : " abort") : "");
}

std::string print(const Test& test) {
  std::string out = "test " + test.name + "\n";
  if (!test.says.empty()) out += "says " + test.says + "\n";
  for (const InitLine& line : test.init) out += "init " + print(line) + "\n";
  for (const Step& step : test.run) out += "run " + print(step) + "\n";
  for (const Access& access : test.accesses) {
    out += fmt::format("access {} {:#x} {}{}{} ->{}", text(access.stream), access.va.value,
                       text(access.direction), access.privileged ? " priv" : "",
                       access.ats ? " ats" : "", access.asked ? " ?" : text(access.allowed));
    if (access.promised) out += " |" + text(*access.promised);
    out += "\n";
  }
  for (const DmaExpectation& dma : test.dmas) {
    out += "dma " + dma.name.text + " ->" + (dma.asked ? " ?" : text(dma.allowed)) + "\n";
  }
  for (const LoadExpectation& load : test.loads) {
    out += "load " + load.table.text + " " + text(load.index) + " ->" +
           (load.asked ? " ?" : text(load.allowed));
    if (load.promised) out += " |" + text(*load.promised);
    out += "\n";
  }
  if (test.driver && test.driver->ok) {
    out += "driver ok\n";
  } else if (test.driver) {
    out += "driver violation " + test.driver->rule;
    out += test.driver->words.empty() ? "\n" : ": " + test.driver->words + "\n";
  }
  return out;
}

}  // namespace iommucheck::litmus
