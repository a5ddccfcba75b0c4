// SPDX-License-Identifier: MIT
#include "tests/monitor/replay_support.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "import/smmu_watch.h"
#include "tests/places.h"
#include "trace/agent.h"
#include "trace/file.h"

namespace iommucheck::oracle {
namespace {

constexpr u64 cmdq_prod = 0x98;
constexpr u64 cmdq_cons = 0x9c;
constexpr u64 cmdq_base = 0x90;
constexpr u64 tlbi_nh_va = 0x12;
constexpr u64 cmd_sync = 0x46;
constexpr u64 output_mask = 0xfffffffff000;

struct Range {
  u64 asid = 0, first = 0, last = 0;
};

/// What a TLBI_NH_VA of the 4 KiB granule covers (IHI 0070 4.4.1.1).
Range range_of(u64 low, u64 high) {
  const u64 scale = (low >> 20) & 31;
  const u64 num = (low >> 12) & 31;
  const u64 first = high & ~u64{0xfff};
  return {low >> 48, first, first + (((num + 1) << scale) << 12) - 1};
}

constexpr u32 devices_apart = 100;

bool is_shared(const trace::Event& event) {
  const trace::Side side = trace::info(trace::kind_of(event)).side;
  return trace::agent_kind(event.agent) != trace::AgentKind::smmu &&
         side != trace::Side::driver_registers && side != trace::Side::device_iommu;
}

/// The event, of SMMU 1.
trace::Event of_second(trace::Event event) {
  if (trace::agent_kind(event.agent) == trace::AgentKind::smmu) event.agent = trace::smmu_agent(1);
  if (trace::agent_kind(event.agent) == trace::AgentKind::device) {
    event.agent =
        trace::device_agent(static_cast<u16>(trace::agent_number(event.agent) + devices_apart));
  }
  if (auto* write = std::get_if<trace::MmioWrite>(&event.payload)) write->iommu = 1;
  if (auto* read = std::get_if<trace::MmioRead>(&event.payload)) read->iommu = 1;
  return event;
}

}  // namespace

EditedRecording EditedRecording::read(const std::string& name) {
  EditedRecording recording;
  auto lines =
      trace::LineReader::open(test::in_tree("tests/data/recordings/") + name + ".jsonl.zst");
  EXPECT_TRUE(lines) << lines.error().message;
  if (!lines) return recording;
  std::string text;
  while (true) {
    const auto more = lines->next(text);
    EXPECT_TRUE(more);
    if (!more || !*more) return recording;
    recording.lines.push_back(nlohmann::json::parse(text));
  }
}

u64 EditedRecording::hex(std::size_t line, const char* key) const {
  return std::stoull(lines[line].at(key).get<std::string>(), nullptr, 16);
}

void EditedRecording::set_hex(std::size_t line, const char* key, u64 value) {
  lines[line][key] = fmt::format("{:#x}", value);
}

bool EditedRecording::is_write(std::size_t line, u64 offset) const {
  return type(line) == "w" && hex(line, "off") == offset;
}

bool EditedRecording::is_read(std::size_t line, u64 offset) const {
  return type(line) == "r" && hex(line, "off") == offset;
}

u64 EditedRecording::opcode(std::size_t line) const {
  return type(line) == "cmd" ? hex(line, "lo") & 0xff : 0;
}

void EditedRecording::drop_command(std::size_t line) {
  u64 lg2 = 0;
  for (std::size_t i = 0; i < line; ++i) {
    if (is_write(i, cmdq_base)) lg2 = hex(i, "v") & 31;
  }
  const u64 indices = u64{2} << lg2;
  const u64 slots = u64{1} << lg2;
  std::size_t exposed = line;  // the write of PROD that exposed it
  while (!is_write(exposed, cmdq_prod)) --exposed;
  for (std::size_t i = exposed; i < lines.size(); ++i) {
    if (is_write(i, cmdq_prod) || is_read(i, cmdq_cons)) {
      set_hex(i, "v", (hex(i, "v") + indices - 1) % indices);
    } else if (i > line && type(i) == "cmd") {
      lines[i]["slot"] = (lines[i]["slot"].get<u64>() + slots - 1) % slots;
    }
  }
  erase(line);
}

trace::Trace EditedRecording::imported() const {
  std::string text;
  for (const nlohmann::json& line : lines) text += line.dump() + "\n";
  auto trace = import_smmu_watch_text(text, "edited");
  EXPECT_TRUE(trace) << trace.error().message;
  return trace ? std::move(*trace) : trace::Trace{};
}

ReplayResult EditedRecording::judge() const {
  const trace::Trace trace = imported();
  ReplayResult result = replay_trace(trace);
  EXPECT_EQ(result.events + result.notes, trace.events.size()) << "an event has no verdict";
  return result;
}

trace::Trace of_two(const trace::Trace& first, const trace::Trace& second) {
  trace::Trace both{.header = first.header, .events = {}};
  for (trace::DeviceInfo device : *first.header.devices) {
    device.device = trace::DeviceId{static_cast<u32>(device.device) + devices_apart};
    device.iommu = trace::IommuId{1};
    both.header.devices->push_back(device);
  }
  EXPECT_EQ(first.events.size(), second.events.size());
  for (std::size_t i = 0; i < first.events.size();) {
    std::size_t end = i + 1;
    const auto reaches = [](const trace::Event& event) {
      return std::holds_alternative<trace::Reach>(event.payload);
    };
    while (end < first.events.size() && reaches(first.events[end])) ++end;
    for (std::size_t k = i; k < end; ++k) both.events.push_back(first.events[k]);
    for (std::size_t k = i; k < end; ++k) {
      if (!is_shared(second.events[k])) both.events.push_back(of_second(second.events[k]));
    }
    i = end;
  }
  for (trace::Event& event : both.events) event.origin.reset();
  return both;
}

std::vector<UnmapSite> unmap_sites(const EditedRecording& r) {
  std::vector<UnmapSite> sites;
  std::map<u64, u64> words;  // by address: what the table holds
  std::map<u64, u64> before;
  std::vector<std::pair<UnmapSite, u64>> open;  // and the address of the word
  for (std::size_t i = 1; i + 4 < r.lines.size(); ++i) {
    const std::string type = r.type(i);
    if (type == "st") {
      const u64 pa = r.hex(i, "pa");
      const u64 value = r.hex(i, "v");
      if (words[pa] != 0) before[pa] = words[pa];
      words[pa] = value;
      std::erase_if(open, [&](std::pair<UnmapSite, u64>& one) {
        if (one.second != pa || value == 0) return false;
        one.first.remap = i;
        if (((value ^ before[pa]) & output_mask) != 0) sites.push_back(one.first);
        return true;
      });
      if (value != 0 || r.lines[i].at("k") != "PT3" || !r.is_write(i + 1, cmdq_prod) ||
          r.opcode(i + 2) != tlbi_nh_va || r.opcode(i + 3) != cmd_sync ||
          !r.is_read(i + 4, cmdq_cons)) {
        continue;
      }
      const Range range = range_of(r.hex(i + 2, "lo"), r.hex(i + 2, "hi"));
      if (range.last - range.first != 0xfff || ((range.first >> 12) & 511) != (pa & 0xfff) / 8) {
        continue;
      }
      open.push_back({{i, i + 1, i + 2, i + 3, i + 4, 0}, pa});
    } else if (type == "cmd" && r.opcode(i) != cmd_sync) {
      const bool by_address = r.opcode(i) == tlbi_nh_va;
      const Range range = range_of(r.hex(i, "lo"), by_address ? r.hex(i, "hi") : 0);
      std::erase_if(open, [&](const std::pair<UnmapSite, u64>& one) {
        if (one.first.tlbi >= i) return false;
        const Range own = range_of(r.hex(one.first.tlbi, "lo"), r.hex(one.first.tlbi, "hi"));
        if (r.opcode(i) == 0x11) return range.asid == own.asid;
        return by_address && range.asid == own.asid && range.first <= own.last &&
               own.first <= range.last;
      });
    }
  }
  return sites;
}

}  // namespace iommucheck::oracle
