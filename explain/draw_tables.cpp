// SPDX-License-Identifier: MIT
// Translation tables, every granule. DDI 0487 D8.2, D8.3.
#include <algorithm>

#include "explain/draw.h"
#include "report/finding_text.h"
#include "spec/smmu/recordings.h"
#include "spec/smmu/stage_walk.h"

namespace iommucheck::oracle {

namespace {

using spec::Content;
using spec::Granule;

/// "rw", "r, privileged", with the memory type where it is not normal memory.
std::string rights_of(const spec::Leaf<u64>& leaf) {
  const auto text = [](const auto& rights) {
    return std::string(rights.read ? "r" : "") + (rights.write ? "w" : "") +
           (rights.execute ? "x" : "");
  };
  std::string rights = text(leaf.unprivileged);
  if (rights.empty()) {
    const std::string privileged = text(leaf.privileged);
    rights = privileged.empty() ? "no access" : privileged + ", privileged only";
  }
  if ((leaf.attr & 0xf0) == 0) rights += ", device memory";
  if (!leaf.af) rights += ", AF=0";
  if (!leaf.ng) rights += ", global";
  return rights;
}

}  // namespace

void MemoryDrawing::space(Space space) {
  const spec::Half<u64>& half = space.regime.half[space.half];
  const spec::TablePosition<u64> start = spec::first_table(space.regime, space.half);
  const bool stage2 = spec::is_stage2(space.regime);
  lines_.add(2, "{} at {:#x}, level {}, {} input bits",
             stage2 ? std::string("S2TTB") : fmt::format("TTB{}", space.half), start.address,
             start.level, 64 - half.tsz);
  const u64 entries =
      pow2(static_cast<unsigned>(spec::start_entries_lg2(half.tg, start.level, half.tsz)));
  const u64 base = space.half == 0 ? u64{0} : ~low_mask(u64{64} - half.tsz);
  table(space, start.address, start.level, entries, base, {});
  end_run(space);
  if (space.words == 0)
    lines_.add(3, "... and more tables than are drawn: do they lead in circles?");
  if (space.lines == 0) lines_.add(3, "nothing is mapped in memory");
}

bool MemoryDrawing::room(Space& space) {
  if (space.lines == options_.lines_max) {
    lines_.add(3, "... and more; ask for one address to see what it meets");
    ++space.lines;
  }
  return space.lines < options_.lines_max;
}

void MemoryDrawing::table(Space& space, u64 address, unsigned level, u64 entries, u64 va,
                          const spec::HierarchicalAttributes<u64>& above) {
  for (u64 pa = address; pa < address + 8 * entries; pa += u64{8} * spec::frame_words) {
    drawn_tables_.insert(pa >> spec::frame_lg2);
  }
  const u64 size = pow2(spec::level_shift(space.regime.half[space.half].tg, level));
  u64 unknown = 0;
  for (u64 i = 0; i < entries && space.lines <= options_.lines_max && space.words != 0; ++i) {
    --space.words;
    const u64 pa = address + 8 * i;
    const Content word = caches_.memory().newest(pa);
    const bool says_more = caches_.memory().is_pending(pa) || !notes_.of_table_word(pa).empty();
    if (word.unknown) {
      ++unknown;
    } else if (word.value != 0 || says_more) {
      entry(space, pa, level, va + i * size, above);
    }
  }
  if (unknown == 0) return;
  end_run(space);
  if (!room(space)) return;
  ++space.lines;
  lines_.add(3, "table at {:#x}, level {}: {} words of content that nobody knows", address, level,
             unknown);
}

void MemoryDrawing::entry(Space& space, u64 pa, unsigned level, u64 va,
                          const spec::HierarchicalAttributes<u64>& above) {
  const u64 word = caches_.memory().newest(pa).value;
  const std::vector<std::string> notes = notes_.of_table_word(pa);
  const spec::Step<u64> step = spec::step_at(space.regime, space.half, level, word, above);
  const auto remark = [&] {
    for (const std::string& note : notes) lines_.add(5, "<-- {}", note);
  };
  if (const auto* next = std::get_if<spec::TableStep<u64>>(&step)) {
    if (!notes.empty() && room(space)) {
      end_run(space);
      ++space.lines;
      lines_.add(3, "{:#x}: table descriptor {:#x} at {:#x}", va, word, pa);
      remark();
    }
    const u64 entries = pow2(spec::bits_per_level(space.regime.half[space.half].tg));
    table(space, next->address, next->level, entries, va, next->hierarchical);
    return;
  }
  if (const auto* leaf = std::get_if<spec::Leaf<u64>>(&step)) {
    Run run{.va = va,
            .bytes = pow2(spec::leaf_size_lg2(leaf->granule, level)),
            .pa = leaf->output,
            .word = word,
            .origin = pa,
            .rights = rights_of(*leaf),
            .remark = {}};
    if (!space.below_users && monitor_.breaks_promise(space.sid, space.at, va, *leaf)) {
      run.remark = "promised: " + promised_text(monitor_.promised(space.sid, space.at, va));
    }
    mapping(space, std::move(run));
    if (!notes.empty()) {
      end_run(space);
      remark();
    }
    return;
  }
  end_run(space);
  if (!room(space)) return;
  ++space.lines;
  const auto& fault = std::get<spec::Fault>(step);
  lines_.add(3, "{:#x}: {} [{:#x} at {:#x}]", va,
             word == 0 ? std::string("nothing") : std::string(spec::rule_info(fault.rule).text),
             word, pa);
  remark();
}

/// Pages to which nothing drawn leads, and which hardware may walk all the same: through what a
/// walk cache or a configuration cache holds.
void MemoryDrawing::hidden_tables() {
  bool said = false;
  monitor_.caches().memory().frames_in(0, ~u64{0}, [&](const spec::Frame& frame) {
    if (!frame.is_table() || drawn_tables_.contains(frame.number)) return;
    std::vector<spec::TableWay> ways;
    ways_to(caches_.view(), frame.address(), ways);
    for (const spec::TableWay& way : ways) {
      if (!said) lines_.add(0, "tables to which nothing that is drawn leads");
      said = true;
      lines_.add(1, "<-- {:#x} may be walked as a table of level {} for {:#x}, under {}{}",
                 frame.address(), way.level, way.va, tag_text(way.tag),
                 frame.is_unknown(0) ? "; what it holds is not known any more" : "");
    }
  });
}

std::string MemoryDrawing::tag_text(u32 tag) const {
  const spec::Tag<u64>& words = caches_.tag(tag);
  if (words.stage == spec::Stage::stage2) return spec::tag_text(words);
  return fmt::format("ASID {:#x}{}", words.asid,
                     words.vmid == 0 ? "" : fmt::format(", VMID {:#x}", words.vmid));
}

/// Joined with the one before where it goes on in address, output, rights and what is said of it.
void MemoryDrawing::mapping(Space& space, Run run) {
  if (space.run) {
    Run& last = *space.run;
    if (last.va + last.bytes == run.va && last.pa + last.bytes == run.pa &&
        last.rights == run.rights && last.remark == run.remark) {
      last.bytes += run.bytes;
      return;
    }
    end_run(space);
  }
  space.run = std::move(run);
}

void MemoryDrawing::end_run(Space& space) {
  if (!space.run) return;
  const Run run = std::move(*space.run);
  space.run.reset();
  if (!room(space)) return;
  ++space.lines;
  lines_.add(3, "{:#x} to {:#x} -> {:#x} {}  [{:#x} at {:#x}]", run.va, run.va + (run.bytes - 1),
             run.pa, run.rights, run.word, run.origin);
  if (!run.remark.empty()) lines_.add(5, "<-- {}", run.remark);
}

}  // namespace iommucheck::oracle
