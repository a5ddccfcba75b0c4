// SPDX-License-Identifier: MIT
#include "check/driver_program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <type_traits>
#include <utility>
#include <vector>

#include "check/driver_program_text.h"
#include "check/machine.h"
#include "iommucheck/driver.h"
#include "report/program_text.h"

namespace iommucheck::oracle {

namespace {

using trace::CallName;

// ---- arguments, as C writes them ----------------------------------------------------------------

u32 prot_of(const trace::Rights& rights, bool privileged, bool device_memory) {
  return (rights.read ? 1U : 0U) | (rights.write ? 2U : 0U) | (rights.execute ? 4U : 0U) |
         (privileged ? 8U : 0U) | (device_memory ? 0x10U : 0U);
}

template <class Struct, class Value>
std::string argument(const Struct& call, const Value& value) {
  if constexpr (std::is_same_v<Value, trace::Rights>) {
    bool privileged = false, device_memory = false;
    if constexpr (requires { call.privileged; }) privileged = call.privileged.value_or(false);
    if constexpr (requires { call.device_memory; }) {
      device_memory = call.device_memory.value_or(false);
    }
    return fmt::format("{:#x}", prot_of(value, privileged, device_memory));
  } else if constexpr (std::is_same_v<Value, trace::Ranges>) {
    std::vector<std::string> pieces;
    for (const trace::Range& one : value) {
      pieces.push_back(fmt::format("{{{:#x}, {:#x}}}", one.base, one.length));
    }
    return fmt::format("(const struct iommucheck_sg[]){{{}}}, {}",
                       pieces.empty() ? "{0, 0}" : fmt::format("{}", fmt::join(pieces, ", ")),
                       value.size());
  } else if constexpr (std::is_same_v<Value, trace::Commands>) {
    std::vector<std::string> words;
    for (const trace::CommandWords& one : value) {
      words.push_back(fmt::format("{:#x}, {:#x}", one.low, one.high));
    }
    return fmt::format("(const uint64_t[]){{{}}}, {}",
                       words.empty() ? "0" : fmt::format("{}", fmt::join(words, ", ")),
                       value.size());
  } else if constexpr (std::is_same_v<Value, trace::Substream>) {
    return fmt::format("{:#x}", value.value);
  } else {
    return fmt::format("{:#x}", static_cast<u64>(value));
  }
}

/// `, a, b`: all that calls.def says of it.
std::string arguments_of(const trace::CallArguments& call) {
  std::string text;
#define ARGUMENT(Type, name, words) text += ", " + argument(its, its.name);
#define FACT(Type, name, words)
#define CALL(name, Struct, ...)                                       \
  if (const auto* found = std::get_if<trace::calls::Struct>(&call)) { \
    [[maybe_unused]] const auto& its = *found;                        \
    CALL_ARGUMENTS(__VA_ARGS__)                                       \
  }
#define CALL_ARGUMENTS(group, state, effect, result, words, ...) __VA_ARGS__
#include "base/calls.def"
#undef CALL_ARGUMENTS
#undef CALL
#undef FACT
#undef ARGUMENT
  return text;
}

/// The parameters of domain_alloc, and the call.
std::string domain_alloc(const trace::calls::DomainAlloc& call) {
  const auto kind = static_cast<u32>(call.kind);
  const u64 parent = call.parent ? static_cast<u64>(*call.parent) : 0;
  std::string more;
  if (call.kind == trace::DomainKind::dynamic) {
    more = fmt::format(
        "struct iommucheck_dynamic_params m = {{sizeof m, IOMMUCHECK_DRIVER_ABI, {:#x}}}; "
        "p.of_kind = &m; ",
        parent);
  }
  const std::string iommu =
      call.iommu ? std::to_string(static_cast<u32>(*call.iommu))
                 : "drv->flags & IOMMUCHECK_DRIVER_SEVERAL_IOMMUS ? IOMMUCHECK_ANY_IOMMU : 0";
  return fmt::format(
      "{{ struct iommucheck_domain_params p = {{sizeof p, IOMMUCHECK_DRIVER_ABI, {}, {}, {}, 0, "
      "NULL}}; {}s = drv->domain_alloc(self, &p, value); }}",
      kind, call.input_bits.value_or(0), iommu, more);
}

std::string dirty_read(const trace::calls::DirtyRead& call) {
  const u64 bits = call.grain == 0 ? 0 : call.size / call.grain;
  return fmt::format(
      "{{ uint64_t *bits = calloc({}, 8); s = drv->dirty_read(self{}, bits); free(bits); }}",
      std::min<u64>(bits, u64{1} << 20) / 64 + 1, arguments_of(trace::CallArguments(call)));
}

/// The statement that makes the call: `s` and `*value` are what it answers.
std::string statement(const trace::CallArguments& call) {
  if (const auto* alloc = std::get_if<trace::calls::DomainAlloc>(&call))
    return domain_alloc(*alloc);
  if (const auto* dirty = std::get_if<trace::calls::DirtyRead>(&call)) return dirty_read(*dirty);
  const trace::CallInfo& its = trace::info(call);
  const std::string made = fmt::format("drv->{}(self{}", its.name, arguments_of(call));
  switch (its.result) {
    case trace::ResultKind::bytes:
    case trace::ResultKind::count:
      return fmt::format("{{ struct iommucheck_result r = {}); s = r.error; *value = r.bytes; }}",
                         made);
    case trace::ResultKind::address: return fmt::format("*value = {});", made);
    case trace::ResultKind::pasid:
      return fmt::format("{{ uint32_t n = 0; s = {}, &n); *value = n; }}", made);
    case trace::ResultKind::handle:
    case trace::ResultKind::drvdata:
    case trace::ResultKind::attribute: return fmt::format("s = {}, value);", made);
    default: return fmt::format("s = {});", made);
  }
}

/// Whether a program can make it.
bool is_plain(const trace::CallArguments& call) {
  switch (static_cast<CallName>(call.index())) {
    case CallName::bind_device:
    case CallName::bind_task:
    case CallName::fault_queue_open:
    case CallName::fault_queue_read:
    case CallName::fault_handler_set:
    case CallName::event_queue_open:
    case CallName::event_read: return false;
    case CallName::domain_alloc: {
      const auto kind = std::get<trace::calls::DomainAlloc>(call).kind;
      return kind != trace::DomainKind::nested && kind != trace::DomainKind::nested_pasid;
    }
    default: return true;
  }
}

// ---- steps --------------------------------------------------------------------------------------

struct Steps {
  std::string rows;
  std::string calls;  // cases of a switch, by number of the call
  u64 count = 0;

  void row(std::size_t line, const char* kind, u64 size = 0, u64 a = 0, u64 b = 0, u64 c = 0) {
    rows += fmt::format("    {{{}, {}, {:#x}, {:#x}, {:#x}, {}}},\n", kind, size, a, b, c, line);
  }
};

/// The driver's own thread: whatever else happens is answered by what it reads.
constexpr AgentId driver_agent = trace::cpu_agent(0);

class Writer {
 public:
  Expected<Steps> take(const trace::Trace& trace) {
    for (std::size_t i = 0; i < trace.events.size(); ++i) {
      line_ = i + 2;  // behind the header
      const trace::Event& event = trace.events[i];
      if (auto ok = add(event); !ok) return std::unexpected(ok.error());
    }
    return std::move(steps_);
  }

 private:
  Expected<void> cannot(const std::string& what) const {
    return fail(ErrorCode::unsupported,
                fmt::format("line {} of the trace: {}; iommucheck replay --driver shows it again",
                            line_, what));
  }

  Expected<void> add(const trace::Event& event) {
    if (const auto* call = std::get_if<trace::Call>(&event.payload)) return add_call(*call);
    if (const auto* phase = std::get_if<trace::DriverPhase>(&event.payload)) {
      return add_phase(phase->phase);
    }
    if (std::holds_alternative<trace::CallWait>(event.payload) ||
        std::holds_alternative<trace::Callback>(event.payload)) {
      return cannot("a call waits for a handler, or one is called, which a program has not got");
    }
    if (std::holds_alternative<trace::Invalidate>(event.payload) ||
        std::holds_alternative<trace::Release>(event.payload)) {
      return cannot("a process is bound, whose address space is not in the trace");
    }
    trace::visit([&](const auto& payload) { take(payload, event.agent == driver_agent); },
                 event.payload);
    return {};
  }

  Expected<void> add_call(const trace::Call& call) {
    const trace::CallInfo& its = trace::info(call.call);
    if (!is_plain(call.call)) {
      return cannot(fmt::format(
          "{} needs processes, handlers or users, which a program has not got", its.name));
    }
    steps_.row(line_, "CALL", 0, steps_.count, trace_number(call));
    steps_.calls += fmt::format("    case {}: if (!drv->{}) return not_there(\"{}\"); {} break;\n",
                                steps_.count++, its.name, its.name, statement(call.call));
    return {};
  }
  /// 1: `value` counts beside an error, too.
  static u64 trace_number(const trace::Call& call) {
    const trace::ResultKind result = trace::info(call.call).result;
    return result == trace::ResultKind::bytes || result == trace::ResultKind::count ? 1 : 0;
  }

  Expected<void> add_phase(trace::DriverLife phase) {
    switch (phase) {
      case trace::DriverLife::starting: steps_.row(line_, "START"); break;
      case trace::DriverLife::ready: steps_.row(line_, "READY"); break;
      case trace::DriverLife::restored: steps_.row(line_, "RESTORED"); break;
      case trace::DriverLife::stopping: steps_.row(line_, "STOP"); break;
    }
    return {};
  }

  void take(const trace::Return& one, bool /*driver*/) {
    steps_.row(line_, "RETURN", 0, static_cast<u64>(one.status), one.value.value_or(0),
               one.value ? 1 : 0);
  }
  void take(const trace::Store& one, bool driver) {
    if (driver) {
      steps_.row(line_, "STORE", one.size, one.pa, one.value.value_or(0),
                 one.value_high.value_or(0));
    }
  }
  void take(const trace::Fill& one, bool driver) {
    if (driver) steps_.row(line_, "FILL", 8, one.pa, one.value, one.words);
  }
  void take(const trace::Load& one, bool driver) {
    if (driver) steps_.row(line_, "LOAD", one.size, one.pa, one.value.value_or(0));
  }
  void take(const trace::Rmw& one, bool driver) {
    if (driver) {
      steps_.row(line_, "ATOMIC", one.size, one.pa, one.old_value.value_or(0),
                 one.value.value_or(0));
    }
  }
  void take(const trace::Barrier& one, bool driver) {
    const u64 completes = one.completes.value_or(false) ? 0x100 : 0;
    if (driver) steps_.row(line_, "BARRIER", 0, static_cast<u64>(one.kind) | completes);
  }
  void take(const trace::CacheClean& one, bool driver) {
    if (driver) steps_.row(line_, "CLEAN", 0, one.pa, one.length);
  }
  void take(const trace::CacheInvalidate& one, bool driver) {
    if (driver) steps_.row(line_, "INVALIDATE", 0, one.pa, one.length);
  }
  void take(const trace::Alloc& one, bool driver) {
    const bool cacheable = one.cacheable.value_or(true);
    if (driver) steps_.row(line_, cacheable ? "ALLOC" : "ALLOC_UNCACHED", 0, one.pa, one.length);
  }
  void take(const trace::Free& one, bool driver) {
    if (driver) steps_.row(line_, "FREE", 0, one.pa, one.length);
  }
  void take(const trace::AllocationFailure& /*one*/, bool /*driver*/) {
    steps_.row(line_, "NO_MEMORY");
  }
  template <class Payload>
  static u64 at(const Payload& one) {
    return IOMMUCHECK_OF_IOMMU(one.iommu.value_or(0), one.offset);
  }
  void take(const trace::MmioWrite& one, bool driver) {
    if (driver) steps_.row(line_, "WRITE", one.size, at(one), one.value);
  }
  void take(const trace::MmioRead& one, bool driver) {
    if (driver) steps_.row(line_, "READ", one.size, at(one), one.value);
  }
  void take(const trace::BackendHook& one, bool /*driver*/) {
    const u64 answer = one.is_null.value_or(false) ? 1 : 0;
    steps_.row(line_, "HOOK", 0, static_cast<u64>(one.hook), answer, one.error.value_or(0));
  }
  void take(const trace::EndpointAts& one, bool /*driver*/) {
    steps_.row(line_, "ATS", 0, static_cast<u64>(one.device), one.on ? 1 : 0);
  }
  void take(const trace::BroadcastTlbi& one, bool driver) {
    if (!driver) return;
    u64 flags = one.leaf.value_or(false) ? IOMMUCHECK_TLBI_LEAF : 0;
    if (one.world == trace::CpuWorld::el2) flags |= IOMMUCHECK_TLBI_EL2;
    if (one.world == trace::CpuWorld::el2_e2h) flags |= IOMMUCHECK_TLBI_EL2_E2H;
    steps_.row(line_, "TLBI", 0,
               static_cast<u64>(one.scope) | flags << 8 | u64{one.vmid.value_or(0)} << 16 |
                   u64{one.asid.value_or(0)} << 32,
               one.va.value_or(0), one.length.value_or(0));
  }
  void take(const trace::Irq& one, bool /*driver*/) {
    steps_.row(line_, "IRQ", 0, IOMMUCHECK_OF_IOMMU(one.iommu.value_or(0), one.kind));
  }
  void take(const trace::Held& /*one*/, bool /*driver*/) { steps_.row(line_, "HELD"); }
  void take(const trace::DeviceRemove& one, bool /*driver*/) {
    if (one.phase != trace::Phase::end) {
      steps_.row(line_, "REMOVE", 0, static_cast<u64>(one.device));
    }
  }
  void take(const trace::DeviceAdd& one, bool /*driver*/) {
    if (one.phase != trace::Phase::end) steps_.row(line_, "ADD", 0, static_cast<u64>(one.device));
  }
  template <class Payload>
  void take(const Payload& /*payload*/, bool /*driver*/) {}

  Steps steps_;
  std::size_t line_ = 0;
};

// ---- what the driver is told --------------------------------------------------------------------

u32 iommu_of(const trace::DeviceInfo& device) {
  return static_cast<u32>(device.iommu.value_or(trace::IommuId{}));
}

u32 iommu_count(const trace::Header& header) {
  u32 last = 0;
  for (const trace::DeviceInfo& its : header.devices.value_or(trace::Devices{})) {
    last = std::max(last, iommu_of(its));
  }
  return last + 1;
}

std::string devices_of(const trace::Header& header) {
  std::string text, sids;
  u32 number = 0;
  for (const trace::DeviceInfo& its : header.devices.value_or(trace::Devices{})) {
    const u32 pasids = its.pasids.value_or(0);
    const u32 flags = (its.ats.value_or(false) ? 1U : 0U) | (its.pri.value_or(false) ? 2U : 0U) |
                      (its.stall.value_or(false) ? 4U : 0U) | (its.svm.value_or(true) ? 0U : 8U) |
                      (its.explicit_maps.value_or(true) ? 0U : 0x10U);
    sids += fmt::format("static const uint32_t sids{}[] = {{{:#x}}};\n", number,
                        fmt::join(its.sids, ", "));
    // As the checker numbers those that are alone.
    const u32 group = its.group.value_or((u32{1} << 16) + number);
    text += fmt::format(
        "    {{sizeof(struct iommucheck_device), IOMMUCHECK_DRIVER_ABI, sids{}, {}, {:#x}, {}, "
        "{:#x}, {}, 0}},\n",
        number, its.sids.size(), flags, pasids == 0 ? 0 : std::bit_width(pasids - 1), group,
        iommu_of(its));
    ++number;
  }
  return sids + "static const struct iommucheck_device devices[] = {\n" + text + "};\n";
}

u64 hooks_missing(const trace::Header& header) {
  if (!header.hooks) return 0;
  constexpr std::pair<trace::HookKind, u64> flags[] = {{trace::HookKind::mm_alloc, 1},
                                                       {trace::HookKind::mm_free, 2},
                                                       {trace::HookKind::mm_attach, 4},
                                                       {trace::HookKind::mm_detach, 8}};
  u64 missing = 0;
  for (const auto& [hook, flag] : flags) {
    if (std::ranges::find(*header.hooks, trace::to_string(hook)) == header.hooks->end()) {
      missing |= flag;
    }
  }
  return missing;
}

struct Told {
  u32 cmdq_log2size = 0;
  u64 flags = 0;
};
Told told(const trace::Header& header) {
  Told all{.flags = hooks_missing(header)};
  if (!header.about || !header.about->contains("machine")) return all;
  if (const auto machine = parse_machine(header.about->at("machine"))) {
    all.cmdq_log2size = machine->cmdq_log2size;
  }
  return all;
}

}  // namespace

bool is_of_driver(const trace::Trace& trace) {
  return std::ranges::any_of(trace.events, [](const trace::Event& event) {
    const auto* phase = std::get_if<trace::DriverPhase>(&event.payload);
    return phase != nullptr && phase->phase == trace::DriverLife::starting;
  });
}

Expected<std::string> driver_program(const trace::Trace& trace, const std::string& about) {
  if (!is_of_driver(trace) || !trace.header.ram || trace.header.ram->empty()) {
    return fail(ErrorCode::bad_input, "a trace of no driver's boot: check writes them");
  }
  auto steps = Writer().take(trace);
  if (!steps) return std::unexpected(steps.error());
  const Told its = told(trace.header);
  std::string text = driver_program_text;
  fill_in(text, "@ABOUT@", c_comment(about));
  fill_in(text, "@WINDOW_PA@", fmt::format("{:#x}", trace.header.ram->front().base));
  fill_in(text, "@WINDOW_BYTES@", fmt::format("{:#x}", trace.header.ram->front().length));
  fill_in(text, "@DEVICES@", devices_of(trace.header));
  fill_in(text, "@CMDQ@", std::to_string(its.cmdq_log2size));
  fill_in(text, "@IOMMUS@", std::to_string(iommu_count(trace.header)));
  fill_in(text, "@FLAGS@", fmt::format("{:#x}", its.flags));
  fill_in(text, "@CALLS@", steps->calls);
  fill_in(text, "@STEPS@", steps->rows);
  return text;
}

}  // namespace iommucheck::oracle
