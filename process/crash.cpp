// SPDX-License-Identifier: MIT
#include "process/crash.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <link.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <span>

#include "process/source_lines.h"

namespace iommucheck::oracle {

namespace {

constexpr std::array signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};

// A handler has no other way to what it needs. Set once, in a worker's process.
CrashRecord* current = nullptr;
std::array<struct sigaction, signals.size()> before{};
alignas(16) std::array<char, 64 << 10> handler_stack{};

u64 program_counter(const ucontext_t& context) {
#if defined(__x86_64__)
  return static_cast<u64>(context.uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return context.uc_mcontext.pc;
#else
  return 0;
#endif
}

/// Where a function that has no code yet was called from: a jump to nowhere.
u64 return_address(const ucontext_t& context) {
#if defined(__x86_64__)
  return *reinterpret_cast<const u64*>(context.uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return context.uc_mcontext.regs[30];
#else
  return 0;
#endif
}

void add(CrashRecord& record, u64 frame) {
  if (record.frame_count < CrashRecord::frames_max) record.frames[record.frame_count++] = frame;
}

bool mapped(u64 address) {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<const void*>(address), &info) != 0;
}

void add_callers(CrashRecord& record, u64 pc, const ucontext_t& context) {
  if (!mapped(pc)) add(record, return_address(context));
  std::array<void*, CrashRecord::frames_max> frames{};
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  bool behind = false;  // the handler's own frames
  for (int i = 0; i < count; ++i) {
    const u64 frame = reinterpret_cast<u64>(frames[static_cast<std::size_t>(i)]);
    if (behind) add(record, frame);
    behind |= frame == pc;
  }
}

/// The frames that were recorded, the innermost first.
std::span<const u64> frames_of(const CrashRecord& record) {
  return {record.frames.data(), std::min<u64>(record.frame_count, CrashRecord::frames_max)};
}

/// The number of the innermost frame that lies in the plug-in or in the checker; of all frames
/// where none does.
std::size_t innermost(const CrashRecord& record) {
  const std::span frames = frames_of(record);
  const auto ours = [&](u64 frame) {
    return record.plugin.contains(frame) || record.checker.contains(frame);
  };
  return static_cast<std::size_t>(std::ranges::find_if(frames, ours) - frames.begin());
}

bool is_plugins(const CrashRecord& record) {
  const std::size_t at = innermost(record);
  return at < frames_of(record).size() && record.plugin.contains(record.frames[at]);
}

void on_crash(int signal, siginfo_t* info, void* context) {
  const auto& machine = *static_cast<const ucontext_t*>(context);
  // First what cannot fail. A crash in here ends the process with what is there by then.
  CrashRecord& record = *current;
  const bool first = record.seen == 0;
  if (first) {
    record.signal = signal;
    record.code = info->si_code;
    record.process = ::getpid();
    if (info->si_code <= 0) {
      record.sender = info->si_pid;
    } else if (signal == SIGSEGV || signal == SIGBUS) {
      record.address = reinterpret_cast<u64>(info->si_addr);
    }
    record.frame_count = 0;
    add(record, program_counter(machine));
    record.seen = 1;
    add_callers(record, program_counter(machine), machine);
  }
  // What was caused comes again, and now goes to whom it went before; what was sent does not. A
  // sanitizer's report of somebody else's code would tell no more than the record, in seconds.
  const bool plugins = first && is_plugins(record);
  struct sigaction end{};
  end.sa_handler = SIG_DFL;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    if (signals[i] == signal) ::sigaction(signal, plugins ? &end : &before[i], nullptr);
  }
  if (info->si_code <= 0) ::raise(signal);
}

/// The load segments of the object that an address lies in.
CodeRange range_around(u64 address) {
  struct Search {
    u64 address;
    CodeRange found;
  } search{address, {}};
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* data) {
        auto& wanted = *static_cast<Search*>(data);
        CodeRange range{~u64{0}, 0, object->dlpi_addr};
        for (unsigned i = 0; i < object->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD) continue;
          range.begin = std::min<u64>(range.begin, object->dlpi_addr + segment.p_vaddr);
          range.end =
              std::max<u64>(range.end, object->dlpi_addr + segment.p_vaddr + segment.p_memsz);
        }
        if (!range.contains(wanted.address)) return 0;
        wanted.found = range;
        return 1;
      },
      &search);
  return search.found;
}

/// It ran where no code is: by a function pointer of the plug-in's, for the checker calls no
/// others.
bool ran_nowhere(const CrashRecord& record) {
  const bool access = record.signal == SIGSEGV || record.signal == SIGBUS;
  if (!access || record.code <= 0 || frames_of(record).empty()) return false;
  const u64 pc = record.frames[0];
  return pc == record.address && !record.checker.contains(pc);
}

/// Signals that nobody's code brings about: limits, the kernel short of memory, a person.
bool is_sent(int signal) { return std::ranges::find(signals, signal) == signals.end(); }

std::string_view name_of_outside(int signal) {
  switch (signal) {
    case SIGKILL: return ": from outside, or by the kernel when memory was short";
    case SIGXCPU: return ": the limit of processor time (ulimit -t)";
    case SIGXFSZ: return ": the limit of a file's size (ulimit -f)";
    default: return ": from outside";
  }
}

}  // namespace

void record_crashes(CrashRecord& record) {
  record.seen = 0;
  record.frame_count = 0;
  record.plugin = {};
  record.checker = range_around(reinterpret_cast<u64>(&record_crashes));
  current = &record;
  std::array<void*, 4> frames{};
  ::backtrace(frames.data(), 4);  // loads what it needs, now that memory can still be had
  stack_t stack{};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  ::sigaltstack(&stack, nullptr);
  struct sigaction action{};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &action, &before[i]);
}

bool is_worker_process() { return current != nullptr; }

void set_driver_code(CrashRecord& record, const void* address) {
  record.plugin = range_around(reinterpret_cast<u64>(address));
}

Blame blame_of(int signal, const CrashRecord& record, const std::string& plugin_path) {
  if (signal == 0) return {Party::driver, {}};
  if (is_sent(signal)) return {Party::outside, std::string(name_of_outside(signal))};
  if (record.seen == 0 || record.signal != signal) return {Party::driver, {}};
  if (record.code <= 0 && record.sender != record.process)
    return {Party::outside, ": from outside"};
  const std::span frames = frames_of(record);
  const auto place = frames.begin() + static_cast<std::ptrdiff_t>(innermost(record));
  const bool checker = place != frames.end() && record.checker.contains(*place);
  const bool nowhere = ran_nowhere(record);
  Blame blame{checker && !nowhere ? Party::checker : Party::driver, {}};
  if (place != frames.end()) {
    const CodeRange& code = checker ? record.checker : record.plugin;
    // A return address is behind its call, which may be the last of a function.
    const u64 at = *place - code.origin - (place == frames.begin() ? 0 : 1);
    blame.where = fmt::format("{} {}", place == frames.begin() ? " in" : ", called from",
                              symbol_in(checker ? std::string("/proc/self/exe") : plugin_path, at));
  }
  const bool access = signal == SIGSEGV || signal == SIGBUS;
  if (nowhere) blame.where += ", by a function pointer that leads nowhere";
  if (access && record.code > 0) {
    blame.address = record.address;
    blame.where += fmt::format(", at address {:#x}", record.address);
  }
  return blame;
}

}  // namespace iommucheck::oracle
