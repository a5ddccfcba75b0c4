// SPDX-License-Identifier: MIT
#include "tests/capi/door_support.h"

#include <gtest/gtest.h>

#include <cstring>

#include "check/lockstep.h"
#include "check/record_case.h"
#include "check/sequence.h"
#include "impl/driver.h"
#include "trace/c_layout.h"
#include "trace/json.h"

namespace iommucheck::oracle {

struct StructWriter {
  EventStruct& out;
  std::vector<u64>& members;  ///< of the event, or of its call's arguments
  u64 known = 0;
  unsigned facts = 0;

  void number(u64 value) { members.push_back(value); }
  void pointer(const void* address) {
    u64 value = 0;
    std::memcpy(&value, &address, sizeof value);
    number(value);
  }

  template <class T>
  void operator()(const trace::FieldInfo& /*field*/, const T& member) {
    if constexpr (std::is_same_v<T, trace::CallArguments>) {
      number(member.index());
      // Its place does not move any more once all of it is there.
      pointer(out.arguments_.data());
    } else {
      write(member);
    }
  }
  template <class T>
  void operator()(const trace::FieldInfo& /*field*/, const std::optional<T>& member) {
    if (member) known |= u64{1} << facts;
    ++facts;
    if (member) return write(*member);
    constexpr unsigned count = trace::c_members(trace::c_shape<T>());
    for (unsigned i = 0; i < count; ++i) number(0xdead'beef'dead'beef);  // nobody may look
  }

  template <class T>
    requires(std::unsigned_integral<T> || std::is_enum_v<T>)
  void write(T value) {
    number(static_cast<u64>(value));
  }
  void write(trace::Rights rights) {
    number((rights.read ? IOMMUCHECK_RIGHT_READ : 0U) |
           (rights.write ? IOMMUCHECK_RIGHT_WRITE : 0U) |
           (rights.execute ? IOMMUCHECK_RIGHT_EXECUTE : 0U));
  }
  void write(trace::Substream ssid) { number(ssid.valid ? ssid.value : IOMMUCHECK_NO_SUBSTREAM); }
  void write(const std::string& text) { pointer(out.texts_.emplace_back(text).c_str()); }
  void write(const trace::CommandWords& command) {
    number(command.low);
    number(command.high);
  }
  template <std::size_t n>
  void write(const std::array<u64, n>& words) {
    pointer(out.lists_.emplace_back(words.begin(), words.end()).data());
  }
  template <class Item>
  void write(const std::vector<Item>& items) {
    std::vector<u64>& list = out.lists_.emplace_back();
    for (const Item& item : items) {
      if constexpr (std::is_same_v<Item, u64>) {
        list.push_back(item);
      } else {
        for_each_field(item,
                       [&](const trace::FieldInfo&, const u64& word) { list.push_back(word); });
      }
    }
    pointer(list.empty() ? nullptr : list.data());
    number(items.size());
  }
};

EventStruct::EventStruct(const trace::Event& event) {
  members_.resize(sizeof(iommucheck_event) / 8);
  if (const auto* call = std::get_if<trace::Call>(&event.payload)) {
    arguments_.resize(sizeof(iommucheck_arguments) / 8);
    StructWriter writer{.out = *this, .members = arguments_};
    trace::visit([&](const auto& arguments) { for_each_field(arguments, writer); }, call->call);
    const iommucheck_arguments head{.size = static_cast<u32>(8 * arguments_.size()),
                                    .abi = IOMMUCHECK_MONITOR_ABI,
                                    .known = writer.known};
    std::memcpy(arguments_.data(), &head, sizeof head);
  }
  StructWriter writer{.out = *this, .members = members_};
  trace::visit([&](const auto& payload) { for_each_field(payload, writer); }, event.payload);
  iommucheck_event head{};
  head.size = static_cast<u32>(8 * members_.size());
  head.abi = IOMMUCHECK_MONITOR_ABI;
  head.kind = static_cast<u32>(event.payload.index());
  head.agent = static_cast<u32>(event.agent);
  head.known = writer.known | (event.origin ? IOMMUCHECK_KNOWN_ORIGIN : 0);
  head.origin = event.origin.value_or(0);
  std::memcpy(members_.data(), &head, sizeof head);
}

trace::Header door_header() {
  static const trace::Header header = clean_trace().header;
  return header;
}

MonitorPtr open_monitor(const trace::Header& header) {
  MonitorPtr monitor(iommucheck_monitor_open(trace::to_json(header).c_str()));
  EXPECT_NE(monitor, nullptr) << iommucheck_monitor_last_error(nullptr);
  return monitor;
}

std::vector<std::string> said(iommucheck_monitor* monitor) {
  std::vector<std::string> lines;
  for (u32 i = 0; i < static_cast<u32>(iommucheck_monitor_findings(monitor)); ++i) {
    iommucheck_finding finding{};
    finding.size = sizeof finding;
    finding.abi = IOMMUCHECK_MONITOR_ABI;
    EXPECT_EQ(iommucheck_monitor_finding(monitor, i, &finding), 0);
    lines.push_back(std::string(finding.rule) + " " + finding.party + " " + finding.text + " at " +
                    std::to_string(finding.report) + " " + std::to_string(finding.event));
    for (u32 line = 0; line < finding.evidence; ++line) {
      lines.emplace_back(iommucheck_monitor_evidence(monitor, i, line));
    }
  }
  iommucheck_summary all{};
  all.size = sizeof all;
  all.abi = IOMMUCHECK_MONITOR_ABI;
  EXPECT_EQ(iommucheck_monitor_summary(monitor, &all), 0);
  for (const u64 number : {all.reported, all.judged, all.accepted, all.flagged, all.undetermined,
                           all.findings, all.gave_up}) {
    lines.push_back(std::to_string(number));
  }
  u64 events = 0;
  for (u32 i = 0; const char* fact = iommucheck_monitor_missing(monitor, i, &events); ++i) {
    lines.push_back(std::to_string(events) + " " + fact);
  }
  iommucheck_rule rule{};
  rule.size = sizeof rule;
  rule.abi = IOMMUCHECK_MONITOR_ABI;
  for (u32 i = 0; iommucheck_monitor_rule(monitor, i, &rule) == 0; ++i) {
    lines.push_back(std::string(rule.rule) + " " + std::to_string(rule.verdict) + " " +
                    std::to_string(rule.kept) + " " + std::to_string(rule.discriminating) + " " +
                    std::to_string(rule.broken) + " " + rule.why);
  }
  return lines;
}

namespace {

iommucheck_platform real_platform;
iommucheck_platform broken_platform;

int broken_init(const iommucheck_platform* platform, const iommucheck_config* config, void** self) {
  real_platform = *platform;
  broken_platform = *platform;
  broken_platform.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
    constexpr u64 tlbi_nh_va = 0x12;
    constexpr u64 prefetch = 0x01;
    real_platform.store64(ctx, pa, (value & 0xff) == tlbi_nh_va ? prefetch : value);
  };
  return impl::builtin_driver()->init(&broken_platform, config, self);
}

CaseRecord record(const iommucheck_driver& driver, u64 number) {
  Sequence sequence;
  make_sequence(7, number, 20, sequence);
  sequence.ends = {.whole_space = false, .teardown = true};
  return record_case(driver, {}, sequence);
}

}  // namespace

trace::Trace clean_trace() { return record(*impl::builtin_driver(), 3).trace; }

trace::Trace broken_trace() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.init = broken_init;
  for (u64 number = 0; number < 200; ++number) {
    CaseRecord found = record(driver, number);
    if (!found.findings.empty()) return std::move(found.trace);
  }
  ADD_FAILURE() << "the mistake was not found";
  return {};
}

}  // namespace iommucheck::oracle
