// SPDX-License-Identifier: MIT
#include "conform/case_qtest.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "conform/dut/qemu_map.h"
#include "conform/qtest_log.h"
#include "report/program_text.h"

namespace iommucheck::oracle {

namespace {

namespace edu = qemu_map::edu;

/// What comes before the log: @…@ are filled in.
constexpr const char* script_head = R"sh(#!/bin/sh
# SPDX-License-Identifier: MIT
#
@ABOUT@#
# Written by iommucheck. By itself: sh FILE [QEMU [ARGUMENTS]]
# 0: every answer is as it is written here, so that QEMU shows it; 1: some answer is another one;
# 2: QEMU does not run; 77: there is none.
#
# Each line behind "log" is a command of qtest, and behind ';' what it was answered; "wait" is not
# one: the word there is read until its bit 0 is clear; nor is "raised": so often that input of the
# interrupt controller was raised. The SMMU is at @SMMU@, RAM at @RAM@. A DMA is one of an edu
# device: source, destination, bytes and start. What it has read lies in its buffer, and is fetched
# with SMMUEN = 0.
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
    case $answer in
      OK* | FAIL* | ERR*) return 0 ;;
      "IRQ raise"*) echo "${answer##* }" >>"$folder/raised" ;;
    esac
  done
  echo "QEMU does not answer '$1':"
  cat "$folder/errors"
  exit 2
}

others=0
: >"$folder/raised"
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
    raised*) answer="OK $(grep -cx "${command#raised }" "$folder/raised")" ;;
    *) ask "$command" ;;
  esac
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
)sh";

class Script final : public QtestWriter {
 public:
  void open(u32 sid, bool /*reads*/) override {
    const u64 bar = qemu_map::pci_memory + bars_.size() * edu::bar_bytes;
    bars_.try_emplace(sid, bar);
    line(fmt::format("writel {:#x} {:#x}", qemu_map::ecam + (u64{sid} << 12) + 0x10, bar));
    line(fmt::format("writew {:#x} 0x6", qemu_map::ecam + (u64{sid} << 12) + 4));
  }
  void write(unsigned bytes, u64 at, u64 value) override {
    line(fmt::format("write{} {:#x} {:#x}", letter(bytes), at, value));
  }
  void expect(unsigned bytes, u64 at, u64 answer) override {
    line(fmt::format("read{} {:#x} ; {:#018x}", letter(bytes), at, answer));
  }
  void clear(u64 at, u64 bytes) override { line(fmt::format("memset {:#x} {:#x} 0x0", at, bytes)); }
  void engine_write(u32 sid, u64 offset, u64 value) override {
    write(8, bars_.at(sid) + offset, value);
  }
  void engine_wait(u32 sid, u64 offset) override {
    line(fmt::format("wait {:#x}", bars_.at(sid) + offset));
  }
  Expected<void> expect_interrupts(unsigned wire, u64 pulses) override {
    line(fmt::format("raised {} ; {}", qemu_map::first_interrupt + wire, pulses));
    hears_ = true;
    return {};
  }
  [[nodiscard]] bool writers_say() const override { return false; }
  void write_access(u32 /*sid*/, u64 /*iova*/, bool /*passed*/,
                    std::optional<u64> /*pa*/) override {}

  [[nodiscard]] std::string text() const {
    // The first device behind the CPU, on each version that was looked at.
    return (hears_ ? "irq_intercept_in /machine/unattached/device[1]\n" : "") + text_;
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
  static char letter(unsigned bytes) { return bytes == 8 ? 'q' : 'l'; }

  std::map<u32, u64> bars_;  // by StreamID
  std::string text_;
  bool hears_ = false;
};

}  // namespace

Expected<std::string> case_qtest(const trace::Trace& trace, const std::string& about) {
  Script log;
  if (auto written = write_qtest(trace, log); !written) return std::unexpected(written.error());
  std::string text = script_head;
  fill_in(text, "@ABOUT@", comment_lines("# ", about));
  fill_in(text, "@SMMU@", fmt::format("{:#x}", qemu_map::smmu));
  fill_in(text, "@RAM@", fmt::format("{:#x}", qemu_map::ram));
  fill_in(text, "@DEVICES@", log.devices());
  return text + log.text();
}

}  // namespace iommucheck::oracle
