// SPDX-License-Identifier: MIT
#include "monitor/beside.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "monitor/event_smmu.h"
#include "monitor/monitor.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

constexpr u32 number_in(u64 what) { return static_cast<u32>(what >> 32); }
constexpr u32 without_number(u64 what) { return static_cast<u32>(what); }

}  // namespace

class Beside::Relay final : public Sink {
 public:
  explicit Relay(Beside& first) : first_(first) {}
  void event(const trace::Event& event) override {
    if (first_.watches_ != nullptr) first_.watches_->event(event);
    if (!first_.is_fed_ && !is_of_an_smmu(event)) first_.tell_others(event);
  }

 private:
  Beside& first_;
};

class Beside::Named final : public Sink {
 public:
  Named(Beside& first, u32 number) : first_(first), number_(number) {}
  void event(const trace::Event& event) override {
    if (first_.watches_ == nullptr || first_.is_fed_) return;
    first_.go_on_at(std::max(first_.now(), first_.others_[number_ - 1]->now()));
    trace::Event named = event;
    name_smmu(named, number_);
    first_.watches_->event(named);
  }

 private:
  Beside& first_;
  u32 number_;
};

Beside::Beside(const Setup& setup) : OtherSmmuEvents(setup) {
  const bool is_first = setup.registers_each && setup.smmu == 0;
  if (!is_first || !setup.calls_are_known || setup.hardware || setup.other_smmu) return;
  u32 last = 0;
  for (const spec::sva::DeviceSetup& device : setup.devices) {
    last = std::max(last, std::min(device.iommu_number, Setup::smmus_max - 1));
  }
  for (u32 number = 1; number <= last; ++number) {
    Setup its = setup;
    its.smmu = number;
    its.window_memory = nullptr;
    others_.push_back(std::make_unique<Monitor>(its));
  }
  if (others_.empty()) return;
  relay_ = std::make_unique<Relay>(*this);
  OtherSmmuEvents::set_sink(relay_.get());
  // What one writes the others find in memory.
  const auto tell_of_stores = [this](TraceFeeder* writer) {
    writer->caches().memory().on_device_store_for_others([this, writer](u64 pa, u64 value, u64) {
      if (std::exchange(stores_, true)) return;
      if (writer != this) others_store(pa, value);
      for (const auto& other : others_) {
        if (other.get() != writer) other->others_store(pa, value);
      }
      stores_ = false;
    });
  };
  tell_of_stores(this);
  for (const auto& other : others_) tell_of_stores(other.get());
}

Beside::~Beside() = default;

u32 Beside::smmu_number_of(u32 device) const {
  if (others_.empty() || device >= setup_.devices.size()) return 0;
  const u32 number = setup_.devices[device].iommu_number;
  return number < smmu_count() ? number : 0;
}

spec::Smmu& Beside::smmu(u32 number) {
  return number == 0 ? OtherSmmuEvents::smmu() : others_[number - 1]->smmu();
}

void Beside::set_sink(Sink* sink) {
  if (others_.empty()) return OtherSmmuEvents::set_sink(sink);
  watches_ = sink;
}

void Beside::set_excuses(Excuses* excuses) {
  OtherSmmuEvents::set_excuses(excuses);
  for (const auto& other : others_) other->set_excuses(excuses);
}

void Beside::go_on_at(EventIndex now) {
  case_.now = now;
  caches_.set_now(now);
}

/// All of them number events alike.
template <class Act>
auto Beside::by_another(u32 number, const Act& act) {
  Monitor& other = *others_[number - 1];
  Named named(*this, number);
  other.go_on_at(std::max(case_.now, other.now()));
  other.set_sink(&named);
  const auto behind = [&] {
    other.set_sink(nullptr);
    go_on_at(std::max(case_.now, other.now()));
    take_from(number);
  };
  if constexpr (std::is_void_v<decltype(act(other))>) {
    act(other);
    behind();
  } else {
    const auto result = act(other);
    behind();
    return result;
  }
}

void Beside::tell_others(const trace::Event& event) {
  trace::Event its = event;
  its.origin = case_.now;
  for (u32 number = 1; number < smmu_count(); ++number) {
    others_[number - 1]->feed(its);
    take_from(number);
  }
}

/// The first one has found what another one has.
void Beside::take_from(u32 number) {
  for (Finding& finding : others_[number - 1]->take_findings(0)) {
    finding.smmu = number;
    find(std::move(finding));
  }
}

// ---- registers, interrupts, accesses ------------------------------------------------------------

void Beside::mmio_write(AgentId by, u64 offset, unsigned size, u64 value, bool ordered) {
  const u32 at = without_number(offset);
  const u32 number = number_in(offset);
  if (number == 0) {
    OtherSmmuEvents::mmio_write(by, at, size, value, ordered);
  } else {
    by_another(number, [&](Monitor& its) { its.mmio_write(by, at, size, value, ordered); });
  }
  if (ordered) order_others(by, number);
}

/// An ordered write to one SMMU makes earlier stores visible to all.
void Beside::order_others(AgentId by, u32 than) {
  if (others_.empty()) return;
  if (than != 0) make_visible(by);
  for (u32 number = 1; number < smmu_count(); ++number) {
    if (number != than) by_another(number, [&](Monitor& its) { its.make_visible(by); });
  }
}

u64 Beside::device_read(AgentId by, u64 offset, unsigned size, spec::Choices& choices) {
  const u32 at = without_number(offset);
  const u32 number = number_in(offset);
  if (number == 0) return OtherSmmuEvents::device_read(by, at, size, choices);
  return by_another(number, [&](Monitor& its) { return its.device_read(by, at, size, choices); });
}

void Beside::irq(AgentId by, u64 source) {
  const u32 number = number_in(source);
  if (number == 0) return OtherSmmuEvents::irq(by, without_number(source));
  by_another(number, [&](Monitor& its) { its.irq(by, without_number(source)); });
}

bool Beside::device_access(const spec::Access& access, spec::Choices& choices,
                           std::optional<PageAsked> asked) {
  const u32 number = others_.empty() ? 0 : smmu_number_of(interface_.device_of(access.sid));
  if (number == 0) return OtherSmmuEvents::device_access(access, choices, asked);
  return by_another(number,
                    [&](Monitor& its) { return its.device_access(access, choices, asked); });
}

bool Beside::look_for_interrupt(u32 number, spec::Choices& choices) {
  if (number == 0) return OtherSmmuEvents::look_for_interrupt(choices);
  return by_another(number, [&](Monitor& its) { return its.look_for_interrupt(0, choices); });
}

Beside::Messages Beside::look_for_messages(spec::Choices& choices) {
  Messages came = OtherSmmuEvents::look_for_messages(choices);
  for (u32 number = 1; number < smmu_count(); ++number) {
    const Messages its =
        by_another(number, [&](Monitor& one) { return one.look_for_messages(choices); });
    came.insert(came.end(), its.begin(), its.end());
  }
  return came;
}

bool Beside::awaits_messages() {
  for (u32 number = 0; number < smmu_count(); ++number) {
    if (smmu(number).awaits_messages()) return true;
  }
  return false;
}

bool Beside::is_message_word(u64 pa, u64 bytes) {
  for (u32 number = 0; number < smmu_count(); ++number) {
    if (smmu(number).is_message_word(pa, bytes)) return true;
  }
  return false;
}

u64 Beside::progress_made() {
  u64 made = 0;
  for (u32 number = 0; number < smmu_count(); ++number) made += smmu(number).progress_made();
  return made;
}

// ---- ends ---------------------------------------------------------------------------------------

void Beside::check_whole_space() {
  OtherSmmuEvents::check_whole_space();
  for (u32 number = 1; number < smmu_count() && findings().empty(); ++number) {
    by_another(number, [](Monitor& its) { its.check_whole_space(); });
  }
}

void Beside::account(u64 blocks_held, u64 pins_held) {
  OtherSmmuEvents::account(blocks_held, pins_held);
  for (u32 number = 1; number < smmu_count() && findings().empty(); ++number) {
    by_another(number, [](Monitor& its) { its.account(0, 0); });
  }
}

bool Beside::gave_up() const {
  return OtherSmmuEvents::gave_up() ||
         std::ranges::any_of(others_, [](const auto& other) { return other->gave_up(); });
}

std::string Beside::bound() const {
  std::string bound = OtherSmmuEvents::bound();
  for (u32 i = 0; i < others_.size() && bound.empty(); ++i) {
    const std::string its = others_[i]->bound();
    if (!its.empty()) bound = fmt::format("SMMU {}: {}", i + 1, its);
  }
  return bound;
}

const std::string& Beside::unsupported() const {
  const std::string* found = &OtherSmmuEvents::unsupported();
  for (u32 i = 0; i < others_.size() && found->empty(); ++i) found = &others_[i]->unsupported();
  return *found;
}

void Beside::begin_case_beside(EventIndex now) {
  for (const auto& other : others_) {
    other->go_back_to_ready();
    other->begin_case(now);
  }
}

void Beside::forget_the_past_beside() {
  for (const auto& other : others_) other->forget_the_past();
}

// ---- traces -------------------------------------------------------------------------------------

void Beside::feed(const trace::Event& event) {
  if (others_.empty()) return OtherSmmuEvents::feed(event);
  const bool by_device = trace::agent_kind(event.agent) == trace::AgentKind::device;
  const bool by_smmu = trace::agent_kind(event.agent) == trace::AgentKind::smmu;
  const u32 agent = trace::agent_number(event.agent);
  const u32 number = named_smmu(event).value_or(by_smmu     ? agent
                                                : by_device ? smmu_number_of(agent)
                                                            : 0);
  const bool is_its_own = is_of_an_smmu(event);
  const auto* write = std::get_if<trace::MmioWrite>(&event.payload);
  const bool orders = write != nullptr && write->ordered.value_or(false);
  is_fed_ = true;
  if (!is_its_own || number == 0 || number >= smmu_count()) {
    OtherSmmuEvents::feed(event);
    if (!is_its_own) tell_others(event);
    if (orders) order_others(event.agent, 0);
  } else {
    trace::Event its = event;
    name_smmu(its, 0);
    by_another(number, [&](Monitor& monitor) { monitor.feed(its); });
    if (orders) order_others(event.agent, number);
  }
  is_fed_ = false;
}

void Beside::finish() {
  OtherSmmuEvents::finish();
  for (u32 number = 1; number < smmu_count(); ++number) {
    by_another(number, [](Monitor& its) { its.finish(); });
  }
}

}  // namespace iommucheck::oracle
