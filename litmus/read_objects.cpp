// SPDX-License-Identifier: MIT
#include "litmus/read_objects.h"

#include <fmt/format.h>

#include <bit>

namespace iommucheck::litmus {
namespace {

using Handler = LineReader::Handler;

Handler number_to(LineReader& reader, std::optional<Number>& field, u64 max) {
  return [&reader, &field, max](const Token& value) {
    field = reader.to_number(value, "this field", max);
  };
}

Handler granule_to(LineReader& reader, std::optional<Number>& field) {
  return [&reader, &field](const Token& value) {
    field = reader.to_number(value, "a granule", 64);
    const u64 kib = field->value;
    if (kib != 4 && kib != 16 && kib != 64) reader.fail(value, "not a granule; it has 4 16 64");
  };
}

Handler target_to(LineReader& reader, std::optional<Target>& field) {
  return [&reader, &field](const Token& value) {
    field = reader.to_target(value, "what is pointed to");
  };
}

template <class Enum>
Handler choice_to(LineReader& reader, std::optional<Enum>& field,
                  std::vector<std::pair<std::string_view, Enum>> choices) {
  return [&reader, &field, choices = std::move(choices)](const Token& value) {
    std::string known;
    for (const auto& [name, choice] : choices) {
      if (name == value.text) field = choice;
      known += fmt::format(" {}", name);
    }
    if (!field) reader.fail(value, fmt::format("not a value of this field; it has{}", known));
  };
}

SteLine read_ste(LineReader& reader) {
  SteLine ste;
  ste.sid = reader.number("a StreamID", 0xffff);
  reader.fields(
      {{"table", [&](const Token& value) { ste.table = reader.to_name(value, "a table"); }},
       {"v", number_to(reader, ste.v, 1)},
       {"cfg", choice_to<SteConfig>(reader, ste.cfg,
                                    {{"abort", SteConfig::abort},
                                     {"bypass", SteConfig::bypass},
                                     {"s1", SteConfig::s1},
                                     {"s2", SteConfig::s2},
                                     {"nest", SteConfig::nest}})},
       {"cd", target_to(reader, ste.cd)},
       {"cdmax", number_to(reader, ste.cdmax, 31)},
       {"fmt",
        choice_to<TableFormat>(reader, ste.fmt,
                               {{"lin", TableFormat::linear}, {"2lvl", TableFormat::two_level}})},
       {"s1dss", number_to(reader, ste.s1dss, 3)},
       {"eats", number_to(reader, ste.eats, 3)},
       {"cont", number_to(reader, ste.cont, 15)},
       {"strw", choice_to<StreamWorld>(reader, ste.strw,
                                       {{"el1", StreamWorld::el1}, {"el2", StreamWorld::el2}})},
       {"priv", choice_to<PrivCfg>(reader, ste.priv,
                                   {{"in", PrivCfg::incoming},
                                    {"unpriv", PrivCfg::unprivileged},
                                    {"priv", PrivCfg::privileged}})},
       {"inst",
        choice_to<InstCfg>(
            reader, ste.inst,
            {{"in", InstCfg::incoming}, {"data", InstCfg::data}, {"inst", InstCfg::instruction}})},
       {"vmid", number_to(reader, ste.vmid, 0xffff)},
       {"s2t0sz", number_to(reader, ste.s2t0sz, 63)},
       {"s2sl", number_to(reader, ste.s2sl, 3)},
       {"s2tg", granule_to(reader, ste.s2tg)},
       {"s2ha", number_to(reader, ste.s2ha, 1)},
       {"s2hd", number_to(reader, ste.s2hd, 1)},
       {"s2haft", number_to(reader, ste.s2haft, 1)},
       {"s2ttb", target_to(reader, ste.s2ttb)},
       {"s1stalld", number_to(reader, ste.s1stalld, 1)},
       {"s2s", number_to(reader, ste.s2s, 1)}});
  return ste;
}

CdLine read_cd(LineReader& reader) {
  CdLine cd;
  const Token token = reader.word("a CD, NAME or NAME.N");
  const auto dot = token.text.find('.');
  cd.name = reader.to_name({token.text.substr(0, dot), token.place}, "a CD");
  if (dot != std::string::npos) {
    cd.index =
        reader.to_number({token.text.substr(dot + 1), token.place}, "a CD's number", 0xfffff);
  }
  reader.fields(
      {{"v", number_to(reader, cd.v, 1)},
       {"asid", number_to(reader, cd.asid, 0xffff)},
       {"t0sz", number_to(reader, cd.t0sz, 63)},
       {"tg0", granule_to(reader, cd.tg0)},
       {"epd0", number_to(reader, cd.epd0, 1)},
       {"t1sz", number_to(reader, cd.t1sz, 63)},
       {"tg1", granule_to(reader, cd.tg1)},
       {"epd1", number_to(reader, cd.epd1, 1)},
       {"tbi0", number_to(reader, cd.tbi0, 1)},
       {"tbi1", number_to(reader, cd.tbi1, 1)},
       {"ha", number_to(reader, cd.ha, 1)},
       {"hd", number_to(reader, cd.hd, 1)},
       {"aset", number_to(reader, cd.aset, 1)},
       {"ttb", target_to(reader, cd.ttb)},
       {"e0pd0", number_to(reader, cd.e0pd0, 1)},
       {"haft", number_to(reader, cd.haft, 1)},
       {"ttb1", target_to(reader, cd.ttb1)},
       {"e0pd1", number_to(reader, cd.e0pd1, 1)},
       {"mair", choice_to<MairKind>(reader, cd.mair,
                                    {{"normal", MairKind::normal}, {"dev", MairKind::device}})},
       {"s", number_to(reader, cd.s, 1)}});
  return cd;
}

L1StdLine read_l1std(LineReader& reader) {
  L1StdLine line;
  line.table = reader.name("a stream table");
  line.index = reader.number("an index", 0xffff);
  reader.fields({{"span", number_to(reader, line.span, 31)}, {"l2", target_to(reader, line.l2)}});
  return line;
}

L1CdLine read_l1cd(LineReader& reader) {
  L1CdLine line;
  line.table = reader.name("a CD table");
  line.index = reader.number("an index", 0x3fff);
  reader.fields({{"v", number_to(reader, line.v, 1)}, {"l2", target_to(reader, line.l2)}});
  return line;
}

void read_leaf(LineReader& reader, Descriptor& leaf) {
  leaf.target = reader.target("a page or block");
  const Token permission = reader.word("rw or ro");
  leaf.writable = permission.text == "rw";
  if (!leaf.writable && permission.text != "ro") reader.fail(permission, "neither rw nor ro");
  while (!reader.at_end() && !reader.at_field() && !reader.error()) {
    const Token flag = reader.word("a flag");
    bool* field = flag.text == "g"      ? &leaf.global
                  : flag.text == "af0"  ? &leaf.af0
                  : flag.text == "dbm"  ? &leaf.dbm
                  : flag.text == "cont" ? &leaf.cont
                  : flag.text == "dev"  ? &leaf.device
                  : flag.text == "nt"   ? &leaf.nt
                  : flag.text == "priv" ? &leaf.priv
                  : flag.text == "uxn"  ? &leaf.uxn
                  : flag.text == "pxn"  ? &leaf.pxn
                  : flag.text == "xn"   ? &leaf.xn
                                        : nullptr;
    if (field == &leaf.nt && leaf.kind != Descriptor::Kind::block) {
      reader.fail(flag, "a block has nT, a page has an output bit there");
    } else if (field == nullptr) {
      reader.fail(flag, "not a flag of a descriptor; it has g af0 dbm cont dev nt priv uxn pxn xn");
    } else if (*field) {
      reader.fail(flag, "this flag stands twice on the line");
    } else {
      *field = true;
    }
  }
}

}  // namespace

Descriptor read_group(LineReader& reader, const Number& index, ContGroup& group) {
  Descriptor descriptor;
  descriptor.kind = Descriptor::Kind::page;
  reader.take("page");
  read_leaf(reader, descriptor);
  descriptor.place = descriptor.target.place;
  descriptor.cont = true;
  reader.fields({{"n", number_to(reader, group.n, table_words_max)},
                 {"block", number_to(reader, group.block, u64{1} << 18)}});
  if (group.block) descriptor.kind = Descriptor::Kind::block;
  const Token n{std::to_string(group.words()), group.n ? group.n->place : index.place};
  if (!std::has_single_bit(group.words()) || !std::has_single_bit(group.granules())) {
    reader.fail(n, "a group has a power of two of words, and of granules in each");
  } else if (index.value % group.words() != 0) {
    reader.fail({std::to_string(index.value), index.place},
                "a group starts at a multiple of its words");
  }
  return descriptor;
}

Descriptor read_descriptor(LineReader& reader) {
  Descriptor descriptor;
  const Token kind = reader.word("0, table, page or block");
  descriptor.place = kind.place;
  if (kind.text == "0") return descriptor;
  if (kind.text == "table") {
    descriptor.kind = Descriptor::Kind::table;
    descriptor.target = reader.target("a table");
    descriptor.af0 = reader.take("af0");
  } else if (kind.text == "page" || kind.text == "block") {
    descriptor.kind = kind.text == "page" ? Descriptor::Kind::page : Descriptor::Kind::block;
    read_leaf(reader, descriptor);
  } else {
    reader.fail(kind, "not a descriptor; it is 0, table X, page P … or block P …");
  }
  return descriptor;
}

std::optional<Object> read_object(LineReader& reader, const Token& kind) {
  if (kind.text == "ste") return read_ste(reader);
  if (kind.text == "cd") return read_cd(reader);
  if (kind.text == "l1std") return read_l1std(reader);
  if (kind.text == "l1cd") return read_l1cd(reader);
  if (kind.text != "word" && kind.text != "cont") return std::nullopt;
  Name table = reader.name("a table");
  const Number index = reader.number("an index", table_words_max - 1);
  if (kind.text == "word") return WordLine{std::move(table), index, read_descriptor(reader)};
  ContLine line{std::move(table), index, {}};
  line.descriptor = read_group(reader, index, line.group);
  return line;
}

}  // namespace iommucheck::litmus
