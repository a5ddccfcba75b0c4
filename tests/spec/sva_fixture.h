// SPDX-License-Identifier: MIT
// The interface's abstract state with devices, domains and processes, and short words for calls.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

namespace words {

inline constexpr u64 d = 0x51;
inline constexpr u64 e = 0x52;
inline constexpr u64 m = 0x71;
inline constexpr u64 n = 0x72;
inline constexpr u64 page = 0x1000;
inline constexpr u32 rw = prot_read | prot_write;
inline constexpr u64 x = 0xa1;  // processes
inline constexpr u64 y = 0xa2;
inline constexpr u64 px = 0x8000'0000;
inline constexpr u64 py = 0x8000'1000;
inline constexpr u64 p1 = 0x8000'2000;
inline constexpr u64 p2 = 0x8000'3000;
inline constexpr u32 iopf = feature_iopf;
inline constexpr u32 privates = feature_private;
inline constexpr u32 further = bind_further_pasid;

inline Call alloc(DomainKind kind = DomainKind::paging) {
  return {.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(kind)};
}
inline Call free_domain(u64 domain) { return {.kind = CallKind::domain_free, .domain = domain}; }
inline Call attach(u64 domain, u32 device) {
  return {.kind = CallKind::attach, .domain = domain, .device = device};
}
inline Call detach(u64 domain, u32 device) {
  return {.kind = CallKind::detach, .domain = domain, .device = device};
}
inline Call map(u64 domain, u64 iova, u64 pa) {
  return {
      .kind = CallKind::map, .domain = domain, .iova = iova, .pa = pa, .size = page, .prot = rw};
}
inline Call init(u32 device, u32 features, u32 min = 1, u32 max = 0, bool mm_exit = true) {
  return {.kind = CallKind::sva_device_init,
          .device = device,
          .features = features,
          .min_pasid = min,
          .max_pasid = max,
          .has_mm_exit = mm_exit};
}
inline Call of_device(CallKind kind, u32 device, u32 pasid = 0) {
  return {.kind = kind, .device = device, .pasid = pasid};
}
inline Call shutdown(u32 device) { return of_device(CallKind::sva_device_shutdown, device); }
inline Call unbind_all(u32 device) { return of_device(CallKind::unbind_dev_all, device); }
inline Call unbind(u32 device, u32 pasid) {
  return of_device(CallKind::unbind_device, device, pasid);
}
inline Call drvdata(u32 device, u32 pasid) {
  return of_device(CallKind::sva_drvdata, device, pasid);
}
inline Call io_mm_of(u32 device, u32 pasid) { return of_device(CallKind::io_mm_of, device, pasid); }
inline Call bind(u32 device, u64 mm, u64 word = 0, u32 flags = 0) {
  return {
      .kind = CallKind::bind_device, .device = device, .mm = mm, .drvdata = word, .flags = flags};
}
inline Call pasid_alloc(u32 min, u32 max) {
  return {.kind = CallKind::pasid_alloc, .min_pasid = min, .max_pasid = max};
}
inline Call pasid_free(u32 pasid) { return {.kind = CallKind::pasid_free, .pasid = pasid}; }
inline Call alloc_private(u64 domain, u32 device) {
  return {.kind = CallKind::sva_alloc_pasid, .domain = domain, .device = device};
}
inline Call free_private(u64 domain, u64 io_mm) {
  return {.kind = CallKind::sva_free_pasid, .domain = domain, .io_mm = io_mm};
}
inline Call on_io_mm(CallKind kind, u64 io_mm, u64 iova = 0, u64 size = 0) {
  return {.kind = kind, .iova = iova, .size = size, .io_mm = io_mm};
}
inline Call sva_map(u64 io_mm, u64 iova, u64 pa, u64 size = page) {
  return {
      .kind = CallKind::sva_map, .iova = iova, .pa = pa, .size = size, .prot = rw, .io_mm = io_mm};
}
inline Call sva_unmap(u64 io_mm, u64 iova, u64 size = page) {
  return on_io_mm(CallKind::sva_unmap, io_mm, iova, size);
}
inline Call get_pasid(u64 io_mm) { return on_io_mm(CallKind::io_mm_get_pasid, io_mm); }
inline Call link(CallKind kind, u64 io_mm, u32 device) {
  return {.kind = kind, .device = device, .io_mm = io_mm};
}
inline Call inside(Call call, u32 device, u32 pasid) {
  call.context = {.inside = true, .device = device, .pasid = pasid};
  return call;
}

}  // namespace words

using Machine = Setup;  // testing::Test has a Setup of its own

class SvaWorld : public testing::Test {
 protected:
  explicit SvaWorld(const Machine& setup) : state(trail, setup) {}

  static DeviceSetup device(u32 sid, bool stall = true, u32 bits = 10) {
    return {.stream_ids = {sid}, .ssid_bits = bits, .stall = stall};
  }

  void ok(const Call& call, u64 value = 0, Circumstances around = {}) {
    Observed observed{.status = Status::ok, .value = value};
    returns(call, observed, around);
  }
  /// The device answers in it what it was asked before.
  void answered_in(const Call& call, u32 sid, const Observed& observed, Circumstances around = {}) {
    const Ticket ticket = state.begin_call(call);
    state.endpoint_answers(sid);
    const Verdict verdict = state.end_call(ticket, call, observed, around);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  void fails(const Call& call, Status status, Circumstances around = {}) {
    const std::string before = state.dump();
    returns(call, {.status = status}, around);
    if (status != Status::etimedout) {
      EXPECT_EQ(state.dump(), before) << call_text(call);
    }
  }
  /// This error and no success.
  void only(const Call& call, Status status) {
    fails(call, status);
    EXPECT_FALSE(state.permitted(call, {}).has(Status::ok)) << call_text(call);
  }
  void returns(const Call& call, const Observed& observed, Circumstances around = {}) {
    const Verdict verdict = state.apply(call, observed, around);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  /// A private io_mm and the number that it turns out to have.
  void made(const Call& call, u64 handle, u32 pasid) {
    returns(call, {.value = handle, .pasid = pasid});
  }
  void refused(const Call& call, const Observed& observed, Rule rule = rule::RESULT_EXACT) {
    const std::string before = state.dump_with_history();
    const Trail::Mark mark = trail.mark();
    const Verdict verdict = state.apply(call, observed);
    if (rule == rule::PASID_CYCLIC) trail.undo_to(mark);  // it is given all the same
    EXPECT_FALSE(verdict.ok) << call_text(call);
    EXPECT_EQ(verdict.rule, rule) << verdict.message;
    EXPECT_NE(verdict.message.find(call_text(call)), std::string::npos) << verdict.message;
    EXPECT_EQ(state.dump_with_history(), before);
  }
  void refused(const Call& call, u64 value, Rule rule = rule::RESULT_EXACT) {
    refused(call, Observed{.value = value}, rule);
  }
  void refused(const Call& call, Status status) { refused(call, Observed{.status = status}); }

  void paging(u64 handle) { ok(words::alloc(), handle); }
  void on(u64 domain, std::initializer_list<u32> devices) {
    paging(domain);
    for (const u32 each : devices) ok(words::attach(domain, each));
  }
  void process(u64 mm, u64 va, u64 pa) {
    ASSERT_TRUE(state.process_created(mm));
    ASSERT_TRUE(state.process_maps(mm, va, words::page, pa, words::rw));
  }
  void invalidate(u64 mm, u64 va = 0, u64 bytes = ~u64{0}) {
    EXPECT_TRUE(state.invalidate_ends(state.invalidate_begins(mm, va, bytes)).ok);
  }
  void calls_exit(u32 device, u32 pasid, u64 word) {
    const Verdict verdict = state.handler_called(device, pasid, word);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  void broken(const Verdict& verdict, Rule rule) {
    EXPECT_FALSE(verdict.ok);
    EXPECT_EQ(verdict.rule, rule) << verdict.message;
    EXPECT_FALSE(verdict.message.empty());
  }

  using Set = std::set<std::string>;
  static std::string word(State state, u64 pa, u32 prot) {
    switch (state) {
      case State::blocked: return "blocked";
      case State::unmapped: return "unmapped";
      case State::identity: return "identity";
      case State::no_pasid: return "no_pasid";
      case State::waits: return "waits";
      case State::quiet: return "quiet";
      case State::mapped: return hex(pa) + ((prot & prot_write) != 0 ? " rw" : " r");
      default: return "?";
    }
  }
  /// All that an access may meet now.
  [[nodiscard]] Set meets(u32 device, Substream at, u64 iova) const {
    const Alternatives all = state.expected_during(device, at, iova);
    Set set;
    if (all.gave_up) set.insert("gave up");
    for (u32 i = 0; i < all.count; ++i) {
      set.insert(word(all.promises[i].state, all.promises[i].pa, all.promises[i].prot));
    }
    return set;
  }
  [[nodiscard]] Set meets(u32 device, u32 pasid, u64 iova) const {
    return meets(device, substream(pasid), iova);
  }
  [[nodiscard]] std::vector<u32> substreams(u32 device) const {
    std::vector<u32> numbers;
    state.for_each_substream(device, [&](u32 number) { numbers.push_back(number); });
    return numbers;
  }

  Trail trail;
  Interface state;
};

}  // namespace iommucheck::spec::sva
