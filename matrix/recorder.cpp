// SPDX-License-Identifier: MIT
#include "matrix/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "check/finding_kind.h"
#include "matrix/case_writer.h"
#include "report/finding_text.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;

/// So many accesses behind a call: about what it was about, and near anything that is mapped.
constexpr std::size_t near_call_max = 4, near_mapped_max = 3;
constexpr u64 word_bytes = 4;

class Recorder final : public Monitor::Sink {
 public:
  Recorder(const RecorderOptions& options, Tape& tape)
      : options_(options),
        tape_(tape),
        lockstep_(*options.driver, options.lockstep),
        writer_(*options.device, lockstep_.monitor().caches()),
        booted_(writer_) {}

  /// False: there is nothing to run.
  bool boot() {
    const std::string failed = lockstep_.boot(this);
    if (lockstep_.refused()) {
      put_text(Taped::refused, failed);
      return false;
    }
    if (!lockstep_.monitor().findings().empty()) {
      tell(lockstep_.monitor().findings().front());
      return false;
    }
    if (failed.empty() && writer_.ended().empty()) return booted();
    put_text(Taped::failed,
             "the driver does not come up: " +
                 (failed.empty() ? "of its boot no case can be made: " + writer_.ended() : failed));
    return false;
  }

  bool booted() {
    put_steps(Taped::boot_steps, writer_.steps().size());
    const QueueLayout& q = writer_.queues();
    put(Taped::boot_queues,
        std::array<u64, 6>{q.cmdq, q.eventq, q.priq, q.cmdq_lg2, q.eventq_lg2, q.priq_lg2});
    booted_.go_back(writer_);
    boot_steps_ = writer_.steps().size();
    lockstep_.on_call([this](const Call& call, const spec::sva::Observed&, bool) { behind(call); });
    lockstep_.on_operation([](void* self, u32) { static_cast<Recorder*>(self)->operation(); },
                           this);
    return true;
  }

  void run(u64 number) {
    put(Taped::sequence, std::array<u64, 1>{number});
    writer_.go_back(booted_);
    marks_.clear();
    aims_.clear();
    told_ = boot_steps_;
    words_ = words_of(options_.seed, number | aims_stream);
    const Sequence sequence = options_.sequence(number, lockstep_.abilities());
    lockstep_.run(sequence.operations, sequence.ends);
    std::size_t steps = writer_.steps().size();
    if (!lockstep_.monitor().findings().empty()) {
      const Finding& finding = lockstep_.monitor().findings().front();
      tell(finding);
      steps = steps_before(finding.at);
    } else if (!writer_.ended().empty()) {
      put_text(Taped::cut, writer_.ended());
    } else if (lockstep_.monitor().gave_up()) {
      put_text(Taped::cut, lockstep_.monitor().bound());
    }
    put_steps(Taped::steps, writer_.steps().size());
    put(Taped::end, std::array<u64, 2>{steps - boot_steps_, lockstep_.calls_of_run()});
  }

  void event(const trace::Event& event) override {
    const auto* write = std::get_if<trace::MmioWrite>(&event.payload);
    if (write != nullptr && write->offset == spec::reg::cmdq_prod) near_mapped(aims_, 1);
    marks_.push_back({lockstep_.monitor().now(), writer_.steps().size()});
    writer_.event(event);
  }

 private:
  /// Random numbers apart from those of sequences.
  static constexpr u64 aims_stream = u64{1} << 61;

  struct Mark {
    EventIndex at = 0;
    std::size_t steps = 0;  ///< before it
  };

  [[nodiscard]] std::size_t steps_before(EventIndex event) const {
    const auto mark = std::ranges::find_if(marks_, [&](const Mark& m) { return m.at >= event; });
    return mark == marks_.end() ? writer_.steps().size() : mark->steps;
  }

  /// What changes outside of calls (processes) is met before the next operation.
  void operation() {
    put_steps(Taped::steps, writer_.settled());
    aims_ = lockstep_.aims();
    near_mapped(aims_, near_mapped_max);
  }

  void behind(const Call& call) {
    if (!lockstep_.monitor().findings().empty()) return;
    const std::vector<Lockstep::Aim> aims = lockstep_.aims();
    if (call.size != 0 && !aims.empty()) near_call(call, aims);
    near_mapped(aims, near_mapped_max);
    writer_.poll();
  }

  void near_mapped(const std::vector<Lockstep::Aim>& aims, std::size_t count) {
    for (std::size_t i = 0; i < count && !aims.empty(); ++i) {
      try_access(aims[words_.below(aims.size())].access);
    }
  }

  /// Its first and its last page, and those beside it, by whoever makes accesses at all.
  void near_call(const Call& call, const std::vector<Lockstep::Aim>& aims) {
    const std::array<u64, 4> places{call.iova, call.iova + call.size - page_4k,
                                    call.iova + call.size, call.iova - page_4k};
    for (std::size_t i = 0; i < near_call_max; ++i) {
      spec::Access access = aims[words_.below(aims.size())].access;
      access.va = align_down(places[words_.below(places.size())], 12);
      try_access(access);
    }
  }

  void try_access(spec::Access access) {
    constexpr u64 rarely = 8;
    access.va += word_bytes * words_.below(page_4k / word_bytes);
    access.privileged = words_.below(rarely) == 0;
    const bool executes = access.type == spec::AccessType::read && words_.below(rarely) == 0;
    if (executes) access.type = spec::AccessType::execute;
    if (words_.below(rarely) == 0) writer_.request(access);
    writer_.access(access);
  }

  void tell(const Finding& finding) {
    Violation plain(finding_of(finding.rule, headline(finding)));
    plain.kind = finding.kind.empty() ? kind_of(finding, lockstep_.doing()) : finding.kind;
    put_text(Taped::finding, encode(plain));
  }
  void put(Taped kind, std::span<const u64> words) { tape_.put(static_cast<u64>(kind), words); }
  void put_text(Taped kind, std::string_view text) { tape_.put_text(static_cast<u64>(kind), text); }
  /// Those up to `end` that were not put yet.
  void put_steps(Taped kind, std::size_t end) {
    std::vector<u64> words;
    for (; told_ < end; ++told_) {
      const Step& step = writer_.steps()[told_];
      words.insert(words.end(), {static_cast<u64>(step.kind), step.a, step.b, step.c});
    }
    if (!words.empty()) put(kind, words);
  }

  const RecorderOptions& options_;
  Tape& tape_;
  Lockstep lockstep_;
  CaseWriter writer_, booted_;
  std::vector<Mark> marks_;
  /// At the beginning of the operation: what a call takes away is met while it does, too.
  std::vector<Lockstep::Aim> aims_;
  std::size_t boot_steps_ = 0;
  std::size_t told_ = 0;  // steps that are on the tape
  SplitMix64 words_{0};
};

}  // namespace

void record_sequences(const RecorderOptions& options, Tape& tape,
                      const std::function<void(u64 number)>& begins) {
  Recorder recorder(options, tape);
  if (!recorder.boot()) return;
  for (u64 number = options.first; number < options.end; ++number) {
    begins(number);
    recorder.run(number);
  }
}

}  // namespace iommucheck::oracle
