// SPDX-License-Identifier: MIT
#include "litmus/names.h"

namespace iommucheck::litmus {
namespace {

using Uses = std::map<std::string, NameUse>;

NameUse& use(Uses& uses, const std::string& name, const Place& place) {
  const auto [found, is_new] = uses.try_emplace(name);
  if (is_new) found->second.place = place;
  return found->second;
}

NameUse* use(Uses& uses, const Target& target) {
  if (target.kind != Target::Kind::named) return nullptr;
  NameUse& found = use(uses, target.name, target.place);
  found.led_to = true;
  if (target.part) found.pages = true;
  return &found;
}

NameUse* use(Uses& uses, const std::optional<Target>& target) {
  return target ? use(uses, *target) : nullptr;
}

void use_descriptor(Uses& uses, const Descriptor& descriptor, bool group) {
  if (descriptor.kind == Descriptor::Kind::zero) return;
  NameUse* found = use(uses, descriptor.target);
  if (found == nullptr) return;
  if (descriptor.kind == Descriptor::Kind::table) found->structure = true;
  if (descriptor.kind == Descriptor::Kind::block || group) found->pages = true;
}

struct UseObject {
  Uses& uses;

  void operator()(const SteLine& ste) const {
    if (ste.table) use(uses, ste.table->text, ste.table->place).stes = true;
    if (NameUse* cd = use(uses, ste.cd)) cd->cds = true;
    if (NameUse* root = use(uses, ste.s2ttb)) root->structure = true;
  }
  void operator()(const CdLine& cd) const {
    use(uses, cd.name.text, cd.name.place).cds = true;
    if (NameUse* root = use(uses, cd.ttb)) root->structure = true;
    if (NameUse* root = use(uses, cd.ttb1)) root->structure = true;
  }
  void operator()(const L1StdLine& line) const {
    use(uses, line.table.text, line.table.place).stes = true;
    if (NameUse* leaf = use(uses, line.l2)) leaf->stes = true;
  }
  void operator()(const L1CdLine& line) const {
    use(uses, line.table.text, line.table.place).cds = true;
    if (NameUse* leaf = use(uses, line.l2)) leaf->cds = true;
  }
  void operator()(const WordLine& word) const {
    use(uses, word.table.text, word.table.place).structure = true;
    use_descriptor(uses, word.descriptor, false);
  }
  void operator()(const ContLine& cont) const {
    use(uses, cont.table.text, cont.table.place).structure = true;
    use_descriptor(uses, cont.descriptor, true);
  }
};

struct UseStep {
  Uses& uses;

  void table(const Name& name) const { use(uses, name.text, name.place); }
  void operator()(const StoreStep& step) const { std::visit(UseObject{uses}, step.object); }
  void operator()(const CleanStep& step) const { table(step.table); }
  void operator()(const ZeroStep& step) const { table(step.table); }
  void operator()(const FreeStep& step) const { table(step.table); }
  void operator()(const ClearStep& step) const {
    use(uses, step.table.text, step.table.place).structure = true;
  }
  void operator()(const FillContStep& step) const {
    use(uses, step.table.text, step.table.place).structure = true;
    use_descriptor(uses, step.descriptor, true);
  }
  void operator()(const ReleaseStep& step) const { use(uses, step.page); }
  void operator()(const RegStrtabStep& step) const {
    NameUse& table = use(uses, step.table.text, step.table.place);
    table.stes = table.led_to = true;
  }
  template <class Other>
  void operator()(const Other& /*no name of memory*/) const {}
};

}  // namespace

void for_each_object(const Test& test, const std::function<void(const Object&)>& visit) {
  for (const InitLine& line : test.init) {
    std::visit(
        [&visit](const auto& what) {
          if constexpr (requires { Object{what}; }) visit(Object{what});
        },
        line.what);
  }
  for (const Step& step : test.run) {
    if (const auto* store = std::get_if<StoreStep>(&step.what)) visit(store->object);
  }
}

std::map<std::string, NameUse> names_in(const Test& test) {
  Uses uses;
  for_each_object(test, [&uses](const Object& object) { std::visit(UseObject{uses}, object); });
  for (const InitLine& line : test.init) {
    if (const auto* strtab = std::get_if<StrtabLine>(&line.what)) {
      use(uses, strtab->table.text, strtab->table.place).stes = true;
    }
  }
  for (const Step& step : test.run) std::visit(UseStep{uses}, step.what);
  for (const LoadExpectation& load : test.loads) {
    use(uses, load.table.text, load.table.place).structure = true;
  }
  return uses;
}

}  // namespace iommucheck::litmus
