// SPDX-License-Identifier: MIT
#include "conform/case_qtest.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/bits.h"
#include "conform/case.h"
#include "conform/dut/qemu_map.h"
#include "conform/fill_in.h"
#include "conform/runner.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
namespace edu = qemu_map::edu;

constexpr u32 mark = 0xe0000001;  // what an engine writes
constexpr u64 scratch = qemu_map::ram + qemu_map::ram_bytes - 0x1000;
constexpr u64 page_bytes = 4096;

/// What comes before the log: @…@ are filled in.
constexpr const char* script_head = R"(#!/bin/sh
# SPDX-License-Identifier: MIT
#
@ABOUT@#
# Written by iommucheck. By itself: sh FILE [QEMU [ARGUMENTS]]
# 0: every answer is as it is written here, so that QEMU shows it; 1: some answer is another one;
# 2: QEMU does not run; 77: there is none.
#
# Each line behind "log" is a command of qtest, and behind ';' what it was answered; "wait" is not
# one: the word there is read until its bit 0 is clear. The SMMU is at @SMMU@, RAM at @RAM@. A
# DMA is one of an edu device: source, destination, bytes and start. What it has read lies in its
# buffer, and is fetched with SMMUEN = 0.
qemu=${1:-qemu-system-aarch64}
[ $# -eq 0 ] || shift
command -v "$qemu" >/dev/null 2>&1 || { echo "skipped: there is no $qemu"; exit 77; }
folder=$(mktemp -d) || exit 2
trap 'exec 3>&- 4<&-; kill "$pid" 2>/dev/null; rm -rf "$folder"' EXIT
mkfifo "$folder/to" "$folder/from" || exit 2
timeout 300 "$qemu" -accel tcg -icount shift=0,sleep=off -cpu cortex-a57,start-powered-off=on \
  -M virt,iommu=smmuv3,highmem=off -m 64M -nodefaults -display none \
  @DEVICES@-qtest stdio -qtest-log none "$@" \
  <"$folder/to" >"$folder/from" 2>"$folder/errors" &
pid=$!
exec 3>"$folder/to" 4<"$folder/from"

ask() {
  printf '%s\n' "$1" >&3
  while read -r answer <&4; do
    case $answer in OK* | FAIL* | ERR*) return 0 ;; esac
  done
  echo "QEMU does not answer '$1':"
  cat "$folder/errors"
  exit 2
}

others=0
sed '1,/^log$/d' "$0" >"$folder/log"
while IFS=';' read -r command wanted; do
  command=${command% }
  case $command in
    wait*)
      looks=0
      while ask "readq${command#wait}" && [ $((${answer#OK} & 1)) -ne 0 ]; do
        looks=$((looks + 1))
        [ $looks -lt 3000 ] || { echo "a DMA does not end"; exit 2; }
        [ $looks -lt 3 ] || sleep 0.01
      done
      continue ;;
  esac
  ask "$command"
  [ -n "$wanted" ] || [ "${answer#OK}" = "$answer" ] || continue
  if [ "$answer" = "OK$wanted" ]; then
    echo "$command:$wanted"
  else
    echo "$command: $answer   <- was$wanted"
    others=$((others + 1))
  fi
done <"$folder/log"
[ $others -eq 0 ] && echo "every answer is as it was" && exit 0
echo "$others answers are other ones"
exit 1
log
)";

std::string shell_comment(const std::string& text) {
  std::string lines = "# ";
  for (const char c : text) {
    lines += c;
    if (c == '\n') lines += "# ";
  }
  return lines + '\n';
}

/// The lines of the log, event by event.
class Log {
 public:
  Log(const trace::Trace& trace, const QueueLayout& queues) : trace_(trace), queues_(queues) {
    if (trace.header.ram && !trace.header.ram->empty()) {
      data_pa_ = trace.header.ram->front().base;
      data_bytes_ = trace.header.ram->front().length;
    }
  }

  Expected<std::string> take() {
    if (auto ok = find_engines(); !ok) return std::unexpected(ok.error());
    for (const auto& [sid, bar] : bars_) {
      line(fmt::format("writel {:#x} {:#x}", qemu_map::ecam + (u64{sid} << 12) + 0x10, bar));
      line(fmt::format("writew {:#x} 0x6", qemu_map::ecam + (u64{sid} << 12) + 4));
      line(fmt::format("writel {:#x} {:#x}", scratch, mark));
      dma(bar, scratch, edu::buffer, 0);
    }
    name_memory();
    for (const trace::Event& event : trace_.events) {
      if (auto ok = add(event); !ok) return std::unexpected(ok.error());
    }
    return std::move(text_);
  }

  /// The devices of the machine that send the accesses.
  [[nodiscard]] std::string devices() const {
    std::string words;
    for (const auto& [sid, bar] : bars_) {
      words += fmt::format("-device edu,addr={:#x},dma_mask=0xffffffffffffffff \\\n  ", sid >> 3);
    }
    return words;
  }

 private:
  void line(const std::string& command) { text_ += command + "\n"; }
  void asked(const std::string& command, u64 answer) {
    text_ += fmt::format("{} ; {:#018x}\n", command, answer);
  }

  Expected<void> find_engines() {
    for (const trace::Event& event : trace_.events) {
      if (std::holds_alternative<trace::AtsRequest>(event.payload)) {
        return fail(ErrorCode::unsupported, "QEMU's engines have no ATS");
      }
      const auto* dma = std::get_if<trace::Dma>(&event.payload);
      if (dma == nullptr) continue;
      if (dma->kind == trace::TransactionKind::translated) {
        return fail(ErrorCode::unsupported, "QEMU's engines have no ATS");
      }
      if (dma->sid % 8 != 0 || dma->sid < 8 || dma->sid > 31 * 8) {
        return fail(ErrorCode::unsupported,
                    fmt::format("no device of QEMU's machine has StreamID {:#x}", dma->sid));
      }
      if ((dma->ssid && dma->ssid->valid) || dma->privileged.value_or(false) ||
          dma->direction == trace::Direction::execute) {
        return fail(ErrorCode::unsupported,
                    "QEMU's engines send no SubstreamIDs, privileged accesses or instructions");
      }
      const u64 bar = qemu_map::pci_memory + bars_.size() * edu::bar_bytes;
      bars_.try_emplace(dma->sid, bar);
      offsets_.insert(dma->iova % page_bytes);
    }
    return {};
  }

  /// Words of data to which an access of the case may come hold their address.
  void name_memory() {
    std::set<u64> pages;
    for (const trace::Event& event : trace_.events) {
      const auto* dma = std::get_if<trace::Dma>(&event.payload);
      if (dma != nullptr && dma->pa) add_page(pages, *dma->pa);
      const auto* store = std::get_if<trace::Store>(&event.payload);
      if (store != nullptr) add_page(pages, store->value.value_or(0) & mask(47, 12));
    }
    for (const u64 first : pages) {
      for (const u64 offset : offsets_) named_.insert(first + offset);
    }
    for (const u64 pa : named_) line(fmt::format("writel {:#x} {:#x}", pa, pa));
  }
  void add_page(std::set<u64>& pages, u64 pa) const {
    if (pa - data_pa_ < data_bytes_) pages.insert(pa - pa % page_bytes);
  }

  void dma(u64 bar, u64 source, u64 destination, u64 direction) {
    line(fmt::format("writeq {:#x} {:#x}", bar + edu::source, source));
    line(fmt::format("writeq {:#x} {:#x}", bar + edu::destination, destination));
    line(fmt::format("writeq {:#x} 0x4", bar + edu::count));
    line(fmt::format("writeq {:#x} {:#x}", bar + edu::command, edu::start | direction));
    line(fmt::format("wait {:#x}", bar + edu::command));
  }

  Expected<void> add(const trace::Event& event) {
    if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
      line(fmt::format("writeq {:#x} {:#x}", store->pa, store->value.value_or(0)));
    } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
      if (fill->value == 0) {
        line(fmt::format("memset {:#x} {:#x} 0x0", fill->pa, 8 * fill->words));
      } else {
        for (u64 i = 0; i < fill->words; ++i) {
          line(fmt::format("writeq {:#x} {:#x}", fill->pa + 8 * i, fill->value));
        }
      }
    } else if (const auto* load = std::get_if<trace::Load>(&event.payload)) {
      asked(fmt::format("readq {:#x}", load->pa), load->value.value_or(0));
    } else if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
      if (write->offset == reg::cr0) cr0_ = write->value;
      if (write->offset == reg::gbpa) gbpa_ = write->value;
      if (write->offset == reg::eventq_cons) event_ = write->value % pow2(queues_.eventq_lg2);
      line(fmt::format("write{} {:#x} {:#x}", write->size == 8 ? "q" : "l",
                       qemu_map::smmu + write->offset, write->value));
    } else if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
      asked(fmt::format("read{} {:#x}", read->size == 8 ? "q" : "l", qemu_map::smmu + read->offset),
            read->value);
    } else if (const auto* record = std::get_if<trace::EventRecorded>(&event.payload)) {
      if (record->record) add_record(*record->record);
    } else if (const auto* one = std::get_if<trace::Dma>(&event.payload)) {
      add_access(*one);
    }
    return {};
  }

  void add_record(const trace::EventRecord& words) {
    const u64 place = queues_.eventq + 32 * event_;
    event_ = (event_ + 1) % pow2(queues_.eventq_lg2);
    for (unsigned i = 0; i < 4; ++i) asked(fmt::format("readq {:#x}", place + 8 * i), words[i]);
  }

  void add_access(const trace::Dma& one) {
    const u64 bar = bars_.at(one.sid);
    const bool passed = one.result == trace::DmaResult::ok;
    if (one.direction != trace::Direction::write) {
      dma(bar, one.iova, edu::buffer + 4, 0);
      fetch(bar, passed ? one.pa : std::optional<u64>(0));
      return;
    }
    dma(bar, edu::buffer, one.iova, edu::to_memory);
    // Where it went, or that it went nowhere where the case looks.
    for (const u64 pa : named_) {
      if (pa % page_bytes != one.iova % page_bytes) continue;
      const bool there = passed && one.pa && *one.pa == pa;
      asked(fmt::format("readl {:#x}", pa), there ? mark : bits(pa, 31, 0));
      line(fmt::format("writel {:#x} {:#x}", pa, pa));
    }
  }

  /// What an engine has read, through the SMMU that is off for that time.
  void fetch(u64 bar, std::optional<u64> answer) {
    const bool aborts = gbpa_ && (*gbpa_ & spec::gbpa::abort) != 0;
    const u64 cr0 = qemu_map::smmu + reg::cr0, gbpa = qemu_map::smmu + reg::gbpa;
    if (aborts) {
      line(fmt::format("writel {:#x} {:#x}", gbpa,
                       (*gbpa_ & ~u64{spec::gbpa::abort}) | spec::gbpa::update));
    }
    line(fmt::format("writel {:#x} {:#x}", cr0, cr0_ & ~u64{spec::cr0::smmuen}));
    dma(bar, edu::buffer + 4, scratch, edu::to_memory);
    line(fmt::format("writel {:#x} {:#x}", cr0, cr0_));
    if (aborts) {
      line(fmt::format("writel {:#x} {:#x}", gbpa, *gbpa_ | spec::gbpa::update));
    }
    // One that passed to where no data is has brought nobody knows what.
    if (answer) asked(fmt::format("readl {:#x}", scratch), bits(*answer, 31, 0));
  }

  const trace::Trace& trace_;
  QueueLayout queues_;
  u64 data_pa_ = 0, data_bytes_ = 0;
  std::map<u32, u64> bars_;  // by StreamID
  std::set<u64> offsets_, named_;
  std::string text_;
  u64 cr0_ = 0, event_ = 0;
  std::optional<u64> gbpa_;
};

}  // namespace

Expected<std::string> case_qtest(const trace::Trace& trace, const std::string& about) {
  const auto what = case_of(trace, "a log of qtest");
  if (!what) return std::unexpected(what.error());
  Log log(trace, what->queues);
  auto lines = log.take();
  if (!lines) return std::unexpected(lines.error());
  std::string text = script_head;
  fill_in(text, "@ABOUT@", shell_comment(about));
  fill_in(text, "@SMMU@", fmt::format("{:#x}", qemu_map::smmu));
  fill_in(text, "@RAM@", fmt::format("{:#x}", qemu_map::ram));
  fill_in(text, "@DEVICES@", log.devices());
  return text + *lines;
}

}  // namespace iommucheck::oracle
