// SPDX-License-Identifier: MIT
// What models get wrong of Access flags and dirty state. One device each. IHI 0070 3.13.
#include <algorithm>

#include "base/bits.h"
#include "spec/arch/descriptor.h"
#include "spec/rules/protocol.h"
#include "tests/conform/mistaken_device_support.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;
using spec::Access;
using spec::AccessType;
using spec::FlagUpdate;
using spec::Rule;
namespace rule = spec::rule;
using Context = MistakeContext;
using Updates = std::vector<FlagUpdate>;

void with_updates(spec::Capabilities& caps) {
  caps.minor = 3;
  caps.httu = 3;
  caps.s2p = caps.xnx = true;
  caps.vmid16 = false;
  caps.oas_lg2 = 44;
}

Mistake mistake(const char* name, const char* section,
                std::function<void(Context&, const Access&, const spec::Outcome&, Updates&)> flags,
                Rule rule = rule::FLAG_UPDATES) {
  return {.name = name,
          .section = section,
          .rule = rule,
          .only = "flags:*",
          .claims = with_updates,
          .flags = std::move(flags)};
}

bool dirties(const FlagUpdate& one) { return ((one.from ^ one.to) & bits_of::ap2) != 0; }
bool is_writable_clean(u64 word) {
  return (word & bits_of::dbm) != 0 && (word & bits_of::ap2) != 0;
}

}  // namespace

std::vector<Mistake> mistakes_of_flags() {
  std::vector<Mistake> all;
  all.push_back(
      mistake("HTTU: no descriptor is ever written", "3.13.2, 3.13.3",
              [](Context&, const Access&, const spec::Outcome&, Updates& u) { u.clear(); }));
  all.push_back(mistake("HTTU: the dirty state is not written", "3.13.3",
                        [](Context&, const Access&, const spec::Outcome&, Updates& u) {
                          std::erase_if(u, dirties);
                        }));
  all.push_back(mistake("HTTU: a write sets the dirty state alone", "3.13.2",
                        [](Context&, const Access&, const spec::Outcome&, Updates& u) {
                          for (FlagUpdate& one : u) {
                            if (dirties(one)) one.to = one.from ^ bits_of::ap2;
                          }
                        }));
  all.push_back(mistake("HTTU: writes set no Access flag of a page that is dirty", "3.13.2",
                        [](Context&, const Access& access, const spec::Outcome&, Updates& u) {
                          if (access.type != AccessType::write) return;
                          std::erase_if(u, [](const FlagUpdate& one) { return !dirties(one); });
                        }));
  all.push_back(mistake("HTTU: a read that sets the Access flag sets the dirty state", "3.13.3",
                        [](Context&, const Access&, const spec::Outcome&, Updates& u) {
                          for (FlagUpdate& one : u) {
                            if (is_writable_clean(one.to)) one.to ^= bits_of::ap2;
                          }
                        }));
  all.back().kinds = 4;  // with HD = 0 its writes pass then
  all.push_back(mistake("HTTU: a write that is refused makes the page dirty", "3.13.3",
                        [](Context&, const Access& access, const spec::Outcome& o, Updates& u) {
                          const bool refused = o.event == spec::EventType::f_permission &&
                                               access.type == AccessType::write && !o.stage2;
                          if (refused && is_writable_clean(o.value)) {
                            u.push_back({o.origin, o.value, o.value ^ bits_of::ap2});
                          }
                        }));
  all.push_back(mistake(
      "HTTU: the flags are written into the next descriptor", "3.13.2",
      [](Context&, const Access&, const spec::Outcome&, Updates& u) {
        for (FlagUpdate& one : u) one = {one.pa + 8, one.from, one.to};
      },
      rule::DEVICE_OUTCOME));
  all.back().kinds = 14;  // what is translated by what it hit is anything
  all.push_back(mistake(
      "HTTU: DBM is cleared with AP[2]", "3.13.3",
      [](Context&, const Access&, const spec::Outcome&, Updates& u) {
        for (FlagUpdate& one : u) {
          if (dirties(one)) one.to &= ~bits_of::dbm;
        }
      },
      rule::DEVICE_OUTCOME));
  all.push_back(mistake(
      "HTTU: the dirty state is written over what software stored", "3.13.3",
      [](Context& c, const Access&, const spec::Outcome&, Updates& u) {
        for (FlagUpdate& one : u) {
          const bool first = c.held[0] == 0 && is_writable_clean(one.from);
          if (first) c.held = {one.pa, one.from};
          if (!dirties(one) || one.pa != c.held[0]) continue;
          one.to = (c.held[1] | bits_of::af) ^ bits_of::ap2;
        }
      },
      rule::DEVICE_OUTCOME));
  all.push_back(mistake("HTTU: Access flags of tables are not written", "3.13.6",
                        [](Context&, const Access&, const spec::Outcome& o, Updates& u) {
                          std::erase_if(u,
                                        [&](const FlagUpdate& one) { return one.pa != o.origin; });
                        }));
  return all;
}

}  // namespace iommucheck::oracle
