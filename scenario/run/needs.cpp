// SPDX-License-Identifier: MIT
#include "scenario/run/needs.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "scenario/run/make_call.h"

namespace iommucheck::oracle::stories {
namespace {

using scenario::Check;
using scenario::Invoke;

// ---- of the machine -----------------------------------------------------------------------------

std::string waits_by(const World& world, WorldDevice::Faults faults, const char* name) {
  const bool any = std::ranges::any_of(
      world.devices, [&](const WorldDevice& device) { return device.faults == faults; });
  return any ? name : "";
}

/// Numbers that the registers of no IOMMU can say.
std::string odd_number(const World& world) {
  if (world.iova_bits && (*world.iova_bits < 25 || *world.iova_bits > 48)) {
    return fmt::format("iova_bits={}", *world.iova_bits);
  }
  const auto odd = [](u64 numbers) { return numbers != 0 && !std::has_single_bit(numbers); };
  if (world.iommu_pasids && odd(*world.iommu_pasids)) {
    return fmt::format("iommu_pasids={}", *world.iommu_pasids);
  }
  for (const WorldDevice& device : world.devices) {
    if (odd(device.pasids)) return fmt::format("pasids={}", device.pasids);
  }
  return {};
}

std::string several_iommus(const World& world) {
  const bool any = std::ranges::any_of(world.devices, [&](const WorldDevice& device) {
    return world.iommu(device.iommu).value_or(0) != 0;
  });
  return any ? "several IOMMUs" : "";
}

struct Requirement {
  /// By its name; empty: the world does not ask for it.
  std::string (*asked)(const World& world);
  bool Offers::* had;
};

std::string second_backend(const World& world) { return world.second_backend ? "backend=two" : ""; }

const Requirement requirements[] = {
    {[](const World& world) -> std::string { return world.names_smmuv3 ? "backend=smmuv3" : ""; },
     &Offers::smmuv3},
    {second_backend, &Offers::pasid_0},
    {second_backend, &Offers::identity},
    {second_backend, &Offers::waits_alone},
    {[](const World& world) -> std::string {
       return world.per_device_tables ? "tables=per_device" : "";
     },
     &Offers::own_tables},
    {[](const World& world) -> std::string {
       return world.per_device_tables ? "" : "tables=per_domain";
     },
     &Offers::shared_tables},
    {[](const World& world) { return waits_by(world, WorldDevice::Faults::stall, "iopf=stall"); },
     &Offers::stalls},
    {[](const World& world) { return waits_by(world, WorldDevice::Faults::pri, "iopf=pri"); },
     &Offers::page_requests},
    {[](const World& world) -> std::string {
       return std::ranges::any_of(world.devices, &WorldDevice::ats) ? "ats=1" : "";
     },
     &Offers::ats},
    {[](const World& world) -> std::string {
       return world.page_sizes ? "pgsizes=" + *world.page_sizes : "";
     },
     &Offers::no_page_sizes},
    {[](const World& world) -> std::string {
       return world.dirty && world.has_dirty() ? "dirty=" + *world.dirty : "";
     },
     &Offers::dirty},
    {several_iommus, &Offers::several_iommus},
    {odd_number, &Offers::any_numbers},
    {[](const World& world) -> std::string { return world.lacks_hooks() ? "hooks=" : ""; },
     &Offers::hooks},
};

// ---- of the steps -------------------------------------------------------------------------------

class Needs {
 public:
  Needs(Subject& subject, const World& world)
      : subject_(subject), world_(world), offers_(subject.offers(world)) {
    for (const Requirement& one : requirements) {
      if (!(offers_.*one.had)) add(one.asked(world));
    }
    // No other set of page sizes can be asked for.
    if (offers_.no_page_sizes && world.page_sizes && *world.page_sizes != "none") {
      add("pgsizes=" + *world.page_sizes);
    }
  }

  std::vector<std::string> take() { return std::move(names_); }

  /// What the scenario expects of all calls that hand over a PASID table of a user's: a machine
  /// without such tables has this answer, and nothing else to say of their entries.
  void look_for_entries(const scenario::Scenario& scenario) {
    for (const scenario::Step& step : scenario.steps) {
      const auto* invoke = std::get_if<Invoke>(&step.what);
      if (invoke == nullptr || invoke->call.text != "domain_alloc") continue;
      const bool of_entries =
          !invoke->arguments.empty() && invoke->arguments[0].is_word("nested_pasid");
      if (!of_entries) continue;
      entries_are_refused_ = is_refused(*invoke);
      if (!entries_are_refused_) return;
    }
  }

  void visit(const Invoke& invoke) {
    const std::string& name = invoke.call.text;
    constexpr std::string_view environment[] = {
        "exit",           "exec",       "fork",    "thread",     "remove",   "thread_end",
        "mm_exit_return", "page_reuse", "recover", "gpu_switch", "gpu_flush"};
    // Which of them meets the CMD_SYNC nobody knows who sends none.
    constexpr std::string_view that_wait[] = {"exit", "exec", "thread_end", "remove", "recover"};
    if (sticks_ && !offers_.commands && std::ranges::find(that_wait, name) != std::end(that_wait)) {
      add("stuck after");
    }
    if (name.starts_with("gpu_") && !offers_.walkers) add(name);
    if (std::ranges::find(environment, name) != std::end(environment)) return;
    if (name == "dma_state") return;  // its dma has been looked at
    const auto kind = kind_of(name);
    if (!kind || !subject_.has(*kind)) return add(name);
    if (name.starts_with("event_") && !offers_.users_events) add(name);
    if (opens_users_faults(invoke) && !offers_.users_wait && !is_refused(invoke)) {
      add("fault_queue_open of a user's domain");
    }
    const bool of_dirt =
        *kind == spec::sva::CallKind::dirty_set || *kind == spec::sva::CallKind::dirty_read;
    if (of_dirt && world_.has_dirty() && !offers_.dirty) add("dirty=1");
    if (waits_for_holes(*kind, invoke.results)) add("backend=two");
    if (!offers_.users_pasids && names_entries(invoke)) add("cd");
    if (!offers_.users_devices && does_of_device(invoke)) add("atc");
    if (name == "domain_alloc" && !invoke.arguments.empty()) {
      const scenario::Value& what = invoke.arguments[0];
      const bool is_word = what.kind == scenario::Value::Kind::word;
      if (what.is_word("nested_pasid") && offers_.users && is_refused(invoke)) return;
      const bool of_users =
          what.is_word("paging_s2") || what.is_word("nested") || what.is_word("nested_pasid");
      if (of_users && world_.second_backend && !offers_.users_at_pasids) add("backend=two");
      if (what.is_word("nested_pasid") ? offers_.users_pasids && offers_.users
                                       : of_users && offers_.users) {
        return;
      }
      if (is_word && !what.is_word("paging") && !what.is_word("blocked") &&
          !what.is_word("identity") && !what.is_word("dynamic")) {
        add("domain_alloc(" + what.word + ")");
      }
    }
  }
  void visit(const scenario::Change& change) {
    const bool of_user = change.kind == scenario::Change::Kind::upt ||
                         change.kind == scenario::Change::Kind::upt_clear;
    if (of_user && !offers_.users) add("upt");
    if (sticks_ && !offers_.commands) add("stuck after");
  }
  void visit(const scenario::UserEntry& /*entry*/) {
    if (!offers_.users || (!offers_.users_pasids && !entries_are_refused_)) add("ucd");
  }
  void visit(const scenario::Probe& probe) {
    if (offers_.walkers) return;
    if (probe.kind == scenario::Probe::Kind::walk) add("?walk");
    if (probe.kind == scenario::Probe::Kind::gpu) add("?gpu");
  }
  /// A stall stands for itself; of requests the last one of a group is answered for all.
  void visit(const scenario::Dma& dma) {
    const u32 device = world_.device(dma.device.text);
    const bool asks =
        device < world_.devices.size() && world_.devices[device].faults == WorldDevice::Faults::pri;
    if (asks && !dma.last && !offers_.request_groups) add("page request groups");
  }
  void visit(const Check& check) {
    if (check.kind == Check::Kind::hook && !offers_.hooks) add("hook");
    const bool recovers = check.kind == Check::Kind::recover && check.values.empty();
    if (check.kind == Check::Kind::unstuck || recovers) sticks_ = false;
    if (check.kind == Check::Kind::stuck) sticks_ = !check.values.empty();
    if (sticks_ && !offers_.sticks) add("stuck after");
    if (check.kind == Check::Kind::recover && sticks_ && !offers_.commands) add("stuck after");
  }
  void visit(const scenario::Race& race) {
    std::visit([&](const auto& what) { visit(what); }, race.first);
    std::visit([&](const auto& what) { visit(what); }, race.second);
  }
  void visit(const scenario::Declare& /*declare*/) {}
  void visit(const scenario::Resume& /*resume*/) {}

 private:
  /// Where nothing unmapped is remembered a map has nobody to wait for: it cannot time out, which a
  /// step that has another answer beside does not ask of it.
  bool waits_for_holes(spec::sva::CallKind call, const scenario::Values& results) const {
    using spec::sva::CallKind;
    const CallKind kind = spec::sva::as_domain_call(call);
    return !offers_.holes && (kind == CallKind::map || kind == CallKind::map_sg) &&
           !results.empty() && std::ranges::all_of(results, [](const scenario::Value& one) {
             return one.is_word("ETIMEDOUT");
           });
  }

  /// A queue of a domain, which is no device.
  [[nodiscard]] bool opens_users_faults(const Invoke& invoke) const {
    if (invoke.call.text != "fault_queue_open" || invoke.arguments.empty()) return false;
    return world_.device(invoke.arguments[0].word) >= world_.devices.size();
  }

  static bool is_refused(const Invoke& invoke) {
    return !invoke.results.empty() &&
           std::ranges::all_of(invoke.results, [](const scenario::Value& one) {
             return status_of(one.word).value_or(spec::sva::Status::ok) != spec::sva::Status::ok;
           });
  }

  /// A command about an entry of a PASID table of its own.
  static bool names_entries(const Invoke& invoke) {
    if (invoke.call.text != "cache_invalidate" || invoke.arguments.size() < 2) return false;
    return std::ranges::any_of(invoke.arguments[1].items,
                               [](const scenario::Value& one) { return one.word == "cd"; });
  }

  /// A command about what a device has cached is done, whatever of the results it is.
  static bool does_of_device(const Invoke& invoke) {
    if (invoke.call.text != "cache_invalidate" || invoke.arguments.size() < 2) return false;
    const scenario::Values& commands = invoke.arguments[1].items;
    const auto of_device = std::ranges::find(commands, "atc", &scenario::Value::word);
    if (of_device == commands.end() || invoke.results.empty()) return false;
    const auto before = static_cast<u64>(of_device - commands.begin());
    return std::ranges::all_of(invoke.results, [&](const scenario::Value& one) {
      return one.word == "done" && !one.items.empty() && one.items.front().number > before;
    });
  }

  void add(const std::string& name) {
    if (name.empty() || std::ranges::find(names_, name) != names_.end()) return;
    names_.push_back(name);
  }

  Subject& subject_;
  const World& world_;
  Offers offers_;
  std::vector<std::string> names_;
  bool sticks_ = false;  ///< `stuck after N` stands before
  bool entries_are_refused_ = false;
};

}  // namespace

std::vector<std::string> needs_of(const scenario::Scenario& scenario, const World& world,
                                  Subject& subject) {
  Needs needs(subject, world);
  needs.look_for_entries(scenario);
  for (const scenario::Step& step : scenario.steps) {
    std::visit([&](const auto& what) { needs.visit(what); }, step.what);
  }
  return needs.take();
}

}  // namespace iommucheck::oracle::stories
