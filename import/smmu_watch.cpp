// SPDX-License-Identifier: MIT
#include "import/smmu_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>

#include "import/record.h"
#include "trace/check.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {
namespace {

using namespace trace;

constexpr std::string_view format_name = "smmu-watch-1";

/// Registers that say what the SMMU is (IHI 0070 6.3.1 to 6.3.8), by their offset.
constexpr std::array<std::string_view, 8> id_register_names{"IDR0", "IDR1", "IDR2", "IDR3",
                                                            "IDR4", "IDR5", "IIDR", "AIDR"};

/// Things that happen in the recorded system and leave no line.
constexpr std::array<EventKind, 14> not_reported{EventKind::Load,
                                                 EventKind::Rmw,
                                                 EventKind::Barrier,
                                                 EventKind::CacheClean,
                                                 EventKind::CacheInvalidate,
                                                 EventKind::Alloc,
                                                 EventKind::Free,
                                                 EventKind::PageRelease,
                                                 EventKind::Handoff,
                                                 EventKind::Irq,
                                                 EventKind::DeviceStore,
                                                 EventKind::StructureFetch,
                                                 EventKind::Call,
                                                 EventKind::Return};

/// Takes line after line, gives a trace.
class Importer {
 public:
  explicit Importer(const ImportOptions& options) {
    trace_.header.assumed_clean = options.assumed_clean;
  }

  Expected<void> line(std::string_view text, LinePlace place) {
    auto record = Record::parse(text, place);
    if (!record) return std::unexpected(std::move(record.error()));
    Record& r = *record;
    const std::string kind = r.text("t");
    if (r.failed()) return r.error();
    if (place.line == 1) return header(r, kind);
    Event event;
    if (r.has("i")) event.origin = r.number("i", ~u64{0});
    if (!convert(r, kind, event)) return r.error();
    if (r.failed()) return r.error();
    if (kind == "init") return {};  // it went into its Reach
    if (const auto wrong = check(event)) {
      return r.fail_line(
          fmt::format("{} of {}: {}", wrong->field, info(kind_of(event)).name, wrong->message));
    }
    if (trace_.events.size() == trace_events_max) {
      return fail(ErrorCode::gave_up, fmt::format("{}:{}: the recording has more than {} events",
                                                  place.file, place.line, trace_events_max));
    }
    if (const auto* reach = std::get_if<Reach>(&event.payload)) {
      regions_[{reach->kind, reach->pa}] = trace_.events.size();
    }
    trace_.events.push_back(std::move(event));
    return {};
  }

  Expected<Trace> finish(std::string_view name) {
    if (!has_header_) {
      return fail(ErrorCode::bad_input, fmt::format("{}:1:1: the file is empty; a recording begins "
                                                    "with its header",
                                                    name));
    }
    for (std::size_t event : touched_) {
      auto& words = *std::get<Reach>(trace_.events[event].payload).words;
      std::ranges::sort(words, {}, &WordAt::pa);
    }
    if (!id_registers_.empty()) trace_.header.id_registers = id_registers_;
    return std::move(trace_);
  }

 private:
  Expected<void> header(Record& r, const std::string& kind) {
    if (kind != "hdr") {
      r.stop("t", fmt::format("\"{}\": the first line is to be the header, \"hdr\"", kind));
      return r.error();
    }
    const std::string format = r.text("format");
    if (r.failed()) return r.error();
    if (format != format_name) {
      r.stop("format", fmt::format("\"{}\" is not known, \"{}\" is", format, format_name));
      return r.error(ErrorCode::unsupported);
    }
    Header& header = trace_.header;
    for (std::string_view key : {"qemu", "kernel"}) {
      if (r.has(key)) header.versions[std::string(key)] = r.text(key);
    }
    TextMap about{{"format", format}};
    for (std::string_view key : {"cmdline", "accel"}) {
      if (r.has(key)) about[std::string(key)] = r.text(key);
    }
    header.about = std::move(about);
    if (r.has("smp")) header.cpus = static_cast<u32>(r.number("smp", 0xffff));
    if (r.has("smmu_base")) header.smmu_base = r.hex("smmu_base");
    if (r.has("ram_base") || r.has("ram_size")) {
      header.ram = Ranges{{.base = r.hex("ram_base"), .length = r.hex("ram_size")}};
    }
    if (r.has("sids")) read_devices(r);
    if (r.failed()) return r.error();
    Names& names = header.not_reported.emplace();
    for (EventKind event : not_reported) names.emplace_back(info(event).name);
    if (const auto wrong = check(header)) {
      return r.fail_line(fmt::format("{}: {}", wrong->field, wrong->message));
    }
    has_header_ = true;
    return {};
  }

  void read_devices(Record& r) {
    std::map<u32, std::string> names;
    for (const auto& [key, value] : r.texts("sids")) {
      u32 sid = 0;
      const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), sid);
      if (code != std::errc{} || end != key.data() + key.size()) {
        return r.stop("sids", fmt::format("\"{}\" is no StreamID in decimal", key));
      }
      names[sid] = value;
    }
    if (names.size() >= agent_unknown_number) return r.stop("sids", "there are too many devices");
    Devices& devices = trace_.header.devices.emplace();
    for (const auto& [sid, name] : names) {
      const auto number = static_cast<u16>(devices.size());
      devices.push_back({.device = DeviceId{number}, .name = name, .sids = {sid}});
      agents_[sid] = device_agent(number);
    }
  }

  /// False (after r.stop) or a filled event; with "init" nothing is filled.
  bool convert(Record& r, std::string_view kind, Event& event) {
    if (kind == "w" || kind == "r") return registers(r, kind == "w", event);
    if (kind == "cmd") return command(r, event);
    if (kind == "track") return track(r, event);
    if (kind == "init") return init(r);
    if (kind == "st") return store(r, event);
    if (kind == "untrack") return untrack(r, event);
    if (kind == "dma") return dma(r, event);
    if (kind == "evt") return record(r, event);
    if (kind == "note" || kind == "con" || kind == "devw" || kind == "msi") {
      return note(r, kind, event);
    }
    r.stop("t", kind == "hdr" ? "a second header"
                              : fmt::format("\"{}\" is not known in {}", kind, format_name));
    return false;
  }

  AgentId cpu_of(Record& r) {
    return cpu_agent(static_cast<u16>(r.number("cpu", agent_unknown_number - 1)));
  }

  bool registers(Record& r, bool write, Event& event) {
    event.agent = cpu_of(r);
    const u64 offset = r.hex("off");
    const u8 size = r.size("sz");
    const u64 value = r.hex("v");
    if (write) {
      event.payload = MmioWrite{.offset = offset, .size = size, .value = value};
      return true;
    }
    event.payload = MmioRead{.offset = offset, .size = size, .value = value};
    for (u64 at = offset; at % 4 == 0 && at < offset + size && at / 4 < id_register_names.size();
         at += 4) {
      const u64 part = (value >> (8 * (at - offset))) & 0xffffffff;
      id_registers_.try_emplace(std::string(id_register_names[at / 4]), part);
    }
    return true;
  }

  bool command(Record& r, Event& event) {
    event.agent = smmu_agent();
    CommandConsumed consumed{.slot = static_cast<u32>(r.number("slot", 0xffffffff))};
    consumed.command = CommandWords{.low = r.hex("lo"), .high = r.hex("hi")};
    event.payload = consumed;
    return true;
  }

  RegionKind region_kind(Record& r) {
    const std::string name = r.text("k");
    const auto kind = enum_from_string<RegionKind>(name);
    if (!kind && !r.failed()) r.stop("k", fmt::format("\"{}\" is no kind of region", name));
    return kind.value_or(RegionKind::l1std);
  }

  bool track(Record& r, Event& event) {
    event.agent = smmu_agent();
    Reach reach{.kind = region_kind(r), .pa = r.hex("pa"), .length = r.number("len", ~u64{0})};
    reach.words.emplace();
    event.payload = std::move(reach);
    return true;
  }

  /// One word of what a region held when it was tracked.
  bool init(Record& r) {
    const RegionKind kind = region_kind(r);
    const u64 pa = r.hex("pa");
    const u64 value = r.hex("v");
    if (r.failed()) return false;
    auto region = regions_.upper_bound({kind, pa});
    const auto none = [&] {
      r.stop("pa", fmt::format("{:#x} lies in no tracked {} region", pa, to_string(kind)));
      return false;
    };
    if (region == regions_.begin()) return none();
    --region;
    auto& reach = std::get<Reach>(trace_.events[region->second].payload);
    if (region->first.first != kind || pa - reach.pa >= reach.length) return none();
    if (pa % 8 != 0) {
      r.stop("pa", fmt::format("{:#x} is no multiple of 8", pa));
      return false;
    }
    if (!given_.insert({region->second, pa}).second) {
      r.stop("pa", fmt::format("the word at {:#x} was given before", pa));
      return false;
    }
    reach.words->push_back({.pa = pa, .value = value});
    touched_.insert(region->second);
    return true;
  }

  bool store(Record& r, Event& event) {
    region_kind(r);
    const bool one_cpu = trace_.header.cpus == 1U;
    event.agent = one_cpu ? cpu_agent(0) : unknown_cpu_agent;
    Store store{.pa = r.hex("pa"), .size = r.size("sz")};
    const u64 word = r.hex("v");
    const u64 skipped = store.pa % 8;
    if (skipped == 0 && store.size >= 8) {
      store.value = word;  // of 16 bytes the upper half is not in the file
    } else {
      store.word = word;
      if (skipped + store.size <= 8) {
        store.value = (word >> (8 * skipped)) & (~u64{0} >> (64 - 8 * u64{store.size}));
      }
    }
    if (r.has("pc")) store.pc = r.hex("pc");
    if (r.has("sweep")) store.swept = r.number("sweep", 1) == 1;
    event.payload = store;
    return true;
  }

  bool untrack(Record& r, Event& event) {
    event.agent = smmu_agent();
    Unreach unreach{.kind = region_kind(r), .pa = r.hex("pa")};
    if (const auto region = regions_.find({unreach.kind, unreach.pa}); region != regions_.end()) {
      unreach.length = std::get<Reach>(trace_.events[region->second].payload).length;
      regions_.erase(region);
    }
    event.payload = unreach;
    return true;
  }

  bool dma(Record& r, Event& event) {
    Dma dma{.sid = static_cast<u32>(r.number("sid", 0xffffffff)), .iova = r.hex("iova")};
    const auto agent = agents_.find(dma.sid);
    event.agent = agent == agents_.end() ? unknown_device_agent : agent->second;
    dma.ssid = no_substream;
    dma.kind = TransactionKind::untranslated;
    const std::string result = r.text("res");
    const auto known = enum_from_string<DmaResult>(result);
    if (!known || *known == DmaResult::stall) {
      if (!r.failed()) r.stop("res", fmt::format("\"{}\" is no result of an access", result));
      return false;
    }
    dma.result = *known;
    if (r.has("pa")) dma.pa = r.hex("pa");
    if (r.has("perm")) dma.rights = rights(r);
    if (r.has("rw")) dma.direction = direction(r);
    event.payload = dma;
    return true;
  }

  Rights rights(Record& r) {
    const std::string text = r.text("perm");
    const auto found = text.empty() ? Rights{} : rights_from_string(text);
    if (!found && !r.failed()) r.stop("perm", fmt::format("\"{}\" is no set of rights", text));
    return found.value_or(Rights{});
  }

  Direction direction(Record& r) {
    const std::string text = r.text("rw");
    if (text == "r") return Direction::read;
    if (text == "w") return Direction::write;
    if (text == "rw") return Direction::read_write;
    if (!r.failed()) r.stop("rw", fmt::format("\"{}\" is no direction: r, w, rw are", text));
    return Direction::read;
  }

  bool record(Record& r, Event& event) {
    event.agent = smmu_agent();
    EventRecorded recorded;
    recorded.record = r.words<4>("rec");
    event.payload = recorded;
    return true;
  }

  bool note(Record& r, std::string_view kind, Event& event) {
    event.agent = kind == "devw" ? cpu_of(r) : kind == "note" ? smmu_agent() : environment_agent;
    Note note;
    if (kind == "note") {
      note.text = r.text("what");
    } else if (kind == "con") {
      note.kind = NoteKind::console;
      note.text = r.text("s");
    } else {
      note.kind = kind == "msi" ? NoteKind::msi : NoteKind::doorbell;
      if (kind == "devw") note.text = r.text("dev");
      note.pa = r.hex("pa");
      note.value = r.hex("v");
    }
    event.payload = std::move(note);
    return true;
  }

  Trace trace_;
  bool has_header_ = false;
  Registers id_registers_;
  std::map<u32, AgentId> agents_;                              ///< by StreamID
  std::map<std::pair<RegionKind, u64>, std::size_t> regions_;  ///< tracked now: its Reach event
  std::set<std::pair<std::size_t, u64>> given_;                ///< words that inits gave
  std::set<std::size_t> touched_;                              ///< Reach events to be sorted
};

}  // namespace

Expected<Trace> import_smmu_watch(const std::string& path, const ImportOptions& options) {
  auto lines = LineReader::open(path, options.limits);
  if (!lines) return std::unexpected(std::move(lines.error()));
  Importer importer(options);
  std::string text;
  while (true) {
    const auto some = lines->next(text);
    if (!some) return std::unexpected(some.error());
    if (!*some) return importer.finish(path);
    const LinePlace place{.file = path, .line = lines->line()};
    if (auto done = importer.line(text, place); !done) return std::unexpected(done.error());
  }
}

Expected<Trace> import_smmu_watch_text(std::string_view text, std::string_view name,
                                       const ImportOptions& options) {
  Importer importer(options);
  for (u64 line = 1; !text.empty(); ++line) {
    const std::string_view one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    auto done = importer.line(one, {.file = name, .line = line});
    if (!done) return std::unexpected(done.error());
  }
  return importer.finish(name);
}

}  // namespace iommucheck::oracle
