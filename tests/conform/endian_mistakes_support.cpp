// SPDX-License-Identifier: MIT
// What models get wrong of the order of bytes in descriptors. One device each, which claims both
// orders. IHI 0070 5.2 (S2ENDI), 5.4 (ENDI), 6.3.1 (TTENDIAN).
#include <bit>

#include "base/bits.h"
#include "tests/conform/mistaken_device_support.h"

namespace iommucheck::oracle {

namespace endian_mistakes {
namespace {

using spec::Rule;
using spec::Structure;
using Context = MistakeContext;

constexpr unsigned endi = 15, s2endi = 52;

void with_both_orders(spec::Capabilities& caps) {
  caps.ttendian = 0;
  caps.s2p = caps.xnx = true;
  caps.vmid16 = false;
  caps.httu = 0;
  caps.stall_model = spec::StallModel::never;
  caps.oas_lg2 = 44;
}

bool is_word(Structure kind, Structure wanted, u64 pa, unsigned word) {
  return kind == wanted && pa % 64 == 8 * word;
}

Mistake mistake(const char* name, const char* section, const char* only,
                std::function<u64(Context&, Structure, u64, u64)> fetch) {
  return {.name = name,
          .section = section,
          .rule = Rule::TRANSLATION_RESULT,
          .only = only,
          .kinds = 4,
          .claims = with_both_orders,
          .fetch = std::move(fetch)};
}

/// What stands in the structures that were fetched last: configuration is read for each access.
void note_orders(Context& c, Structure kind, u64 pa, u64 word) {
  if (is_word(kind, Structure::cd, pa, 0)) c.held[0] = bits(word, endi, endi);
  if (is_word(kind, Structure::ste, pa, 2)) c.held[1] = bits(word, s2endi, s2endi);
}

}  // namespace
}  // namespace endian_mistakes

std::vector<Mistake> mistakes_of_endianness() {
  using namespace endian_mistakes;
  const char* const alone = "endianness: stage 1,*";
  const char* const stage2 = "endianness: stage 2,*";
  const char* const nested = "endianness: nested,*";
  std::vector<Mistake> all;
  all.push_back(mistake("ENDI is not looked at", "5.4 (ENDI)", alone,
                        [](Context&, Structure kind, u64 pa, u64 word) {
                          const bool its = is_word(kind, Structure::cd, pa, 0);
                          return its ? word & ~(u64{1} << endi) : word;
                        }));
  all.push_back(mistake("S2ENDI is not looked at", "5.2 (S2ENDI)", stage2,
                        [](Context&, Structure kind, u64 pa, u64 word) {
                          const bool its = is_word(kind, Structure::ste, pa, 2);
                          return its ? word & ~(u64{1} << s2endi) : word;
                        }));
  all.push_back(mistake("S2ENDI counts for stage 1, too", "5.4 (ENDI)", nested,
                        [](Context& c, Structure kind, u64 pa, u64 word) {
                          note_orders(c, kind, pa, word);
                          const bool its = is_word(kind, Structure::cd, pa, 0);
                          return its ? word | c.held[1] << endi : word;
                        }));
  all.push_back(mistake("ENDI swaps the halves of a descriptor one by one", "5.4 (ENDI)", alone,
                        [](Context& c, Structure kind, u64 pa, u64 word) {
                          note_orders(c, kind, pa, word);
                          const bool its = kind == Structure::descriptor && c.held[0] != 0;
                          return its ? std::rotl(word, 32) : word;
                        }));
  all.push_back(mistake("ENDI swaps CDs, too", "3.2, 5.4 (ENDI)", alone,
                        [](Context& c, Structure kind, u64 pa, u64 word) {
                          note_orders(c, kind, pa, word);
                          const bool its = is_word(kind, Structure::cd, pa, 1) && c.held[0] != 0;
                          return its ? std::byteswap(word) : word;
                        }));
  return all;
}

}  // namespace iommucheck::oracle
