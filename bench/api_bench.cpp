// SPDX-License-Identifier: MIT
// Sequences a second: what a campaign of `check` gets from one thread. The sequences are those of
// oracle::make_sequence_of, the mix of `check`, each cut after the operation that made its 20th
// call.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include "bench/measure.h"
#include "bench/sections.h"
#include "check/lockstep.h"
#include "check/sequence.h"
#include "impl/driver.h"
#include "report/finding_text.h"

namespace iommucheck::bench {
namespace {

constexpr u64 calls_wanted = 20;
constexpr u32 operations_most = 512;

struct Counts {
  u64 made = 0;
  u64 succeeded = 0;
  u64 changed = 0;
};

/// Counts calls by kind: what a call added to the totals is known when the next one begins.
class Mix final : public oracle::Monitor::Sink {
 public:
  explicit Mix(const oracle::Lockstep& lockstep) : lockstep_(lockstep) {}

  void event(const trace::Event& event) override {
    const auto* call = std::get_if<trace::Call>(&event.payload);
    if (call == nullptr) return;
    settle();
    kind_ = call->call.index();
    ++by_kind_[kind_].made;
  }
  /// Call it before a run, too: other runs' calls are nobody's.
  void settle() {
    const u64 succeeded = lockstep_.calls_succeeded();
    const u64 changed = lockstep_.monitor().statistics().calls_changing;
    if (kind_ != none) {
      by_kind_[kind_].succeeded += succeeded - succeeded_;
      by_kind_[kind_].changed += changed - changed_;
    }
    kind_ = none;
    succeeded_ = succeeded;
    changed_ = changed;
  }
  [[nodiscard]] const Counts& of(std::size_t kind) const { return by_kind_[kind]; }
  [[nodiscard]] Counts all() const {
    Counts sum;
    for (const Counts& one : by_kind_) {
      sum.made += one.made;
      sum.succeeded += one.succeeded;
      sum.changed += one.changed;
    }
    return sum;
  }

 private:
  static constexpr std::size_t none = trace::call_count;
  const oracle::Lockstep& lockstep_;
  std::array<Counts, trace::call_count> by_kind_{};
  std::size_t kind_ = none;
  u64 succeeded_ = 0;
  u64 changed_ = 0;
};

/// What a pass over all sequences did.
struct Pass {
  Samples wall;  ///< sequences a second
  Samples cpu;   ///< the same by this process's own time
  Samples undo;  ///< ns of a case
  u64 calls = 0;
  u64 teardowns = 0;
  u64 whole_spaces = 0;
  u64 operations = 0;
  u64 accesses = 0;
  u64 judged = 0;
};

class ApiBench {
 public:
  explicit ApiBench(const ApiOptions& options)
      : options_(options), lockstep_(*impl::builtin_driver(), {}), mix_(lockstep_) {
    if (const std::string failed = lockstep_.boot(); !failed.empty()) {
      throw std::runtime_error(failed);
    }
    for (u64 n = 0; n < options.sequences; ++n) prepare(n);
  }

  Pass run() {
    Pass pass;
    const oracle::Statistics before = lockstep_.monitor().statistics();
    const u64 accesses = lockstep_.accesses();
    pass_over([](auto&&) {});  // warms up, and says what a pass is made of
    pass.calls = lockstep_.monitor().statistics().calls - before.calls;
    pass.judged = lockstep_.monitor().statistics().outcomes_judged - before.outcomes_judged;
    pass.accesses = lockstep_.accesses() - accesses;
    pass.operations = operations_;
    pass.teardowns = teardowns_;
    pass.whole_spaces = whole_spaces_;
    const double end = now_ns() + options_.seconds * 1e9;
    do {
      const double began = now_ns();
      const double cpu_began = cpu_ns();
      pass_over([](auto&&) {});
      const auto count = static_cast<double>(options_.sequences);
      pass.cpu.add(count * 1e9 / (cpu_ns() - cpu_began));
      pass.wall.add(count * 1e9 / (now_ns() - began));
    } while (pass.wall.count() < 3 || (now_ns() < end && pass.wall.count() < 31));
    pass_over([&pass](oracle::Lockstep& lockstep) {
      const double began = now_ns();
      lockstep.undo();
      pass.undo.add(now_ns() - began);
    });
    return pass;
  }
  [[nodiscard]] const Mix& mix() const { return mix_; }

 private:
  struct Cut {
    const oracle::Lockstep* lockstep;
    u32 after = 0;  ///< operations; 0: not there yet
  };

  void make(u64 number, u32 count) {
    oracle::make_sequence_of(options_.seed, number, count, sequence_);
  }

  /// How many operations make 20 calls, and which calls these are.
  void prepare(u64 number) {
    Cut cut{.lockstep = &lockstep_};
    for (u32 count = 32; cut.after == 0; count *= 2) {
      if (count > operations_most)
        throw std::runtime_error("512 operations made less than 20 calls");
      make(number, count);
      lockstep_.on_operation(
          [](void* context, u32 index) {
            auto& here = *static_cast<Cut*>(context);
            if (here.after == 0 && here.lockstep->calls_of_run() >= calls_wanted)
              here.after = index;
          },
          &cut);
      lockstep_.run(sequence_.operations, {});
      if (cut.after == 0 && lockstep_.calls_of_run() >= calls_wanted) cut.after = count;
      check(number);
    }
    lockstep_.on_operation(nullptr, nullptr);
    lengths_.push_back(cut.after);
    make(number, cut.after);
    mix_.settle();
    lockstep_.monitor().set_sink(&mix_);
    lockstep_.run(sequence_.operations, sequence_.ends);
    lockstep_.monitor().set_sink(nullptr);
    mix_.settle();
  }

  template <class After>
  void pass_over(After&& after) {
    operations_ = teardowns_ = whole_spaces_ = 0;
    for (u64 n = 0; n < options_.sequences; ++n) {
      make(n, lengths_[n]);
      operations_ += lengths_[n];
      teardowns_ += sequence_.ends.teardown ? 1 : 0;
      whole_spaces_ += sequence_.ends.whole_space ? 1 : 0;
      lockstep_.run(sequence_.operations, sequence_.ends);
      check(n);
      after(lockstep_);
    }
  }

  void check(u64 number) const {
    const oracle::Monitor& monitor = lockstep_.monitor();
    if (!monitor.findings().empty()) {
      throw std::runtime_error(
          fmt::format("sequence {}: {}", number, oracle::one_line(monitor.findings().front())));
    }
    if (monitor.gave_up()) {
      throw std::runtime_error(fmt::format("sequence {}: a bound was hit", number));
    }
  }

  ApiOptions options_;
  oracle::Lockstep lockstep_;
  Mix mix_;
  oracle::Sequence sequence_;
  std::vector<u32> lengths_;
  u64 operations_ = 0;
  u64 teardowns_ = 0;
  u64 whole_spaces_ = 0;
};

/// The rate of another build, by running it; empty text: `line` holds its numbers.
struct Line {
  double median = 0, min = 0, max = 0, cpu = 0, calls = 0;
  unsigned passes = 0;
};

std::string read_line_of(const std::string& program, Line& line) {
  std::string quoted;
  for (const char c : program) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  const std::string command = fmt::format("'{}' --api-line", quoted);
  std::fflush(stdout);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) return "cannot run " + program;
  const int got = std::fscanf(pipe.get(), "api-line %lf %lf %lf %lf %lf %u", &line.median,
                              &line.min, &line.max, &line.cpu, &line.calls, &line.passes);
  return got == 6 ? std::string() : program + " --api-line did not give its numbers";
}

double percent(u64 part, u64 whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_mix(const Mix& mix) {
  const Counts all = mix.all();
  fmt::print("  the mix, over all sequences (calls of teardowns included):\n");
  fmt::print("    {:<18}{:>9}{:>9}{:>12}{:>12}\n", "call", "made", "of all", "succeeded",
             "changed");
  const auto row = [&](std::string_view name, const Counts& c) {
    fmt::print("    {:<18}{:>9}{:>8.1f}%{:>11.1f}%{:>11.1f}%\n", name, c.made,
               percent(c.made, all.made), percent(c.succeeded, c.made), percent(c.changed, c.made));
  };
  for (std::size_t kind = 0; kind < trace::call_count; ++kind) {
    if (mix.of(kind).made != 0) row(trace::call_table[kind].name, mix.of(kind));
  }
  row("all", all);
  fmt::print(
      "    (succeeded: answered ok, an unmap of 0 bytes not counted; changed: besides that, "
      "it changed something)\n");
}

void print_rate(std::string_view build, double median, double min, double max, double cpu,
                double calls, std::size_t passes) {
  fmt::print("    {:<12}{:>9.0f}{:>9.0f}{:>9.0f}{:>12.0f}{:>12.0f}{:>8}\n", build, median, min, max,
             calls * median, cpu, passes);
}

double calls_a_sequence(const Pass& pass, const ApiOptions& options) {
  return static_cast<double>(pass.calls) / static_cast<double>(options.sequences);
}

}  // namespace

void api_line(const ApiOptions& options) {
  ApiBench bench(options);
  Pass pass = bench.run();
  fmt::print("api-line {:.2f} {:.2f} {:.2f} {:.2f} {:.4f} {}\n", pass.wall.median(),
             pass.wall.min(), pass.wall.max(), pass.cpu.median(), calls_a_sequence(pass, options),
             pass.wall.count());
}

void api(const ApiOptions& options) {
  ApiBench bench(options);
  Pass pass = bench.run();
  const auto per = [&](u64 n) {
    return static_cast<double>(n) / static_cast<double>(options.sequences);
  };
  fmt::print(
      "  {} sequences as `check` makes them (seed {}), each until {} calls are made:\n"
      "  {:.1f} operations, {:.2f} calls with teardown, {:.1f} accesses and {:.1f} judged "
      "pieces a sequence;\n  whole space compared in {}, teardown in {} of them; each is "
      "made, run, and undone\n",
      options.sequences, options.seed, calls_wanted, per(pass.operations),
      calls_a_sequence(pass, options), per(pass.accesses), per(pass.judged), pass.whole_spaces,
      pass.teardowns);
  fmt::print("\n  sequences of {} calls a second, one thread\n", calls_wanted);
  fmt::print("    {:<12}{:>9}{:>9}{:>9}{:>12}{:>12}{:>8}\n", "build", "median", "min", "max",
             "calls/s", "by CPU time", "passes");
  print_rate(IOMMUCHECK_BENCH_BUILD, pass.wall.median(), pass.wall.min(), pass.wall.max(),
             pass.cpu.median(), calls_a_sequence(pass, options), pass.wall.count());
  if (!options.beside.empty()) {
    Line line;
    if (const std::string failed = read_line_of(options.beside, line); !failed.empty()) {
      fmt::print("    ASan+UBSan  not measured: {}\n", failed);
    } else {
      print_rate("ASan+UBSan", line.median, line.min, line.max, line.cpu, line.calls, line.passes);
    }
  } else {
    fmt::print("    {:<12}not measured in this run: ./dev bench does\n", "ASan+UBSan");
  }
  fmt::print("    {:<12}{:>9}\n    {:<12}{:>9}   (release)\n\n", "goal", 15000, "floor", 5000);
  print_mix(bench.mix());
  const Counts all = bench.mix().all();
  fmt::print(
      "    wanted: at least half of the calls successful and changing something; it is "
      "{:.1f}%\n",
      percent(all.changed, all.made));
  fmt::print(
      "\n  undoing a case (its trail, and the driver's arena): median {:.2f} us, "
      "99th percentile {:.2f} us of {} cases\n",
      pass.undo.median() / 1e3, pass.undo.quantile(0.99) / 1e3, pass.undo.count());
}

}  // namespace iommucheck::bench
