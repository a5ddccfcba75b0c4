// SPDX-License-Identifier: MIT
// Random call sequences against a model that keeps one entry a page and scans: the sets of
// permitted results are equal, and so is what devices are promised. Undo restores all of it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <algorithm>

#include <array>
#include <map>
#include <set>
#include <vector>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva::sva_interface_property_test {
namespace {

constexpr u64 page = 0x1000;
constexpr u64 block_pages = 4;  // page sizes 4 KiB and 16 KiB: blocks within reach of the model
constexpr u64 page_count = 24;
constexpr u32 input_bits = 25;
constexpr u64 handles[] = {0x11, 0x22};
constexpr u32 device_count = 2;

struct Page {
  u64 pa = 0;
  u32 prot = 0;
  u32 made_by = 0;  ///< which map call
  bool in_quarantine = false;

  [[nodiscard]] bool same(const Page& o) const {
    return pa == o.pa && prot == o.prot && in_quarantine == o.in_quarantine;
  }
};

/// What may still be cached of a page, each once.
using Layers = std::vector<Page>;

void add_layer(Layers& layers, const Page& layer) {
  const auto same = [&](const Page& known) { return known.same(layer); };
  if (std::ranges::none_of(layers, same)) layers.push_back(layer);
}

struct ModelDomain {
  std::map<u64, Page> pages;  ///< by page number
  std::map<u64, Layers> stale;
};

struct Model {
  std::array<ModelDomain, 2> domains;
  std::array<int, device_count> attached{-1, -1};
  u32 map_calls = 0;
};

/// Every count that some choice of blocks and of splitting gives, by walking page after page.
std::set<u64> unmap_counts(const ModelDomain& domain, u64 first, u64 count) {
  std::set<u64> counts;
  const auto at = [&](u64 n) -> const Page* {
    const auto found = domain.pages.find(n);
    return found == domain.pages.end() ? nullptr : &found->second;
  };
  const auto may_be_block = [&](u64 block) {
    const Page* head = at(block);
    if (head == nullptr || head->pa % (block_pages * page) != 0) return false;
    for (u64 i = 1; i < block_pages; ++i) {
      const Page* next = at(block + i);
      if (next == nullptr || next->made_by != head->made_by || next->pa != head->pa + i * page) {
        return false;
      }
    }
    return true;
  };
  for (u64 n = first; n < first + count; ++n) {
    if (at(n) == nullptr) {
      counts.insert((n - first) * page);
      return counts;
    }
    const u64 block = n - n % block_pages;
    const bool partial = block < first || block + block_pages > first + count;
    if (partial && (n == first || n == block) && may_be_block(block)) {
      counts.insert((n - first) * page);
    }
  }
  counts.insert(count * page);
  return counts;
}

std::set<Status> map_statuses(const ModelDomain& domain, const Call& call, Circumstances around) {
  std::set<Status> set;
  if ((call.iova | call.pa | call.size) % page != 0) set.insert(Status::einval);
  if (call.prot == 0) set.insert(Status::einval);
  const u64 reach = call.size == 0 ? 1 : call.size;  // of size 0: its address
  if (call.iova + reach > (u64{1} << input_bits)) set.insert(Status::erange);
  for (const auto& [n, entry] : domain.pages) {
    const bool apart = (n + 1) * page <= call.iova || call.iova + call.size <= n * page;
    if (call.size != 0 && !apart) set.insert(Status::eexist);
  }
  if (set.empty() || call.size == 0) set.insert(Status::ok);
  if (around.allocation_failed && call.size != 0) set.insert(Status::enomem);
  if (around.queue_stuck && call.size != 0) set.insert(Status::etimedout);
  return set;
}

constexpr Status all_statuses[] = {
    Status::ok,     Status::not_built, Status::enomem, Status::ebusy,  Status::eexist,
    Status::enodev, Status::einval,    Status::enospc, Status::erange, Status::etimedout,
};

/// A word of the test's input, taken apart.
struct Word {
  u64 rest;
  u64 take(u64 n) {
    const u64 value = rest % n;
    rest /= n;
    return value;
  }
};

class Runner {
 public:
  explicit Runner(Trail& trail)
      : trail_(trail), state_(trail, {.devices = {{.stream_ids = {1}}, {.stream_ids = {2}}}}) {
    for (const u64 handle : handles) {
      const Call call{.kind = CallKind::domain_alloc,
                      .domain_kind = static_cast<u32>(DomainKind::paging)};
      const DomainFacts facts{
          .input_bits = input_bits, .output_bits = 48, .page_sizes = 0x1000 | 0x4000};
      const Verdict verdict = state_.apply(call, {.value = handle, .facts = facts});
      RC_ASSERT(verdict.ok);
    }
  }

  void step(u64 input) {
    Word word{input};
    const auto which = static_cast<u32>(word.take(2));
    switch (word.take(8)) {
      case 0:
      case 1:
      case 2: map(which, word); break;
      case 3:
      case 4: unmap(which, word, CallKind::unmap); break;
      case 5: unmap(which, word, CallKind::unmap_fast); break;
      case 6: sync(which, word); break;
      default: move(which, word); break;
    }
  }

  void compare() const {
    for (u32 device = 0; device < device_count; ++device) {
      for (u64 n = 0; n < page_count + 8; ++n) compare_page(device, n * page + 0x18);
    }
    for (u32 i = 0; i < 2; ++i) {
      for (u64 n = 0; n < page_count; ++n) {
        const Call call{.kind = CallKind::iova_to_phys, .domain = handles[i], .iova = n * page + 3};
        const auto found = model_.domains[i].pages.find(n);
        const u64 pa = found == model_.domains[i].pages.end() ? 0 : found->second.pa + 3;
        RC_ASSERT(state_.permitted(call, {}).permits({.value = pa}));
        RC_ASSERT(!state_.permitted(call, {}).permits({.value = pa + 1}));
      }
    }
  }

  [[nodiscard]] std::string dump() const { return state_.dump(); }
  [[nodiscard]] const Model& model() const { return model_; }
  void undo(Trail::Mark mark, const Model& model) {
    trail_.undo_to(mark);
    model_ = model;
  }

 private:
  [[nodiscard]] Expectation model_expects(u32 device, u64 iova) const {
    const int attached = model_.attached[device];
    if (attached < 0) return {.state = State::blocked, .last = 0};
    const ModelDomain& domain = model_.domains[static_cast<u32>(attached)];
    const auto mapped = domain.pages.find(iova / page);
    const auto stale = domain.stale.find(iova / page);
    if (mapped != domain.pages.end()) {
      return {State::mapped, mapped->second.pa + iova % page, mapped->second.prot, 0};
    }
    if (stale != domain.stale.end()) {
      const Page& old = stale->second.front();
      if (stale->second.size() > 1) return {.state = State::quarantined, .last = 0};
      return {State::old_or_fault, old.pa + iova % page, old.prot, 0};
    }
    return {.state = State::unmapped, .last = 0};
  }

  /// How many contents that nothing maps any more may still be met.
  [[nodiscard]] std::size_t old_layers(u32 device, u64 iova) const {
    if (model_.attached[device] < 0) return 0;
    const ModelDomain& domain = model_.domains[static_cast<u32>(model_.attached[device])];
    const auto stale = domain.stale.find(iova / page);
    return stale == domain.stale.end() || domain.pages.contains(iova / page) ? 0
                                                                             : stale->second.size();
  }

  void compare_page(u32 device, u64 iova) const {
    const Expectation got = state_.expected(device, iova);
    const Expectation want = model_expects(device, iova);
    RC_ASSERT(got.state == want.state && got.pa == want.pa && got.prot == want.prot);
    RC_ASSERT(got.last >= iova);
    const Alternatives all = state_.expected_during(device, iova);
    const std::size_t old = old_layers(device, iova);
    RC_ASSERT(all.gave_up == (old > 1 + records::older_layers) && !all.concerned);
    RC_ASSERT(all.gave_up || all.count == 1 + old);
    // The same up to `last`, with the address growing.
    for (u64 at = iova; at <= got.last && at < (page_count + 8) * page; at += page) {
      const Expectation there = model_expects(device, at);
      RC_ASSERT(there.state == got.state && there.prot == got.prot);
      if (got.state == State::mapped) RC_ASSERT(there.pa == got.pa + (at - iova));
    }
  }

  /// The sets are equal; the one that is chosen is taken, and a wrong one refused.
  Status choose_status(const Call& call, Circumstances around, const std::set<Status>& set,
                       Word& word) {
    const Permitted permitted = state_.permitted(call, around);
    for (const Status status : all_statuses) {
      RC_ASSERT(permitted.permits({.status = status}) == set.contains(status));
      if (set.contains(status)) continue;
      const std::string before = state_.dump();
      RC_ASSERT(!state_.apply(call, {.status = status}, around).ok);
      RC_ASSERT(state_.dump() == before);
    }
    auto at = set.begin();
    for (u64 skip = word.take(set.size()); skip != 0; --skip) ++at;
    return *at;
  }

  static Circumstances circumstances(Word& word) {
    const u64 n = word.take(8);
    return {.allocation_failed = n == 1, .queue_stuck = n == 2};
  }

  void map(u32 which, Word& word) {
    ModelDomain& domain = model_.domains[which];
    const u64 odd = word.take(16) == 0 ? 0x10 : 0;
    const u64 far = word.take(16) == 0 ? (u64{1} << input_bits) : 0;
    const Call call{.kind = CallKind::map,
                    .domain = handles[which],
                    .iova = word.take(page_count) * page + odd + far,
                    .pa = 0x40000 + word.take(16) * page,
                    .size = word.take(13) * page,
                    .prot = word.take(16) == 0 ? 0 : prot_read | (word.take(2) ? prot_write : 0)};
    bool gathered = false;
    for (u64 at = call.iova; at < call.iova + call.size; at += page) {
      const auto stale = domain.stale.find(at / page);
      gathered |= stale != domain.stale.end() && !stale->second.front().in_quarantine;
    }
    if (gathered && odd == 0 && far == 0 && call.prot != 0) RC_ASSERT(!state_.caller_may(call));
    if (!state_.caller_may(call)) return;
    const Circumstances around = circumstances(word);
    const Status status = choose_status(call, around, map_statuses(domain, call, around), word);
    check_transient(call, which);
    RC_ASSERT(state_.end_call(call, {.status = status}, around).ok);
    note_map(domain, call, status, around);
  }

  void note_map(ModelDomain& domain, const Call& call, Status status, Circumstances around) {
    const bool sound = (call.iova | call.pa | call.size) % page == 0 && call.prot != 0 &&
                       call.iova + call.size <= (u64{1} << input_bits);
    if (!sound) return;
    ++model_.map_calls;
    // Nothing is cached of a domain without devices.
    const auto which = static_cast<int>(&domain - model_.domains.data());
    const bool reached = std::ranges::find(model_.attached, which) != model_.attached.end();
    for (u64 done = 0; done < call.size; done += page) {
      const u64 n = (call.iova + done) / page;
      Page entry{.pa = call.pa + done, .prot = call.prot, .made_by = model_.map_calls};
      if (status == Status::ok) {
        domain.stale.erase(n);
        domain.pages[n] = entry;
      } else if (around.queue_stuck && reached && !domain.pages.contains(n)) {
        entry.in_quarantine = true;
        add_layer(domain.stale[n], entry);
      }
    }
  }

  /// During the call: old or new page by page for who is attached, nobody else is concerned.
  void check_transient(const Call& call, u32 which) {
    const Trail::Mark mark = trail_.mark();
    const std::string before = state_.dump();
    std::vector<Alternatives> old;
    for (u64 n = 0; n < page_count; ++n) {
      old.push_back(state_.expected_during(0, n * page));
      holds_up_to_last(n * page, old.back());
    }
    state_.begin_call(call);
    for (u64 n = 0; n < page_count; ++n) {
      const Alternatives now = state_.expected_during(0, n * page);
      const bool inside = n * page >= call.iova && n * page < call.iova + call.size;
      for (u32 i = 0; i < old[n].count; ++i) RC_ASSERT(now.has(old[n].promises[i]));
      const bool here = model_.attached[0] == static_cast<int>(which);
      if (!here || !inside) RC_ASSERT(now.count == old[n].count && !now.concerned);
      RC_ASSERT(now.count <= 4 + records::older_layers && now.gave_up == old[n].gave_up);
      holds_up_to_last(n * page, now);
    }
    const std::string during = state_.dump();
    const Trail::Mark begun = trail_.mark();
    trail_.undo_to(mark);
    RC_ASSERT(state_.dump() == before);
    RC_ASSERT(begun != mark && during != before);
    state_.begin_call(call);
  }

  /// The alternatives of device 0 at `iova` are those of every page up to their last address.
  void holds_up_to_last(u64 iova, const Alternatives& here) const {
    RC_ASSERT(here.last >= iova);
    for (u64 at = iova + page; at <= here.last && at < page_count * page; at += page) {
      const Alternatives there = state_.expected_during(0, at);
      RC_ASSERT(there.count == here.count);
      for (u32 i = 0; i < here.count; ++i) {
        Promise promise = here.promises[i];
        if (promise.state == State::mapped) promise.pa += at - iova;
        RC_ASSERT(there.has(promise));
      }
    }
  }

  void unmap(u32 which, Word& word, CallKind kind) {
    ModelDomain& domain = model_.domains[which];
    const u64 first = word.take(page_count);
    const u64 count = 1 + word.take(14);
    const Call call{
        .kind = kind, .domain = handles[which], .iova = first * page, .size = count * page};
    const std::set<u64> counts = unmap_counts(domain, first, count);
    const Circumstances around = circumstances(word);
    const Permitted permitted = state_.permitted(call, around);
    for (u64 n = 0; n <= count + 1; ++n) {
      const bool right = counts.contains(n * page);
      RC_ASSERT(permitted.permits({.value = n * page}) == right);
      RC_ASSERT(permitted.permits({.status = Status::etimedout, .value = n * page}) ==
                (right && around.queue_stuck));
      if (!right) RC_ASSERT(!state_.apply(call, {.value = n * page}, around).ok);
    }
    auto at = counts.begin();
    for (u64 skip = word.take(counts.size()); skip != 0; --skip) ++at;
    const Status status = around.queue_stuck && word.take(2) ? Status::etimedout : Status::ok;
    check_transient(call, which);
    RC_ASSERT(state_.end_call(call, {.status = status, .value = *at}, around).ok);
    for (u64 n = first; n < first + *at / page; ++n) {
      Page entry = domain.pages.at(n);
      entry.in_quarantine = status == Status::etimedout;
      if (kind == CallKind::unmap_fast || entry.in_quarantine) add_layer(domain.stale[n], entry);
      domain.pages.erase(n);
    }
  }

  void sync(u32 which, Word& word) {
    ModelDomain& domain = model_.domains[which];
    const bool flush = word.take(2) == 0;
    const Call call{.kind = flush ? CallKind::flush_iotlb_all : CallKind::iotlb_sync,
                    .domain = handles[which]};
    const Circumstances around = circumstances(word);
    std::set<Status> set{Status::ok};
    if (around.queue_stuck) set.insert(Status::etimedout);
    const Status status = choose_status(call, around, set, word);
    RC_ASSERT(state_.apply(call, {.status = status}, around).ok);
    if (status == Status::ok) {
      std::erase_if(domain.stale,
                    [&](auto& e) { return flush || !e.second.front().in_quarantine; });
    } else {
      for (auto& [n, layers] : domain.stale) {
        for (Page& layer : layers) layer.in_quarantine = true;
      }
    }
  }

  void move(u32 which, Word& word) {
    const auto device = static_cast<u32>(word.take(device_count));
    const bool attaches = word.take(3) != 0;
    const int now = model_.attached[device];
    const bool here = now == static_cast<int>(which);
    const Call call{.kind = attaches ? CallKind::attach : CallKind::detach,
                    .domain = handles[which],
                    .device = device};
    const std::set<Status> set{attaches || here ? Status::ok : Status::einval};
    const Status status = choose_status(call, {}, set, word);
    RC_ASSERT(state_.apply(call, {.status = status}).ok);
    if (status != Status::ok) return;
    model_.attached[device] = attaches ? static_cast<int>(which) : -1;
    if (!attaches) {
      std::erase_if(model_.domains[which].stale,
                    [](auto& e) { return !e.second.front().in_quarantine; });
    }
  }

  Trail& trail_;
  Interface state_;
  Model model_;
};

const auto words = rc::gen::container<std::vector<u64>>(rc::gen::inRange<u64>(0, u64{1} << 60));

RC_GTEST_PROP(SvaInterfaceProperty, agrees_with_a_model_of_pages, ()) {
  Trail trail;
  Runner runner(trail);
  for (const u64 word : *words) {
    runner.step(word);
    runner.compare();
  }
}

RC_GTEST_PROP(SvaInterfaceProperty, undo_restores_exactly, ()) {
  Trail trail;
  Runner runner(trail);
  for (const u64 word : *words) runner.step(word);
  const Trail::Mark mark = trail.mark();
  const std::string before = runner.dump();
  const Model model = runner.model();
  const auto later = *words;
  for (const u64 word : later) runner.step(word);
  const std::string after = runner.dump();
  runner.undo(mark, model);
  RC_ASSERT(runner.dump() == before);
  runner.compare();
  // And what follows is the same again.
  for (const u64 word : later) runner.step(word);
  RC_ASSERT(runner.dump() == after);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_interface_property_test
