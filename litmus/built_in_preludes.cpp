// SPDX-License-Identifier: MIT
// The text of litmus/files/preludes.litmus (a test holds the two equal).
#include "litmus/parser.h"

namespace iommucheck::litmus {

std::string_view built_in_preludes() {
  return R"litmus(# Named starting states. `use NAME` in a test's init copies the lines. All of it is visible and nothing stale is alive.
prelude std
  ste 1 cfg=s1 cd=C1
  cd C1 asid=5 ttb=R
  word R 0 table A
  word A 0 table B
  word B 1 page P1 rw
  word B 2 page P2 rw
  word A 1 block K rw
prelude two
  use std
  ste 2 cfg=s1 cd=C2
  cd C2 asid=6 ttb=S
  word S 0 table SA
  word SA 0 table SB
  word SB 1 page Q1 rw
  word SB 3 page Q3 rw
prelude pasid
  ste 1 cfg=s1 cd=D cdmax=4 s1dss=2
  cd D.0 asid=5 ttb=R
  cd D.1 asid=7 ttb=S
  word R 0 table A
  word A 0 table B
  word B 1 page P1 rw
  word S 0 table SA
  word SA 0 table SB
  word SB 1 page Q1 rw
prelude nest
  ste 3 cfg=nest cd=C3 vmid=9 s2ttb=G
  cd C3 asid=4 ttb=@0x10
  word gR 0 table @0x11
  word gA 0 table @0x12
  word gB 1 page @0x7 rw
  word gB 2 page @0x8 rw
  word G 0 table GA
  word GA 0 table GB
  word GB 0x10 page gR rw
  word GB 0x11 page gA rw
  word GB 0x12 page gB rw
  word GB 0x7 page M7 rw
  word GB 0x8 page M8 rw
prelude s2
  ste 4 cfg=s2 vmid=9 s2ttb=G
  word G 0 table GA
  word GA 0 table GB
  word GB 0x7 page M7 rw
prelude ats
  use std
  ste 1 cfg=s1 cd=C1 eats=1
  ats 1
)litmus";
}

}  // namespace iommucheck::litmus
