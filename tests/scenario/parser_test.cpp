// SPDX-License-Identifier: MIT
#include "scenario/format/parser.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenario/format/print.h"
#include "tests/places.h"

namespace iommucheck::scenario::parser_test {
namespace {

std::string folder() { return test::in_tree("scenario/files"); }

std::vector<std::string> files() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder())) {
    if (entry.path().extension() == ".scenario") paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

std::string contents(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

const std::vector<std::string>& texts() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> list;
    for (const std::string& path : files()) list.push_back(contents(path));
    return list;
  }();
  return all;
}

/// One line of each kind, with every form that the format has.
constexpr std::string_view all_kinds = R"(
@ ALL R1,R2 one of each kind, with  blanks   # and a comment
  world backend=smmuv3 iommus=2 hooks=-mm_attach,-mm_detach iova_bits=39 pgsizes=none
  dev D0 D1 pasids=0 iopf=pri ats=1 sids=3 iommu=I0 modes=svm,explicit
  dev D2
  page P Q
  huge H
  run R 4
  proc X
  mmap X 0x400000 P rw
  mprotect X 0x400000 r
  munmap X 0x400000
  upt U 0x1000 0x10000 rw
  upt_clear U 0x1000
  ucd C 2 garbage
  ucd C 3 U
  d = domain_alloc(paging) -> new | ENOMEM
  map_sg(d, 0x1000, [(P, 0x1000), R:0x1000, R+0x2000], rw) -> 0x3000
  map(d, 0, P, 0x1000, none) -> EINVAL
  map(d, 0xffffffffffffffff, P, 18446744073709551615, rwx) -> ERANGE
  p = pasid_alloc(1, 10) -> any
  ? D0.p 0x1000 r -> F.pasid | P+8 | 0x1000
  ?sid D0.1 1 0x1000 x -> H+0x1ff8
  t = domain_get_attr(d, ttbr0) -> new
  ?walk t 0x1000 r -> F.unmapped
  ?gpu D0 0x1000 w -> P
  T1: munmap X 0x1000
  T1: exit(X) -> blocked
  T1 -> ok
  in mm_exit(D0, 1): unbind_device(D0, 1) -> EDEADLK
  T2: in mm_exit(D0, 1): each-alloc map(d, 0, P, 0x1000, r) -> ENOMEM
  race unmap(d, 0x1000, 0x1000) munmap X 0x1000 -> either
  no-memory detach(d, D0)
  no-memory unmap(d, 0x1000, 0x1000) -> 0x1000
  dirty_read(d, 0, 0x4000, 0x1000, keep) -> bits(0010)
  cache_invalidate(d, [va(0x1000), all, cd(2), host_all, illegal]) -> done(1, EIO)
  cache_invalidate(d, [atc(D0, none, 0), atc(D0, p, 0), other_sid, sync, resume]) -> ETIMEDOUT
  cb -> mm_exit(D0, 1, 0x1) & mm_exit(D1, 2, 3)
  cb -> none
  hook mm_alloc null
  hooks_balance -> 3
  distinct d p
  same_format d p
  asid_pinned X -> no
  cpu_asid_collides X d
  draw -> d:{D0} d.0:pgtable d.1:mm(X)
  bound_passes
  recover -> ok
  recover
  stuck
  stuck after 2
  unstuck
  mark
  same
  hw none
  blame caller
  f = dma D0.1 0x1000 w g=3 last=0 -> P
  dma_state(f) -> waiting | aborted
  mm_exit_return(D0, 1, EIO) -> ok
  leaks -> d:1 k:2 m:0 p:3 q:0
  leaks -> none
)";

TEST(ScenarioParser, AnAccessHasItsSettingsInEitherOrder) {
  const char* const orders[] = {"g=3 last=0", "last=0 g=3"};
  for (const char* order : orders) {
    const auto file =
        parse("@ A x y\n  dev D0\n  page P\n  dma D0 0x1000 w " + std::string(order) + " -> P\n",
              "order");
    ASSERT_TRUE(file) << file.error().message;
    const auto* dma = std::get_if<Dma>(&file->scenarios.at(0).steps.back().what);
    ASSERT_NE(dma, nullptr);
    EXPECT_EQ(dma->group, 3U);
    EXPECT_FALSE(dma->last);
  }
}

TEST(ScenarioParser, EveryFileIsReadAndPrintedBack) {
  ASSERT_GE(files().size(), 11U);
  for (const std::string& path : files()) {
    const auto file = parse_file(path);
    ASSERT_TRUE(file) << file.error().message;
    const auto again = parse(print(*file), "again");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(file->scenarios, again->scenarios) << path;
  }
}

TEST(ScenarioParser, EveryKindOfLineIsPrintedBackAsItStands) {
  const auto file = parse(all_kinds, "all");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->scenarios.size(), 1U);
  EXPECT_EQ(file->scenarios[0].title, "one of each kind, with blanks");
  const std::string text = print(*file);
  std::istringstream lines{std::string(all_kinds)};
  std::string line;
  while (std::getline(lines, line)) {
    if (line.empty() || line[0] == '@') continue;
    EXPECT_NE(text.find(line + "\n"), std::string::npos) << line;
  }
}

struct Wrong {
  std::string_view lines;
  std::string_view place;
  std::string_view says;
};

class ScenarioErrors : public testing::TestWithParam<Wrong> {};

TEST_P(ScenarioErrors, NamePlaceAndWhatWasExpected) {
  const auto file = parse("@ A R1 t\n" + std::string(GetParam().lines), "f");
  ASSERT_FALSE(file) << GetParam().lines;
  EXPECT_EQ(file.error().code, ErrorCode::bad_input);
  const std::string& message = file.error().message;
  EXPECT_TRUE(message.starts_with("f:" + std::string(GetParam().place) + ": ")) << message;
  EXPECT_NE(message.find(GetParam().says), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, ScenarioErrors,
    testing::Values(
        Wrong{"  nonsense\n", "2:3", "no such step"},
        Wrong{"  attach(d, D0) -> ok\n", "2:10", "nothing has this name yet"},
        Wrong{"  d = domain_alloc(paging)\n", "2:27", "expected '->'"},
        Wrong{"  d = domain_alloc(paging) -> EMAYBE\n", "2:31", "expected ok, new"},
        Wrong{"  d = domain_malloc(paging) -> new\n", "2:7", "no such call"},
        Wrong{"  dev D0\n  d = domain_alloc(nested) -> new\n"
              "  cache_invalidate(d, [all, atc(D7, none, 0x1000)]) -> done(2, ok)\n",
              "4:33", "nothing has this name yet"},
        Wrong{"  d = domain_alloc(nested) -> new\n  cache_invalidate(d, [vaa(0x1000)]) -> EIO\n",
              "3:24", "no such command; there are va, all, cd, atc"},
        Wrong{"  d = domain_alloc(nested) -> new\n  cache_invalidate(d, [va]) -> EIO\n", "3:24",
              "takes 1 arguments, not 0"},
        Wrong{"  d = domain_alloc(nested) -> new\n  cache_invalidate(d, [7]) -> EIO\n", "3:24",
              "no such command"},
        Wrong{"  d = domain_alloc(paging) -> new\n  ?walk d 0x1000 r -> F.unmapped\n", "3:9",
              "expected a table"},
        Wrong{"  d = domain_alloc(paging) -> new\n  t = domain_get_attr(d, ttbr0) -> new\n"
              "  t = domain_get_attr(d, 77) -> any\n  ?walk t 0x1000 r -> F.unmapped\n",
              "5:9", "expected a table"},
        Wrong{"  dev D0\n  d = domain_alloc(paging) -> new\n  gpu_switch(D0, d) -> ok\n", "4:18",
              "expected a table"},
        Wrong{"  d = domain_alloc(paging -> new\n", "2:27", "expected ','"},
        Wrong{"  pasid_alloc(1) -> 1\n", "2:3", "takes 2 arguments, not 1"},
        Wrong{"  pasid_alloc(1, 0x10000000000000000) -> 1\n", "2:18", "not a number of 64 bits"},
        Wrong{"  dev D0 pasid=3\n", "2:10", "there is no such key"},
        Wrong{"  dev D0 ats=2\n", "2:14", "expected 0 or 1"},
        Wrong{"  d = domain_alloc(paging) -> new\n  dirty_set(d, onn) -> ok\n", "3:16",
              "expected on, off"},
        Wrong{"  d = domain_alloc(paging) -> new\n"
              "  dirty_read(d, 0, 0x1000, 0x1000, kep) -> bits(0)\n",
              "3:36", "expected keep, clear"},
        Wrong{"  dev D0 ats=1 ats=1\n", "2:16", "twice"},
        Wrong{"  d = domain_alloc(page) -> new\n", "2:20", "expected paging, paging_s2, blocked"},
        Wrong{"  dev D0\n  sva_device_init(D0, [], 0, 0, mmexit) -> ok\n", "3:33",
              "expected mm_exit, null"},
        Wrong{"  dev D0\n  sva_device_init(D0, [iofp], 0, 0, null) -> ok\n", "3:24",
              "expected iopf, private, unknown"},
        Wrong{"  dev D0\n  proc X\n  bind_device(D0, X, [iopf], 0) -> 1\n", "4:23",
              "expected further, svm, explicit, unknown"},
        Wrong{"  dev D0\n  fault_handler_set(D0, 1, handlr, 0) -> ok\n", "3:28",
              "expected handler, none"},
        Wrong{"  dev D0\n  fault_respond(handler, D0, 1, 1, sucess) -> ok\n", "3:36",
              "expected success, invalid, failure, unknown"},
        Wrong{"  d = domain_alloc(paging) -> new\n  domain_get_attr(d, ttbr1) -> new\n", "3:22",
              "expected ttbr0, pasid, unknown"},
        Wrong{"  dev D0\n  mm_exit_return(D0, 1, done) -> ok\n", "3:25",
              "expected ok, 0 or an errno name"},
        Wrong{"  d = domain_alloc(paging) -> new\n"
              "  dirty_read(d, 0, 0x3000, 0x1000, keep) -> bits(01)\n",
              "3:45", "2 bits stand here, and the window has 3"},
        Wrong{"  d = domain_alloc(paging) -> new\n"
              "  dirty_read(d, 0, 0x1000, 0x1000, keep) -> EINVAL | bits(10)\n",
              "3:54", "2 bits stand here, and the window has 1"},
        Wrong{"  d = domain_alloc(paging) -> new\n"
              "  dirty_read(d, 0, 0x1800, 0x1000, keep) -> bits(1)\n",
              "3:45", "expected EINVAL"},
        Wrong{"  d = domain_alloc(paging) -> bits(0)\n", "2:31", "a result of dirty_read"},
        Wrong{"  d = domain_alloc(paging) -> done(0, ok)\n", "2:31", "of cache_invalidate"},
        Wrong{"  dev D0 iommu=I5\n", "2:16", "no device is on I0"},
        Wrong{"  dev D0\n  dev D1 iommu=I2\n", "3:16", "say world iommus=3"},
        Wrong{"  world iommus=2\n  dev D0 iommu=I2\n", "3:16", "they are I0 to I1"},
        Wrong{"  world iommus=1\n  dev D0 iommu=A\n  dev D1 iommu=B\n", "3:16", "say iommus=2"},
        Wrong{"  world iommus=no\n", "2:16", "expected a number from 1 to 64"},
        Wrong{"  dev D0\n  d = domain_alloc(paging, I1) -> new\n", "3:28", "no such IOMMU"},
        Wrong{"  d = domain_alloc(paging) -> new\n  dev D0\n  draw -> d:{D0 d.0:pgtable\n", "4:11",
              "expected '}'"},
        Wrong{"  d = domain_alloc(paging) -> new\n  draw -> d\n", "3:11", "expected DOMAIN:{"},
        Wrong{"  d = domain_alloc(paging) -> new\n  draw -> d:pgtable\n", "3:11", "in braces"},
        Wrong{"  d = domain_alloc(paging) -> new\n  draw -> d.1:mm(X)\n", "3:18",
              "nothing has this name yet"},
        Wrong{"  d = domain_alloc(paging) -> new\n  draw -> d.a:private\n", "3:11",
              "expected a decimal PASID"},
        Wrong{"  upt C 0x1000 0x2000 rw\n  ucd C 1 C\n", "3:7", "expected a user's PASID table"},
        Wrong{"  s = domain_alloc(paging_s2) -> new\n  upt U 0x1000 0x2000 rw\n"
              "  n = domain_alloc(nested_pasid, s, U) -> new\n",
              "4:37", "expected a user's PASID table, which ucd makes"},
        Wrong{"  world backend=vtd\n", "2:17", "expected smmuv3 or two"},
        Wrong{"  world bbml=1\n  world bbml=2\n", "3:9", "already"},
        Wrong{"  dev D0\n  ? D0 0x1000 q -> F.dev\n", "3:15", "expected r, w or x"},
        Wrong{"  dev D0\n  ? D0 0x1000 r -> F.nothing\n", "3:20", "no such fault"},
        Wrong{"  dev D0\n  ? D0 0x1000 r -> P\n", "3:20", "expected a page"},
        Wrong{"  dev D0\n  page D0\n", "3:8", "is a device already"},
        Wrong{"  run R 0\n", "2:9", "expected 1 to 65536"},
        Wrong{"  mark now\n", "2:8", "nothing may follow"},
        Wrong{"  leaks -> x:1\n", "2:12", "expected d:N"},
        Wrong{"  leaks -> d:1 d:2\n", "2:16", "twice"},
        Wrong{"  hw maybe\n", "2:6", "expected none, some"},
        Wrong{"  blame everybody\n", "2:9", "expected caller"},
        Wrong{"  T1 -> ok\n", "2:3", "expected a thread"},
        Wrong{"  dev D0\n  T1: ? D0 0x1000 r -> F.dev\n", "3:3", "a thread makes calls"},
        Wrong{"  cb -> exit\n", "2:9", "expected a callback"},
        Wrong{"  dev D0\n  f = dma D0 0x0 r g=0 last=2 -> F.dev\n", "3:29", "expected 0 or 1"},
        Wrong{"  \x01\x02\n", "2:3", "\\x01"}, Wrong{"@ A R1 again\n", "2:1", "stands twice"},
        Wrong{"@\n", "2:1", "expected the ID"}));

TEST(ScenarioParser, TextWithoutAScenario) {
  EXPECT_FALSE(parse("", "f"));
  EXPECT_FALSE(parse("# nothing\n\n", "f"));
  const auto file = parse("  mark\n", "f");
  ASSERT_FALSE(file);
  EXPECT_TRUE(file.error().message.starts_with("f:1:3: 'mark'"));
}

// What stands for something that no word is there for.
TEST(ScenarioParser, ErrnoNamesNullNoneAndNumbersInTheirPlaces) {
  const auto file = parse(
      "@ A R1 t\n  dev D0\n  proc X\n  d = domain_alloc(paging) -> E2BIG | ENOTSUPP | EILSEQ\n"
      "  bind_device(D0, NULL, [], 0) -> EINVAL\n  t = thread(X) -> new\n"
      "  bind_device(D0, t, [], 0) -> any\n  unbind_device(D0, none) -> EINVAL\n"
      "  ? D0.none 0x1000 r -> F.dev\n  q = fault_queue_open(d, 4) -> new\n"
      "  fault_respond(q, D0, none, 1, 77) -> EINVAL\n  domain_get_attr(d, 77) -> EINVAL\n",
      "f");
  ASSERT_TRUE(file) << file.error().message;
  const auto again = parse(print(*file), "again");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(file->scenarios, again->scenarios);
  EXPECT_FALSE(parse("@ A R1 t\n  exit(NULL) -> ok\n", "f"));  // nothing could be meant
  EXPECT_FALSE(parse("@ A R1 t\n  dev D0\n  ? D0 none r -> F.dev\n", "f"));
}

TEST(ScenarioParser, WhatCannotBeReadHidesNothingElse) {
  const Parsed parsed = parse_all(
      "@ A R1 t\n  nonsense\n  more of it\n@ B R1 t\n  mark\n@ C R1 t\n  dev D0\n"
      "  ? D1 0x0 r -> F.dev\n@ B R1 again\n  same\n@ D R1 t\n  same\n",
      "f");
  ASSERT_EQ(parsed.file.scenarios.size(), 2U);
  EXPECT_EQ(parsed.file.scenarios[0].id, "B");
  EXPECT_EQ(parsed.file.scenarios[0].steps.size(), 1U);
  EXPECT_EQ(parsed.file.scenarios[1].id, "D");
  ASSERT_EQ(parsed.errors.size(), 3U);
  EXPECT_TRUE(parsed.errors[0].message.starts_with("f:2:3: 'nonsense'"));
  EXPECT_TRUE(parsed.errors[1].message.starts_with("f:9:1: 'B'"));
  EXPECT_TRUE(parsed.errors[2].message.starts_with("f:8:5: 'D1'"));
}

TEST(ScenarioParser, FilesThatAreNone) {
  EXPECT_FALSE(parse_file(folder() + "/there is none"));
  EXPECT_FALSE(parse_file(folder()));
}

// ---- any scenario, any damage -------------------------------------------------------------------

template <class T>
T one_of(std::vector<T> values) {
  return *rc::gen::elementOf(values);
}

Value any_value(unsigned depth = 0) {
  Value value;
  value.kind = static_cast<Value::Kind>(*rc::gen::inRange(0, depth < 2 ? 6 : 2));
  value.hex = *rc::gen::arbitrary<bool>();
  const auto items = [&](unsigned least, unsigned most) {
    const unsigned count = *rc::gen::inRange(least, most + 1);
    for (unsigned i = 0; i < count; ++i) value.items.push_back(any_value(depth + 1));
  };
  const auto words = std::vector<std::string>{"ok", "any", "rw", "P1", "EINVAL", "F.quiet", "mark",
                                              "T1", "dev", "cb", "in", "race",   "paging"};
  switch (value.kind) {
    case Value::Kind::number: value.number = *rc::gen::arbitrary<u64>(); break;
    case Value::Kind::word:
      value.word = one_of(words);
      value.plus = !value.word.starts_with("F.") && *rc::gen::arbitrary<bool>();
      if (value.plus) {
        value.number = *rc::gen::arbitrary<u64>();
      } else {
        value.hex = false;
      }
      break;
    case Value::Kind::list:
    case Value::Kind::tuple:
      value.hex = false;
      items(0, 3);
      break;
    case Value::Kind::term:
      value.hex = false;
      value.word = one_of<std::string>({"va", "done", "fault", "cd", "mm_exit"});
      items(0, 3);
      break;
    case Value::Kind::pair:
      value.hex = false;
      value.mark = one_of<char>({':', '='});
      for (int i = 0; i < 2; ++i) {
        Value item = any_value(9);
        value.items.push_back(item);
      }
      break;
  }
  return value;
}

Name any_name() { return {one_of<std::string>({"a", "D0", "X", "mark", "leaks", "dma"}), {}}; }

Values any_values(unsigned least, unsigned most) {
  Values values;
  const unsigned count = *rc::gen::inRange(least, most + 1);
  for (unsigned i = 0; i < count; ++i) values.push_back(any_value());
  return values;
}

Invoke any_invoke() {
  Invoke invoke;
  invoke.memory = static_cast<Invoke::Memory>(*rc::gen::inRange(0, 3));
  if (*rc::gen::arbitrary<bool>()) invoke.inside = Handler{any_name(), any_value(9)};
  if (*rc::gen::arbitrary<bool>()) invoke.result_name = any_name();
  invoke.call = {one_of<std::string>({"map", "attach", "mark", "exit", "leaks"}), {}};
  invoke.arguments = any_values(0, 4);
  invoke.results = any_values(invoke.memory == Invoke::Memory::none ? 0 : 1, 3);
  return invoke;
}

Step any_step() {
  Step step;
  switch (*rc::gen::inRange(0, 6)) {
    case 0: step.what = any_invoke(); break;
    case 1:
      step.thread = {"T1", {}};
      step.what = any_invoke();
      break;
    case 2: {
      Probe probe;
      probe.kind = static_cast<Probe::Kind>(*rc::gen::inRange(0, 4));
      probe.target = any_name();
      if (probe.kind != Probe::Kind::walk && *rc::gen::arbitrary<bool>()) {
        probe.pasid = any_value(9);
        if (probe.pasid->plus) probe.pasid.reset();
      }
      if (probe.kind == Probe::Kind::stream) probe.stream = *rc::gen::arbitrary<u64>();
      probe.iova = any_value();
      probe.access = one_of<char>({'r', 'w', 'x'});
      probe.outcomes = any_values(1, 3);
      step.what = probe;
      break;
    }
    case 3: {
      Dma dma;
      if (*rc::gen::arbitrary<bool>()) dma.result_name = any_name();
      dma.device = any_name();
      dma.iova = any_value();
      dma.group = *rc::gen::arbitrary<u64>();
      dma.last = *rc::gen::arbitrary<bool>();
      dma.outcomes = any_values(1, 2);
      step.what = dma;
      break;
    }
    case 4:
      step.thread = {"T9", {}};
      step.what = Resume{any_values(1, 2)};
      break;
    default: {
      Change change;
      change.kind = static_cast<Change::Kind>(*rc::gen::inRange(0, 5));
      change.object = any_name();
      change.at = any_value();
      using Kind = Change::Kind;
      if (change.kind == Kind::mmap || change.kind == Kind::upt) change.to = any_value();
      if (change.to || change.kind == Kind::mprotect)
        change.prot = one_of<std::string>({"rw", "r"});
      step.what = change;
    }
  }
  return step;
}

RC_GTEST_PROP(ScenarioParser, WhatIsPrintedIsReadBackEqual, ()) {
  Scenario scenario;
  scenario.id = "A-1";
  scenario.keys = "R1";
  scenario.title = "any";
  const unsigned count = *rc::gen::inRange(0U, 12U);
  for (unsigned i = 0; i < count; ++i) scenario.steps.push_back(any_step());
  const std::string text = print(scenario);
  const auto file = parse_unchecked(text, "t");
  if (!file) RC_FAIL(file.error().message + "\n" + text);
  RC_ASSERT(file->scenarios.size() == 1U);
  if (!(file->scenarios[0] == scenario)) RC_FAIL(text + "\n" + print(file->scenarios[0]));
}

RC_GTEST_PROP(ScenarioParser, DamageIsAnErrorWithAPlaceOrAScenario, ()) {
  std::string text = *rc::gen::elementOf(texts());
  const unsigned edits = *rc::gen::inRange(1U, 6U);
  for (unsigned i = 0; i < edits && !text.empty(); ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto length = std::min<std::size_t>(text.size() - at, *rc::gen::inRange(0U, 20U));
    switch (*rc::gen::inRange(0, 4)) {
      case 0: text.erase(at, length); break;
      case 1: text[at] = *rc::gen::arbitrary<char>(); break;
      case 2:
        text.insert(at, text.substr(*rc::gen::inRange<std::size_t>(0, text.size()), length));
        break;
      default:
        text.insert(at, one_of<std::string>({"(", ")", "[", "->", "|", "?", "@", ":", "=", ",", "+",
                                             "\n", "in ", "race ", "F.", "0x", "T1:"}));
    }
  }
  const auto file = parse(text, "f");
  if (file) {
    const auto again = parse(print(*file), "again");
    if (!again) RC_FAIL(again.error().message + "\n" + print(*file));
    RC_ASSERT(again->scenarios == file->scenarios);
  } else {
    RC_ASSERT(file.error().code == ErrorCode::bad_input);
    RC_ASSERT(file.error().message.starts_with("f:"));
  }
}

RC_GTEST_PROP(ScenarioParser, AnyBytesAreHarmless, (const std::string& bytes)) {
  (void)parse("@ A R t\n" + bytes, "f");
  (void)parse(bytes, "f");
}

}  // namespace
}  // namespace iommucheck::scenario::parser_test
