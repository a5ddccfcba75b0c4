// SPDX-License-Identifier: MIT
// Does a step cost more, and is more memory held, late in a long run? The events of a driver that
// maps and unmaps are recorded until its command queue stands where it stood, and given again and
// again: to a judge behind the C door that keeps no events, and through a pipe to `replay`. And a
// driver in lockstep is called as often, with nothing undone. Each in a process of its own.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure.h"
#include "bench/sections.h"
#include "bench/world.h"
#include "iommucheck/monitor.h"
#include "monitor/replay.h"
#include "monitor/trace_setup.h"
#include "trace/json.h"

namespace iommucheck::bench {
namespace {

constexpr u64 iova = u64{64} << 30;
constexpr u64 pa = u64{0x10} << 32;
constexpr std::array<u64, 3> checkpoints{100'000, 1'000'000, 10'000'000};

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

/// What was measured when so many events had been judged.
struct Row {
  double ns = 0;   ///< an event, since the checkpoint before, by processor time
  double mib = 0;  ///< resident
};
using Rows = std::array<Row, checkpoints.size()>;

/// Told after each event or now and then; fills the rows as checkpoints are passed.
class Watch {
 public:
  void at(u64 events) {
    if (next_ == checkpoints.size() || events < checkpoints[next_]) return;
    rows_[next_++] = {(cpu_ns() - since_) / static_cast<double>(events - events_), resident_mib()};
    since_ = cpu_ns();
    events_ = events;
  }
  [[nodiscard]] bool done() const { return next_ == checkpoints.size(); }
  [[nodiscard]] const Rows& rows() const { return rows_; }

 private:
  Rows rows_{};
  std::size_t next_ = 0;
  u64 events_ = 0;
  double since_ = cpu_ns();
};

/// Lines of a trace: what comes first, and what comes again and again.
struct Endless {
  std::string header;
  std::vector<std::string> beginning, period;
};

class Recording final : public oracle::Monitor::Sink {
 public:
  void event(const trace::Event& event) override {
    if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
      constexpr u64 cmdq_prod = 0x98;
      if (write->offset == cmdq_prod) producer_ = write->value;
    }
    lines.push_back(trace::to_json(event));
  }
  [[nodiscard]] u64 producer() const { return producer_; }
  std::vector<std::string> lines;

 private:
  u64 producer_ = 0;
};

Endless endless() {
  Recording recording;
  World world(2, u64{16} << 20, &recording);
  Endless made;
  made.header = trace::to_json(oracle::header_of(world.monitor().setup(), {{"source", "bench"}}));
  const u64 domain = world.paging_domain();
  world.attach(domain, 0);
  world.map(domain, iova, pa);  // the tables stay
  const auto step = [&] {
    world.map(domain, iova + World::page, pa);
    world.unmap(domain, iova + World::page);
  };
  step();
  made.beginning = std::move(recording.lines);
  recording.lines.clear();
  const u64 producer = recording.producer();
  do step();
  while (recording.producer() != producer);
  made.period = std::move(recording.lines);
  world.check();
  return made;
}

void behind_the_door(const Endless& events, Watch& watch) {
  const std::unique_ptr<iommucheck_monitor, void (*)(iommucheck_monitor*)> monitor(
      iommucheck_monitor_open(events.header.c_str()), iommucheck_monitor_close);
  if (!monitor) throw std::runtime_error(iommucheck_monitor_last_error(nullptr));
  iommucheck_monitor_keep(monitor.get(), 0);
  u64 count = 0;
  const auto give = [&](const std::string& line) {
    const int verdict = iommucheck_monitor_report_json(monitor.get(), line.c_str());
    if (verdict != IOMMUCHECK_VERDICT_OK) {
      throw std::runtime_error(fmt::format("event {}: {} {}", count, verdict, line));
    }
    watch.at(++count);
  };
  for (const std::string& line : events.beginning) give(line);
  while (!watch.done()) {
    for (const std::string& line : events.period) give(line);
  }
}

void replayed(const Endless& events, Watch& watch) {
  const std::string path = fmt::format("/tmp/iommucheck-bench-{}", ::getpid());
  if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("no pipe in /tmp");
  const pid_t writer = ::fork();
  if (writer == 0) {
    std::ofstream pipe(path);
    pipe << events.header << '\n';
    for (const std::string& line : events.beginning) pipe << line << '\n';
    // More than is read: the reader ends it.
    while (pipe) {
      for (const std::string& line : events.period) pipe << line << '\n';
    }
    ::_exit(0);
  }
  oracle::ReplayOptions options;
  options.trace = path;
  options.progress = [&](const oracle::ReplayProgress& now) { watch.at(now.events); };
  options.stop = [&] { return watch.done(); };
  const auto result = oracle::run_replay(options);
  ::unlink(path.c_str());
  ::kill(writer, SIGKILL);
  ::waitpid(writer, nullptr, 0);
  if (!result) throw std::runtime_error(result.error().message);
  if (result->flagged != 0) throw std::runtime_error("the endless trace is not right");
}

void in_lockstep(const Endless& /*events*/, Watch& watch) {
  World world(2);
  const u64 domain = world.paging_domain();
  world.attach(domain, 0);
  world.map(domain, iova, pa);
  while (!watch.done()) {
    world.map(domain, iova + World::page, pa);
    world.unmap(domain, iova + World::page);
    world.nothing_goes_back();
    watch.at(world.monitor().now());
  }
  world.check();
}

/// In a process of its own; its memory is nobody else's.
Rows measured(const Endless& events, void (*run)(const Endless&, Watch&)) {
  int pipe[2];
  if (::pipe(pipe) != 0) throw std::runtime_error("no pipe");
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      Watch watch;
      run(events, watch);
      if (::write(pipe[1], &watch.rows(), sizeof(Rows)) != sizeof(Rows)) ::_exit(1);
      ::_exit(0);
    } catch (const std::exception& error) {
      fmt::print(stderr, "  {}\n", error.what());
      ::_exit(1);
    }
  }
  ::close(pipe[1]);
  Rows rows{};
  const ssize_t got = ::read(pipe[0], &rows, sizeof rows);
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  if (got != sizeof rows) throw std::runtime_error("a run did not come to its end");
  return rows;
}

}  // namespace

void long_runs() {
  const Endless events = endless();
  fmt::print(
      "  ns an event by processor time, and MiB resident; the last column: large by small\n");
  fmt::print("  {:<44}", "");
  for (const u64 n : checkpoints) fmt::print("{:>11} events", n);
  fmt::print("\n");
  const std::pair<const char*, void (*)(const Endless&, Watch&)> runs[] = {
      {"the C door, keep(0), events as JSON", behind_the_door},
      {"replay of a trace that is streamed", replayed},
      {"the builtin driver in one lockstep", in_lockstep}};
  for (const auto& [name, run] : runs) {
    const Rows rows = measured(events, run);
    fmt::print("  {:<44}", name);
    for (const Row& row : rows) fmt::print("{:>8.0f} {:>5.1f} MiB", row.ns, row.mib);
    fmt::print("{:>7.2f} {:>5.2f}\n", rows.back().ns / rows.front().ns,
               rows.back().mib / rows.front().mib);
    std::fflush(stdout);
  }
}

}  // namespace iommucheck::bench
