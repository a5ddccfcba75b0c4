// SPDX-License-Identifier: MIT
#include "scenario/run/corpus.h"

#include <algorithm>
#include <map>
#include <string>

#include "scenario/run/world.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle::stories {
namespace {

using fuzz::Operation;
using fuzz::OperationKind;
using scenario::Invoke;
using scenario::Value;

template <class E>
u16 raw(E value) {
  return static_cast<u16>(value);
}

/// A space, bond or number that lives, by what the scenario calls it.
struct Bond {
  u16 device = 0;
  u64 pasid = 0;
};

bool asks_hooks(OperationKind kind) {
  return kind == OperationKind::bind || kind == OperationKind::task_bind ||
         kind == OperationKind::sva_alloc || kind == OperationKind::link;
}

class Writer {
 public:
  explicit Writer(const scenario::Scenario& scenario) : world_(world_of(scenario)) {
    // The devices of the fuzzers' machine: 0 waits, 1 has two StreamIDs, 2 no PASIDs, 3 waits.
    std::vector<u16> left{0, 3, 1, 2};
    for (const WorldDevice& device : world_.devices) {
      const u16 wanted = device.pasids == 0                           ? 2
                         : device.sids > 1                            ? 1
                         : device.faults != WorldDevice::Faults::none ? 0
                                                                      : 1;
      auto at = std::ranges::find(left, wanted);
      if (at == left.end()) at = left.begin();
      devices_.push_back(at == left.end() ? wanted : *at);
      if (at != left.end()) left.erase(at);
    }
    processes_ = world_.processes;
  }

  std::optional<std::vector<Operation>> write(const scenario::Scenario& scenario) {
    for (const scenario::Step& step : scenario.steps) {
      std::visit([&](const auto& what) { add(what); }, step.what);
      if (!possible_) return std::nullopt;
    }
    const bool calls = std::ranges::any_of(
        operations_, [](const Operation& one) { return one.kind != OperationKind::access; });
    if (!calls) return std::nullopt;
    if (operations_.size() > fuzz::operations_max) operations_.resize(fuzz::operations_max);
    return operations_;
  }

 private:
  void push(Operation operation) { operations_.push_back(fuzz::normalised(operation)); }

  [[nodiscard]] u16 device(const std::string& name) const {
    const u32 index = world_.device(name);
    return index < devices_.size() ? devices_[index] : u16{0};
  }
  [[nodiscard]] u16 space(const Value& value) const {
    const auto at = std::ranges::find(spaces_, value.word);
    return static_cast<u16>(
        std::min<std::size_t>(static_cast<std::size_t>(at - spaces_.begin()), 7));
  }
  [[nodiscard]] u16 process(const std::string& name) const {
    const auto at = std::ranges::find(processes_, name);
    return static_cast<u16>((at - processes_.begin()) % 4);
  }
  [[nodiscard]] u16 bond(u16 device, const Value& pasid) const {
    for (std::size_t i = 0; i < bonds_.size(); ++i) {
      if (bonds_[i].device == device && bonds_[i].pasid == pasid.number) {
        return static_cast<u16>(i % 16);
      }
    }
    return 15;
  }

  /// Window and page of an address.
  static void aim(Operation& operation, u64 iova) {
    using fuzz::Window;
    constexpr u64 m2 = u64{1} << 21;
    constexpr u64 g1 = u64{1} << 30;
    constexpr u64 edge = u64{64} << 10;
    operation.aim = raw(fuzz::Aim::absolute);
    const auto set = [&](Window window, u64 page) {
      operation.window = raw(window);
      operation.page = static_cast<u16>(page);
    };
    if ((iova & 0xfff) >= 0x800) return set(Window::odd, 16);
    const u64 page = iova >> 12;
    if (page < 32) return set(Window::low, page);
    if (iova % m2 == 0 && iova / m2 < 32) return set(Window::spots_2m, iova / m2);
    if (iova % g1 == 0 && iova / g1 < 32) return set(Window::spots_1g, iova / g1);
    for (const auto& [middle, window] :
         {std::pair{m2, Window::around_2m}, std::pair{g1, Window::around_1g},
          std::pair{g1 << 9, Window::around_512g}}) {
      if (iova >= middle - edge && iova < middle + edge) {
        return set(window, (iova - (middle - edge)) >> 12);
      }
    }
    if (iova >> 47 != 0) return set(Window::odd, 0);
    set(Window::low, page % 32);
  }

  static u16 size_of(u64 bytes) {
    using fuzz::Size;
    constexpr std::pair<u64, Size> sizes[] = {
        {0, Size::zero},      {0x800, Size::k2},     {0x1000, Size::k4},   {0x2000, Size::k8},
        {0x3000, Size::k12},  {0x8000, Size::k32},   {0x10000, Size::k64}, {0x200000, Size::m2},
        {0x400000, Size::m4}, {0x40000000, Size::g1}};
    for (const auto& [most, size] : sizes) {
      if (bytes <= most) return raw(size);
    }
    return raw(Size::g1);
  }

  static u16 rights_of(std::string_view text) {
    using fuzz::Prot;
    const bool write = text.contains('w');
    const bool execute = text.contains('x');
    if (text == "none" || text == "-") return raw(Prot::none);
    if (text.contains('p')) return raw(Prot::rw_privileged);
    if (text.contains('d')) return raw(Prot::rw_device);
    if (write && execute) return raw(Prot::rwx);
    if (execute) return raw(Prot::rx);
    return write ? raw(Prot::rw) : raw(Prot::r);
  }

  void aim_pages(Operation& operation, const Value& pages) const {
    const auto at = world_.pages.find(pages.word);
    const bool huge = at != world_.pages.end() && at->second.bytes >> 21 != 0;
    operation.pa = raw(huge ? fuzz::Pa::congruent_2m : fuzz::Pa::page);
    if (at != world_.pages.end()) {
      operation.pa_page = static_cast<u16>(std::distance(world_.pages.begin(), at) % 8);
    }
    if (pages.number % 0x1000 != 0 || pages.kind == Value::Kind::number) {
      operation.pa = raw(fuzz::Pa::odd);
    }
  }

  // ---- lines ------------------------------------------------------------------------------------

  void add(const scenario::Declare& /*declare*/) {}
  void add(const scenario::Resume& /*resume*/) {}
  void add(const scenario::UserEntry& /*entry*/) { possible_ = false; }
  void add(const scenario::Race& race) {
    std::visit([&](const auto& what) { add(what); }, race.first);
    std::visit([&](const auto& what) { add(what); }, race.second);
  }

  void add(const scenario::Change& change) {
    Operation operation;
    switch (change.kind) {
      case scenario::Change::Kind::mmap: operation.kind = OperationKind::process_map; break;
      case scenario::Change::Kind::munmap: operation.kind = OperationKind::process_unmap; break;
      case scenario::Change::Kind::mprotect: operation.kind = OperationKind::process_protect; break;
      default: possible_ = false; return;
    }
    operation.domain = process(change.object.text);
    operation.variant = raw(fuzz::Pick::selected);
    aim(operation, change.at.number);
    operation.size = size_of(0x1000);
    if (change.to) aim_pages(operation, *change.to);
    operation.prot = rights_of(change.prot);
    push(operation);
  }

  void add_access(const std::string& name, const std::optional<Value>& pasid, u64 iova,
                  char access) {
    using fuzz::AccessKind;
    Operation operation;
    operation.kind = OperationKind::access;
    operation.device = device(name);
    aim(operation, iova);
    operation.variant = raw(access == 'w'   ? AccessKind::write
                            : access == 'x' ? AccessKind::execute
                                            : AccessKind::read);
    if (pasid) {
      operation.pa_page =
          static_cast<u16>(std::min<u64>(pasid->number, fuzz::access_substreams - 1));
    }
    push(operation);
  }
  void add(const scenario::Probe& probe) {
    if (probe.kind == scenario::Probe::Kind::walk || probe.kind == scenario::Probe::Kind::gpu) {
      possible_ = false;
      return;
    }
    add_access(probe.target.text, probe.pasid, probe.iova.number, probe.access);
  }
  void add(const scenario::Dma& dma) {
    add_access(dma.device.text, dma.pasid, dma.iova.number, dma.access);
  }

  void add(const scenario::Check& check) {
    using Kind = scenario::Check::Kind;
    Operation operation;
    switch (check.kind) {
      case Kind::bound_passes:
        operation.kind = OperationKind::handler_return;
        operation.variant = raw(fuzz::HandlerReturn::bound_passes);
        return push(operation);
      case Kind::stuck:
        if (!check.values.empty()) {
          operation.kind = OperationKind::hardware;
          operation.variant = raw(fuzz::HardwareKind::stop_sync);
          operation.page = static_cast<u16>(std::min<u64>(check.values[0].number, 31));
          return push(operation);
        }
        operation.kind = OperationKind::queue;
        operation.variant = raw(fuzz::QueueKind::stuck);
        return push(operation);
      case Kind::recover:
        operation.kind = OperationKind::queue;
        operation.variant = raw(fuzz::QueueKind::recover);
        return push(operation);
      case Kind::hook: {
        const bool alloc = check.values[0].is_word("mm_alloc");
        const bool null = check.values[1].is_word("null");
        if (!alloc && !check.values[0].is_word("mm_attach")) return;
        failing_hook_ = check.values[1].is_word("ok") ? u16{0}
                        : !alloc                      ? fuzz::fail_mm_attach
                        : null                        ? fuzz::fail_mm_alloc_null
                                                      : fuzz::fail_mm_alloc;
        return;
      }
      default: return;
    }
  }

  void add(const Invoke& invoke) {
    Operation operation;
    if (!fill(operation, invoke)) return;
    if (invoke.memory == Invoke::Memory::each_alloc) {
      for (u16 n = 1; n <= 2; ++n) {
        operation.fail = n;
        push(operation);
      }
      operation.fail = 0;
    }
    if (failing_hook_ != 0 && asks_hooks(operation.kind)) operation.fail = failing_hook_;
    push(operation);
    follow(invoke, operation);
  }

  bool fill(Operation& operation, const Invoke& invoke);
  bool fill_range(Operation& operation, const Invoke& invoke) const;
  bool fill_sva(Operation& operation, const Invoke& invoke);
  bool fill_environment(Operation& operation, const Invoke& invoke) const;
  void follow(const Invoke& invoke, const Operation& operation);

  World world_;
  std::vector<u16> devices_;
  std::vector<std::string> spaces_;  // domains and private io_mm that live, in order
  std::vector<std::string> processes_;
  std::vector<Bond> bonds_;
  std::vector<Operation> operations_;
  u16 failing_hook_ = 0;  // `fail` of operations that ask it; 0: none
  bool possible_ = true;
};

bool Writer::fill(Operation& operation, const Invoke& invoke) {
  const std::string& name = invoke.call.text;
  const scenario::Values& arguments = invoke.arguments;
  operation.variant = raw(fuzz::Pick::selected);
  if (name == "domain_alloc") {
    using fuzz::AllocKind;
    operation.kind = OperationKind::domain_alloc;
    const std::string& what = arguments[0].word;
    if (what != "paging" && what != "blocked" && what != "identity") {
      possible_ = false;
      return false;
    }
    const u64 bits = world_.iova_bits.value_or(48);
    operation.variant = raw(what == "blocked"    ? AllocKind::blocked
                            : what == "identity" ? AllocKind::identity
                            : bits == 39         ? AllocKind::paging_39
                                                 : AllocKind::paging);
    return true;
  }
  const auto call_on_domain = [&](OperationKind kind) {
    operation.kind = kind;
    operation.domain = space(arguments[0]);
    if (arguments.size() > 1) operation.device = device(arguments[1].word);
    return true;
  };
  if (name == "domain_free") return call_on_domain(OperationKind::domain_free);
  if (name == "attach") return call_on_domain(OperationKind::attach);
  if (name == "detach") return call_on_domain(OperationKind::detach);
  if (name == "attach_pasid" || name == "detach_pasid") {
    operation.variant =
        raw(name == "attach_pasid" ? fuzz::AttachPasid::attach : fuzz::AttachPasid::detach);
    return call_on_domain(OperationKind::attach_pasid);
  }
  if (name == "sva_attach" || name == "sva_detach") {
    operation.kind = OperationKind::link;
    operation.variant = raw(name == "sva_attach" ? fuzz::LinkKind::attach : fuzz::LinkKind::detach);
    operation.device = device(arguments[1].word);
    return true;
  }
  if (name == "iotlb_sync" || name == "sva_iotlb_sync") {
    return call_on_domain(OperationKind::iotlb_sync);
  }
  if (name == "flush_iotlb_all" || name == "sva_flush_tlb_all") {
    return call_on_domain(OperationKind::flush_iotlb_all);
  }
  return fill_range(operation, invoke) || fill_sva(operation, invoke) ||
         fill_environment(operation, invoke);
}

/// map and the others that have an address.
bool Writer::fill_range(Operation& operation, const Invoke& invoke) const {
  std::string_view name = invoke.call.text;
  if (name.starts_with("sva_")) name.remove_prefix(4);
  constexpr std::pair<std::string_view, OperationKind> kinds[] = {
      {"map", OperationKind::map},
      {"map_sg", OperationKind::map_sg},
      {"unmap", OperationKind::unmap},
      {"unmap_fast", OperationKind::unmap_fast},
      {"tlb_range_add", OperationKind::tlb_range_add},
      {"iova_to_phys", OperationKind::iova_to_phys}};
  const auto at =
      std::ranges::find(kinds, name, &std::pair<std::string_view, OperationKind>::first);
  if (at == std::end(kinds)) return false;
  const scenario::Values& arguments = invoke.arguments;
  operation.kind = at->second;
  operation.domain = space(arguments[0]);
  aim(operation, arguments[1].number);
  if (operation.kind == OperationKind::map) {
    aim_pages(operation, arguments[2]);
    operation.size = size_of(arguments[3].number);
    operation.prot = rights_of(arguments[4].word);
  } else if (operation.kind == OperationKind::map_sg) {
    operation.size = size_of(u64{0x1000} * arguments[2].items.size());
    operation.prot = rights_of(arguments[3].word);
  } else if (arguments.size() > 2) {
    operation.size = size_of(arguments[2].number);
  }
  return true;
}

u16 range_of(u64 min, u64 max) {
  using fuzz::PasidRange;
  if (max != 0 && min > max) return raw(PasidRange::reversed);
  if (max >= spec::sva::pasid_limit) return raw(PasidRange::beyond);
  if (max != 0 && min == max) return raw(PasidRange::one);
  if (min == 0) return raw(PasidRange::from_0);
  return raw(max != 0 && max < 16 ? PasidRange::small : PasidRange::any);
}

bool Writer::fill_sva(Operation& operation, const Invoke& invoke) {
  const std::string& name = invoke.call.text;
  const scenario::Values& arguments = invoke.arguments;
  if (name == "pasid_alloc" || name == "pasid_free") {
    const bool gives = name == "pasid_alloc";
    operation.kind = gives ? OperationKind::pasid_alloc : OperationKind::pasid_free;
    if (gives) operation.window = range_of(arguments[0].number, arguments[1].number);
    return true;
  }
  if (name == "sva_alloc_pasid" || name == "sva_free_pasid") {
    operation.kind = name == "sva_alloc_pasid" ? OperationKind::sva_alloc : OperationKind::sva_free;
    operation.variant = raw(fuzz::Pick::fitting);
    operation.domain = space(name == "sva_alloc_pasid" ? arguments[0] : arguments[1]);
    if (name == "sva_alloc_pasid") operation.device = device(arguments[1].word);
    return true;
  }
  constexpr std::pair<std::string_view, OperationKind> of_device[] = {
      {"sva_device_init", OperationKind::sva_init},
      {"sva_device_shutdown", OperationKind::sva_shutdown},
      {"bind_device", OperationKind::bind},
      {"unbind_device", OperationKind::unbind},
      {"unbind_dev_all", OperationKind::unbind_all},
      {"sva_drvdata", OperationKind::sva_query},
      {"io_mm_of", OperationKind::sva_query}};
  const auto at =
      std::ranges::find(of_device, name, &std::pair<std::string_view, OperationKind>::first);
  if (at == std::end(of_device)) return false;
  operation.kind = at->second;
  operation.device = device(arguments[0].word);
  switch (operation.kind) {
    case OperationKind::sva_init: {
      using fuzz::Features;
      const auto asks = [&](const char* feature) {
        return std::ranges::any_of(arguments[1].items,
                                   [&](const Value& one) { return one.is_word(feature); });
      };
      operation.variant = raw(asks("iopf") && asks("private") ? Features::all
                              : asks("private")               ? Features::private_only
                              : asks("iopf")                  ? Features::iopf_only
                              : arguments[1].items.empty()    ? Features::none
                                                              : Features::unknown);
      operation.window = range_of(arguments[2].number, arguments[3].number);
      operation.mapping =
          raw(arguments[4].is_word("mm_exit") ? fuzz::Handler::present : fuzz::Handler::null);
      return true;
    }
    case OperationKind::bind: {
      using fuzz::BindKind;
      operation.domain = process(arguments[1].word);
      const bool further = !arguments[2].items.empty() && arguments[2].items[0].is_word("further");
      operation.variant = raw(further                      ? BindKind::further
                              : arguments[2].items.empty() ? BindKind::fitting
                                                           : BindKind::bad_flags);
      return true;
    }
    case OperationKind::unbind:
      operation.variant = raw(fuzz::Pick::fitting);
      operation.mapping = bond(operation.device, arguments[1]);
      return true;
    case OperationKind::sva_query:
      operation.variant = raw(name == "sva_drvdata" ? fuzz::Query::drvdata : fuzz::Query::io_mm_of);
      operation.mapping = bond(operation.device, arguments[1]);
      return true;
    default: return true;
  }
}

bool Writer::fill_environment(Operation& operation, const Invoke& invoke) const {
  const std::string& name = invoke.call.text;
  const scenario::Values& arguments = invoke.arguments;
  if (name == "fork") {
    operation.kind = OperationKind::process_fork;
    operation.domain = process(arguments[0].word);
    return true;
  }
  if (name == "exit" || name == "exec") {
    operation.kind = OperationKind::process_exit;
    operation.domain = process(arguments[0].word);
    operation.variant = raw(name == "exec" ? fuzz::ExitKind::exec : fuzz::ExitKind::fitting);
    return true;
  }
  if (name == "mm_exit_return") {
    operation.kind = OperationKind::handler_return;
    operation.variant =
        raw(arguments.size() > 2 ? fuzz::HandlerReturn::error : fuzz::HandlerReturn::done);
    return true;
  }
  if (name == "remove") {
    operation.kind = OperationKind::remove;
    operation.device = device(arguments[0].word);
    return true;
  }
  return false;
}

/// What lives after the call, if it did what the scenario expects.
void Writer::follow(const Invoke& invoke, const Operation& operation) {
  const std::string& name = invoke.call.text;
  const bool makes = invoke.result_name.has_value();
  const bool right = std::ranges::any_of(invoke.results, [](const Value& value) {
    return value.kind == Value::Kind::number || value.is_word("ok") || value.is_word("new");
  });
  if ((name == "domain_alloc" || name == "sva_alloc_pasid") && makes) {
    spaces_.push_back(invoke.result_name->text);
  } else if (name == "fork" && makes) {
    processes_.push_back(invoke.result_name->text);
  } else if (name == "domain_free" && right) {
    std::erase(spaces_, invoke.arguments[0].word);
  } else if (name == "sva_free_pasid" && right) {
    std::erase(spaces_, invoke.arguments[1].word);
  } else if (name == "bind_device" && right) {
    bonds_.push_back({operation.device, invoke.results[0].number});
  } else if (name == "unbind_device" && right && operation.mapping < bonds_.size()) {
    bonds_.erase(bonds_.begin() + operation.mapping);
  }
}

}  // namespace

std::optional<std::vector<Operation>> to_operations(const scenario::Scenario& scenario) {
  return Writer(scenario).write(scenario);
}

}  // namespace iommucheck::oracle::stories
